//! `name-dead`: some hosts are told the address of a host that is no more.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{DIALING, read_on};
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::kinds::name::{self, TURMOIL_NAMES};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Answer, Harm, KernelHarm, write};
use crate::grammar::Section;

/// Nothing ever answers there. A storm draws it by `name-fails`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameDead {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// The name, that of a host.
    pub name: HostName,
}

impl NameDead {
    pub(crate) const EXAMPLE: &'static str = "on = \"client-1\"\nname = \"proxy\"";
    pub(crate) const DRAWN: Option<Drawn> = None;

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let name = name::read(section, scene);
        let on = read_on(section, scene, &DIALING);
        Some(NameDead { on: on?, name: name? })
    }
}

impl Kind for NameDead {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        let harm = KernelHarm::Name { name: self.name.clone(), answer: Answer::Dead };
        Harm::Kernel { on: self.on.clone(), harm }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on)), ("name", (*self.name).into())]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some(TURMOIL_NAMES)
    }

    fn hold(&self) -> Hold<'_> {
        Hold::Name(&self.name)
    }
}

impl fmt::Display for NameDead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "for {} the name `{}` leads to a dead host", Hosts(&self.on), self.name)
    }
}
