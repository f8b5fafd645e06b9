//! Judges latency: where nothing is wrong, a message that is stored while its topic is live on a stream comes at once, and
//! is committed at once.
//!
//! Refuses to know waves: a topic that is in one is not live, and whatever else its stream replays meanwhile holds up no
//! other (T18). What a fault may have delayed, now or a while ago, is not judged, nor is a stream of which the proxy
//! swallowed anything.
//!
//! ```text
//!   per topic of a stream:  absent --add--> in a wave --its CatchupComplete--> live --remove--> absent
//!   per message:            stored while live --passed in time--> on its way --committed in time--> done
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::channel::{Channel, Cursor, MessageId};
use crate::checker::excuse::Excuses;
use crate::checker::judge::{NO_TERMS, terms, where_served};
use crate::checker::{Checker, Evidence, Requirement, Verdict};
use crate::fault::Direction;
use crate::grammar::Readable;
use crate::history::{Event, Fate, History, Record, TapStream, Terms};
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::spec::{C3, S2, T18};
use crate::subject::xmtp::wire::{MutateId, Tag};

/// On a healthy way a message takes its travel; the rest is for a burst of megabytes that shares a stream's window.
pub(crate) const PROMPT: Duration = Duration::from_secs(10);
/// A message may arrive in the middle of one batch, wait for it, and be in the next; one more for what arrived before.
const BATCHES: u32 = 3;
/// Where so many wait, the application is behind, and says nothing about the client.
const BEHIND: usize = 200;

/// See the module.
pub struct LatencyCheck;

impl Checker for LatencyCheck {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn promises(&self) -> &'static str {
        "Where nothing is wrong, a message is sent at once to every stream on which its topic is live, whatever else is \
            replayed there, and a client commits it at once."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[S2, C3, T18]
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut book = LatencyBook::new(terms, Excuses::read(history));
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record).and_then(|()| book.look(record.at)) {
                return Verdict::Fail(*evidence);
            }
        }
        where_served(Some(terms), book.close())
    }
}

/// A message that is to arrive somewhere.
#[derive(Clone, Copy)]
struct Due<'h> {
    topic: &'h Channel,
    id: MessageId,
    since: Duration,
    index: usize,
}

/// An open stream.
struct LiveStream<'h> {
    host: &'h str,
    /// Where each topic stands: in one of the waves of these ids, or live where there is none; and from where it was added.
    topics: BTreeMap<&'h Channel, (BTreeSet<MutateId>, Cursor)>,
    /// Stored while live and not passed yet, in the order of storing.
    due: VecDeque<Due<'h>>,
    /// Its host had another one beside it: who tells nothing of its attempts may have left either long ago.
    doubtful: bool,
    /// Changes of the draft without their marker: which of them a marker answers it does not say.
    unmarked: u64,
}

struct LatencyBook<'h> {
    terms: &'h Terms,
    excuses: Excuses<'h>,
    followers: BTreeSet<&'h str>,
    /// Followers whose attempt was welcomed.
    started: BTreeSet<&'h str>,
    streams: BTreeMap<TapStream, LiveStream<'h>>,
    /// Live messages that were passed to a follower and that it has not committed yet.
    uncommitted: BTreeMap<&'h str, VecDeque<Due<'h>>>,
    /// Nothing of both is due for longer than since then: to look at every stream at every event would cost the square of a crowd.
    due_since: Duration,
    passed: u64,
    committed: u64,
    longest: Duration,
}

impl<'h> LiveStream<'h> {
    /// These topics are removed: nothing of them is due any more.
    fn forget(&mut self, topics: impl Iterator<Item = &'h Channel>) {
        for topic in topics {
            self.topics.remove(topic);
            self.due.retain(|due| due.topic != topic);
        }
    }

    /// A topic is added: it is in that wave, or, where it was in another and is not added from below its floor, still in
    /// that one (S5). Only when both are complete is it certainly live.
    fn add(&mut self, topic: &'h Channel, wave: MutateId, from: Cursor) {
        let mut waves = self.topics.remove(topic).map(|(waves, _)| waves).unwrap_or_default();
        waves.insert(wave);
        self.topics.insert(topic, (waves, from));
        self.due.retain(|due| due.topic != topic);
    }
}

