//! `name-moves`: some hosts are told the address of another host.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{DIALING, host_named, read_on};
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::kinds::name::{self, TURMOIL_NAMES};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Answer, Harm, KernelHarm, write};
use crate::grammar::Section;

/// Open connections stay where they are. A storm draws it by `name-fails`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMoves {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// The name, that of a host.
    pub name: HostName,
    /// Whose address they are told instead.
    pub to: HostName,
}

impl NameMoves {
    pub(crate) const EXAMPLE: &'static str = "on = \"client-1\"\nname = \"proxy\"\nto = \"node\"";
    pub(crate) const DRAWN: Option<Drawn> = None;

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let name = name::read(section, scene);
        let to = name.as_ref().and_then(|name| read_to(section, scene, name));
        let on = read_on(section, scene, &DIALING);
        Some(NameMoves { on: on?, name: name?, to: to? })
    }
}

fn read_to(section: &mut Section<'_>, scene: &Scene<'_>, name: &HostName) -> Option<HostName> {
    let to = section.required("to", "to = \"proxy-2\"", |entry| {
        let to = host_named(entry, scene, |_| true)?;
        if *name == to {
            let problem = entry.problem(format!("`{}`: `{to}` leads to {to} already", entry.key()));
            return Err(problem.label("the same host").advice("name the host that the name leads to instead"));
        }
        Ok(to)
    });
    Some(to?.value)
}

impl Kind for NameMoves {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        let harm = KernelHarm::Name { name: self.name.clone(), answer: Answer::Moves { to: self.to.clone() } };
        Harm::Kernel { on: self.on.clone(), harm }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on)), ("name", (*self.name).into()), ("to", (*self.to).into())]
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

impl fmt::Display for NameMoves {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "for {} the name `{}` leads to {}", Hosts(&self.on), self.name, self.to)
    }
}
