//! The watchdog: after N silent intervals a stream is dead (C2), and one interval before that it is asked.
//!
//! Refuses to know what was heard, and has no clock: every call says what time it is.
//!
//! ```text
//!               heard                    heard
//!           +----------+         +------------------+
//!           v          |         v                  |
//!   ----> listening ---+     listening          asked ---- N intervals silent ----> dead
//!           |   |                                 ^
//!           |   +------ N-1 intervals silent -----+
//!           |
//!           +-- stop --> standing still -- resume --> listening, with a fresh idle period
//! ```

use std::time::Duration;

use tokio::time::Instant;

/// The interval where the node has advertised none (C2).
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// An interval below this is taken for this: the link's own delay would pass for silence, and the client would dial for
/// ever. A node may advertise 1 ms.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// An interval above this is taken for this: a node may advertise 49 days, and a dead stream must not look alive for so
/// long. No healthy one suffers, because the watchdog asks before it gives up.
const INTERVAL_MAX: Duration = Duration::from_secs(600);
/// The shortest interval by which a stream that is being opened is watched: dialing through a proxy takes a few round
/// trips, and nothing is heard before their end.
const OPENING_MIN: Duration = Duration::from_secs(5);
/// N is 2 to 3 (C2); with 1, the question would be asked at once and without end.
const INTERVALS_MIN: u32 = 2;
/// What silence is at most waited for, so that no number of intervals can overflow the clock.
const SILENCE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// `intervals` times `interval`, within a year.
pub(crate) fn silence(interval: Duration, intervals: u32) -> Duration {
    interval.saturating_mul(intervals).min(SILENCE_MAX)
}

/// The interval that a node keeps, as far as its word can be believed: 30 s where it gave none (C2).
pub(crate) fn believed(advertised: Option<Duration>) -> Duration {
    advertised.map_or(DEFAULT_INTERVAL, |interval| interval.clamp(INTERVAL_MIN, INTERVAL_MAX))
}

/// What the watchdog wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Ask for a sign of life.
    Ping,
    /// The stream is dead.
    Dead {
        /// How long nothing was heard.
        silent_for: Duration,
    },
}

/// One stream's watchdog.
#[derive(Clone, Debug)]
pub(crate) struct Watchdog {
    intervals: u32,
    interval: Duration,
    heard_at: Instant,
    asked: bool,
    stopped: bool,
}

impl Watchdog {
    /// Begins to listen; the way to the first frame is watched too, by what the node advertised `before`, on another
    /// stream: else each attempt that opens into a silence takes 30 s intervals, whatever the node's are.
    #[must_use]
    pub(crate) fn new(intervals: u32, before: Option<Duration>, now: Instant) -> Self {
        Watchdog {
            intervals: intervals.max(INTERVALS_MIN),
            interval: before.map_or(DEFAULT_INTERVAL, |interval| interval.clamp(OPENING_MIN, DEFAULT_INTERVAL)),
            heard_at: now,
            asked: false,
            stopped: false,
        }
    }

    /// Takes the interval that the node advertised in `Started`.
    pub(crate) fn advertise(&mut self, interval: Option<Duration>) {
        self.interval = believed(interval);
    }

    /// A frame of any kind arrived.
    pub(crate) fn hear(&mut self, now: Instant) {
        self.heard_at = now;
        self.asked = false;
    }

