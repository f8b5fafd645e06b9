//! The milestones of this subject's sims: the generic ones, and those that only its frames tell.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::channel::{Channel, MessageId};
use crate::checker::Milestone;
use crate::checker::milestone::{
    BACKED_OFF, CLIENT_RESTARTED, CONSUMER_BEHIND, DeadWindows, KEEPALIVE_ANSWERED_WHILE_DEAD, NODE_REAPED_A_STREAM,
    NODE_RESTARTED, PROXY_RESTARTED, PUBLISHED_INTO_DEAD_WINDOW, RECONNECT_BY_WATCHDOG, SLOW_CONSUMER,
    STALE_STREAM_REPLACED, STREAM_OUTLIVED_SUSPENSION, STREAM_REFUSED, TOPIC_DENIED, TURNED_AWAY_WITHOUT_H2, any,
};
use crate::fault::Direction;
use crate::history::{Event, Fate, History};
use crate::subject::xmtp::fallback_milestones::{FELL_BACK, SUBSCRIBED_AGAIN};
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::wave_milestones::{
    ADDED_FROM_FURTHER_BACK, BOUNDED_CATCH_UP, HALF_CLOSED_STREAM_FINISHED, TOPIC_LEFT_ITS_WAVE, WAVES_TAKE_TURNS,
};
use crate::subject::xmtp::wire::Tag;

/// Every milestone.
pub(crate) const MILESTONES: &[&Milestone] = &[
    &RECONNECT_BY_WATCHDOG,
    &REPLAY_ACROSS_DEAD_WINDOW,
    &KEEPALIVE_ANSWERED_WHILE_DEAD,
    &CLIENT_RESTARTED,
    &NODE_RESTARTED,
    &PROXY_RESTARTED,
    &PUBLISHED_INTO_DEAD_WINDOW,
    &NODE_REAPED_A_STREAM,
    &BACKED_OFF,
    &LIVE_DELIVERY,
    &WAVE_DELIVERY,
    &SLOW_CONSUMER,
    &STREAM_REFUSED,
    &TOPIC_DENIED,
    &TURNED_AWAY_WITHOUT_H2,
    &CONSUMER_BEHIND,
    &STREAM_OUTLIVED_SUSPENSION,
    &STALE_STREAM_REPLACED,
    &WAVES_TAKE_TURNS,
    &TOPIC_LEFT_ITS_WAVE,
    &ADDED_FROM_FURTHER_BACK,
    &BOUNDED_CATCH_UP,
    &HALF_CLOSED_STREAM_FINISHED,
    &FELL_BACK,
    &SUBSCRIBED_AGAIN,
];

/// A wave brought a client what was stored while the proxy kept its streams silent.
const REPLAY_ACROSS_DEAD_WINDOW: Milestone = Milestone {
    name: "replay-across-dead-window",
    sentence: "A wave brought a client what was stored while the proxy kept its streams silent.",
    happened: replayed_across,
};
/// A live message was passed to a client.
const LIVE_DELIVERY: Milestone = Milestone {
    name: "live-delivery",
    sentence: "A live message was passed to a client.",
    happened: |history| any(history, |event| passed(event).is_some_and(|(tag, _)| tag == Tag::Live)),
};
/// A wave's message was passed to a client.
const WAVE_DELIVERY: Milestone = Milestone {
    name: "wave-delivery",
    sentence: "A wave's message was passed to a client.",
    happened: |history| any(history, |event| matches!(passed(event), Some((Tag::Wave(_), _)))),
};

/// A delivery that was passed to a client, unless it is empty.
fn passed(event: &Event) -> Option<(Tag, &[(Channel, MessageId)])> {
    let Event::Tapped { way: Direction::ToClient, fate: Fate::Passed, frame, .. } = event else { return None };
    match XmtpFrame::of(frame)? {
        XmtpFrame::Delivery { tag, messages } if !messages.is_empty() => Some((*tag, messages)),
        XmtpFrame::Delivery { .. }
        | XmtpFrame::Mutate { .. }
        | XmtpFrame::Started { .. }
        | XmtpFrame::TopicsLive(_)
        | XmtpFrame::CatchupComplete(_)
        | XmtpFrame::Unreadable(_)
        | XmtpFrame::DraftRequest { .. }
        | XmtpFrame::DraftCatchupComplete
        | XmtpFrame::OlderCall { .. } => None,
    }
}

