//! `name-fails`: some hosts are told that there is no such name.

use crate::cast::{HostName, Member};
use crate::fault::draw::Draw;
use crate::fault::hosts::DIALING;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::kinds::name::{self, TURMOIL_NAMES};
use crate::fault::kinds::{NameDead, NameMoves};
use crate::fault::{Answer, Family, Fault, Harm, KernelHarm};

/// Names matter when a host dials; open connections feel nothing. One draw of a storm serves the three kinds of name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFails {
    /// The name, that of a host.
    pub name: HostName,
}

impl Kind for NameFails {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-1\"\nname = \"proxy\"",
        falls_on: |_| DIALING,
        read: |section, scene| Some(NameFails { name: name::read(section, scene)? }),
        keys: |fails| vec![("name", (*fails.name).into())],
        told: |fails, hosts| format!("for {hosts} the name `{}` cannot be resolved", fails.name),
        harm: |fails, on| {
            let harm = KernelHarm::Name { name: fails.name.clone(), answer: Answer::Fails };
            Harm::Kernel { on, harm }
        },
        excuse: |_| Excuse::Nobody,
        hold: |fails| Hold::Name(&fails.name),
        obstacle: |_, _| Some(TURMOIL_NAMES),
        drawn: Some(Drawn { family: Family::Names, lasts_ms: (5_000, 180_000), fault: draw }),
    };
}

/// A host is lied to about the name that it dials.
fn draw(draw: &mut Draw<'_>) -> Fault {
    let cast = draw.cast;
    let roles = cast.roles(Member::is_dialing);
    if roles.is_empty() {
        return NameFails { name: HostName::from("") }.on(Hosts::new());
    }
    let role = *draw.one_of(&roles);
    let host = (*draw.one_of(&cast.of_role(role))).clone();
    let name = cast.find(&host).and_then(|member| member.dials.first()).expect("it dials").clone();
    let accepting = cast.those(|member| member.abilities.accepts).map(|member| &member.name);
    let elsewhere: Vec<&HostName> = accepting.filter(|other| **other != name).collect();
    // Where nobody else listens, the name can only fail or be dead.
    let to = if elsewhere.is_empty() { None } else { Some((*draw.one_of(&elsewhere)).clone()) };
    let on = Hosts::from([host]);
    let moves = to.map(|to| NameMoves { name: name.clone(), to }.on(on.clone()));
    let (fails, dead) = (NameFails { name: name.clone() }.on(on.clone()), NameDead { name }.on(on));
    let answers: Vec<Fault> = [Some(fails), moves, Some(dead)].into_iter().flatten().collect();
    draw.one_of(&answers).clone()
}
