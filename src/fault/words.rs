//! Hosts and choices in words, as reports and sim files tell them.

use std::collections::BTreeSet;

use crate::cast::HostName;
use crate::grammar::Naming;

/// Hosts, one after the other.
pub(crate) fn told_hosts(hosts: &BTreeSet<HostName>, naming: Naming) -> String {
    naming.list(hosts.iter().map(HostName::to_string), hosts.len())
}

/// The word that a sim file has for one of some choices.
pub(crate) fn word<T: PartialEq>(choices: &[(&'static str, T)], chosen: T) -> &'static str {
    choices.iter().find(|(_, choice)| *choice == chosen).map_or("", |(word, _)| word)
}
