//! Judges the waves: each stream as the tap saw it, frame by frame, against what a lawful node may send.
//!
//! Refuses to know clients: what the node sent counts, also where the proxy swallowed it. What the client
//! sent counts only where the proxy passed it on, because the node never saw the rest.

use std::collections::BTreeMap;

use crate::checker::judge::{Checker, terms, where_served};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::fault::Direction;
use crate::history::{Beat, Event, Fate, History, Record, TapStream};
use crate::subject::xmtp::checker::denials::Denials;
use crate::subject::xmtp::checker::shelf::Shelf;
use crate::subject::xmtp::checker::stream_model::{Breach, Judged, StreamModel};
use crate::subject::xmtp::checker::topic_state::Readd;
use crate::subject::xmtp::checker::untold_model::UntoldModel;
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::spec::{S1, S2, S3, S4, S5, S7, S9, S10, T9, T12, T15, T16, T17, T18};
use crate::subject::xmtp::wire::{Dialect, Tag};

/// The judge of waves.
pub struct Waves;

impl Checker for Waves {
    fn name(&self) -> &'static str {
        "waves"
    }

    fn promises(&self) -> &'static str {
        "On every stream each frame belongs to one wave or to the live flow, in order, with its markers, and with a \
            seam that neither loses nor repeats."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[S1, S2, S3, S4, S5, S7, S9, S10, T9, T12, T15, T16, T17, T18]
    }

    fn judge(&self, history: &History) -> Verdict {
        let mut bench = WaveBook::default();
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = bench.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        where_served(terms(history), bench.close())
    }
}

#[derive(Default)]
struct WaveBook<'h> {
    streams: BTreeMap<TapStream, StreamModel<'h>>,
    /// Streams of the draft, which says less, and of the older calls, which say nothing but messages.
    untold: BTreeMap<TapStream, UntoldModel<'h>>,
    shelf: Shelf<'h>,
    denials: Denials<'h>,
    mutates: u64,
    waves: u64,
    live: u64,
    completions: u64,
}

