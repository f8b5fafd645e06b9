//! What happens to waves while they are in flight: the milestones of streams that change.
//!
//! Refuses to judge. It looks at what the proxy passed on: what was swallowed happened to nobody.

use std::collections::{BTreeMap, BTreeSet};

use crate::channel::{Channel, Position};
use crate::checker::Milestone;
use crate::checker::milestone::any;
use crate::fault::Direction;
use crate::history::{CloseReason, Event, Fate, History, TapStream};
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::wire::{MutateId, Tag};

/// Two waves of one stream took turns.
pub(crate) const WAVES_TAKE_TURNS: Milestone = Milestone {
    name: "waves-take-turns",
    sentence: "Two waves of one stream took turns: an earlier one went on after a later one had begun.",
    happened: |history| InFlight::read(history).took_turns,
};
/// A topic left its wave in mid-wave.
pub(crate) const TOPIC_LEFT_ITS_WAVE: Milestone = Milestone {
    name: "topic-left-its-wave",
    sentence: "A topic was removed, or added again, while its wave was in flight.",
    happened: |history| InFlight::read(history).left,
};
/// A topic was taken back on its stream.
pub(crate) const ADDED_FROM_FURTHER_BACK: Milestone = Milestone {
    name: "added-from-further-back",
    sentence: "A topic that a stream had was added again, from below what it had brought.",
    happened: |history| InFlight::read(history).taken_back,
};
/// A bounded catch-up brought a message.
pub(crate) const BOUNDED_CATCH_UP: Milestone = Milestone {
    name: "bounded-catch-up",
    sentence: "A bounded catch-up (`history_only`) brought a message.",
    happened: |history| InFlight::read(history).bounded,
};
/// A node finished a half-closed stream.
pub(crate) const HALF_CLOSED_STREAM_FINISHED: Milestone = Milestone {
    name: "half-closed-stream-finished",
    sentence: "A node finished a stream that its client had half-closed.",
    happened: |history| {
        any(history, |event| matches!(event, Event::StreamClosed { reason: CloseReason::Finished, .. }))
    },
};

/// One wave that is not complete yet.
struct WaveInFlight<'h> {
    topics: BTreeSet<&'h Channel>,
    bounded: bool,
    /// A wave of a later Mutate has brought something since.
    overtaken: bool,
}

/// The waves of every stream, and what happened to them so far.
#[derive(Default)]
struct InFlight<'h> {
    waves: BTreeMap<TapStream, Vec<(MutateId, WaveInFlight<'h>)>>,
    /// Of each stream the topics that it has, and how far each is.
    held: BTreeMap<TapStream, BTreeMap<&'h Channel, u64>>,
    took_turns: bool,
    left: bool,
    taken_back: bool,
    bounded: bool,
}

impl<'h> InFlight<'h> {
    fn read(history: &'h History) -> Self {
        let mut read = InFlight::default();
        for record in history.records() {
            let Event::Tapped { stream, way, fate: Fate::Passed, frame } = &record.event else { continue };
            let Some(frame) = XmtpFrame::of(frame) else { continue };
            match (way, frame) {
                (Direction::ToNode, XmtpFrame::Mutate { id, adds, removes, history_only }) => {
                    if !history_only {
                        read.hold(*stream, adds, removes);
                    }
                    let topics = adds.iter().map(|add| &add.channel).collect();
                    let gone = removes.iter().chain(adds.iter().map(|add| &add.channel));
                    read.begin(*stream, *id, gone, WaveInFlight { topics, bounded: *history_only, overtaken: false });
                }
                (Direction::ToClient, XmtpFrame::Delivery { tag, messages }) if !messages.is_empty() => {
                    let held = read.held.entry(*stream).or_default();
                    for (topic, id) in messages {
                        held.entry(topic).and_modify(|floor| *floor = id.0.max(*floor));
                    }
                    if let Tag::Wave(id) = tag {
                        read.deliver(*stream, *id);
                    }
                }
                (Direction::ToClient, XmtpFrame::CatchupComplete(id)) => {
                    read.waves.entry(*stream).or_default().retain(|(wave, _)| wave != id);
                }
                _ => {}
            }
        }
        read
    }

    /// Removes come before adds (S5).
    fn hold(&mut self, stream: TapStream, adds: &'h [Position], removes: &'h [Channel]) {
        let held = self.held.entry(stream).or_default();
        held.retain(|topic, _| !removes.contains(topic));
        for add in adds {
            let floor = held.insert(&add.channel, add.cursor.0);
            self.taken_back |= floor.is_some_and(|floor| add.cursor.0 < floor);
        }
    }

