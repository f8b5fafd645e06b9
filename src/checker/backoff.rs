//! Judges backoff: a client waits before it dials again, never longer than its failures in a row allow, and by chance.
//!
//! Refuses to know the client's dice, and its clock: how long a stream was up is read from what was seen of it. Where
//! that leaves open whether the stream was stable, both counts of failures are lawful and the wait tells nothing
//! about chance. A stream that brought more than the application took was no failure, and neither was one that did not
//! outlive a suspension: after that the client dials at once. Who has finished what it wanted dials again when it likes.
//!
//! ```text
//!              BackingOff: one failure more, or the first after a stable stream
//!   in a row: n ──────────────────────────────▶ waiting ──Dialing, not too early──▶ in a row: n + 1
//!      ▲                                                                                  │
//!      └──────────────────────────── ProcessKilled: in a row: 0 ◀─────────────────────────┘
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::excuse::Excuses;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::grammar::Readable;
use crate::history::{BackoffSteps, Beat, EndCause, Event, History, Record};

/// The uptime after which a client begins anew: the protocol's gateway (section 4).
const STABLE: Duration = Duration::from_secs(10);

/// A timer may seem to ring early by so much where an engine's time goes in ticks.
const TICK: Duration = Duration::from_millis(10);

/// Waits of one step that lie so close together that full jitter would bring it about less often than this are
/// no accident. A million waits then raise a false alarm once in a million times, and three equal ones are enough.
const CHANCE: f64 = 1e-12;

/// Where a group is condemned, so many of its last waits are shown.
const SHOWN: usize = 8;

/// What a client has to do at once it does within this time, also on a busy host or by a drifting clock.
const PROMPT: Duration = Duration::from_secs(5);

/// The judge of backoff, and what of a subject a breach is against.
pub struct BackoffCheck {
    /// What it judges.
    pub cites: &'static [Requirement],
}

impl Checker for BackoffCheck {
    fn name(&self) -> &'static str {
        "backoff"
    }

    fn promises(&self) -> &'static str {
        "A client waits before it dials again, within a step that doubles with each failure in a row, and clients that \
            fell together do not return together."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(requirement) = self.cites.first().copied() else { return Verdict::unknown("it cites nothing") };
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut bench = WaitBook {
            requirement,
            allowed: terms.backoff,
            excuses: Excuses::read(history),
            clients: BTreeMap::new(),
            groups: BTreeMap::new(),
            steps: StepSum::default(),
            dials: 0,
        };
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = bench.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        bench.close(terms.end)
    }
}

/// How many failures in a row there were: at least, and at most.
#[derive(Clone, Copy, Default)]
struct Failures {
    least: u32,
    most: u32,
}

impl Failures {
    const FIRST: Failures = Failures { least: 1, most: 1 };

    /// As if the last had been none.
    fn forgive(self) -> Self {
        Failures { least: self.least.saturating_sub(1), most: self.most.saturating_sub(1) }
    }

    /// One more.
    fn grow(self) -> Self {
        Failures { least: self.least.saturating_add(1), most: self.most.saturating_add(1) }
    }
}

/// The longest wait after so many failures in a row.
fn step(steps: BackoffSteps, failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).and_then(|times| steps.first.checked_mul(times));
    doubled.map_or(steps.longest, |step| step.min(steps.longest))
}

/// What is known of a client's process.
#[derive(Default)]
struct DialingClient {
    failures: Failures,
    /// When its stream started, was heard last, and ended.
    started: Option<Duration>,
    heard: Duration,
    ended: Option<Duration>,
    /// Whether it brought something, and more than the application took.
    delivered: bool,
    behind: bool,
    /// Its stream did not outlive a suspension, or was finished by itself: it may dial when it likes.
    free: bool,
    /// It must not dial before then; and the record of its wait.
    waits: Option<(Duration, usize)>,
    /// What it did last, and since when it has done nothing else.
    idle: Option<(Idle, Duration, usize)>,
}

