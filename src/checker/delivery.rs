//! Judges delivery: what a follower commits ascends by id, with no gap, no repetition and no invention.
//!
//! Refuses to know the wire: it compares what the node stored and acknowledged with what followers
//! committed, over all attempts and restarts. Whether everything arrives in the end is `convergence`.

use std::collections::BTreeMap;

use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Verdict};
use crate::history::{Event, History, Record, Terms};
use crate::spec::{C3, Requirement, S2, S4, T8};
use crate::wire::{Cursor, Kind, MessageId, Topic};

/// The judge of delivery.
pub(crate) struct Delivery;

impl Checker for Delivery {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn promises(&self) -> &'static str {
        "What each follower commits ascends by id per topic, without gap, repetition or invention, and what was \
            acknowledged was stored."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[T8, S2, S4, C3]
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut book = Book::new(terms);
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        book.close()
    }
}

/// A message as the node stored it.
struct Stored {
    key: u64,
    index: usize,
}

/// What the node stored of one topic.
#[derive(Default)]
struct Shelf {
    messages: BTreeMap<MessageId, Stored>,
    /// Copies not yet acknowledged, by key: who publishes the same data twice is owed two copies.
    unclaimed: BTreeMap<u64, u64>,
}

/// A message as a follower committed it.
struct Taken {
    id: MessageId,
    index: usize,
    life: u32,
    attempt: u64,
}

/// One follower of one topic.
struct Follower {
    cursor: Cursor,
    /// Ascending by id, because the first descent ends the judgement.
    taken: Vec<Taken>,
}

/// Which process and attempt of a follower committed.
#[derive(Clone, Copy)]
struct Hand {
    life: u32,
    attempt: u64,
}

struct Book<'h> {
    shelves: BTreeMap<&'h Topic, Shelf>,
    newest: BTreeMap<Kind, (MessageId, usize)>,
    followers: BTreeMap<(&'h str, &'h Topic), Follower>,
    /// How many processes each host has begun: attempts are numbered anew in each.
    lives: BTreeMap<&'h str, u32>,
    stored: u64,
    acknowledged: u64,
    committed: u64,
}

