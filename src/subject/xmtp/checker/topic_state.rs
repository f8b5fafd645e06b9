//! Where one topic may stand on one stream, as far as the tap can tell.
//!
//! The tap sees a Mutate before the node applies it, and the node's frames after it sent them. In between,
//! a frame may belong to the time before the Mutate or after it. So a topic has not one standing but every
//! one that explains the frames so far; a frame that none explains is a breach. Refuses to know frames,
//! waves and order over several topics: those are `stream_model`.
//!
//! ```text
//!              add                         the Mutate's CatchupComplete
//!   gone ───────────────────▶ wave ───────────────────────────────────────▶ live
//!    ▲  ▲  └─▶ history ────┐  │  ▲                                           │
//!    │  │      its Complete│  │  └── re-add from below the floor ────────────┤
//!    │  └──────────────────┘  │                                              │
//!    └────────────────────────┴──────────────── remove ──────────────────────┘
//! ```

use crate::subject::xmtp::checker::shelf::TopicShelf;
use crate::subject::xmtp::wire::{Cursor, MessageId};

/// The place of a Mutate in the order in which the tap saw them on one stream, from 1.
pub(crate) type Serial = u64;

/// Where a topic's messages may appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nowhere: never added, or removed.
    Gone,
    /// In the wave of that Mutate, and live after it.
    Wave(Serial),
    /// In the wave of that Mutate, and nowhere after it (S11).
    History(Serial),
    /// In live frames.
    Live,
}

/// One explanation of everything that was seen of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) place: Presence,
    /// Where the registration began.
    pub(crate) cursor: Cursor,
    /// The last id delivered since.
    pub(crate) last: Option<MessageId>,
    /// TopicsLive has named it in this wave.
    told: bool,
    /// The newest Mutate on this topic that had been applied.
    applied: Serial,
}

/// What one Mutate does to one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) serial: Serial,
    pub(crate) removes: bool,
    pub(crate) adds: Option<Cursor>,
    pub(crate) history_only: bool,
    pub(crate) again: Readd,
}

/// What an add of an active topic does, by dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Readd {
    /// From below the floor it starts the topic anew; otherwise it is a no-op (S5).
    #[default]
    FromBelow,
    /// The draft does not say.
    Either,
    /// Nothing, always (section 7).
    Nothing,
}

/// Why no standing explains a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicRefusal {
    /// The topic is not registered.
    NotSubscribed,
    /// The topic is registered, but its messages belong elsewhere.
    Elsewhere(Presence),
    /// TopicsLive had already ended its replay.
    Told,
    /// The id lies at or below the cursor of the add.
    BelowCursor(Cursor),
    /// The id lies at or below one that was delivered.
    Repeated(MessageId),
    /// A stored message, which is owed too, lies below the id and was not delivered.
    Skipped(MessageId),
}

/// What was amiss when a wave was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// TopicsLive had to come before.
    Untold,
    /// That message was stored before the Mutate was sent, and the wave did not bring it.
    Undelivered(MessageId),
}

/// Every standing that one topic may have.
#[derive(Debug)]
pub(crate) struct TopicState {
    standings: Vec<Standing>,
    /// Mutates on this topic that the node may or may not have applied yet.
    changes: Vec<Change>,
}

impl Default for TopicState {
    fn default() -> Self {
        TopicState { standings: vec![Standing::GONE], changes: Vec::new() }
    }
}

impl Standing {
    const GONE: Standing = Standing { place: Presence::Gone, cursor: Cursor(0), last: None, told: false, applied: 0 };

    fn floor(self) -> Cursor {
        self.last.map_or(self.cursor, Cursor::from)
    }

    /// What is stored above the floor.
    fn above_floor(self, shelf: &TopicShelf) -> &[(MessageId, usize)] {
        shelf.after(MessageId(self.floor().0))
    }

    fn refuses(self, place: Presence, id: MessageId, shelf: &TopicShelf) -> Option<TopicRefusal> {
        if self.place == Presence::Gone {
            return Some(TopicRefusal::NotSubscribed);
        }
        if self.place != place {
            return Some(TopicRefusal::Elsewhere(self.place));
        }
        if let Some(last) = self.last.filter(|last| id <= *last) {
            return Some(TopicRefusal::Repeated(last));
        }
        if !self.cursor.is_before(id) {
            return Some(TopicRefusal::BelowCursor(self.cursor));
        }
        if self.told {
            return Some(TopicRefusal::Told);
        }
        self.owes(id, shelf).map(TopicRefusal::Skipped)
    }

