//! Judges resumption: whoever was suspended finds out whether its stream lives before it trusts it, and soon.
//!
//! Refuses to know what a client believed, and how it asks: what counts is that something answered, by what the tap passed
//! on to it, or that the stream was let go of. A frame that came unasked proves nothing: it may have been under way when
//! the client fell asleep. No requirement says a figure, so the bound is generous; one that never asks is far beyond it.
//!
//! ```text
//!                 its machine wakes up             a Pong passes, it lets go, or dies
//!   trusted ─────────────────────────▶ in doubt ─────────────────────────────────▶ nothing is open
//!                                          └──── longer than the bound: a breach
//! ```
//! Whoever lets go because nothing answered dials again at once, and whoever flaps asks once in a while, not at each flap.
//!
//! The other way round, a client that lets go of a stream for want of an answer has none. What was sent to a sleeping
//! machine is sent again as late as it slept, and the answer waits behind it: for so long it is under way.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::excuse::Excuses;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::fault::{Direction, Fault};
use crate::grammar::Readable;
use crate::history::{Beat, EndCause, Event, Fate, History, Record, TapStream, Terms};

/// A client that woke up asks and has its answer, or lets go, within this: ten seconds until it notices, or from one
/// question to the next where the machine flaps, five for the answer, and as much again for a slow one.
const SETTLES: Duration = Duration::from_secs(30);
/// A shorter suspension need not be noticed.
const SHORTEST: Duration = Duration::from_secs(2);
/// From one question on a stream to the next, however often its machine flaps. C5 says no figure; it is that of [`SETTLES`].
const DEBOUNCE: Duration = Duration::from_secs(10);
/// What an answer may take beyond the way.
const SLACK: Duration = Duration::from_secs(1);

/// The judge of resumption, and what of a subject it cites.
pub struct Resumption {
    /// Everything that it judges.
    pub cites: &'static [Requirement],
    /// A client that was suspended does not trust its stream unasked.
    pub probe: Requirement,
}

impl Checker for Resumption {
    fn name(&self) -> &'static str {
        "resumption"
    }

    fn promises(&self) -> &'static str {
        "A client whose machine was suspended soon knows whether its stream outlived that, lets go of none that did, and \
            dials again at once where it did not; a machine that flaps asks once in a while."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut book = WakeBook::new(self, terms, Excuses::read(history));
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        book.close(history.records())
    }
}

/// A client's machine woke up, and its stream is in doubt.
struct Wake {
    at: Duration,
    index: usize,
    slept: Duration,
    /// When a Pong passed to it since then, and its record.
    answered: Option<(Duration, usize)>,
}

#[derive(Default)]
struct SleepyClient {
    /// The attempt whose stream is open.
    attempt: Option<u64>,
    /// The newest subscription that the tap knows of this host.
    stream: Option<TapStream>,
    wake: Option<Wake>,
    /// When it asked last, on which attempt, and the record.
    asked: Option<(u64, Duration, usize)>,
    /// It let go of a stream that did not answer, and has not dialed again: since when, and the record.
    let_go: Option<(Duration, usize)>,
}

struct WakeBook<'h> {
    laws: &'h Resumption,
    terms: &'h Terms,
    excuses: Excuses<'h>,
    clients: BTreeMap<&'h str, SleepyClient>,
    /// The suspensions that last, and since when.
    sleeps: BTreeMap<u32, (&'h Fault, Duration)>,
    opened: u64,
    woken: u64,
    answered: u64,
    stale: u64,
}

impl<'h> WakeBook<'h> {
    fn new(laws: &'h Resumption, terms: &'h Terms, excuses: Excuses<'h>) -> Self {
        let (clients, sleeps) = (BTreeMap::new(), BTreeMap::new());
        WakeBook { laws, terms, excuses, clients, sleeps, opened: 0, woken: 0, answered: 0, stale: 0 }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        match &record.event {
            Event::FaultBegan(clause) if matches!(clause.fault, Fault::Suspend(_)) => {
                self.sleeps.insert(clause.number, (&clause.fault, record.at));
            }
            Event::FaultEnded { clause, felt: true } => {
                if let Some((fault, since)) = self.sleeps.remove(clause) {
                    self.wake(index, record, fault, record.at - since);
                }
            }
            Event::Opened { attempt, .. } => {
                self.opened += 1;
                let client = self.clients.entry(&record.host).or_default();
                (client.attempt, client.wake) = (Some(*attempt), None);
            }
            Event::TapOpened { stream, .. } => {
                self.clients.entry(&record.host).or_default().stream = Some(*stream);
            }
            Event::Beat { beat: Beat::Pong { stream, way: Direction::ToClient, fate: Fate::Passed }, .. } => {
                return self.answer(index, record, *stream);
            }
            Event::LetGo { cause, .. } => return self.end(index, record, *cause),
            Event::Ended { cause, .. } => {
                self.end(index, record, *cause)?;
                let stale = (*cause == EndCause::Stale).then_some((record.at, index));
                self.clients.entry(&record.host).or_default().let_go = stale;
            }
            Event::Probed { attempt } => return self.ask(index, record, *attempt),
            Event::BackingOff { .. } | Event::Dialing { .. } => return self.dial(index, record),
            Event::ProcessKilled | Event::PowerFailed => drop(self.clients.remove(&*record.host)),
            _ => {}
        }
        Ok(())
    }

