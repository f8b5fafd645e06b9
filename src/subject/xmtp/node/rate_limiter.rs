//! Holds a rate (S8): a burst at once, then so many each second.
//!
//! A generic cell rate algorithm, as ATM Forum TM 4.0 section 4.4 defines it: it remembers one instant, the
//! time at which the next event is due, and lets events come early by at most the burst. Refuses to own a
//! clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::subject::xmtp::node::RateLimit;

/// Measures one stream of events.
#[derive(Clone, Debug)]
pub(crate) struct RateLimiter {
    spacing: Duration,
    slack: Duration,
    due: Option<Instant>,
}

impl RateLimiter {
    /// A limiter with its whole burst unspent.
    pub(crate) fn new(rate: RateLimit) -> Self {
        let spacing = Duration::from_secs(1) / rate.per_second.max(1);
        RateLimiter { spacing, slack: spacing.saturating_mul(rate.burst.max(1) - 1), due: None }
    }

    /// Whether one more event is within the rate; it is counted if so.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        let due = self.due.map_or(now, |due| due.max(now));
        if due.duration_since(now) > self.slack {
            return false;
        }
        self.due = Some(due + self.spacing);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(RateLimit { burst: 3, per_second: 10 });
        assert_eq!([0; 4].map(|_| limiter.admit(start)), [true, true, true, false]);
        let later = start + Duration::from_millis(100);
        assert_eq!([0; 2].map(|_| limiter.admit(later)), [true, false]);
        let much_later = start + Duration::from_secs(60);
        assert_eq!([0; 4].map(|_| limiter.admit(much_later)), [true, true, true, false]);
    }
}
