//! The durable log of messages: ids per kind are global, ascend from 1 and survive restarts.
//!
//! Refuses to know streams and clients, and how a disk keeps what is appended.
//!
//! Each record is a message. What is looked up is in memory, and is read from the records when the log is opened: where each
//! message lies, the ids of each topic and, where it counts by originator, those of each originator (`originators`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::append_log::{AppendLog, Ascending, RecordPlace};
use crate::env::Disk;
use crate::subject::xmtp::node::budget::Budget;
use crate::subject::xmtp::node::by_kind::{ByKind, Heads};
use crate::subject::xmtp::node::originators::Origins;
use crate::subject::xmtp::node::wave::{TopicIds, WaveSource};
use crate::subject::xmtp::node::{LogHead, NodeQuirk, STORE, StoreError};
use crate::subject::xmtp::wire::{
    Cursor, Draft, Envelope, Message, MessageId, MessageKind, Originator, OriginatorPlace, Page, Paging, Topic,
    VectorCursor, proto,
};

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    records: AppendLog,
    index: LogIndex,
    quirk: Option<NodeQuirk>,
    /// The quirk `reuses-ids`: the next message of a kind gets the last id once more.
    forgotten: ByKind<bool>,
}

/// Where everything is.
#[derive(Debug, Default)]
struct LogIndex {
    /// Where each message lies, from id 1 on.
    places: ByKind<Ascending>,
    /// The ids of each topic.
    topics: BTreeMap<Topic, Ascending>,
    /// None where the log counts by id alone.
    origins: Option<Origins>,
    /// The quirk: of two messages with one id the second is there.
    reuses_ids: bool,
}

/// A record of the log: a message of one kind.
#[derive(Clone, PartialEq, prost::Message)]
struct LogRecord {
    #[prost(message, optional, tag = "1")]
    group: Option<proto::GroupMessage>,
    #[prost(message, optional, tag = "2")]
    welcome: Option<proto::WelcomeMessage>,
    /// Who numbered it; none is the node itself.
    #[prost(uint32, optional, tag = "3")]
    originator: Option<u32>,
}

impl Log {
    /// Opens the log on that disk, or begins one, to be counted by originator, too, or by id alone.
    ///
    /// # Errors
    /// The disk fails, or holds something else.
    pub(crate) fn open(disk: Disk, by_originator: bool, quirk: Option<NodeQuirk>) -> Result<Self, StoreError> {
        let reuses_ids = quirk == Some(NodeQuirk::ReusesIds);
        let origins = by_originator.then(Origins::default);
        let mut index = LogIndex { origins, reuses_ids, ..LogIndex::default() };
        let records = AppendLog::open(STORE, disk, |place, record| {
            let (message, originator) = LogRecord::read(record).map_err(|why| malformed(place, &why))?;
            index.add(place, &message, originator).map(drop).map_err(|why| malformed(place, why))
        });
        let records = records.map_err(StoreError::Open)?;
        let forgotten = |kind| reuses_ids && index.head(kind) > MessageId(0);
        let forgotten = ByKind::new(forgotten(MessageKind::Group), forgotten(MessageKind::Welcome));
        Ok(Log { records, index, quirk, forgotten })
    }