/// After what a client is to do the next thing at once, or when its wait is over.
#[derive(Clone, Copy)]
enum Idle {
    /// An attempt of that number ended: it is to wait.
    Ended(u64),
    /// It waits: it is to dial.
    Waits,
}

/// The waits whose step is known, and the same.
#[derive(Default)]
struct Group {
    least: Duration,
    most: Duration,
    records: Vec<usize>,
}

impl Group {
    fn add(&mut self, delay: Duration, index: usize) {
        (self.least, self.most) = match self.records.is_empty() {
            true => (delay, delay),
            false => (self.least.min(delay), self.most.max(delay)),
        };
        self.records.push(index);
    }

    /// Whether `n` waits drawn evenly from zero to `step` lie within a range as small as these do less often than
    /// [`CHANCE`]. For a range of `r` steps that is n·rⁿ⁻¹ − (n−1)·rⁿ, for which n·rⁿ⁻¹ is an upper bound.
    fn is_no_accident(&self, step: Duration) -> bool {
        // Waits are drawn in whole nanoseconds: equal ones still have a range of one.
        let range = (self.most - self.least + Duration::from_nanos(1)).as_secs_f64() / step.as_secs_f64();
        let mut chance = self.records.len() as f64;
        for _ in 1..self.records.len() {
            chance *= range;
            if chance < CHANCE {
                return true;
            }
        }
        false
    }
}

/// How short the waits of known steps are, taken together.
#[derive(Default)]
struct StepSum {
    count: u32,
    /// Of each wait −ln(wait / step).
    sum: f64,
}

impl StepSum {
    fn add(&mut self, delay: Duration, step: Duration) {
        self.count += 1;
        // A wait of zero is drawn once in so many nanoseconds.
        let part = delay.max(Duration::from_nanos(1)).as_secs_f64() / step.as_secs_f64();
        self.sum -= part.min(1.0).ln();
    }

    /// Whether waits drawn evenly from zero to their steps are as short as these less often than [`CHANCE`]. The sum
    /// of n such logarithms follows a gamma distribution, whose tail beyond x > n is at most e^(n − x)·(x/n)ⁿ
    /// (Chernoff).
    fn is_no_accident(&self) -> bool {
        let n = f64::from(self.count);
        self.sum > n && n - self.sum + n * (self.sum / n).ln() < CHANCE.ln()
    }
}

struct WaitBook<'h> {
    requirement: Requirement,
    allowed: BackoffSteps,
    excuses: Excuses<'h>,
    clients: BTreeMap<&'h str, DialingClient>,
    /// By step.
    groups: BTreeMap<Duration, Group>,
    steps: StepSum,
    dials: u64,
}

