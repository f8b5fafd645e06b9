//! Judges durability: what was stored or committed is there whenever a store is opened again, and not more.
//!
//! Refuses to know what a store is made of. What a node says it has stored, it must find in its log; what a client
//! says it has committed, it must find in its inbox, and go on exactly from there on each stream. A process may die, or its
//! store fail, after a message is durable and before it is said: so more may be found than was said whenever a store is
//! opened again, and never before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::cast::HostName;
use crate::channel::{Channel, Cursor, MessageId, Position};
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::fault::{Clause, Direction, Fault};
use crate::grammar::Readable;
use crate::history::{Event, History, Record, TapStream, Terms};

/// A process opens its store when it begins; a disk that makes it wait takes seconds.
const OPENING_MAX: Duration = Duration::from_secs(60);

/// The judge of durability, and what of a subject each breach is against.
pub struct Durability {
    /// Everything that it judges.
    pub cites: &'static [Requirement],
    /// A log keeps what it said it has stored.
    pub log: Requirement,
    /// A reader's store keeps what it said it has processed, and a reader asks for what follows.
    pub inbox: Requirement,
}

impl Checker for Durability {
    fn name(&self) -> &'static str {
        "durability"
    }

    fn promises(&self) -> &'static str {
        "What a node stored and what a client committed survives every death of its process, each stream goes on from \
            there, no id is given twice, and a store that rots says so."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut book = DurabilityBook::new(self, terms);
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        book.close(terms)
    }
}

/// From where each follower begins, where nothing is stored.
fn configured(terms: &Terms) -> BTreeMap<(&str, &Channel), Cursor> {
    let adds = terms.followers.iter().flat_map(|(host, adds)| adds.iter().map(move |add| (host, add)));
    adds.map(|(host, add)| ((&**host, &add.channel), add.cursor)).collect()
}

/// An id that a host has said, or that was found.
struct Known {
    id: MessageId,
    at: Duration,
    index: usize,
}

/// What is known of one sequence of ids, ascending.
#[derive(Default)]
struct Ids(Vec<Known>);

impl Ids {
    fn last(&self) -> MessageId {
        self.0.last().map_or(MessageId(0), |known| known.id)
    }

    /// Adds an id; one that does not ascend is left out, and the record of the last is returned.
    fn add(&mut self, id: MessageId, at: Duration, index: usize) -> Result<(), usize> {
        match self.0.last() {
            Some(last) if id <= last.id => Err(last.index),
            Some(_) | None => {
                self.0.push(Known { id, at, index });
                Ok(())
            }
        }
    }

    /// The first id that is not among those up to `found`.
    fn lost(&self, found: MessageId) -> Option<&Known> {
        self.0.get(self.0.partition_point(|known| known.id <= found))
    }

    /// Forgets what was said from that time on.
    fn cut(&mut self, as_of: Duration) {
        self.0.truncate(self.0.partition_point(|known| known.at < as_of));
    }
}

/// A host that has a store.
#[derive(Default)]
struct StoreHost {
    /// How often its store was opened.
    openings: u64,
    /// The record of a process that began and has not told yet what it found in its store.
    untold: Option<(usize, Duration)>,
    /// The record of the inbox that was opened again, until the client says from where it resumes.
    reopened: Option<usize>,
    /// Records of failures of its store.
    failures: Vec<usize>,
}

struct DurabilityBook<'h> {
    laws: &'h Durability,
    configured: BTreeMap<(&'h str, &'h Channel), Cursor>,
    hosts: BTreeMap<&'h str, StoreHost>,
    stored: BTreeMap<(&'h str, &'h str), Ids>,
    committed: BTreeMap<&'h str, BTreeMap<&'h Channel, Ids>>,
    /// What was asked for on each stream of a follower.
    asked: BTreeMap<TapStream, BTreeSet<&'h Channel>>,
    /// Bit rot that has begun: the record, and whose disks.
    rot: BTreeMap<u32, (usize, &'h BTreeSet<HostName>)>,
    acknowledged: u64,
    messages_stored: u64,
    messages_committed: u64,
}

