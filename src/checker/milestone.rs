//! What a sim may promise to happen at least once: a pass proves little where nothing was put to the test.
//!
//! Refuses to judge: a milestone that did not happen makes a trial unknown, not failed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::checker::judge::terms;
use crate::checker::role::Role;
use crate::fault::{Clause, Fault, Way};
use crate::history::{Beat, CloseReason, Event, Fate, Frame, History, Record, Terms};
use crate::subject::xmtp::wire::{Add, MessageId, Tag, Topic};

/// Something that may happen in a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Milestone {
    /// A watchdog tripped, and its client had a stream again later.
    ReconnectByWatchdog,
    /// A wave brought a client what was stored while the proxy kept its streams silent.
    ReplayAcrossDeadWindow,
    /// The proxy answered HTTP/2 PING of a client whose streams it kept silent.
    KeepaliveAnsweredWhileDead,
    /// A follower's process was restarted.
    ClientRestarted,
    /// The node's process was restarted.
    NodeRestarted,
    /// The proxy's process was restarted and carried a stream again.
    ProxyRestarted,
    /// Somebody published to a topic whose follower was silenced.
    PublishedIntoDeadWindow,
    /// The node closed a stream for want of a Pong.
    NodeReapedAStream,
    /// A client waited before it dialled again.
    BackedOff,
    /// A live message was passed to a client.
    LiveDelivery,
    /// A wave's message was passed to a client.
    WaveDelivery,
    /// The node closed a stream because its consumer was too slow.
    SlowConsumer,
}

impl Milestone {
    /// Every milestone.
    pub const ALL: [Milestone; 12] = [
        Milestone::ReconnectByWatchdog,
        Milestone::ReplayAcrossDeadWindow,
        Milestone::KeepaliveAnsweredWhileDead,
        Milestone::ClientRestarted,
        Milestone::NodeRestarted,
        Milestone::ProxyRestarted,
        Milestone::PublishedIntoDeadWindow,
        Milestone::NodeReapedAStream,
        Milestone::BackedOff,
        Milestone::LiveDelivery,
        Milestone::WaveDelivery,
        Milestone::SlowConsumer,
    ];

