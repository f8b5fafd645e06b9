//! The print record: how far each topic has been printed, in two stores beside the inbox.
//!
//! Refuses to know how messages look. Compared with what the inbox holds, it tells after a crash what may be missing in
//! print, and what may come twice.
//!
//! ```text
//!   after the commit:   commit --> print --> note      a crash in between: the inbox is ahead, and print may lack it
//!   at least once:      note --> print --> commit      a crash in between: the record is ahead, and print may repeat it
//! ```
//! One store takes the notes. When it is long, the other takes what they come to, and it begins anew. Cursors only rise, so that
//! both together are right at any moment.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use bytes::Bytes;
use prost::Message as _;

use crate::append_log::AppendLog;
use crate::env::Env;
use crate::subject::xmtp::wire::{Add, Cursor, Topic};

/// The stores' names in the surroundings.
const STORES: [&str; 2] = ["printed.journal", "printed-2.journal"];

/// So many notes are a long store: 128 KiB, where few topics are noted at a time.
const NOTES_MAX: u64 = 256;

/// Why the record failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// The surroundings have no such store for us.
    #[error("open the store {0}: {1}")]
    Disk(&'static str, #[source] io::Error),
    /// The store cannot be read or written.
    #[error("use the store {0}: {1}")]
    Store(&'static str, #[source] io::Error),
}

/// How far a topic has been printed: a record of the store. Of one topic the last one counts.
#[derive(Clone, PartialEq, prost::Message)]
struct PrintedTopic {
    #[prost(bytes = "bytes", tag = "1")]
    topic: Bytes,
    #[prost(uint64, tag = "2")]
    cursor: u64,
}

/// One of the two stores.
struct PrintStore {
    name: &'static str,
    log: AppendLog,
}

/// How far each topic has been printed.
pub(crate) struct PrintRecord {
    env: Env,
    /// The one that takes notes is the first. None after one has failed: what it holds is known only when it is opened anew.
    stores: Option<[PrintStore; 2]>,
    printed: BTreeMap<Topic, Cursor>,
}

impl PrintRecord {
    /// Opens the record of these surroundings, or begins one.
    ///
    /// # Errors
    /// The store cannot be opened or read.
    pub(crate) fn open(env: Env) -> Result<Self, RecordError> {
        let mut record = PrintRecord { env, stores: None, printed: BTreeMap::new() };
        record.stores = Some(record.reopen()?);
        Ok(record)
    }

    /// Opens both stores, and takes from them what is not known; the longer one takes notes.
    fn reopen(&mut self) -> Result<[PrintStore; 2], RecordError> {
        let [one, other] = STORES;
        let (one, other) = (self.open_store(one)?, self.open_store(other)?);
        Ok(if one.log.appends() < other.log.appends() { [other, one] } else { [one, other] })
    }

    fn open_store(&mut self, name: &'static str) -> Result<PrintStore, RecordError> {
        let disk = self.env.disk(name).map_err(|error| RecordError::Disk(name, error))?;
        let log = AppendLog::open(name, disk, |_, record| {
            let (topic, cursor) = read(name, record)?;
            self.raise(topic, cursor);
            Ok(())
        });
        Ok(PrintStore { name, log: log.map_err(|error| RecordError::Store(name, error))? })
    }

    /// It has been printed so far, or farther.
    fn raise(&mut self, topic: Topic, to: Cursor) -> Cursor {
        let cursor = self.printed.entry(topic).or_default();
        *cursor = to.max(*cursor);
        *cursor
    }

    /// Notes durably that what was printed, or is printed next, goes up to these ids.
    ///
    /// # Errors
    /// A store failed. The next note opens it again.
    pub(crate) fn note<'a>(&mut self, printed: impl Iterator<Item = (&'a Topic, Cursor)>) -> Result<(), RecordError> {
        let changed: Vec<_> = printed.map(|(topic, to)| spell(topic, self.raise(topic.clone(), to))).collect();
        let known = self.stores.take();
        // What was to be noted before one failed is not there.
        let lacks_some = known.is_none();
        let [mut noted, mut spare] = known.map_or_else(|| self.reopen(), Ok)?;
        if !lacks_some && noted.log.appends() < NOTES_MAX {
            noted.append(&changed)?;
        } else {
            let all: Vec<_> = self.printed.iter().map(|(topic, to)| spell(topic, *to)).collect();
            spare.append(&all)?;
            noted.log.clear().map_err(|error| RecordError::Store(noted.name, error))?;
            std::mem::swap(&mut noted, &mut spare);
        }
        self.stores = Some([noted, spare]);
        Ok(())
    }

    /// What a crash has left open, by what the inbox holds.
    pub(crate) fn doubts(&self, held: &[Add]) -> Vec<Doubt> {
        let held: BTreeMap<&Topic, Cursor> = held.iter().map(|add| (&add.topic, add.cursor)).collect();
        let mut topics: Vec<&Topic> = self.printed.keys().chain(held.keys().copied()).collect();
        topics.sort();
        topics.dedup();
        let doubt = |topic: &Topic| {
            let printed = self.printed.get(topic).copied().unwrap_or_default();
            let held = held.get(topic).copied().unwrap_or_default();
            let of = |kind, above, up_to| Some(Doubt { kind, topic: topic.clone(), above, up_to });
            match printed.cmp(&held) {
                std::cmp::Ordering::Less => of(DoubtKind::Missing, printed, held),
                std::cmp::Ordering::Greater => of(DoubtKind::Repeated, held, printed),
                std::cmp::Ordering::Equal => None,
            }
        };
        topics.into_iter().filter_map(doubt).collect()
    }
}

