//! The inbox: what the application has processed, and how far each topic is, stored together (C3).
//!
//! Refuses to know where messages come from and whether they are new: it appends what it is given.
//!
//! ```text
//!   commit(messages):  journal + cursors --one append--> both durable, or neither
//! ```
//! Each record is a message, which moves its topic's cursor. After an error the inbox is of no more use: what an interrupted
//! commit has kept is known only when it is opened anew.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use prost::Message as _;

use crate::append_log::{AppendLog, Ascending, RecordPlace};
use crate::env::{Disk, Env};
use crate::subject::xmtp::client::ClientQuirk;
use crate::subject::xmtp::wire::{Cursor, Message, MessageId, Topic};

/// The store's name in the surroundings.
pub(crate) const INBOX: &str = "inbox.journal";

/// Why the inbox failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// The surroundings have no such store for us.
    #[error("open the store {INBOX}: {0}")]
    Disk(io::Error),
    /// The store holds what was never written.
    #[error("read the store {INBOX}: {0}")]
    Corrupt(String),
    /// The store cannot be read or written.
    #[error("use the store {INBOX}: {0}")]
    Store(#[source] io::Error),
}

impl From<io::Error> for InboxError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            InboxError::Corrupt(error.to_string())
        } else {
            InboxError::Store(error)
        }
    }
}

/// One processed message, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxEntry {
    /// Its place in the journal, from 0, without gaps.
    pub seq: u64,
    /// Its topic, or the part of its originator.
    pub topic: Topic,
    /// Its id.
    pub id: MessageId,
    /// When the node stored it, in nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// Its payload.
    pub data: Bytes,
}

/// A record of the inbox. A correct client writes both parts at once.
#[derive(Clone, PartialEq, prost::Message)]
struct InboxRecord {
    #[prost(bytes = "bytes", tag = "1")]
    topic: Bytes,
    #[prost(uint64, tag = "2")]
    id: u64,
    #[prost(uint64, tag = "3")]
    created_ns: u64,
    #[prost(bytes = "bytes", tag = "4")]
    data: Bytes,
    /// It is no message, but says how far the topic is: the quirk `cursor-first`.
    #[prost(bool, tag = "5")]
    cursor_alone: bool,
    /// It does not say how far the topic is: the quirk `cursor-in-memory-only`, and the second half of `cursor-first`.
    #[prost(bool, tag = "6")]
    message_alone: bool,
}

/// The store of one client.
#[derive(Debug)]
pub struct Inbox {
    records: AppendLog,
    index: InboxIndex,
    quirk: Option<ClientQuirk>,
}

/// What is looked up, as the records have it.
#[derive(Debug, Default)]
struct InboxIndex {
    /// Where each message lies.
    journal: Ascending,
    /// How far each topic is.
    cursors: BTreeMap<Topic, Cursor>,
    /// The last message of each topic.
    held: BTreeMap<Topic, Cursor>,
}

impl Inbox {
    /// Opens the inbox of these surroundings, or creates it.
    ///
    /// # Errors
    /// The store cannot be opened, or is corrupt.
    pub fn open(env: &Env, quirk: Option<ClientQuirk>) -> Result<Self, InboxError> {
        Inbox::on(env.disk(INBOX).map_err(InboxError::Disk)?, quirk)
    }

    /// Opens the inbox on that disk, or creates it.
    ///
    /// # Errors
    /// The store cannot be opened, or is corrupt.
    pub fn on(disk: Disk, quirk: Option<ClientQuirk>) -> Result<Self, InboxError> {
        let mut index = InboxIndex::default();
        let records = AppendLog::open(INBOX, disk, |place, record| index.add(place, &InboxRecord::read(record)?))?;
        Ok(Inbox { records, index, quirk })
    }

    /// Stores the messages and their topics' cursors in one append. When this has returned, both are durable.
    ///
    /// # Errors
    /// The store failed: when it is opened again it holds all of this, or nothing.
    pub fn commit(&mut self, messages: &[Message]) -> Result<(), InboxError> {
        let record = |cursor_alone: bool, message_alone: bool| {
            messages.iter().map(move |message| InboxRecord::of(message, cursor_alone, message_alone))
        };
        if self.quirk == Some(ClientQuirk::CursorFirst) {
            self.append(record(true, false).collect())?;
            return self.append(record(false, true).collect());
        }
        self.append(record(false, self.quirk == Some(ClientQuirk::CursorInMemoryOnly)).collect())
    }

