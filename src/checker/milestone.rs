//! What a sim may promise to happen at least once: a pass proves little where nothing was put to the test.
//!
//! Refuses to judge: a milestone that did not happen makes a trial unknown, not failed.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::cast::HostName;
use crate::channel::{Channel, Position};
use crate::checker::judge::terms;
use crate::fault::{Clause, Fault};
use crate::history::{Beat, CloseReason, EndCause, Event, Fate, History, Record, Terms};

/// The role of proxies, in any subject.
const PROXY: &str = "proxy";

/// Whoever dials says so of a server with which HTTP/2 was not agreed on.
const NO_H2: &str = "no h2 in ALPN";

/// Something that may happen in a trial.
#[derive(Debug)]
pub struct Milestone {
    /// Its name in a sim file.
    pub name: &'static str,
    /// What happens, in one sentence.
    pub sentence: &'static str,
    /// Whether it happened.
    pub happened: fn(&History) -> bool,
}

/// A watchdog tripped, and its client had a stream again later.
pub const RECONNECT_BY_WATCHDOG: Milestone = Milestone {
    name: "reconnect-by-watchdog",
    sentence: "A client whose watchdog tripped had a stream again later.",
    happened: |history| reconnected(history, |event| matches!(event, Event::WatchdogTripped { .. })),
};
/// The proxy answered HTTP/2 PING of a client whose streams it kept silent.
pub const KEEPALIVE_ANSWERED_WHILE_DEAD: Milestone = Milestone {
    name: "keepalive-answered-while-dead",
    sentence: "The proxy answered HTTP/2 PING of a client whose streams it kept silent.",
    happened: answered_while_dead,
};
/// A follower's process was restarted.
pub const CLIENT_RESTARTED: Milestone = Milestone {
    name: "client-restarted",
    sentence: "A client's process was restarted.",
    happened: |history| restarted(history, &followers(history)),
};
/// A process was restarted on a host that stores or serves.
pub const NODE_RESTARTED: Milestone = Milestone {
    name: "node-restarted",
    sentence: "A node's process was restarted.",
    happened: |history| restarted(history, &servers(history)),
};
/// The proxy's process was restarted and carried a stream again.
pub const PROXY_RESTARTED: Milestone = Milestone {
    name: "proxy-restarted",
    sentence: "A proxy's process was restarted and carried a stream again.",
    happened: carried_again,
};
/// Somebody produced a message in a channel whose follower was silenced.
pub const PUBLISHED_INTO_DEAD_WINDOW: Milestone = Milestone {
    name: "published-into-dead-window",
    sentence: "Somebody published to a topic whose follower was silenced.",
    happened: published_into,
};
/// A server closed a stream for want of a Pong.
pub const NODE_REAPED_A_STREAM: Milestone = Milestone {
    name: "node-reaped-a-stream",
    sentence: "A node closed a stream for want of a Pong.",
    happened: |history| closed(history, &CloseReason::Reaped),
};
/// A client waited before it dialed again.
pub const BACKED_OFF: Milestone = Milestone {
    name: "backed-off",
    sentence: "A client waited before it dialed again.",
    happened: |history| any(history, |event| matches!(event, Event::BackingOff { .. })),
};
/// A client whose application was behind gave its stream up, and had one again later.
pub const CONSUMER_BEHIND: Milestone = Milestone {
    name: "consumer-behind",
    sentence: "A client whose application was behind gave its stream up, and had one again later.",
    happened: |history| {
        reconnected(history, |event| matches!(event, Event::LetGo { cause: EndCause::ConsumerBehind, .. }))
    },
};
/// A client that had stood still asked on its stream, and was answered.
pub const STREAM_OUTLIVED_SUSPENSION: Milestone = Milestone {
    name: "stream-outlived-suspension",
    sentence: "A client that had stood still asked whether its stream lived, and was answered.",
    happened: |history| any(history, |event| matches!(event, Event::ProbeAnswered { .. })),
};
/// A client that had stood still was not answered, and had a stream again later.
pub const STALE_STREAM_REPLACED: Milestone = Milestone {
    name: "stale-stream-replaced",
    sentence: "A client that had stood still was not answered on its stream, and had another later.",
    happened: |history| reconnected(history, |event| matches!(event, Event::Ended { cause: EndCause::Stale, .. })),
};
/// A client was told that its edge offers no HTTP/2, and had a stream again later.
pub const TURNED_AWAY_WITHOUT_H2: Milestone = Milestone {
    name: "turned-away-without-h2",
    sentence: "A client was told that h2 was not agreed on by ALPN, and had a stream again later.",
    happened: |history| reconnected(history, was_turned_away_without_h2),
};
/// A server closed a stream because its consumer was too slow.
pub const SLOW_CONSUMER: Milestone = Milestone {
    name: "slow-consumer",
    sentence: "A node closed a stream because its consumer was too slow.",
    happened: |history| closed(history, &CloseReason::TooSlow),
};
/// A node closed a stream because a request broke a rule or a bound.
pub const STREAM_REFUSED: Milestone = Milestone {
    name: "stream-refused",
    sentence: "A node closed a stream because a request broke a rule or a bound.",
    happened: |history| {
        any(history, |event| matches!(event, Event::StreamClosed { reason: CloseReason::Refused(_), .. }))
    },
};
/// A node closed a stream because its caller may not have what it asked for.
pub const TOPIC_DENIED: Milestone = Milestone {
    name: "topic-denied",
    sentence: "A node closed a stream because its caller may not have what it asked for.",
    happened: |history| {
        any(history, |event| matches!(event, Event::StreamClosed { reason: CloseReason::Denied(_), .. }))
    },
};

