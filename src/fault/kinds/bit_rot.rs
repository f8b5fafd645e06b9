//! `bit-rot`: a bit of what a process has not touched since it started is wrong when it reads it at last.

use crate::fault::hosts::WITH_DISK;
use crate::fault::kind::{About, Excuse, Hold, Hosts, Kind};
use crate::fault::{DiskHarm, Harm};
use crate::grammar::measure::{ANY_PERCENT, read_percent};
use crate::grammar::spell_percent;

/// A store that rots must say so; no storm draws it, because nobody replaces a rotten store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitRot {
    /// So many of a hundred reads of a cold page, in hundredths of a percent.
    pub basis_points: u32,
}

impl Kind for BitRot {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\nrate = \"0.05%\"",
        falls_on: |_| WITH_DISK,
        read: |section, _| {
            let rate = section.required("rate", "rate = \"0.05%\"", |entry| read_percent(entry, ANY_PERCENT));
            Some(BitRot { basis_points: rate?.value })
        },
        keys: |rot| vec![("rate", spell_percent(rot.basis_points).into())],
        told: |rot, hosts| {
            format!("{} of cold pages of the disk of {hosts} have a wrong bit", spell_percent(rot.basis_points))
        },
        harm: |rot, on| Harm::Disk { on, harm: DiskHarm::BitRot { basis_points: rot.basis_points } },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: None,
    };
}