impl<'h> LatencyBook<'h> {
    fn new(terms: &'h Terms, excuses: Excuses<'h>) -> Self {
        LatencyBook {
            terms,
            excuses,
            followers: terms.followers.iter().map(|(host, _)| &**host).collect(),
            started: BTreeSet::new(),
            streams: BTreeMap::new(),
            uncommitted: BTreeMap::new(),
            due_since: Duration::MAX,
            passed: 0,
            committed: 0,
            longest: Duration::ZERO,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let host: &'h str = &record.host;
        match &record.event {
            Event::TapOpened { stream, .. } => {
                let mut doubtful = false;
                for other in self.streams.values_mut().filter(|other| other.host == host) {
                    (other.doubtful, doubtful) = (true, true);
                }
                let (topics, due) = (BTreeMap::new(), VecDeque::new());
                self.streams.insert(*stream, LiveStream { host, topics, due, doubtful, unmarked: 0 });
            }
            Event::TapClosed { stream, .. } | Event::Tapped { stream, fate: Fate::Swallowed, .. } => {
                // What it brought may be another stream's copy of what was committed already.
                if let Some(gone) = self.streams.remove(stream) {
                    self.uncommitted.remove(gone.host);
                }
            }
            Event::Tapped { stream, way, fate: Fate::Passed, frame } => {
                if let Some(frame) = XmtpFrame::of(frame) {
                    self.tap(index, record, *stream, (*way, frame));
                }
            }
            Event::Stored { channel, id, .. } => {
                let due = Due { topic: channel, id: *id, since: record.at, index };
                self.due_since = self.due_since.min(due.since);
                for stream in self.streams.values_mut() {
                    if stream.topics.get(channel).is_some_and(|(waves, from)| waves.is_empty() && from.is_before(*id)) {
                        stream.due.push_back(due);
                    }
                }
            }
            Event::Delivered { messages, .. } => {
                if let Some(uncommitted) = self.uncommitted.get_mut(host) {
                    for (topic, id, _) in messages {
                        self.committed += u64::from(settle(uncommitted, topic, *id).is_some());
                    }
                }
            }
            Event::Started { .. } => {
                self.started.insert(host);
            }
            Event::Ended { .. } => self.leave(host),
            Event::ProcessKilled => match self.terms.cast.carries_streams(host) {
                true => {
                    self.streams.clear();
                    self.uncommitted.clear();
                    self.started.clear();
                }
                false => self.leave(host),
            },
            _ => {}
        }
        Ok(())
    }

    /// A client has let go of its streams.
    fn leave(&mut self, host: &str) {
        self.streams.retain(|_, stream| stream.host != host);
        self.uncommitted.remove(host);
        self.started.remove(host);
    }

    /// The followers that are connected and have one stream, and whoever else has one. A proxy that stood still accepts
    /// what was given up long before: of several streams nobody says which one their host still has.
    fn at_ease(&self) -> BTreeSet<&'h str> {
        let (mut once, mut again) = (BTreeSet::new(), BTreeSet::new());
        for stream in self.streams.values() {
            if !once.insert(stream.host) {
                again.insert(stream.host);
            }
        }
        let doubtful: BTreeSet<&str> =
            self.streams.values().filter(|stream| stream.doubtful).map(|stream| stream.host).collect();
        let here = |host: &&str| match self.followers.contains(*host) {
            true => self.started.contains(*host),
            false => !doubtful.contains(*host),
        };
        once.into_iter().filter(|host| !again.contains(host)).filter(here).collect()
    }

