//! `idle-drop`: a middlebox forgets connections on which nothing passed for a while.

use std::time::Duration;

use crate::fault::kind::{About, Drawn, Excuse, Hold, Kind};
use crate::fault::links::AnyLink;
use crate::fault::words::word;
use crate::fault::{Between, Expired, Family, Harm, LinkHarm};
use crate::grammar::spell;

/// Shorter than any middlebox forgets.
const IDLE_MIN: Duration = Duration::from_secs(1);
const FATES: [(&str, Expired); 2] = [("drop", Expired::Drop), ("reset", Expired::Reset)];

/// Later packets vanish, or are answered with RST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleDrop {
    /// After how long.
    pub after: Duration,
    /// What becomes of later packets.
    pub then: Expired,
}

impl Kind for IdleDrop {
    type Place = Between;

    const ABOUT: About<Self> = About {
        example: "from = \"node\"\nafter = \"350s\"\nthen = \"drop\"",
        falls_on: |_| AnyLink,
        read: |section, scene| {
            let range = IDLE_MIN..=scene.frame.longest;
            let after = section.required("after", "after = \"350s\"", |entry| entry.duration(range));
            let fate = "fate of later packets";
            let then = section.required("then", "then = \"drop\"", |entry| entry.choice(fate, &FATES));
            Some(IdleDrop { after: after?.value, then: then?.value })
        },
        keys: |idle| vec![("after", spell(idle.after).into()), ("then", word(&FATES, idle.then).into())],
        told: |idle, links| {
            let fate = match idle.then {
                Expired::Drop => "later packets vanish",
                Expired::Reset => "later packets are answered with RST",
            };
            format!("connections idle for {} are forgotten and {fate} {links}", spell(idle.after))
        },
        harm: |idle, between| Harm::Link { between, harm: LinkHarm::IdleDrop { after: idle.after, then: idle.then } },
        excuse: |_| Excuse::Late { after: Duration::ZERO },
        hold: |_| Hold::Nothing,
        obstacle: |_, _| Some("turmoil 0.7 has no middlebox that forgets connections"),
        drawn: Some(Drawn {
            family: Family::Connections,
            lasts_ms: (60_000, 240_000),
            fault: |draw| {
                // Shorter than real middleboxes, so that it is felt between two Pings.
                let after = draw.time(2_000, 40_000);
                let then = if draw.coin() { Expired::Reset } else { Expired::Drop };
                IdleDrop { after, then }.on(Between::draw(draw))
            },
        }),
    };
}