impl<'h> WaitBook<'h> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        match &record.event {
            Event::Dialing { attempt } => return self.dial(index, record, *attempt),
            Event::Started { .. } => {
                let client = self.clients.entry(&record.host).or_default();
                (client.started, client.heard, client.ended) = (Some(record.at), record.at, None);
            }
            Event::Beat { beat: Beat::Heard { .. }, .. } => {
                self.clients.entry(&record.host).or_default().heard = record.until;
            }
            Event::Delivered { .. } => self.clients.entry(&record.host).or_default().delivered = true,
            Event::Ended { attempt, cause, .. } => {
                let client = self.clients.entry(&record.host).or_default();
                client.ended = Some(record.at);
                client.behind = *cause == EndCause::ConsumerBehind && client.delivered;
                let finished = *cause == EndCause::Finished;
                client.free = finished || *cause == EndCause::Stale;
                if finished {
                    client.failures = Failures::default();
                } else if client.free {
                    client.failures = count(client, &self.excuses, record).forgive();
                }
                // Who has finished has nothing to do, and who is refused for good must not ask again.
                let is_done = finished || *cause == EndCause::Rejected;
                client.idle = (!is_done).then_some((Idle::Ended(*attempt), record.at, index));
            }
            Event::BackingOff { delay, .. } => return self.wait(index, record, *delay),
            // Its successor counts from the beginning.
            Event::ProcessKilled => {
                self.clients.remove(&*record.host);
            }
            _ => {}
        }
        Ok(())
    }

    fn dial(&mut self, index: usize, record: &'h Record, attempt: u64) -> Result<(), Box<Evidence>> {
        self.dials += 1;
        let client = self.clients.entry(&record.host).or_default();
        let ended = client.ended.take();
        (client.started, client.delivered, client.behind) = (None, false, false);
        client.idle = None;
        let may_dial = std::mem::take(&mut client.free) || attempt <= 1;
        let Some((until, waited)) = client.waits.take() else {
            let lacks = match ended {
                Some(_) => "without any wait after the last",
                None => "and had not told the end of the last",
            };
            if may_dial {
                return Ok(());
            }
            let what = format!("{} dialed for attempt {attempt} {lacks}", record.host);
            return Err(Box::new(Evidence::new(index, record, self.requirement, what)));
        };
        if record.at + TICK >= until {
            return Ok(());
        }
        let what = format!(
            "{} dialed for attempt {attempt} {} before the end of its wait",
            record.host,
            Readable(until - record.at)
        );
        Err(Box::new(Evidence::new(index, record, self.requirement, what).with([waited])))
    }

    fn wait(&mut self, index: usize, record: &'h Record, delay: Duration) -> Result<(), Box<Evidence>> {
        let client = self.clients.entry(&record.host).or_default();
        let failures = count(client, &self.excuses, record);
        client.failures = failures;
        client.waits = Some((record.at + delay, index));
        client.idle = Some((Idle::Waits, record.at + delay, index));
        let (least, most) = (step(self.allowed, failures.least), step(self.allowed, failures.most));
        if delay > most {
            let what = format!(
                "{} waited {} after {} in a row, which allows {} at most",
                record.host,
                Readable(delay),
                told(failures.most),
                Readable(most)
            );
            return Err(Box::new(Evidence::new(index, record, self.requirement, what)));
        }
        if least != most {
            return Ok(());
        }
        self.steps.add(delay, most);
        if self.steps.is_no_accident() {
            let what = format!(
                "{} waited {} where the step is {}, and {} waits of known steps are far shorter than chance makes \
                    them: the step does not double with each failure",
                record.host,
                Readable(delay),
                Readable(most),
                self.steps.count
            );
            return Err(Box::new(Evidence::new(index, record, self.requirement, what)));
        }
        let group = self.groups.entry(most).or_default();
        group.add(delay, index);
        if !group.is_no_accident(most) {
            return Ok(());
        }
        let apart = Readable(group.most - group.least);
        // Drawn by chance, but from a step that failures in a row had left behind.
        let lags = group.most <= most / 2 && !group.is_no_accident(group.most.max(self.allowed.first));
        let why = match lags {
            true => "the step does not double with each failure",
            false => "clients that fall together return together",
        };
        let what = format!(
            "{} waited {}, and all {} waits that were to be drawn from zero to {} lie within {apart}: {why}",
            record.host,
            Readable(delay),
            group.records.len(),
            Readable(most),
        );
        let shown = group.records.iter().rev().take(SHOWN).copied();
        Err(Box::new(Evidence::new(index, record, self.requirement, what).with(shown)))
    }

    /// A client that was to do something since `idle`, and by its own clock has done nothing for too long at `now`.
    fn dead_loop(&self, host: &str, idle: Option<(Idle, Duration, usize)>, now: Duration) -> Option<Box<Evidence>> {
        let (idle, since, index) = idle?;
        let since = self.excuses.running_since(host, since, now);
        if now.saturating_sub(since) <= PROMPT {
            return None;
        }
        let what = match idle {
            Idle::Ended(attempt) => format!("{host} neither waits nor dials since its attempt {attempt} ended"),
            Idle::Waits => format!("{host} does not dial again, though its wait is over since {}", Readable(since)),
        };
        Some(Box::new(Evidence::at(since + PROMPT, host, self.requirement, what).with([index])))
    }

    fn close(self, end: Duration) -> Verdict {
        let dead = self.clients.iter().find_map(|(host, client)| self.dead_loop(host, client.idle, end));
        if let Some(evidence) = dead {
            return Verdict::Fail(*evidence);
        }
        let waits: usize = self.groups.values().map(|group| group.records.len()).sum();
        // With fewer than three of one step nothing that they could have been would have been condemned.
        let told = self.groups.values().filter(|group| group.records.len() > 2).count();
        let seen = match (waits, told) {
            (0, _) if self.dials == 0 => return Verdict::unknown("no client dialed"),
            (0, _) => format!("dials: {}, and no wait whose step is known", self.dials),
            (_, 0) => format!("waits: {waits}, all within their steps; too few of any step to tell whether by chance"),
            _ => format!("waits: {waits}, all within their steps, and by chance (steps with enough waits: {told})"),
        };
        Verdict::Pass { seen }
    }
}