impl<'h> WaveBook<'h> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        self.shelf.take(index, record);
        self.denials.take(record);
        let (stream, judged) = match &record.event {
            Event::TapOpened { stream, path } if Dialect::of_path(path) == Some(Dialect::Draft) => {
                self.untold.insert(*stream, UntoldModel::default());
                return Ok(());
            }
            Event::TapOpened { stream, path } if Dialect::of_path(path) == Some(Dialect::Decentralized) => {
                self.streams.insert(*stream, StreamModel::new(Readd::Nothing));
                return Ok(());
            }
            Event::Tapped { stream, way, fate, frame } => {
                let Some(frame) = XmtpFrame::of(frame) else { return Ok(()) };
                if let XmtpFrame::OlderCall { .. } = frame {
                    self.untold.entry(*stream).or_default();
                }
                (*stream, self.tap(index, *stream, (*way, *fate), frame))
            }
            Event::Beat { beat, .. } => match beat {
                Beat::Ping { stream, way: Direction::ToClient, .. } => (*stream, self.ping(*stream, record.count)),
                Beat::Pong { stream, way: Direction::ToClient, .. } => (*stream, self.beat(*stream, "a Pong")),
                Beat::Waiting { stream, .. } => {
                    let model = self.untold.entry(*stream).or_default();
                    (*stream, model.rest(record.count))
                }
                Beat::Ping { way: Direction::ToNode, .. }
                | Beat::Pong { way: Direction::ToNode, .. }
                | Beat::KeepaliveAnswered { .. }
                | Beat::Heard { .. }
                | Beat::Received { .. } => return Ok(()),
            },
            _ => return Ok(()),
        };
        judged.map_err(|breach| Box::new(evidence(index, record, stream, *breach)))
    }

    fn beat(&mut self, stream: TapStream, what: &str) -> Judged {
        self.streams.entry(stream).or_default().needs_started(what)
    }

    fn ping(&mut self, stream: TapStream, count: u64) -> Judged {
        self.beat(stream, "a Ping")?;
        self.streams.entry(stream).or_default().rest(count)
    }

    fn tap(&mut self, index: usize, stream: TapStream, (way, fate): (Direction, Fate), frame: &'h XmtpFrame) -> Judged {
        self.denials.check(stream, (way, fate), frame)?;
        match (way, fate, self.untold.get_mut(&stream)) {
            (Direction::ToNode, Fate::Swallowed, Some(_)) => return Ok(()),
            (Direction::ToNode, Fate::Swallowed, None) => {
                self.streams.entry(stream).or_default(); // it counts
                return Ok(());
            }
            (Direction::ToNode, Fate::Passed, Some(draft)) => draft.request(index, frame)?,
            (Direction::ToNode, Fate::Passed, None) => self.streams.entry(stream).or_default().request(index, frame)?,
            (Direction::ToClient, _, Some(draft)) => draft.response(index, frame, &self.shelf)?,
            (Direction::ToClient, _, None) => {
                self.streams.entry(stream).or_default().response(index, frame, &self.shelf)?;
            }
        }
        match frame {
            XmtpFrame::Mutate { .. } | XmtpFrame::DraftRequest { .. } => self.mutates += 1,
            XmtpFrame::Delivery { tag: Tag::Live, messages } => self.live += messages.len() as u64,
            XmtpFrame::Delivery { tag: Tag::Wave(_), messages } => self.waves += messages.len() as u64,
            XmtpFrame::CatchupComplete(_) | XmtpFrame::DraftCatchupComplete => self.completions += 1,
            // Each model counts its own.
            XmtpFrame::Delivery { tag: Tag::Untold, .. }
            | XmtpFrame::Started { .. }
            | XmtpFrame::TopicsLive(_)
            | XmtpFrame::OlderCall { .. }
            | XmtpFrame::Unreadable(_) => {}
        }
        Ok(())
    }

    fn close(self) -> Verdict {
        let [older, one_or_other] = [true, false].map(|older| self.untold_messages(older));
        if older == 0 && self.mutates == 0 {
            return Verdict::unknown("no Mutate reached the node");
        }
        if older == 0 && self.completions == 0 {
            return Verdict::unknown(format!("of {} Mutates the proxy saw none answered", self.mutates));
        }
        if self.waves + self.live + one_or_other + older == 0 {
            return Verdict::unknown("the proxy saw no message on any stream");
        }
        let denied = match self.denials.asked() {
            0 => String::new(),
            asked => format!(", for what is denied: {asked}"),
        };
        let draft = self.told_of_drafts(one_or_other);
        let older = if older == 0 { String::new() } else { format!(", on older calls: {older}") };
        Verdict::Pass {
            seen: format!(
                "streams: {}, Mutates: {} (completed: {}{denied}), messages in waves: {}, live: {}{draft}{older}; all in their \
                    place and order",
                self.streams.len() + self.untold.len(),
                self.mutates,
                self.completions,
                self.waves,
                self.live
            ),
        }
    }
}

impl WaveBook<'_> {
    /// Messages that came on older calls, or in the draft, in waves or live.
    fn untold_messages(&self, on_older_calls: bool) -> u64 {
        let models = self.untold.values().filter(|model| model.is_older() == on_older_calls);
        models.map(UntoldModel::delivered).sum()
    }

    /// What of those in the draft is not judged, because it does not say it.
    fn told_of_drafts(&self, messages: u64) -> String {
        if self.untold.values().all(UntoldModel::is_older) {
            return String::new();
        }
        let edges = match self.untold.values().map(UntoldModel::unjudged).sum::<usize>() {
            0 => String::new(),
            topics => format!(", nor what topics from the live edge bring: {topics}"),
        };
        format!(
            ", one or the other: {messages} (the draft does not say: not judged are seam and order over topics{edges})"
        )
    }
}

