//! The one clock of a trial.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
