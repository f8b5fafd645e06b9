//! The ledger: per topic the floor, up to which everything is taken. It says what is new, and where to resume. Where
//! messages are numbered by originators, each part of a topic has a floor of its own.
//!
//! Refuses to know how floors survive the process (the inbox does) and how messages arrive.
//!
//! ```text
//!   per topic:  floor --message above it--> floor = its id      (new)
//!               floor --message at or below it--> floor         (a duplicate, discarded)
//! ```
//! One floor serves both cases of C3: within a topic, ids ascend through wave and live alike (S4), so the
//! last taken id is the wave's progress in the one case and the high-water mark in the other.

use std::collections::BTreeMap;

use crate::subject::xmtp::client::ClientQuirk;
use crate::subject::xmtp::wire::{Add, Cursor, Message, Mutate, MutateId, Topic};

/// How many topics one Mutate may add at most; a larger set is split (protocol, section 4).
pub(crate) const ADDS_MAX: usize = 1_000;
/// How many bytes of topics one Mutate may add (protocol, section 4).
pub(crate) const ADDS_BYTES_MAX: usize = 16 << 20;

/// What one originator more takes in a topic's cursor at most: two numbers of ten bytes, and their framing.
const PART_BYTES: usize = 24;

/// The floors of one process.
#[derive(Clone, Debug)]
pub(crate) struct ClientLedger {
    configured: BTreeMap<Topic, Cursor>,
    floors: BTreeMap<Topic, Cursor>,
    quirk: Option<ClientQuirk>,
}

impl ClientLedger {
    /// Begins with what is configured or, where it is more, with what an earlier process stored.
    #[must_use]
    pub(crate) fn new(topics: &[Add], stored: &BTreeMap<Topic, Cursor>, quirk: Option<ClientQuirk>) -> Self {
        let configured = lowest_cursors(topics.iter().cloned());
        let mut floors = configured.clone();
        for (topic, stored) in stored.iter().filter(|(topic, _)| configured.contains_key(&topic.whole())) {
            let floor = floors.entry(topic.clone()).or_default();
            *floor = *stored.max(floor);
        }
        ClientLedger { configured, floors, quirk }
    }

    /// To be told before each connection but the first.
    pub(crate) fn reconnect(&mut self) {
        match self.quirk {
            Some(ClientQuirk::FloorForgotten) => self.floors = self.configured.clone(),
            Some(ClientQuirk::TopicLeftBehind) => drop(self.floors.pop_last()),
            _ => {}
        }
    }

    /// The topics and cursors to open a stream with (C3).
    #[must_use]
    pub(crate) fn resume(&self) -> Vec<Add> {
        let ahead = u64::from(self.quirk == Some(ClientQuirk::ResumesAhead));
        let resume = |(topic, floor): (&Topic, &Cursor)| {
            let floor = match self.quirk {
                Some(ClientQuirk::OneCursorForOriginators) if topic.originator().is_some() => self.furthest(topic),
                Some(ClientQuirk::AsksFromConfiguration) => self.configured.get(topic).copied().unwrap_or_default(),
                _ => *floor,
            };
            Add { topic: topic.clone(), cursor: Cursor(floor.0.saturating_add(ahead)) }
        };
        self.floors.iter().map(resume).collect()
    }

    /// The highest floor of all parts of that part's topic.
    fn furthest(&self, part: &Topic) -> Cursor {
        let parts = self.floors.iter().filter(|(topic, _)| topic.bytes() == part.bytes());
        parts.map(|(_, floor)| *floor).max().unwrap_or_default()
    }

    /// Whether the message is new; if so it is now taken. Duplicates are not, nor is what was never asked for.
    pub(crate) fn admit(&mut self, message: &Message) -> bool {
        let topic = message.topic();
        if topic.originator().is_some() && !self.floors.contains_key(topic) && self.floors.contains_key(&topic.whole())
        {
            // Nothing was known of that originator.
            self.floors.insert(topic.clone(), Cursor::default());
        }
        match self.floors.get_mut(topic) {
            Some(floor) if floor.is_before(message.id) => {
                *floor = Cursor::from(message.id);
                true
            }
            Some(_) | None => false,
        }
    }
}

