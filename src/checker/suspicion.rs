//! Finds the client that let a node's Ping go unanswered until the node closed its stream (C1, S6).
//!
//! Refuses to know which of the tap's streams the node closed: the node counts its streams in its own way.
//! So each open stream with an unanswered Ping is a suspect, and a Pong in time clears it. A stream from
//! which the proxy swallowed anything is never one, nor is one whose client, or whose path, was killed, nor one
//! whose Ping or Pong may have been late by a fault's doing.
//!
//! ```text
//!              Ping to the client                 the node reaped a stream
//!   answered ────────────────────▶ unanswered ───────────────────────────▶ suspect ──▶ guilty
//!      ▲  ▲            Pong            │          (a prompt Pong was due)      │
//!      │  └────────────────────────────┘                                       │
//!      └───────────────────────────────────────────────────────────────────────┘ Pong in time
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::excuse::Excuses;
use crate::checker::{Evidence, Requirement};
use crate::fault::{Clause, Fault};
use crate::grammar::Readable;
use crate::history::{Event, Record, TapStream, Terms};

/// The longest that a client may think before its Pong is on its way: it answers inside, without
/// asking its application, so one second is generous.
const THOUGHT: Duration = Duration::from_secs(1);

/// What is known of one open stream.
struct Pinged<'h> {
    host: &'h str,
    opened: usize,
    /// The last Ping that went on to the client, and its record.
    ping: Option<(Duration, usize)>,
}

struct Suspect {
    /// A Pong up to here clears it.
    until: Duration,
    evidence: Evidence,
}

/// All streams that may yet prove a client silent.
pub(crate) struct Suspicion<'h> {
    requirement: Requirement,
    terms: &'h Terms,
    streams: BTreeMap<TapStream, Pinged<'h>>,
    suspects: BTreeMap<TapStream, Suspect>,
    /// Faults that have begun by which a proxy keeps things back.
    kept_back: BTreeMap<u32, &'h Fault>,
}

impl<'h> Suspicion<'h> {
    pub(crate) fn new(requirement: Requirement, terms: &'h Terms) -> Self {
        Suspicion {
            requirement,
            terms,
            streams: BTreeMap::new(),
            suspects: BTreeMap::new(),
            kept_back: BTreeMap::new(),
        }
    }

    pub(crate) fn open(&mut self, index: usize, host: &'h str, stream: TapStream) {
        // Only a follower tells when it lets go of a stream; whoever else opens another has done so.
        if self.is_stranger(host) {
            self.leave(host);
            if self.kept_back.values().any(|fault| fault.meets(host, &self.terms.cast)) {
                return;
            }
        }
        self.streams.insert(stream, Pinged { host, opened: index, ping: None });
    }