fn replayed_across(history: &History) -> bool {
    let mut windows = DeadWindows::default();
    let mut stored: BTreeMap<(&Channel, MessageId), Duration> = BTreeMap::new();
    for record in history.records() {
        windows.take(record);
        if let Event::Stored { channel: topic, id, .. } = &record.event {
            stored.insert((topic, *id), record.at);
        }
        // What is not told apart came from a wave as well, if it was stored in such a window.
        let Some((Tag::Wave(_) | Tag::Untold, messages)) = passed(&record.event) else { continue };
        let missed = |(topic, id): &(Channel, MessageId)| {
            let at = stored.get(&(topic, *id));
            at.is_some_and(|at| windows.was_dead(&record.host, *at))
        };
        if messages.iter().any(missed) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::MessageId;
    use crate::checker::script::{CLIENT, NODE, STREAM, Script, alpha, beta, key};
    use crate::fault::Direction;
    use crate::history::{Beat, CloseReason, EndCause, Event, Fate, TapStream};

    fn happened(script: Script) -> Vec<&'static str> {
        let history = script.history();
        MILESTONES.iter().filter(|milestone| (milestone.happened)(&history)).map(|milestone| milestone.name).collect()
    }

    fn began(script: Script, host: &str, incarnation: u32) -> Script {
        script.event(host, Event::ProcessBegan { incarnation })
    }

    fn closed(reason: CloseReason) -> Script {
        Script::new().event(NODE, Event::StreamClosed { stream: 1, reason })
    }

    fn published(script: Script) -> Script {
        script.event("publisher-1", Event::Produced { channel: alpha(), key: key(1) })
    }

    /// A silence in which message 1 is stored and its live frame swallowed.
    fn dead_window() -> Script {
        let messages = vec![(alpha(), MessageId(1))];
        let script = Script::new().at(10.0).silence_begins().at(20.0).stored(alpha(), 1);
        script.tap(Direction::ToClient, Fate::Swallowed, XmtpFrame::Delivery { tag: Tag::Live, messages })
    }

    #[test]
    fn every_milestone_has_a_name_of_its_own_and_a_sentence() {
        for (index, milestone) in MILESTONES.iter().enumerate() {
            assert!(MILESTONES[..index].iter().all(|other| other.name != milestone.name), "{milestone}");
            assert!(milestone.sentence.ends_with('.'));
        }
    }

    #[test]
    fn nothing_happens_in_an_empty_history() {
        assert_eq!(happened(Script::new()), [""; 0]);
    }

    #[test]
    fn a_trip_alone_is_no_reconnect() {
        let tripped = |host| {
            let silent_for = Duration::from_secs(90);
            Script::new().started(1).event(host, Event::WatchdogTripped { attempt: 1, silent_for })
        };
        assert_eq!(happened(tripped(CLIENT)), [""; 0]);
        assert_eq!(happened(tripped("client-2").started(2)), [""; 0]);
        assert_eq!(happened(tripped(CLIENT).started(2)), [RECONNECT_BY_WATCHDOG.name]);
    }

    #[test]
    fn a_suspension_is_over_when_a_stream_answers_or_another_one_starts() {
        let asked = || Script::new().started(1).event(CLIENT, Event::Probed { attempt: 1 });
        assert_eq!(happened(asked()), [""; 0]);
        let answered = asked().event(CLIENT, Event::ProbeAnswered { attempt: 1 });
        assert_eq!(happened(answered), [STREAM_OUTLIVED_SUSPENSION.name]);
        let stale =
            || asked().event(CLIENT, Event::Ended { attempt: 1, cause: EndCause::Stale, words: "stale".into() });
        assert_eq!(happened(stale()), [""; 0]);
        assert_eq!(happened(stale().started(2)), [STALE_STREAM_REPLACED.name]);
    }

    #[test]
    fn who_was_told_that_there_is_no_h2_had_a_stream_again_later() {
        let ended = |words: &str| {
            let words = format!("dial failed: dial proxy:5555: {words}").into();
            Script::new().event(CLIENT, Event::Ended { attempt: 1, cause: EndCause::DialFailed, words })
        };
        let turned_away = || ended("TLS with the server: no h2 in ALPN: it chose none");
        assert_eq!(happened(turned_away()), [""; 0]);
        assert_eq!(happened(turned_away().started(2)), [TURNED_AWAY_WITHOUT_H2.name]);
        assert_eq!(happened(ended("connection refused").started(2)), [""; 0]);
    }

    #[test]
    fn a_wave_after_the_silence_replays_only_what_was_stored_in_it() {
        let both = [REPLAY_ACROSS_DEAD_WINDOW.name, WAVE_DELIVERY.name];
        assert_eq!(happened(dead_window().at(310.0).silence_ends().wave(1, &[(alpha(), 1)])), both);
        let script = dead_window().at(310.0).silence_ends().stored(beta(), 2).wave(1, &[(beta(), 2)]);
        assert_eq!(happened(script), [WAVE_DELIVERY.name]);
    }

    #[test]
    fn a_silence_that_a_client_never_felt_is_no_dead_window() {
        let script = Script::new().at(10.0).silence_begins().stored(alpha(), 1).at(310.0).silence_ends();
        assert_eq!(happened(script.wave(1, &[(alpha(), 1)])), [WAVE_DELIVERY.name]);
    }

    #[test]
    fn a_ping_is_answered_while_dead_only_during_a_silence() {
        let answered = Beat::KeepaliveAnswered { incarnation: 1, connection: 1 };
        let during = dead_window().beat(CLIENT, answered);
        assert_eq!(happened(during), [KEEPALIVE_ANSWERED_WHILE_DEAD.name]);
        assert_eq!(happened(dead_window().at(310.0).silence_ends().beat(CLIENT, answered)), [""; 0]);
        assert_eq!(happened(dead_window().beat("client-2", answered)), [""; 0]);
    }

    #[test]
    fn a_publish_counts_while_a_follower_of_its_topic_is_silenced() {
        assert_eq!(happened(published(Script::new())), [""; 0]);
        assert_eq!(happened(published(dead_window())), [PUBLISHED_INTO_DEAD_WINDOW.name]);
        assert_eq!(happened(published(dead_window().at(310.0).silence_ends())), [""; 0]);
    }

    #[test]
    fn a_restart_is_told_by_whose_process_it_was() {
        assert_eq!(happened(began(Script::new().stored(alpha(), 1), NODE, 1)), [""; 0]);
        assert_eq!(happened(began(Script::new().stored(alpha(), 1), NODE, 2)), [NODE_RESTARTED.name]);
        assert_eq!(happened(began(Script::new(), CLIENT, 2)), [CLIENT_RESTARTED.name]);
    }

    #[test]
    fn a_restarted_proxy_is_told_from_the_second_of_two() {
        let carried = |script: Script, incarnation| script.tap_opened(TapStream { incarnation, ..STREAM });
        let one = || began(Script::new(), "proxy", 1);
        assert_eq!(happened(carried(one(), 1)), [""; 0]);
        assert_eq!(happened(carried(began(one(), "proxy", 2), 2)), [PROXY_RESTARTED.name]);
        assert_eq!(happened(carried(began(one(), "proxy", 2), 1)), [""; 0], "what it carried before");
        let two = || began(began(Script::new(), "proxy-1", 1), "proxy-2", 1);
        assert_eq!(happened(carried(two(), 2)), [""; 0]);
        assert_eq!(happened(carried(began(two(), "proxy-1", 2), 2)), [""; 0]);
        assert_eq!(happened(carried(began(two(), "proxy-1", 2), 3)), [PROXY_RESTARTED.name]);
    }

    #[test]
    fn closes_deliveries_and_pauses_are_seen() {
        assert_eq!(happened(closed(CloseReason::Reaped)), [NODE_REAPED_A_STREAM.name]);
        assert_eq!(happened(closed(CloseReason::TooSlow)), [SLOW_CONSUMER.name]);
        assert_eq!(happened(closed(CloseReason::Refused("too many".into()))), [STREAM_REFUSED.name]);
        assert_eq!(happened(closed(CloseReason::Denied("a topic".into()))), [TOPIC_DENIED.name]);
        assert_eq!(happened(closed(CloseReason::PeerGone)), [""; 0]);
        assert_eq!(happened(Script::new().live(&[(alpha(), 1)])), [LIVE_DELIVERY.name]);
        assert_eq!(happened(Script::new().live(&[])), [""; 0]);
        let delay = Duration::from_millis(100);
        assert_eq!(happened(Script::new().event(CLIENT, Event::BackingOff { attempt: 1, delay })), [BACKED_OFF.name]);
    }
}
