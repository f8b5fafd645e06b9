//! The floors that topics leave behind when they are removed, in a dialect that keeps them for as long as the stream lives.
//!
//! Refuses to know where a topic stands while it is registered. Where a remove clears the floor (S5) it holds nothing.

use std::collections::BTreeMap;

use crate::subject::xmtp::wire::{Cursor, Dialect, Topic};

/// The floors of topics that have no place any more.
#[derive(Debug, Default)]
pub(crate) struct KeptFloors {
    keeps: bool,
    left: BTreeMap<Topic, Cursor>,
}

impl KeptFloors {
    /// None yet, in that dialect.
    pub(crate) fn of(dialect: Dialect) -> Self {
        KeptFloors { keeps: dialect.keeps_floors(), left: BTreeMap::new() }
    }

    /// From where an add begins: not below the floor that the topic has `now`, or left behind.
    pub(crate) fn raise(&self, topic: &Topic, cursor: Cursor, now: Option<Cursor>) -> Cursor {
        let floor = now.filter(|_| self.keeps).or_else(|| self.left.get(topic).copied());
        floor.map_or(cursor, |floor| floor.max(cursor))
    }

    /// A topic loses its place, where it had come to that floor.
    pub(crate) fn leave(&mut self, topic: &Topic, floor: Option<Cursor>) {
        if let Some(floor) = floor.filter(|_| self.keeps) {
            self.left.insert(topic.clone(), floor);
        }
    }

    /// A topic has a place again.
    pub(crate) fn resume(&mut self, topic: &Topic) {
        self.left.remove(topic);
    }

    /// Whether the topic left its floor behind.
    pub(crate) fn holds(&self, topic: &Topic) -> bool {
        self.left.contains_key(topic)
    }

    /// How many floors there will be once these topics have left as well: each takes as much room as a topic (S8).
    pub(crate) fn count_with(&self, leaving: usize) -> usize {
        self.left.len() + if self.keeps { leaving } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::wire::MessageKind;

    #[test]
    fn a_floor_survives_a_remove_only_where_it_is_kept() {
        let topic = Topic::new(MessageKind::Group, b"a");
        for (dialect, again, count) in [(Dialect::V1, 3, 0), (Dialect::Draft, 9, 1)] {
            let mut floors = KeptFloors::of(dialect);
            floors.leave(&topic, Some(Cursor(9)));
            assert_eq!(floors.raise(&topic, Cursor(3), None), Cursor(again), "{dialect}");
            assert_eq!(floors.raise(&topic, Cursor(12), None), Cursor(12), "{dialect}");
            assert_eq!((floors.holds(&topic), floors.count_with(0)), (count == 1, count), "{dialect}");
            floors.resume(&topic);
            assert_eq!((floors.holds(&topic), floors.count_with(2)), (false, 2 * count), "{dialect}");
        }
    }

    #[test]
    fn a_topic_that_has_a_place_begins_at_its_floor_only_where_it_is_kept() {
        let topic = Topic::new(MessageKind::Group, b"a");
        let begins = |dialect| KeptFloors::of(dialect).raise(&topic, Cursor(3), Some(Cursor(9)));
        assert_eq!((begins(Dialect::V1), begins(Dialect::Draft)), (Cursor(3), Cursor(9)));
    }
}
