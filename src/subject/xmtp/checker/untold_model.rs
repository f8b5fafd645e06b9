//! What a node may send on one stream of the draft, or of an older call, given what the client sent.
//!
//! Refuses to know hosts, times and what was swallowed on the way to the node; and to guess what the draft leaves unsaid.
//! It says neither which wave a message is of nor which change a marker answers: so each topic is judged by itself, and
//! the end of a catch-up only once no other is in flight.
//!
//! ```text
//!   silent ──Started──▶ open ⟲ change: its topics begin anew, or not
//!                            ⟲ messages: of topics that may stand there
//!                            ⟲ CATCHUP_COMPLETE: as many as changes that add, and all these changes are over
//! ```
//! An older call is open with its one change, which nothing answers.

use std::collections::BTreeMap;

use crate::channel::{Channel, Cursor, MessageId, Position};
use crate::subject::xmtp::checker::shelf::Shelf;
use crate::subject::xmtp::checker::stream_model::{Breach, Judged, RESTS_MAX, changes};
use crate::subject::xmtp::checker::topic_state::{Change, Readd, Serial, TopicRefusal, TopicState};
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::spec::{S1, S2, S3, S4, S5, S9, S10};

/// A change that adds topics, and has no marker yet.
struct OpenChange<'h> {
    serial: Serial,
    index: usize,
    topics: BTreeMap<&'h Channel, Cursor>,
}

/// A change that only removes topics, and that nothing said later answers either.
struct OpenRemove<'h> {
    index: usize,
    topic: &'h Channel,
}

#[derive(Default)]
struct DraftTopic {
    state: TopicState,
    /// The highest id that it had on this stream.
    newest: Option<MessageId>,
    /// It was added from the live edge: nobody knows where that was.
    from_edge: bool,
}

/// The state of one stream.
#[derive(Default)]
pub(crate) struct UntoldModel<'h> {
    started: Option<usize>,
    is_older: bool,
    delivered: u64,
    changes: Serial,
    open: Vec<OpenChange<'h>>,
    /// Markers of changes in `open`.
    markers: usize,
    removes: Vec<OpenRemove<'h>>,
    topics: BTreeMap<&'h Channel, DraftTopic>,
    /// WAITINGs since the last other frame.
    rests: u64,
}

impl<'h> UntoldModel<'h> {
    /// The client sent a frame, and the proxy passed it on.
    pub(crate) fn request(&mut self, index: usize, frame: &'h XmtpFrame) -> Judged {
        match frame {
            XmtpFrame::DraftRequest { adds, edges, removes } => {
                self.change(index, (adds, edges), removes);
                Ok(())
            }
            XmtpFrame::OlderCall { adds } => {
                (self.started, self.is_older) = (Some(index), true);
                self.change(index, (adds, &[]), &[]);
                Ok(())
            }
            XmtpFrame::Unreadable(why) => {
                Err(Breach::new(S10, format!("the client sent a frame that cannot be read: {why}")))
            }
            XmtpFrame::Mutate { .. }
            | XmtpFrame::Started { .. }
            | XmtpFrame::Delivery { .. }
            | XmtpFrame::TopicsLive(_)
            | XmtpFrame::CatchupComplete(_)
            | XmtpFrame::DraftCatchupComplete => {
                Err(Breach::new(S10, "the client sent a frame that no client of the draft sends".to_owned()))
            }
        }
    }

    /// The node, which has stored what is on the shelf, sent a frame, whether or not the proxy passed it on.
    pub(crate) fn response(&mut self, index: usize, frame: &'h XmtpFrame, shelf: &Shelf<'h>) -> Judged {
        self.rests = 0;
        if let XmtpFrame::Started { .. } = frame {
            return match self.started.replace(index) {
                None => Ok(()),
                Some(first) => Err(Breach::new(S1, "the node sent STARTED twice".to_owned()).with([first])),
            };
        }
        self.needs_started("a frame of the subscription")?;
        match frame {
            XmtpFrame::Delivery { messages, .. } => {
                self.delivered += messages.len() as u64;
                messages.iter().try_for_each(|(topic, id)| self.deliver(topic, *id, shelf))
            }
            XmtpFrame::DraftCatchupComplete => self.mark(shelf),
            XmtpFrame::Unreadable(why) => {
                Err(Breach::new(S10, format!("the node sent a frame that cannot be read: {why}")))
            }
            XmtpFrame::Started { .. }
            | XmtpFrame::Mutate { .. }
            | XmtpFrame::TopicsLive(_)
            | XmtpFrame::CatchupComplete(_)
            | XmtpFrame::DraftRequest { .. }
            | XmtpFrame::OlderCall { .. } => {
                Err(Breach::new(S10, "the node sent a frame that no node of the draft sends".to_owned()))
            }
        }
    }

