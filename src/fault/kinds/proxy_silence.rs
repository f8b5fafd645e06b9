//! `proxy-silence-upstream`: the proxy answers HTTP/2 PING and keeps streams open, but passes nothing.

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::lying::{LIES_LAST_MS, draw_way};
use crate::fault::kinds::ways::{WAYS, told_way, way_key};
use crate::fault::{Direction, Family, StreamAim};
use crate::lie::StreamLie;

/// The proxy is silent; what it swallowed is lost, and the streams that lost it stay silent for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySilence {
    /// One way only; none is both.
    pub way: Option<Direction>,
    /// Which streams.
    pub aim: StreamAim,
}

/// What only a proxy can do that speaks HTTP/2.
const ANSWERS: &str = ", and goes on answering HTTP/2 PING";

impl ProxySilence {
    /// Its words, where the proxy only passes bytes.
    #[must_use]
    pub fn of_bytes(told: &str) -> String {
        told.strip_suffix(ANSWERS).unwrap_or(told).to_owned() + ", and keeps the connections open"
    }
}

impl Kind for ProxySilence {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\ndirection = \"to-node\"",
        falls_on: |_| STREAMING,
        read: |section, scene| {
            let way = section.optional("direction", None, |entry| entry.choice("direction", &WAYS).map(Some));
            Some(ProxySilence { aim: StreamAim::read(section, scene)?, way: way?.value })
        },
        keys: |silence| way_key(silence.way).into_iter().chain(silence.aim.keys()).collect(),
        told: |silence, hosts| {
            let way = told_way(silence.way);
            format!("the proxy passes nothing for {hosts}{way}{}{ANSWERS}", silence.aim)
        },
        harm: |silence, on| silence.aim.harm(on, StreamLie::Silence { direction: silence.way }),
        // What it swallows is told by the tap, frame by frame; and a silence is what a watchdog is for (C2).
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        // The proxy does it, on any engine.
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Silences,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let on = draw.hosts(|host| host.abilities.streams);
                let way = draw_way(draw);
                ProxySilence { way, aim: StreamAim::default() }.on(on)
            },
        }),
    };
}