    fn wake(&mut self, index: usize, record: &'h Record, fault: &Fault, slept: Duration) {
        for (_, client) in self.clients.iter_mut().filter(|(host, _)| fault.falls_on(host)) {
            if client.attempt.is_some() && client.stream.is_some() && slept >= SHORTEST {
                self.woken += 1;
                client.wake = Some(Wake { at: record.at, index, slept, answered: None });
            }
        }
    }

    fn ask(&mut self, index: usize, record: &'h Record, attempt: u64) -> Result<(), Box<Evidence>> {
        let client = self.clients.entry(&record.host).or_default();
        let before = client.asked.replace((attempt, record.at, index)).filter(|(other, ..)| *other == attempt);
        let Some((_, at, first)) = before.filter(|(_, at, _)| record.at + SLACK < *at + DEBOUNCE) else {
            return Ok(());
        };
        let what = format!(
            "{} asked on attempt {attempt} whether its stream lives, {} after it had asked before; a machine that flaps \
                is asked about once in {}",
            record.host,
            Readable(record.at - at),
            Readable(DEBOUNCE)
        );
        Err(Box::new(Evidence::new(index, record, self.laws.probe, what).with([first])))
    }

    fn answer(&mut self, index: usize, record: &'h Record, stream: TapStream) -> Result<(), Box<Evidence>> {
        self.check(index, &record.host, record.at)?;
        let client = self.clients.entry(&record.host).or_default();
        if let Some(wake) = client.wake.as_mut().filter(|wake| wake.answered.is_none() && client.stream == Some(stream))
        {
            wake.answered = Some((record.at, index));
            self.answered += 1;
        }
        Ok(())
    }

    fn end(&mut self, index: usize, record: &'h Record, cause: EndCause) -> Result<(), Box<Evidence>> {
        self.check(index, &record.host, record.at)?;
        let client = self.clients.entry(&record.host).or_default();
        let (attempt, wake) = (client.attempt.take(), client.wake.take());
        let Some(attempt) = attempt.filter(|_| cause == EndCause::Stale) else { return Ok(()) };
        self.stale += 1;
        let Some(Wake { at, slept, answered: Some((answered, pong)), .. }) = wake else { return Ok(()) };
        let host = &*record.host;
        let its_own = |fault: &Fault| matches!(fault, Fault::Suspend(_)) && fault.hosts().all(|one| **one == *host);
        if record.at <= answered + slept + self.terms.travel + SLACK
            || self.excuses.disturbed_otherwise(host, at, record.at, its_own)
        {
            return Ok(());
        }
        let what = format!(
            "{host} let go of attempt {attempt} for want of an answer, and one had passed to it {} before",
            Readable(record.at - answered)
        );
        Err(Box::new(Evidence::new(index, record, self.laws.probe, what).with([pong])))
    }

    /// It dials, or says that it waits with that.
    fn dial(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let client = self.clients.entry(&record.host).or_default();
        let Some((at, ended)) = client.let_go.take() else { return Ok(()) };
        let waited = record.at.saturating_sub(self.excuses.running_since(&record.host, at, record.at));
        if matches!(record.event, Event::Dialing { .. }) && waited <= SLACK {
            return Ok(());
        }
        let what = format!(
            "{} let go of a stream that did not answer, and did not dial again at once: {}",
            record.host, record.event
        );
        Err(Box::new(Evidence::new(index, record, self.laws.probe, what).with([ended])))
    }

