//! `pause`: a process stands still (SIGSTOP), and its kernel goes on acknowledging.

use std::time::Duration;

use crate::fault::hosts::EVERYBODY;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::{Family, Harm, ProcessHarm};

/// Its timers go on running: when it goes on, they are due before it has read what waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause;

impl Kind for Pause {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: r#"on = "node""#,
        falls_on: |_| EVERYBODY,
        read: |_, _| Some(Pause),
        keys: |_| vec![],
        told: |_, hosts| format!("the process of {hosts} is paused"),
        harm: |_, on| Harm::Process { on, harm: ProcessHarm::Paused },
        excuse: |_| Excuse::Standstill { after: Duration::ZERO },
        hold: |_| Hold::Life { deed: "pauses", state: "paused" },
        obstacle: |_, _| Some("turmoil 0.7 runs every host in every tick: none can stand still"),
        drawn: Some(Drawn {
            family: Family::Pauses,
            lasts_ms: (1_000, 120_000),
            fault: |draw| Pause.on(draw.hosts(|_| true)),
        }),
    };
}
