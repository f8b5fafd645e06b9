//! What the three kinds share by which a host is told something else about a name.

use crate::cast::{HostName, Member};
use crate::fault::hosts::host_named;
use crate::fault::scene::Scene;
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