    /// The first stored message below `end` that should have been delivered by now.
    fn owes(self, end: MessageId, shelf: &TopicShelf) -> Option<MessageId> {
        self.above_floor(shelf).first().map(|(id, _)| *id).filter(|id| *id < end)
    }

    /// What the end of that wave, which a Mutate of that record began, finds amiss.
    fn lacks(self, serial: Serial, asked: usize, shelf: &TopicShelf) -> Option<Unfinished> {
        let bounded = match self.place {
            Presence::Wave(wave) if wave == serial => false,
            Presence::History(wave) if wave == serial => true,
            Presence::Gone | Presence::Wave(_) | Presence::History(_) | Presence::Live => return None,
        };
        if !self.told && !bounded {
            return Some(Unfinished::Untold);
        }
        let missing = self.above_floor(shelf).iter().find(|(_, stored)| *stored < asked);
        missing.map(|(id, _)| Unfinished::Undelivered(*id))
    }

    /// What `change` makes of it (S5): removes first, then adds. The second is a re-add that may or may not
    /// be a no-op: a node's floor may lie above what it delivered, up to what it knows to be covered.
    fn changed(self, change: Change) -> (Standing, Option<Standing>) {
        let kept = Standing { applied: change.serial, ..if change.removes { Standing::GONE } else { self } };
        let Some(cursor) = change.adds else { return (kept, None) };
        let place = if change.history_only { Presence::History(change.serial) } else { Presence::Wave(change.serial) };
        let fresh = Standing { place, cursor, last: None, told: false, applied: change.serial };
        match kept.place {
            Presence::Gone => (fresh, None),
            // S11: such a Mutate is refused whole, and the stream with it; nothing changes.
            Presence::History(_) => (kept, None),
            Presence::Wave(_) | Presence::Live if change.history_only => (kept, None),
            Presence::Wave(_) | Presence::Live if change.again == Readd::Nothing => (kept, None),
            Presence::Wave(_) | Presence::Live if change.again == Readd::Either => (kept, Some(fresh)),
            Presence::Wave(_) if cursor < kept.cursor => (fresh, None),
            Presence::Live if cursor < kept.floor() => (fresh, None),
            Presence::Wave(_) | Presence::Live => (kept, Some(fresh)),
        }
    }
}

