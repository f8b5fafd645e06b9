//! `pause`: a process stands still (SIGSTOP), and its kernel goes on acknowledging.

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

/// Its timers go on running: when it goes on, they are due before it has read what waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The hosts.
    pub on: BTreeSet<HostName>,
}

impl Pause {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Pauses,
        lasts_min_ms: 1000,
        lasts_max_ms: 120000,
        fault: |draw| Pause { on: draw.hosts(|_| true) }.into(),
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        Some(Pause { on: read_on(section, scene, &EVERYBODY)? })
    }
}

impl Kind for Pause {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Process { on: self.on.clone(), harm: ProcessHarm::Paused }
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
        Hold::Life { deed: "pauses", state: "paused" }
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the process of {} is paused", Hosts(&self.on))
    }
}
