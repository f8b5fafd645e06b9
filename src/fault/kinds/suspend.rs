//! `suspend`: a whole host sleeps, as a phone does.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{EVERYBODY, read_on};
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Family, Harm, ProcessHarm, write};
use crate::grammar::Section;

/// No packet is answered; the monotonic clock stands still, boottime and wall clock run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspend {
    /// The hosts.
    pub on: BTreeSet<HostName>,
}

impl Suspend {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Pauses,
        lasts_min_ms: 5000,
        lasts_max_ms: 240000,
        fault: |draw| Suspend { on: draw.hosts(|_| true) }.into(),
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        Some(Suspend { on: read_on(section, scene, &EVERYBODY)? })
    }
}

impl Kind for Suspend {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Process { on: self.on.clone(), harm: ProcessHarm::Suspended }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on))]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Standstill { after: Duration::ZERO }
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 runs every host in every tick: none can stand still")
    }

    fn hold(&self) -> Hold<'_> {
        Hold::Life { deed: "suspends", state: "suspended" }
    }
}

impl fmt::Display for Suspend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the machine of {} is suspended", Hosts(&self.on))
    }
}