    fn append(&mut self, records: Vec<InboxRecord>) -> Result<(), InboxError> {
        let encoded: Vec<_> = records.iter().map(InboxRecord::encode_to_vec).collect();
        let places = match self.quirk {
            Some(ClientQuirk::CommitsUnsynced) => self.records.append_unsynced(&encoded)?,
            _ => self.records.append(&encoded)?,
        };
        places.into_iter().zip(&records).try_for_each(|(place, record)| self.index.add(place, record))
    }

    /// How far each topic is by the messages that are here; one without any is left out.
    pub fn held(&self) -> &BTreeMap<Topic, Cursor> {
        &self.index.held
    }

    /// How far each topic is.
    pub fn cursors(&self) -> &BTreeMap<Topic, Cursor> {
        &self.index.cursors
    }

    /// What was processed, in order, from the place `seq`, at most `limit` entries.
    ///
    /// # Errors
    /// The store failed, or holds a topic that is none.
    pub fn journal_from(&self, seq: u64, limit: usize) -> Result<Vec<InboxEntry>, InboxError> {
        let first = usize::try_from(seq).unwrap_or(usize::MAX);
        let places = (first..self.index.journal.len()).map_while(|index| self.index.journal.get(index)).take(limit);
        places
            .zip(seq..)
            .map(|(place, seq)| {
                let record = InboxRecord::read(self.records.read(RecordPlace(place))?.into())?;
                let InboxRecord { topic, id, created_ns, data, .. } = record;
                Ok(InboxEntry { seq, topic: parse(topic)?, id: MessageId(id), created_ns, data })
            })
            .collect()
    }
}

impl InboxIndex {
    fn add(&mut self, place: RecordPlace, record: &InboxRecord) -> Result<(), InboxError> {
        let cursor = Cursor(record.id);
        let topic = parse(record.topic.clone())?;
        if !record.message_alone {
            note(&mut self.cursors, &topic, cursor)?;
        }
        if !record.cursor_alone {
            self.journal.push(place.0);
            note(&mut self.held, &topic, cursor)?;
        }
        Ok(())
    }
}

impl InboxRecord {
    fn of(message: &Message, cursor_alone: bool, message_alone: bool) -> Self {
        let data = if cursor_alone { Bytes::new() } else { message.draft.data.clone() };
        let (topic, id, created_ns) = (message.topic().key(), message.id.0, message.created_ns);
        InboxRecord { topic, id, created_ns, data, cursor_alone, message_alone }
    }

    fn read(record: Bytes) -> Result<Self, InboxError> {
        InboxRecord::decode(record).map_err(|error| InboxError::Corrupt(format!("it is corrupt: {error}")))
    }
}

/// Notes how far a topic is. A new one gets bytes of its own: a record's are a part of all that was read with it.
fn note(known: &mut BTreeMap<Topic, Cursor>, topic: &Topic, cursor: Cursor) -> Result<(), InboxError> {
    match known.get_mut(topic) {
        Some(known) => *known = cursor,
        None => {
            known.insert(parse(Bytes::copy_from_slice(&topic.key()))?, cursor);
        }
    }
    Ok(())
}

