//! `slow-sync`: fsync(2) takes long, and the process waits for it.

use std::time::Duration;

use crate::fault::hosts::WITH_DISK;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::{DiskHarm, Family, Harm};
use crate::grammar::spell;

/// Linux calls a task hung that waits for so long (`hung_task_timeout_secs`), and says so.
const SYNC_MAX: Duration = Duration::from_secs(120);

/// It does nothing else meanwhile; several slow syncs add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowSync {
    /// How long.
    pub takes: Duration,
}

impl Kind for SlowSync {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\ntakes = \"2s\"",
        falls_on: |_| WITH_DISK,
        read: |section, _| {
            let range = Duration::from_millis(1)..=SYNC_MAX;
            let takes = section.required("takes", "takes = \"2s\"", |entry| entry.duration(range));
            Some(SlowSync { takes: takes?.value })
        },
        keys: |sync| vec![("takes", spell(sync.takes).into())],
        told: |sync, hosts| format!("the disk of {hosts} takes {} to sync", spell(sync.takes)),
        harm: |sync, on| Harm::Disk { on, harm: DiskHarm::SlowSync { takes: sync.takes } },
        excuse: |sync| Excuse::Standstill { after: sync.takes },
        hold: |_| Hold::Nothing,
        obstacle: |_, _| Some("turmoil 0.7 runs every host in every tick: none can wait for its disk"),
        drawn: Some(Drawn {
            family: Family::Disks,
            lasts_ms: (5_000, 180_000),
            fault: |draw| {
                let takes = draw.time(50, 5_000);
                SlowSync { takes }.on(draw.hosts(|host| host.abilities.stores))
            },
        }),
    };
}
