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

/// How often the cursors of one Mutate may name an originator: each costs a look into the log.
pub(crate) const CURSOR_ENTRIES_MAX: usize = 32_768;

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
        // The node itself has room, whenever it numbers its first.
        let is_own = |originator: Originator| originator == Originator::of(originator.kind(), 0);
        if is_own(originator) || last_of(&self.sequences, originator)?.is_some() {
            return Ok(true);
        }
        let others = self.heads()?.into_iter().filter(|(originator, _)| !is_own(*originator)).count();
        Ok(others < ORIGINATORS_MAX - MessageKind::ALL.len())
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

    /// For each cursor the place of the log behind which is all of its kind that lies beyond it; the head where nothing
    /// does. `furthest` is the quirk that looks at the furthest originator alone.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn beyond(
        &self,
        known: &[(MessageKind, &VectorCursor)],
        heads: Heads,
        furthest: bool,
    ) -> Result<Vec<Cursor>, StoreError> {
        // Of an originator that is not known at all this is the place; it is looked up once for all cursors.
        let mut beginnings = Vec::new();
        for (originator, _) in self.heads()? {
            beginnings.push((originator, self.behind(originator, Cursor(0), heads)?));
        }
        let mut places = Vec::with_capacity(known.len());
        for (kind, known) in known {
            let mut place = None;
            for (originator, beginning) in beginnings.iter().filter(|(originator, _)| originator.kind() == *kind) {
                let behind = match known.get(originator) {
                    None => *beginning,
                    Some(known) => self.behind(*originator, *known, heads)?,
                };
                let pick = if furthest { Cursor::max } else { Cursor::min };
                place = Some(place.map_or(behind, |place| pick(place, behind)));
            }
            places.push(place.unwrap_or(Cursor::from(*heads.of(*kind))));
        }
        Ok(places)
    }

    /// The place of the log behind which is all that the originator has numbered beyond that.
    fn behind(&self, originator: Originator, known: Cursor, heads: Heads) -> Result<Cursor, StoreError> {
        let behind = (Bound::Excluded((originator.0, known.0)), Bound::Included((originator.0, u64::MAX)));
        let first = self.sequences.range(behind)?.next().transpose()?.map(|(_, id)| id.value());
        Ok(first.map_or(Cursor::from(*heads.of(originator.kind())), |id| Cursor(id.saturating_sub(1))))
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
        let place = |kind, known: &[(u32, u64)], furthest| {
            let places = origins.beyond(&[(kind, &vector(known))], Heads::new(MessageId(5), MessageId(0)), furthest);
            places.expect("readable")[0].0
        };
        let beyond = |known: &[(u32, u64)]| place(KIND, known, false);
        assert_eq!(beyond(&[]), 0);
        assert_eq!(beyond(&[(1, 1), (2, 1)]), 2, "#3 is the second of the first");
        assert_eq!(beyond(&[(1, 2), (2, 2)]), 3, "the third is not known at all");
        assert_eq!(beyond(&[(1, 2), (2, 1), (3, 1)]), 4);
        assert_eq!(beyond(&[(1, 9), (2, 9), (3, 9)]), 5, "nothing lies beyond");
        assert_eq!(place(MessageKind::Welcome, &[], false), 0, "nobody has numbered a welcome");
        assert_eq!(place(KIND, &[(1, 2), (2, 1)], true), 5, "the quirk loses what the others have");
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
