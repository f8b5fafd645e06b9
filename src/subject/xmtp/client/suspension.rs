//! Suspension: whoever stood still asks for a sign of life before it trusts its stream again (C5).
//!
//! Refuses to know how a Ping travels, and has no clock: every call says what time it is, and what the boot clock shows.
//!
//! Two things show that it stood still:
//! - The machine was suspended: the boot clock ran on and tokio's did not, so that they part.
//! - The process was stopped, by SIGSTOP or a system that freezes what is in the background: both clocks ran on, and an
//!   alarm rings much too late.
//!
//! tokio's timers stand still with the machine, and the next may be the watchdog's, a minute ahead. So the clocks are
//! looked at whenever the stream's actor has its turn, and every few seconds where it has none.
//!
//! ```text
//!   trusting --stood still--> doubting --at once, or a while after the last question--> asking
//!      ^                                                                                |    |
//!      +------------------------------- the Pong ---------------------------------------+    +-- none in time --> stale
//! ```
//! Who stands still while it asks has the whole time once more, but only once, and doubts anew after the answer: it may
//! be older than the second suspension.

use std::time::Duration;

use tokio::time::Instant;

use crate::subject::xmtp::client::ClientQuirk;
use crate::subject::xmtp::wire::Nonce;

/// How soon a Pong must come (C5: a short deadline). A lost segment is sent again after 0.2, 0.6, 1.4 and 3 s (RFC 6298,
/// with Linux's minimum), which is as long as a radio takes to find its network again.
pub const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// The clocks are looked at so often, which is the most that a probe comes late by after a resume. HTTP/2's keepalive
/// wakes an idle client as often, and with the probe's deadline it is as long as that takes to find a dead next hop
/// (10 s and 5 s). More often would be felt: each look is a wake-up, and an idle client has few others.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What the clocks part by without a suspension: they are read one after the other, and a busy machine may do other things
/// in between.
const PARTED_MIN: Duration = Duration::from_secs(1);
/// An alarm that is late by less than an interval, within these, is a busy machine's: so soon no node reaps a stream for
/// want of a Pong (S6).
const LATE_MIN: Duration = Duration::from_secs(1);
const LATE_MAX: Duration = Duration::from_secs(5);
/// From one question to the next, by the boot clock (C5: debounce flapping).
const ASK_EVERY: Duration = Duration::from_secs(10);
/// The nonce of the first question; the others count down from it. The watchdog's own is above, and probes that callers
/// wait for count up from 1.
const FIRST_NONCE: u64 = u64::MAX - 1;

/// What is to be done about a stream that may be stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeStep {
    /// Ask for a sign of life.
    Ask(Nonce),
    /// Nothing answered in time.
    Stale,
}

/// A question that was asked.
#[derive(Clone, Copy, Debug)]
struct Question {
    nonce: Nonce,
    until: Instant,
    /// It stood still meanwhile, and `until` was put off for that.
    put_off: bool,
}

/// One stream's doubts.
#[derive(Clone, Debug)]
pub(crate) struct Suspension {
    within: Duration,
    /// Both clocks at the beginning, and by how much they have parted since.
    began: (Instant, Duration),
    slept: Duration,
    looked_at: Instant,
    /// From when on the next question may be asked, if there is any doubt.
    doubts_from: Option<Instant>,
    question: Option<Question>,
    /// When the last question was asked, by the boot clock, and how many were.
    asked_at: Option<Duration>,
    asked: u64,
    ask_every: Duration,
}

impl Suspension {
    /// Begins to look at the clocks. A question is answered `within` that time.
    pub(crate) fn new(within: Duration, now: Instant, boot: Duration) -> Self {
        Suspension {
            within,
            began: (now, boot),
            slept: Duration::ZERO,
            looked_at: now,
            doubts_from: None,
            question: None,
            asked_at: None,
            asked: 0,
            ask_every: ASK_EVERY,
        }
    }

    /// Plants a bug.
    pub(crate) fn plant(mut self, quirk: Option<ClientQuirk>) -> Self {
        if quirk == Some(ClientQuirk::ProbesAtEachFlap) {
            self.ask_every = Duration::ZERO;
        }
        self
    }

