//! One catch-up: replays its topics from the log, merged by id within each kind (S4).
//!
//! Refuses to know the stream, its other waves and the live flow, and reads through a [`WaveSource`].
//!
//! A lane is one topic of the wave. The wave remembers only the next unread id of each lane, and reads up to
//! its bound: the head of the log when it began, raised by what arrives in mid-wave.
//!
//! ```text
//!              sought: an id follows         read it: another id follows
//!   Unsought -----------------------> Next -----------------------------+
//!      |                              ^ | ^                             |
//!      | sought: nothing              | | +-----------------------------+
//!      v            held in mid-wave  | | read it: nothing follows
//!   Exhausted ------------------------+ |
//!      ^--------------------------------+      done: no lane has an id up to the bound
//! ```

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::subject::xmtp::node::StoreError;
use crate::subject::xmtp::node::budget::Budget;
use crate::subject::xmtp::node::by_kind::{ByKind, Heads};
use crate::subject::xmtp::wire::{Cursor, Message, MessageId, MessageKind, MutateId, Topic};

/// TopicIds of one topic, one after the other.
pub(crate) type TopicIds<'s> = Box<dyn Iterator<Item = MessageId> + 's>;

/// Where a wave reads.
pub(crate) trait WaveSource {
    /// Looks up the ids of the topic after that place, ascending.
    fn ids(&self, topic: &Topic, after: Cursor) -> TopicIds<'_>;

    /// The message of that id.
    ///
    /// # Errors
    /// The store fails, or what it holds is malformed.
    fn message(&self, kind: MessageKind, id: MessageId) -> Result<Message, StoreError>;
}

/// The order in which a wave takes its lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    /// By id within each kind (S4).
    ById,
    /// Topic by topic: the quirk `unsorted-replay`.
    ByTopic,
}

/// A catch-up in flight.
#[derive(Debug)]
pub(crate) struct Wave {
    id: MutateId,
    history_only: bool,
    merge: Merge,
    lanes: BTreeMap<Topic, Lane>,
    unsought: BTreeSet<Topic>,
    ahead: ByKind<BTreeSet<(MessageId, Topic)>>,
    through: Heads,
}

#[derive(Debug)]
struct Lane {
    /// The add's cursor, or the last id replayed.
    floor: Cursor,
    next: LaneNext,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LaneNext {
    Unsought,
    Id(MessageId),
    Exhausted,
}

/// What a stream knows of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicProgress {
    /// The add's cursor, or the last id delivered: a re-add below it restarts the topic (S5).
    pub(crate) floor: Cursor,
    /// Everything of the topic up to here was delivered: nothing at or below it is sent again (S2).
    pub(crate) covered: Cursor,
}

impl Wave {
    /// A wave over these topics, each after its cursor, up to these heads.
    pub(crate) fn new(
        id: MutateId,
        history_only: bool,
        merge: Merge,
        starts: BTreeMap<Topic, Cursor>,
        heads: Heads,
    ) -> Self {
        Wave {
            id,
            history_only,
            merge,
            unsought: starts.keys().cloned().collect(),
            lanes: starts.into_iter().map(|(topic, floor)| (topic, Lane { floor, next: LaneNext::Unsought })).collect(),
            ahead: ByKind::default(),
            through: heads,
        }
    }

    /// The Mutate that started it.
    pub(crate) fn id(&self) -> MutateId {
        self.id
    }

    /// Whether its topics stay unregistered (S11).
    pub(crate) fn is_history_only(&self) -> bool {
        self.history_only
    }

    /// Whether all its topics have left it.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// How far the topic's replay has come.
    pub(crate) fn floor(&self, topic: &Topic) -> Option<Cursor> {
        self.lanes.get(topic).map(|lane| lane.floor)
    }

    /// Lets a topic leave the wave (S5).
    pub(crate) fn remove(&mut self, topic: &Topic) {
        let Some(lane) = self.lanes.remove(topic) else { return };
        match lane.next {
            LaneNext::Unsought => self.unsought.remove(topic),
            LaneNext::Id(id) => self.ahead.of_mut(topic.kind()).remove(&(id, topic.clone())),
            LaneNext::Exhausted => false,
        };
    }

    /// Folds a message that arrived in mid-wave into the wave (S4).
    pub(crate) fn hold(&mut self, message: &Message) {
        let (topic, id) = (message.topic(), message.id);
        let Some(lane) = self.lanes.get_mut(topic) else { return };
        if !lane.floor.is_before(id) {
            return;
        }
        let through = self.through.of_mut(topic.kind());
        *through = id.max(*through);
        // A lane that has an id to read, or has yet to look, will find this one in the log.
        if lane.next == LaneNext::Exhausted {
            lane.next = LaneNext::Id(id);
            self.ahead.of_mut(topic.kind()).insert((id, topic.clone()));
        }
    }

