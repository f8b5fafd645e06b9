//! The durable log of messages, in redb: ids per kind are global, ascend from 1 and survive restarts.
//!
//! Refuses to know streams and clients. It holds no transaction longer than one call or one [`Snapshot`],
//! and a snapshot must not be kept across an await, because redb cannot reuse pages under it.
//!
//! Two tables: `messages` holds each message, as its protobuf bytes, by (kind, id); `index` holds no
//! values, only the keys (topic, id), and a topic begins with its kind. Where it counts by originator, two more
//! (`originators`).

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use crate::env::{Disk, begin_write};
use crate::subject::xmtp::node::budget::Budget;
use crate::subject::xmtp::node::by_kind::Heads;
use crate::subject::xmtp::node::originators::{Numbering, Origins};
use crate::subject::xmtp::node::wave::{TopicIds, WaveSource};
use crate::subject::xmtp::node::{LogHead, NodeQuirk, STORE, StoreError};
use crate::subject::xmtp::wire::{
    Cursor, Draft, Message, MessageId, MessageKind, Originator, Page, Paging, Topic, VectorCursor, proto,
};

const MESSAGES: TableDefinition<(u8, u64), &[u8]> = TableDefinition::new("messages");
const INDEX: TableDefinition<(&[u8], u64), ()> = TableDefinition::new("index");

/// The last id of each kind: only the quirk `reuses-ids` writes it down.
const COUNTERS: TableDefinition<u8, u64> = TableDefinition::new("counters");

/// redb's default cache is 1 GiB; a trial runs many nodes in one process, and a small log fits here whole.
const CACHE_BYTES: usize = 4 << 20;

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    database: Database,
    by_originator: bool,
    quirk: Option<NodeQuirk>,
}

impl Log {
    /// Opens the log on that disk, or begins one, to be counted by originator, too, or by id alone.
    ///
    /// # Errors
    /// The disk fails, or holds something else.
    pub(crate) fn open(disk: Disk, by_originator: bool, quirk: Option<NodeQuirk>) -> Result<Self, StoreError> {
        let database = disk.database(STORE, Builder::new().set_cache_size(CACHE_BYTES))?;
        // Both tables exist from here on, so that reading an empty log is no special case.
        let transaction = begin_write(&database)?;
        transaction.open_table(MESSAGES)?;
        transaction.open_table(INDEX)?;
        if by_originator {
            let heads = read_heads(&transaction.open_table(MESSAGES)?)?;
            Numbering::open(&transaction)?.number_up_to(heads)?;
        }
        transaction.commit()?;
        Ok(Log { database, by_originator, quirk })
    }

    /// Stores the drafts in one transaction, all or none, and returns them as they are stored. When it
    /// returns, they are durable.
    ///
    /// # Errors
    /// The disk fails; then what was to be stored may be there, or not, once the log is opened again.
    pub(crate) fn append(&self, drafts: Vec<Draft>, created_ns: u64) -> Result<Vec<Arc<Message>>, StoreError> {
        let mut transaction = begin_write(&self.database)?;
        if self.quirk == Some(NodeQuirk::AcksUnsynced) {
            transaction.set_durability(Durability::None)?;
        }
        let mut stored = Vec::with_capacity(drafts.len());
        let mut heads;
        {
            let mut messages = transaction.open_table(MESSAGES)?;
            let mut index = transaction.open_table(INDEX)?;
            let mut numbering = if self.by_originator { Some(Numbering::open(&transaction)?) } else { None };
            heads = match self.quirk {
                Some(NodeQuirk::ReusesIds) => read_counters(&transaction)?,
                _ => read_heads(&messages)?,
            };
            for draft in drafts {
                let kind = draft.topic.kind();
                let id = following(kind, *heads.of(kind))?;
                *heads.of_mut(kind) = id;
                let target = draft.topic.originator();
                let origin = numbering.as_mut().map(|by| by.number(kind, id, target)).transpose()?;
                let draft = Draft { topic: draft.topic.whole(), ..draft };
                let message = Message { id, origin, created_ns, draft };
                index.insert((message.topic().bytes().as_ref(), id.0), ())?;
                messages.insert((kind.prefix(), id.0), encode(&message).as_slice())?;
                stored.push(Arc::new(message));
            }
        }
        transaction.commit()?;
        if self.quirk == Some(NodeQuirk::ReusesIds) {
            self.write_counters(heads)?;
        }
        Ok(stored)
    }

    /// The quirk `reuses-ids`: the ids that were given are known to the memory of this process alone.
    fn write_counters(&self, heads: Heads) -> Result<(), StoreError> {
        let mut transaction = begin_write(&self.database)?;
        transaction.set_durability(Durability::None)?;
        for kind in [MessageKind::Group, MessageKind::Welcome] {
            transaction.open_table(COUNTERS)?.insert(kind.prefix(), heads.of(kind).0)?;
        }
        Ok(transaction.commit()?)
    }

