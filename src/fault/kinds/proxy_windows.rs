//! `proxy-withholds-windows`: the proxy sends no WINDOW_UPDATE.

use crate::fault::hosts::CONNECTED;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::lying::LIES_LAST_MS;
use crate::fault::words::word;
use crate::fault::{Family, Harm, ProxyHarm};
use crate::lie::{ConnectionLie, Lie, WindowKind};

const WINDOWS: [(&str, WindowKind); 3] =
    [("connection", WindowKind::Connection), ("streams", WindowKind::Streams), ("both", WindowKind::Both)];

/// Whoever sends stalls when its window is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyWithholdsWindows {
    /// Whose.
    pub window: WindowKind,
}

impl Kind for ProxyWithholdsWindows {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\nof = \"connection\"",
        falls_on: |_| CONNECTED,
        read: |section, _| {
            let of = section.optional("of", WindowKind::Both, |entry| entry.choice("kind of window", &WINDOWS));
            Some(ProxyWithholdsWindows { window: of?.value })
        },
        keys: |windows| vec![("of", word(&WINDOWS, windows.window).into())],
        told: |windows, hosts| {
            let of = match windows.window {
                WindowKind::Connection => "connections",
                WindowKind::Streams => "streams",
                WindowKind::Both => "connections and streams",
            };
            format!("the proxy sends {hosts} no WINDOW_UPDATE of {of}")
        },
        harm: |windows, on| {
            let lie = Lie::Connection(ConnectionLie::WindowUpdatesWithheld(windows.window));
            Harm::Proxy { on, harm: ProxyHarm::plain(lie) }
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| ProxyWithholdsWindows { window: draw.one_of(&WINDOWS).1 }.on(draw.hosts(CONNECTED.can)),
        }),
    };
}
