//! `disk-full`: no byte more fits on a disk (ENOSPC).

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{WITH_DISK, read_on};
use crate::fault::kind::{Drawn, Excuse, Kind, Target};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{DiskHarm, Family, Harm, write};
use crate::grammar::Section;

/// A process may try again before it says that it cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFull {
    /// The hosts.
    pub on: BTreeSet<HostName>,
}

impl DiskFull {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Disks,
        lasts_min_ms: 1000,
        lasts_max_ms: 120000,
        fault: |draw| DiskFull { on: draw.hosts(|host| host.abilities.stores) }.into(),
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        Some(DiskFull { on: read_on(section, scene, &WITH_DISK)? })
    }
}

impl Kind for DiskFull {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Disk { on: self.on.clone(), harm: DiskHarm::Full }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on))]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Standstill { after: Duration::ZERO }
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        None
    }
}

impl fmt::Display for DiskFull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the disk of {} is full", Hosts(&self.on))
    }
}