    fn tap(&mut self, index: usize, record: &'h Record, stream: TapStream, (way, frame): (Direction, &'h XmtpFrame)) {
        let Some(held) = self.streams.get_mut(&stream) else { return };
        match (way, frame) {
            (Direction::ToNode, XmtpFrame::Mutate { id, adds, removes, history_only }) => {
                held.forget(removes.iter());
                match history_only {
                    true => held.forget(adds.iter().map(|add| &add.channel)),
                    false => adds.iter().for_each(|add| held.add(&add.channel, *id, add.cursor)),
                }
            }
            (Direction::ToNode, XmtpFrame::DraftRequest { adds, edges, removes }) => {
                let edges = edges.iter().map(|topic| (topic, Cursor(0)));
                let added: Vec<_> = adds.iter().map(|add| (&add.channel, add.cursor)).chain(edges).collect();
                held.forget(removes.iter());
                held.unmarked += u64::from(!added.is_empty());
                added.into_iter().for_each(|(topic, from)| held.add(topic, MutateId(0), from));
            }
            (Direction::ToClient, XmtpFrame::DraftCatchupComplete) => {
                held.unmarked = held.unmarked.saturating_sub(1);
                if held.unmarked == 0 {
                    held.topics.values_mut().for_each(|(waves, _)| waves.clear());
                }
            }
            (Direction::ToClient, XmtpFrame::CatchupComplete(id)) => {
                held.topics.values_mut().for_each(|(waves, _)| {
                    waves.remove(id);
                });
            }
            (Direction::ToClient, XmtpFrame::Delivery { tag: Tag::Live | Tag::Untold, messages }) => {
                let follows = self.followers.contains(held.host);
                for (topic, id) in messages {
                    let Some(due) = settle(&mut held.due, topic, *id) else { continue };
                    self.passed += 1;
                    self.longest = self.longest.max(record.at.saturating_sub(due.since));
                    if follows {
                        let due = Due { since: record.at, index, ..due };
                        self.uncommitted.entry(held.host).or_default().push_back(due);
                    }
                }
            }
            (Direction::ToNode | Direction::ToClient, _) => {}
        }
    }

    /// Looks for what is overdue by `now`.
    fn look(&mut self, now: Duration) -> Result<(), Box<Evidence>> {
        let allowed = PROMPT + self.terms.travel * 4;
        if now.saturating_sub(self.due_since) <= allowed {
            return Ok(());
        }
        let at_ease = self.at_ease();
        for (name, stream) in &mut self.streams {
            let Some(due) = overdue(&mut stream.due, allowed, now) else { continue };
            if at_ease.contains(stream.host) && self.excuses.is_calm(due.since, due.since + allowed) {
                let what = format!(
                    "{} of {} was not sent to {} on {name} within {} of its being stored, though the topic is live there \
                        and nothing was wrong",
                    due.id,
                    due.topic,
                    stream.host,
                    Readable(allowed)
                );
                return Err(evidence(S2, stream.host, due, allowed, what));
            }
        }
        let allowed = allowed + self.terms.consume * BATCHES;
        for (host, uncommitted) in &mut self.uncommitted {
            let behind = uncommitted.len() >= BEHIND;
            let Some(due) = overdue(uncommitted, allowed, now) else { continue };
            if !behind && at_ease.contains(host) && self.excuses.is_calm(due.since, due.since + allowed) {
                let what = format!(
                    "{host} had not committed {} of {} {} after it had been sent to it, and nothing was wrong",
                    due.id,
                    due.topic,
                    Readable(allowed)
                );
                return Err(evidence(C3, host, due, allowed, what));
            }
        }
        let due = self.streams.values().map(|stream| &stream.due).chain(self.uncommitted.values());
        self.due_since = due.filter_map(VecDeque::front).map(|due| due.since).min().unwrap_or(Duration::MAX);
        Ok(())
    }

    fn close(mut self) -> Verdict {
        if let Err(evidence) = self.look(self.terms.end) {
            return Verdict::Fail(*evidence);
        }
        match self.streams.is_empty() && self.passed == 0 {
            true => Verdict::unknown("the proxy saw no open stream at the end and no live message"),
            false => Verdict::Pass {
                seen: format!(
                    "messages that were stored while live and came: {}, the slowest after {}; committed: {}",
                    self.passed,
                    Readable(self.longest),
                    self.committed
                ),
            },
        }
    }
}

/// Takes a message off those that are due.
fn settle<'h>(due: &mut VecDeque<Due<'h>>, topic: &Channel, id: MessageId) -> Option<Due<'h>> {
    let at = due.iter().position(|due| due.id == id && due.topic == topic)?;
    due.remove(at)
}

/// The first that has been due for longer than that, which is due no more.
fn overdue<'h>(due: &mut VecDeque<Due<'h>>, allowed: Duration, now: Duration) -> Option<Due<'h>> {
    due.pop_front_if(|first| now.saturating_sub(first.since) > allowed)
}

