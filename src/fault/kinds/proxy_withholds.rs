//! `proxy-withholds`: one thing never passes, and all else does.

use crate::fault::hosts::STREAMING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::lying::{LIES_LAST_MS, draw_aim};
use crate::fault::words::word;
use crate::fault::{Direction, Family, StreamAim};
use crate::lie::{StreamLie, Withheld};

const WHAT: [(&str, Withheld); 6] = [
    ("end", Withheld::End),
    ("trailers", Withheld::Trailers),
    ("reset", Withheld::Reset),
    ("cancel", Withheld::Cancel),
    ("credit-of-node", Withheld::Credit(Direction::ToClient)),
    ("credit-of-client", Withheld::Credit(Direction::ToNode)),
];

/// An end, a reset or a window that the other side waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyWithholds {
    /// What.
    pub what: Withheld,
    /// On which streams.
    pub aim: StreamAim,
}

impl Kind for ProxyWithholds {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\nwhat = \"end\"",
        falls_on: |_| STREAMING,
        read: |section, scene| {
            let what = section.required("what", "what = \"end\"", |entry| entry.choice("thing to withhold", &WHAT));
            Some(ProxyWithholds { aim: StreamAim::read(section, scene)?, what: what?.value })
        },
        keys: |kept| [("what", word(&WHAT, kept.what).into())].into_iter().chain(kept.aim.keys()).collect(),
        told: |kept, hosts| {
            let what = match kept.what {
                Withheld::End => "the end of responses",
                Withheld::Trailers => "trailers",
                Withheld::Reset => "the node's RST_STREAM and its loss",
                Withheld::Cancel => "the client's RST_STREAM and its loss",
                Withheld::Credit(Direction::ToClient) => "the node's windows",
                Withheld::Credit(Direction::ToNode) => "the clients' windows",
            };
            format!("the proxy withholds {what} on streams of {hosts}{}", kept.aim)
        },
        harm: |kept, on| kept.aim.harm(on, StreamLie::Withhold(kept.what)),
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let what = draw.one_of(&WHAT).1;
                let on = draw.hosts(STREAMING.can);
                ProxyWithholds { what, aim: draw_aim(draw) }.on(on)
            },
        }),
    };
}
