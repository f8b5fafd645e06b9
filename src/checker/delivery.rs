//! Judges delivery: what a follower commits ascends by id, with no gap, no repetition and no invention.
//!
//! Refuses to know the wire: it compares what the node stored and acknowledged with what followers
//! committed, over all attempts and restarts. Whether everything arrives in the end is `convergence`, and whether a
//! store kept what was said is `durability`; here a store is believed when it is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::channel::{Channel, Cursor, MessageId, Position};
use crate::checker::by_id::ById;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::history::{Event, History, Record, Terms};

/// The judge of delivery, and what of a subject each breach is against.
pub struct Delivery {
    /// Everything that it judges.
    pub cites: &'static [Requirement],
    /// A reader gets what it asked for, from where it asked.
    pub start: Requirement,
    /// Ids ascend, with no gap and no repetition.
    pub order: Requirement,
    /// A reader that connects again goes on from where it was.
    pub resume: Requirement,
    /// What was acknowledged was stored.
    pub stored: Requirement,
}

impl Checker for Delivery {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn promises(&self) -> &'static str {
        "What each follower commits ascends by id per topic, without gap, repetition or invention, and what was \
            acknowledged was stored."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut book = DeliveryBook::new(self, terms);
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        book.close()
    }
}

/// A message as the node stored it.
struct StoredMessage<'h> {
    key: u64,
    index: usize,
    at: Duration,
    node: &'h str,
}

/// What the node stored of one topic.
#[derive(Default)]
struct ChannelLog<'h> {
    messages: ById<StoredMessage<'h>>,
    /// Ids and keys of what went with a node's disk: some of it was on its way, and nobody is owed it.
    gone: BTreeSet<(MessageId, u64)>,
    /// Keys that were published and of which no node has said that it stored them.
    unsaid: BTreeSet<u64>,
    /// Copies not yet acknowledged, by key: who publishes the same data twice is owed two copies.
    unclaimed: BTreeMap<u64, u64>,
}

/// A message as a follower committed it.
struct Taken {
    id: MessageId,
    index: usize,
    at: Duration,
    hand: Hand,
}

/// One follower of one topic.
struct Follower {
    cursor: Cursor,
    /// Ascending by id, because the first descent ends the judgement.
    taken: Vec<Taken>,
}

/// Which process and attempt of a follower committed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Hand {
    life: u32,
    attempt: u64,
}

/// What is wrong with a commit.
struct BadCommit {
    requirement: Requirement,
    what: String,
    /// The message that is missing, where it is not the one committed.
    missed: Option<MessageId>,
    records: Vec<usize>,
}

impl BadCommit {
    fn new(requirement: Requirement, what: impl Into<String>, records: impl IntoIterator<Item = usize>) -> Self {
        BadCommit { requirement, what: what.into(), missed: None, records: records.into_iter().collect() }
    }
}

struct DeliveryBook<'h> {
    laws: &'h Delivery,
    shelves: BTreeMap<&'h Channel, ChannelLog<'h>>,
    newest: BTreeMap<(&'h str, &'h str), (MessageId, usize)>,
    /// A node has opened its log again, after its death or a failure: what it stored last it may not have said.
    reopened: bool,
    logs: BTreeSet<&'h str>,
    followers: BTreeMap<&'h str, BTreeMap<&'h Channel, Follower>>,
    /// How many processes each host has begun: attempts are numbered anew in each.
    lives: BTreeMap<&'h str, u32>,
    stored: u64,
    published: u64,
    acknowledged: u64,
    committed: u64,
}

