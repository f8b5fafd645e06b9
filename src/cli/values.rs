//! Values that flags take, beyond numbers and paths.
//!
//! Refuses to know which flag takes them.

use std::time::Duration;

use globset::{Glob, GlobSet};
use serde_json::Value;

use crate::admin::DRAIN_MAX;
use crate::cli::memory::WORKER_BYTES_MIN;
use crate::env::{Address, BadAddress};
use crate::grammar::quantity::{self, spell_size};
use crate::grammar::{self, BadQuantity, DURATION_FORM, Rate, spell};

/// Far longer than a name; a pattern's length bounds the size of what it compiles to.
const NAME_PATTERN_MAX: usize = 200;

/// Reads a duration, in the words of a sim file.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    grammar::duration(text).map_err(|bad| format!("{bad}; write {DURATION_FORM}"))
}

/// Reads a value that a key of a profile is to have.
pub(crate) fn profile_setting(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    parts.ok_or_else(|| format!("`{text}` sets nothing; write key=value, such as read-timeout=10m"))
}

/// Reads where somebody listens: unlike where somebody dials, its port may be 0.
pub(crate) fn listening(text: &str) -> Result<Address, BadAddress> {
    Address::listening(text)
}

/// Reads how long a proxy waits for its streams when it ends.
pub(crate) fn grace(text: &str) -> Result<Duration, String> {
    let grace = duration(text)?;
    if grace > DRAIN_MAX {
        return Err(format!("`{text}` is no grace; write one from 0s to {}", spell(DRAIN_MAX)));
    }
    Ok(grace)
}

/// Reads an attribute of a lie: numbers, true, false and lists as JSON has them, and everything else as text.
pub(crate) fn attribute(text: &str) -> Result<(String, Value), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or_else(|| format!("`{text}` is no attribute; write KEY=VALUE, such as latency=100"))?;
    let is_plain = |read: &Value| read.is_number() || read.is_boolean() || read.is_array();
    let plain = serde_json::from_str(value).ok().filter(is_plain);
    Ok((key.to_owned(), plain.unwrap_or_else(|| value.into())))
}

/// Reads for how long something may go on, from a second to a year.
pub(crate) fn budget(text: &str) -> Result<Duration, String> {
    const YEAR: Duration = Duration::from_secs(366 * 24 * 3_600);
    let budget = duration(text)?;
    if budget < Duration::from_secs(1) || budget > YEAR {
        return Err(format!("`{text}` is no time to wait; write one from 1s to a year, such as 30m or 8h"));
    }
    Ok(budget)
}

/// Reads how much memory there is to take, in bytes.
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    let bytes = quantity::size(text).map_err(|bad| format!("{bad}; write a number and a unit, such as 8GiB"))?;
    if bytes < WORKER_BYTES_MIN {
        return Err(format!("`{text}` is too little for one trial; write {} or more", spell_size(WORKER_BYTES_MIN)));
    }
    Ok(bytes)
}

/// Reads a time since the trial's start, in the words of a sim file or as a story prints it.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let joined = text.replace(' ', "");
    let fraction = joined.split_once('.').and_then(|(whole, rest)| Some((whole, rest.strip_suffix('s')?)));
    let spelled = match fraction {
        Some((whole, millis)) if (1..=3).contains(&millis.len()) => format!("{whole}s{millis:0<3}ms"),
        Some(_) | None => joined,
    };
    let bad = |_| format!("`{text}` is no time; write one such as 90s, 3m28s or, as a story prints it, \"3m 27.652s\"");
    grammar::duration(&spelled).map_err(bad)
}

/// Reads how often something is done, in the words of a sim file.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    let bad = |why: String| format!("{why}; write a number and a period, such as 50/s");
    let rate: Rate = text.parse().map_err(|error: BadQuantity| bad(error.to_string()))?;
    if rate.count == 0 {
        return Err(bad(format!("`{text}` is never")));
    }
    Ok(rate)
}

/// Reads a pattern over names of hosts or topics.
pub(crate) fn name_pattern(text: &str) -> Result<GlobSet, String> {
    if text.len() > NAME_PATTERN_MAX {
        return Err(format!("it is {} bytes long; write a pattern of at most {NAME_PATTERN_MAX} bytes", text.len()));
    }
    Glob::new(text).and_then(|glob| GlobSet::new([glob])).map_err(|error| {
        let why = error.kind();
        format!("`{text}` is no pattern ({why}); in a pattern, `*` stands for any text, `?` for one character")
    })
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
    fn a_time_is_read_as_it_is_printed() {
        for (text, millis) in
            [("3m28s", 208_000), ("3m 27.652s", 207_652), ("3m27.66s", 207_660), ("1h 5.04s", 3_605_040)]
        {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["3", "3.x5s", ".5s", "3.5m", "3m 27.6521s", "-3s", ""] {
            assert!(time(bad).expect_err(bad).contains("is no time; write one such as 90s"), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_more_than_nothing() {
        assert_eq!(rate("50/s").map(Rate::gap), Ok(Duration::from_millis(20)));
        for bad in ["0/s", "50", "50/d", "-1/s"] {
            assert!(rate(bad).expect_err(bad).contains("such as 50/s"), "{bad}");
        }
    }

    #[test]
    fn a_pattern_over_names_is_short_and_closed() {
        assert!(name_pattern("client-*").expect("a pattern").is_match("client-12"));
        assert!(name_pattern("client-[").expect_err("not closed").contains("`*` stands for any text"));
        assert!(name_pattern(&"x".repeat(201)).expect_err("too long").contains("at most 200 bytes"));
    }
}