    /// The node said WAITING so often: it was idle for as many intervals.
    pub(crate) fn rest(&mut self, waitings: u64) -> Judged {
        self.needs_started("WAITING")?;
        self.rests += waitings;
        if self.rests < RESTS_MAX {
            return Ok(());
        }
        let said = format!("the node said WAITING {} times and nothing else", self.rests);
        if let Some(owed) = self.open.first() {
            return Err(Breach::new(S9, format!("{said} though a change is unanswered")).with([owed.index]));
        }
        match self.removes.first() {
            Some(OpenRemove { index, topic }) => {
                let what = format!("{said}, and nothing has said when the remove of {topic} took effect");
                Err(Breach::new(S9, what).about(topic, None).with([*index]))
            }
            None => Ok(()),
        }
    }

    fn needs_started(&self, what: &str) -> Judged {
        match self.started {
            Some(_) => Ok(()),
            None => Err(Breach::new(S1, format!("the node sent {what} before STARTED"))),
        }
    }

    fn change(&mut self, index: usize, (adds, edges): (&'h [Position], &'h [Channel]), removes: &'h [Channel]) {
        self.rests = 0;
        self.changes += 1;
        let serial = self.changes;
        for (topic, (removes, adds)) in changes(adds, removes, Readd::Either) {
            let change = Change { serial, removes, adds, history_only: false, again: Readd::Either };
            self.topics.entry(topic).or_default().state.expect(change);
        }
        for topic in edges {
            self.topics.entry(topic).or_default().from_edge = true;
        }
        if adds.is_empty() && edges.is_empty() {
            self.removes.extend(removes.first().map(|topic| OpenRemove { index, topic }));
            return;
        }
        let topics = adds.iter().map(|add| (&add.channel, add.cursor)).collect();
        self.open.push(OpenChange { serial, index, topics });
    }

    fn deliver(&mut self, topic: &'h Channel, id: MessageId, shelf: &Shelf<'h>) -> Judged {
        let Some(known) = self.topics.get_mut(topic) else {
            let what = format!("the node sent {id} of {topic} though nobody had added that topic");
            return Err(Breach::new(S3, what).about(topic, Some(id)));
        };
        known.newest = known.newest.max(Some(id));
        if known.from_edge {
            return Ok(());
        }
        let Err(refusal) = known.state.deliver_untold(id, shelf.of(topic)) else { return Ok(()) };
        let (requirement, why) = match refusal {
            TopicRefusal::NotSubscribed => (S5, "after that topic had left the stream".to_owned()),
            TopicRefusal::BelowCursor(cursor) => (S2, format!("though the client asked for what comes {cursor}")),
            TopicRefusal::Skipped(missing) => {
                (S4, format!("and had never sent {missing} of that topic, which it holds"))
            }
            TopicRefusal::Repeated(last) if last == id => (S4, "a second time".to_owned()),
            TopicRefusal::Repeated(last) => (S4, format!("after it had sent {last}")),
            TopicRefusal::Elsewhere(_) | TopicRefusal::Told => (S4, "where it does not belong".to_owned()),
        };
        Err(Breach::new(requirement, format!("the node sent {id} of {topic} {why}")).about(topic, Some(id)))
    }

    /// Some change's topics are caught up. Once there are as many markers as changes, all of them are.
    fn mark(&mut self, shelf: &Shelf<'h>) -> Judged {
        self.markers += 1;
        let Some(through) = self.open.last().map(|last| last.serial).filter(|_| self.markers <= self.open.len()) else {
            let what = "the node sent CATCHUP_COMPLETE more often than it was asked to add topics";
            return Err(Breach::new(S9, what.to_owned()));
        };
        if self.markers < self.open.len() {
            return Ok(());
        }
        self.markers = 0;
        // Changes are applied one after the other: what came before the last of them is applied, too.
        let last = self.open.last().map_or(0, |last| last.index);
        self.removes.retain(|remove| remove.index > last);
        self.topics.values_mut().for_each(|known| known.state.confirm_through(through));
        for done in std::mem::take(&mut self.open) {
            for (topic, cursor) in done.topics {
                let Some(known) = self.topics.get_mut(topic).filter(|known| !known.from_edge) else { continue };
                let Some(missing) = known.state.complete_untold(done.serial, done.index, shelf.of(topic)) else {
                    continue;
                };
                let what = format!("the node sent CATCHUP_COMPLETE without {missing} of {topic}");
                let breach = match known.newest.filter(|newest| missing <= *newest) {
                    Some(newest) => {
                        let why = format!("removed and added again {cursor}, as if its floor, {newest}, were there");
                        Breach::new(S5, format!("{what}, which was {why}"))
                    }
                    None => Breach::new(S4, format!("{what}, which it held when it was asked")),
                };
                return Err(breach.about(topic, Some(missing)).with([done.index]));
            }
        }
        Ok(())
    }