fn evidence(index: usize, record: &Record, stream: TapStream, breach: Breach) -> Evidence {
    let what = format!("on {stream} of {}, {}", record.host, breach.what);
    let evidence = Evidence::new(index, record, breach.requirement, what).with(breach.proof);
    match &breach.topic {
        Some(topic) => evidence.about(topic, breach.id),
        None => evidence,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::channel::{Channel, MessageId};
    use crate::checker::judge::terms;
    use crate::checker::script::{CLIENT, STREAM, Script, add, alpha, beta};
    use crate::history::Terms;
    use crate::subject::xmtp::wire::MutateId;

    fn gamma() -> Channel {
        Channel::new("group", "gamma")
    }

    fn welcome() -> Channel {
        Channel::new("welcome", "key")
    }

    /// Mutate 1 added alpha from 2; its wave is in flight.
    fn replaying() -> Script {
        Script::new().at(1.0).node_starts().mutate(1, &[(alpha(), 2)], &[])
    }

    /// Alpha is live, up to 4.
    fn live() -> Script {
        replaying().wave(1, &[(alpha(), 3), (alpha(), 4)]).topics_live(&[alpha()]).complete(1)
    }

    /// The script breaks that requirement, and the evidence says so.
    pub(crate) fn breaks(script: Script, number: &str, part: &str) -> Evidence {
        let evidence = script.condemned_by(&Waves);
        assert_eq!(evidence.requirement, number, "{}", evidence.what);
        assert!(evidence.what.contains(part), "{}", evidence.what);
        evidence
    }

    #[test]
    fn a_wave_then_live_is_acquitted() {
        let seen = live().live(&[(alpha(), 5)]).at(2.0).live(&[(alpha(), 9)]).acquitted_by(&Waves);
        assert_eq!(
            seen,
            "streams: 1, Mutates: 1 (completed: 1), messages in waves: 2, live: 2; all in their place and order"
        );
    }

    #[test]
    fn a_history_without_a_mutate_is_unknown() {
        assert_eq!(Waves.judge(&History::default()), Verdict::unknown("no Mutate reached the node"));
        assert!(Script::new().node_starts().puzzles(&Waves).contains("no Mutate"));
    }

    #[test]
    fn without_an_answer_or_a_message_it_is_unknown() {
        assert!(replaying().puzzles(&Waves).contains("none answered"));
        let empty = replaying().topics_live(&[alpha()]).complete(1);
        assert!(empty.puzzles(&Waves).contains("no message"));
    }

    #[test]
    fn a_node_that_rests_though_it_owes_a_wave_is_condemned() {
        let ping = Beat::Ping { stream: STREAM, way: Direction::ToClient, fate: Fate::Passed };
        let pinged = |script: Script, times: u32| {
            (0..times).fold(script, |script, n| script.at(f64::from(n) * 30.0 + 40.0).beat(CLIENT, ping))
        };
        let evidence = breaks(pinged(replaying().wave(1, &[(alpha(), 3)]), 3), "S9", "though mutate 1 is unanswered");
        assert_eq!(evidence.records, [2, 4]);
        pinged(replaying().wave(1, &[(alpha(), 3)]), 2).topics_live(&[alpha()]).complete(1).acquitted_by(&Waves);
        pinged(live(), 20).acquitted_by(&Waves);
    }

    #[test]
    fn started_comes_first_and_once() {
        let ping = Beat::Ping { stream: STREAM, way: Direction::ToClient, fate: Fate::Swallowed };
        breaks(Script::new().beat(CLIENT, ping), "S1", "a Ping before Started");
        breaks(Script::new().mutate(1, &[], &[alpha()]).complete(1), "S1", "before Started");
        let evidence = breaks(replaying().node_starts(), "S1", "Started twice");
        assert_eq!((evidence.records, evidence.at.as_secs()), (vec![1, 3], 1));
    }

    #[test]
    fn a_tag_names_a_wave_in_flight() {
        breaks(replaying().wave(7, &[(alpha(), 3)]), "S3", "the wave of mutate 7, which nobody had started");
        breaks(live().wave(1, &[(alpha(), 5)]), "S9", "after its CatchupComplete");
    }

    #[test]
    fn a_live_frame_of_a_wave_in_flight_is_condemned() {
        let evidence =
            breaks(replaying().live(&[(alpha(), 3)]), "S4", "before the CatchupComplete of the wave of mutate 1");
        assert_eq!((evidence.topic.as_deref(), evidence.id), (Some("group:alpha"), Some(MessageId(3))));
        let what = "on stream 1.1.1 of client-1, the node sent #3 of group:alpha as live before the CatchupComplete \
            of the wave of mutate 1";
        assert_eq!(evidence.what, what);
    }

    /// Alpha is live; beta is denied to everybody, and was asked for.
    fn denied() -> Script {
        let history = Script::new().history();
        let terms = terms(&history).expect("a script has terms").clone();
        let script = Script::on(Terms { denied: vec![beta()], ..terms });
        let live = script.at(1.0).node_starts().mutate(1, &[(alpha(), 0)], &[]).topics_live(&[alpha()]).complete(1);
        live.mutate(2, &[(beta(), 0)], &[])
    }

    #[test]
    fn what_is_denied_is_neither_sent_nor_acknowledged() {
        let seen = denied().live(&[(alpha(), 1)]).acquitted_by(&Waves);
        assert!(seen.contains("Mutates: 2 (completed: 1, for what is denied: 1)"), "{seen}");
        let evidence = breaks(denied().wave(2, &[(beta(), 1)]), "S7", "#1 of group:beta as wave of mutate 2");
        assert_eq!((evidence.topic.as_deref(), evidence.id), (Some("group:beta"), Some(MessageId(1))));
        breaks(denied().topics_live(&[beta()]), "S7", "TopicsLive for group:beta");
        breaks(denied().complete(2), "S7", "the node acknowledged mutate 2, which asked for a topic that nobody");
    }

    #[test]
    fn live_frames_of_other_topics_flow_on_during_a_wave() {
        let script = live().mutate(2, &[(beta(), 0)], &[]).live(&[(alpha(), 7)]).wave(2, &[(beta(), 5)]);
        script.live(&[(alpha(), 8)]).topics_live(&[beta()]).complete(2).live(&[(beta(), 9)]).acquitted_by(&Waves);
    }

    #[test]
    fn a_live_message_in_a_waves_frame_is_condemned() {
        let script = live().mutate(2, &[(beta(), 0)], &[]).wave(2, &[(beta(), 5), (alpha(), 6)]);
        breaks(script, "S3", "group:alpha as wave of mutate 2 though that topic is not in that wave");
        breaks(live().live(&[(gamma(), 5)]), "S3", "nobody had added");
    }

    #[test]
    fn a_wave_that_is_not_merged_by_id_is_condemned() {
        let script = || Script::new().node_starts().mutate(1, &[(alpha(), 0), (beta(), 0), (welcome(), 0)], &[]);
        let merged = script().wave(1, &[(alpha(), 1), (beta(), 2), (alpha(), 3), (welcome(), 1)]);
        merged.topics_live(&[alpha(), beta(), welcome()]).complete(1).acquitted_by(&Waves);
        breaks(
            script().wave(1, &[(alpha(), 1), (alpha(), 3)]).wave(1, &[(beta(), 2)]),
            "S4",
            "after #3 of the same kind",
        );
    }

    #[test]
    fn live_ids_that_descend_over_topics_are_condemned() {
        let script = live().mutate(2, &[(beta(), 0)], &[]).topics_live(&[beta()]).complete(2);
        breaks(script.live(&[(alpha(), 9)]).live(&[(beta(), 8)]), "S4", "as live after #9 of the same kind");
    }

    #[test]
    fn nothing_at_or_below_the_cursor_is_delivered() {
        breaks(replaying().wave(1, &[(alpha(), 2)]), "S2", "asked for what comes after #2");
    }

    #[test]
    fn no_id_is_delivered_twice_at_the_seam() {
        breaks(live().live(&[(alpha(), 4)]), "S4", "#4 of group:alpha as live a second time");
        breaks(live().live(&[(alpha(), 3)]), "S4", "after it had sent #4");
    }

    #[test]
    fn a_wave_frame_after_topics_live_is_condemned() {
        let script = replaying().wave(1, &[(alpha(), 3)]).topics_live(&[alpha()]);
        breaks(script.wave(1, &[(alpha(), 4)]), "S9", "after TopicsLive had ended");
    }

    #[test]
    fn a_completion_without_topics_live_is_condemned() {
        breaks(replaying().complete(1), "S9", "without TopicsLive for group:alpha");
        breaks(live().topics_live(&[gamma()]), "S9", "group:gamma, which is not subscribed");
    }

    #[test]
    fn each_mutate_is_completed_once_and_in_order() {
        breaks(live().complete(1), "S9", "more often than it was asked");
        breaks(live().complete(5), "S9", "nobody had sent");
        let script = live().mutate(2, &[], &[alpha()]).mutate(3, &[], &[beta()]);
        breaks(script.complete(3), "S9", "before that of mutate 2");
        let twice = live().mutate(0, &[], &[beta()]).mutate(0, &[], &[gamma()]);
        twice.complete(0).complete(0).acquitted_by(&Waves);
    }

    #[test]
    fn a_removed_topic_may_arrive_until_its_remove_is_acknowledged() {
        let removed = || live().mutate(2, &[], &[alpha()]).live(&[(alpha(), 5)]).complete(2);
        removed().acquitted_by(&Waves);
        breaks(removed().live(&[(alpha(), 6)]), "S5", "had left the stream");
    }

    #[test]
    fn a_remove_and_an_add_from_zero_replay_everything() {
        let script = live().mutate(2, &[], &[alpha()]).mutate(3, &[(alpha(), 0)], &[]).complete(2);
        let script = script.wave(3, &[(alpha(), 1), (alpha(), 4)]).topics_live(&[alpha()]).complete(3);
        script.live(&[(alpha(), 5)]).acquitted_by(&Waves);
        let reset = live().mutate(2, &[(alpha(), 0)], &[alpha()]).live(&[(alpha(), 5)]).wave(2, &[(alpha(), 1)]);
        breaks(reset.live(&[(alpha(), 6)]), "S4", "before the CatchupComplete");
    }

    #[test]
    fn a_re_add_from_the_floor_changes_nothing() {
        let script = live().mutate(2, &[(alpha(), 4)], &[]).live(&[(alpha(), 5)]).complete(2).live(&[(alpha(), 6)]);
        script.acquitted_by(&Waves);
        let again = live().mutate(2, &[(alpha(), 4)], &[]).complete(2).live(&[(alpha(), 4)]);
        breaks(again, "S4", "a second time");
    }

    #[test]
    fn a_re_add_from_below_the_floor_starts_again_in_the_new_wave() {
        let again =
            || live().mutate(2, &[(alpha(), 3)], &[]).live(&[(alpha(), 5)]).wave(2, &[(alpha(), 4), (alpha(), 5)]);
        again().topics_live(&[alpha()]).complete(2).live(&[(alpha(), 6)]).acquitted_by(&Waves);
        breaks(again().wave(2, &[(alpha(), 5)]), "S4", "a second time");
        breaks(live().mutate(2, &[(alpha(), 3)], &[]).topics_live(&[alpha()]).live(&[(alpha(), 4)]), "S4", "#4");
    }

    #[test]
    fn a_re_add_that_meets_a_live_frame_under_way_is_judged_by_the_floor_that_the_node_had() {
        // The tap saw #9 after the Mutate, the node had sent it before: 6 lies below its floor.
        let script = live().mutate(2, &[(alpha(), 6)], &[]).live(&[(alpha(), 9)]).wave(2, &[(alpha(), 9)]);
        script.topics_live(&[alpha()]).complete(2).live(&[(alpha(), 10)]).acquitted_by(&Waves);
    }

    #[test]
    fn a_topic_that_leaves_a_wave_for_another_is_not_replayed_by_both() {
        let both =
            |script: Script| script.mutate(1, &[(alpha(), 5), (beta(), 5)], &[]).wave(1, &[(alpha(), 6), (beta(), 7)]);
        let moved = || both(Script::new().node_starts()).mutate(2, &[(alpha(), 0)], &[]).wave(2, &[(alpha(), 1)]);
        let ended = moved().topics_live(&[beta()]).complete(1).wave(2, &[(alpha(), 6)]).topics_live(&[alpha()]);
        ended.complete(2).acquitted_by(&Waves);
        breaks(moved().wave(1, &[(alpha(), 8)]), "S3", "not in that wave");
    }

    #[test]
    fn a_topic_removed_in_mid_wave_leaves_it() {
        let script = || replaying().wave(1, &[(alpha(), 3)]).mutate(2, &[], &[alpha()]);
        script().complete(2).complete(1).acquitted_by(&Waves);
        breaks(script().complete(2).wave(1, &[(alpha(), 4)]), "S5", "had left the stream");
    }

    #[test]
    fn duplicate_adds_start_from_the_lowest_cursor() {
        let script = Script::new().node_starts().mutate(1, &[(alpha(), 5), (alpha(), 2)], &[]);
        script.wave(1, &[(alpha(), 3)]).topics_live(&[alpha()]).complete(1).acquitted_by(&Waves);
    }

    #[test]
    fn a_history_only_wave_leaves_no_live_topic() {
        let frame =
            XmtpFrame::Mutate { id: MutateId(1), adds: vec![add(alpha(), 0)], removes: Vec::new(), history_only: true };
        let script =
            || Script::new().node_starts().tap(Direction::ToNode, Fate::Passed, frame.clone()).wave(1, &[(alpha(), 1)]);
        script().topics_live(&[alpha()]).complete(1).acquitted_by(&Waves);
        breaks(script().complete(1).live(&[(alpha(), 2)]), "S5", "group:alpha as live");
    }

    #[test]
    fn what_the_node_sent_into_a_silence_counts_and_what_it_never_saw_does_not() {
        let swallowed =
            XmtpFrame::Mutate { id: MutateId(2), adds: vec![], removes: vec![alpha()], history_only: false };
        let script = live().tap(Direction::ToNode, Fate::Swallowed, swallowed);
        script.live(&[(alpha(), 5)]).acquitted_by(&Waves);
        let again = XmtpFrame::CatchupComplete(MutateId(1));
        breaks(live().tap(Direction::ToClient, Fate::Swallowed, again), "S9", "more often");
    }

    #[test]
    fn a_stored_message_that_a_wave_or_the_live_flow_skips_is_condemned() {
        let stored = || Script::new().stored(alpha(), 3).stored(alpha(), 4).stored(beta(), 5);
        let asked = || stored().at(1.0).node_starts().mutate(1, &[(alpha(), 2)], &[]);
        let evidence = breaks(asked().wave(1, &[(alpha(), 4)]), "S4", "had never sent #3 of that topic");
        assert_eq!((evidence.topic, evidence.id), (Some(alpha().to_string()), Some(MessageId(4))));
        breaks(asked().wave(1, &[(alpha(), 3)]).topics_live(&[alpha()]).complete(1), "S4", "without #4 of group:alpha");
        let live = || asked().wave(1, &[(alpha(), 3), (alpha(), 4)]).topics_live(&[alpha()]).complete(1);
        live().stored(alpha(), 6).stored(alpha(), 7).live(&[(alpha(), 6), (alpha(), 7)]).acquitted_by(&Waves);
        breaks(live().stored(alpha(), 6).stored(alpha(), 7).live(&[(alpha(), 7)]), "S4", "had never sent #6");
    }

    #[test]
    fn what_is_stored_after_the_mutate_was_sent_may_come_live() {
        let script = Script::new().node_starts().mutate(1, &[(alpha(), 0)], &[]).stored(alpha(), 1);
        script.topics_live(&[alpha()]).complete(1).live(&[(alpha(), 1)]).acquitted_by(&Waves);
    }

    #[test]
    fn ids_are_nonzero_and_not_shared_by_waves_in_flight() {
        breaks(Script::new().node_starts().mutate(0, &[(alpha(), 0)], &[]), "S3", "whose id is 0");
        breaks(replaying().mutate(1, &[(beta(), 0)], &[]), "S3", "was in flight");
        let again = live().mutate(1, &[(beta(), 0)], &[]).wave(1, &[(beta(), 3)]).topics_live(&[beta()]).complete(1);
        again.acquitted_by(&Waves);
    }

    #[test]
    fn a_frame_that_cannot_be_read_is_condemned() {
        let garbage = || XmtpFrame::Unreadable("not protobuf".into());
        breaks(live().node_sends(garbage()), "S10", "the node sent a frame that cannot be read: not protobuf");
        breaks(live().tap(Direction::ToNode, Fate::Passed, garbage()), "S10", "the client sent");
    }
}
