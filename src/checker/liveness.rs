//! Judges liveness: a dead stream is noticed in time, a healthy one is never given up, and Pings are answered.
//!
//! Refuses to know what a client believed: the silence that it reports of itself is not looked at. Heard is
//! what reached it (Started, and the runs of `Heard`) and what the tap passed on to it, plus the travel. A client
//! that stands still need not notice anything, and is bound anew from its return on; one that gives up a stream
//! whose frames may have been late by a fault's doing is not to blame ([`Excuses`]).
//!
//! On an older call, which has no heartbeat, what a client committed is what it heard ([`OlderCalls`]).
//!
//! Repeated beats are folded into runs, and a gap within a run cannot be seen. That hides no dead stream
//! that stays dead, because a run tells when it stopped, and none whose fault healed, because a fault's
//! begin and end stand between two runs.
//!
//! ```text
//!            Opened                      heard: the bound starts anew
//!   nothing ────────▶ watched ──────────────────────┐
//!      ▲                 │  ▲                       │
//!      │                 │  └───────────────────────┘
//!      └─────────────────┘ Ended, killed, or the trial's end: not later than the bound
//! ```

mod older;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::excuse::Excuses;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::liveness::older::OlderCalls;
use crate::checker::suspicion::Suspicion;
use crate::checker::{Evidence, Requirement, Verdict};
use crate::fault::Direction;
use crate::grammar::Readable;
use crate::history::{Beat, CloseReason, EndCause, Event, Fate, History, Record, TapStream, Terms};

/// What a client may take to notice, to close and to be observed, beyond the intervals and the travel.
const SLACK: Duration = Duration::from_secs(1);

/// The interval that a client assumes until a node advertises one (C2).
const ASSUMED: Duration = Duration::from_secs(30);

/// The judge of liveness, and what of a subject each breach is against.
pub struct Liveness {
    /// Everything that it judges.
    pub cites: &'static [Requirement],
    /// Who hears nothing gives up in time, from the dial on; a healthy stream is never given up.
    pub watchdog: Requirement,
    /// A client answers heartbeats.
    pub pong: Requirement,
    /// Who follows an older call, which has no heartbeat, is under a watchdog, too; none where a subject has none.
    pub older: Option<Requirement>,
}

impl Checker for Liveness {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn promises(&self) -> &'static str {
        "A stream on which nothing arrives is given up in time, a healthy one never, and a client answers its Pings."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut watch = Watch::new(self, terms, Excuses::read(history));
        for (index, record) in history.records().iter().enumerate() {
            watch.take(index, record);
        }
        watch.close(history.records())
    }
}

/// Something that reached a client, not later than `at`.
#[derive(Clone, Copy)]
struct Sign {
    at: Duration,
    index: usize,
}

/// A client's attempt, from Dialing to Opened, and from there to Ended.
struct Attempt {
    number: u64,
    begun: usize,
    started: bool,
    last: Sign,
    /// It was silent for too long already; one breach tells enough.
    condemned: bool,
}

#[derive(Default)]
struct WatchedClient {
    attempt: Option<Attempt>,
    /// A stream of its was opened, and one was welcomed.
    opened: bool,
    started: bool,
    /// The newest subscription that the tap knows of this host.
    stream: Option<TapStream>,
    /// The last thing that the tap passed to the client on it, by the tap's time.
    passed: Option<Sign>,
}

struct Watch<'h> {
    laws: &'h Liveness,
    terms: &'h Terms,
    excuses: Excuses<'h>,
    clients: BTreeMap<&'h str, WatchedClient>,
    suspicion: Suspicion<'h>,
    older: OlderCalls<'h>,
    first: Option<Evidence>,
    opened: u64,
    tripped: u64,
    reaped: u64,
    longest: Duration,
}