    /// Reads the next page: as many messages as the budget admits, groups before welcomes, each ascending. The ids of a
    /// lane are looked up once for all that it has in the page.
    ///
    /// # Errors
    /// The source fails; then the wave cannot go on.
    pub(crate) fn page(&mut self, source: &impl WaveSource, mut budget: Budget) -> Result<Vec<Message>, StoreError> {
        while let Some(topic) = self.unsought.pop_first() {
            let Some(floor) = self.floor(&topic) else { continue };
            let first = source.ids(&topic, floor).next();
            self.look_ahead(&topic, first);
        }
        let (mut page, mut walks) = (Vec::new(), BTreeMap::new());
        for kind in MessageKind::ALL {
            while let Some((id, topic)) = self.first(kind).cloned() {
                if budget.is_spent() {
                    return Ok(page);
                }
                let message = source.message(kind, id)?;
                if !budget.admit(&message) {
                    return Ok(page);
                }
                page.push(message);
                self.ahead.of_mut(kind).remove(&(id, topic.clone()));
                if let Some(lane) = self.lanes.get_mut(&topic) {
                    lane.floor = Cursor::from(id);
                }
                let ids = match walks.entry(topic.clone()) {
                    Entry::Occupied(begun) => begun.into_mut(),
                    Entry::Vacant(absent) => absent.insert(source.ids(&topic, Cursor::from(id))),
                };
                let next = ids.next();
                self.look_ahead(&topic, next);
            }
        }
        Ok(page)
    }

    /// Whether everything up to the bound was read.
    pub(crate) fn is_done(&self) -> bool {
        self.unsought.is_empty() && MessageKind::ALL.into_iter().all(|kind| self.first(kind).is_none())
    }

    /// Ends the wave: what is known of each of its topics now.
    pub(crate) fn finish(self) -> BTreeMap<Topic, TopicProgress> {
        let through = self.through;
        let stand = |topic: &Topic, floor: Cursor| TopicProgress {
            floor,
            covered: floor.max(Cursor::from(*through.of(topic.kind()))),
        };
        self.lanes.into_iter().map(|(topic, lane)| (topic.clone(), stand(&topic, lane.floor))).collect()
    }

    /// Takes note of what follows the lane's floor.
    fn look_ahead(&mut self, topic: &Topic, next: Option<MessageId>) {
        let Some(lane) = self.lanes.get_mut(topic) else { return };
        lane.next = next.map_or(LaneNext::Exhausted, LaneNext::Id);
        if let Some(id) = next {
            self.ahead.of_mut(topic.kind()).insert((id, topic.clone()));
        }
    }