impl<'h> DeliveryBook<'h> {
    fn new(laws: &'h Delivery, terms: &'h Terms) -> Self {
        let mut followers: BTreeMap<&str, BTreeMap<&Channel, Follower>> = BTreeMap::new();
        for (host, positions) in &terms.followers {
            let channels = followers.entry(host).or_default();
            for add in positions {
                let fresh = || Follower { cursor: add.cursor, taken: Vec::new() };
                let follower = channels.entry(&add.channel).or_insert_with(fresh);
                follower.cursor = follower.cursor.min(add.cursor);
            }
        }
        DeliveryBook {
            laws,
            shelves: BTreeMap::new(),
            newest: BTreeMap::new(),
            reopened: false,
            logs: BTreeSet::new(),
            followers,
            lives: BTreeMap::new(),
            stored: 0,
            published: 0,
            acknowledged: 0,
            committed: 0,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        match &record.event {
            Event::ProcessBegan { .. } => *self.lives.entry(&record.host).or_default() += 1,
            Event::Produced { channel: topic, key } => {
                self.published += 1;
                self.shelves.entry(topic).or_default().unsaid.insert(*key);
            }
            Event::Stored { channel: topic, id, key } => self.store(index, record, topic, (*id, *key))?,
            Event::LogOpened { .. } => self.reopened |= !self.logs.insert(&record.host),
            Event::InboxOpened { cursors } => self.believe_inbox(index, record, cursors),
            Event::DiskReplaced { as_of } => self.replace_disk(&record.host, *as_of),
            Event::Acknowledged { channel: topic, key } => self.acknowledge(index, record, topic, *key)?,
            Event::Delivered { attempt, messages } => self.deliver(index, record, *attempt, messages)?,
            _ => {}
        }
        Ok(())
    }

    fn store(
        &mut self,
        index: usize,
        record: &'h Record,
        topic: &'h Channel,
        (id, key): (MessageId, u64),
    ) -> Result<(), Box<Evidence>> {
        let node: &'h str = &record.host;
        let newest = self.newest.entry((node, topic.sequence())).or_insert((MessageId(0), index));
        if id <= newest.0 {
            // One sequence, for ever: who has read past an id never looks below it again.
            let what =
                format!("{} stored {id} of {topic} after it had stored {} of the same kind", record.host, newest.0);
            let evidence = Evidence::new(index, record, self.laws.order, what).about(topic, Some(id)).with([newest.1]);
            return Err(Box::new(evidence));
        }
        *newest = (id, index);
        let shelf = self.shelves.entry(topic).or_default();
        shelf.unsaid.remove(&key);
        shelf.messages.insert(id, StoredMessage { key, index, at: record.at, node });
        *shelf.unclaimed.entry(key).or_default() += 1;
        self.stored += 1;
        Ok(())
    }

    fn acknowledge(
        &mut self,
        index: usize,
        record: &Record,
        topic: &'h Channel,
        key: u64,
    ) -> Result<(), Box<Evidence>> {
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
        Err(Box::new(Evidence::new(index, record, self.laws.stored, what).about(topic, None)))
    }

    fn deliver(
        &mut self,
        index: usize,
        record: &'h Record,
        attempt: u64,
        messages: &'h [(Channel, MessageId, u64)],
    ) -> Result<(), Box<Evidence>> {
        let laws = self.laws;
        let hand = Hand { life: self.life(&record.host), attempt };
        let followed = self.followers.entry(&record.host).or_default();
        for (topic, id, key) in messages {
            let breach = |breach: BadCommit| {
                let what = format!("{} committed {id} of {topic} {}", record.host, breach.what);
                let evidence = Evidence::new(index, record, breach.requirement, what);
                Box::new(evidence.about(topic, Some(breach.missed.unwrap_or(*id))).with(breach.records))
            };
            let Some(follower) = followed.get_mut(topic) else {
                return Err(breach(BadCommit::new(laws.start, "and does not follow that topic", [])));
            };
            let shelf = self.shelves.entry(topic).or_default();
            let stored = shelf
                .find(*id, *key, self.reopened)
                .map_err(|(what, first)| breach(BadCommit::new(laws.order, what, first)))?;
            let taken = Taken { id: *id, index, at: record.at, hand };
            follower.take(laws, shelf, taken, stored).map_err(breach)?;
            self.committed += 1;
        }
        Ok(())
    }

    /// Which of its processes a host is in.
    fn life(&self, host: &str) -> u32 {
        self.lives.get(host).copied().unwrap_or_default()
    }

    /// What an inbox holds was committed, whether or not its process lived to say so.
    fn believe_inbox(&mut self, index: usize, record: &'h Record, cursors: &'h [Position]) {
        let life = self.life(&record.host);
        let Some(followed) = self.followers.get_mut(&*record.host) else { return };
        for Position { channel: topic, cursor } in cursors {
            let Some(follower) = followed.get_mut(topic) else { continue };
            let id = MessageId(cursor.0);
            if follower.known() < id {
                follower.taken.push(Taken { id, index, at: record.at, hand: Hand { life, attempt: 0 } });
            }
        }
    }

    /// A disk is as it was at that time: what a node stored later may be gone, and its ids may be given again; what
    /// a follower committed later comes again.
    fn replace_disk(&mut self, host: &'h str, as_of: Duration) {
        for follower in self.followers.get_mut(host).into_iter().flat_map(BTreeMap::values_mut) {
            follower.taken.truncate(follower.taken.partition_point(|taken| taken.at < as_of));
        }
        for ((_, sequence), newest) in self.newest.iter_mut().filter(|((of, _), _)| *of == host) {
            let mut kept = (MessageId(0), newest.1);
            for (_, shelf) in self.shelves.iter_mut().filter(|(topic, _)| topic.sequence() == *sequence) {
                let gone = shelf.messages.extract_if(|stored| stored.node == host && stored.at >= as_of);
                shelf.gone.extend(gone.map(|(id, stored)| (id, stored.key)));
                let last = shelf.messages.all().iter().rev().find(|(_, stored)| stored.node == host);
                kept = kept.max(last.map_or(kept, |(id, stored)| (*id, stored.index)));
            }
            *newest = kept;
        }
    }

    fn close(self) -> Verdict {
        if self.stored == 0 {
            return Verdict::unknown("the node stored no message");
        }
        if self.committed == 0 {
            return Verdict::unknown(format!("nobody committed anything; stored messages: {}", self.stored));
        }
        if self.published > 0 && self.acknowledged == 0 {
            let published = self.published;
            return Verdict::unknown(format!(
                "of {published} published messages none was acknowledged, so nothing was judged of what acknowledged \
                    messages are owed"
            ));
        }
        Verdict::Pass {
            seen: format!(
                "commits: {}, by pairs of follower and topic: {}, ascending without gap or repetition; \
                    acknowledged: {}, all stored",
                self.committed,
                self.followers
                    .values()
                    .flat_map(BTreeMap::values)
                    .filter(|follower| !follower.taken.is_empty())
                    .count(),
                self.acknowledged
            ),
        }
    }
}

impl ChannelLog<'_> {
    /// The record that stored a committed message, none if it was stored unsaid; or what is wrong, and whose record shows it.
    fn find(&self, id: MessageId, key: u64, reopened: bool) -> Result<Option<usize>, (String, Option<usize>)> {
        match self.messages.get(id) {
            Some(stored) if stored.key == key => Ok(Some(stored.index)),
            Some(_) | None if self.gone.contains(&(id, key)) => Ok(None),
            Some(stored) => {
                let what = format!("with other data: key {key:016x}, but the node stored {:016x}", stored.key);
                Err((what, Some(stored.index)))
            }
            // It was durable before it could be said: the node died, or its store failed, in between.
            None if reopened && self.unsaid.contains(&key) => Ok(None),
            None => Err(("which the node never stored".to_owned(), None)),
        }
    }
}

