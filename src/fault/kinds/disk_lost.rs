//! `disk-lost`: a process is killed and starts again with an empty disk.

use crate::fault::hosts::WITH_DISK;
use crate::fault::kind::{About, Drawn, Excuse, Hosts, Kind};
use crate::fault::kinds::death::KILLS;
use crate::fault::{Death, Family, Harm, ProcessHarm};

/// A node that loses its log gives ids again, which no client of it survives: a storm draws clients only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskLost;

impl Kind for DiskLost {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: r#"on = "node""#,
        falls_on: |_| WITH_DISK,
        read: |_, _| Some(DiskLost),
        keys: |_| vec![],
        told: |_, hosts| format!("the process of {hosts} is killed and its disk lost"),
        harm: |_, on| Harm::Process { on, harm: ProcessHarm::Dies { death: Death::DiskLost, point: None } },
        excuse: |_| Excuse::Nobody,
        hold: |_| KILLS,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Disks,
            lasts_ms: (1_000, 60_000),
            fault: |draw| DiskLost.on(draw.hosts(|host| host.abilities.recovers)),
        }),
    };
}
