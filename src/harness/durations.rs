//! Durations as people say them: `2.minutes()`.

use std::time::Duration;

/// A number of seconds, minutes or hours of a trial.
///
/// ```
/// use pulseless::Durations;
/// assert_eq!(2.minutes(), std::time::Duration::from_secs(120));
/// ```
pub trait Durations {
    /// So many thousandths of a second.
    fn milliseconds(self) -> Duration;
    /// So many seconds.
    fn seconds(self) -> Duration;
    /// So many minutes.
    fn minutes(self) -> Duration;
    /// So many hours.
    fn hours(self) -> Duration;
}

/// What is too long for a `Duration` is the longest.
impl Durations for u64 {
    fn milliseconds(self) -> Duration {
        Duration::from_millis(self)
    }

    fn seconds(self) -> Duration {
        Duration::from_secs(self)
    }

    fn minutes(self) -> Duration {
        Duration::from_secs(self.saturating_mul(60))
    }

    fn hours(self) -> Duration {
        Duration::from_secs(self.saturating_mul(3_600))
    }
}
