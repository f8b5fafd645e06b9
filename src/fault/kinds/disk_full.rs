//! `disk-full`: no byte more fits on a disk (ENOSPC).

use std::time::Duration;

use crate::fault::hosts::WITH_DISK;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::{DiskHarm, Family, Harm};

/// A process may try again before it says that it cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFull;

impl Kind for DiskFull {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: r#"on = "node""#,
        falls_on: |_| WITH_DISK,
        read: |_, _| Some(DiskFull),
        keys: |_| vec![],
        told: |_, hosts| format!("the disk of {hosts} is full"),
        harm: |_, on| Harm::Disk { on, harm: DiskHarm::Full },
        excuse: |_| Excuse::Standstill { after: Duration::ZERO },
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Disks,
            lasts_ms: (1_000, 120_000),
            fault: |draw| DiskFull.on(draw.hosts(|host| host.abilities.stores)),
        }),
    };
}
