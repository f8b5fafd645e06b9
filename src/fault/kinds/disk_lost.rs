//! `disk-lost`: a process is killed and starts again with an empty disk.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{WITH_DISK, read_on};
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::kinds::death::KILLS;
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Death, Family, Harm, ProcessHarm, write};
use crate::grammar::Section;

/// A node that loses its log gives ids again, which no client of it survives: a storm draws clients only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskLost {
    /// The hosts.
    pub on: BTreeSet<HostName>,
}

impl DiskLost {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Disks,
        lasts_min_ms: 1000,
        lasts_max_ms: 60000,
        fault: |draw| DiskLost { on: draw.hosts(|host| host.abilities.recovers) }.into(),
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let on = read_on(section, scene, &WITH_DISK);
        Some(DiskLost { on: on? })
    }
}

impl Kind for DiskLost {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Process { on: self.on.clone(), harm: ProcessHarm::Dies { death: Death::DiskLost, point: None } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on))]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        None
    }

    fn hold(&self) -> Hold<'_> {
        KILLS
    }
}

impl fmt::Display for DiskLost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the process of {} is killed and its disk lost", Hosts(&self.on))
    }
}
