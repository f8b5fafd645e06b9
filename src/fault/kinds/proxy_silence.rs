//! `proxy-silence-upstream`: the proxy answers HTTP/2 PING and keeps streams open, but passes nothing.

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::words::word;
use crate::fault::{Family, Harm, ProxyHarm, Way};
use crate::grammar::{Entry, Problem, pattern};

const WAYS: [(&str, Way); 2] = [("to-node", Way::ToNode), ("to-client", Way::ToClient)];

/// The proxy is silent; what it swallowed is lost, and the streams that lost it stay silent for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySilence {
    /// One way only; none is both.
    pub way: Option<Way>,
    /// Streams whose path matches this pattern only; none is every path.
    pub path: Option<String>,
}

impl Kind for ProxySilence {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\ndirection = \"to-node\"",
        falls_on: |_| STREAMING,
        read: |section, _| {
            let way = section.optional("direction", None, |entry| entry.choice("direction", &WAYS).map(Some));
            let path = section.optional("path", None, |entry| read_path(entry).map(Some));
            Some(ProxySilence { way: way?.value, path: path?.value })
        },
        keys: |silence| {
            let way = silence.way.map(|way| ("direction", word(&WAYS, way).into()));
            let path = silence.path.as_deref().map(|path| ("path", path.into()));
            way.into_iter().chain(path).collect()
        },
        told: |silence, hosts| {
            let way = silence.way.map(|way| format!(" {way}")).unwrap_or_default();
            let path = silence.path.as_ref().map(|path| format!(" on {path}")).unwrap_or_default();
            format!("the proxy passes nothing for {hosts}{way}{path}, and goes on answering HTTP/2 PING")
        },
        harm: |silence, on| {
            let harm = ProxyHarm::Silence { way: silence.way, path: silence.path.clone() };
            Harm::Proxy { on, harm }
        },
        // What it swallows is told by the tap, frame by frame; and a silence is what a watchdog is for (C2).
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        // The proxy does it, on any engine.
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Silences,
            lasts_ms: (5_000, 240_000),
            fault: |draw| {
                let on = draw.hosts(|host| host.abilities.streams);
                let way = *draw.one_of(&[None, Some(Way::ToNode), Some(Way::ToClient)]);
                ProxySilence { way, path: None }.on(on)
            },
        }),
    };
}

fn read_path(entry: &Entry<'_>) -> Result<String, Problem> {
    let text = entry.text("a pattern over paths, such as \"*/Subscribe\"")?;
    pattern(entry, text)?;
    Ok(text.into())
}