impl Follower {
    /// Takes a commit of what record `stored` stored, or says what is wrong with it.
    fn take(
        &mut self,
        laws: &Delivery,
        shelf: &ChannelLog,
        taken: Taken,
        stored: Option<usize>,
    ) -> Result<(), BadCommit> {
        let (id, hand) = (taken.id, taken.hand);
        if !self.cursor.is_before(id) {
            return Err(BadCommit::new(
                laws.start,
                format!("though it asked only for what comes {}", self.cursor),
                stored,
            ));
        }
        if let Some((requirement, what, first)) = self.repeats(laws, id, hand) {
            return Err(BadCommit::new(requirement, what, [first]));
        }
        if let Some((missed, at)) = self.misses(shelf, id) {
            let what = format!("without {missed}, which the node had stored before it and the follower has not seen");
            let last = self.taken.last().map(|taken| taken.index);
            let breach = BadCommit::new(self.blame(laws, hand), what, [at].into_iter().chain(stored).chain(last));
            return Err(BadCommit { missed: Some(missed), ..breach });
        }
        self.taken.push(taken);
        Ok(())
    }

    /// Whether `id` was committed before, or comes after a greater one, in words and with the earlier record.
    fn repeats(&self, laws: &Delivery, id: MessageId, hand: Hand) -> Option<(Requirement, String, usize)> {
        let last = self.taken.last()?;
        if id > last.id {
            return None;
        }
        match self.taken.binary_search_by_key(&id, |taken| taken.id) {
            Ok(position) if self.taken[position].is_by(hand) => {
                Some((laws.order, "twice on one stream".to_owned(), self.taken[position].index))
            }
            Ok(position) => {
                Some((laws.resume, "again after it had reconnected".to_owned(), self.taken[position].index))
            }
            Err(_) => Some((laws.order, format!("after {}, so its ids descend", last.id), last.index)),
        }
    }

