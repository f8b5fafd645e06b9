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
const FORM: &str = "an array of names such as [\"http/1.1\"], or \"none\" for no answer";
/// ALPN is not answered, as flags have it.
const NONE: &str = "none";

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
        keys: |alpn| {
            let names = Array::from_iter(alpn.offers.iter().map(String::as_str));
            vec![("offers", if names.is_empty() { NONE.into() } else { Value::Array(names) })]
        },
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
    let names = read_alpn(entry)?;
    if names.iter().any(|name| name == H2) {
        let problem = entry.problem(format!("`{}` has {H2}, with which HTTP/2 is agreed on", entry.key()));
        return Err(problem.label("nobody is turned away").advice("write names without h2, such as [\"http/1.1\"]"));
    }
    Ok(names)
}

/// Reads what is offered in ALPN: an array of names, or "none".
///
/// # Errors
/// It is neither, or more than ALPN takes.
pub(crate) fn read_alpn(entry: &Entry<'_>) -> Result<Vec<String>, Problem> {
    if entry.is(NONE) {
        return Ok(Vec::new());
    }
    let names: Result<Vec<&str>, _> =
        entry.elements(FORM)?.iter().map(|name| name.text("a name such as \"http/1.1\"")).collect();
    let names = names?;
    let bytes = names.iter().map(|name| name.len()).max().unwrap_or_default();
    if names.is_empty() || names.len() > NAMES_MAX || bytes > NAME_BYTES_MAX {
        let told = format!("`{}` has {} names, the longest of {bytes} bytes", entry.key(), names.len());
        let advice = format!("write {FORM}; from 1 to {NAMES_MAX} names, of at most {NAME_BYTES_MAX} bytes");
        return Err(entry.problem(told).label("not for ALPN").advice(advice));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}