    /// Stores the drafts in one append, all or none, and returns them as they are stored. When it returns, they are
    /// durable.
    ///
    /// # Errors
    /// The disk fails; then nothing of it is stored, or, where the log has failed, it may be there once the log is opened again.
    pub(crate) fn append(&mut self, drafts: Vec<Draft>, created_ns: u64) -> Result<Vec<Arc<Message>>, StoreError> {
        let mut heads = self.first_ids();
        let mut stored = Vec::with_capacity(drafts.len());
        let mut records = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let kind = draft.topic.kind();
            let id = following(kind, *heads.of(kind))?;
            *heads.of_mut(kind) = id;
            let target = draft.topic.originator();
            let draft = Draft { topic: draft.topic.whole(), ..draft };
            let message = Message { id, origin: None, created_ns, draft };
            records.push(LogRecord::of(&message, target).encode_to_vec());
            stored.push((message, target));
        }
        let appended = match self.quirk {
            Some(NodeQuirk::AcksUnsynced) => self.records.append_unsynced(&records),
            _ => self.records.append(&records),
        };
        let places = appended.map_err(|error| match self.records.has_failed() {
            true => StoreError::Append(error),
            false => StoreError::NotStored(error),
        })?;
        self.forgotten = ByKind::default();
        let index = |((message, target), place): ((Message, _), _)| {
            let (kind, id) = (message.topic().kind(), message.id);
            let why = |why: &str| StoreError::Corrupt { kind, id, why: why.into() };
            let origin = self.index.add(place, &message, target).map_err(why)?;
            Ok(Arc::new(Message { origin, ..message }))
        };
        stored.into_iter().zip(places).map(index).collect()
    }

    /// The ids behind which the next append begins.
    fn first_ids(&self) -> Heads {
        let first = |kind| {
            let head = self.index.head(kind);
            if *self.forgotten.of(kind) { MessageId(head.0 - 1) } else { head }
        };
        Heads::new(first(MessageKind::Group), first(MessageKind::Welcome))
    }

    /// The last id of each kind, as of now.
    pub(crate) fn heads(&self) -> Heads {
        Heads::new(self.index.head(MessageKind::Group), self.index.head(MessageKind::Welcome))
    }

    /// The last id of each sequence, as of now: of each kind, or of each originator that has used one.
    pub(crate) fn sequences(&self) -> Vec<LogHead> {
        match &self.index.origins {
            Some(origins) => {
                origins.heads().map(|(of, id)| LogHead { kind: of.kind(), originator: Some(of), id }).collect()
            }
            None => MessageKind::ALL.map(|kind| LogHead { kind, originator: None, id: self.index.head(kind) }).into(),
        }
    }

    /// As [`Origins::has_room_for`].
    pub(crate) fn has_room_for(&self, originator: Originator, joining: &BTreeSet<Originator>) -> bool {
        self.index.origins.as_ref().is_some_and(|origins| origins.has_room_for(originator, joining))
    }

    /// As [`Origins::beyond`].
    pub(crate) fn beyond(&self, known: &[(MessageKind, &VectorCursor)]) -> Vec<Cursor> {
        let furthest = self.quirk == Some(NodeQuirk::StartsAtFurthestOriginator);
        let origins = self.index.origins.as_ref();
        origins.map(|origins| origins.beyond(known, self.heads(), furthest)).unwrap_or_default()
    }

    /// One page of a topic's history, bounded by `budget` and by what is asked for.
    ///
    /// # Errors
    /// The disk fails, or stored bytes are malformed.
    pub(crate) fn page(&self, topic: &Topic, paging: Paging, mut budget: Budget) -> Result<Page, StoreError> {
        let mut messages = Vec::new();
        let mut position = paging.cursor;
        let mut ids = match paging.descending {
            false => self.ids(topic, position),
            true => self.ids_before(topic, position),
        };
        let more = loop {
            let Some(id) = ids.next() else { break false };
            if budget.is_spent() {
                break true;
            }
            let message = self.message(topic.kind(), id)?;
            if !budget.admit(&message) {
                break true;
            }
            position = Cursor::from(id);
            messages.push(message);
        };
        let cursor = if more { position } else { Cursor(0) };
        Ok(Page { messages, next: Paging { cursor, ..paging } })
    }

    /// The topic's ids before that place, descending; 0 is the place above all ids.
    fn ids_before(&self, topic: &Topic, before: Cursor) -> TopicIds<'_> {
        let above = if before.0 == 0 { u64::MAX } else { before.0 };
        self.index.topics.get(topic).map_or_else(no_ids, |ids| Box::new(ids.below(above).map(MessageId)))
    }
}

impl WaveSource for Log {
    fn ids(&self, topic: &Topic, after: Cursor) -> TopicIds<'_> {
        self.index.topics.get(topic).map_or_else(no_ids, |ids| Box::new(ids.above(after.0).map(MessageId)))
    }

    fn message(&self, kind: MessageKind, id: MessageId) -> Result<Message, StoreError> {
        let corrupt = |why: String| StoreError::Corrupt { kind, id, why };
        let place = self.index.place(kind, id).ok_or_else(|| corrupt("it is in the index and nowhere else".into()))?;
        let record = self.records.read(place).map_err(|error| StoreError::Read { kind, id, error })?;
        let (mut message, originator) = LogRecord::read(record.into()).map_err(corrupt)?;
        if self.quirk == Some(NodeQuirk::ReplaysWithoutHmac)
            && let Envelope::Group { sender_hmac, .. } = &mut message.draft.envelope
        {
            sender_hmac.clear();
        }
        let origin = self.index.origins.as_ref().map(|origins| origins.of(id, own(kind, originator)));
        Ok(Message { origin, ..message })
    }
}

fn no_ids<'l>() -> TopicIds<'l> {
    Box::new(std::iter::empty())
}

impl LogIndex {
    fn head(&self, kind: MessageKind) -> MessageId {
        MessageId(self.places.of(kind).len() as u64)
    }