impl PartialEq for Milestone {
    /// A name is one milestone's.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Milestone {}

impl fmt::Display for Milestone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// Whether any event is like that.
pub(crate) fn any(history: &History, is: impl Fn(&Event) -> bool) -> bool {
    history.records().iter().any(|record| is(&record.event))
}

fn was_turned_away_without_h2(event: &Event) -> bool {
    let Event::Ended { cause: EndCause::DialFailed, words, .. } = event else { return false };
    words.to_string().contains(NO_H2)
}

fn closed(history: &History, why: &CloseReason) -> bool {
    any(history, |event| matches!(event, Event::StreamClosed { reason, .. } if reason == why))
}

/// Whether somebody lost a stream in that way, and had one again later.
fn reconnected(history: &History, lost: impl Fn(&Event) -> bool) -> bool {
    let mut losers = BTreeSet::new();
    history.records().iter().any(|record| {
        if lost(&record.event) {
            losers.insert(&*record.host);
        }
        matches!(record.event, Event::Started { .. }) && losers.contains(&*record.host)
    })
}

fn restarted(history: &History, hosts: &BTreeSet<&str>) -> bool {
    let again = |record: &Record| matches!(record.event, Event::ProcessBegan { incarnation } if incarnation > 1);
    history.records().iter().any(|record| again(record) && hosts.contains(&*record.host))
}

/// The processes of all proxies are numbered in the order in which they began, and each proxy begins once before
/// any begins again.
#[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
fn carried_again(history: &History) -> bool {
    let (mut firsts, mut again) = (0, false);
    history.records().iter().any(|record| match &record.event {
        Event::ProcessBegan { incarnation } if record.host.role() == PROXY => {
            firsts += u32::from(*incarnation == 1);
            again |= *incarnation > 1;
            false
        }
        Event::TapOpened { stream, .. } => again && stream.incarnation > firsts,
        _ => false,
    })
}

fn followers(history: &History) -> BTreeSet<&str> {
    terms(history).into_iter().flat_map(|terms| &terms.followers).map(|(host, _)| &**host).collect()
}

/// The hosts on which something happened that happens only to servers.
fn servers(history: &History) -> BTreeSet<&str> {
    let serves = |record: &&Record| {
        matches!(record.event, Event::Stored { .. } | Event::StreamOpened { .. } | Event::StreamClosed { .. })
    };
    history.records().iter().filter(serves).map(|record| &*record.host).collect()
}

/// A silence, from its begin to its end, and the hosts from whose streams it did swallow something.
pub(crate) struct DeadWindow<'h> {
    clause: &'h Clause,
    ended: Option<Duration>,
    felt: BTreeSet<&'h str>,
}

/// The dead windows so far.
#[derive(Default)]
pub(crate) struct DeadWindows<'h>(Vec<DeadWindow<'h>>);

impl<'h> DeadWindows<'h> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    pub(crate) fn take(&mut self, record: &'h Record) {
        match &record.event {
            Event::FaultBegan(clause) if matches!(clause.fault, Fault::ProxySilence(_)) => {
                self.0.push(DeadWindow { clause, ended: None, felt: BTreeSet::new() });
            }
            Event::FaultEnded { clause, .. } => {
                let ended = self.0.iter_mut().find(|window| window.clause.number == *clause);
                ended.into_iter().for_each(|window| window.ended = Some(record.at));
            }
            Event::Tapped { fate: Fate::Swallowed, .. }
            | Event::Beat {
                beat:
                    Beat::Ping { fate: Fate::Swallowed, .. }
                    | Beat::Pong { fate: Fate::Swallowed, .. }
                    | Beat::Waiting { fate: Fate::Swallowed, .. },
                ..
            } => {
                for window in self.0.iter_mut().filter(|window| window.holds(&record.host)) {
                    window.felt.insert(&record.host);
                }
            }
            _ => {}
        }
    }

    /// Whether `host` felt any of them, and it lasted at that time.
    pub(crate) fn was_dead(&self, host: &str, at: Duration) -> bool {
        self.0.iter().any(|window| window.was_dead(host, at))
    }

    fn any_holds(&self, host: &str) -> bool {
        self.0.iter().any(|window| window.holds(host))
    }
}

impl DeadWindow<'_> {
    /// Whether `host` is silenced now.
    fn holds(&self, host: &str) -> bool {
        self.ended.is_none() && self.clause.fault.falls_on(host)
    }

    /// Whether `host` felt it, and it lasted at that time.
    fn was_dead(&self, host: &str, at: Duration) -> bool {
        self.felt.contains(host) && at >= self.clause.at && self.ended.is_none_or(|ended| at < ended)
    }
}

fn answered_while_dead(history: &History) -> bool {
    let mut windows = DeadWindows::default();
    history.records().iter().any(|record| {
        windows.take(record);
        // A run of beats never spans the begin or the end of a fault.
        matches!(record.event, Event::Beat { beat: Beat::KeepaliveAnswered { .. }, .. })
            && windows.any_holds(&record.host)
    })
}

fn published_into(history: &History) -> bool {
    let Some(terms) = terms(history) else { return false };
    let mut windows = DeadWindows::default();
    history.records().iter().any(|record| {
        windows.take(record);
        matches!(&record.event, Event::Produced { channel: topic, .. } if silenced_followers(terms, topic, &windows))
    })
}

fn silenced_followers(terms: &Terms, topic: &Channel, windows: &DeadWindows<'_>) -> bool {
    let follows = |(host, positions): &(HostName, Vec<Position>)| {
        positions.iter().any(|at| at.channel == *topic) && windows.any_holds(host)
    };
    terms.followers.iter().any(follows)
}