    /// The last id of each kind, as of now.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn heads(&self) -> Result<Heads, StoreError> {
        read_heads(&self.database.begin_read()?.open_table(MESSAGES)?)
    }

    /// The last id of each sequence, as of now: of each kind, or of each originator that has used one.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn sequences(&self) -> Result<Vec<LogHead>, StoreError> {
        if self.by_originator {
            let heads = Origins::open(&self.database.begin_read()?)?.heads()?.into_iter();
            return Ok(heads.map(|(of, id)| LogHead { kind: of.kind(), originator: Some(of), id }).collect());
        }
        let heads = self.heads()?;
        Ok(MessageKind::ALL.map(|kind| LogHead { kind, originator: None, id: *heads.of(kind) }).into())
    }

    /// As [`Origins::has_room_for`].
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn has_room_for(&self, originator: Originator) -> Result<bool, StoreError> {
        Origins::open(&self.database.begin_read()?)?.has_room_for(originator)
    }

    /// As [`Origins::beyond`].
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn beyond(&self, known: &[(MessageKind, &VectorCursor)]) -> Result<Vec<Cursor>, StoreError> {
        let transaction = self.database.begin_read()?;
        let heads = read_heads(&transaction.open_table(MESSAGES)?)?;
        let furthest = self.quirk == Some(NodeQuirk::StartsAtFurthestOriginator);
        Origins::open(&transaction)?.beyond(known, heads, furthest)
    }

    /// The log as it stands now, for reading.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let transaction = self.database.begin_read()?;
        let origins = if self.by_originator { Some(Origins::open(&transaction)?) } else { None };
        Ok(Snapshot { messages: transaction.open_table(MESSAGES)?, index: transaction.open_table(INDEX)?, origins })
    }

    /// One page of a topic's history, bounded by `budget` and by what is asked for.
    ///
    /// # Errors
    /// The disk fails, or stored bytes are malformed.
    pub(crate) fn page(&self, topic: &Topic, paging: Paging, mut budget: Budget) -> Result<Page, StoreError> {
        let snapshot = self.snapshot()?;
        let mut messages = Vec::new();
        let mut position = paging.cursor;
        let mut ids = match paging.descending {
            false => snapshot.ids(topic, position)?,
            true => snapshot.ids_before(topic, position)?,
        };
        let more = loop {
            let Some(id) = ids.next().transpose()? else { break false };
            if budget.is_spent() {
                break true;
            }
            let message = snapshot.message(topic.kind(), id)?;
            if !budget.admit(&message) {
                break true;
            }
            position = Cursor::from(id);
            messages.push(message);
        };
        let cursor = if more { position } else { Cursor(0) };
        Ok(Page { messages, next: Paging { cursor, ..paging } })
    }
}

/// The log at one moment.
pub(crate) struct Snapshot {
    messages: ReadOnlyTable<(u8, u64), &'static [u8]>,
    index: ReadOnlyTable<(&'static [u8], u64), ()>,
    origins: Option<Origins>,
}

impl Snapshot {
    /// The topic's ids before that place, descending; 0 is the place above all ids.
    fn ids_before(&self, topic: &Topic, before: Cursor) -> Result<TopicIds<'_>, StoreError> {
        let above = if before.0 == 0 { u64::MAX } else { before.0 };
        let key = topic.bytes().as_ref();
        let below = self.index.range((key, 0)..(key, above))?;
        Ok(Box::new(below.rev().map(|found| Ok(MessageId(found?.0.value().1)))))
    }
}

impl WaveSource for Snapshot {
    fn ids(&self, topic: &Topic, after: Cursor) -> Result<TopicIds<'_>, StoreError> {
        let Some(first) = after.0.checked_add(1) else { return Ok(Box::new(std::iter::empty())) };
        let key = topic.bytes().as_ref();
        let above = self.index.range((key, first)..=(key, u64::MAX))?;
        Ok(Box::new(above.map(|found| Ok(MessageId(found?.0.value().1)))))
    }

    fn message(&self, kind: MessageKind, id: MessageId) -> Result<Message, StoreError> {
        let corrupt = |why: String| StoreError::Corrupt { kind, id, why };
        let bytes = self
            .messages
            .get((kind.prefix(), id.0))?
            .ok_or_else(|| corrupt("it is in the index and nowhere else".into()))?;
        let message = decode(kind, Bytes::copy_from_slice(bytes.value())).map_err(corrupt)?;
        let origin = self.origins.as_ref().map(|origins| origins.of(kind, id)).transpose()?;
        Ok(Message { origin, ..message })
    }
}