    fn place(&self, kind: MessageKind, id: MessageId) -> Option<RecordPlace> {
        let index = usize::try_from(id.0.checked_sub(1)?).ok()?;
        self.places.of(kind).get(index).map(RecordPlace)
    }

    /// Adds a message, and tells its place by originator, where that is counted.
    fn add(
        &mut self,
        place: RecordPlace,
        message: &Message,
        originator: Option<Originator>,
    ) -> Result<Option<OriginatorPlace>, &'static str> {
        let (kind, id, topic) = (message.topic().kind(), message.id, message.topic());
        if self.reuses_ids && id == self.head(kind) {
            self.places.of_mut(kind).pop();
        }
        if id.0 != self.head(kind).0 + 1 || !self.places.of_mut(kind).push(place.0) {
            return Err("its id does not follow");
        }
        if !self.topics.contains_key(topic) {
            // A copy of its own: a topic's bytes are a part of what the message came in.
            self.topics.insert(Topic::new(kind, &topic.rest()), Ascending::default());
        }
        if let Some(ids) = self.topics.get_mut(topic) {
            ids.push(id.0);
        }
        Ok(self.origins.as_mut().map(|origins| origins.number(id, own(kind, originator))))
    }
}

impl LogRecord {
    fn of(message: &Message, target: Option<Originator>) -> Self {
        let (group, welcome) = match message.topic().kind() {
            MessageKind::Group => (Some(message.clone().into_group()), None),
            MessageKind::Welcome => (None, Some(message.clone().into_welcome())),
        };
        LogRecord { group, welcome, originator: target.map(|Originator(number)| number) }
    }

    fn read(record: Bytes) -> Result<(Message, Option<Originator>), String> {
        let LogRecord { group, welcome, originator } = LogRecord::decode(record).map_err(|error| error.to_string())?;
        let message = match (group, welcome) {
            (Some(group), None) => Message::from_group(group),
            (None, Some(welcome)) => Message::from_welcome(welcome),
            (Some(_), Some(_)) | (None, None) => return Err("it is not one message".into()),
        };
        Ok((message.map_err(|error| error.to_string())?, originator.map(Originator)))
    }
}

/// Who numbers a message that names nobody: the node itself, also of what was stored while nobody counted by originator.
fn own(kind: MessageKind, originator: Option<Originator>) -> Originator {
    originator.unwrap_or(Originator::of(kind, 0))
}

fn following(kind: MessageKind, head: MessageId) -> Result<MessageId, StoreError> {
    let exhausted = || StoreError::Corrupt { kind, id: head, why: "it has the last id of all".into() };
    head.0.checked_add(1).map(MessageId).ok_or_else(exhausted)
}

