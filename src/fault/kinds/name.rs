//! What the three kinds share by which a host is told something else about a name.

use std::collections::BTreeSet;

use crate::cast::{HostName, Member};
use crate::fault::Fault;
use crate::fault::hosts::host_named;
use crate::fault::kinds::name_dead::NameDead;
use crate::fault::kinds::name_fails::NameFails;
use crate::fault::kinds::name_moves::NameMoves;
use crate::fault::read::Scene;
use crate::fault::storm::Draw;
use crate::grammar::Section;

/// Why turmoil cannot.
pub(crate) const TURMOIL_NAMES: &str =
    "turmoil 0.7 has one table of names for all hosts: none can be told something else";

/// Reads the name that is looked up: somebody listens only on hosts that accept connections.
pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<HostName> {
    let accepts = |host: &Member| host.abilities.accepts;
    let name = section.required("name", "name = \"proxy\"", |entry| host_named(entry, scene, accepts));
    Some(name?.value)
}

/// A host is lied to about the name that it dials.
pub(crate) fn draw(draw: &mut Draw<'_>) -> Fault {
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
