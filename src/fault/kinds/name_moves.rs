//! `name-moves`: some hosts are told the address of another host.

use crate::cast::HostName;
use crate::fault::hosts::{DIALING, host_named};
use crate::fault::kind::{About, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::name::{self, TURMOIL_NAMES};
use crate::fault::scene::Scene;
use crate::fault::{Answer, Harm, KernelHarm};
use crate::grammar::Section;

/// Open connections stay where they are. A storm draws it by `name-fails`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMoves {
    /// The name, that of a host.
    pub name: HostName,
    /// Whose address they are told instead.
    pub to: HostName,
}

impl Kind for NameMoves {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-1\"\nname = \"proxy\"\nto = \"node\"",
        falls_on: |_| DIALING,
        read,
        keys: |moves| vec![("name", (*moves.name).into()), ("to", (*moves.to).into())],
        told: |moves, hosts| format!("for {hosts} the name `{}` leads to {}", moves.name, moves.to),
        harm: |moves, on| {
            let answer = Answer::Moves { to: moves.to.clone() };
            Harm::Kernel { on, harm: KernelHarm::Name { name: moves.name.clone(), answer } }
        },
        excuse: |_| Excuse::Nobody,
        hold: |moves| Hold::Name(&moves.name),
        obstacle: |_, _| Some(TURMOIL_NAMES),
        drawn: None,
    };
}

fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<NameMoves> {
    let name = name::read(section, scene)?;
    let to = section.required("to", "to = \"proxy-2\"", |entry| {
        let to = host_named(entry, scene, |_| true)?;
        if name == to {
            let problem = entry.problem(format!("`{}`: `{to}` leads to {to} already", entry.key()));
            return Err(problem.label("the same host").advice("name the host that the name leads to instead"));
        }
        Ok(to)
    });
    Some(NameMoves { name, to: to?.value })
}