    /// Nobody reads any more, so silence proves nothing.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Somebody reads again.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.stopped = false;
        self.hear(now);
    }

    /// When [`Watchdog::check`] is to be called next, if nothing is heard until then.
    #[must_use]
    pub(crate) fn due(&self) -> Option<Instant> {
        let intervals = if self.asked { self.intervals } else { self.intervals - 1 };
        (!self.stopped).then(|| self.heard_at + silence(self.interval, intervals))
    }

    /// Whether something is to be done now. The question is asked once in a silence.
    pub(crate) fn check(&mut self, now: Instant) -> Option<Alarm> {
        if self.stopped {
            return None;
        }
        let silent_for = now.saturating_duration_since(self.heard_at);
        if silent_for >= silence(self.interval, self.intervals) {
            return Some(Alarm::Dead { silent_for });
        }
        if self.asked || silent_for < silence(self.interval, self.intervals - 1) {
            return None;
        }
        self.asked = true;
        Some(Alarm::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MOMENT: Duration = Duration::from_nanos(1);

    #[test]
    fn silence_is_asked_about_at_two_intervals_and_ends_the_stream_at_three() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(3, None, start);
        assert_eq!(watchdog.check(start + 60 * SECOND - MOMENT), None);
        assert_eq!(watchdog.due(), Some(start + 60 * SECOND));
        assert_eq!(watchdog.check(start + 60 * SECOND), Some(Alarm::Ping));
        assert_eq!(watchdog.check(start + 60 * SECOND), None, "asked twice");
        assert_eq!(watchdog.due(), Some(start + 90 * SECOND));
        assert_eq!(watchdog.check(start + 90 * SECOND - MOMENT), None);
        let dead = Alarm::Dead { silent_for: 90 * SECOND };
        assert_eq!(watchdog.check(start + 90 * SECOND), Some(dead));
    }

    #[test]
    fn the_advertised_interval_replaces_thirty_seconds() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(2, None, start);
        watchdog.advertise(Some(5 * SECOND));
        assert_eq!(watchdog.due(), Some(start + 5 * SECOND));
        watchdog.advertise(None);
        assert_eq!(watchdog.due(), Some(start + 30 * SECOND));
    }

    #[test]
    fn every_frame_begins_a_new_silence() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(3, None, start);
        assert_eq!(watchdog.check(start + 60 * SECOND), Some(Alarm::Ping));
        watchdog.hear(start + 89 * SECOND);
        assert_eq!(watchdog.check(start + 90 * SECOND), None);
        assert_eq!(watchdog.due(), Some(start + 149 * SECOND));
        assert_eq!(watchdog.check(start + 149 * SECOND), Some(Alarm::Ping), "a new silence is a new question");
    }

    #[test]
    fn it_stands_still_while_nobody_reads() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(3, None, start);
        watchdog.stop();
        assert_eq!((watchdog.due(), watchdog.check(start + 900 * SECOND)), (None, None));
        watchdog.resume(start + 900 * SECOND);
        assert_eq!(watchdog.check(start + 900 * SECOND), None);
        assert_eq!(watchdog.due(), Some(start + 960 * SECOND), "a fresh idle period");
    }

    #[test]
    fn a_late_check_after_a_suspension_finds_the_stream_dead() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(3, None, start);
        let dead = Alarm::Dead { silent_for: 3600 * SECOND };
        assert_eq!(watchdog.check(start + 3600 * SECOND), Some(dead));
    }

    #[test]
    fn absurd_settings_neither_overflow_nor_spin() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(u32::MAX, None, start);
        watchdog.advertise(Some(Duration::MAX));
        assert_eq!(watchdog.due(), Some(start + SILENCE_MAX));
        let mut watchdog = Watchdog::new(3, None, start);
        watchdog.advertise(Some(Duration::from_millis(u64::from(u32::MAX))));
        assert_eq!(watchdog.due(), Some(start + 2 * INTERVAL_MAX), "then it asks");
        assert_eq!(Watchdog::new(0, None, start).due(), Some(start + 30 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_opened_by_the_interval_that_was_advertised_before() {
        let start = Instant::now();
        let due =
            |before: u64| Watchdog::new(2, Some(Duration::from_millis(before)), start).due().map(|due| due - start);
        assert_eq!(due(7_000), Some(7 * SECOND));
        assert_eq!((due(1), due(60_000)), (Some(OPENING_MIN), Some(DEFAULT_INTERVAL)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_absurdly_short_interval_is_bounded() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(2, None, start);
        watchdog.advertise(Some(Duration::from_millis(1)));
        assert_eq!(watchdog.due(), Some(start + INTERVAL_MIN));
    }
}
