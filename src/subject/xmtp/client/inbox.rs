//! The inbox: what the application has processed, and how far each topic is, stored together (C3).
//!
//! Refuses to know where messages come from and whether they are new: it appends what it is given.
//!
//! ```text
//!   commit(messages):  journal + cursors --one transaction--> both durable, or neither
//! ```
//! After an error it is of no more use: redb answers nothing until it is opened anew (redb 4.5,
//! `StorageError::PreviousIo`), and what an interrupted commit has kept is known only then.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use crate::env::{Disk, Env, begin_write};
use crate::subject::xmtp::client::ClientQuirk;
use crate::subject::xmtp::wire::{Cursor, Message, MessageId, Topic};

/// The store's name in the surroundings.
pub(crate) const INBOX: &str = "inbox.redb";
/// Pages in memory: the journal is only appended to, and its last leaf and the cursors are all that is read
/// again. A machine plays thousands of clients, so each must be small.
const CACHE_BYTES: usize = 1 << 20;

/// Topic, id, when the node stored it, data.
type JournalRow<'a> = (&'a [u8], u64, u64, &'a [u8]);
const JOURNAL: TableDefinition<'static, u64, JournalRow<'static>> = TableDefinition::new("journal");
const CURSORS: TableDefinition<'static, &'static [u8], u64> = TableDefinition::new("cursors");

/// Why the inbox failed.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The surroundings have no such store for us.
    #[error("open the store {INBOX}: {0}")]
    Disk(io::Error),
    /// The store holds what was never written.
    #[error("read the store {INBOX}: {0}")]
    Corrupt(String),
    /// The store cannot be read or written.
    #[error("use the store {INBOX}: {0}")]
    Store(Box<redb::Error>),
}

/// redb has an error type per operation, and each becomes the general one.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is not ours, and may grow")]
fn refine(error: impl Into<redb::Error>) -> InboxError {
    match error.into() {
        redb::Error::Corrupted(why) => InboxError::Corrupt(format!("it is corrupt: {why}")),
        error @ (redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_)) => InboxError::Corrupt(format!("it is corrupt: {error}")),
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => InboxError::Corrupt(error.to_string()),
        error => InboxError::Store(Box::new(error)),
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

/// The store of one client.
#[derive(Debug)]
pub struct Inbox {
    database: Database,
    quirk: Option<ClientQuirk>,
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
        let database = disk.database(INBOX, Database::builder().set_cache_size(CACHE_BYTES)).map_err(refine)?;
        let transaction = begin_write(&database).map_err(refine)?;
        transaction.open_table(JOURNAL).map_err(refine)?;
        transaction.open_table(CURSORS).map_err(refine)?;
        transaction.commit().map_err(refine)?;
        Ok(Inbox { database, quirk })
    }

    /// Stores the messages and their topics' cursors in one transaction. When this has returned, both are
    /// durable.
    ///
    /// # Errors
    /// The store failed: when it is opened again it holds all of this, or nothing.
    pub fn commit(&mut self, messages: &[Message]) -> Result<(), InboxError> {
        let mut transaction = begin_write(&self.database).map_err(refine)?;
        if self.quirk == Some(ClientQuirk::CommitsUnsynced) {
            transaction.set_durability(Durability::None).map_err(refine)?;
        }
        if self.quirk != Some(ClientQuirk::CursorInMemoryOnly) {
            write_cursors(&transaction, messages)?;
        }
        if self.quirk == Some(ClientQuirk::CursorFirst) {
            transaction.commit().map_err(refine)?;
            transaction = begin_write(&self.database).map_err(refine)?;
        }
        write_journal(&transaction, messages)?;
        transaction.commit().map_err(refine)
    }

    /// How far each topic is by the messages that are here; one without any is left out. Reads the journal
    /// backwards until every topic was met that has a cursor or is among `topics`.
    ///
    /// # Errors
    /// The store failed, or holds a topic that is none.
    pub fn read_held(&self, topics: impl IntoIterator<Item = Topic>) -> Result<BTreeMap<Topic, Cursor>, InboxError> {
        let mut wanted: BTreeSet<Topic> = self.read_cursors()?.into_keys().chain(topics).collect();
        let transaction = self.database.begin_read().map_err(refine)?;
        let journal = transaction.open_table(JOURNAL).map_err(refine)?;
        let mut held = BTreeMap::new();
        for entry in journal.iter().map_err(refine)?.rev() {
            if wanted.is_empty() {
                break;
            }
            let (_, row) = entry.map_err(refine)?;
            let (topic, id, ..) = row.value();
            let topic = parse(topic)?;
            if wanted.remove(&topic) {
                held.insert(topic, Cursor(id));
            }
        }
        Ok(held)
    }

    /// How far each topic is.
    ///
    /// # Errors
    /// The store failed, or holds a topic that is none.
    pub fn read_cursors(&self) -> Result<BTreeMap<Topic, Cursor>, InboxError> {
        let transaction = self.database.begin_read().map_err(refine)?;
        let cursors = transaction.open_table(CURSORS).map_err(refine)?;
        let mut read = BTreeMap::new();
        for entry in cursors.iter().map_err(refine)? {
            let (topic, cursor) = entry.map_err(refine)?;
            read.insert(parse(topic.value())?, Cursor(cursor.value()));
        }
        Ok(read)
    }

    /// What was processed, in order, from the place `seq`, at most `limit` entries.
    ///
    /// # Errors
    /// The store failed, or holds a topic that is none.
    pub fn journal_from(&self, seq: u64, limit: usize) -> Result<Vec<InboxEntry>, InboxError> {
        let transaction = self.database.begin_read().map_err(refine)?;
        let journal = transaction.open_table(JOURNAL).map_err(refine)?;
        let mut read = Vec::new();
        for entry in journal.range(seq..).map_err(refine)?.take(limit) {
            let (seq, row) = entry.map_err(refine)?;
            let (topic, id, created_ns, data) = row.value();
            read.push(InboxEntry {
                seq: seq.value(),
                topic: parse(topic)?,
                id: MessageId(id),
                created_ns,
                data: Bytes::copy_from_slice(data),
            });
        }
        Ok(read)
    }
}

