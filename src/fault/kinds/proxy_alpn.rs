//! `proxy-alpn`: the proxy agrees by ALPN on anything but HTTP/2, with whoever begins TLS.

use toml_edit::{Array, Value};

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Excuse, Hold, Hosts, Kind};
use crate::fault::{Harm, ProxyHarm};
use crate::grammar::{Entry, Problem};
use crate::lie::{ConnectionLie, Lie};

/// HTTP/2's name (RFC 9113 section 3.2).
const H2: &str = "h2";
/// More than any server is known to offer.
const NAMES_MAX: usize = 16;
/// RFC 7301 section 3.1.
const NAME_BYTES_MAX: usize = 255;
const FORM: &str = "an array of names without h2, such as [\"http/1.1\"], or [] for no answer";

/// Whoever dials anew gets no HTTP/2; who has a connection keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAlpn {
    /// What is offered, the dearest first; empty: ALPN is not answered.
    pub offers: Vec<String>,
}

impl Kind for ProxyAlpn {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\noffers = [\"http/1.1\"]",
        falls_on: |_| STREAMING,
        read: |section, _| {
            let offers = section.optional("offers", vec!["http/1.1".to_owned()], read_offers);
            Some(ProxyAlpn { offers: offers?.value })
        },
        keys: |alpn| vec![("offers", Value::Array(Array::from_iter(alpn.offers.iter().map(String::as_str))))],
        told: |alpn, hosts| {
            let offers = match alpn.offers.is_empty() {
                true => "answers no ALPN".to_owned(),
                false => format!("offers {} in ALPN", alpn.offers.join(", ")),
            };
            format!("the proxy {offers}, and no h2, when {hosts} begin TLS")
        },
        harm: |alpn, on| {
            let lie = Lie::Connection(ConnectionLie::Alpn(alpn.offers.clone()));
            Harm::Proxy { on, harm: ProxyHarm::plain(lie) }
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        // Storms know no TLS, without which it is never felt.
        drawn: None,
    };
}

fn read_offers(entry: &Entry<'_>) -> Result<Vec<String>, Problem> {
    let form = format!("write {FORM}");
    let names: Result<Vec<&str>, _> =
        entry.elements(FORM)?.iter().map(|name| name.text("a name such as \"http/1.1\"")).collect();
    let names = names?;
    if names.contains(&H2) {
        let problem = entry.problem(format!("`{}` has {H2}, with which HTTP/2 is agreed on", entry.key()));
        return Err(problem.label("nobody is turned away").advice(form));
    }
    if names.len() > NAMES_MAX || names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
        let told =
            format!("`{}` has more than {NAMES_MAX} names, or one of more than {NAME_BYTES_MAX} bytes", entry.key());
        return Err(entry.problem(told).label("too much for ALPN").advice(form));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}
