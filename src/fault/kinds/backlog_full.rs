//! `backlog-full`: a listener accepts nothing: its queue of connections is full.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{ACCEPTING, read_on};
use crate::fault::kind::{Drawn, Excuse, Kind, Target};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Family, Harm, KernelHarm, write};
use crate::grammar::Section;

/// Dials are tried again and time out; open connections feel nothing, so nobody is excused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BacklogFull {
    /// The hosts.
    pub on: BTreeSet<HostName>,
}

impl BacklogFull {
    pub(crate) const EXAMPLE: &'static str = "on = [\"node\", \"proxy\"]";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Connections,
        lasts_min_ms: 5000,
        lasts_max_ms: 120000,
        fault: |draw| BacklogFull { on: draw.hosts(|host| host.abilities.accepts) }.into(),
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        Some(BacklogFull { on: read_on(section, scene, &ACCEPTING)? })
    }
}

impl Kind for BacklogFull {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Kernel { on: self.on.clone(), harm: KernelHarm::BacklogFull }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on))]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 panics when a backlog is full")
    }
}

impl fmt::Display for BacklogFull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the backlog of {} is full: no connection is accepted", Hosts(&self.on))
    }
}
