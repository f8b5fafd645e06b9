//! Why a host stands still: its process is stopped, the whole host sleeps, or a system call waits for the disk.
//!
//! Refuses to know what runs on the host, and when it would run.
//!
//! ```text
//!          stop           lasts while any clause stops the process; the next process is not stopped
//! Running -----> Stopped
//!          fall asleep    lasts while any clause puts the host to sleep, or until its power fails
//! Running -----> Asleep   (the monotonic clock stands still)
//!          wait           lasts until its time
//! Running -----> Waiting
//! ```
//! The three combine: a host runs when none holds it.

use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standstill {
    /// Clauses that stop the process.
    stops: BTreeSet<u32>,
    /// Clauses that put the host to sleep.
    sleeps: BTreeSet<u32>,
    asleep_since: Option<Duration>,
    /// How long it slept before.
    slept: Duration,
    waits_until: Option<Duration>,
}

impl Standstill {
    pub(crate) fn may_run(&self, now: Duration) -> bool {
        self.stops.is_empty() && self.asleep_since.is_none() && self.waits_until.is_none_or(|until| until <= now)
    }

    /// When the host runs by itself, if its next timer is due at `timer`.
    pub(crate) fn wakes_at(&self, timer: Option<Duration>) -> Option<Duration> {
        if !self.stops.is_empty() || self.asleep_since.is_some() {
            return None;
        }
        self.waits_until.or(timer)
    }

    pub(crate) fn stop(&mut self, clause: u32) {
        self.stops.insert(clause);
    }

    pub(crate) fn go_on(&mut self, clause: u32) {
        self.stops.remove(&clause);
    }

    /// A clause puts the host to sleep; whether it was awake.
    pub(crate) fn fall_asleep(&mut self, clause: u32, now: Duration) -> bool {
        self.sleeps.insert(clause);
        let was_awake = self.asleep_since.is_none();
        self.asleep_since = self.asleep_since.or(Some(now));
        was_awake
    }

    /// A clause lets the host wake up; whether it does, because no other clause holds it.
    pub(crate) fn wake_up(&mut self, clause: u32, now: Duration) -> bool {
        self.sleeps.remove(&clause) && self.sleeps.is_empty() && self.end_sleep(now)
    }

    /// A host without power does not sleep: when it has power again it boots. Whether it slept.
    pub(crate) fn lose_power(&mut self, now: Duration) -> bool {
        self.sleeps.clear();
        self.end_sleep(now)
    }

    fn end_sleep(&mut self, now: Duration) -> bool {
        let since = self.asleep_since.take();
        self.slept += since.map_or(Duration::ZERO, |since| now - since);
        since.is_some()
    }

    /// Clauses that hold the host asleep.
    pub(crate) fn sleeps(&self) -> &BTreeSet<u32> {
        &self.sleeps
    }

    /// The process waits for a system call.
    pub(crate) fn wait_until(&mut self, until: Duration) {
        self.waits_until = Some(until);
    }

    /// The process runs: no system call holds it any more.
    pub(crate) fn end_wait(&mut self) {
        self.waits_until = None;
    }

    /// Another process: nobody has stopped it, and it waits for nothing.
    pub(crate) fn begin_process(&mut self) {
        self.stops.clear();
        self.waits_until = None;
    }

    /// What the monotonic clock shows at `now`: the time that the host was awake.
    pub(crate) fn monotonic(&self, now: Duration) -> Duration {
        self.asleep_since.unwrap_or(now) - self.slept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_host_runs_when_the_last_clause_lets_it() {
        let mut still = Standstill::default();
        still.stop(1);
        still.stop(2);
        still.fall_asleep(3, SECOND);
        still.go_on(1);
        assert!(still.wake_up(3, 2 * SECOND));
        assert!(!still.may_run(3 * SECOND));
        assert_eq!(still.wakes_at(Some(SECOND)), None, "a stopped process has no timers");
        still.go_on(2);
        assert!(still.may_run(3 * SECOND));
        assert_eq!(still.wakes_at(Some(SECOND)), Some(SECOND));
    }

    #[test]
    fn the_monotonic_clock_stands_still_while_any_clause_holds_the_host_asleep() {
        let mut still = Standstill::default();
        assert!(still.fall_asleep(1, 10 * SECOND));
        assert!(!still.fall_asleep(2, 12 * SECOND), "it slept already");
        assert!(!still.wake_up(1, 20 * SECOND), "another clause holds it");
        assert_eq!(still.monotonic(25 * SECOND), 10 * SECOND);
        assert!(still.wake_up(2, 30 * SECOND));
        assert!(!still.wake_up(2, 31 * SECOND), "it woke twice");
        assert_eq!(still.monotonic(35 * SECOND), 15 * SECOND);
    }

    #[test]
    fn a_host_that_loses_power_in_its_sleep_boots_awake() {
        let mut still = Standstill::default();
        still.fall_asleep(1, SECOND);
        assert!(still.lose_power(3 * SECOND));
        assert!(still.may_run(3 * SECOND));
        assert!(!still.wake_up(1, 4 * SECOND), "the clause woke a host that did not sleep");
    }

    #[test]
    fn a_wait_ends_at_its_time_and_holds_the_timers_up() {
        let mut still = Standstill::default();
        still.wait_until(5 * SECOND);
        assert!(!still.may_run(4 * SECOND));
        assert_eq!(still.wakes_at(Some(SECOND)), Some(5 * SECOND));
        assert!(still.may_run(5 * SECOND));
    }

    #[test]
    fn the_next_process_is_neither_stopped_nor_waiting() {
        let mut still = Standstill::default();
        still.stop(1);
        still.wait_until(5 * SECOND);
        still.begin_process();
        assert!(still.may_run(SECOND));
    }
}