impl TopicState {
    /// The client sent a change that the node may apply from now on.
    pub(crate) fn expect(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Adds every standing that pending changes may have made of the known ones: at most as many as there
    /// are pairs of pending changes, and a node bounds the waves in flight (S8), so they are few.
    fn unfold(&mut self) {
        let mut position = 0;
        // Ends: what is appended has one more change applied, and there are finitely many.
        while !self.changes.is_empty() && position < self.standings.len() {
            let standing = self.standings[position];
            position += 1;
            let Some(change) = self.changes.iter().find(|change| change.serial > standing.applied) else { continue };
            let (one, other) = standing.changed(*change);
            for next in [Some(one), other].into_iter().flatten() {
                if !self.standings.contains(&next) {
                    self.standings.push(next);
                }
            }
        }
    }

    /// A message of `id` appeared in `place`, when the node had stored what is on the shelf.
    pub(crate) fn deliver(&mut self, place: Presence, id: MessageId, shelf: &TopicShelf) -> Result<(), TopicRefusal> {
        self.admit(id, |standing| standing.refuses(place, id, shelf))
    }

    /// The same where nothing says in which place it appeared.
    pub(crate) fn deliver_untold(&mut self, id: MessageId, shelf: &TopicShelf) -> Result<(), TopicRefusal> {
        self.admit(id, |standing| standing.refuses(standing.place, id, shelf))
    }

    /// Keeps the standings that explain a message.
    fn admit(
        &mut self,
        id: MessageId,
        refuses: impl Fn(&Standing) -> Option<TopicRefusal>,
    ) -> Result<(), TopicRefusal> {
        self.unfold();
        if let [only] = &mut self.standings[..] {
            // As it is nearly always.
            let refusal = refuses(only);
            if refusal.is_none() {
                only.last = Some(id);
            }
            return refusal.map_or(Ok(()), Err);
        }
        let refusal = self.standings.iter().map(&refuses).min_by_key(closeness);
        if let Some(Some(refusal)) = refusal {
            return Err(refusal);
        }
        self.standings.retain(|standing| refuses(standing).is_none());
        self.standings.iter_mut().for_each(|standing| standing.last = Some(id));
        self.merge();
        Ok(())
    }

    /// TopicsLive named the topic. Returns whether it may stand anywhere at all.
    pub(crate) fn tell(&mut self) -> bool {
        self.unfold();
        self.standings.retain(|standing| standing.place != Presence::Gone);
        for standing in &mut self.standings {
            standing.told = matches!(standing.place, Presence::Wave(_) | Presence::History(_));
        }
        !self.standings.is_empty()
    }

    /// The node is known to have applied the Mutate of that serial.
    pub(crate) fn confirm(&mut self, serial: Serial) {
        self.unfold();
        self.standings.retain(|standing| standing.applied >= serial);
        self.changes.retain(|change| change.serial > serial);
    }

    /// The node is known to have applied every Mutate up to that serial, whether or not it names this topic.
    pub(crate) fn confirm_through(&mut self, serial: Serial) {
        if let Some(newest) = self.changes.iter().map(|change| change.serial).filter(|of| *of <= serial).max() {
            self.confirm(newest);
        }
    }

    /// As [`TopicState::complete`], where nothing tells of topics: the first message that is missing.
    pub(crate) fn complete_untold(&mut self, serial: Serial, asked: usize, shelf: &TopicShelf) -> Option<MessageId> {
        self.confirm(serial);
        for standing in &mut self.standings {
            standing.told |= standing.place == Presence::Wave(serial);
        }
        match self.complete(serial, asked, shelf)? {
            Unfinished::Undelivered(missing) => Some(missing),
            Unfinished::Untold => None,
        }
    }

    /// The Mutate of that serial and record, which names this topic, is acknowledged: its wave, if any, is over.
    /// Returns what is amiss however the topic stood.
    pub(crate) fn complete(&mut self, serial: Serial, asked: usize, shelf: &TopicShelf) -> Option<Unfinished> {
        self.confirm(serial);
        let lacks = |standing: &Standing| standing.lacks(serial, asked, shelf);
        let amiss = if self.standings.iter().all(|standing| lacks(standing).is_some()) {
            self.standings.first().and_then(lacks)
        } else {
            None
        };
        for standing in &mut self.standings {
            match standing.place {
                Presence::Wave(wave) if wave == serial => (standing.place, standing.told) = (Presence::Live, false),
                Presence::History(wave) if wave == serial => {
                    *standing = Standing { applied: standing.applied, ..Standing::GONE };
                }
                Presence::Gone | Presence::Wave(_) | Presence::History(_) | Presence::Live => {}
            }
        }
        self.merge();
        amiss
    }

    fn merge(&mut self) {
        let mut kept: Vec<Standing> = Vec::with_capacity(self.standings.len());
        for standing in self.standings.drain(..) {
            if !kept.contains(&standing) {
                kept.push(standing);
            }
        }
        self.standings = kept;
    }
}

/// Orders explanations by how close they come: none at all is best, then the most telling refusal.
fn closeness(refusal: &Option<TopicRefusal>) -> u8 {
    match refusal {
        None => 0,
        Some(TopicRefusal::Told) => 1,
        Some(TopicRefusal::Skipped(_)) => 2,
        Some(TopicRefusal::Repeated(_)) => 3,
        Some(TopicRefusal::BelowCursor(_)) => 4,
        Some(TopicRefusal::Elsewhere(_)) => 5,
        Some(TopicRefusal::NotSubscribed) => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDED: Change =
        Change { serial: 1, removes: false, adds: Some(Cursor(2)), history_only: false, again: Readd::FromBelow };
    const WAVE: Presence = Presence::Wave(1);
    const NOTHING: TopicShelf = TopicShelf::new();

    fn live_from_two() -> TopicState {
        let mut state = TopicState::default();
        state.expect(ADDED);
        assert!(state.tell());
        assert_eq!(state.complete(1, 0, &NOTHING), None);
        state
    }

    #[test]
    fn a_topic_that_nobody_added_stands_nowhere() {
        let mut state = TopicState::default();
        assert_eq!(state.deliver(Presence::Live, MessageId(1), &NOTHING), Err(TopicRefusal::NotSubscribed));
        assert!(!state.tell());
    }

    #[test]
    fn a_refusal_is_the_one_that_came_closest() {
        let mut state = TopicState::default();
        state.expect(ADDED);
        assert_eq!(state.deliver(Presence::Live, MessageId(3), &NOTHING), Err(TopicRefusal::Elsewhere(WAVE)));
        assert_eq!(state.deliver(WAVE, MessageId(2), &NOTHING), Err(TopicRefusal::BelowCursor(Cursor(2))));
        assert_eq!(state.deliver(WAVE, MessageId(3), &NOTHING), Ok(()));
        assert_eq!(state.deliver(WAVE, MessageId(3), &NOTHING), Err(TopicRefusal::Repeated(MessageId(3))));
        assert!(state.tell());
        assert_eq!(state.deliver(WAVE, MessageId(4), &NOTHING), Err(TopicRefusal::Told));
    }

    #[test]
    fn a_frame_decides_between_two_explanations() {
        let again = Change { serial: 2, adds: Some(Cursor(2)), ..ADDED };
        let mut state = live_from_two();
        state.expect(again);
        state.confirm(2);
        assert_eq!(state.deliver(Presence::Wave(2), MessageId(3), &NOTHING), Ok(()));
        assert_eq!(
            state.deliver(Presence::Live, MessageId(4), &NOTHING),
            Err(TopicRefusal::Elsewhere(Presence::Wave(2)))
        );
        let mut state = live_from_two();
        state.expect(again);
        state.confirm(2);
        assert_eq!(state.deliver(Presence::Live, MessageId(3), &NOTHING), Ok(()));
        assert_eq!(
            state.deliver(Presence::Wave(2), MessageId(4), &NOTHING),
            Err(TopicRefusal::Elsewhere(Presence::Live))
        );
    }

    #[test]
    fn a_history_only_add_of_a_live_topic_changes_nothing() {
        let mut state = live_from_two();
        state.expect(Change { serial: 2, adds: Some(Cursor(0)), history_only: true, ..ADDED });
        state.confirm(2);
        assert_eq!(
            state.deliver(Presence::History(2), MessageId(1), &NOTHING),
            Err(TopicRefusal::Elsewhere(Presence::Live))
        );
        assert_eq!(state.deliver(Presence::Live, MessageId(3), &NOTHING), Ok(()));
    }

    #[test]
    fn many_pending_re_adds_have_few_standings() {
        let mut state = live_from_two();
        for serial in 2..12 {
            state.expect(Change { serial, adds: Some(Cursor(9)), ..ADDED });
        }
        assert_eq!(state.deliver(Presence::Live, MessageId(3), &NOTHING), Ok(()));
        state.unfold();
        assert!(state.standings.len() <= 11 * 12 / 2, "{}", state.standings.len());
    }

    /// Messages 3 to 6 are stored, in records of their numbers.
    fn shelf() -> TopicShelf {
        let mut shelf = TopicShelf::new();
        (3..=6).for_each(|id| shelf.insert(MessageId(id), id as usize));
        shelf
    }

    #[test]
    fn a_message_that_is_skipped_is_missed_at_the_next_one_in_wave_and_live() {
        let skipped = Err(TopicRefusal::Skipped(MessageId(3)));
        let mut state = TopicState::default();
        state.expect(ADDED);
        assert_eq!(state.deliver(WAVE, MessageId(4), &shelf()), skipped);
        assert_eq!(live_from_two().deliver(Presence::Live, MessageId(5), &shelf()), skipped);
        for id in 3..=6 {
            assert_eq!(state.deliver(WAVE, MessageId(id), &shelf()), Ok(()));
        }
    }

    #[test]
    fn a_wave_brings_all_that_was_stored_before_it_was_asked_for() {
        for (history_only, asked, amiss) in [
            (false, 4, None),
            (false, 5, Some(Unfinished::Undelivered(MessageId(4)))),
            (true, 4, None),
            (true, 5, Some(Unfinished::Undelivered(MessageId(4)))),
        ] {
            let mut state = TopicState::default();
            state.expect(Change { history_only, ..ADDED });
            let place = if history_only { Presence::History(1) } else { WAVE };
            assert_eq!(state.deliver(place, MessageId(3), &shelf()), Ok(()));
            assert!(state.tell());
            assert_eq!(state.complete(1, asked, &shelf()), amiss, "asked at {asked}");
        }
    }
}