fn malformed(place: RecordPlace, why: &str) -> io::Error {
    let what =
        format!("the store `{STORE}` is corrupt: the record at byte {} is no message of its log: {why}", place.0);
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::fake_disk::FakeDisk;
    use crate::subject::xmtp::node::budget::weight;

    fn open(disk: &FakeDisk) -> Log {
        Log::open(disk.open(), false, None).expect("a good disk")
    }

    fn group(name: &str, data: &str) -> Draft {
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: true, is_commit: false };
        Draft { topic: Topic::new(MessageKind::Group, name.as_bytes()), data: data.to_owned().into(), envelope }
    }

    fn welcome(name: &str) -> Draft {
        let envelope = Envelope::Welcome {
            hpke_public_key: Bytes::from_static(b"k"),
            wrapper_algorithm: 2,
            welcome_metadata: Bytes::from_static(b"m"),
        };
        Draft { topic: Topic::new(MessageKind::Welcome, name.as_bytes()), data: Bytes::from_static(b"w"), envelope }
    }

    fn ids(messages: &[Message]) -> Vec<u64> {
        messages.iter().map(|message| message.id.0).collect()
    }

    fn paging(descending: bool, cursor: u64) -> Paging {
        Paging { descending, limit: 2, cursor: Cursor(cursor) }
    }

    #[test]
    fn each_kind_counts_its_ids_from_one_over_all_topics() {
        let mut log = open(&FakeDisk::default());
        let drafts = vec![group("a", "1"), welcome("i"), group("b", "2"), group("a", "3")];
        let stored = log.append(drafts, 5).expect("stored");
        assert_eq!(stored.iter().map(|message| message.id.0).collect::<Vec<_>>(), [1, 1, 2, 3]);
        assert_eq!(log.heads(), Heads::new(MessageId(3), MessageId(1)));
    }

    #[test]
    fn a_restart_keeps_ids_and_messages() {
        let disk = FakeDisk::default();
        let before = open(&disk).append(vec![group("a", "1"), welcome("i")], 5).expect("stored");
        let mut log = open(&disk);
        assert_eq!(log.message(MessageKind::Group, MessageId(1)).expect("kept"), *before[0]);
        assert_eq!(log.message(MessageKind::Welcome, MessageId(1)).expect("kept"), *before[1]);
        assert_eq!(log.append(vec![group("b", "2")], 6).expect("stored")[0].id, MessageId(2));
    }

    #[test]
    fn what_follows_a_cursor_is_of_the_same_topic_only() {
        let mut log = open(&FakeDisk::default());
        log.append(vec![group("a", "1"), group("aa", "2"), group("a", "3")], 5).expect("stored");
        let topic = Topic::new(MessageKind::Group, b"a");
        let next = |after| log.ids(&topic, Cursor(after)).next();
        assert_eq!([next(0), next(1), next(3), next(u64::MAX)], [Some(MessageId(1)), Some(MessageId(3)), None, None]);
    }

    #[test]
    fn pages_run_both_ways_and_say_where_the_next_one_starts() {
        let mut log = open(&FakeDisk::default());
        log.append((0..3).map(|_| group("a", "x")).collect(), 5).expect("stored");
        let topic = Topic::new(MessageKind::Group, b"a");
        // The count cuts the page, or its bytes do.
        for budget in [Budget::new(2, 1_000), Budget::new(10, 2 * weight(&group("a", "x")))] {
            let page = |descending, cursor| log.page(&topic, paging(descending, cursor), budget).expect("readable");
            for (descending, first, second) in [(false, [1, 2], [3]), (true, [3, 2], [1])] {
                let start = page(descending, 0);
                assert_eq!((ids(&start.messages), start.next), (first.to_vec(), paging(descending, 2)));
                let end = page(descending, 2);
                assert_eq!((ids(&end.messages), end.next), (second.to_vec(), paging(descending, 0)));
            }
        }
    }

    #[test]
    fn a_record_that_is_no_message_of_this_log_is_an_error() {
        let second =
            LogRecord::of(&open(&FakeDisk::default()).append(vec![group("a", "1")], 5).expect("stored")[0], None);
        for (wrong, why) in [(vec![0xff], "invalid varint"), (second.encode_to_vec(), "its id does not follow")] {
            let disk = FakeDisk::default();
            open(&disk).append(vec![group("a", "1")], 5).expect("stored");
            let mut records = AppendLog::open::<io::Error>(STORE, disk.open(), |_, _| Ok(())).expect("a good disk");
            records.append(&[wrong]).expect("a good disk");
            let error = Log::open(disk.open(), false, None).expect_err("malformed").to_string();
            assert!(
                error.starts_with("open the message log: the store `node.journal` is corrupt: the record at"),
                "{error}"
            );
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_was_stored_while_nobody_counted_is_the_nodes_own() {
        let disk = FakeDisk::default();
        let aimed = |draft: Draft| Draft { topic: draft.topic.part(Originator::of(MessageKind::Group, 1)), ..draft };
        let counting = |disk: &FakeDisk| Log::open(disk.open(), true, None).expect("a good disk");
        counting(&disk).append(vec![aimed(group("a", "1"))], 5).expect("stored");
        open(&disk).append(vec![group("a", "2"), welcome("i")], 5).expect("stored");
        let stored = counting(&disk).append(vec![group("a", "3")], 5).expect("stored");
        let log = counting(&disk);
        let place = |kind, id| {
            log.message(kind, MessageId(id)).expect("stored").origin.map(|at| (at.originator.0, at.sequence.0))
        };
        assert_eq!([1, 2, 3].map(|id| place(MessageKind::Group, id)), [Some((2, 1)), Some((0, 1)), Some((0, 2))]);
        assert_eq!(place(MessageKind::Welcome, 1), Some((1, 1)));
        assert_eq!(stored[0].origin, log.message(MessageKind::Group, MessageId(3)).expect("stored").origin);
    }

    #[test]
    fn a_dead_disk_is_an_error_and_what_was_acknowledged_survives_it() {
        let disk = FakeDisk::default();
        let mut log = open(&disk);
        log.append(vec![group("a", "1")], 5).expect("stored");
        disk.fail_after(0);
        assert!(log.append(vec![group("a", "2")], 6).is_err());
        drop(log);
        disk.heal();
        assert_eq!(open(&disk).heads(), Heads::new(MessageId(1), MessageId(0)));
    }
}