    /// Whether it is an older call's.
    pub(crate) fn is_older(&self) -> bool {
        self.is_older
    }

    /// How many messages came.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The topics that are not judged.
    pub(crate) fn unjudged(&self) -> usize {
        self.topics.values().filter(|known| known.from_edge).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, STREAM, Script, add, alpha, beta};
    use crate::fault::Direction;
    use crate::history::{Beat, Event, Fate};
    use crate::subject::xmtp::checker::Waves;
    use crate::subject::xmtp::checker::waves::tests::breaks;
    use crate::subject::xmtp::wire::{Dialect, Tag};

    const WAITING: Beat = Beat::Waiting { stream: STREAM, fate: Fate::Passed };

    fn change(script: Script, adds: &[(Channel, u64)], removes: &[Channel]) -> Script {
        let adds = adds.iter().map(|(topic, cursor)| add(topic.clone(), *cursor)).collect();
        let frame = XmtpFrame::DraftRequest { adds, edges: Vec::new(), removes: removes.to_vec() };
        script.tap(Direction::ToNode, Fate::Passed, frame)
    }

    fn sends(script: Script, messages: &[(Channel, u64)]) -> Script {
        let messages = messages.iter().map(|(topic, id)| (topic.clone(), MessageId(*id))).collect();
        script.node_sends(XmtpFrame::Delivery { tag: Tag::Untold, messages })
    }

    fn marks(script: Script) -> Script {
        script.node_sends(XmtpFrame::DraftCatchupComplete)
    }

    fn opened(script: Script) -> Script {
        script.event(CLIENT, Event::TapOpened { stream: STREAM, path: Dialect::Draft.path().to_owned() })
    }

    fn started() -> Script {
        let stored = (2..=5).fold(Script::new(), |script, id| script.stored(alpha(), id));
        opened(stored.at(1.0)).node_sends(XmtpFrame::Started { keepalive: None })
    }

    /// Alpha is asked for from there, by an older call, and 2 to 5 are stored.
    fn called(cursor: u64) -> Script {
        let stored = (2..=5).fold(Script::new(), |script, id| script.stored(alpha(), id));
        stored.tap(Direction::ToNode, Fate::Passed, XmtpFrame::OlderCall { adds: vec![add(alpha(), cursor)] })
    }

    #[test]
    fn an_older_call_brings_each_topic_in_order_from_its_cursor() {
        let seen = sends(called(2), &[(alpha(), 3), (alpha(), 4)]).acquitted_by(&Waves);
        assert!(seen.contains("on older calls: 2"), "{seen}");
        breaks(sends(called(2), &[(alpha(), 2)]), "S2", "asked for what comes after #2");
        breaks(sends(called(2), &[(alpha(), 4)]), "S4", "had never sent #3");
        breaks(sends(called(2), &[(alpha(), 3), (alpha(), 3)]), "S4", "a second time");
        breaks(sends(called(2), &[(beta(), 3)]), "S3", "nobody had added");
        assert!(called(2).puzzles(&Waves).contains("no Mutate"));
    }

    /// Alpha was added from 1, and is caught up with 2 to 5.
    fn live() -> Script {
        let script = change(started(), &[(alpha(), 1)], &[]);
        marks(sends(script, &[(alpha(), 2), (alpha(), 3), (alpha(), 4), (alpha(), 5)]))
    }

    #[test]
    fn a_catch_up_and_what_comes_live_are_acquitted_and_what_is_not_judged_is_said() {
        let seen = sends(live().stored(alpha(), 6), &[(alpha(), 6)]).acquitted_by(&Waves);
        assert!(seen.contains("one or the other: 5 (the draft does not say: not judged are seam and order"), "{seen}");
    }

    #[test]
    fn started_comes_first_and_once_and_nothing_is_unknown() {
        breaks(opened(Script::new()).beat(CLIENT, WAITING), "S1", "WAITING before STARTED");
        breaks(live().node_sends(XmtpFrame::Started { keepalive: None }), "S1", "STARTED twice");
        assert!(started().puzzles(&Waves).contains("no Mutate"));
        assert!(marks(change(started(), &[(beta(), 1)], &[])).puzzles(&Waves).contains("no message"));
    }