    /// Looks at the clocks, and tells for how long it stood still, if it did. `alarm` is when the actor was to wake up at
    /// the latest; `interval` is the node's.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        boot: Duration,
        alarm: Option<Instant>,
        interval: Duration,
    ) -> Option<Duration> {
        let last = std::mem::replace(&mut self.looked_at, now);
        let (began, booted) = self.began;
        let parted = boot.saturating_sub(booted).saturating_sub(now.saturating_duration_since(began));
        let slept = parted.saturating_sub(self.slept);
        let late = alarm.map_or(Duration::ZERO, |due| now.saturating_duration_since(due.max(last)));
        let stood_still = if slept >= PARTED_MIN {
            self.slept = parted;
            slept
        } else if late >= interval.clamp(LATE_MIN, LATE_MAX) {
            late
        } else {
            return None;
        };
        self.doubt(now, boot);
        Some(stood_still)
    }

    fn doubt(&mut self, now: Instant, boot: Duration) {
        let since_asked = self.asked_at.map(|asked| boot.saturating_sub(asked));
        self.doubts_from = Some(now + since_asked.map_or(Duration::ZERO, |since| self.ask_every.saturating_sub(since)));
        if let Some(question) = self.question.as_mut().filter(|question| !question.put_off) {
            (question.until, question.put_off) = (now + self.within, true);
        }
    }

    /// Nothing was read until now, so that no answer was to be heard.
    pub(crate) fn read_again(&mut self, now: Instant) {
        if let Some(question) = &mut self.question {
            question.until = now + self.within;
        }
    }

    /// A Pong arrived; whether it answers the question.
    pub(crate) fn hear(&mut self, nonce: Nonce) -> bool {
        self.question.take_if(|question| question.nonce == nonce).is_some()
    }

    /// When the clocks are to be looked at next.
    pub(crate) fn looks_at(&self) -> Instant {
        self.looked_at + LOOK_EVERY
    }

    /// When [`Suspension::check`] is to be called next, if there is any doubt.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.question.map(|question| question.until).or(self.doubts_from)
    }

    /// Whether something is to be done now.
    pub(crate) fn check(&mut self, now: Instant, boot: Duration) -> Option<ProbeStep> {
        if let Some(question) = self.question {
            return (question.until <= now).then_some(ProbeStep::Stale);
        }
        self.doubts_from.take_if(|from| *from <= now)?;
        let nonce = Nonce(FIRST_NONCE - self.asked);
        self.asked += 1;
        self.asked_at = Some(boot);
        self.question = Some(Question { nonce, until: now + self.within, put_off: false });
        Some(ProbeStep::Ask(nonce))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const INTERVAL: Duration = Duration::from_secs(30);

    /// A stream on a machine with two clocks.
    struct Machine {
        start: Instant,
        /// What tokio's clock shows, and for how long the machine was suspended.
        awake: Duration,
        slept: Duration,
        suspension: Suspension,
    }

    impl Machine {
        fn new() -> Self {
            let start = Instant::now();
            let suspension = Suspension::new(PROBE_WITHIN, start, 7 * SECOND);
            Machine { start, awake: Duration::ZERO, slept: Duration::ZERO, suspension }
        }

        fn now(&self) -> Instant {
            self.start + self.awake
        }

        fn boot(&self) -> Duration {
            7 * SECOND + self.awake + self.slept
        }

        /// So much time passes, and the alarm rings `late`.
        fn run(&mut self, lasts: Duration, late: Duration) -> Option<Duration> {
            self.awake += lasts;
            self.suspension.look(self.now(), self.boot(), Some(self.now() - late), INTERVAL)
        }

        /// The machine sleeps, and the next turn comes a while later.
        fn sleep(&mut self, lasts: Duration) -> Option<Duration> {
            self.slept += lasts;
            self.run(SECOND, Duration::ZERO)
        }

        fn check(&mut self) -> Option<ProbeStep> {
            self.suspension.check(self.now(), self.boot())
        }

        fn ask(&mut self) -> Nonce {
            match self.check() {
                Some(ProbeStep::Ask(nonce)) => nonce,
                other => panic!("nothing is asked: {other:?}"),
            }
        }
    }

    #[test]
    fn who_never_stood_still_never_doubts() {
        let mut machine = Machine::new();
        for _ in 0..10_000 {
            assert_eq!(machine.run(5 * SECOND, SECOND / 2), None);
            assert_eq!((machine.check(), machine.suspension.due()), (None, None));
        }
        assert_eq!(machine.suspension.looks_at(), machine.now() + LOOK_EVERY);
    }

    #[test]
    fn a_suspended_machine_asks_and_trusts_by_the_pong_alone() {
        let mut machine = Machine::new();
        assert_eq!(machine.sleep(28_800 * SECOND), Some(28_800 * SECOND));
        let nonce = machine.ask();
        assert_eq!(machine.suspension.due(), Some(machine.now() + PROBE_WITHIN));
        assert!(!machine.suspension.hear(Nonce(u64::MAX)), "the watchdog's");
        assert!(!machine.suspension.hear(Nonce(1)), "a caller's");
        assert_eq!(machine.check(), None, "it asked already");
        assert!(machine.suspension.hear(nonce));
        assert_eq!((machine.check(), machine.suspension.due()), (None, None));
    }

    #[test]
    fn a_question_without_an_answer_proves_the_stream_stale_and_not_before() {
        let mut machine = Machine::new();
        machine.sleep(60 * SECOND);
        machine.ask();
        machine.run(PROBE_WITHIN - Duration::from_nanos(1), Duration::ZERO);
        assert_eq!(machine.check(), None);
        machine.run(Duration::from_nanos(1), Duration::ZERO);
        assert_eq!(machine.check(), Some(ProbeStep::Stale));
    }

    #[test]
    fn naps_add_up() {
        let mut machine = Machine::new();
        assert_eq!(machine.sleep(SECOND * 6 / 10), None);
        assert_eq!(machine.sleep(SECOND * 6 / 10), Some(SECOND * 12 / 10));
        assert_eq!(machine.sleep(SECOND * 6 / 10), None, "told once");
    }

    #[test]
    fn a_stopped_process_is_told_by_an_alarm_that_rings_late() {
        let mut machine = Machine::new();
        assert_eq!(machine.run(20 * SECOND, 4 * SECOND), None, "a busy machine");
        assert_eq!(machine.run(20 * SECOND, 15 * SECOND), Some(15 * SECOND));
        machine.ask();
        // The alarm that was late is not late anew: frames had their turns before it.
        assert_eq!(machine.run(SECOND / 1_000, 15 * SECOND), None);
    }

    #[test]
    fn the_nodes_interval_says_how_late_is_late() {
        let (start, boot) = (Instant::now(), Duration::ZERO);
        let late = |late: Duration, interval| {
            let mut suspension = Suspension::new(PROBE_WITHIN, start, boot);
            suspension.look(start + 60 * SECOND, 60 * SECOND, Some(start + 60 * SECOND - late), interval).is_some()
        };
        assert!(late(2 * SECOND, 2 * SECOND) && !late(SECOND, 2 * SECOND));
        assert!(late(SECOND, Duration::ZERO) && !late(SECOND / 2, Duration::ZERO));
        assert!(late(LATE_MAX, 3_600 * SECOND));
    }

    #[test]
    fn flapping_asks_once_in_ten_seconds() {
        let mut machine = Machine::new();
        let mut questions = 0;
        for _ in 0..30 {
            // 2 s asleep, 2 s awake: two minutes.
            machine.sleep(2 * SECOND);
            machine.run(SECOND, Duration::ZERO);
            if let Some(ProbeStep::Ask(nonce)) = machine.check() {
                questions += 1;
                assert!(machine.suspension.hear(nonce));
            }
        }
        assert!((10..=12).contains(&questions), "{questions}");
    }

    #[test]
    fn flapping_hides_no_dead_stream() {
        let mut machine = Machine::new();
        machine.sleep(2 * SECOND);
        machine.ask();
        let stale = (1..).find(|_| {
            machine.sleep(2 * SECOND);
            machine.check() == Some(ProbeStep::Stale)
        });
        assert_eq!(stale, Some(6), "seconds awake: the whole time once more from the first nap on, and no more");
    }

    #[test]
    fn an_answer_may_be_older_than_the_second_suspension() {
        let mut machine = Machine::new();
        machine.sleep(60 * SECOND);
        let first = machine.ask();
        machine.sleep(3_600 * SECOND);
        assert!(machine.suspension.hear(first));
        assert_ne!(machine.ask(), first);
    }

    #[test]
    fn what_was_not_read_is_waited_for_anew() {
        let mut machine = Machine::new();
        machine.sleep(60 * SECOND);
        machine.ask();
        machine.run(60 * SECOND, Duration::ZERO);
        machine.suspension.read_again(machine.now());
        assert_eq!(machine.check(), None);
        assert_eq!(machine.suspension.due(), Some(machine.now() + PROBE_WITHIN));
    }

    #[test]
    fn a_boot_clock_that_stands_still_is_no_suspension() {
        let (start, boot) = (Instant::now(), 7 * SECOND);
        let mut suspension = Suspension::new(PROBE_WITHIN, start, boot);
        assert_eq!(suspension.look(start + 3_600 * SECOND, boot, None, INTERVAL), None);
    }
}
