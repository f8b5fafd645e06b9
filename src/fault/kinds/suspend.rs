//! `suspend`: a whole host sleeps, as a phone does.

use std::time::Duration;

use crate::fault::hosts::EVERYBODY;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::{Family, Harm, ProcessHarm};

/// No packet is answered; the monotonic clock stands still, boottime and wall clock run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspend;

impl Kind for Suspend {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: r#"on = "node""#,
        falls_on: |_| EVERYBODY,
        read: |_, _| Some(Suspend),
        keys: |_| vec![],
        told: |_, hosts| format!("the machine of {hosts} is suspended"),
        harm: |_, on| Harm::Process { on, harm: ProcessHarm::Suspended },
        excuse: |_| Excuse::Standstill { after: Duration::ZERO },
        hold: |_| Hold::Life { deed: "suspends", state: "suspended" },
        obstacle: |_, _| Some("turmoil 0.7 runs every host in every tick: none can stand still"),
        drawn: Some(Drawn {
            family: Family::Pauses,
            lasts_ms: (5_000, 240_000),
            fault: |draw| Suspend.on(draw.hosts(|_| true)),
        }),
    };
}