/// What nobody knows of the messages of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) kind: DoubtKind,
    pub(crate) topic: Topic,
    above: Cursor,
    pub(crate) up_to: Cursor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoubtKind {
    /// They are stored; the process ended before it was known that they were printed.
    Missing,
    /// They were to be printed; the process ended before they were stored, and they come again.
    Repeated,
}

impl fmt::Display for Doubt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (topic, above, up_to) = (&self.topic, self.above.0, self.up_to.0);
        match self.kind {
            DoubtKind::Missing if topic.originator().is_some() => write!(
                formatter,
                "may not have been printed: {topic} above #{above} up to #{up_to} (another --inbox prints everything)"
            ),
            DoubtKind::Missing => write!(
                formatter,
                "may not have been printed: {topic} above #{above} up to #{up_to} (--from-cursor {above} with another \
                 --inbox prints it)"
            ),
            DoubtKind::Repeated => {
                write!(formatter, "may be printed a second time: {topic} above #{above} up to #{up_to}")
            }
        }
    }
}

impl PrintStore {
    fn append(&mut self, records: &[Vec<u8>]) -> Result<(), RecordError> {
        self.log.append(records).map(|_| ()).map_err(|error| RecordError::Store(self.name, error))
    }
}

fn spell(topic: &Topic, cursor: Cursor) -> Vec<u8> {
    PrintedTopic { topic: topic.key(), cursor: cursor.0 }.encode_to_vec()
}

fn read(store: &str, record: Bytes) -> io::Result<(Topic, Cursor)> {
    let corrupt = |why: String| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the store `{store}` is corrupt: a record is not one of its own: {why}"),
        )
    };
    let PrintedTopic { topic, cursor } = PrintedTopic::decode(record).map_err(|error| corrupt(error.to_string()))?;
    let topic = Topic::parse_key(topic).map_err(|malformed| corrupt(malformed.to_string()))?;
    Ok((topic, Cursor(cursor)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::os::Os;
    use crate::subject::xmtp::wire::MessageKind;

    fn topic(name: &str) -> Topic {
        Topic::new(MessageKind::Group, name.as_bytes())
    }

    fn held(name: &str, cursor: u64) -> Add {
        Add { topic: topic(name), cursor: Cursor(cursor) }
    }

    fn spelled(record: &PrintRecord, held: &[Add]) -> Vec<String> {
        record.doubts(held).iter().map(|doubt| doubt.to_string()).collect()
    }

    #[test]
    fn a_record_survives_its_process_and_tells_what_is_missing_and_what_repeats() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let env: Env = Arc::new(Os::default().with_folder(folder.path()));
        let mut record = PrintRecord::open(Arc::clone(&env)).expect("a new record");
        assert_eq!(spelled(&record, &[]), Vec::<String>::new());
        record.note([(&topic("a"), Cursor(5)), (&topic("b"), Cursor(6))].into_iter()).expect("stored");
        // What comes a second time does not lower it.
        record.note([(&topic("a"), Cursor(3))].into_iter()).expect("stored");
        drop(record);
        let record = PrintRecord::open(env).expect("the same record");
        assert_eq!(spelled(&record, &[held("a", 5), held("b", 6)]), Vec::<String>::new());
        let doubts = spelled(&record, &[held("a", 7), held("b", 2), held("c", 1)]);
        let missing = |name, above, up_to| {
            format!(
                "may not have been printed: group:{name} above #{above} up to #{up_to} (--from-cursor {above} with \
                 another --inbox prints it)"
            )
        };
        let repeated = "may be printed a second time: group:b above #2 up to #6".to_owned();
        assert_eq!(doubts, [missing("a", 5, 7), repeated, missing("c", 0, 1)]);
    }

    #[test]
    fn a_long_record_begins_anew_and_forgets_nothing() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let env: Env = Arc::new(Os::default().with_folder(folder.path()));
        let longest = || {
            let stores = folder.path().read_dir().expect("the folder").map(|entry| entry.expect("a store"));
            stores.map(|store| store.metadata().expect("a file").len()).max().expect("two stores")
        };
        let mut record = PrintRecord::open(Arc::clone(&env)).expect("a new record");
        record.note([(&topic("once"), Cursor(1))].into_iter()).expect("stored");
        let long = folder.path().join(STORES[0]);
        let mut before = Vec::new();
        for id in 1..=3 * NOTES_MAX {
            if id == NOTES_MAX {
                before = std::fs::read(&long).expect("the first store, as long as it gets");
            }
            record.note([(&topic("often"), Cursor(id))].into_iter()).expect("stored");
            assert!(longest() <= NOTES_MAX * 512, "after {id} notes");
        }
        drop(record);
        let both = [held("once", 1), held("often", 3 * NOTES_MAX)];
        let record = PrintRecord::open(Arc::clone(&env)).expect("the same record");
        assert_eq!(spelled(&record, &both), Vec::<String>::new());
        drop(record);
        // The process died before the long one began anew.
        std::fs::write(&long, before).expect("a scratch folder");
        let mut record = PrintRecord::open(env).expect("the same record");
        assert_eq!(spelled(&record, &both), Vec::<String>::new());
        record.note([(&topic("once"), Cursor(2))].into_iter()).expect("stored");
        assert_eq!(longest(), 2 * 512, "it has begun anew");
    }
}
