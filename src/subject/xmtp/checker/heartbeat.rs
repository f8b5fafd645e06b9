//! Judges the node's heartbeat (S6): an idle stream is pinged in time and not before, none is closed for want of a Pong
//! that came, and none is served whose Pong does not come.
//!
//! Refuses to know the node's own times: it sees what the tap saw, so it leaves half an interval for what a lost segment
//! may take, and excuses what a fault may have made late. A stream of which the proxy swallowed anything is not judged,
//! nor is a silence after a delivery: a client that does not read holds up the node's Pings, too.
//!
//! Which of the tap's streams a node closed nobody says. So a close for want of a Pong is judged as long as nothing has
//! happened that leaves a node with a stream whose client is gone: then some client must owe a Pong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::excuse::Excuses;
use crate::checker::judge::{NO_TERMS, terms, where_served};
use crate::checker::{Checker, Evidence, Requirement, Verdict};
use crate::fault::{Direction, Fault};
use crate::grammar::Readable;
use crate::history::{Beat, CloseReason, Event, Fate, History, Record, TapStream, Terms};
use crate::subject::xmtp::checker::EXAMINER;
use crate::subject::xmtp::checker::heard_stream::{HeardStream, Sent};
use crate::subject::xmtp::checker::owed_pongs::OwedPongs;
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::spec::{S1, S6, T2, T3, T4};
use crate::subject::xmtp::wire::Dialect;

/// What a short interval leaves for the way, beyond half of it.
const SLACK: Duration = Duration::from_secs(1);
/// The least that a long way may take beyond the interval: a segment that is lost a few times in a row.
const LATE_MIN: Duration = Duration::from_secs(5);

/// How long the first frame of a stream may take on a healthy way: dialing through a proxy, a lost segment or two.
const WELCOME_MAX: Duration = Duration::from_secs(10);
/// Intervals go over the wire in milliseconds.
const WIRE_UNIT: Duration = Duration::from_millis(1);

/// See the module.
pub struct Heartbeat;

impl Checker for Heartbeat {
    fn name(&self) -> &'static str {
        "heartbeat"
    }

    fn promises(&self) -> &'static str {
        "A node welcomes a stream at once with the interval that it keeps, pings an idle one in time and not before, \
            and closes a stream whose Pong does not come, and no other for that."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[S1, S6, T2, T3, T4]
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut book = HeartbeatBook::new(terms, Excuses::read(history));
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        where_served(Some(terms), book.close(history.records()))
    }
}

struct HeartbeatBook<'h> {
    terms: &'h Terms,
    excuses: Excuses<'h>,
    streams: BTreeMap<TapStream, HeardStream<'h>>,
    /// The faults that last by which proxies keep things back, by the numbers of their clauses.
    silences: BTreeMap<u32, &'h Fault>,
    /// So long what one of them kept back may come all at once.
    recovers_until: Duration,
    owed: OwedPongs<'h>,
    /// A node may have a stream whose client is gone, or is about to.
    bereft: bool,
    opened: u64,
    /// Silences that were measured.
    judged: u64,
    pings: u64,
    reaped: u64,
}