impl<'h> Watch<'h> {
    fn new(laws: &'h Liveness, terms: &'h Terms, excuses: Excuses<'h>) -> Self {
        Watch {
            laws,
            terms,
            excuses,
            clients: BTreeMap::new(),
            suspicion: Suspicion::new(laws.pong, terms),
            older: OlderCalls::new(laws.older, terms),
            first: None,
            opened: 0,
            tripped: 0,
            reaped: 0,
            longest: Duration::ZERO,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) {
        match &record.event {
            // Nothing is heard while it dials, either. The older calls are opened without a word.
            Event::Dialing { attempt } if self.terms.old_servers => self.older.dial(index, record, *attempt),
            Event::Dialing { attempt } => self.begin(index, record, *attempt),
            Event::Opened { attempt, .. } => {
                self.opened += 1;
                self.clients.entry(&record.host).or_default().opened = true;
                self.older.open(&record.host);
                self.begin(index, record, *attempt);
            }
            Event::Started { attempt } => self.start(index, record, *attempt),
            Event::Delivered { messages, .. } => {
                let late = self.older.deliver(index, record, messages, &self.excuses);
                self.condemn(late);
            }
            // What a client still hands on of a stream that it has let go of is no stream.
            Event::Ended { cause, .. } | Event::LetGo { cause, .. } => {
                self.suspicion.leave(&record.host);
                self.end(index, record, Some(*cause));
            }
            Event::ProcessKilled => {
                self.suspicion.kill(&record.host);
                self.end(index, record, None);
            }
            Event::WatchdogTripped { attempt, .. } => self.trip(index, record, *attempt),
            Event::TapOpened { stream, .. } => {
                let client = self.clients.entry(&record.host).or_default();
                (client.stream, client.passed) = (Some(*stream), None);
                self.suspicion.open(index, &record.host, *stream);
            }
            Event::Tapped { stream, way, fate, .. } => self.tap(index, record, *stream, (*way, *fate)),
            Event::TapClosed { stream, .. } => self.suspicion.excuse(*stream),
            Event::StreamClosed { reason: CloseReason::Reaped, .. } => {
                self.reaped += 1;
                self.suspicion.reap(index, record, &self.excuses);
            }
            Event::Beat { beat, .. } => self.beat(index, record, *beat),
            event @ (Event::FaultBegan(_) | Event::FaultEnded { .. }) => self.suspicion.hear(event),
            _ => {}
        }
    }

    fn beat(&mut self, index: usize, record: &'h Record, beat: Beat) {
        match beat {
            Beat::Heard { attempt } => self.hear(index, record, Some(attempt), Duration::ZERO),
            Beat::Ping { stream, way, fate } => {
                self.tap(index, record, stream, (way, fate));
                if (way, fate) == (Direction::ToClient, Fate::Passed) {
                    self.suspicion.ping(index, record, stream);
                }
            }
            Beat::Pong { stream, way, fate } => {
                // The client's answer counts, whatever the proxy makes of it.
                if way == Direction::ToNode {
                    self.suspicion.pong(record, stream);
                }
                self.tap(index, record, stream, (way, fate));
            }
            // A sign of life that asks for none.
            Beat::Waiting { stream, fate } => self.tap(index, record, stream, (Direction::ToClient, fate)),
            // The proxy's own answer: the very thing that must not count as a sign of life.
            Beat::KeepaliveAnswered { .. } | Beat::Received { .. } => {}
        }
    }

    fn tap(&mut self, index: usize, record: &'h Record, stream: TapStream, (way, fate): (Direction, Fate)) {
        match (way, fate) {
            (_, Fate::Swallowed) => self.suspicion.excuse(stream),
            (Direction::ToNode, Fate::Passed) => {}
            (Direction::ToClient, Fate::Passed) => {
                let client = self.clients.entry(&record.host).or_default();
                if client.stream == Some(stream) {
                    client.passed = Some(Sign { at: record.until, index });
                    self.hear(index, record, None, self.terms.travel);
                }
            }
        }
    }

    fn begin(&mut self, index: usize, record: &'h Record, number: u64) {
        self.check_silence(index, &record.host, record.at);
        let last = Sign { at: record.at, index };
        let attempt = Attempt { number, begun: index, started: false, last, condemned: false };
        self.clients.entry(&record.host).or_default().attempt = Some(attempt);
    }

    fn start(&mut self, index: usize, record: &'h Record, number: u64) {
        self.older.start(index, record);
        self.hear(index, record, Some(number), Duration::ZERO);
        let client = self.clients.entry(&record.host).or_default();
        client.started = true;
        if let Some(attempt) = client.attempt.as_mut().filter(|attempt| attempt.number == number) {
            attempt.started = true;
        }
    }

    /// Something arrived within `travel` of the record's times, on the attempt of that number or, where
    /// the tap saw it, on the newest.
    fn hear(&mut self, index: usize, record: &'h Record, number: Option<u64>, travel: Duration) {
        self.check_silence(index, &record.host, record.at);
        let Some(attempt) = self.clients.get_mut(&*record.host).and_then(|client| client.attempt.as_mut()) else {
            return;
        };
        if number.is_none_or(|number| number == attempt.number) {
            let at = attempt.last.at.max(record.until + travel);
            attempt.last = Sign { at, index };
        }
    }

    /// It ended for that cause; none where its process died.
    fn end(&mut self, index: usize, record: &'h Record, cause: Option<EndCause>) {
        let unlawful = self.older.end(index, record, cause, &self.excuses);
        self.condemn(unlawful);
        self.check_silence(index, &record.host, record.at);
        if let Some(client) = self.clients.get_mut(&*record.host) {
            client.attempt = None;
        }
    }

    /// The attempt of `host` still stands at `now`: was the silence before too long (C2)?
    fn check_silence(&mut self, index: usize, host: &'h str, now: Duration) {
        let Some(attempt) = self.clients.get_mut(host).and_then(|client| client.attempt.as_mut()) else { return };
        let interval = if attempt.started { self.terms.keepalive } else { self.terms.keepalive.max(ASSUMED) };
        let patience = interval * self.terms.intervals;
        // What was on its way when the silence began, and what the client sends when it gives up.
        let bound = patience + SLACK + self.terms.travel * 2;
        let since = self.excuses.running_since(host, attempt.last.at, now);
        let silent = now.saturating_sub(since);
        self.longest = self.longest.max(silent);
        if attempt.condemned || silent <= bound {
            return;
        }
        attempt.condemned = true;
        let what = format!(
            "{host} heard nothing on attempt {} from {} on and still held it {} later; {} intervals allow {}",
            attempt.number,
            Readable(since),
            Readable(silent),
            self.terms.intervals,
            Readable(patience)
        );
        let proof = [attempt.begun, attempt.last.index, index];
        let evidence = Evidence::at(since + bound, host, self.laws.watchdog, what).with(proof);
        self.condemn(Some(evidence));
    }

    /// The watchdog gave a stream up: was it really silent (C2)?
    fn trip(&mut self, index: usize, record: &'h Record, number: u64) {
        self.tripped += 1;
        let client = self.clients.entry(&record.host).or_default();
        let Some(passed) = client.passed else { return };
        let started = client.attempt.as_ref().is_some_and(|attempt| attempt.started);
        let interval = if started { self.terms.keepalive } else { self.terms.keepalive.min(ASSUMED) };
        let patience = interval * self.terms.intervals;
        let silent = record.at.saturating_sub(passed.at);
        if silent >= patience.saturating_sub(self.terms.travel + SLACK)
            || self.excuses.disturbed(&record.host, passed.at, record.at)
        {
            return;
        }
        let what = format!(
            "{} gave attempt {number} up as dead, but the proxy had passed a frame to it {} before; {} intervals \
                are {}",
            record.host,
            Readable(silent),
            self.terms.intervals,
            Readable(patience)
        );
        self.condemn(Some(Evidence::new(index, record, self.laws.watchdog, what).with([passed.index])));
    }

    /// The earliest breach is told.
    fn condemn(&mut self, found: Option<Evidence>) {
        let held = self.first.as_ref();
        if found.as_ref().is_some_and(|found| held.is_none_or(|held| found.at < held.at)) {
            self.first = found;
        }
    }

    fn close(mut self, records: &[Record]) -> Verdict {
        let last = records.len().saturating_sub(1);
        let hosts: Vec<&str> = self.clients.keys().copied().collect();
        for host in hosts {
            self.check_silence(last, host, self.terms.end);
        }
        for host in self.older.hosts() {
            let late = self.older.check(last, host, self.terms.end, &self.excuses);
            self.condemn(late);
        }
        let unseen = self.unseen();
        let unanswered = self.suspicion.close();
        self.condemn(unanswered);
        match (self.first, unseen) {
            (Some(evidence), _) => Verdict::Fail(evidence),
            (None, _) if self.opened == 0 => Verdict::unknown("no client opened a stream"),
            (None, Some(unseen)) => Verdict::unknown(unseen),
            (None, None) => Verdict::Pass {
                seen: format!(
                    "streams opened: {}, longest silence: {}, given up by a watchdog: {} (healthy: 0), closed for \
                        want of a Pong: {} (the client's fault: 0)",
                    self.opened,
                    Readable(self.longest),
                    self.tripped,
                    self.reaped
                ),
            },
        }
    }
}

impl Watch<'_> {
    /// What of the evidence never arrived, of any follower; one that is no host follows by another's stream.
    fn unseen(&self) -> Option<String> {
        let mut hosts = self.terms.followers.iter().filter(|(host, _)| self.terms.cast.find(host).is_some());
        hosts.find_map(|(host, _)| {
            let client = self.clients.get(&**host).filter(|client| client.opened);
            let Some(client) = client else { return Some(format!("{host} never opened a stream")) };
            let tapped = self.terms.cast.find(host).is_some_and(|member| member.abilities.streams);
            (tapped && client.started && client.stream.is_none()).then(|| {
                format!("the proxy saw no stream of {host}, so nothing was judged of its Pongs and of healthy streams")
            })
        })
    }
}

#[cfg(test)]
mod tests;