    /// Its name in a sim file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Milestone::ReconnectByWatchdog => "reconnect-by-watchdog",
            Milestone::ReplayAcrossDeadWindow => "replay-across-dead-window",
            Milestone::KeepaliveAnsweredWhileDead => "keepalive-answered-while-dead",
            Milestone::ClientRestarted => "client-restarted",
            Milestone::NodeRestarted => "node-restarted",
            Milestone::ProxyRestarted => "proxy-restarted",
            Milestone::PublishedIntoDeadWindow => "published-into-dead-window",
            Milestone::NodeReapedAStream => "node-reaped-a-stream",
            Milestone::BackedOff => "backed-off",
            Milestone::LiveDelivery => "live-delivery",
            Milestone::WaveDelivery => "wave-delivery",
            Milestone::SlowConsumer => "slow-consumer",
        }
    }

    /// What happens, in one sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Milestone::ReconnectByWatchdog => "A client whose watchdog tripped had a stream again later.",
            Milestone::ReplayAcrossDeadWindow => {
                "A wave brought a client what was stored while the proxy kept its streams silent."
            }
            Milestone::KeepaliveAnsweredWhileDead => {
                "The proxy answered HTTP/2 PING of a client whose streams it kept silent."
            }
            Milestone::ClientRestarted => "A follower's process was restarted.",
            Milestone::NodeRestarted => "The node's process was restarted.",
            Milestone::ProxyRestarted => "The proxy's process was restarted and carried a stream again.",
            Milestone::PublishedIntoDeadWindow => "Somebody published to a topic whose follower was silenced.",
            Milestone::NodeReapedAStream => "The node closed a stream for want of a Pong.",
            Milestone::BackedOff => "A client waited before it dialled again.",
            Milestone::LiveDelivery => "A live message was passed to a client.",
            Milestone::WaveDelivery => "A wave's message was passed to a client.",
            Milestone::SlowConsumer => "The node closed a stream because its consumer was too slow.",
        }
    }

    /// The milestone of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Milestone> {
        Milestone::ALL.into_iter().find(|milestone| milestone.name() == name)
    }

    /// Whether it happened.
    #[must_use]
    pub fn happened(self, history: &History) -> bool {
        let any = |is: fn(&Event) -> bool| history.records().iter().any(|record| is(&record.event));
        match self {
            Milestone::ReconnectByWatchdog => reconnected(history),
            Milestone::ReplayAcrossDeadWindow => replayed_across(history),
            Milestone::KeepaliveAnsweredWhileDead => answered_while_dead(history),
            Milestone::ClientRestarted => restarted(history, &followers(history)),
            Milestone::NodeRestarted => restarted(history, &nodes(history)),
            Milestone::ProxyRestarted => carried_again(history),
            Milestone::PublishedIntoDeadWindow => published_into(history),
            Milestone::NodeReapedAStream => {
                any(|event| matches!(event, Event::StreamClosed { reason: CloseReason::Reaped, .. }))
            }
            Milestone::BackedOff => any(|event| matches!(event, Event::BackingOff { .. })),
            Milestone::LiveDelivery => any(|event| passed(event).is_some_and(|(tag, _)| tag == Tag::Live)),
            Milestone::WaveDelivery => any(|event| passed(event).is_some_and(|(tag, _)| tag != Tag::Live)),
            Milestone::SlowConsumer => {
                any(|event| matches!(event, Event::StreamClosed { reason: CloseReason::TooSlow, .. }))
            }
        }
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A delivery that was passed to a client, unless it is empty.
fn passed(event: &Event) -> Option<(Tag, &[(Topic, MessageId)])> {
    match event {
        Event::Tapped { way: Way::ToClient, fate: Fate::Passed, frame: Frame::Delivery { tag, messages }, .. }
            if !messages.is_empty() =>
        {
            Some((*tag, messages))
        }
        _ => None,
    }
}

fn reconnected(history: &History) -> bool {
    let mut tripped = BTreeSet::new();
    history.records().iter().any(|record| match &record.event {
        Event::WatchdogTripped { .. } => {
            tripped.insert(&*record.host);
            false
        }
        Event::Started { .. } => tripped.contains(&*record.host),
        _ => false,
    })
}

fn restarted(history: &History, hosts: &BTreeSet<&str>) -> bool {
    let again = |record: &Record| matches!(record.event, Event::ProcessBegan { incarnation } if incarnation > 1);
    history.records().iter().any(|record| again(record) && hosts.contains(&*record.host))
}

/// The processes of all proxies are numbered in the order in which they began, and each proxy begins once before
/// any begins again.
fn carried_again(history: &History) -> bool {
    let (mut firsts, mut again) = (0, false);
    history.records().iter().any(|record| match &record.event {
        Event::ProcessBegan { incarnation } if Role::of(&record.host) == Some(Role::Proxy) => {
            firsts += u32::from(*incarnation == 1);
            again |= *incarnation > 1;
            false
        }
        Event::TapOpened { stream, .. } => again && stream.incarnation > firsts,
        _ => false,
    })
}

fn followers(history: &History) -> BTreeSet<&str> {
    terms(history).into_iter().flat_map(|terms| &terms.subscribers).map(|(host, _)| host.as_str()).collect()
}

/// The hosts on which something happened that happens only to nodes.
fn nodes(history: &History) -> BTreeSet<&str> {
    let serves = |record: &&Record| {
        matches!(record.event, Event::Stored { .. } | Event::StreamOpened { .. } | Event::StreamClosed { .. })
    };
    history.records().iter().filter(serves).map(|record| &*record.host).collect()
}

/// A silence, from its begin to its end, and the hosts from whose streams it did swallow something.
struct Window<'h> {
    clause: &'h Clause,
    ended: Option<Duration>,
    felt: BTreeSet<&'h str>,
}

/// The dead windows so far.
#[derive(Default)]
struct Windows<'h>(Vec<Window<'h>>);

impl<'h> Windows<'h> {
    fn take(&mut self, record: &'h Record) {
        match &record.event {
            Event::FaultBegan(clause) if matches!(clause.fault, Fault::ProxySilence(_)) => {
                self.0.push(Window { clause, ended: None, felt: BTreeSet::new() });
            }
            Event::FaultEnded { clause, .. } => {
                let ended = self.0.iter_mut().find(|window| window.clause.number == *clause);
                ended.into_iter().for_each(|window| window.ended = Some(record.at));
            }
            Event::Tapped { fate: Fate::Swallowed, .. }
            | Event::Beat {
                beat: Beat::Ping { fate: Fate::Swallowed, .. } | Beat::Pong { fate: Fate::Swallowed, .. },
                ..
            } => {
                for window in self.0.iter_mut().filter(|window| window.holds(&record.host)) {
                    window.felt.insert(&record.host);
                }
            }
            _ => {}
        }
    }

