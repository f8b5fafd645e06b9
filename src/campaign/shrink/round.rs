//! Numbers that are easy to read, near those that a storm drew.
//!
//! Refuses to know what the numbers are for.

use std::time::Duration;

use toml_edit::Value;

use crate::grammar::{duration, percent, spell, spell_percent};

/// The grids that times are rounded to, the easiest first, in milliseconds.
const GRIDS_MS: [u64; 3] = [60_000, 10_000, 1_000];
/// A hundredth of a percent is a basis point.
const PERCENT: u32 = 100;

/// Times near that one that are easier to read, the easiest first; none where it is on a minute.
pub(crate) fn round_times(time: Duration) -> Vec<Duration> {
    let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut times = Vec::new();
    for grid in GRIDS_MS {
        if whole.is_multiple_of(grid) {
            break;
        }
        let below = whole / grid * grid;
        let (near, far) = if whole - below <= grid / 2 { (below, below + grid) } else { (below + grid, below) };
        times.extend([near, far].into_iter().filter(|time| *time > 0).map(Duration::from_millis));
    }
    times
}

/// The value rounded, where it is a time or a percentage; as it is elsewhere.
pub(crate) fn rounder(value: &Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    if let Ok(time) = duration(text) {
        let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        return spell(Duration::from_millis(rounded(whole, time_grid(whole)))).into();
    }
    match percent(text) {
        Ok(points) if points > PERCENT => {
            let whole = (points + PERCENT / 2) / PERCENT;
            spell_percent(whole * PERCENT).into()
        }
        Ok(_) | Err(_) => value.clone(),
    }
}

/// From a minute on tens of seconds are fine enough, from a second on seconds, below that tenths.
fn time_grid(whole_ms: u64) -> u64 {
    match whole_ms {
        60_000.. => 10_000,
        1_000.. => 1_000,
        100.. => 100,
        0..100 => 1,
    }
}

fn rounded(number: u64, grid: u64) -> u64 {
    number.saturating_add(grid / 2) / grid * grid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> Vec<String> {
        round_times(duration(text).expect("a duration")).into_iter().map(spell).collect()
    }

    #[test]
    fn a_time_is_rounded_to_what_people_write_the_nearest_first() {
        assert_eq!(round("2m"), [""; 0]);
        assert_eq!(round("2m10s"), ["2m", "3m"]);
        assert_eq!(round("1m24s900ms"), ["1m", "2m", "1m20s", "1m30s", "1m25s", "1m24s"]);
        assert_eq!(round("700ms"), ["1m", "10s", "1s"]);
    }

    #[test]
    fn other_numbers_are_rounded_where_they_are_times_or_percentages() {
        for (text, expected) in [
            ("3s164ms", "3s"),
            ("1m37s", "1m40s"),
            ("393ms", "400ms"),
            ("7ms", "7ms"),
            ("3.08%", "3%"),
            ("0.4%", "0.4%"),
            ("drop", "drop"),
            ("130275B/s", "130275B/s"),
        ] {
            assert_eq!(rounder(&text.into()).as_str(), Some(expected), "{text}");
        }
        assert_eq!(rounder(&7_i64.into()).as_integer(), Some(7));
    }
}
