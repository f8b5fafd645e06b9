//! When a publisher sends and how much: pure, no clock of its own.

use std::time::Duration;

use rand::RngExt;

use crate::env::Dice;

/// How the publishing of one publisher is spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Never.
    Quiet,
    /// One message each `every` on average, between half and one and a half times that.
    Steady {
        /// The mean distance.
        every: Duration,
    },
    /// `messages` at once each `every` on average.
    Burst {
        /// The mean distance.
        every: Duration,
        /// How many at once.
        messages: u32,
    },
}

/// The times at which messages are due, one after the other.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    dice: Dice,
    next: Option<Duration>,
    end: Duration,
}

impl Schedule {
    /// From `start` to `end`, exclusive, on the trial's time line.
    #[must_use]
    pub fn new(pace: Pace, start: Duration, end: Duration, dice: Dice) -> Self {
        let mut schedule = Schedule { pace, dice, next: None, end };
        schedule.next = schedule.after(start);
        schedule
    }

    /// When the next message is due; none: never again.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.next
    }

    /// How many messages are due by `now`: they go out together. At most `most` are taken at once.
    pub(crate) fn take_due(&mut self, now: Duration, most: usize) -> usize {
        let mut due = 0;
        while let Some(next) = self.next
            && next <= now
            && due < most
        {
            due += match self.pace {
                Pace::Quiet => 0,
                Pace::Steady { .. } => 1,
                Pace::Burst { messages, .. } => messages as usize,
            };
            self.next = self.after(next);
        }
        due
    }

    fn after(&mut self, time: Duration) -> Option<Duration> {
        let every = match self.pace {
            Pace::Quiet => return None,
            Pace::Steady { every } | Pace::Burst { every, .. } => every,
        };
        let factor = self.dice.random_range(0.5..1.5);
        let next = time + every.mul_f64(factor).max(Duration::from_nanos(1));
        (next < self.end).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Die;

    fn count(pace: Pace) -> usize {
        let hour = Duration::from_secs(3600);
        let mut schedule = Schedule::new(pace, Duration::ZERO, hour, Dice::named(7, &Die::Test("test")));
        schedule.take_due(hour, usize::MAX)
    }

    #[test]
    fn a_rate_is_kept_on_average() {
        let sent = count(Pace::Steady { every: Duration::from_secs(1) });
        assert!((3400..3800).contains(&sent), "{sent} in 3600 s");
        let sent = count(Pace::Burst { every: Duration::from_secs(60), messages: 100 });
        assert!((5000..7000).contains(&sent), "{sent} in 60 bursts");
        assert_eq!(count(Pace::Quiet), 0);
    }

    #[test]
    fn nothing_is_due_at_or_after_the_end() {
        let end = Duration::from_secs(10);
        let pace = Pace::Steady { every: Duration::from_secs(1) };
        let mut schedule = Schedule::new(pace, Duration::ZERO, end, Dice::named(7, &Die::Test("test")));
        while let Some(next) = schedule.next() {
            assert!(next < end);
            assert_eq!(schedule.take_due(next, 1), 1);
        }
    }
}