    fn any_holds(&self, host: &str) -> bool {
        self.0.iter().any(|window| window.holds(host))
    }
}

impl Window<'_> {
    /// Whether `host` is silenced now.
    fn holds(&self, host: &str) -> bool {
        self.ended.is_none() && self.clause.fault.falls_on(host)
    }

    /// Whether `host` felt it, and it lasted at that time.
    fn was_dead(&self, host: &str, at: Duration) -> bool {
        self.felt.contains(host) && at >= self.clause.at && self.ended.is_none_or(|ended| at < ended)
    }
}

fn replayed_across(history: &History) -> bool {
    let mut windows = Windows::default();
    let mut stored: BTreeMap<(&Topic, MessageId), Duration> = BTreeMap::new();
    for record in history.records() {
        windows.take(record);
        if let Event::Stored { topic, id, .. } = &record.event {
            stored.insert((topic, *id), record.at);
        }
        let Some((Tag::Wave(_), messages)) = passed(&record.event) else { continue };
        let missed = |(topic, id): &(Topic, MessageId)| {
            let at = stored.get(&(topic, *id));
            at.is_some_and(|at| windows.0.iter().any(|window| window.was_dead(&record.host, *at)))
        };
        if messages.iter().any(missed) {
            return true;
        }
    }
    false
}

fn answered_while_dead(history: &History) -> bool {
    let mut windows = Windows::default();
    history.records().iter().any(|record| {
        windows.take(record);
        // A run of beats never spans the begin or the end of a fault.
        matches!(record.event, Event::Beat { beat: Beat::KeepaliveAnswered { .. }, .. })
            && windows.any_holds(&record.host)
    })
}

fn published_into(history: &History) -> bool {
    let Some(terms) = terms(history) else { return false };
    let mut windows = Windows::default();
    history.records().iter().any(|record| {
        windows.take(record);
        matches!(&record.event, Event::Published { topic, .. } if silenced_followers(terms, topic, &windows))
    })
}

