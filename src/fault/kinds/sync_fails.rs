//! `sync-fails`: fsync(2) fails with EIO, and what it should have kept is forgotten.

use std::time::Duration;

use crate::fault::hosts::WITH_DISK;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::{DiskHarm, Family, Harm};

/// A process syncs twice for each commit of a store, and ten times where it tries again.
const EVERY_MAX: u32 = 1_000;

/// A process may try again before it says that it cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncFails {
    /// Each sync of so many fails, counted from the fault's beginning: 1 is every one, 2 the second of a commit.
    pub every: u32,
}

impl Kind for SyncFails {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\nevery = 2",
        falls_on: |_| WITH_DISK,
        read: |section, _| {
            let every = section.optional("every", 1, |entry| entry.number(1..=EVERY_MAX));
            Some(SyncFails { every: every?.value })
        },
        keys: |fails| vec![("every", i64::from(fails.every).into())],
        told: |fails, hosts| match fails.every {
            1 => format!("the disk of {hosts} fails to sync"),
            every => format!("each sync of {every} fails on the disk of {hosts}"),
        },
        harm: |fails, on| Harm::Disk { on, harm: DiskHarm::SyncFails { every: fails.every } },
        excuse: |_| Excuse::Standstill { after: Duration::ZERO },
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Disks,
            lasts_ms: (1_000, 60_000),
            fault: |draw| SyncFails { every: 1 }.on(draw.hosts(|host| host.abilities.stores)),
        }),
    };
}
