//! The delay before the next attempt: doubling steps, full jitter, never giving up.
//!
//! Refuses to know the time, and what failed: it is told how long the last stream was up.
//!
//! ```text
//!   floor --failed--> 2 x floor --failed--> ... --failed--> ceiling --failed--> ceiling
//!     ^                                                        |
//!     +------------- any step, after stable uptime ------------+
//! ```

use std::time::Duration;

use crate::env::Dice;
use crate::subject::xmtp::client::{BackoffConfig, ClientQuirk};

/// Where the doubling stands.
#[derive(Clone, Debug)]
pub(crate) struct ClientBackoff {
    config: BackoffConfig,
    step: Duration,
    quirk: Option<ClientQuirk>,
}

impl ClientBackoff {
    /// Begins at the floor.
    #[must_use]
    pub(crate) fn new(config: BackoffConfig, quirk: Option<ClientQuirk>) -> Self {
        ClientBackoff { config, step: config.floor.min(config.ceiling), quirk }
    }

    /// A stream was up for `uptime`, and its end is no failure.
    pub(crate) fn note(&mut self, uptime: Duration) {
        if uptime >= self.config.stable_after || self.quirk == Some(ClientQuirk::BackoffWithoutDoubling) {
            self.step = self.config.floor.min(self.config.ceiling);
        }
    }

    /// The delay after an attempt whose stream was up for `uptime`: drawn from zero to the step, both
    /// included, so that clients that fell together do not return together.
    pub(crate) fn next_delay(&mut self, uptime: Duration, dice: &mut Dice) -> Duration {
        self.note(uptime);
        let step = self.step;
        self.step = step.saturating_mul(2).min(self.config.ceiling);
        if self.quirk == Some(ClientQuirk::BackoffWithoutJitter) {
            return step;
        }
        dice.up_to(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Die;

    const UNSTABLE: Duration = Duration::from_millis(9_999);

    fn delays(quirk: Option<ClientQuirk>, count: usize) -> Vec<Duration> {
        let mut dice = Dice::named(1, &Die::Test("backoff"));
        let mut backoff = ClientBackoff::new(BackoffConfig::default(), quirk);
        (0..count).map(|_| backoff.next_delay(UNSTABLE, &mut dice)).collect()
    }

    #[test]
    fn steps_double_from_the_floor_to_the_ceiling_and_stay() {
        let millis: Vec<u128> =
            delays(Some(ClientQuirk::BackoffWithoutJitter), 11).iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn jitter_fills_the_whole_step_and_never_leaves_it() {
        let ceiling = BackoffConfig::default().ceiling;
        let late = &delays(None, 1_009)[9..];
        assert!(late.iter().all(|delay| *delay <= ceiling));
        assert!(late.iter().any(|delay| *delay < ceiling / 10), "nothing near zero");
        assert!(late.iter().any(|delay| *delay > ceiling / 10 * 9), "nothing near the step");
    }

    #[test]
    fn only_stable_uptime_returns_to_the_floor() {
        let mut dice = Dice::named(1, &Die::Test("backoff"));
        let mut backoff = ClientBackoff::new(BackoffConfig::default(), Some(ClientQuirk::BackoffWithoutJitter));
        let mut next = |uptime| backoff.next_delay(uptime, &mut dice).as_millis();
        assert_eq!([next(UNSTABLE), next(UNSTABLE), next(UNSTABLE)], [100, 200, 400]);
        assert_eq!([next(Duration::from_secs(10)), next(UNSTABLE)], [100, 200]);
    }

    #[test]
    fn an_absurd_configuration_stays_within_its_ceiling() {
        let second = Duration::from_secs(1);
        let config = BackoffConfig { floor: Duration::MAX, ceiling: second, stable_after: Duration::ZERO };
        let mut backoff = ClientBackoff::new(config, Some(ClientQuirk::BackoffWithoutJitter));
        assert_eq!(backoff.next_delay(Duration::ZERO, &mut Dice::named(1, &Die::Test("backoff"))), second);
    }
}