fn parse(topic: Bytes) -> Result<Topic, InboxError> {
    Topic::parse_key(topic).map_err(|malformed| InboxError::Corrupt(format!("it is corrupt: {malformed}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::fake_disk::FakeDisk;
    use crate::subject::xmtp::client::tests::{message, topic};

    fn open(disk: &FakeDisk, quirk: Option<ClientQuirk>) -> Inbox {
        Inbox::on(disk.open(), quirk).expect("the inbox opens")
    }

    fn ids(inbox: &Inbox) -> Vec<u64> {
        inbox.journal_from(0, usize::MAX).expect("readable").iter().map(|entry| entry.id.0).collect()
    }

    #[test]
    fn a_restart_finds_messages_and_cursors() {
        let disk = FakeDisk::default();
        let mut inbox = open(&disk, None);
        inbox.commit(&[message("a", 1), message("b", 2), message("a", 4)]).expect("stored");
        drop(inbox);
        let mut inbox = open(&disk, None);
        let cursors = BTreeMap::from([(topic("a"), Cursor(4)), (topic("b"), Cursor(2))]);
        assert_eq!(inbox.cursors(), &cursors);
        inbox.commit(&[message("a", 5)]).expect("stored");
        assert_eq!(ids(&inbox), [1, 2, 4, 5]);
        let entry = inbox.journal_from(3, 1).expect("readable").remove(0);
        let stored = message("a", 5);
        let whole = InboxEntry {
            seq: 3,
            topic: topic("a"),
            id: stored.id,
            created_ns: stored.created_ns,
            data: stored.draft.data,
        };
        assert_eq!(entry, whole);
    }

    #[test]
    fn messages_and_cursors_are_stored_together_wherever_the_disk_dies() {
        for budget in 0..40 {
            let disk = FakeDisk::default();
            let mut inbox = open(&disk, None);
            inbox.commit(&[message("a", 1)]).expect("stored");
            disk.fail_after(budget);
            let outcome = inbox.commit(&[message("a", 2), message("b", 3)]);
            drop(inbox);
            disk.heal();
            let inbox = open(&disk, None);
            let cursors: Vec<u64> = inbox.cursors().values().map(|at| at.0).collect();
            match ids(&inbox).as_slice() {
                [1] => assert!(outcome.is_err() && cursors == [1], "{cursors:?} after {budget} writes"),
                [1, 2, 3] => assert_eq!(cursors, [2, 3], "after {budget} writes"),
                other => panic!("{other:?} after {budget} writes"),
            }
        }
    }

    #[test]
    fn cursors_that_live_in_memory_only_are_gone_after_a_restart() {
        let disk = FakeDisk::default();
        let mut inbox = open(&disk, Some(ClientQuirk::CursorInMemoryOnly));
        inbox.commit(&[message("a", 1)]).expect("stored");
        drop(inbox);
        let inbox = open(&disk, Some(ClientQuirk::CursorInMemoryOnly));
        assert_eq!((inbox.cursors(), ids(&inbox)), (&BTreeMap::new(), vec![1]));
    }

    #[test]
    fn what_is_held_is_what_the_journal_has() {
        let disk = FakeDisk::default();
        let mut inbox = open(&disk, Some(ClientQuirk::CursorInMemoryOnly));
        inbox.commit(&[message("a", 1), message("b", 2), message("a", 3)]).expect("stored");
        assert_eq!(inbox.held(), &BTreeMap::from([(topic("a"), Cursor(3)), (topic("b"), Cursor(2))]));
    }

    #[test]
    fn commits_that_are_not_synced_are_gone_with_the_power() {
        let disk = FakeDisk::default();
        let mut inbox = open(&disk, Some(ClientQuirk::CommitsUnsynced));
        inbox.commit(&[message("a", 1)]).expect("in memory");
        drop(inbox);
        disk.power_off();
        assert_eq!(ids(&open(&disk, None)), Vec::<u64>::new());
    }

    #[test]
    fn a_cursor_that_is_stored_first_is_there_without_its_message_somewhere() {
        let mut torn = 0;
        for budget in 0..40 {
            let disk = FakeDisk::default();
            let mut inbox = open(&disk, Some(ClientQuirk::CursorFirst));
            disk.fail_after(budget);
            inbox.commit(&[message("a", 1)]).ok();
            drop(inbox);
            disk.heal();
            let inbox = open(&disk, None);
            torn += u32::from(!inbox.cursors().is_empty() && inbox.held().is_empty());
        }
        assert!(torn > 0, "the two transactions are never torn apart");
    }

    #[test]
    fn a_corrupt_store_is_an_error_that_names_it() {
        for written in [b"payload of message 1".as_slice(), b"PLS1"] {
            let disk = FakeDisk::default();
            let mut inbox = open(&disk, None);
            inbox.commit(&[message("a", 1)]).expect("stored");
            drop(inbox);
            assert!(disk.scribble(written) > 0);
            let error = Inbox::on(disk.open(), None).expect_err("corrupt");
            assert!(matches!(error, InboxError::Corrupt(_)), "{error:?}");
            assert!(error.to_string().contains(INBOX), "{error}");
        }
    }
}
