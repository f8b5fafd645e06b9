//! The one clock of a trial, and the wall clock of a host, which can be wrong.
//!
//! Refuses to know who reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The true wall clock at a trial's start: 2026-01-01 00:00:00 UTC.
pub(crate) const WALL_CLOCK_START: Duration = Duration::from_secs(1_767_225_600);

const NANOS_PER_MS: i128 = 1_000_000;
const MILLION: i128 = 1_000_000;

/// Reads the simulated time; only the engine sets it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// Time since the trial began.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// # Panics
    /// If time would run backwards: a bug of the engine.
    pub(crate) fn set(&self, now: Duration) {
        assert!(now >= self.now(), "simulated time runs backwards: from {:?} to {now:?}", self.now());
        self.0.store(nanos(now), Ordering::Relaxed);
    }
}

/// Nanoseconds of a simulated time, which stays far below the 584 years that 64 bits hold.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("a trial is shorter than 584 years")
}

/// A host's wall clock: the true one, and what clauses add to it. Several at once add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WallClock {
    /// What drifts that have ended left behind.
    kept_nanos: i128,
    wrongs: BTreeMap<u32, Wrong>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrong {
    kind: WrongKind,
    /// The host has looked at its wall clock meanwhile.
    read: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WrongKind {
    Step { by_ms: i64 },
    Drift { since: Duration, parts_per_million: i32 },
}

impl WrongKind {
    fn adds_nanos(self, now: Duration) -> i128 {
        match self {
            WrongKind::Step { by_ms } => i128::from(by_ms) * NANOS_PER_MS,
            WrongKind::Drift { since, parts_per_million } => {
                i128::from(nanos(now - since)) * i128::from(parts_per_million) / MILLION
            }
        }
    }
}

impl WallClock {
    /// What it shows, since the Unix epoch; a clock set to before 1970 shows 1970.
    pub(crate) fn at(&self, now: Duration) -> Duration {
        if self.wrongs.is_empty() && self.kept_nanos == 0 {
            return WALL_CLOCK_START + now;
        }
        let wrong: i128 = self.wrongs.values().map(|wrong| wrong.kind.adds_nanos(now)).sum();
        let shown = i128::from(nanos(WALL_CLOCK_START + now)) + self.kept_nanos + wrong;
        Duration::from_nanos(u64::try_from(shown.max(0)).unwrap_or(u64::MAX))
    }

    /// A clause sets it ahead or back.
    pub(crate) fn step(&mut self, clause: u32, by_ms: i64) {
        self.wrongs.insert(clause, Wrong { kind: WrongKind::Step { by_ms }, read: false });
    }

    /// A clause changes its speed.
    pub(crate) fn drift(&mut self, clause: u32, parts_per_million: i32, now: Duration) {
        let kind = WrongKind::Drift { since: now, parts_per_million };
        self.wrongs.insert(clause, Wrong { kind, read: false });
    }

    /// The host has looked at it.
    pub(crate) fn note_read(&mut self) {
        self.wrongs.values_mut().for_each(|wrong| wrong.read = true);
    }

    /// A clause ends; whether the host looked at its clock meanwhile. A step is taken back, a drift stays.
    pub(crate) fn heal(&mut self, clause: u32, now: Duration) -> bool {
        let Some(wrong) = self.wrongs.remove(&clause) else { return false };
        match wrong.kind {
            WrongKind::Step { .. } => {}
            WrongKind::Drift { .. } => self.kept_nanos += wrong.kind.adds_nanos(now),
        }
        wrong.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn shown(clock: &WallClock, now: Duration) -> i128 {
        i128::from(nanos(clock.at(now))) - i128::from(nanos(WALL_CLOCK_START))
    }

    #[test]
    fn a_step_is_taken_back_and_a_drift_is_kept() {
        let mut clock = WallClock::default();
        clock.step(1, -1_500);
        clock.drift(2, 100, SECOND);
        assert_eq!(shown(&clock, 11 * SECOND), 11_000_000_000 - 1_500_000_000 + 1_000_000);
        clock.heal(1, 11 * SECOND);
        clock.heal(2, 11 * SECOND);
        assert_eq!(shown(&clock, 21 * SECOND), 21_000_000_000 + 1_000_000);
    }

    #[test]
    fn a_clock_that_nobody_read_was_wrong_for_nobody() {
        let mut clock = WallClock::default();
        clock.step(1, 5);
        clock.note_read();
        clock.drift(2, 5, SECOND);
        assert!(clock.heal(1, SECOND));
        assert!(!clock.heal(2, SECOND));
        assert!(!clock.heal(3, SECOND), "a clause that never began");
    }

    #[test]
    fn a_clock_does_not_show_a_time_before_the_epoch() {
        let mut clock = WallClock::default();
        clock.step(1, i64::MIN);
        assert_eq!(clock.at(SECOND), Duration::ZERO);
    }
}
