//! Who numbered what: beside its own ids, a log that counts by originator knows each message's place in the sequence of its
//! originator (protocol.md section 7).
//!
//! Refuses to know messages. What one originator has numbered arrives in its order, so that its sequence ascends with the
//! log's ids, and a vector of places becomes one place of the log.

use std::collections::{BTreeMap, BTreeSet};

use crate::append_log::Ascending;
use crate::subject::xmtp::node::by_kind::Heads;
use crate::subject::xmtp::wire::{Cursor, MessageId, MessageKind, Originator, OriginatorPlace, VectorCursor};

/// How many originators a log knows, and a cursor may name (S8): each costs a look in each add. XMTP's network plans for
/// tens of nodes.
pub(crate) const ORIGINATORS_MAX: usize = 256;

/// How often the cursors of one Mutate may name an originator: each costs a look into the log.
pub(crate) const CURSOR_ENTRIES_MAX: usize = 32_768;

/// Of each originator the log's ids of what it has numbered: the first is its number 1.
#[derive(Debug, Default)]
pub(crate) struct Origins(BTreeMap<Originator, Ascending>);

impl Origins {
    /// Gives the message of that id the next place of its originator.
    pub(crate) fn number(&mut self, id: MessageId, originator: Originator) -> OriginatorPlace {
        let ids = self.0.entry(originator).or_default();
        ids.push(id.0);
        OriginatorPlace { originator, sequence: MessageId(ids.len() as u64) }
    }

    /// The place of a message that the originator has numbered.
    pub(crate) fn of(&self, id: MessageId, originator: Originator) -> OriginatorPlace {
        let rank = self.0.get(&originator).map_or(0, |ids| ids.rank(id.0));
        OriginatorPlace { originator, sequence: MessageId(rank as u64) }
    }

    /// Whether the originator is known, or one more may be beside those that are `joining` (S8).
    pub(crate) fn has_room_for(&self, originator: Originator, joining: &BTreeSet<Originator>) -> bool {
        // The node itself has room, whenever it numbers its first.
        let is_own = |originator: &Originator| *originator == Originator::of(originator.kind(), 0);
        let is_known = |originator: &Originator| is_own(originator) || self.0.contains_key(originator);
        let others = self.0.keys().filter(|known| !is_own(known)).count();
        let others = others + joining.iter().filter(|joining| !is_known(joining)).count();
        is_known(&originator) || joining.contains(&originator) || others < ORIGINATORS_MAX - MessageKind::ALL.len()
    }

    /// The last number of each originator that has used one.
    pub(crate) fn heads(&self) -> impl Iterator<Item = (Originator, MessageId)> + '_ {
        self.0.iter().map(|(originator, ids)| (*originator, MessageId(ids.len() as u64)))
    }

    /// For each cursor the place of the log behind which is all of its kind that lies beyond it; the head where nothing
    /// does. `furthest` is the quirk that looks at the furthest originator alone.
    pub(crate) fn beyond(&self, known: &[(MessageKind, &VectorCursor)], heads: Heads, furthest: bool) -> Vec<Cursor> {
        // Of an originator that is not known at all this is the place; it is looked up once for all cursors.
        let beginnings: Vec<_> =
            self.0.keys().map(|originator| (*originator, self.behind(*originator, Cursor(0), heads))).collect();
        let place = |(kind, known): &(MessageKind, &VectorCursor)| {
            let of_kind = beginnings.iter().filter(|(originator, _)| originator.kind() == *kind);
            let places = of_kind.map(|(originator, beginning)| match known.get(originator) {
                None => *beginning,
                Some(known) => self.behind(*originator, *known, heads),
            });
            let place = if furthest { places.max() } else { places.min() };
            place.unwrap_or(Cursor::from(*heads.of(*kind)))
        };
        known.iter().map(place).collect()
    }

    /// The place of the log behind which is all that the originator has numbered beyond that.
    fn behind(&self, originator: Originator, known: Cursor, heads: Heads) -> Cursor {
        let next = usize::try_from(known.0).ok().and_then(|known| self.0.get(&originator)?.get(known));
        next.map_or(Cursor::from(*heads.of(originator.kind())), |id| Cursor(id.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: MessageKind = MessageKind::Group;

    /// These originators have numbered the messages 1, 2 and so on; none is the node itself.
    fn numbered(by: &[u32]) -> Origins {
        let mut origins = Origins::default();
        for (id, number) in (1..).zip(by) {
            origins.number(MessageId(id), Originator::of(KIND, *number));
        }
        origins
    }

    fn vector(known: &[(u32, u64)]) -> VectorCursor {
        known.iter().map(|(number, sequence)| (Originator::of(KIND, *number), Cursor(*sequence))).collect()
    }

    #[test]
    fn each_originator_has_a_sequence() {
        let origins = numbered(&[1, 2, 1, 0]);
        let places =
            [(1, 1), (2, 2), (3, 1), (4, 0)].map(|(id, by)| origins.of(MessageId(id), Originator::of(KIND, by)));
        assert_eq!(places.map(|origin| (origin.originator.0, origin.sequence.0)), [(2, 1), (4, 1), (2, 2), (0, 1)]);
        let heads: Vec<_> = origins.heads().map(|(of, id)| (of.0, id.0)).collect();
        assert_eq!(heads, [(0, 1), (2, 2), (4, 1)]);
    }

    #[test]
    fn there_is_room_for_so_many_originators_and_those_that_join_at_once_count() {
        let last = u32::try_from(ORIGINATORS_MAX - MessageKind::ALL.len()).expect("a few");
        let origins = numbered(&(0..last).collect::<Vec<_>>());
        let [known, one, another] = [1, last, last + 1].map(|number| Originator::of(KIND, number));
        let joining = |joining: &[Originator]| joining.iter().copied().collect::<BTreeSet<_>>();
        assert!(origins.has_room_for(one, &joining(&[])) && origins.has_room_for(one, &joining(&[one, known])));
        assert!(!origins.has_room_for(another, &joining(&[one])) && origins.has_room_for(known, &joining(&[one])));
        assert!(origins.has_room_for(Originator::of(MessageKind::Welcome, 0), &joining(&[one])), "the node's own");
    }

    #[test]
    fn a_vector_is_the_place_before_the_first_that_is_not_known() {
        let origins = numbered(&[1, 2, 1, 3, 2]);
        let place = |kind, known: &[(u32, u64)], furthest| {
            origins.beyond(&[(kind, &vector(known))], Heads::new(MessageId(5), MessageId(0)), furthest)[0].0
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
}
