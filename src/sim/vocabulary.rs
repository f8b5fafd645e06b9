//! The words that a sim file may use, gathered from the parts that own them.

use crate::checker::{self, Milestone};
use crate::sim::Vocabulary;
use crate::subject::xmtp::{client, node, spec};

/// Every word of this version.
#[must_use]
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        requirements: spec::ALL.iter().map(|requirement| requirement.number).collect(),
        checkers: checker::all().iter().map(|checker| checker.name()).collect(),
        milestones: Milestone::ALL.iter().map(|milestone| milestone.name()).collect(),
        node_quirks: node::NodeQuirk::ALL.iter().map(|quirk| quirk.name()).collect(),
        client_quirks: client::ClientQuirk::ALL.iter().map(|quirk| quirk.name()).collect(),
    }
}