    #[test]
    fn each_topic_ascends_from_its_cursor_without_gap_and_repetition() {
        let asked = || change(started(), &[(alpha(), 2)], &[]);
        breaks(sends(asked(), &[(alpha(), 2)]), "S2", "asked for what comes after #2");
        breaks(sends(asked(), &[(alpha(), 4)]), "S4", "had never sent #3");
        breaks(sends(asked(), &[(alpha(), 3), (alpha(), 3)]), "S4", "a second time");
        breaks(sends(asked(), &[(beta(), 3)]), "S3", "nobody had added");
        breaks(marks(sends(asked(), &[(alpha(), 3)])), "S4", "CATCHUP_COMPLETE without #4 of group:alpha");
    }

    #[test]
    fn a_marker_answers_a_change_that_adds_and_two_are_told_apart_only_together() {
        breaks(marks(live()), "S9", "more often than it was asked");
        let both = || change(change(started(), &[(alpha(), 1)], &[]), &[(beta(), 1)], &[]);
        let of_beta = marks(both());
        let all = &[(alpha(), 2), (alpha(), 3), (alpha(), 4), (alpha(), 5)];
        marks(sends(of_beta, all)).acquitted_by(&Waves);
        breaks(marks(marks(sends(both(), &[(alpha(), 2)]))), "S4", "without #3 of group:alpha");
    }

    #[test]
    fn a_remove_of_which_nobody_says_when_it_took_effect_is_condemned_where_the_node_rests() {
        let waits = |script: Script, times: u32| {
            (0..times).fold(script, |script, n| script.at(40.0 + 30.0 * f64::from(n)).beat(CLIENT, WAITING))
        };
        let evidence = breaks(waits(change(live(), &[], &[alpha()]), 3), "S9", "nothing has said when the remove of");
        assert_eq!(evidence.topic.as_deref(), Some("group:alpha"));
        waits(change(live(), &[], &[alpha()]), 2).acquitted_by(&Waves);
        waits(live(), 9).acquitted_by(&Waves);
        // What is answered later answers all that came before it.
        waits(marks(change(change(live(), &[], &[alpha()]), &[(beta(), 1)], &[])), 9).acquitted_by(&Waves);
        breaks(waits(change(live(), &[(beta(), 1)], &[]), 3), "S9", "though a change is unanswered");
    }

    #[test]
    fn a_floor_that_survives_a_remove_is_condemned_at_the_marker() {
        let again = |script| change(change(script, &[], &[alpha()]), &[(alpha(), 1)], &[]);
        let evidence =
            breaks(marks(again(live())), "S5", "without #2 of group:alpha, which was removed and added again");
        assert!(evidence.what.contains("after #1, as if its floor, #5, were there"), "{}", evidence.what);
        let all = &[(alpha(), 2), (alpha(), 3), (alpha(), 4), (alpha(), 5)];
        marks(sends(again(live()), all)).acquitted_by(&Waves);
    }

    #[test]
    fn a_re_add_of_an_active_topic_may_change_nothing_or_start_it_anew() {
        let again = || change(live(), &[(alpha(), 1)], &[]);
        marks(again()).acquitted_by(&Waves);
        marks(sends(again(), &[(alpha(), 2), (alpha(), 3), (alpha(), 4), (alpha(), 5)])).acquitted_by(&Waves);
    }

    #[test]
    fn a_removed_topic_may_arrive_until_a_later_marker_shows_that_it_is_gone() {
        let removed = || change(live(), &[], &[alpha()]).stored(alpha(), 6).stored(alpha(), 7);
        let late = sends(removed(), &[(alpha(), 6)]);
        let gone = marks(change(late, &[(beta(), 1)], &[]));
        breaks(sends(gone, &[(alpha(), 7)]), "S5", "had left the stream");
    }

    #[test]
    fn what_begins_at_the_live_edge_is_not_judged_and_that_is_said() {
        let frame = XmtpFrame::DraftRequest { adds: Vec::new(), edges: vec![alpha()], removes: Vec::new() };
        let script = started().tap(Direction::ToNode, Fate::Passed, frame);
        let seen = sends(marks(script), &[(alpha(), 5)]).acquitted_by(&Waves);
        assert!(seen.contains("nor what topics from the live edge bring: 1"), "{seen}");
    }

    #[test]
    fn frames_of_another_dialect_are_condemned() {
        breaks(live().complete(1), "S10", "no node of the draft sends");
        breaks(live().mutate(1, &[], &[]), "S10", "no client of the draft sends");
    }
}