/// How many failures in a row the wait follows that `record` begins.
fn count(client: &DialingClient, excuses: &Excuses<'_>, record: &Record) -> Failures {
    // That was no failure, however short it was.
    if client.behind {
        return Failures::FIRST;
    }
    let grown = client.failures.grow();
    let Some(started) = client.started else { return grown };
    let ended = client.ended.unwrap_or(record.at);
    // By the client's own clock, which may have stood still, the stream was not up for longer than this.
    if ended.saturating_sub(started) < STABLE {
        return grown;
    }
    let stalled = excuses.running_since(&record.host, started, ended) > started;
    let surely = client.heard.saturating_sub(started) >= STABLE && !stalled;
    if surely { Failures::FIRST } else { Failures { least: 1, most: grown.most } }
}

fn told(failures: u32) -> String {
    if failures == 1 { "1 failure".to_owned() } else { format!("{failures} failures") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use crate::checker::script::{CLIENT, Script, alpha, suspend, usual_terms};
    use crate::history::Terms;
    use crate::subject::xmtp::checker::BACKOFF;

    fn waits(script: Script, host: &str, attempt: u64, millis: u64) -> Script {
        script.event(host, Event::BackingOff { attempt, delay: Duration::from_millis(millis) })
    }

    /// Every client is killed, so that none has to go on.
    fn over(script: Script) -> Script {
        (1..=60).fold(script, |script, number| script.event(&format!("client-{number}"), Event::ProcessKilled))
    }

    /// `client-1` fails to connect again and again, and waits so long each time.
    fn failing(delays: &[u64]) -> Script {
        delays.iter().zip(1..).fold(Script::new(), |script, (delay, attempt)| {
            let script = script.at(attempt as f64 * 31.0).event(CLIENT, Event::Dialing { attempt }).ended(attempt);
            waits(script, CLIENT, attempt, *delay)
        })
    }

    /// So many clients lose their first stream together, and each waits so long.
    fn falling(delays: &[u64]) -> Script {
        let hosts: Vec<String> = (1..=delays.len()).map(|number| format!("client-{number}")).collect();
        let started = hosts.iter().fold(Script::new().at(1.0), |script, host| {
            script.event(host, Event::Dialing { attempt: 1 }).event(host, Event::Started { attempt: 1 })
        });
        let heard =
            hosts.iter().fold(started.at(20.0), |script, host| script.beat(host, Beat::Heard { attempt: 1 })).at(21.0);
        hosts.iter().zip(delays).fold(heard, |script, (host, delay)| {
            let ended = Event::Ended { attempt: 1, cause: EndCause::StreamFailed, words: "stream failed".into() };
            waits(script.event(host, ended), host, 1, *delay)
        })
    }

    #[test]
    fn delays_within_doubling_steps_are_acquitted() {
        let seen =
            over(failing(&[100, 200, 3, 800, 1_600, 900, 6_400, 1, 25_600, 30_000, 29_999])).acquitted_by(&BACKOFF);
        assert_eq!(seen, "waits: 11, all within their steps; too few of any step to tell whether by chance");
    }

    #[test]
    fn without_a_wait_the_dials_are_told_and_without_dials_or_terms_it_is_unknown() {
        let dialed = Script::new().event(CLIENT, Event::Dialing { attempt: 1 });
        assert_eq!(dialed.acquitted_by(&BACKOFF), "dials: 1, and no wait whose step is known");
        assert_eq!(Script::new().puzzles(&BACKOFF), "no client dialed");
        assert_eq!(BACKOFF.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }

    #[test]
    fn a_dial_without_a_wait_is_condemned_unless_another_process_dials() {
        let again = |attempt| failing(&[10, 20]).at(100.0).event(CLIENT, Event::Dialing { attempt });
        again(3)
            .ended(3)
            .event(CLIENT, Event::ProcessKilled)
            .event(CLIENT, Event::Dialing { attempt: 1 })
            .acquitted_by(&BACKOFF);
        let evidence = again(3).ended(3).event(CLIENT, Event::Dialing { attempt: 4 }).condemned_by(&BACKOFF);
        assert_eq!(evidence.what, "client-1 dialed for attempt 4 without any wait after the last");
    }

    #[test]
    fn a_delay_above_its_step_is_condemned() {
        let evidence = failing(&[100, 201]).condemned_by(&BACKOFF);
        assert_eq!(evidence.what, "client-1 waited 201ms after 2 failures in a row, which allows 200ms at most");
        let late = failing(&[1, 90, 400, 30, 1_000, 2_000, 6_000, 12_000, 25_000, 30_001]);
        assert!(late.condemned_by(&BACKOFF).what.contains("10 failures in a row, which allows 30s"));
    }

    #[test]
    fn the_steps_are_those_of_the_sim() {
        let backoff = BackoffSteps { first: Duration::from_secs(1), longest: Duration::from_secs(2) };
        let failing = |delays: &[u64]| {
            let begun = Script::on(Terms { backoff, ..usual_terms() });
            delays.iter().zip(1..).fold(begun, |script, (delay, attempt)| {
                let script = script.at(attempt as f64 * 31.0).event(CLIENT, Event::Dialing { attempt }).ended(attempt);
                waits(script, CLIENT, attempt, *delay)
            })
        };
        over(failing(&[1_000, 2_000, 2_000])).acquitted_by(&BACKOFF);
        assert!(failing(&[1_001]).condemned_by(&BACKOFF).what.contains("1 failure in a row, which allows 1s"));
        assert!(failing(&[5, 5, 2_001]).condemned_by(&BACKOFF).what.contains("3 failures in a row, which allows 2s"));
    }

    #[test]
    fn a_stable_stream_begins_anew_and_an_unstable_one_does_not() {
        let then = |uptime: f64| {
            let script = failing(&[10, 20]).at(100.0).event(CLIENT, Event::Dialing { attempt: 3 }).started(3);
            script.at(100.0 + uptime).heard(3).ended(3)
        };
        assert!(waits(then(10.0), CLIENT, 3, 101).condemned_by(&BACKOFF).what.contains("after 1 failure in a row"));
        over(waits(then(9.9), CLIENT, 3, 400)).acquitted_by(&BACKOFF);
        waits(then(9.9), CLIENT, 3, 401).condemned_by(&BACKOFF);
    }

    #[test]
    fn a_stream_that_may_have_been_stable_allows_both_counts() {
        // Started, then silent until the watchdog trips: the client does not count the silence.
        let silent = || failing(&[10, 20]).at(100.0).event(CLIENT, Event::Dialing { attempt: 3 }).started(3).at(190.0);
        assert!(over(waits(silent().ended(3), CLIENT, 3, 400)).acquitted_by(&BACKOFF).starts_with("waits: 2,"));
        waits(silent().ended(3), CLIENT, 3, 401).condemned_by(&BACKOFF);
        // Suspended meanwhile: by its own clock the stream was up for a second.
        let script = failing(&[10, 20]).at(100.0).event(CLIENT, Event::Dialing { attempt: 3 }).started(3).at(101.0);
        let script = script.fault_begins(1, suspend(CLIENT)).at(200.0).fault_ends(1).heard(3).ended(3);
        over(waits(script, CLIENT, 3, 400)).acquitted_by(&BACKOFF);
    }

    #[test]
    fn a_stream_that_brought_more_than_was_taken_was_no_failure_and_one_that_says_so_in_vain_was() {
        let behind = |brought: &[(Channel, u64)]| {
            let script = failing(&[10, 20]).at(100.0).event(CLIENT, Event::Dialing { attempt: 3 }).started(3);
            let script = if brought.is_empty() { script } else { script.committed(3, brought) };
            let (cause, words) = (EndCause::ConsumerBehind, "behind".into());
            script.at(101.0).event(CLIENT, Event::Ended { attempt: 3, cause, words })
        };
        over(waits(behind(&[(alpha(), 1)]), CLIENT, 3, 100)).acquitted_by(&BACKOFF);
        let evidence = waits(behind(&[(alpha(), 1)]), CLIENT, 3, 101).condemned_by(&BACKOFF);
        assert!(evidence.what.contains("after 1 failure in a row"), "{}", evidence.what);
        let failed = waits(behind(&[]), CLIENT, 3, 401).condemned_by(&BACKOFF);
        assert!(failed.what.contains("after 3 failures in a row"), "{}", failed.what);
    }

    #[test]
    fn a_stale_stream_is_no_failure_and_lets_its_client_dial_at_once_and_once() {
        let stale = || {
            let script = failing(&[10, 20]).at(100.0).event(CLIENT, Event::Dialing { attempt: 3 }).started(3).at(105.0);
            let (cause, words) = (EndCause::Stale, "stale".into());
            let script = script.event(CLIENT, Event::Ended { attempt: 3, cause, words });
            script.event(CLIENT, Event::Dialing { attempt: 4 })
        };
        over(waits(stale().ended(4), CLIENT, 4, 400)).acquitted_by(&BACKOFF);
        let evidence = waits(stale().ended(4), CLIENT, 4, 401).condemned_by(&BACKOFF);
        assert!(evidence.what.contains("after 3 failures in a row"), "{}", evidence.what);
        let evidence = stale().ended(4).event(CLIENT, Event::Dialing { attempt: 5 }).condemned_by(&BACKOFF);
        assert!(evidence.what.ends_with("dialed for attempt 5 without any wait after the last"), "{}", evidence.what);
    }

    #[test]
    fn who_has_finished_dials_when_it_likes_and_counts_anew() {
        let (cause, words) = (EndCause::Finished, "finished");
        let finished = failing(&[10, 20]).at(100.0).event(CLIENT, Event::Dialing { attempt: 3 }).started(3).at(101.0);
        let finished = finished.event(CLIENT, Event::Ended { attempt: 3, cause, words: words.into() });
        let again = finished.at(200.0).event(CLIENT, Event::Dialing { attempt: 4 }).ended(4);
        assert!(waits(again, CLIENT, 4, 101).condemned_by(&BACKOFF).what.contains("after 1 failure in a row"));
    }

    #[test]
    fn a_new_process_begins_anew() {
        let script = failing(&[10, 20, 30]).event(CLIENT, Event::ProcessKilled).at(200.0);
        let script = script.event(CLIENT, Event::Dialing { attempt: 1 }).ended(1);
        assert!(waits(script, CLIENT, 1, 101).condemned_by(&BACKOFF).what.contains("after 1 failure in a row"));
    }

    #[test]
    fn a_client_that_does_not_wait_is_condemned() {
        let dialed = |at| waits(Script::new().at(1.0).ended(1), CLIENT, 1, 90).at(at);
        dialed(1.09).event(CLIENT, Event::Dialing { attempt: 2 }).acquitted_by(&BACKOFF);
        let evidence = dialed(1.01).event(CLIENT, Event::Dialing { attempt: 2 }).condemned_by(&BACKOFF);
        assert_eq!(evidence.what, "client-1 dialed for attempt 2 80ms before the end of its wait");
    }

    #[test]
    fn clients_that_return_together_are_condemned_from_the_third_on() {
        assert!(over(falling(&[100, 100])).acquitted_by(&BACKOFF).contains("too few"));
        let evidence = falling(&[100, 100, 100]).condemned_by(&BACKOFF);
        assert_eq!((evidence.host.as_str(), evidence.records.len()), ("client-3", 3));
        assert!(evidence.what.contains("all 3 waits"), "{}", evidence.what);
        falling(&[50; 3]).condemned_by(&BACKOFF);
    }

    #[test]
    fn clients_that_return_one_by_one_are_acquitted() {
        let seen = over(falling(&[81, 3, 44, 97, 45, 12, 60, 29])).acquitted_by(&BACKOFF);
        assert_eq!(seen, "waits: 8, all within their steps, and by chance (steps with enough waits: 1)");
    }

    #[test]
    fn steps_that_do_not_double_are_told_as_such() {
        // Drawn by chance, each from zero to the floor.
        let short: Vec<u64> = (0..16).map(|n| 3 + n * 37 % 97).collect();
        let evidence = failing(&short).condemned_by(&BACKOFF);
        assert!(evidence.what.ends_with("the step does not double with each failure"), "{}", evidence.what);
        let doubling: Vec<u64> = (0..12).map(|n| (100 << n).min(30_000) * (3 + n * 37 % 97) / 100).collect();
        over(failing(&doubling)).acquitted_by(&BACKOFF);
    }

    #[test]
    fn a_client_that_never_dials_again_is_condemned() {
        let ended = || failing(&[10, 20]).at(200.0).event(CLIENT, Event::Dialing { attempt: 3 }).ended(3);
        let evidence = ended().condemned_by(&BACKOFF);
        assert_eq!(evidence.what, "client-1 neither waits nor dials since its attempt 3 ended");
        assert_eq!(evidence.at, Duration::from_secs(205));
        assert!(waits(ended(), CLIENT, 3, 40).condemned_by(&BACKOFF).what.contains("does not dial again"));
        ended().event(CLIENT, Event::ProcessKilled).acquitted_by(&BACKOFF);
        waits(ended(), CLIENT, 3, 40).fault_begins(1, suspend(CLIENT)).acquitted_by(&BACKOFF);
    }

    #[test]
    fn a_dial_after_an_end_that_nobody_told_is_condemned() {
        let script = Script::new().at(1.0).event(CLIENT, Event::Dialing { attempt: 1 }).at(9.0);
        let evidence = script.event(CLIENT, Event::Dialing { attempt: 2 }).condemned_by(&BACKOFF);
        assert!(evidence.what.ends_with("had not told the end of the last"), "{}", evidence.what);
    }

    #[test]
    fn jitter_over_a_part_of_the_step_is_condemned_once_there_are_enough_waits() {
        let half: Vec<u64> = (0..60).map(|n| 50 + n * 37 % 50).collect();
        falling(&half).condemned_by(&BACKOFF);
        let whole: Vec<u64> = (0..60).map(|n| n * 37 % 101).collect();
        over(falling(&whole)).acquitted_by(&BACKOFF);
    }
}
