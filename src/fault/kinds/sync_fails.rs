//! `sync-fails`: fsync(2) fails with EIO, and what it should have kept is forgotten.

use std::time::Duration;

use crate::fault::hosts::WITH_DISK;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::{DiskHarm, Family, Harm};

/// A process may try again before it says that it cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncFails;

impl Kind for SyncFails {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: r#"on = "node""#,
        falls_on: |_| WITH_DISK,
        read: |_, _| Some(SyncFails),
        keys: |_| vec![],
        told: |_, hosts| format!("the disk of {hosts} fails to sync"),
        harm: |_, on| Harm::Disk { on, harm: DiskHarm::SyncFails },
        excuse: |_| Excuse::Standstill { after: Duration::ZERO },
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Disks,
            lasts_ms: (1_000, 60_000),
            fault: |draw| SyncFails.on(draw.hosts(|host| host.abilities.stores)),
        }),
    };
}
