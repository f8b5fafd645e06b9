//! `name-fails`: some hosts are told that there is no such name.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::{HostName, Member};
use crate::fault::draw::Draw;
use crate::fault::hosts::{DIALING, read_on};
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::kinds::name::{self, TURMOIL_NAMES};
use crate::fault::kinds::{NameDead, NameMoves};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Answer, Family, Fault, Harm, KernelHarm, write};
use crate::grammar::Section;

/// Names matter when a host dials; open connections feel nothing. One draw of a storm serves the three kinds of name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFails {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// The name, that of a host.
    pub name: HostName,
}

impl NameFails {
    pub(crate) const EXAMPLE: &'static str = "on = \"client-1\"\nname = \"proxy\"";
    pub(crate) const DRAWN: Option<Drawn> =
        Some(Drawn { family: Family::Names, lasts_min_ms: 5000, lasts_max_ms: 180000, fault: draw });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let name = name::read(section, scene);
        let on = read_on(section, scene, &DIALING);
        Some(NameFails { on: on?, name: name? })
    }
}

impl Kind for NameFails {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        let harm = KernelHarm::Name { name: self.name.clone(), answer: Answer::Fails };
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

impl fmt::Display for NameFails {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "for {} the name `{}` cannot be resolved", Hosts(&self.on), self.name)
    }
}

/// A host is lied to about the name that it dials.
fn draw(draw: &mut Draw<'_>) -> Fault {
    let cast = draw.cast;
    let roles = cast.roles(Member::is_dialing);
    if roles.is_empty() {
        return NameFails { on: BTreeSet::new(), name: HostName::from("") }.into();
    }
    let role = *draw.one_of(&roles);
    let host = (*draw.one_of(&cast.of_role(role))).clone();
    let name = cast.find(&host).and_then(|member| member.dials.first()).expect("it dials").clone();
    let accepting = cast.those(|member| member.abilities.accepts).map(|member| &member.name);
    let elsewhere: Vec<&HostName> = accepting.filter(|other| **other != name).collect();
    // Where nobody else listens, the name can only fail or be dead.
    let to = if elsewhere.is_empty() { None } else { Some((*draw.one_of(&elsewhere)).clone()) };
    let on = BTreeSet::from([host]);
    let fails = Fault::from(NameFails { on: on.clone(), name: name.clone() });
    let moves = to.map(|to| Fault::from(NameMoves { on: on.clone(), name: name.clone(), to }));
    let dead = Fault::from(NameDead { on, name });
    let answers: Vec<Fault> = [Some(fails), moves, Some(dead)].into_iter().flatten().collect();
    draw.one_of(&answers).clone()
}