    fn begin(
        &mut self,
        stream: TapStream,
        id: MutateId,
        named: impl Iterator<Item = &'h Channel>,
        wave: WaveInFlight<'h>,
    ) {
        let waves = self.waves.entry(stream).or_default();
        for topic in named {
            self.left |= waves.iter().any(|(_, older)| older.topics.contains(topic));
        }
        if !wave.topics.is_empty() {
            waves.push((id, wave));
        }
    }

    fn deliver(&mut self, stream: TapStream, id: MutateId) {
        let waves = self.waves.entry(stream).or_default();
        let Some(place) = waves.iter().position(|(wave, _)| *wave == id) else { return };
        self.took_turns |= waves[place].1.overtaken;
        self.bounded |= waves[place].1.bounded;
        waves[..place].iter_mut().for_each(|(_, older)| older.overtaken = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{NODE, Script, add, alpha, beta};

    fn happened(script: Script) -> Vec<&'static str> {
        let history = script.history();
        let all = [
            &WAVES_TAKE_TURNS,
            &TOPIC_LEFT_ITS_WAVE,
            &ADDED_FROM_FURTHER_BACK,
            &BOUNDED_CATCH_UP,
            &HALF_CLOSED_STREAM_FINISHED,
        ];
        all.iter().filter(|milestone| (milestone.happened)(&history)).map(|milestone| milestone.name).collect()
    }

    fn two_waves() -> Script {
        let script = Script::new().node_starts().mutate(1, &[(alpha(), 0)], &[]).mutate(2, &[(beta(), 0)], &[]);
        script.wave(1, &[(alpha(), 1)]).wave(2, &[(beta(), 2)])
    }

    #[test]
    fn waves_take_turns_where_the_first_goes_on_after_the_second() {
        assert_eq!(happened(two_waves()), [""; 0]);
        assert_eq!(happened(two_waves().wave(1, &[(alpha(), 3)])), [WAVES_TAKE_TURNS.name]);
        assert_eq!(happened(two_waves().wave(2, &[(beta(), 3)])), [""; 0]);
    }

    #[test]
    fn a_topic_leaves_a_wave_only_while_it_is_in_flight() {
        assert_eq!(happened(two_waves().mutate(3, &[], &[alpha()])), [TOPIC_LEFT_ITS_WAVE.name]);
        assert!(happened(two_waves().mutate(3, &[(alpha(), 0)], &[])).contains(&TOPIC_LEFT_ITS_WAVE.name));
        assert_eq!(happened(two_waves().complete(1).mutate(3, &[], &[alpha()])), [""; 0]);
    }

    #[test]
    fn a_bounded_catch_up_counts_if_it_brought_something() {
        let bounded = |script: Script| {
            script.tap(
                Direction::ToNode,
                Fate::Passed,
                XmtpFrame::Mutate {
                    id: MutateId(1),
                    adds: vec![add(alpha(), 0)],
                    removes: Vec::new(),
                    history_only: true,
                },
            )
        };
        assert_eq!(happened(bounded(Script::new().node_starts()).complete(1)), [""; 0]);
        assert_eq!(happened(bounded(Script::new().node_starts()).wave(1, &[(alpha(), 1)])), [BOUNDED_CATCH_UP.name]);
    }

    #[test]
    fn a_stream_that_ended_otherwise_was_not_finished() {
        for (reason, names) in
            [(CloseReason::Finished, vec![HALF_CLOSED_STREAM_FINISHED.name]), (CloseReason::PeerGone, Vec::new())]
        {
            assert_eq!(happened(Script::new().event(NODE, Event::StreamClosed { stream: 1, reason })), names);
        }
    }

    #[test]
    fn a_topic_is_taken_back_where_it_is_added_from_below_what_it_brought() {
        let brought = || Script::new().node_starts().mutate(1, &[(alpha(), 1)], &[]).wave(1, &[(alpha(), 4)]);
        let name = ADDED_FROM_FURTHER_BACK.name;
        assert!(happened(brought().mutate(2, &[(alpha(), 3)], &[])).contains(&name));
        assert!(!happened(brought().mutate(2, &[(alpha(), 4)], &[])).contains(&name));
        assert!(!happened(brought().mutate(2, &[(alpha(), 3)], &[alpha()])).contains(&name), "a reset");
    }
}