    /// The lowest id that was stored, is owed, and is jumped over by a commit of `id`.
    fn misses(&self, shelf: &ChannelLog<'_>, id: MessageId) -> Option<(MessageId, usize)> {
        let next = shelf.messages.after(self.known()).first().filter(|(next, _)| *next < id);
        next.map(|(missed, stored)| (*missed, stored.index))
    }

    /// Up to here it has everything.
    fn known(&self) -> MessageId {
        self.taken.last().map_or(MessageId(self.cursor.0), |taken| taken.id)
    }

    /// A gap within one attempt is the stream's, a gap across two is the resume's.
    fn blame(&self, laws: &Delivery, hand: Hand) -> Requirement {
        if self.taken.last().is_none_or(|taken| taken.is_by(hand)) { laws.order } else { laws.resume }
    }
}

impl Taken {
    fn is_by(&self, hand: Hand) -> bool {
        self.hand == hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, Script, add, alpha, beta, key};
    use crate::subject::xmtp::checker::DELIVERY;

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
            .acquitted_by(&DELIVERY);
        assert!(
            seen.starts_with("commits: 3, by pairs of follower and topic: 2,") && seen.contains("acknowledged: 1"),
            "{seen}"
        );
    }

    #[test]
    fn a_history_without_commits_or_messages_is_unknown() {
        assert!(three_stored().puzzles(&DELIVERY).contains("nobody committed"));
        assert!(Script::new().puzzles(&DELIVERY).contains("no message"));
        assert_eq!(DELIVERY.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }

    #[test]
    fn where_nothing_that_was_published_is_acknowledged_nothing_is_known_of_acknowledgments() {
        let script = || published(three_stored(), 1).committed(1, &[(alpha(), 1)]);
        assert!(script().puzzles(&DELIVERY).contains("none was acknowledged"));
        script().acknowledged(alpha(), 1).acquitted_by(&DELIVERY);
    }

    #[test]
    fn a_message_twice_on_one_stream_is_condemned() {
        let script = three_stored().at(2.0).committed(1, &[(alpha(), 1), (alpha(), 1)]);
        let evidence = script.condemned_by(&DELIVERY);
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
        let evidence = script.condemned_by(&DELIVERY);
        assert_eq!((evidence.requirement.as_str(), evidence.at.as_secs()), ("C3", 5));
        assert_eq!(evidence.records, [5, 7]);
    }

    #[test]
    fn a_gap_names_the_first_message_that_was_jumped_over() {
        let evidence = three_stored().at(2.0).committed(1, &[(alpha(), 3)]).condemned_by(&DELIVERY);
        assert_eq!((evidence.requirement.as_str(), evidence.id), ("S4", Some(MessageId(1))));
        assert_eq!(evidence.topic.as_deref(), Some("group:alpha"));
        assert_eq!(evidence.records, [1, 3, 4]);
    }

    #[test]
    fn a_gap_across_a_reconnect_is_the_resumes() {
        let script =
            three_stored().stored(alpha(), 4).committed(1, &[(alpha(), 1)]).at(9.0).committed(2, &[(alpha(), 4)]);
        let evidence = script.condemned_by(&DELIVERY);
        assert_eq!((evidence.requirement.as_str(), evidence.id), ("C3", Some(MessageId(3))));
    }

    #[test]
    fn an_invented_message_is_condemned() {
        let evidence = three_stored().committed(1, &[(alpha(), 2)]).condemned_by(&DELIVERY);
        assert!(evidence.what.ends_with("which the node never stored"), "{}", evidence.what);
    }

    #[test]
    fn other_data_under_a_known_id_is_condemned() {
        let messages = vec![(alpha(), MessageId(1), key(7))];
        let script = three_stored().event(CLIENT, Event::Delivered { attempt: 1, messages });
        assert!(script.condemned_by(&DELIVERY).what.contains("with other data"));
    }

    #[test]
    fn a_topic_that_nobody_asked_for_is_condemned() {
        let other = Channel::new("group", "other");
        let script = Script::new().stored(other.clone(), 1).committed(1, &[(other, 1)]);
        assert_eq!(script.condemned_by(&DELIVERY).requirement, "S2");
    }

    #[test]
    fn an_id_at_the_cursor_is_condemned_and_nothing_below_it_is_owed() {
        let history = three_stored().history();
        let mut terms = terms(&history).expect("a script has terms").clone();
        terms.followers = vec![(CLIENT.into(), vec![add(alpha(), 1)])];
        let script = || Script::on(terms.clone()).stored(alpha(), 1).stored(alpha(), 3);
        assert_eq!(script().committed(1, &[(alpha(), 1)]).condemned_by(&DELIVERY).requirement, "S2");
        script().committed(1, &[(alpha(), 3)]).acquitted_by(&DELIVERY);
    }

    #[test]
    fn an_acknowledged_message_that_was_never_stored_is_condemned() {
        let evidence = three_stored().acknowledged(alpha(), 9).condemned_by(&DELIVERY);
        assert_eq!((evidence.host.as_str(), evidence.topic.as_deref()), ("publisher-1", Some("group:alpha")));
        let twice = three_stored().acknowledged(alpha(), 1).acknowledged(alpha(), 1);
        assert_eq!(twice.condemned_by(&DELIVERY).records, [5]);
    }

    #[test]
    fn a_sequence_that_runs_backwards_is_condemned() {
        let evidence = three_stored().stored(beta(), 3).condemned_by(&DELIVERY);
        assert_eq!((evidence.host.as_str(), evidence.records), ("node", vec![3, 4]));
    }

    #[test]
    fn each_node_counts_its_ids_alone() {
        let elsewhere = Event::Stored { channel: beta(), id: MessageId(1), key: key(1) };
        let script = Script::new().stored(alpha(), 1).event("node-2", elsewhere);
        script.committed(1, &[(alpha(), 1), (beta(), 1)]).acquitted_by(&DELIVERY);
    }

    fn log_opened() -> Event {
        Event::LogOpened { heads: Vec::new() }
    }

    fn published(script: Script, id: u64) -> Script {
        script.event("publisher-1", Event::Produced { channel: alpha(), key: key(id) })
    }

    #[test]
    fn a_message_that_was_durable_before_its_node_could_say_so_is_a_message() {
        let script = || published(three_stored().event(NODE, log_opened()), 4).acknowledged(alpha(), 1);
        let reopened = || script().event(NODE, Event::ProcessKilled).event(NODE, log_opened());
        let all = [(alpha(), 1), (alpha(), 3), (alpha(), 4)];
        reopened().committed(1, &all).acquitted_by(&DELIVERY);
        assert!(script().committed(1, &all).condemned_by(&DELIVERY).what.ends_with("which the node never stored"));
        let invented = [(alpha(), 1), (alpha(), 3), (alpha(), 5)];
        assert_eq!(reopened().committed(1, &invented).condemned_by(&DELIVERY).id, Some(MessageId(5)));
    }

    #[test]
    fn a_commit_that_was_durable_before_it_could_be_said_is_a_commit() {
        let script = || three_stored().stored(alpha(), 4).committed(1, &[(alpha(), 1)]);
        let opened = Event::InboxOpened { cursors: vec![add(alpha(), 3)] };
        script().event(CLIENT, opened.clone()).committed(1, &[(alpha(), 4)]).acquitted_by(&DELIVERY);
        let again = script().event(CLIENT, opened).committed(1, &[(alpha(), 3)]);
        assert_eq!(again.condemned_by(&DELIVERY).requirement, "C3");
    }

    #[test]
    fn a_follower_whose_disk_was_replaced_commits_again_from_there() {
        let script = |as_of| {
            let all = [(alpha(), 1), (alpha(), 3)];
            let script = three_stored().at(2.0).committed(1, &all).at(5.0);
            script.event(CLIENT, Event::DiskReplaced { as_of: Duration::from_secs(as_of) }).committed(2, &all)
        };
        script(1).acquitted_by(&DELIVERY);
        assert_eq!(script(3).condemned_by(&DELIVERY).requirement, "C3");
    }

    #[test]
    fn a_node_whose_disk_was_replaced_gives_its_ids_again() {
        let replaced = |as_of| {
            let script = Script::new().at(1.0).stored(alpha(), 1).at(3.0).stored(alpha(), 2).stored(alpha(), 3);
            let script = script.at(4.0).committed(1, &[(alpha(), 1)]);
            script.at(5.0).event(NODE, Event::DiskReplaced { as_of: Duration::from_secs(as_of) })
        };
        let other = || Event::Stored { channel: alpha(), id: MessageId(2), key: key(9) };
        let messages = vec![(alpha(), MessageId(2), key(9))];
        let committed = Event::Delivered { attempt: 2, messages };
        replaced(2).event(NODE, other()).event(CLIENT, committed).acquitted_by(&DELIVERY);
        replaced(2).committed(1, &[(alpha(), 2)]).acquitted_by(&DELIVERY);
        assert_eq!(replaced(4).event(NODE, other()).condemned_by(&DELIVERY).requirement, "S4");
    }
}
