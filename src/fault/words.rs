//! Hosts in words, as reports tell them.

use std::collections::BTreeSet;
use std::fmt;

use crate::cast::HostName;

/// Hosts, one after the other.
pub(crate) struct Hosts<'f>(pub(crate) &'f BTreeSet<HostName>);

impl fmt::Display for Hosts<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More are counted: a sentence stays a sentence.
        const NAMED: usize = 4;
        for (index, name) in self.0.iter().take(NAMED).enumerate() {
            write!(formatter, "{}{name}", if index == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}
