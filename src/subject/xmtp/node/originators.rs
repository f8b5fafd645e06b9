//! Who numbered what: beside its own ids, a log that counts by originator keeps each message's place in the sequence of its
//! originator (protocol.md section 7).
//!
//! Refuses to know messages. What one originator has numbered arrives in its order, so that its sequence ascends with the
//! log's ids, and a vector of places becomes one place of the log.
//!
//! Two tables: `origins` holds (originator, sequence) by (kind, id); `sequences` holds the id by (originator, sequence).

use std::ops::Bound;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::subject::xmtp::node::StoreError;
use crate::subject::xmtp::node::by_kind::Heads;
use crate::subject::xmtp::wire::{Cursor, MessageId, MessageKind, Originator, OriginatorPlace, VectorCursor};

/// How many originators a log knows, and a cursor may name (S8): each costs a look in each add. XMTP's network plans for
/// tens of nodes.
pub(crate) const ORIGINATORS_MAX: usize = 256;

const ORIGINS: TableDefinition<(u8, u64), (u32, u64)> = TableDefinition::new("origins");
const SEQUENCES: TableDefinition<(u32, u64), u64> = TableDefinition::new("sequences");

/// The tables within a transaction that writes.
pub(crate) struct Numbering<'t> {
    origins: Table<'t, (u8, u64), (u32, u64)>,
    sequences: Table<'t, (u32, u64), u64>,
}

impl<'t> Numbering<'t> {
    /// Opens both, or begins them.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Numbering { origins: transaction.open_table(ORIGINS)?, sequences: transaction.open_table(SEQUENCES)? })
    }

    /// Gives the message of that id the next place of its originator; who names none gets the node itself.
    ///
    /// # Errors
    /// The disk fails, or the sequence has no number left.
    pub(crate) fn number(
        &mut self,
        kind: MessageKind,
        id: MessageId,
        target: Option<Originator>,
    ) -> Result<OriginatorPlace, StoreError> {
        let originator = target.unwrap_or(Originator::of(kind, 0));
        let exhausted = || StoreError::Corrupt { kind, id, why: format!("{originator} has used its last number") };
        let last = last_of(&self.sequences, originator)?.unwrap_or_default();
        let sequence = MessageId(last.0.checked_add(1).ok_or_else(exhausted)?);
        self.origins.insert((kind.prefix(), id.0), (originator.0, sequence.0))?;
        self.sequences.insert((originator.0, sequence.0), id.0)?;
        Ok(OriginatorPlace { originator, sequence })
    }

    /// Numbers what was stored while nobody counted by originator, as the node's own.
    ///
    /// # Errors
    /// As [`Numbering::number`].
    pub(crate) fn number_up_to(&mut self, heads: Heads) -> Result<(), StoreError> {
        for kind in MessageKind::ALL {
            let of_kind = (kind.prefix(), 0)..=(kind.prefix(), u64::MAX);
            let last = self.origins.range(of_kind)?.next_back().transpose()?.map_or(0, |(key, _)| key.value().1);
            for id in last + 1..=heads.of(kind).0 {
                self.number(kind, MessageId(id), None)?;
            }
        }
        Ok(())
    }
}

/// The tables at one moment.
pub(crate) struct Origins {
    origins: ReadOnlyTable<(u8, u64), (u32, u64)>,
    sequences: ReadOnlyTable<(u32, u64), u64>,
}

impl Origins {
    /// As they stand in that transaction.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn open(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Origins { origins: transaction.open_table(ORIGINS)?, sequences: transaction.open_table(SEQUENCES)? })
    }

    /// The place of a message by originator.
    ///
    /// # Errors
    /// The disk fails, or the message has none.
    pub(crate) fn of(&self, kind: MessageKind, id: MessageId) -> Result<OriginatorPlace, StoreError> {
        let missing = || StoreError::Corrupt { kind, id, why: "no originator has numbered it".into() };
        let (originator, sequence) = self.origins.get((kind.prefix(), id.0))?.ok_or_else(missing)?.value();
        Ok(OriginatorPlace { originator: Originator(originator), sequence: MessageId(sequence) })
    }

    /// Whether the originator is known, or one more may be (S8).
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn has_room_for(&self, originator: Originator) -> Result<bool, StoreError> {
        Ok(last_of(&self.sequences, originator)?.is_some() || self.heads()?.len() < ORIGINATORS_MAX)
    }

    /// The last number of each originator that has used one.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn heads(&self) -> Result<Vec<(Originator, MessageId)>, StoreError> {
        let mut heads = Vec::new();
        let mut below = Bound::Unbounded;
        // From the last to the first, with one look at each.
        while let Some(entry) = self.sequences.range((Bound::Unbounded, below))?.next_back().transpose()? {
            let (originator, sequence) = entry.0.value();
            heads.push((Originator(originator), MessageId(sequence)));
            below = Bound::Excluded((originator, 0));
        }
        heads.reverse();
        Ok(heads)
    }

    /// The place of the log behind which is all of that kind that lies beyond the vector; `head` where nothing does.
    /// `furthest` is the quirk that looks at the furthest originator alone.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn beyond(
        &self,
        kind: MessageKind,
        known: &VectorCursor,
        head: MessageId,
        furthest: bool,
    ) -> Result<Cursor, StoreError> {
        let mut firsts = Vec::new();
        for (originator, _) in self.heads()?.into_iter().filter(|(originator, _)| originator.kind() == kind) {
            let known = known.get(&originator).copied().unwrap_or_default();
            let behind = (Bound::Excluded((originator.0, known.0)), Bound::Included((originator.0, u64::MAX)));
            let first = self.sequences.range(behind)?.next().transpose()?.map(|(_, id)| id.value());
            firsts.push(first.map_or(Cursor::from(head), |id| Cursor(id.saturating_sub(1))));
        }
        let place = if furthest { firsts.into_iter().max() } else { firsts.into_iter().min() };
        Ok(place.unwrap_or(Cursor::from(head)))
    }
}