fn evidence(requirement: Requirement, host: &str, due: Due<'_>, allowed: Duration, what: String) -> Box<Evidence> {
    let evidence = Evidence::at(due.since + allowed, host, requirement, what);
    Box::new(evidence.about(due.topic, Some(due.id)).with([due.index]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, STREAM, Script, add, alpha, beta, partition};
    use crate::history::TappedFrame;
    use crate::subject::xmtp::wire::SUBSCRIBE_PATH;

    /// Alpha is live from 2 s on.
    fn live(script: Script) -> Script {
        let script = script.at(1.0).opened(1).tap_opened(STREAM).node_starts().started(1);
        script.mutate(1, &[(alpha(), 0)], &[]).at(2.0).topics_live(&[alpha()]).complete(1)
    }

    fn cut() -> Script {
        Script::new().fault_begins(1, partition(CLIENT, "proxy"))
    }

    #[test]
    fn what_comes_and_is_committed_at_once_is_acquitted() {
        let script = live(Script::new()).at(3.0).stored(alpha(), 1).at(3.1).live(&[(alpha(), 1)]);
        let seen = script.at(3.2).committed(1, &[(alpha(), 1)]).acquitted_by(&LatencyCheck);
        assert!(seen.ends_with("the slowest after 100ms; committed: 1"), "{seen}");
    }

    #[test]
    fn a_history_without_a_stream_is_unknown() {
        assert!(Script::new().puzzles(&LatencyCheck).contains("no open stream"));
        assert_eq!(LatencyCheck.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }

    #[test]
    fn what_is_not_sent_in_time_is_condemned_and_names_the_message() {
        let evidence = live(Script::new()).at(3.0).stored(alpha(), 1).condemned_by(&LatencyCheck);
        assert_eq!((evidence.requirement.as_str(), evidence.at), ("S2", Duration::from_millis(13_200)));
        assert!(evidence.what.starts_with("#1 of group:alpha was not sent to client-1"), "{}", evidence.what);
        live(cut()).at(3.0).stored(alpha(), 1).acquitted_by(&LatencyCheck);
        live(Script::new()).at(3.0).stored(beta(), 1).acquitted_by(&LatencyCheck);
    }

    #[test]
    fn another_wave_holds_up_no_topic_and_its_own_is_not_live() {
        let again = |topic| live(Script::new()).mutate(2, &[(topic, 0)], &[]).at(3.0).stored(alpha(), 1);
        again(beta()).condemned_by(&LatencyCheck);
        again(alpha()).acquitted_by(&LatencyCheck);
    }

    /// A wave of its own completes at once, and the message comes in the wave that the topic has not left (S5).
    #[test]
    fn a_topic_that_is_added_again_from_its_floor_stays_in_its_wave() {
        let again = live(Script::new()).mutate(2, &[(alpha(), 0)], &[]).mutate(3, &[(alpha(), 5)], &[]);
        let stored = |script: Script| script.complete(3).at(3.0).stored(alpha(), 6);
        let script = stored(again).at(3.1).wave(2, &[(alpha(), 6)]).topics_live(&[alpha()]).complete(2);
        script.at(30.0).acquitted_by(&LatencyCheck);
        // When both are complete it is live again.
        let again = live(Script::new()).mutate(2, &[(alpha(), 0)], &[]).mutate(3, &[(alpha(), 5)], &[]);
        stored(again.complete(2)).condemned_by(&LatencyCheck);
        // A remove ends the older one for it.
        let again = live(Script::new()).mutate(2, &[(alpha(), 0)], &[]).mutate(3, &[(alpha(), 5)], &[alpha()]);
        stored(again).condemned_by(&LatencyCheck);
    }

    #[test]
    fn what_lies_at_or_below_the_cursor_is_not_due() {
        let added = |from: u64| {
            let script = Script::new().at(1.0).opened(1).tap_opened(STREAM).node_starts().started(1);
            script.mutate(1, &[(alpha(), from)], &[]).at(2.0).topics_live(&[alpha()]).complete(1).at(3.0)
        };
        added(4).stored(alpha(), 4).acquitted_by(&LatencyCheck);
        added(3).stored(alpha(), 4).condemned_by(&LatencyCheck);
    }

    #[test]
    fn in_the_draft_topics_are_live_when_each_change_has_its_marker() {
        let change = |topic| XmtpFrame::DraftRequest { adds: vec![add(topic, 1)], edges: vec![], removes: vec![] };
        let script = || {
            let script = Script::new().at(1.0).opened(1).tap_opened(STREAM).node_starts().started(1);
            let script = script.tap(Direction::ToNode, Fate::Passed, change(alpha()));
            script.tap(Direction::ToNode, Fate::Passed, change(beta())).node_sends(XmtpFrame::DraftCatchupComplete)
        };
        script().at(3.0).stored(alpha(), 2).acquitted_by(&LatencyCheck);
        let live = || script().node_sends(XmtpFrame::DraftCatchupComplete).at(3.0).stored(alpha(), 2);
        live().condemned_by(&LatencyCheck);
        let came = XmtpFrame::Delivery { tag: Tag::Untold, messages: vec![(alpha(), MessageId(2))] };
        live().at(3.1).node_sends(came).at(3.2).committed(1, &[(alpha(), 2)]).acquitted_by(&LatencyCheck);
    }

    #[test]
    fn of_a_host_with_two_streams_nothing_is_known() {
        let other = TapStream { stream: 3, ..STREAM };
        live(Script::new()).at(3.0).stored(alpha(), 1).tap_opened(other).acquitted_by(&LatencyCheck);
    }

    #[test]
    fn a_visitor_that_had_two_streams_may_have_left_either() {
        let visitor = |beside: bool| {
            let opened = |stream| Event::TapOpened { stream, path: SUBSCRIBE_PATH.to_owned() };
            let frame = |frame| TappedFrame::new(frame);
            let (fate, other) = (Fate::Passed, TapStream { stream: 3, ..STREAM });
            let adds = vec![add(alpha(), 0)];
            let mutate = XmtpFrame::Mutate { id: MutateId(1), adds, removes: vec![], history_only: false };
            let script = Script::new().at(1.0).event("visitor-1", opened(STREAM)).node_starts();
            let asked = Event::Tapped { stream: STREAM, way: Direction::ToNode, fate, frame: frame(mutate) };
            let done = frame(XmtpFrame::CatchupComplete(MutateId(1)));
            let done = Event::Tapped { stream: STREAM, way: Direction::ToClient, fate, frame: done };
            let script = script.event("visitor-1", asked).event("visitor-1", done);
            let script = if beside { script.event("visitor-1", opened(other)) } else { script };
            script.at(2.0).tap_closed("visitor-1", other).at(3.0).stored(alpha(), 1)
        };
        visitor(false).condemned_by(&LatencyCheck);
        visitor(true).acquitted_by(&LatencyCheck);
    }

    #[test]
    fn what_a_stream_brought_that_is_gone_is_owed_no_more() {
        let other = TapStream { stream: 3, ..STREAM };
        let script = live(Script::new()).at(3.0).stored(alpha(), 1).live(&[(alpha(), 1)]).tap_opened(other);
        script.at(4.0).tap_closed(CLIENT, STREAM).acquitted_by(&LatencyCheck);
    }

    #[test]
    fn a_topic_that_is_removed_is_owed_nothing() {
        let script = live(Script::new()).at(3.0).stored(alpha(), 1);
        script.mutate(0, &[], &[alpha()]).at(4.0).stored(alpha(), 2).acquitted_by(&LatencyCheck);
    }

    #[test]
    fn what_is_not_committed_in_time_is_condemned_unless_the_application_is_slow() {
        let sent = |script| live(script).at(3.0).stored(alpha(), 1).live(&[(alpha(), 1)]);
        let evidence = sent(Script::new()).condemned_by(&LatencyCheck);
        assert_eq!((evidence.requirement.as_str(), evidence.host.as_str()), ("C3", CLIENT));
        sent(cut()).acquitted_by(&LatencyCheck);
        sent(Script::new()).at(5.0).ended(1).acquitted_by(&LatencyCheck);
        let history = Script::new().history();
        let slow = Terms { consume: Duration::from_secs(9), ..terms(&history).expect("a script has terms").clone() };
        sent(Script::on(slow)).at(39.0).committed(1, &[(alpha(), 1)]).acquitted_by(&LatencyCheck);
    }
}
