//! `bit-rot`: a bit of what a process has not touched since it started is wrong when it reads it at last.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{WITH_DISK, read_on};
use crate::fault::kind::{Drawn, Excuse, Kind, Target};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{DiskHarm, Harm, write};
use crate::grammar::measure::{ANY_PERCENT, read_percent};
use crate::grammar::{Section, spell_percent};

/// A store that rots must say so; no storm draws it, because nobody replaces a rotten store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitRot {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// So many of a hundred reads of a cold page, in hundredths of a percent.
    pub basis_points: u32,
}

impl BitRot {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"\nrate = \"0.05%\"";
    pub(crate) const DRAWN: Option<Drawn> = None;

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let rate = section.required("rate", "rate = \"0.05%\"", |entry| read_percent(entry, ANY_PERCENT));
        let on = read_on(section, scene, &WITH_DISK);
        Some(BitRot { on: on?, basis_points: rate?.value })
    }
}

impl Kind for BitRot {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Disk { on: self.on.clone(), harm: DiskHarm::BitRot { basis_points: self.basis_points } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on)), ("rate", spell_percent(self.basis_points).into())]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        None
    }
}

impl fmt::Display for BitRot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, hosts) = (spell_percent(self.basis_points), Hosts(&self.on));
        write!(formatter, "{rate} of cold pages of the disk of {hosts} have a wrong bit")
    }
}