fn silenced_followers(terms: &Terms, topic: &Topic, windows: &Windows<'_>) -> bool {
    let follows =
        |(host, adds): &(String, Vec<_>)| adds.iter().any(|add: &Add| add.topic == *topic) && windows.any_holds(host);
    terms.subscribers.iter().any(follows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, STREAM, Script, alpha, beta, key};
    use crate::history::TapStream;

    fn happened(script: Script) -> Vec<Milestone> {
        let history = script.history();
        Milestone::ALL.into_iter().filter(|milestone| milestone.happened(&history)).collect()
    }

    fn began(script: Script, host: &str, incarnation: u32) -> Script {
        script.event(host, Event::ProcessBegan { incarnation })
    }

    fn closed(reason: CloseReason) -> Script {
        Script::new().event(NODE, Event::StreamClosed { stream: 1, reason })
    }

    fn published(script: Script) -> Script {
        script.event("publisher-1", Event::Published { topic: alpha(), key: key(1) })
    }

    /// A silence in which message 1 is stored and its live frame swallowed.
    fn dead_window() -> Script {
        let messages = vec![(alpha(), MessageId(1))];
        let script = Script::new().at(10.0).silence_begins().at(20.0).stored(alpha(), 1);
        script.tap(Way::ToClient, Fate::Swallowed, Frame::Delivery { tag: Tag::Live, messages })
    }

    #[test]
    fn every_milestone_is_found_by_its_name_alone() {
        for milestone in Milestone::ALL {
            assert_eq!(Milestone::find(milestone.name()), Some(milestone));
            let text = serde_json::to_string(&milestone).expect("plain data");
            assert_eq!(text, format!("\"{milestone}\""));
            assert!(milestone.sentence().ends_with('.'));
        }
        assert_eq!(Milestone::find("ReconnectByWatchdog"), None);
    }

    #[test]
    fn nothing_happens_in_an_empty_history() {
        assert_eq!(happened(Script::new()), []);
    }

    #[test]
    fn a_trip_alone_is_no_reconnect() {
        let tripped = |host| {
            let silent_for = Duration::from_secs(90);
            Script::new().started(1).event(host, Event::WatchdogTripped { attempt: 1, silent_for })
        };
        assert_eq!(happened(tripped(CLIENT)), []);
        assert_eq!(happened(tripped("client-2").started(2)), []);
        assert_eq!(happened(tripped(CLIENT).started(2)), [Milestone::ReconnectByWatchdog]);
    }

    #[test]
    fn a_wave_after_the_silence_replays_only_what_was_stored_in_it() {
        let both = [Milestone::ReplayAcrossDeadWindow, Milestone::WaveDelivery];
        assert_eq!(happened(dead_window().at(310.0).silence_ends().wave(1, &[(alpha(), 1)])), both);
        let script = dead_window().at(310.0).silence_ends().stored(beta(), 2).wave(1, &[(beta(), 2)]);
        assert_eq!(happened(script), [Milestone::WaveDelivery]);
    }

    #[test]
    fn a_silence_that_a_client_never_felt_is_no_dead_window() {
        let script = Script::new().at(10.0).silence_begins().stored(alpha(), 1).at(310.0).silence_ends();
        assert_eq!(happened(script.wave(1, &[(alpha(), 1)])), [Milestone::WaveDelivery]);
    }

    #[test]
    fn a_ping_is_answered_while_dead_only_during_a_silence() {
        let answered = Beat::KeepaliveAnswered { incarnation: 1, connection: 1 };
        let during = dead_window().beat(CLIENT, answered);
        assert_eq!(happened(during), [Milestone::KeepaliveAnsweredWhileDead]);
        assert_eq!(happened(dead_window().at(310.0).silence_ends().beat(CLIENT, answered)), []);
        assert_eq!(happened(dead_window().beat("client-2", answered)), []);
    }

    #[test]
    fn a_publish_counts_while_a_follower_of_its_topic_is_silenced() {
        assert_eq!(happened(published(Script::new())), []);
        assert_eq!(happened(published(dead_window())), [Milestone::PublishedIntoDeadWindow]);
        assert_eq!(happened(published(dead_window().at(310.0).silence_ends())), []);
    }

    #[test]
    fn a_restart_is_told_by_whose_process_it_was() {
        assert_eq!(happened(began(Script::new().stored(alpha(), 1), NODE, 1)), []);
        assert_eq!(happened(began(Script::new().stored(alpha(), 1), NODE, 2)), [Milestone::NodeRestarted]);
        assert_eq!(happened(began(Script::new(), CLIENT, 2)), [Milestone::ClientRestarted]);
    }

    #[test]
    fn a_restarted_proxy_is_told_from_the_second_of_two() {
        let carried = |script: Script, incarnation| script.tap_opened(TapStream { incarnation, ..STREAM });
        let one = || began(Script::new(), "proxy", 1);
        assert_eq!(happened(carried(one(), 1)), []);
        assert_eq!(happened(carried(began(one(), "proxy", 2), 2)), [Milestone::ProxyRestarted]);
        assert_eq!(happened(carried(began(one(), "proxy", 2), 1)), [], "what it carried before");
        let two = || began(began(Script::new(), "proxy-1", 1), "proxy-2", 1);
        assert_eq!(happened(carried(two(), 2)), []);
        assert_eq!(happened(carried(began(two(), "proxy-1", 2), 2)), []);
        assert_eq!(happened(carried(began(two(), "proxy-1", 2), 3)), [Milestone::ProxyRestarted]);
    }

    #[test]
    fn closes_deliveries_and_pauses_are_seen() {
        assert_eq!(happened(closed(CloseReason::Reaped)), [Milestone::NodeReapedAStream]);
        assert_eq!(happened(closed(CloseReason::TooSlow)), [Milestone::SlowConsumer]);
        assert_eq!(happened(closed(CloseReason::PeerGone)), []);
        assert_eq!(happened(Script::new().live(&[(alpha(), 1)])), [Milestone::LiveDelivery]);
        assert_eq!(happened(Script::new().live(&[])), []);
        let delay = Duration::from_millis(100);
        assert_eq!(
            happened(Script::new().event(CLIENT, Event::BackingOff { attempt: 1, delay })),
            [Milestone::BackedOff]
        );
    }
}