    /// A fault began or ended. Behind a silence nobody sees that somebody leaves who does not tell.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    pub(crate) fn hear(&mut self, event: &'h Event) {
        match event {
            Event::FaultBegan(Clause { number, fault, .. }) if fault.keeps_back() => {
                self.kept_back.insert(*number, fault);
                let met: Vec<_> = self.streams.values().map(|pinged| pinged.host).collect();
                let strangers =
                    met.into_iter().filter(|host| self.is_stranger(host) && fault.meets(host, &self.terms.cast));
                strangers.collect::<Vec<_>>().into_iter().for_each(|host| self.leave(host));
            }
            Event::FaultEnded { clause, .. } => drop(self.kept_back.remove(clause)),
            _ => {}
        }
    }

    fn is_stranger(&self, host: &str) -> bool {
        !self.terms.followers.iter().any(|(follower, _)| **follower == *host)
    }

    /// The stream has ended, or the proxy swallowed something of it: its silence proves nothing.
    pub(crate) fn excuse(&mut self, stream: TapStream) {
        self.streams.remove(&stream);
    }

    /// A client has let go of every stream that it had. One of them may live on between the proxy and the node, where
    /// nobody hears its Pings, until the proxy learns that the connection is gone: after a lost FIN that takes as long
    /// as TCP retransmits.
    pub(crate) fn leave(&mut self, host: &str) {
        self.streams.retain(|_, pinged| pinged.host != host);
    }

    /// A process was killed. A client takes its own streams with it; a proxy or a node may have been a part of
    /// every stream's path.
    pub(crate) fn kill(&mut self, host: &str) {
        let on_every_path = self.terms.cast.carries_streams(host);
        self.streams.retain(|_, pinged| !on_every_path && pinged.host != host);
    }

    /// A Ping went on to the client, last in the run of beats that `record` is.
    pub(crate) fn ping(&mut self, index: usize, record: &Record, stream: TapStream) {
        if let Some(pinged) = self.streams.get_mut(&stream) {
            pinged.ping = Some((record.until, index));
        }
    }

    /// A Pong came from the client. Pings of one stream never overlap, so the last Pong answers the last
    /// Ping unless that is younger.
    pub(crate) fn pong(&mut self, record: &Record, stream: TapStream) {
        if let Some(pinged) = self.streams.get_mut(&stream) {
            pinged.ping = pinged.ping.filter(|(at, _)| *at > record.until);
        }
        if self.suspects.get(&stream).is_some_and(|suspect| record.at <= suspect.until) {
            self.suspects.remove(&stream);
        }
    }

    /// A node closed a stream for want of a Pong. With several nodes it may be another's that is suspected; but
    /// whoever leaves a Ping unanswered for so long is to blame, whichever node asked.
    pub(crate) fn reap(&mut self, index: usize, record: &Record, excuses: &Excuses<'_>) {
        // A deadline below the thought's second would blame nobody; half of it is then prompt enough.
        let prompt = THOUGHT.min(self.terms.keepalive / 2) + self.terms.travel * 2;
        for (stream, pinged) in &self.streams {
            let Some((at, ping)) = pinged.ping else { continue };
            let silent = record.at.saturating_sub(at);
            let host = pinged.host;
            let is_late = excuses.disturbed(host, at, record.at) || excuses.kept_back(host, at, record.at);
            if silent <= prompt || is_late || self.holds_another(host) {
                continue;
            }
            let what = format!(
                "{} let the Ping of {} on {stream} go unanswered for {}, until {} closed a stream for want of a Pong",
                pinged.host,
                Readable(at),
                Readable(silent),
                record.host
            );
            let evidence =
                Evidence { host: pinged.host.to_owned(), ..Evidence::new(index, record, self.requirement, what) };
            let evidence = evidence.with([pinged.opened, ping]);
            let until = at + self.terms.pong_deadline() + self.terms.travel;
            self.suspects.entry(*stream).or_insert(Suspect { until, evidence });
        }
    }

    /// Whether a stream of that host has no unanswered Ping: a client holds one stream at a time, so it is that one,
    /// and the others are of attempts that it gave up before their path came to life (a proxy that stood still accepts
    /// them all at once).
    fn holds_another(&self, host: &str) -> bool {
        self.streams.values().any(|pinged| pinged.host == host && pinged.ping.is_none())
    }

    /// The first of those that no Pong has cleared.
    pub(crate) fn close(&self) -> Option<Evidence> {
        self.suspects.values().map(|suspect| &suspect.evidence).min_by_key(|evidence| evidence.at).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, STREAM, Script, host};
    use crate::checker::{Checker, Verdict};
    use crate::fault::Kind;
    use crate::fault::kinds::{ProxySettings, ProxySilence};
    use crate::fault::{Direction, StreamAim};
    use crate::history::{Beat, CloseReason, Fate};
    use crate::subject::xmtp::checker::LIVENESS;
    use crate::subject::xmtp::wire::SUBSCRIBE_PATH;

    const VISITOR: &str = "visitor-1";

    /// A visitor has a stream, and leaves a Ping unanswered at last; in between that happens.
    fn blames(between: impl FnOnce(Script) -> Script) -> bool {
        blames_host(VISITOR, between)
    }

    fn blames_host(whom: &str, between: impl FnOnce(Script) -> Script) -> bool {
        let opened = Event::TapOpened { stream: STREAM, path: SUBSCRIBE_PATH.to_owned() };
        let script = between(Script::new().all_begin().at(1.0).event(whom, opened).node_starts().at(10.0));
        let script =
            script.at(331.0).beat(whom, Beat::Ping { stream: STREAM, way: Direction::ToClient, fate: Fate::Passed });
        let closed = Event::StreamClosed { stream: 1, reason: CloseReason::Reaped };
        let verdict = LIVENESS.judge(&script.at(361.0).event(NODE, closed).history());
        matches!(verdict, Verdict::Fail(evidence) if evidence.host == whom)
    }

    #[test]
    fn nobody_is_blamed_for_a_pong_that_a_proxy_kept_back() {
        fn windows(on: &str) -> Fault {
            ProxySettings::Changed { max_concurrent_streams: None, initial_window: Some(1) }.on(host(on))
        }
        let blames = |between: fn(Script) -> Script| blames_host(CLIENT, between);
        assert!(blames(|script| script));
        assert!(!blames(|script| script.at(300.0).fault_begins(1, windows(CLIENT))));
        assert!(!blames(|script| script.at(300.0).fault_begins(1, windows(NODE)).at(331.0).fault_ends(1)));
        assert!(blames(|script| script.at(300.0).fault_begins(1, windows("client-2"))));
        assert!(blames(|script| script.at(300.0).fault_begins(1, windows(NODE)).at(330.9).fault_ends(1)));
    }

    #[test]
    fn a_visitor_may_have_left_behind_a_silence() {
        let silence = |on| ProxySilence { way: Some(Direction::ToNode), aim: StreamAim::default() }.on(host(on));
        assert!(blames(|script| script));
        assert!(!blames(|script| script.fault_begins(1, silence(VISITOR)).at(20.0).fault_ends(1)));
        assert!(blames(|script| script.fault_begins(1, silence("client-1")).at(20.0).fault_ends(1)));
    }
}