impl<'h> HeartbeatBook<'h> {
    fn new(terms: &'h Terms, excuses: Excuses<'h>) -> Self {
        let (streams, silences) = (BTreeMap::new(), BTreeMap::new());
        // An examiner lets streams die on purpose, and no tap tells of them.
        let bereft = !terms.cast.of_role(EXAMINER).is_empty();
        HeartbeatBook {
            terms,
            excuses,
            streams,
            silences,
            recovers_until: Duration::ZERO,
            owed: OwedPongs::default(),
            bereft,
            opened: 0,
            judged: 0,
            pings: 0,
            reaped: 0,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        self.owed.take(self.terms, &self.excuses, index, record)?;
        match &record.event {
            Event::TapOpened { stream, path } => {
                self.opened += 1;
                let (host, dialect) = (&record.host, Dialect::of_path(path).unwrap_or_default());
                let opened = (record.at, index);
                self.streams.insert(
                    *stream,
                    HeardStream {
                        host,
                        dialect,
                        opened,
                        last: None,
                        unanswered: None,
                        excused: self.is_kept_back(host, record.at),
                    },
                );
            }
            Event::TapClosed { stream, .. } => return self.end(index, record, |(at, _)| at == stream),
            Event::Ended { .. } | Event::LetGo { .. } => {
                self.bereft = true;
                return self.end(index, record, |(_, held)| *held.host == *record.host);
            }
            Event::ProcessKilled | Event::PowerFailed => {
                self.bereft = true;
                let carries = self.terms.cast.carries_streams(&record.host);
                self.streams.retain(|_, held| !carries && *held.host != *record.host);
            }
            Event::FaultBegan(clause) => {
                self.bereft = true;
                if clause.fault.keeps_back() {
                    self.silences.insert(clause.number, &clause.fault);
                    self.forget_silenced(&clause.fault);
                }
            }
            Event::FaultEnded { clause, .. } => self.hear_again(*clause, record.at),
            Event::StreamClosed { reason: CloseReason::Reaped, .. } => return self.reap(index, record),
            Event::Tapped { stream, way, fate, frame } => {
                let is_delivery = matches!(XmtpFrame::of(frame), Some(XmtpFrame::Delivery { .. }));
                if let Some(XmtpFrame::Started { keepalive }) = XmtpFrame::of(frame) {
                    self.check_interval(index, record, *stream, *keepalive)?;
                }
                return self.pass(index, record, *stream, (*way, *fate), is_delivery);
            }
            Event::Beat { beat: Beat::Ping { stream, way, fate }, .. } => {
                if (*way, *fate) == (Direction::ToClient, Fate::Passed) {
                    self.ping(index, record, *stream)?;
                }
                return self.pass(index, record, *stream, (*way, *fate), false);
            }
            Event::Beat { beat: Beat::Waiting { stream, fate }, .. } => {
                if *fate == Fate::Passed {
                    self.ping(index, record, *stream)?;
                }
                return self.pass(index, record, *stream, (Direction::ToClient, *fate), false);
            }
            Event::Beat { beat: Beat::Pong { stream, way, fate }, .. } => {
                if let Some(held) = self.streams.get_mut(stream).filter(|_| *way == Direction::ToNode) {
                    // Pings of one stream never overlap: the last Pong answers the last Ping that is not younger.
                    held.unanswered = held.unanswered.filter(|at| *at > record.until);
                }
                return self.pass(index, record, *stream, (*way, *fate), false);
            }
            _ => {}
        }
        Ok(())
    }

    /// A fault has ended.
    fn hear_again(&mut self, clause: u32, now: Duration) {
        let Some(fault) = self.silences.remove(&clause) else { return };
        self.forget_silenced(fault);
        if !matches!(fault, Fault::ProxySilence(_)) {
            // What was kept back comes all at once.
            self.recovers_until = now + self.terms.keepalive;
        }
    }

    /// A silent proxy may swallow a stream's end, too, which no tap tells: whether the stream lives nobody knows then.
    /// What is kept back otherwise comes late, or comes no more: of such a stream nothing is owed until it speaks again.
    fn forget_silenced(&mut self, fault: &Fault) {
        if let Fault::ProxySilence(_) = fault {
            self.streams.retain(|_, held| !fault.meets(held.host, &self.terms.cast));
        } else {
            for held in self.streams.values_mut().filter(|held| fault.meets(held.host, &self.terms.cast)) {
                (held.last, held.excused) = (None, true);
            }
        }
    }

    /// Whether what comes to that host is kept back at that time, or was until just now, and nobody is told.
    fn is_kept_back(&self, host: &str, now: Duration) -> bool {
        let mut others = self.silences.values().filter(|fault| !matches!(fault, Fault::ProxySilence(_)));
        now < self.recovers_until || others.any(|fault| fault.meets(host, &self.terms.cast))
    }

    /// A frame passed, or was swallowed.
    fn pass(
        &mut self,
        index: usize,
        record: &'h Record,
        stream: TapStream,
        (way, fate): (Direction, Fate),
        is_delivery: bool,
    ) -> Result<(), Box<Evidence>> {
        if fate == Fate::Swallowed {
            self.bereft = true;
            self.streams.remove(&stream);
            return Ok(());
        }
        if way == Direction::ToClient
            && let Some(held) = self.streams.get(&stream)
        {
            self.check_silence(index, stream, held, record.at)?;
            self.judged += u64::from(held.last.is_some());
            let at = held.last.map_or(record.until, |last| last.at.max(record.until));
            let last = Some(Sent { began: record.at, at, index, is_delivery });
            let excused = self.is_kept_back(held.host, record.at);
            self.streams.entry(stream).and_modify(|held| (held.last, held.excused) = (last, excused));
        }
        Ok(())
    }

    /// A Ping, or a run of them, went on to the client.
    fn ping(&mut self, index: usize, record: &'h Record, stream: TapStream) -> Result<(), Box<Evidence>> {
        self.pings += record.count;
        if self.terms.silent_servers {
            return Err(breaks_silence(index, record, "pinged"));
        }
        let kept_back = self.streams.get(&stream).is_some_and(|held| self.is_kept_back(held.host, record.at));
        let Some(held) = self.streams.get_mut(&stream) else { return Ok(()) };
        held.unanswered = held.dialect.has_pongs().then_some(record.until);
        if kept_back || held.excused {
            return Ok(());
        }
        let Some(last) = held.last else { return Ok(()) };
        let between = record.count.saturating_sub(1).try_into().ok().filter(|between| *between > 0);
        let apart = between.map(|between: u32| (record.until - record.at) / between);
        let gap = apart.unwrap_or(Duration::MAX).min(record.at.saturating_sub(last.before(record.at)));
        if gap + self.terms.travel * 2 + SLACK >= self.terms.keepalive / 2
            || self.excuses.disturbed(held.host, last.before(record.at), record.until)
        {
            return Ok(());
        }
        let heard = if held.dialect.has_pongs() { "was pinged" } else { "heard WAITING" };
        let what = format!(
            "{} {heard} on {stream} {} after the frame before; a node pings when nothing was sent for {}",
            held.host,
            Readable(gap),
            Readable(self.terms.keepalive)
        );
        Err(Box::new(Evidence::new(index, record, T3, what).with([last.index])))
    }

    /// Streams of that kind have ended; nothing may have been missing before.
    fn end(
        &mut self,
        index: usize,
        record: &'h Record,
        ends: impl Fn((&TapStream, &HeardStream<'h>)) -> bool,
    ) -> Result<(), Box<Evidence>> {
        for (stream, held) in self.streams.iter().filter(|(stream, held)| ends((stream, held))) {
            self.check_silence(index, *stream, held, record.at)?;
        }
        self.streams.retain(|stream, held| !ends((stream, held)));
        Ok(())
    }

    /// The stream still stands at `now`: was the silence before too long?
    fn check_silence(
        &self,
        index: usize,
        stream: TapStream,
        held: &HeardStream<'h>,
        now: Duration,
    ) -> Result<(), Box<Evidence>> {
        if held.excused || self.is_kept_back(held.host, now) {
            return Ok(());
        }
        let Some(last) = held.last else { return self.check_welcome(index, stream, held, now) };
        if last.is_delivery || self.terms.silent_servers {
            return Ok(());
        }
        let keepalive = self.terms.keepalive;
        let allowed = keepalive + LATE_MIN.max(keepalive / 2) + self.terms.travel * 2;
        let silent = now.saturating_sub(last.at);
        if silent <= allowed || self.excuses.disturbed(held.host, last.at, now) {
            return Ok(());
        }
        let what = format!(
            "nothing came to {} on {stream} from {} on for {}; a node pings when nothing was sent for {}",
            held.host,
            Readable(last.at),
            Readable(silent),
            Readable(keepalive)
        );
        Err(Box::new(Evidence::at(last.at + allowed, held.host, S6, what).with([last.index, index])))
    }

    /// Nothing has come on a stream yet: its first frame goes out at once (S1), on whatever way is free of faults.
    fn check_welcome(
        &self,
        index: usize,
        stream: TapStream,
        held: &HeardStream<'h>,
        now: Duration,
    ) -> Result<(), Box<Evidence>> {
        let (opened, record) = held.opened;
        let allowed = WELCOME_MAX + self.terms.travel * 4;
        if now.saturating_sub(opened) <= allowed || !self.excuses.is_calm(opened, opened + allowed) {
            return Ok(());
        }
        let what = format!(
            "nothing came to {} on {stream} within {} of its opening; a node sends Started at once",
            held.host,
            Readable(allowed)
        );
        Err(Box::new(Evidence::at(opened + allowed, held.host, S1, what).with([record, index])))
    }

    /// Started names the interval that the node keeps (S1); below the wire's unit it keeps none.
    fn check_interval(
        &self,
        index: usize,
        record: &Record,
        stream: TapStream,
        advertised: Option<Duration>,
    ) -> Result<(), Box<Evidence>> {
        let dialect = self.streams.get(&stream).map(|held| held.dialect).unwrap_or_default();
        if advertised.is_none() && !dialect.always_advertises() {
            return Ok(());
        }
        let keeps = self.terms.keepalive;
        let told = advertised.unwrap_or_default();
        if self.terms.silent_servers {
            return if advertised.is_none() {
                Ok(())
            } else {
                Err(breaks_silence(index, record, "told of an interval"))
            };
        }
        if told <= keeps && keeps - told < WIRE_UNIT {
            return Ok(());
        }
        let what = format!(
            "the node told {} on {stream} that it pings every {}, and its interval is {}",
            record.host,
            Readable(told),
            Readable(keeps)
        );
        Err(Box::new(Evidence::new(index, record, S1, what)))
    }

    /// A node closed a stream for want of a Pong: somebody must owe one.
    fn reap(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        self.reaped += 1;
        if self.bereft || self.streams.values().any(|held| held.unanswered.is_some()) {
            return Ok(());
        }
        let what = format!(
            "{} closed a stream for want of a Pong, and every Ping that had gone on to a client was answered",
            record.host
        );
        Err(Box::new(Evidence::new(index, record, T4, what)))
    }

    fn close(self, records: &[Record]) -> Verdict {
        let last = records.len().saturating_sub(1);
        for (stream, held) in &self.streams {
            if let Err(evidence) = self.check_silence(last, *stream, held, self.terms.end) {
                return Verdict::Fail(*evidence);
            }
        }
        match self.opened {
            0 => Verdict::unknown("no client opened a stream"),
            opened if self.judged == 0 => {
                Verdict::unknown(format!("of {opened} streams none brought two frames that could be compared"))
            }
            opened => Verdict::Pass {
                seen: format!(
                    "streams: {opened}, Pings to clients: {}, none early or missing; closed for want of a Pong: {}",
                    self.pings, self.reaped
                ),
            },
        }
    }
}

/// A node that does not ping says so by advertising nothing (S1).
fn breaks_silence(index: usize, record: &Record, how: &str) -> Box<Evidence> {
    let what = format!("the node is set never to ping, and {} was {how}", record.host);
    Box::new(Evidence::new(index, record, S1, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, STREAM, Script, alpha, partition, usual_terms};

    const PING: Beat = Beat::Ping { stream: STREAM, way: Direction::ToClient, fate: Fate::Passed };
    const PONG: Beat = Beat::Pong { stream: STREAM, way: Direction::ToNode, fate: Fate::Passed };

    /// A stream that started at 1 s and whose first wave is complete.
    fn running() -> Script {
        Script::new().at(1.0).opened(1).tap_opened(STREAM).node_starts().started(1).complete(1)
    }

    /// Pinged every 30 s, and answered, until the end at 700 s.
    fn beaten(script: Script, from: u32) -> Script {
        (from..=23).fold(script, |script, n| {
            let at = 1.0 + f64::from(n) * 30.0;
            script.at(at).beat(CLIENT, PING).at(at + 0.04).beat(CLIENT, PONG)
        })
    }

    fn reaped(script: Script) -> Script {
        script.event(NODE, Event::StreamClosed { stream: 1, reason: CloseReason::Reaped })
    }

    #[test]
    fn a_stream_that_is_pinged_in_each_interval_is_acquitted() {
        let seen = beaten(running(), 1).acquitted_by(&Heartbeat);
        assert_eq!(seen, "streams: 1, Pings to clients: 23, none early or missing; closed for want of a Pong: 0");
    }

    #[test]
    fn an_answer_in_the_midst_of_a_run_of_pings_is_not_the_last_frame() {
        let answer = Beat::Pong { stream: STREAM, way: Direction::ToClient, fate: Fate::Passed };
        let script = (1..=23).fold(running(), |script, n| {
            let at = 1.0 + f64::from(n) * 30.0;
            let script = script.at(at).beat(CLIENT, PING).at(at + 0.04).beat(CLIENT, PONG);
            if n == 3 { script.beat(CLIENT, answer) } else { script }
        });
        script.acquitted_by(&Heartbeat);
    }

    #[test]
    fn a_heartbeat_that_nobody_answers_is_judged_by_its_time_alone() {
        let draft = Event::TapOpened { stream: STREAM, path: Dialect::Draft.path().to_owned() };
        let started = || {
            let script = Script::new().at(1.0).opened(1).event(CLIENT, draft.clone());
            script.node_sends(XmtpFrame::Started { keepalive: None }).started(1)
        };
        let waiting = Beat::Waiting { stream: STREAM, fate: Fate::Passed };
        let waits = |script: Script, rounds: u32| {
            let at = |n: u32| 1.0 + f64::from(n) * 30.0;
            (1..=rounds).fold(script, |script, n| script.at(at(n)).beat(CLIENT, waiting))
        };
        waits(started(), 23).acquitted_by(&Heartbeat);
        assert!(waits(started(), 20).condemned_by(&Heartbeat).what.contains("nothing came to client-1"));
        let early = waits(started(), 1).at(35.0).beat(CLIENT, waiting).condemned_by(&Heartbeat);
        assert!(
            early.what.contains("client-1 heard WAITING on stream 1.1.1 4s after the frame before"),
            "{}",
            early.what
        );
        let told = XmtpFrame::Started { keepalive: Some(Duration::from_secs(60)) };
        let wrong = Script::new().at(1.0).opened(1).event(CLIENT, draft.clone()).node_sends(told);
        assert!(wrong.condemned_by(&Heartbeat).what.contains("its interval is 30s"));
    }

    #[test]
    fn a_history_without_streams_is_unknown() {
        assert_eq!(Script::new().puzzles(&Heartbeat), "no client opened a stream");
        assert_eq!(Heartbeat.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }

    #[test]
    fn a_stream_on_which_nothing_comes_is_condemned_unless_there_is_a_fault() {
        let opened = || Script::new().at(1.0).opened(1).tap_opened(STREAM).at(30.0);
        let evidence = opened().ended(1).condemned_by(&Heartbeat);
        assert_eq!((evidence.requirement.as_str(), evidence.at), ("S1", Duration::from_millis(11_200)));
        let cut = Script::new().fault_begins(1, partition(CLIENT, "proxy")).at(1.0).opened(1).tap_opened(STREAM);
        assert!(cut.at(30.0).ended(1).puzzles(&Heartbeat).contains("none brought two frames"));
        assert!(opened().node_starts().condemned_by(&Heartbeat).what.contains("at once"));
    }

    #[test]
    fn a_node_that_tells_another_interval_than_its_own_is_condemned() {
        for keepalive in [None, Some(Duration::from_secs(60)), Some(Duration::from_secs(10))] {
            let started =
                Script::new().at(1.0).opened(1).tap_opened(STREAM).node_sends(XmtpFrame::Started { keepalive });
            let evidence = started.condemned_by(&Heartbeat);
            assert_eq!(evidence.requirement, "S1");
            assert!(evidence.what.starts_with("the node told client-1"), "{}", evidence.what);
        }
    }

    #[test]
    fn a_node_that_is_set_never_to_ping_says_so_and_keeps_to_it() {
        let started = |keepalive| {
            let terms = Terms { silent_servers: true, ..usual_terms() };
            let opened = Script::on(terms).at(1.0).opened(1).tap_opened(STREAM);
            opened.node_sends(XmtpFrame::Started { keepalive }).started(1).complete(1)
        };
        let seen = started(None).acquitted_by(&Heartbeat);
        assert!(seen.starts_with("streams: 1, Pings to clients: 0"), "{seen}");
        let told = started(Some(Duration::from_secs(30))).condemned_by(&Heartbeat);
        assert_eq!(told.what, "the node is set never to ping, and client-1 was told of an interval");
        let pinged = started(None).at(31.0).beat(CLIENT, PING).condemned_by(&Heartbeat);
        assert_eq!(pinged.what, "the node is set never to ping, and client-1 was pinged");
    }

    #[test]
    fn an_idle_stream_without_a_ping_is_condemned() {
        let evidence = running().condemned_by(&Heartbeat);
        assert_eq!((evidence.requirement.as_str(), evidence.host.as_str()), ("S6", CLIENT));
        assert!((46..47).contains(&evidence.at.as_secs()), "{evidence:?}");
        // Those that come later do not mend it.
        beaten(running(), 20).condemned_by(&Heartbeat);
    }

    #[test]
    fn a_silence_after_a_delivery_may_be_the_readers() {
        running().at(2.0).live(&[(alpha(), 1)]).acquitted_by(&Heartbeat);
    }

    #[test]
    fn a_ping_in_spite_of_traffic_is_condemned() {
        let script = running().at(20.0).live(&[(alpha(), 1)]).at(31.0).beat(CLIENT, PING);
        let evidence = script.condemned_by(&Heartbeat);
        assert_eq!((evidence.requirement.as_str(), evidence.at.as_secs()), ("T3", 31));
        // A run of Pings tells how far they lie apart.
        let run = (0..10).fold(running().at(31.0), |script, n| script.at(31.0 + f64::from(n)).beat(CLIENT, PING));
        run.condemned_by(&Heartbeat);
    }

    #[test]
    fn frames_that_repeat_are_one_record_and_others_come_in_between() {
        let answer = Beat::Pong { stream: STREAM, way: Direction::ToClient, fate: Fate::Passed };
        let script = running().at(5.0).beat(CLIENT, answer).at(35.0).beat(CLIENT, PING).at(35.1).beat(CLIENT, PONG);
        let script = script.at(60.0).beat(CLIENT, answer).at(90.0).beat(CLIENT, PING).at(90.1).beat(CLIENT, PONG);
        beaten(script, 4).acquitted_by(&Heartbeat);
        let early = running().at(25.0).beat(CLIENT, answer).at(35.0).beat(CLIENT, PING).at(60.0).beat(CLIENT, answer);
        assert_eq!(early.condemned_by(&Heartbeat).requirement, "T3");
    }

    #[test]
    fn a_stream_that_is_closed_though_its_pong_came_is_condemned() {
        let answered = || running().at(31.0).beat(CLIENT, PING).at(31.1).beat(CLIENT, PONG).at(61.0);
        let evidence = reaped(answered()).condemned_by(&Heartbeat);
        assert_eq!((evidence.requirement.as_str(), evidence.host.as_str()), ("T4", NODE));
        reaped(running().at(31.0).beat(CLIENT, PING).at(61.0)).ended(1).acquitted_by(&Heartbeat);
        // Somebody has left before: the node may not know it yet.
        reaped(answered().ended(1)).acquitted_by(&Heartbeat);
    }

    #[test]
    fn what_a_fault_makes_late_and_what_a_proxy_swallows_is_excused() {
        let cut = running().at(20.0).fault_begins(1, partition(CLIENT, "proxy")).at(320.0).fault_ends(1);
        beaten(cut.at(440.0), 15).acquitted_by(&Heartbeat);
        let swallowed = Beat::Ping { stream: STREAM, way: Direction::ToClient, fate: Fate::Swallowed };
        running().at(31.0).beat(CLIENT, swallowed).acquitted_by(&Heartbeat);
        // Its end may have been swallowed, of which no tap tells.
        running().at(20.0).silence_begins().at(320.0).silence_ends().acquitted_by(&Heartbeat);
        running().at(20.0).event(NODE, Event::ProcessKilled).acquitted_by(&Heartbeat);
    }
}
