//! Hosts and choices in words, as reports and sim files tell them.

use std::collections::BTreeSet;

use crate::cast::HostName;

/// Hosts, one after the other.
pub(crate) fn told_hosts(hosts: &BTreeSet<HostName>) -> String {
    /// More are counted: a sentence stays a sentence.
    const NAMED: usize = 4;
    let named = hosts.iter().take(NAMED).map(|name| &**name).collect::<Vec<_>>().join(", ");
    match hosts.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The word that a sim file has for one of some choices.
pub(crate) fn word<T: PartialEq>(choices: &[(&'static str, T)], chosen: T) -> &'static str {
    choices.iter().find(|(_, choice)| *choice == chosen).map_or("", |(word, _)| word)
}