fn read_heads(messages: &impl ReadableTable<(u8, u64), &'static [u8]>) -> Result<Heads, StoreError> {
    let head = |kind: MessageKind| {
        let last = messages.range((kind.prefix(), 0)..=(kind.prefix(), u64::MAX))?.next_back().transpose()?;
        Ok::<_, StoreError>(MessageId(last.map_or(0, |(key, _)| key.value().1)))
    };
    Ok(Heads::new(head(MessageKind::Group)?, head(MessageKind::Welcome)?))
}

fn read_counters(transaction: &WriteTransaction) -> Result<Heads, StoreError> {
    let counters = transaction.open_table(COUNTERS)?;
    let counter = |kind: MessageKind| {
        let read = counters.get(kind.prefix())?;
        Ok::<_, StoreError>(MessageId(read.map_or(0, |counter| counter.value())))
    };
    Ok(Heads::new(counter(MessageKind::Group)?, counter(MessageKind::Welcome)?))
}

fn following(kind: MessageKind, head: MessageId) -> Result<MessageId, StoreError> {
    let exhausted = || StoreError::Corrupt { kind, id: head, why: "it has the last id of all".into() };
    head.0.checked_add(1).map(MessageId).ok_or_else(exhausted)
}

fn encode(message: &Message) -> Vec<u8> {
    match message.topic().kind() {
        MessageKind::Group => message.clone().into_group().encode_to_vec(),
        MessageKind::Welcome => message.clone().into_welcome().encode_to_vec(),
    }
}

fn decode(kind: MessageKind, bytes: Bytes) -> Result<Message, String> {
    let read = match kind {
        MessageKind::Group => proto::GroupMessage::decode(bytes).map(Message::from_group),
        MessageKind::Welcome => proto::WelcomeMessage::decode(bytes).map(Message::from_welcome),
    };
    read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::fake_disk::FakeDisk;
    use crate::subject::xmtp::node::budget::weight;
    use crate::subject::xmtp::wire::Envelope;

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
        let log = open(&FakeDisk::default());
        let drafts = vec![group("a", "1"), welcome("i"), group("b", "2"), group("a", "3")];
        let stored = log.append(drafts, 5).expect("stored");
        assert_eq!(stored.iter().map(|message| message.id.0).collect::<Vec<_>>(), [1, 1, 2, 3]);
        assert_eq!(log.heads().expect("heads"), Heads::new(MessageId(3), MessageId(1)));
    }

    #[test]
    fn a_restart_keeps_ids_and_messages() {
        let disk = FakeDisk::default();
        let before = open(&disk).append(vec![group("a", "1"), welcome("i")], 5).expect("stored");
        let log = open(&disk);
        let snapshot = log.snapshot().expect("snapshot");
        assert_eq!(snapshot.message(MessageKind::Group, MessageId(1)).expect("kept"), *before[0]);
        assert_eq!(snapshot.message(MessageKind::Welcome, MessageId(1)).expect("kept"), *before[1]);
        assert_eq!(log.append(vec![group("b", "2")], 6).expect("stored")[0].id, MessageId(2));
    }

    #[test]
    fn what_follows_a_cursor_is_of_the_same_topic_only() {
        let log = open(&FakeDisk::default());
        log.append(vec![group("a", "1"), group("aa", "2"), group("a", "3")], 5).expect("stored");
        let snapshot = log.snapshot().expect("snapshot");
        let topic = Topic::new(MessageKind::Group, b"a");
        let next = |after| {
            let mut ids = snapshot.ids(&topic, Cursor(after)).expect("readable");
            ids.next().transpose().expect("readable")
        };
        assert_eq!([next(0), next(1), next(3), next(u64::MAX)], [Some(MessageId(1)), Some(MessageId(3)), None, None]);
    }

    #[test]
    fn pages_run_both_ways_and_say_where_the_next_one_starts() {
        let log = open(&FakeDisk::default());
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
    fn malformed_stored_bytes_are_an_error() {
        let log = open(&FakeDisk::default());
        log.append(vec![group("a", "1")], 5).expect("stored");
        let transaction = log.database.begin_write().expect("begun");
        transaction.open_table(MESSAGES).expect("open").insert((0, 1), &[0xff_u8][..]).expect("written");
        transaction.commit().expect("committed");
        let error = log.snapshot().expect("snapshot").message(MessageKind::Group, MessageId(1)).expect_err("malformed");
        assert!(error.to_string().starts_with("read group message #1 of the message log: "), "{error}");
    }

    #[test]
    fn a_dead_disk_is_an_error_and_what_was_acknowledged_survives_it() {
        let disk = FakeDisk::default();
        let log = open(&disk);
        log.append(vec![group("a", "1")], 5).expect("stored");
        disk.fail_after(0);
        assert!(log.append(vec![group("a", "2")], 6).is_err());
        drop(log);
        disk.heal();
        assert_eq!(open(&disk).heads().expect("heads"), Heads::new(MessageId(1), MessageId(0)));
    }
}