    /// The stream of `host`, if it has one, is in doubt no longer than the bound at `now`.
    fn check(&self, index: usize, host: &str, now: Duration) -> Result<(), Box<Evidence>> {
        let Some(client) = self.clients.get(host) else { return Ok(()) };
        let (Some(attempt), Some(wake)) = (client.attempt, &client.wake) else { return Ok(()) };
        let since = self.excuses.running_since(host, wake.at, now);
        let bound = SETTLES + self.terms.travel * 2;
        if wake.answered.is_some() || now.saturating_sub(since) <= bound {
            return Ok(());
        }
        let what = format!(
            "{host} was suspended for {}, and {} after that it still held attempt {attempt}, on which nothing had \
                answered it; whether a stream lives is to be asked before it is trusted",
            Readable(wake.slept),
            Readable(now - since)
        );
        Err(Box::new(Evidence::at(since + bound, host, self.laws.probe, what).with([wake.index, index])))
    }

    fn close(self, records: &[Record]) -> Verdict {
        let last = records.len().saturating_sub(1);
        for host in self.clients.keys() {
            if let Err(evidence) = self.check(last, host, self.terms.end) {
                return Verdict::Fail(*evidence);
            }
        }
        match (self.opened, self.woken) {
            (0, _) => Verdict::unknown("no client opened a stream"),
            (_, 0) => Verdict::Pass { seen: "nobody was suspended with a stream in hand".to_owned() },
            (_, woken) => Verdict::Pass {
                seen: format!(
                    "suspensions of a client with a stream: {woken}, streams that answered: {}, let go of for want of \
                        an answer: {}",
                    self.answered, self.stale
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, STREAM, Script, link, partition, pause, suspend};
    use crate::fault::Kind;
    use crate::fault::kinds::Partition;
    use crate::subject::xmtp::checker::RESUMPTION;

    const ASKED: Beat = Beat::Ping { stream: STREAM, way: Direction::ToNode, fate: Fate::Passed };
    const PONG: Beat = Beat::Pong { stream: STREAM, way: Direction::ToClient, fate: Fate::Passed };

    /// A stream that is open since 1 s, on a machine that sleeps from 10 s on for so long.
    fn slept(seconds: f64) -> Script {
        let script = Script::new().at(1.0).opened(1).tap_opened(STREAM).node_starts().started(1);
        script.at(10.0).fault_begins(1, suspend(CLIENT)).at(10.0 + seconds).fault_ends(1)
    }

    fn stale(script: Script) -> Script {
        script.event(CLIENT, Event::Ended { attempt: 1, cause: EndCause::Stale, words: "no answer".into() })
    }

    #[test]
    fn who_lets_go_for_want_of_an_answer_dials_at_once() {
        let ended = || stale(slept(50.0).at(64.0).beat(CLIENT, ASKED).at(69.0));
        ended().dialing(2).acquitted_by(&RESUMPTION);
        ended().at(69.9).dialing(2).acquitted_by(&RESUMPTION);
        let late = ended().at(75.0).dialing(2).condemned_by(&RESUMPTION);
        assert!(late.what.ends_with("did not dial again at once: dials, attempt 2"), "{}", late.what);
        let delay = Duration::from_secs(2);
        ended().event(CLIENT, Event::BackingOff { attempt: 1, delay }).condemned_by(&RESUMPTION);
        ended().fault_begins(2, pause(CLIENT)).at(90.0).fault_ends(2).dialing(2).acquitted_by(&RESUMPTION);
    }

    #[test]
    fn who_flaps_asks_once_in_a_while() {
        let asks = |script: Script, attempt| script.event(CLIENT, Event::Probed { attempt });
        let twice = |after: f64, attempt| {
            let first = asks(slept(5.0).at(16.0), 1).at(16.1).beat(CLIENT, PONG);
            asks(first.at(16.0 + after), attempt).at(16.2 + after).beat(CLIENT, PONG)
        };
        twice(9.5, 1).acquitted_by(&RESUMPTION);
        twice(7.0, 2).acquitted_by(&RESUMPTION);
        let evidence = twice(7.0, 1).condemned_by(&RESUMPTION);
        assert!(evidence.what.contains("7s after it had asked before"), "{}", evidence.what);
    }

    #[test]
    fn a_client_that_asks_and_is_answered_is_acquitted() {
        let seen = slept(50.0).at(64.0).beat(CLIENT, ASKED).at(64.1).beat(CLIENT, PONG).acquitted_by(&RESUMPTION);
        let told =
            "suspensions of a client with a stream: 1, streams that answered: 1, let go of for want of an answer: 0";
        assert_eq!(seen, told);
    }

    #[test]
    fn a_client_that_lets_go_of_a_stream_that_does_not_answer_is_acquitted() {
        let seen = stale(slept(50.0).at(64.0).beat(CLIENT, ASKED).at(69.0)).acquitted_by(&RESUMPTION);
        assert!(seen.ends_with("let go of for want of an answer: 1"), "{seen}");
    }

    #[test]
    fn a_client_that_trusts_a_stream_unasked_is_condemned() {
        let evidence = slept(50.0).at(62.0).heard(1).at(90.2).ended(1).condemned_by(&RESUMPTION);
        assert_eq!((evidence.requirement.as_str(), evidence.at), ("C5", Duration::from_millis(90_100)));
        assert!(evidence.what.starts_with("client-1 was suspended for 50s, and 30.2s after that"), "{}", evidence.what);
        slept(50.0).at(90.1).ended(1).acquitted_by(&RESUMPTION);
        slept(50.0).condemned_by(&RESUMPTION);
        slept(50.0).at(100.0).beat(CLIENT, PONG).condemned_by(&RESUMPTION);
    }

    #[test]
    fn a_pong_of_another_stream_or_of_before_answers_nothing() {
        let other =
            Beat::Pong { stream: TapStream { connection: 9, ..STREAM }, way: Direction::ToClient, fate: Fate::Passed };
        slept(50.0).at(64.0).beat(CLIENT, other).condemned_by(&RESUMPTION);
        let script = Script::new().at(1.0).opened(1).tap_opened(STREAM).started(1).at(9.0).beat(CLIENT, PONG);
        script.at(10.0).fault_begins(1, suspend(CLIENT)).at(60.0).fault_ends(1).condemned_by(&RESUMPTION);
        let swallowed = Beat::Pong { stream: STREAM, way: Direction::ToClient, fate: Fate::Swallowed };
        slept(50.0).at(64.0).beat(CLIENT, swallowed).condemned_by(&RESUMPTION);
    }

    #[test]
    fn who_stands_still_once_more_has_the_time_anew() {
        let again = |fault| slept(50.0).at(80.0).fault_begins(2, fault).at(100.0).fault_ends(2).at(129.0).ended(1);
        for fault in [pause(CLIENT), suspend(CLIENT)] {
            again(fault).acquitted_by(&RESUMPTION);
        }
        again(partition(CLIENT, "proxy")).condemned_by(&RESUMPTION);
    }

    #[test]
    fn an_answered_stream_that_is_let_go_of_is_condemned_unless_the_answer_may_be_late() {
        let let_go = |seconds: f64, after: f64| {
            let end = 10.0 + seconds;
            let script = slept(seconds).at(end + 1.0).beat(CLIENT, ASKED).at(end + 1.1).beat(CLIENT, PONG);
            stale(script.at(end + 1.1 + after))
        };
        let evidence = let_go(3.0, 5.0).condemned_by(&RESUMPTION);
        assert!(evidence.what.ends_with("one had passed to it 5s before"), "{}", evidence.what);
        // What was sent to the sleeping machine is sent again as late as it slept.
        let_go(50.0, 5.0).acquitted_by(&RESUMPTION);
        let cut = Partition.on(link(CLIENT, "proxy"));
        let script = slept(3.0).at(14.0).beat(CLIENT, PONG).fault_begins(2, cut).at(20.0);
        stale(script).acquitted_by(&RESUMPTION);
    }

    #[test]
    fn naps_and_sleepers_without_a_stream_are_not_judged() {
        let told = "nobody was suspended with a stream in hand";
        assert_eq!(slept(1.9).acquitted_by(&RESUMPTION), told);
        let awake = Script::new().at(1.0).opened(1).tap_opened(STREAM).started(1);
        assert_eq!(awake.acquitted_by(&RESUMPTION), told);
        let between = Script::new().at(1.0).opened(1).tap_opened(STREAM).ended(1);
        let between = between.at(10.0).fault_begins(1, suspend(CLIENT)).at(60.0).fault_ends(1);
        assert_eq!(between.acquitted_by(&RESUMPTION), told);
        slept(50.0).at(61.0).event(CLIENT, Event::ProcessKilled).acquitted_by(&RESUMPTION);
    }

    #[test]
    fn a_history_without_streams_is_unknown() {
        assert_eq!(Script::new().puzzles(&RESUMPTION), "no client opened a stream");
        assert_eq!(RESUMPTION.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }
}