fn write_cursors(transaction: &WriteTransaction, messages: &[Message]) -> Result<(), InboxError> {
    let last: BTreeMap<&Topic, MessageId> = messages.iter().map(|message| (message.topic(), message.id)).collect();
    let mut cursors = transaction.open_table(CURSORS).map_err(refine)?;
    for (topic, id) in last {
        cursors.insert(topic.key().as_ref(), id.0).map_err(refine)?;
    }
    Ok(())
}

fn write_journal(transaction: &WriteTransaction, messages: &[Message]) -> Result<(), InboxError> {
    let mut journal = transaction.open_table(JOURNAL).map_err(refine)?;
    let first = match journal.last().map_err(refine)? {
        Some((last, _)) => last.value() + 1,
        None => 0,
    };
    for (seq, message) in (first..).zip(messages) {
        let topic = message.topic().key();
        let row = (topic.as_ref(), message.id.0, message.created_ns, message.draft.data.as_ref());
        journal.insert(seq, row).map_err(refine)?;
    }
    Ok(())
}

fn parse(topic: &[u8]) -> Result<Topic, InboxError> {
    Topic::parse_key(Bytes::copy_from_slice(topic))
        .map_err(|malformed| InboxError::Corrupt(format!("it is corrupt: {malformed}")))
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
        assert_eq!(inbox.read_cursors().expect("readable"), cursors);
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
            let cursors: Vec<u64> = inbox.read_cursors().expect("readable").into_values().map(|at| at.0).collect();
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
        assert_eq!((inbox.read_cursors().expect("readable"), ids(&inbox)), (BTreeMap::new(), vec![1]));
    }

    #[test]
    fn what_is_held_is_what_the_journal_has() {
        let disk = FakeDisk::default();
        let mut inbox = open(&disk, Some(ClientQuirk::CursorInMemoryOnly));
        inbox.commit(&[message("a", 1), message("b", 2), message("a", 3)]).expect("stored");
        let held = inbox.read_held([topic("a"), topic("c")]).expect("readable");
        assert_eq!(held, BTreeMap::from([(topic("a"), Cursor(3))]), "b has no cursor and is not asked for");
    }

    #[test]
    fn commits_that_are_not_synced_are_gone_after_a_crash() {
        let disk = FakeDisk::default();
        let mut inbox = open(&disk, Some(ClientQuirk::CommitsUnsynced));
        inbox.commit(&[message("a", 1)]).expect("in memory");
        disk.fail_after(0);
        drop(inbox);
        disk.heal();
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
            let (cursors, held) = (inbox.read_cursors().expect("readable"), inbox.read_held([]).expect("readable"));
            torn += u32::from(!cursors.is_empty() && held.is_empty());
        }
        assert!(torn > 0, "the two transactions are never torn apart");
    }

    #[test]
    fn a_corrupt_store_is_an_error_that_names_it() {
        for written in [b"payload of message 1".as_slice(), b"redb"] {
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