    /// The next unread message of the kind, if it is within the bound.
    fn first(&self, kind: MessageKind) -> Option<&(MessageId, Topic)> {
        let through = *self.through.of(kind);
        let ahead = self.ahead.of(kind);
        match self.merge {
            Merge::ById => ahead.first().filter(|(id, _)| *id <= through),
            Merge::ByTopic => ahead.iter().filter(|(id, _)| *id <= through).min_by_key(|(_, topic)| topic),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::subject::xmtp::wire::{Draft, Envelope};

    /// Messages, and what was asked for them: lookups of ids, ids, messages.
    #[derive(Default)]
    struct FakeSource(Vec<Message>, [Cell<usize>; 3]);

    impl FakeSource {
        /// How often each was asked for since the last call.
        fn asked(&self) -> [usize; 3] {
            self.1.each_ref().map(Cell::take)
        }
    }

    fn count(cell: &Cell<usize>) {
        cell.set(cell.get() + 1);
    }

    impl WaveSource for FakeSource {
        fn ids(&self, topic: &Topic, after: Cursor) -> TopicIds<'_> {
            count(&self.1[0]);
            let topic = topic.clone();
            let follows = move |message: &&Message| *message.topic() == topic && after.is_before(message.id);
            Box::new(self.0.iter().filter(follows).map(|message| {
                count(&self.1[1]);
                message.id
            }))
        }

        fn message(&self, kind: MessageKind, id: MessageId) -> Result<Message, StoreError> {
            count(&self.1[2]);
            let found = self.0.iter().find(|message| message.id == id && message.topic().kind() == kind);
            found.cloned().ok_or(StoreError::Corrupt { kind, id, why: "it is missing".into() })
        }
    }

    fn topic(name: &str) -> Topic {
        Topic::new(if name == "w" { MessageKind::Welcome } else { MessageKind::Group }, name.as_bytes())
    }

    fn message(name: &str, id: u64) -> Message {
        let envelope = Envelope::Group { sender_hmac: bytes::Bytes::new(), should_push: false, is_commit: false };
        let draft = Draft { topic: topic(name), data: bytes::Bytes::new(), envelope };
        Message { id: MessageId(id), origin: None, created_ns: 0, draft }
    }

    fn source() -> FakeSource {
        let rows = [("b", 1), ("a", 2), ("w", 1), ("a", 3), ("b", 4), ("w", 2), ("a", 5)];
        FakeSource(rows.map(|(name, id)| message(name, id)).to_vec(), Default::default())
    }

    fn wave(starts: &[(&str, u64)], heads: (u64, u64)) -> Wave {
        let starts = starts.iter().map(|(name, cursor)| (topic(name), Cursor(*cursor))).collect();
        Wave::new(MutateId(1), false, Merge::ById, starts, Heads::new(MessageId(heads.0), MessageId(heads.1)))
    }

    fn read(wave: &mut Wave, source: &FakeSource, most: usize) -> Vec<(MessageKind, u64)> {
        let page = wave.page(source, Budget::new(most, usize::MAX)).expect("the source is whole");
        page.iter().map(|message| (message.topic().kind(), message.id.0)).collect()
    }

    const GROUP: MessageKind = MessageKind::Group;
    const WELCOME: MessageKind = MessageKind::Welcome;

    #[test]
    fn a_replay_is_one_merged_pass_for_each_kind() {
        let mut wave = wave(&[("a", 0), ("b", 1), ("w", 0)], (5, 2));
        let all = read(&mut wave, &source(), 100);
        assert_eq!(all, [(GROUP, 2), (GROUP, 3), (GROUP, 4), (GROUP, 5), (WELCOME, 1), (WELCOME, 2)]);
        assert!(wave.is_done());
    }

    #[test]
    fn pages_cut_the_pass_and_lose_nothing() {
        let mut wave = wave(&[("a", 0), ("b", 0), ("w", 0)], (5, 2));
        let mut all = Vec::new();
        while !wave.is_done() {
            all.extend(read(&mut wave, &source(), 2));
        }
        let groups = (1..=5).map(|id| (GROUP, id));
        assert_eq!(all, groups.chain([(WELCOME, 1), (WELCOME, 2)]).collect::<Vec<_>>());
    }

    #[test]
    fn a_page_looks_the_ids_of_a_topic_up_once_and_reads_no_more_than_it_holds() {
        let rows = (1..=100).map(|id| message(if id % 10 == 0 { "a" } else { "b" }, id));
        let source = FakeSource(rows.collect(), Default::default());
        let mut wave = wave(&[("a", 0), ("b", 0), ("idle", 0), ("w", 0)], (100, 0));
        assert_eq!(read(&mut wave, &source, 25).len(), 25);
        // Each of four topics is sought once; then each of the two in the page is looked up once more.
        assert_eq!(source.asked(), [4 + 2, 2 + 25, 25]);
        assert_eq!(read(&mut wave, &source, 25).len(), 25);
        assert_eq!(source.asked(), [2, 25, 25]);
        assert_eq!(read(&mut wave, &source, 100).len(), 50);
        assert_eq!(source.asked(), [2, 48, 50]);
    }

    #[test]
    fn a_wave_stops_at_the_head_at_its_start() {
        let mut wave = wave(&[("a", 0), ("w", 0)], (3, 1));
        assert_eq!(read(&mut wave, &source(), 100), [(GROUP, 2), (GROUP, 3), (WELCOME, 1)]);
        assert!(wave.is_done());
        let progress = wave.finish();
        assert_eq!(progress[&topic("a")], TopicProgress { floor: Cursor(3), covered: Cursor(3) });
    }

    #[test]
    fn a_message_that_arrives_in_mid_wave_raises_the_bound() {
        let mut source = source();
        let mut wave = wave(&[("a", 0), ("b", 0)], (5, 2));
        assert_eq!(read(&mut wave, &source, 100).len(), 5);
        source.0.push(message("b", 6));
        source.0.push(message("a", 7));
        wave.hold(&message("a", 7));
        assert!(!wave.is_done());
        assert_eq!(read(&mut wave, &source, 100), [(GROUP, 7)]);
        assert_eq!(wave.finish()[&topic("a")], TopicProgress { floor: Cursor(7), covered: Cursor(7) });
    }

    #[test]
    fn what_was_replayed_or_lies_below_the_cursor_is_not_held() {
        let mut wave = wave(&[("a", 9), ("b", 0)], (5, 2));
        assert_eq!(read(&mut wave, &source(), 100), [(GROUP, 1), (GROUP, 4)]);
        wave.hold(&message("a", 8));
        wave.hold(&message("b", 4));
        assert!(wave.is_done());
        assert_eq!(wave.finish()[&topic("a")], TopicProgress { floor: Cursor(9), covered: Cursor(9) });
    }

    #[test]
    fn a_topic_that_leaves_is_read_no_further() {
        let mut wave = wave(&[("a", 0), ("b", 0)], (5, 2));
        assert_eq!(read(&mut wave, &source(), 2), [(GROUP, 1), (GROUP, 2)]);
        wave.remove(&topic("a"));
        assert_eq!(read(&mut wave, &source(), 100), [(GROUP, 4)]);
        wave.remove(&topic("b"));
        assert!(wave.is_empty() && wave.is_done());
    }

    #[test]
    fn a_hole_in_the_shelf_is_an_error() {
        struct Holed;
        impl WaveSource for Holed {
            fn ids(&self, _: &Topic, _: Cursor) -> TopicIds<'_> {
                Box::new(std::iter::once(MessageId(1)))
            }
            fn message(&self, kind: MessageKind, id: MessageId) -> Result<Message, StoreError> {
                Err(StoreError::Corrupt { kind, id, why: "it is missing".into() })
            }
        }
        let mut wave = wave(&[("a", 0)], (5, 2));
        assert!(wave.page(&Holed, Budget::new(1, 1)).is_err());
    }
}