/// The cursor of each topic: of two for one the lower counts, as on the wire (S5).
pub(crate) fn lowest_cursors(adds: impl IntoIterator<Item = Add>) -> BTreeMap<Topic, Cursor> {
    let mut cursors: BTreeMap<Topic, Cursor> = BTreeMap::new();
    for add in adds {
        let cursor = cursors.entry(add.topic).or_insert(add.cursor);
        *cursor = add.cursor.min(*cursor);
    }
    cursors
}

/// Hands out names of waves, fresh within the process and never 0 (S3).
#[derive(Clone, Debug, Default)]
pub(crate) struct MutateIds(u64);

impl MutateIds {
    /// The next name.
    pub(crate) fn fresh(&mut self) -> MutateId {
        self.0 += 1;
        MutateId(self.0)
    }
}

/// The first Mutate of a stream: several, each with its own name, where one would hold more than `most`
/// topics or too many bytes. The first is there even if there is nothing to add, because a stream begins
/// with one.
#[must_use]
pub(crate) fn split(adds: Vec<Add>, most: usize, ids: &mut MutateIds) -> Vec<Mutate> {
    let most = most.clamp(1, ADDS_MAX);
    let mut mutates = Vec::new();
    let mut current = Mutate { id: ids.fresh(), ..Mutate::default() };
    let mut bytes = 0;
    let mut topics = 0;
    for add in adds {
        // A topic stays together with its parts: on the wire they are one add.
        let is_part = current.adds.last().is_some_and(|last| last.topic.bytes() == add.topic.bytes());
        let size = if is_part { PART_BYTES } else { add.topic.bytes().len() };
        if !is_part && (topics >= most || (bytes + size > ADDS_BYTES_MAX && !current.adds.is_empty())) {
            let next = Mutate { id: ids.fresh(), ..Mutate::default() };
            mutates.push(std::mem::replace(&mut current, next));
            (topics, bytes) = (0, 0);
        }
        topics += usize::from(!is_part);
        bytes += size;
        current.adds.push(add);
    }
    mutates.push(current);
    mutates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::client::tests::{add, message, topic};
    use crate::subject::xmtp::wire::{Draft, Originator};

    fn stored(name: &str, cursor: u64) -> BTreeMap<Topic, Cursor> {
        BTreeMap::from([(topic(name), Cursor(cursor))])
    }

    #[test]
    fn the_stored_cursor_beats_a_lower_configured_one_and_yields_to_a_higher() {
        assert_eq!(ClientLedger::new(&[add("a", 0)], &stored("a", 7), None).resume(), [add("a", 7)]);
        assert_eq!(ClientLedger::new(&[add("a", 9)], &stored("a", 7), None).resume(), [add("a", 9)]);
        assert_eq!(ClientLedger::new(&[add("a", 9)], &stored("b", 7), None).resume(), [add("a", 9)]);
    }

    #[test]
    fn duplicate_adds_coalesce_to_the_lowest_cursor() {
        let ledger = ClientLedger::new(&[add("a", 5), add("a", 3), add("a", 4)], &BTreeMap::new(), None);
        assert_eq!(ledger.resume(), [add("a", 3)]);
    }

    #[test]
    fn each_message_is_new_once_and_moves_only_its_own_topic() {
        let mut ledger = ClientLedger::new(&[add("a", 1), add("b", 0)], &BTreeMap::new(), None);
        let admitted: Vec<bool> = [("a", 1), ("a", 3), ("a", 3), ("a", 2), ("b", 2), ("c", 9)]
            .map(|(name, id)| ledger.admit(&message(name, id)))
            .into();
        assert_eq!(admitted, [false, true, false, false, true, false]);
        assert_eq!(ledger.resume(), [add("a", 3), add("b", 2)]);
    }

    #[test]
    fn a_reconnect_keeps_the_floors_unless_they_are_forgotten() {
        for (quirk, cursor, again) in [(None, 5, false), (Some(ClientQuirk::FloorForgotten), 1, true)] {
            let mut ledger = ClientLedger::new(&[add("a", 1)], &BTreeMap::new(), quirk);
            assert!(ledger.admit(&message("a", 5)));
            ledger.reconnect();
            assert_eq!(ledger.resume(), [add("a", cursor)]);
            assert_eq!(ledger.admit(&message("a", 5)), again);
        }
    }

    #[test]
    fn resuming_ahead_asks_for_less_than_is_missing() {
        let ledger = ClientLedger::new(&[add("a", 5)], &BTreeMap::new(), Some(ClientQuirk::ResumesAhead));
        assert_eq!(ledger.resume(), [add("a", 6)]);
    }

    #[test]
    fn a_topic_left_behind_is_planted_and_no_default() {
        for (quirk, left) in [(None, 2), (Some(ClientQuirk::TopicLeftBehind), 1)] {
            let mut ledger = ClientLedger::new(&[add("a", 5), add("b", 6)], &BTreeMap::new(), quirk);
            ledger.reconnect();
            assert_eq!(ledger.resume().len(), left);
        }
    }

    #[test]
    fn a_large_set_is_split_and_each_part_has_its_own_name() {
        let adds: Vec<Add> = (0..2_001).map(|number| add(&format!("{number:04}"), 0)).collect();
        let mutates = split(adds.clone(), ADDS_MAX, &mut MutateIds::default());
        assert_eq!(mutates.iter().map(|mutate| mutate.adds.len()).collect::<Vec<_>>(), [1_000, 1_000, 1]);
        assert_eq!(mutates.iter().map(|mutate| mutate.id.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(mutates.into_iter().flat_map(|mutate| mutate.adds).collect::<Vec<_>>(), adds);
    }

    #[test]
    fn a_smaller_limit_splits_more_and_never_ends_in_nothing() {
        let adds = vec![add("a", 0), add("b", 0), add("c", 0)];
        for (most, parts) in [(2, vec![2, 1]), (1, vec![1, 1, 1]), (0, vec![1, 1, 1])] {
            let mutates = split(adds.clone(), most, &mut MutateIds::default());
            assert_eq!(mutates.iter().map(|mutate| mutate.adds.len()).collect::<Vec<_>>(), parts);
        }
    }

    #[test]
    fn a_stream_without_topics_still_begins_with_a_mutate() {
        let mutates = split(Vec::new(), ADDS_MAX, &mut MutateIds::default());
        assert_eq!(mutates, [Mutate { id: MutateId(1), ..Mutate::default() }]);
    }

    fn of(name: &str, originator: u32, id: u64) -> Message {
        let message = message(name, id);
        let topic = topic(name).part(Originator(originator));
        Message { draft: Draft { topic, ..message.draft }, ..message }
    }

    #[test]
    fn each_originator_has_a_floor_of_its_own_which_begins_with_what_it_sends() {
        let mut ledger = ClientLedger::new(&[add("a", 0), add("b", 0)], &BTreeMap::new(), None);
        let arrived = [of("a", 2, 7), of("a", 4, 3), of("a", 2, 7), of("a", 4, 9), of("c", 2, 1)];
        let admitted: Vec<bool> = arrived.iter().map(|message| ledger.admit(message)).collect();
        assert_eq!(admitted, [true, true, false, true, false]);
        let part = |originator, cursor| Add { topic: topic("a").part(Originator(originator)), cursor: Cursor(cursor) };
        assert_eq!(ledger.resume(), [add("a", 0), part(2, 7), part(4, 9), add("b", 0)]);
        let stored = BTreeMap::from([(topic("a").part(Originator(2)), Cursor(7))]);
        assert_eq!(ClientLedger::new(&[add("a", 0)], &stored, None).resume(), [add("a", 0), part(2, 7)]);
    }

    #[test]
    fn one_cursor_for_all_originators_is_planted_and_no_default() {
        for (quirk, second) in [(None, 3), (Some(ClientQuirk::OneCursorForOriginators), 7)] {
            let mut ledger = ClientLedger::new(&[add("a", 0)], &BTreeMap::new(), quirk);
            assert!(ledger.admit(&of("a", 2, 7)) && ledger.admit(&of("a", 4, 3)));
            assert_eq!(ledger.resume().into_iter().map(|add| add.cursor.0).collect::<Vec<_>>(), [0, 7, second]);
        }
    }

    #[test]
    fn a_topic_stays_together_with_its_parts() {
        let part = |name: &str| Add { topic: topic(name).part(Originator(2)), cursor: Cursor(1) };
        let adds = vec![add("a", 0), part("a"), add("b", 0), part("b")];
        let mutates = split(adds, 1, &mut MutateIds::default());
        assert_eq!(mutates.iter().map(|mutate| mutate.adds.len()).collect::<Vec<_>>(), [2, 2]);
    }
}