impl<'h> Book<'h> {
    fn new(terms: &'h Terms) -> Self {
        let mut followers: BTreeMap<_, Follower> = BTreeMap::new();
        for (host, adds) in &terms.subscribers {
            for add in adds {
                let follower = followers
                    .entry((host.as_str(), &add.topic))
                    .or_insert(Follower { cursor: add.cursor, taken: Vec::new() });
                follower.cursor = follower.cursor.min(add.cursor);
            }
        }
        Book {
            shelves: BTreeMap::new(),
            newest: BTreeMap::new(),
            followers,
            lives: BTreeMap::new(),
            stored: 0,
            acknowledged: 0,
            committed: 0,
        }
    }

    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        match &record.event {
            Event::ProcessBegan { .. } => *self.lives.entry(&record.host).or_default() += 1,
            Event::Stored { topic, id, key } => self.store(index, record, topic, (*id, *key))?,
            Event::Acknowledged { topic, key } => self.acknowledge(index, record, topic, *key)?,
            Event::Committed { attempt, messages } => {
                let life = self.lives.get(&*record.host).copied().unwrap_or_default();
                for (topic, id, key) in messages {
                    self.commit(index, record, topic, (*id, *key), Hand { life, attempt: *attempt })?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn store(
        &mut self,
        index: usize,
        record: &Record,
        topic: &'h Topic,
        (id, key): (MessageId, u64),
    ) -> Result<(), Box<Evidence>> {
        let newest = self.newest.entry(topic.kind()).or_insert((MessageId(0), index));
        if id <= newest.0 {
            // One sequence per kind, for ever: who has read past an id never looks below it again.
            let what =
                format!("{} stored {id} of {topic} after it had stored {} of the same kind", record.host, newest.0);
            let evidence = Evidence::new(index, record, S4, what).about(topic, Some(id)).with([newest.1]);
            return Err(Box::new(evidence));
        }
        *newest = (id, index);
        let shelf = self.shelves.entry(topic).or_default();
        shelf.messages.insert(id, Stored { key, index });
        *shelf.unclaimed.entry(key).or_default() += 1;
        self.stored += 1;
        Ok(())
    }

    fn acknowledge(&mut self, index: usize, record: &Record, topic: &'h Topic, key: u64) -> Result<(), Box<Evidence>> {
        self.acknowledged += 1;
        let copies = self.shelves.get_mut(topic).and_then(|shelf| shelf.unclaimed.get_mut(&key));
        if let Some(copies @ 1..) = copies {
            *copies -= 1;
            return Ok(());
        }
        let what = format!(
            "{} was told that its message to {topic} (key {key:016x}) is stored, but the node never stored it",
            record.host
        );
        Err(Box::new(Evidence::new(index, record, T8, what).about(topic, None)))
    }

    fn commit(
        &mut self,
        index: usize,
        record: &'h Record,
        topic: &'h Topic,
        (id, key): (MessageId, u64),
        hand: Hand,
    ) -> Result<(), Box<Evidence>> {
        let breach = |requirement, what: String| {
            let what = format!("{} committed {id} of {topic} {what}", record.host);
            Evidence::new(index, record, requirement, what).about(topic, Some(id))
        };
        let Some(follower) = self.followers.get_mut(&(&*record.host, topic)) else {
            return Err(Box::new(breach(S2, "and does not follow that topic".to_owned())));
        };
        let shelf = self.shelves.get(topic);
        let Some((shelf, stored)) = shelf.and_then(|shelf| Some((shelf, shelf.messages.get(&id)?))) else {
            return Err(Box::new(breach(S4, "which the node never stored".to_owned())));
        };
        if stored.key != key {
            let what = format!("with other data: key {key:016x}, but the node stored {:016x}", stored.key);
            return Err(Box::new(breach(S4, what).with([stored.index])));
        }
        if !follower.cursor.is_before(id) {
            let what = format!("though it asked only for what comes {}", follower.cursor);
            return Err(Box::new(breach(S2, what).with([stored.index])));
        }
        if let Some((requirement, what, first)) = follower.repeats(id, hand) {
            return Err(Box::new(breach(requirement, what).with([first])));
        }
        if let Some((missed, at)) = follower.misses(shelf, id) {
            let what = format!("without {missed}, which the node had stored before it and the follower has not seen");
            let last = follower.taken.last().map(|taken| taken.index);
            let evidence = Evidence { id: Some(missed), ..breach(follower.blame(hand), what) };
            return Err(Box::new(evidence.with([at, stored.index]).with(last)));
        }
        follower.taken.push(Taken { id, index, life: hand.life, attempt: hand.attempt });
        self.committed += 1;
        Ok(())
    }

    fn close(self) -> Verdict {
        if self.stored == 0 {
            return Verdict::unknown("the node stored no message");
        }
        if self.committed == 0 {
            return Verdict::unknown(format!("nobody committed anything; stored messages: {}", self.stored));
        }
        Verdict::Pass {
            seen: format!(
                "commits: {}, by pairs of follower and topic: {}, ascending without gap or repetition; \
                    acknowledged: {}, all stored",
                self.committed,
                self.followers.values().filter(|follower| !follower.taken.is_empty()).count(),
                self.acknowledged
            ),
        }
    }
}

impl Follower {
    /// Whether `id` was committed before, or comes after a greater one, in words and with the earlier record.
    fn repeats(&self, id: MessageId, hand: Hand) -> Option<(Requirement, String, usize)> {
        let last = self.taken.last()?;
        if id > last.id {
            return None;
        }
        match self.taken.binary_search_by_key(&id, |taken| taken.id) {
            Ok(position) if self.taken[position].is_by(hand) => {
                Some((S4, "twice on one stream".to_owned(), self.taken[position].index))
            }
            Ok(position) => Some((C3, "again after it had reconnected".to_owned(), self.taken[position].index)),
            Err(_) => Some((S4, format!("after {}, so its ids descend", last.id), last.index)),
        }
    }

    /// The lowest id that was stored, is owed, and is jumped over by a commit of `id`.
    fn misses(&self, shelf: &Shelf, id: MessageId) -> Option<(MessageId, usize)> {
        let known = self.taken.last().map_or(MessageId(self.cursor.0), |taken| taken.id);
        let after = MessageId(known.0.saturating_add(1));
        shelf.messages.range(after..id).next().map(|(missed, stored)| (*missed, stored.index))
    }

    /// A gap within one attempt is the stream's (S4), a gap across two is the resume's (C3).
    fn blame(&self, hand: Hand) -> Requirement {
        if self.taken.last().is_none_or(|taken| taken.is_by(hand)) { S4 } else { C3 }
    }
}

impl Taken {
    fn is_by(&self, hand: Hand) -> bool {
        (self.life, self.attempt) == (hand.life, hand.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, Script, add, alpha, beta, key};

    fn three_stored() -> Script {
        Script::new().at(1.0).stored(alpha(), 1).stored(beta(), 2).stored(alpha(), 3)
    }

    #[test]
    fn everything_once_and_in_order_is_acquitted() {
        let seen = three_stored()
            .acknowledged(alpha(), 1)
            .at(2.0)
            .committed(1, &[(alpha(), 1)])
            .at(90.0)
            .committed(2, &[(alpha(), 3), (beta(), 2)])
            .acquitted_by(&Delivery);
        assert!(
            seen.starts_with("commits: 3, by pairs of follower and topic: 2,") && seen.contains("acknowledged: 1"),
            "{seen}"
        );
    }

    #[test]
    fn a_history_without_commits_or_messages_is_unknown() {
        assert!(three_stored().puzzles(&Delivery).contains("nobody committed"));
        assert!(Script::new().puzzles(&Delivery).contains("no message"));
        assert_eq!(Delivery.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }

    #[test]
    fn a_message_twice_on_one_stream_is_condemned() {
        let script = three_stored().at(2.0).committed(1, &[(alpha(), 1), (alpha(), 1)]);
        let evidence = script.condemned_by(&Delivery);
        assert_eq!((evidence.requirement.as_str(), evidence.id), ("S4", Some(MessageId(1))));
        assert_eq!(evidence.what, "client-1 committed #1 of group:alpha twice on one stream");
    }

    #[test]
    fn a_message_again_after_a_restart_is_condemned_by_the_resume_rule() {
        let began = |incarnation| Event::ProcessBegan { incarnation };
        let script = three_stored()
            .event(CLIENT, began(1))
            .committed(1, &[(alpha(), 1)])
            .at(5.0)
            .event(CLIENT, began(2))
            .committed(1, &[(alpha(), 1)]);
        let evidence = script.condemned_by(&Delivery);
        assert_eq!((evidence.requirement.as_str(), evidence.at.as_secs()), ("C3", 5));
        assert_eq!(evidence.records, [5, 7]);
    }

    #[test]
    fn a_gap_names_the_first_message_that_was_jumped_over() {
        let evidence = three_stored().at(2.0).committed(1, &[(alpha(), 3)]).condemned_by(&Delivery);
        assert_eq!((evidence.requirement.as_str(), evidence.id), ("S4", Some(MessageId(1))));
        assert_eq!(evidence.topic.as_deref(), Some("group:alpha"));
        assert_eq!(evidence.records, [1, 3, 4]);
    }

    #[test]
    fn a_gap_across_a_reconnect_is_the_resumes() {
        let script =
            three_stored().stored(alpha(), 4).committed(1, &[(alpha(), 1)]).at(9.0).committed(2, &[(alpha(), 4)]);
        let evidence = script.condemned_by(&Delivery);
        assert_eq!((evidence.requirement.as_str(), evidence.id), ("C3", Some(MessageId(3))));
    }

    #[test]
    fn an_invented_message_is_condemned() {
        let evidence = three_stored().committed(1, &[(alpha(), 2)]).condemned_by(&Delivery);
        assert!(evidence.what.ends_with("which the node never stored"), "{}", evidence.what);
    }

    #[test]
    fn other_data_under_a_known_id_is_condemned() {
        let messages = vec![(alpha(), MessageId(1), key(7))];
        let script = three_stored().event(CLIENT, Event::Committed { attempt: 1, messages });
        assert!(script.condemned_by(&Delivery).what.contains("with other data"));
    }

    #[test]
    fn a_topic_that_nobody_asked_for_is_condemned() {
        let other = Topic::new(Kind::Group, b"other");
        let script = Script::new().stored(other.clone(), 1).committed(1, &[(other, 1)]);
        assert_eq!(script.condemned_by(&Delivery).requirement, "S2");
    }

    #[test]
    fn an_id_at_the_cursor_is_condemned_and_nothing_below_it_is_owed() {
        let history = three_stored().history();
        let mut terms = terms(&history).expect("a script has terms").clone();
        terms.subscribers = vec![(CLIENT.to_owned(), vec![add(alpha(), 1)])];
        let script = || Script::on(terms.clone()).stored(alpha(), 1).stored(alpha(), 3);
        assert_eq!(script().committed(1, &[(alpha(), 1)]).condemned_by(&Delivery).requirement, "S2");
        script().committed(1, &[(alpha(), 3)]).acquitted_by(&Delivery);
    }

    #[test]
    fn an_acknowledged_message_that_was_never_stored_is_condemned() {
        let evidence = three_stored().acknowledged(alpha(), 9).condemned_by(&Delivery);
        assert_eq!((evidence.host.as_str(), evidence.topic.as_deref()), ("publisher-1", Some("group:alpha")));
        let twice = three_stored().acknowledged(alpha(), 1).acknowledged(alpha(), 1);
        assert_eq!(twice.condemned_by(&Delivery).records, [5]);
    }

    #[test]
    fn a_sequence_that_runs_backwards_is_condemned() {
        let evidence = three_stored().stored(beta(), 3).condemned_by(&Delivery);
        assert_eq!((evidence.host.as_str(), evidence.records), ("node", vec![3, 4]));
    }
}
