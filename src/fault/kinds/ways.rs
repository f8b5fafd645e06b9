//! The key `direction` of lies that are told one way or both.
//!
//! Refuses to know which lie it is.

use crate::fault::Direction;
use crate::fault::kind::Key;
use crate::fault::words::word;

/// The words for the directions.
pub(super) const WAYS: [(&str, Direction); 2] = [("to-node", Direction::ToNode), ("to-client", Direction::ToClient)];

/// The key of a direction, where one is meant.
pub(super) fn way_key(way: Option<Direction>) -> Option<Key> {
    way.map(|way| ("direction", word(&WAYS, way).into()))
}

/// As it goes after the words for the hosts.
pub(super) fn told_way(way: Option<Direction>) -> String {
    way.map(|way| format!(" {way}")).unwrap_or_default()
}
