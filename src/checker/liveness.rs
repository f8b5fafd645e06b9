//! Judges liveness: a dead stream is noticed in time, a healthy one is never given up, and Pings are answered.
//!
//! Refuses to know what a client believed: the silence that it reports of itself is not looked at. Heard is
//! what reached it (Started, and the runs of `Heard`) and what the tap passed on to it, plus the travel. A client
//! that stands still need not notice anything, and is bound anew from its return on; one that gives up a stream
//! whose frames may have been late by a fault's doing is not to blame ([`Excuses`]).
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

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::excuse::Excuses;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::suspicion::Suspicion;
use crate::checker::{Evidence, Requirement, Verdict};
use crate::fault::Direction;
use crate::grammar::Readable;
use crate::history::{Beat, CloseReason, Event, Fate, History, Record, TapStream, Terms};

/// What a client may take to notice, to close and to be observed, beyond the intervals and the travel.
const SLACK: Duration = Duration::from_secs(1);

/// The interval that a client assumes until a node advertises one (C2).
const ASSUMED: Duration = Duration::from_secs(30);

/// The judge of liveness, and what of a subject each breach is against.
pub struct Liveness {
    /// Everything that it judges.
    pub cites: &'static [Requirement],
    /// A dead stream is given up in time, a healthy one never.
    pub watchdog: Requirement,
    /// A client answers heartbeats.
    pub pong: Requirement,
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
            Event::Dialing { attempt } if !self.terms.old_servers => self.begin(index, record, *attempt),
            Event::Opened { attempt, .. } => {
                self.opened += 1;
                self.clients.entry(&record.host).or_default().opened = true;
                self.begin(index, record, *attempt);
            }
            Event::Started { attempt } => self.start(index, record, *attempt),
            // What a client still hands on of a stream that it has let go of is no stream.
            Event::Ended { .. } | Event::LetGo { .. } => {
                self.suspicion.leave(&record.host);
                self.end(index, record);
            }
            Event::ProcessKilled => {
                self.suspicion.kill(&record.host);
                self.end(index, record);
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

    fn end(&mut self, index: usize, record: &'h Record) {
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
        let evidence = Evidence {
            at: since + bound,
            requirement: self.laws.watchdog.number.to_owned(),
            host: host.to_owned(),
            topic: None,
            id: None,
            what,
            records: vec![attempt.begun],
        };
        keep_earlier(&mut self.first, evidence.with([attempt.last.index, index]));
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
        keep_earlier(&mut self.first, Evidence::new(index, record, self.laws.watchdog, what).with([passed.index]));
    }

    fn close(mut self, records: &[Record]) -> Verdict {
        let last = records.len().saturating_sub(1);
        let hosts: Vec<&str> = self.clients.keys().copied().collect();
        for host in hosts {
            self.check_silence(last, host, self.terms.end);
        }
        let unseen = self.unseen();
        if let Some(evidence) = self.suspicion.close() {
            keep_earlier(&mut self.first, evidence);
        }
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

fn keep_earlier(first: &mut Option<Evidence>, found: Evidence) {
    if first.as_ref().is_none_or(|held| found.at < held.at) {
        *first = Some(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, STREAM, Script, host, partition, pause, suspend};
    use crate::fault::Fault;
    use crate::fault::Kind;
    use crate::fault::kinds::ProcessKill;
    use crate::history::EndCause;
    use crate::subject::xmtp::checker::LIVENESS;
    use crate::subject::xmtp::frame::XmtpFrame;
    use crate::subject::xmtp::wire::MutateId;
    use crate::subject::xmtp::wire::SUBSCRIBE_PATH;

    const PING: Beat = Beat::Ping { stream: STREAM, way: Direction::ToClient, fate: Fate::Passed };
    const PONG: Beat = Beat::Pong { stream: STREAM, way: Direction::ToNode, fate: Fate::Passed };

    /// A stream opened at 1 s, started at 1.1 s.
    fn running() -> Script {
        Script::new().at(1.0).opened(1).tap_opened(STREAM).node_starts().at(1.1).started(1)
    }

    fn tripped(script: Script) -> Script {
        let silent_for = Duration::from_secs(90);
        script.event(CLIENT, Event::WatchdogTripped { attempt: 1, silent_for })
    }

    fn reaped(script: Script) -> Script {
        script.event(NODE, Event::StreamClosed { stream: 1, reason: CloseReason::Reaped })
    }

    fn beaten(script: Script, from: u32, to: u32) -> Script {
        (from..to).fold(script, |script, n| {
            let at = f64::from(n) * 30.0;
            script.at(at).beat(CLIENT, PING).at(at + 0.02).beat(CLIENT, Beat::Heard { attempt: 1 }).beat(CLIENT, PONG)
        })
    }

    #[test]
    fn a_stream_that_beats_to_the_end_is_acquitted() {
        let seen = beaten(running(), 1, 24).acquitted_by(&LIVENESS);
        assert!(seen.starts_with("streams opened: 1,") && seen.contains("given up by a watchdog: 0"), "{seen}");
    }

    #[test]
    fn a_dead_stream_given_up_in_time_is_acquitted() {
        let script = tripped(beaten(running(), 1, 4).at(180.1)).ended(1);
        assert!(script.acquitted_by(&LIVENESS).contains("given up by a watchdog: 1"));
    }

    #[test]
    fn who_dials_for_ever_is_condemned() {
        let dials = || Script::new().at(1.0).dialing(1);
        let opens = dials().at(20.0).opened(1).tap_opened(STREAM).node_starts().at(21.0).started(1).at(60.0).ended(1);
        opens.acquitted_by(&LIVENESS);
        let evidence = dials().at(200.0).ended(1).at(201.0).dialing(2).opened(2).condemned_by(&LIVENESS);
        assert!(evidence.what.starts_with("client-1 heard nothing on attempt 1 from 1s on"), "{}", evidence.what);
        dials().condemned_by(&LIVENESS);
    }

    #[test]
    fn what_is_still_handed_on_of_a_stream_that_was_let_go_of_is_no_stream() {
        let held = |script: Script| script.at(700.0).ended(1);
        let let_go = Event::LetGo { attempt: 1, cause: EndCause::ConsumerBehind };
        held(beaten(running(), 1, 4).event(CLIENT, let_go)).acquitted_by(&LIVENESS);
        held(beaten(running(), 1, 4)).condemned_by(&LIVENESS);
    }

    #[test]
    fn a_history_without_streams_is_unknown() {
        assert_eq!(Script::new().puzzles(&LIVENESS), "no client opened a stream");
        assert_eq!(LIVENESS.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }

    #[test]
    fn a_client_of_which_nothing_was_seen_leaves_it_unknown() {
        let history = Script::new().history();
        let mut terms = terms(&history).expect("a script has terms").clone();
        terms.followers.push(("client-2".into(), Vec::new()));
        let idle = Script::on(terms).at(1.0).opened(1).tap_opened(STREAM).at(80.0).ended(1);
        assert_eq!(idle.puzzles(&LIVENESS), "client-2 never opened a stream");
        let untapped = Script::new().at(1.0).opened(1).started(1).at(80.0).ended(1);
        assert!(untapped.puzzles(&LIVENESS).starts_with("the proxy saw no stream of client-1"));
    }

    #[test]
    fn a_dead_stream_that_is_held_to_the_end_is_condemned_when_the_bound_ran_out() {
        let evidence = beaten(running(), 1, 4).condemned_by(&LIVENESS);
        // Last passed at 90 s; travel 50 ms, three intervals of 30 s, 1.1 s of slack.
        assert_eq!((evidence.requirement.as_str(), evidence.at), ("C2", Duration::from_millis(181_150)));
        assert!(
            evidence.what.starts_with("client-1 heard nothing on attempt 1 from 1m 30.05s on"),
            "{}",
            evidence.what
        );
    }

    #[test]
    fn a_dead_stream_that_came_to_life_again_had_to_be_given_up_all_the_same() {
        let script = beaten(running(), 1, 4).at(95.0).silence_begins().at(395.0).silence_ends();
        let evidence = beaten(script, 14, 24).condemned_by(&LIVENESS);
        assert_eq!(evidence.at, Duration::from_millis(181_150));
    }

    #[test]
    fn a_dead_stream_given_up_late_is_condemned() {
        let script = tripped(beaten(running(), 1, 4).at(185.0)).ended(1);
        assert!(script.condemned_by(&LIVENESS).what.contains("still held it 1m 34.95s later"));
    }

    #[test]
    fn a_killed_client_need_not_notice() {
        beaten(running(), 1, 4).at(120.0).event(CLIENT, Event::ProcessKilled).acquitted_by(&LIVENESS);
    }

    #[test]
    fn http2_pings_answered_by_the_proxy_are_no_sign_of_life() {
        let answered = Beat::KeepaliveAnswered { incarnation: 1, connection: 1 };
        let script = (4..60)
            .fold(beaten(running(), 1, 4), |script, n| script.at(f64::from(n) * 10.0 + 80.0).beat(CLIENT, answered));
        assert_eq!(script.condemned_by(&LIVENESS).at, Duration::from_millis(181_150));
    }

    #[test]
    fn until_started_the_assumed_interval_counts() {
        let history = Script::new().history();
        let mut terms = terms(&history).expect("a script has terms").clone();
        terms.keepalive = Duration::from_secs(5);
        let script = || Script::on(terms.clone()).at(1.0).opened(1).tap_opened(STREAM);
        script().at(91.0).ended(1).acquitted_by(&LIVENESS);
        assert_eq!(script().at(95.0).ended(1).condemned_by(&LIVENESS).at, Duration::from_millis(92_100));
        script().at(1.5).started(1).at(17.0).ended(1).acquitted_by(&LIVENESS);
        assert_eq!(script().at(1.5).started(1).at(18.0).ended(1).condemned_by(&LIVENESS).requirement, "C2");
    }

    #[test]
    fn a_healthy_stream_given_up_is_condemned() {
        let script = tripped(running().at(60.0).complete(1).at(121.0)).ended(1);
        let evidence = script.condemned_by(&LIVENESS);
        assert_eq!((evidence.requirement.as_str(), evidence.at.as_secs()), ("C2", 121));
        assert!(evidence.what.contains("had passed a frame to it 1m 1s before"), "{}", evidence.what);
    }

    #[test]
    fn swallowed_frames_do_not_make_a_stream_healthy() {
        let swallowed = XmtpFrame::CatchupComplete(MutateId(1));
        let script = running().at(60.0).tap(Direction::ToClient, Fate::Swallowed, swallowed);
        tripped(script.at(91.1)).ended(1).acquitted_by(&LIVENESS);
    }

    #[test]
    fn a_client_that_withholds_its_pong_is_condemned() {
        let script = running().at(31.0).beat(CLIENT, PING).at(31.02).heard(1).at(61.0);
        let evidence = reaped(script).ended(1).condemned_by(&LIVENESS);
        assert_eq!((evidence.requirement.as_str(), evidence.host.as_str()), ("C1", CLIENT));
        assert!(evidence.what.contains("the Ping of 31s on stream 1.1.1 go unanswered for 30s"), "{}", evidence.what);
    }

    #[test]
    fn a_visitor_owes_no_pong_on_a_stream_before_its_newest() {
        const VISITOR: &str = "visitor-1";
        let newer = TapStream { stream: 3, ..STREAM };
        let on = |script: Script, stream| {
            let ping = Beat::Ping { stream, way: Direction::ToClient, fate: Fate::Passed };
            let path = SUBSCRIBE_PATH.to_owned();
            script.event(VISITOR, Event::TapOpened { stream, path }).at(31.0).beat(VISITOR, ping)
        };
        let left =
            on(running(), STREAM).event(VISITOR, Event::TapOpened { stream: newer, path: SUBSCRIBE_PATH.into() });
        reaped(left.tap_closed(VISITOR, newer).at(61.0)).ended(1).acquitted_by(&LIVENESS);
        assert_eq!(reaped(on(running(), STREAM).at(61.0)).ended(1).condemned_by(&LIVENESS).host, VISITOR);
    }

    #[test]
    fn a_client_behind_a_silence_or_killed_is_not_to_blame_for_its_pong() {
        let pinged = || running().at(31.0).beat(CLIENT, PING);
        let swallowed = Beat::Pong { stream: STREAM, way: Direction::ToNode, fate: Fate::Swallowed };
        reaped(pinged().at(31.02).beat(CLIENT, swallowed).at(61.0)).ended(1).acquitted_by(&LIVENESS);
        reaped(pinged().at(40.0).event(CLIENT, Event::ProcessKilled).at(61.0)).acquitted_by(&LIVENESS);
        // A path that comes to life after its client has left it; the client answers where it is.
        let late = TapStream { stream: STREAM.stream + 2, ..STREAM };
        let ping = Beat::Ping { stream: late, way: Direction::ToClient, fate: Fate::Passed };
        reaped(running().tap_opened(late).at(31.0).beat(CLIENT, ping).at(61.0)).ended(1).acquitted_by(&LIVENESS);
        // It has left: the Ping that nobody answers meets nobody.
        reaped(pinged().at(40.0).ended(1).at(61.0)).acquitted_by(&LIVENESS);
        reaped(pinged().at(40.0).event("proxy", Event::ProcessKilled).at(61.0)).ended(1).acquitted_by(&LIVENESS);
    }

    /// Beats until 90 s, and from 100 s to 400 s that fault.
    fn struck(fault: Fault) -> Script {
        beaten(running(), 1, 4).at(100.0).fault_begins(1, fault).at(400.0).fault_ends(1)
    }

    fn cut() -> Fault {
        partition(CLIENT, "proxy")
    }

    #[test]
    fn a_client_that_stands_still_notices_nothing_and_is_bound_anew_when_it_goes_on() {
        for fault in [pause(CLIENT), suspend(CLIENT)] {
            tripped(struck(fault.clone()).at(490.0)).ended(1).acquitted_by(&LIVENESS);
            let evidence = struck(fault).condemned_by(&LIVENESS);
            // From 400 s on: three intervals of 30 s, 1.1 s of slack.
            assert_eq!((evidence.requirement.as_str(), evidence.at), ("C2", Duration::from_millis(491_100)));
            assert!(evidence.what.contains("from 6m 40s on"), "{}", evidence.what);
        }
    }

    #[test]
    fn neither_a_partition_nor_anything_that_befalls_others_excuses_a_client_that_notices_nothing() {
        let killed = ProcessKill { point: None }.on(host("proxy"));
        for fault in [cut(), killed, pause("proxy"), suspend("client-2")] {
            assert_eq!(struck(fault).condemned_by(&LIVENESS).at, Duration::from_millis(181_150));
        }
    }

    #[test]
    fn a_stream_whose_frames_were_held_up_may_be_given_up_until_tcp_has_recovered() {
        // The proxy passes Pings into a partition, and for a while after it.
        let passed = |fault: Fault, until: f64| {
            let pinged = beaten(running(), 1, 4).at(100.0).fault_begins(1, fault).at(until - 10.0);
            tripped(pinged.beat(CLIENT, PING).at(until)).ended(1)
        };
        passed(cut(), 180.0).acquitted_by(&LIVENESS);
        passed(pause("proxy-2"), 180.0).acquitted_by(&LIVENESS);
        passed(pause("client-2"), 180.0).condemned_by(&LIVENESS);
        let healed = |at: f64| {
            let script = running().at(10.0).fault_begins(1, cut()).at(40.0).fault_ends(1);
            tripped(script.at(at - 10.0).beat(CLIENT, PING).at(at)).ended(1)
        };
        healed(92.0).acquitted_by(&LIVENESS);
        let late =
            running().at(10.0).fault_begins(1, cut()).at(40.0).fault_ends(1).at(80.0).heard(1).at(150.0).heard(1);
        let evidence = tripped(late.at(165.0).beat(CLIENT, PING).at(180.0)).ended(1).condemned_by(&LIVENESS);
        assert!(evidence.what.contains("had passed a frame to it 15s before"), "{}", evidence.what);
    }

    #[test]
    fn a_client_that_stands_still_or_is_cut_off_is_not_to_blame_for_its_pong() {
        let pinged = |fault| running().at(20.0).fault_begins(1, fault).at(31.0).beat(CLIENT, PING);
        for fault in [cut(), suspend(CLIENT), pause(CLIENT), pause(NODE)] {
            reaped(pinged(fault).at(61.0)).ended(1).acquitted_by(&LIVENESS);
        }
        reaped(pinged(pause("client-2")).at(61.0)).ended(1).condemned_by(&LIVENESS);
    }

    #[test]
    fn a_client_that_withholds_its_pong_after_the_recovery_is_condemned() {
        let script = || running().at(5.0).fault_begins(1, cut()).at(10.0).fault_ends(1);
        let withheld = |at: f64, script| reaped(beaten(script, 1, 5).at(at).beat(CLIENT, PING).at(at + 30.0)).ended(1);
        assert_eq!(withheld(131.0, script()).condemned_by(&LIVENESS).requirement, "C1");
        withheld(129.0, script()).acquitted_by(&LIVENESS);
    }

    #[test]
    fn with_several_proxies_and_nodes_a_publishers_death_excuses_nobody() {
        let pinged = || running().at(31.0).beat(CLIENT, PING).at(40.0);
        reaped(pinged().event("publisher-1", Event::ProcessKilled).at(61.0)).ended(1).condemned_by(&LIVENESS);
        reaped(pinged().event("node-3", Event::ProcessKilled).at(61.0)).ended(1).acquitted_by(&LIVENESS);
        reaped(pinged().event("proxy-2", Event::ProcessKilled).at(61.0)).ended(1).acquitted_by(&LIVENESS);
    }

    #[test]
    fn a_bystander_whose_pong_is_under_way_is_not_to_blame() {
        let script = reaped(running().at(31.0).beat(CLIENT, PING).at(31.01)).at(31.03).beat(CLIENT, PONG);
        script.ended(1).acquitted_by(&LIVENESS);
        let script = reaped(running().at(31.0).beat(CLIENT, PING).at(50.0)).at(55.0).beat(CLIENT, PONG);
        script.ended(1).acquitted_by(&LIVENESS);
    }
}