fn last_of(
    sequences: &impl ReadableTable<(u32, u64), u64>,
    originator: Originator,
) -> Result<Option<MessageId>, StoreError> {
    let of_originator = (originator.0, 0)..=(originator.0, u64::MAX);
    let last = sequences.range(of_originator)?.next_back().transpose()?;
    Ok(last.map(|(key, _)| MessageId(key.value().1)))
}

#[cfg(test)]
mod tests {
    use redb::{Database, ReadableDatabase};

    use super::*;
    use crate::env::fake_disk::FakeDisk;
    use crate::subject::xmtp::node::STORE;

    const KIND: MessageKind = MessageKind::Group;

    /// A store in which these originators have numbered the messages 1, 2 and so on.
    fn numbered(by: &[Option<u32>]) -> Database {
        let disk = FakeDisk::default();
        let database = disk.open().database(STORE, &mut Database::builder()).expect("a good disk");
        let transaction = database.begin_write().expect("begun");
        let mut numbering = Numbering::open(&transaction).expect("open");
        for (id, number) in (1..).zip(by) {
            let target = number.map(|number| Originator::of(KIND, number));
            numbering.number(KIND, MessageId(id), target).expect("numbered");
        }
        drop(numbering);
        transaction.commit().expect("committed");
        database
    }

    fn origins(database: &Database) -> Origins {
        Origins::open(&database.begin_read().expect("begun")).expect("open")
    }

    fn vector(known: &[(u32, u64)]) -> VectorCursor {
        known.iter().map(|(number, sequence)| (Originator::of(KIND, *number), Cursor(*sequence))).collect()
    }

    #[test]
    fn each_originator_has_a_sequence_and_who_names_none_is_the_nodes_own() {
        let database = numbered(&[Some(1), Some(2), Some(1), None]);
        let origins = origins(&database);
        let places = (1..=4).map(|id| origins.of(KIND, MessageId(id)).expect("numbered"));
        let places: Vec<_> = places.map(|origin| (origin.originator.0, origin.sequence.0)).collect();
        assert_eq!(places, [(2, 1), (4, 1), (2, 2), (0, 1)]);
        let heads: Vec<_> = origins.heads().expect("readable").into_iter().map(|(of, id)| (of.0, id.0)).collect();
        assert_eq!(heads, [(0, 1), (2, 2), (4, 1)]);
        assert!(origins.of(KIND, MessageId(5)).is_err());
    }

    #[test]
    fn a_vector_is_the_place_before_the_first_that_is_not_known() {
        let database = numbered(&[Some(1), Some(2), Some(1), Some(3), Some(2)]);
        let origins = origins(&database);
        let beyond =
            |known: &[(u32, u64)]| origins.beyond(KIND, &vector(known), MessageId(5), false).expect("readable").0;
        assert_eq!(beyond(&[]), 0);
        assert_eq!(beyond(&[(1, 1), (2, 1)]), 2, "#3 is the second of the first");
        assert_eq!(beyond(&[(1, 2), (2, 2)]), 3, "the third is not known at all");
        assert_eq!(beyond(&[(1, 2), (2, 1), (3, 1)]), 4);
        assert_eq!(beyond(&[(1, 9), (2, 9), (3, 9)]), 5, "nothing lies beyond");
        let welcomes = origins.beyond(MessageKind::Welcome, &vector(&[]), MessageId(0), false).expect("readable");
        assert_eq!(welcomes, Cursor(0), "nobody has numbered a welcome");
        let furthest = origins.beyond(KIND, &vector(&[(1, 2), (2, 1)]), MessageId(5), true).expect("readable");
        assert_eq!(furthest, Cursor(5), "the quirk loses what the others have");
    }

    #[test]
    fn what_was_stored_before_is_the_nodes_own() {
        let database = numbered(&[Some(1)]);
        let transaction = database.begin_write().expect("begun");
        let mut numbering = Numbering::open(&transaction).expect("open");
        numbering.number_up_to(Heads::new(MessageId(3), MessageId(1))).expect("numbered");
        drop(numbering);
        transaction.commit().expect("committed");
        let origins = origins(&database);
        let place = |kind, id| origins.of(kind, MessageId(id)).map(|origin| (origin.originator.0, origin.sequence.0));
        assert_eq!(place(KIND, 1).expect("numbered"), (2, 1));
        assert_eq!(place(KIND, 3).expect("numbered"), (0, 2));
        assert_eq!(place(MessageKind::Welcome, 1).expect("numbered"), (1, 1));
    }
}