impl<'h> DurabilityBook<'h> {
    fn new(laws: &'h Durability, terms: &'h Terms) -> Self {
        DurabilityBook {
            laws,
            configured: configured(terms),
            hosts: BTreeMap::new(),
            stored: BTreeMap::new(),
            committed: BTreeMap::new(),
            asked: BTreeMap::new(),
            rot: BTreeMap::new(),
            acknowledged: 0,
            messages_stored: 0,
            messages_committed: 0,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let host: &'h str = &record.host;
        match &record.event {
            Event::ProcessBegan { .. } => self.host(host).untold = Some((index, record.at)),
            Event::ProcessKilled => self.host(host).untold = None,
            Event::Stored { channel: topic, id, .. } => self.store(index, record, topic, *id)?,
            Event::Acknowledged { .. } => self.acknowledged += 1,
            Event::Delivered { messages, .. } => {
                self.needs_opening(index, record, self.laws.inbox, "committed messages")?;
                let channels = self.committed.entry(host).or_default();
                for (topic, id, _) in messages {
                    // An id that does not ascend is delivery's to judge.
                    channels.entry(topic).or_default().add(*id, record.at, index).ok();
                    self.messages_committed += 1;
                }
            }
            Event::StoreFailed { .. } => {
                let host = self.host(host);
                host.failures.push(index);
                host.untold = None;
            }
            Event::DiskReplaced { as_of } => self.replace(host, *as_of),
            Event::LogOpened { heads } => self.open_log(index, record, heads)?,
            Event::InboxOpened { cursors } => self.open_inbox(index, record, cursors)?,
            Event::Opened { resume, .. } => self.resume(index, record, resume)?,
            Event::Tapped { stream, way: Direction::ToNode, frame, .. } => {
                self.ask(index, record, *stream, frame.asks())?;
            }
            Event::TapClosed { stream, .. } => drop(self.asked.remove(stream)),
            Event::FaultBegan(Clause { number, fault: Fault::BitRot(rot), .. }) => {
                self.rot.insert(*number, (index, &rot.place));
            }
            Event::FaultEnded { clause, felt: true } => self.end_rot(index, record, *clause)?,
            _ => {}
        }
        Ok(())
    }

    fn host(&mut self, host: &'h str) -> &mut StoreHost {
        self.hosts.entry(host).or_default()
    }

    /// A process that keeps anything must have told what it found in its store: else a loss would show nowhere.
    fn needs_opening(
        &mut self,
        index: usize,
        record: &'h Record,
        requirement: Requirement,
        did: &str,
    ) -> Result<(), Box<Evidence>> {
        let Some((began, _)) = self.host(&record.host).untold else { return Ok(()) };
        let what = format!("{} {did} and had not told what it found in its store when it opened it", record.host);
        Err(Box::new(Evidence::new(index, record, requirement, what).with([began])))
    }

    fn store(
        &mut self,
        index: usize,
        record: &'h Record,
        topic: &'h Channel,
        id: MessageId,
    ) -> Result<(), Box<Evidence>> {
        self.needs_opening(index, record, self.laws.log, "stored a message")?;
        self.messages_stored += 1;
        let ids = self.stored.entry((&record.host, topic.sequence())).or_default();
        let last = ids.last();
        ids.add(id, record.at, index).map_err(|earlier| {
            let what = format!("{} gave {id} to a message of {topic} after it had given {last}", record.host);
            Box::new(Evidence::new(index, record, self.laws.log, what).about(topic, Some(id)).with([earlier]))
        })
    }

    /// What was said before that time is there again, what was said at that time may be, the rest is gone.
    fn replace(&mut self, host: &'h str, as_of: Duration) {
        self.stored.iter_mut().filter(|((of, _), _)| *of == host).for_each(|(_, ids)| ids.cut(as_of));
        self.committed.get_mut(host).into_iter().flat_map(BTreeMap::values_mut).for_each(|ids| ids.cut(as_of));
    }

    fn open_log(
        &mut self,
        index: usize,
        record: &'h Record,
        heads: &'h [(Arc<str>, MessageId)],
    ) -> Result<(), Box<Evidence>> {
        let host: &'h str = &record.host;
        let again = self.open(host);
        // A sequence that it does not name any more has nothing left.
        let stored = self.stored.keys().filter(|(of, _)| *of == host).map(|(_, sequence)| (*sequence, MessageId(0)));
        let mut found: BTreeMap<&str, MessageId> = stored.collect();
        found.extend(heads.iter().map(|(sequence, head)| (&**sequence, *head)));
        for (sequence, head) in found {
            let ids = self.stored.entry((host, sequence)).or_default();
            let what = format!("{host} opened its log and found {sequence} messages up to {head}");
            compare(ids, head, again, (index, record, self.laws.log, what))?;
        }
        Ok(())
    }

    fn open_inbox(&mut self, index: usize, record: &'h Record, cursors: &'h [Position]) -> Result<(), Box<Evidence>> {
        let host: &'h str = &record.host;
        let again = self.open(host);
        let held = |topic: &Channel| cursor_of(cursors, topic).map_or(MessageId(0), |cursor| MessageId(cursor.0));
        let committed = self.committed.entry(host).or_default();
        for add in cursors {
            committed.entry(&add.channel).or_default();
        }
        for (topic, ids) in committed {
            let found = held(topic);
            let what = format!("{host} opened its inbox and found messages of {topic} up to {found}");
            compare(ids, found, again, (index, record, self.laws.inbox, what))
                .map_err(|evidence| Box::new(Evidence { topic: Some(topic.to_string()), ..*evidence }))?;
        }
        if again {
            self.host(host).reopened = Some(index);
        }
        Ok(())
    }

    /// The store of a host is opened; whether it is again, after a death or a failure.
    fn open(&mut self, host: &'h str) -> bool {
        let host = self.host(host);
        host.openings += 1;
        host.untold = None;
        host.openings > 1
    }

    /// How far a host is with a topic, by what it has committed or, where it begins later, by its configuration; and the
    /// record of its last commit.
    fn reached(&self, host: &'h str, topic: &'h Channel) -> (Cursor, Option<usize>) {
        let last = self.committed.get(host).and_then(|topics| topics.get(topic)).and_then(|ids| ids.0.last());
        let committed = last.map(|last| Cursor::from(last.id));
        let configured = self.configured.get(&(host, topic)).copied();
        (committed.max(configured).unwrap_or(Cursor(0)), last.map(|last| last.index))
    }

    /// The first resume after the inbox was opened again: beyond what the inbox holds it would skip what was never processed.
    fn resume(&mut self, index: usize, record: &'h Record, resume: &'h [Position]) -> Result<(), Box<Evidence>> {
        let host: &'h str = &record.host;
        let Some(opened) = self.host(host).reopened.take() else { return Ok(()) };
        for Position { channel: topic, cursor } in resume {
            let (most, _) = self.reached(host, topic);
            if *cursor > most {
                let what = format!(
                    "{host} resumes {topic} after {}, but its inbox holds nothing beyond {}: what lies between \
                        would never come",
                    MessageId(cursor.0),
                    MessageId(most.0)
                );
                let evidence =
                    Evidence::new(index, record, self.laws.inbox, what).about(topic, Some(MessageId(cursor.0)));
                return Err(Box::new(evidence.with([opened])));
            }
        }
        Ok(())
    }

    /// What a client asks for first on a stream, as the tap saw it, is what follows what it has committed: nothing of it
    /// can have come since it dialed. Later it may ask again from elsewhere.
    fn ask(
        &mut self,
        index: usize,
        record: &'h Record,
        stream: TapStream,
        adds: &'h [Position],
    ) -> Result<(), Box<Evidence>> {
        let host: &'h str = &record.host;
        for Position { channel: topic, cursor } in adds {
            let is_followed = self.configured.contains_key(&(host, topic));
            if !is_followed || !self.asked.entry(stream).or_default().insert(topic) {
                continue;
            }
            let (reached, last) = self.reached(host, topic);
            if *cursor == reached {
                continue;
            }
            let amiss = match *cursor < reached {
                true => "it asks again for what it has",
                false => "what lies between would never come",
            };
            let what = format!(
                "{host} asked on {stream} for what follows {} of {topic}, but it has committed up to {}: {amiss}",
                MessageId(cursor.0),
                MessageId(reached.0)
            );
            let evidence = Evidence::new(index, record, self.laws.inbox, what).about(topic, Some(MessageId(cursor.0)));
            return Err(Box::new(evidence.with(last)));
        }
        Ok(())
    }

    /// What rots is found when it is read, and whoever finds it says so.
    fn end_rot(&mut self, index: usize, record: &'h Record, clause: u32) -> Result<(), Box<Evidence>> {
        let Some((began, on)) = self.rot.remove(&clause) else { return Ok(()) };
        let reported = |host: &HostName| {
            self.hosts.get(&**host).is_some_and(|host| host.failures.iter().any(|failure| *failure > began))
        };
        if on.iter().any(reported) {
            return Ok(());
        }
        let hosts = on.iter().map(|host| &**host).collect::<Vec<_>>().join(", ");
        let what = format!("pages of the disk of {hosts} had rotted when they were read, and nobody reported it");
        let requirement =
            if self.stored.keys().any(|(host, _)| on.contains(*host)) { self.laws.log } else { self.laws.inbox };
        let mut evidence = Evidence::new(index, record, requirement, what).with([began]);
        evidence.host = on.first().map(ToString::to_string).unwrap_or_default();
        Err(Box::new(evidence))
    }

    fn close(self, terms: &Terms) -> Verdict {
        if self.acknowledged + self.messages_stored + self.messages_committed == 0 {
            return Verdict::unknown("nothing was acknowledged or committed");
        }
        let keeps = |host: &str| terms.cast.find(host).is_some_and(|member| member.abilities.stores);
        let silent = self.hosts.iter().find_map(|(host, kept)| Some((*host, kept.untold?.1)));
        if let Some((host, began)) = silent.filter(|(host, began)| keeps(host) && *began + OPENING_MAX < terms.end) {
            let since = Readable(began);
            return Verdict::unknown(format!("{host} has run since {since} and never told what its store holds"));
        }
        let openings: u64 = self.hosts.values().map(|host| host.openings).sum();
        let again: u64 = self.hosts.values().map(|host| host.openings.saturating_sub(1)).sum();
        Verdict::Pass {
            seen: format!(
                "messages stored: {}, commits: {}, stores opened: {openings} (again: {again}); nothing that was said \
                    was lost",
                self.messages_stored, self.messages_committed
            ),
        }
    }
}

fn cursor_of(adds: &[Position], topic: &Channel) -> Option<Cursor> {
    adds.iter().find(|add| add.channel == *topic).map(|add| add.cursor)
}

/// Compares what was said with what was found. `again`: more may be found, and is known from here on.
fn compare(
    ids: &mut Ids,
    found: MessageId,
    again: bool,
    (index, record, requirement, what): (usize, &Record, Requirement, String),
) -> Result<(), Box<Evidence>> {
    if let Some(lost) = ids.lost(found) {
        let what = format!("{what}, but it had said that {} is durable", lost.id);
        let evidence = Evidence { id: Some(lost.id), ..Evidence::new(index, record, requirement, what) };
        return Err(Box::new(evidence.with([lost.index])));
    }
    let last = ids.last();
    if found > last && !again {
        let what = format!("{what}, but it had said nothing beyond {last}, and opens it for the first time");
        return Err(Box::new(Evidence { id: Some(found), ..Evidence::new(index, record, requirement, what) }));
    }
    if found > last {
        ids.0.push(Known { id: found, at: record.at, index });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, Script, add, alpha, beta, host};
    use crate::fault::Kind;
    use crate::fault::Origin;
    use crate::fault::kinds::BitRot;
    use crate::history::Fate;
    use crate::subject::xmtp::checker::DURABILITY;
    use crate::subject::xmtp::frame::XmtpFrame;

    fn log(group: u64) -> Event {
        Event::LogOpened { heads: vec![("group".into(), MessageId(group)), ("welcome".into(), MessageId(0))] }
    }

    fn inbox(alpha_: u64, beta_: u64) -> Event {
        Event::InboxOpened { cursors: vec![add(alpha(), alpha_), add(beta(), beta_)] }
    }

    fn resumes(alpha_: u64, beta_: u64) -> Event {
        Event::Opened { attempt: 1, resume: vec![add(alpha(), alpha_), add(beta(), beta_)] }
    }

    /// Three messages are stored and two committed, and then both processes die.
    fn deaths() -> Script {
        let script = Script::new().event(NODE, log(0)).event(CLIENT, Event::InboxOpened { cursors: Vec::new() });
        let script = script.at(1.0).stored(alpha(), 1).acknowledged(alpha(), 1).stored(beta(), 2).stored(alpha(), 3);
        let script = script.at(2.0).committed(1, &[(alpha(), 1), (beta(), 2)]);
        script.at(3.0).event(NODE, Event::ProcessKilled).event(CLIENT, Event::ProcessKilled).at(4.0)
    }

    #[test]
    fn what_was_said_and_is_found_is_acquitted() {
        let script = deaths().event(NODE, log(3)).event(CLIENT, inbox(1, 2)).event(CLIENT, resumes(1, 2));
        let seen = script.stored(alpha(), 4).committed(1, &[(alpha(), 3)]).acquitted_by(&DURABILITY);
        assert!(seen.starts_with("messages stored: 4, commits: 3, stores opened: 4 (again: 2)"), "{seen}");
    }

    #[test]
    fn what_died_before_it_was_said_may_be_found_right_after_a_death() {
        let script = || deaths().event(NODE, log(5)).event(CLIENT, inbox(3, 2)).event(CLIENT, resumes(3, 2));
        script().stored(alpha(), 6).acquitted_by(&DURABILITY);
        assert_eq!(script().stored(alpha(), 5).condemned_by(&DURABILITY).requirement, "S4");
        let evidence = Script::new().event(CLIENT, inbox(4, 2)).condemned_by(&DURABILITY);
        assert!(evidence.what.ends_with("opens it for the first time"), "{}", evidence.what);
    }

    #[test]
    fn a_log_that_lost_what_was_stored_is_condemned_by_the_first_that_is_gone() {
        let evidence = deaths().event(NODE, log(1)).condemned_by(&DURABILITY);
        assert_eq!(
            (evidence.requirement.as_str(), evidence.id, evidence.host.as_str()),
            ("S4", Some(MessageId(2)), NODE)
        );
        assert_eq!(evidence.records, [5, 10]);
    }

    #[test]
    fn an_inbox_that_lost_what_was_committed_is_condemned() {
        let evidence = deaths().event(CLIENT, inbox(0, 2)).condemned_by(&DURABILITY);
        assert_eq!((evidence.requirement.as_str(), evidence.id), ("C3", Some(MessageId(1))));
        assert_eq!(evidence.topic.as_deref(), Some("group:alpha"));
        let empty = deaths().event(CLIENT, Event::InboxOpened { cursors: Vec::new() });
        assert_eq!(empty.condemned_by(&DURABILITY).requirement, "C3");
    }

    #[test]
    fn a_cursor_beyond_what_the_inbox_holds_is_condemned() {
        let evidence = deaths().event(CLIENT, inbox(1, 2)).event(CLIENT, resumes(3, 2)).condemned_by(&DURABILITY);
        assert!(evidence.what.ends_with("what lies between would never come"), "{}", evidence.what);
    }

    #[test]
    fn what_is_asked_for_first_on_a_stream_follows_what_was_committed() {
        let asks =
            |alpha_, beta_| deaths().event(CLIENT, inbox(1, 2)).mutate(1, &[(alpha(), alpha_), (beta(), beta_)], &[]);
        asks(1, 2).mutate(2, &[(alpha(), 0)], &[]).acquitted_by(&DURABILITY);
        for (alpha_, why) in [(0, "it asks again for what it has"), (2, "what lies between would never come")] {
            let evidence = asks(alpha_, 2).condemned_by(&DURABILITY);
            assert_eq!((evidence.requirement.as_str(), evidence.id), ("C3", Some(MessageId(alpha_))));
            assert!(evidence.what.ends_with(why), "{}", evidence.what);
        }
        let frame = XmtpFrame::OlderCall { adds: vec![add(beta(), 0)] };
        deaths().tap(Direction::ToNode, Fate::Swallowed, frame).condemned_by(&DURABILITY);
    }

    #[test]
    fn an_id_that_is_given_twice_is_condemned() {
        let evidence = deaths().event(NODE, log(3)).stored(beta(), 3).condemned_by(&DURABILITY);
        assert_eq!((evidence.requirement.as_str(), evidence.id), ("S4", Some(MessageId(3))));
        Script::new().stored(alpha(), 1).event("node-2", stored_elsewhere()).acquitted_by(&DURABILITY);
    }

    fn stored_elsewhere() -> Event {
        Event::Stored { channel: beta(), id: MessageId(1), key: 7 }
    }

    #[test]
    fn a_disk_that_was_replaced_is_as_it_was_then_and_gives_its_ids_again() {
        let replaced = |as_of: f64| {
            let event = Event::DiskReplaced { as_of: Duration::from_secs_f64(as_of) };
            deaths().event(NODE, event.clone()).event(CLIENT, event)
        };
        replaced(0.0).event(NODE, log(0)).event(CLIENT, inbox(0, 0)).stored(beta(), 1).acquitted_by(&DURABILITY);
        replaced(1.5).event(NODE, log(3)).event(CLIENT, inbox(0, 0)).acquitted_by(&DURABILITY);
        assert_eq!(replaced(1.5).event(NODE, log(2)).condemned_by(&DURABILITY).id, Some(MessageId(3)));
        assert_eq!(replaced(2.5).event(CLIENT, inbox(0, 0)).condemned_by(&DURABILITY).id, Some(MessageId(1)));
    }

    #[test]
    fn rot_that_was_felt_and_not_reported_is_condemned() {
        let fault = BitRot { basis_points: 10 }.on(host(NODE));
        let clause = Clause {
            number: 1,
            at: Duration::from_secs(4),
            lasts: Duration::from_secs(1),
            fault,
            origin: Origin::File,
        };
        let began = || deaths().event("world", Event::FaultBegan(clause.clone()));
        let ended = |felt| Event::FaultEnded { clause: 1, felt };
        assert_eq!(began().event("world", ended(true)).condemned_by(&DURABILITY).host, NODE);
        began().event("world", ended(false)).acquitted_by(&DURABILITY);
        let failed = Event::StoreFailed { words: "its block 3 does not match".into() };
        began().event(NODE, failed).event("world", ended(true)).acquitted_by(&DURABILITY);
    }

    #[test]
    fn a_process_that_keeps_messages_and_tells_of_no_opening_is_condemned() {
        let began = |host: &str| Script::new().event(host, Event::ProcessBegan { incarnation: 1 });
        assert_eq!(began(NODE).stored(alpha(), 1).condemned_by(&DURABILITY).requirement, "S4");
        assert_eq!(began(CLIENT).committed(1, &[(alpha(), 1)]).condemned_by(&DURABILITY).requirement, "C3");
        began(NODE).event(NODE, log(0)).stored(alpha(), 1).acquitted_by(&DURABILITY);
        // The second process tells nothing, and keeps nothing either.
        let again = deaths().event(NODE, Event::ProcessBegan { incarnation: 2 });
        assert_eq!(again.puzzles(&DURABILITY), "node has run since 4s and never told what its store holds");
    }

    #[test]
    fn where_nothing_was_said_nothing_is_known() {
        assert!(Script::new().event(NODE, log(0)).puzzles(&DURABILITY).contains("nothing was acknowledged"));
        assert_eq!(DURABILITY.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }
}
