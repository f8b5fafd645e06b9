//! Values that flags take, beyond numbers and paths.
//!
//! Refuses to know which flag takes them.

use std::str::FromStr;
use std::time::Duration;

use crate::grammar::{self, DURATION_FORM, spell};
use crate::subject::xmtp::settings::{INTERVAL_MAX, WATCHDOG_RANGE};

/// Reads a duration, in the words of a sim file.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    grammar::duration(text).map_err(|bad| format!("{bad}; write {DURATION_FORM}"))
}

/// Reads a keepalive interval, at most as long as in a sim: more is a slip of the unit. Below a millisecond, the wire's unit, a node would not ping at all.
pub(crate) fn keepalive(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval.is_zero() || interval > INTERVAL_MAX {
        return Err(format!("`{text}` is no keepalive interval; write one from 1ms to {}", spell(INTERVAL_MAX)));
    }
    Ok(interval)
}

/// After how many silent keepalive intervals a stream is dead (C2); `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience(pub(crate) Option<u32>);

/// Why a text is no [`Patience`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a watchdog; write a number of silent keepalive intervals from 2 to 10, or off")]
pub(crate) struct BadPatience(String);

impl FromStr for Patience {
    type Err = BadPatience;

    fn from_str(text: &str) -> Result<Self, BadPatience> {
        if text == "off" {
            return Ok(Patience(None));
        }
        let intervals = text.parse().ok().filter(|intervals| WATCHDOG_RANGE.contains(intervals));
        intervals.map(|intervals| Patience(Some(intervals))).ok_or_else(|| BadPatience(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_duration_says_what_would_be_right() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        let error = duration("20").expect_err("no unit");
        assert!(error.contains("`20` has no unit; write a duration with the units"), "{error}");
    }

    #[test]
    fn a_keepalive_is_neither_nothing_nor_for_ever() {
        for (text, is_good) in [("0", false), ("1ms", true), ("1h", true), ("1h1ms", false)] {
            assert_eq!(keepalive(text).is_ok(), is_good, "{text}");
        }
    }

    #[test]
    fn a_watchdog_is_a_number_of_intervals_or_off() {
        assert_eq!(("3".parse(), "off".parse()), (Ok(Patience(Some(3))), Ok(Patience(None))));
        for bad in ["1", "11", "-3", "on", ""] {
            assert_eq!(bad.parse::<Patience>(), Err(BadPatience(bad.into())));
        }
    }
}
