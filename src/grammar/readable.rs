//! Times as a person says them: `12m 3.2s`.

use std::fmt;
use std::time::Duration;

/// Prints a duration for people, rounded to the millisecond: `0s`, `250ms`, `12m 3.2s`, `1h 5s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readable(pub Duration);

impl fmt::Display for Readable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text())
    }
}

impl Readable {
    fn text(self) -> String {
        let millis = (self.0.as_nanos() + 500_000) / 1_000_000;
        if millis == 0 && !self.0.is_zero() {
            return "under 1ms".to_owned();
        }
        if (1..1000).contains(&millis) {
            return format!("{millis}ms");
        }
        let (hours, minutes, rest) = (millis / 3_600_000, millis / 60_000 % 60, millis % 60_000);
        let units = [(hours, "h"), (minutes, "m")];
        let mut parts: Vec<_> =
            units.iter().filter(|(amount, _)| *amount > 0).map(|(amount, unit)| format!("{amount}{unit}")).collect();
        if rest > 0 || parts.is_empty() {
            let fraction = format!(".{:03}", rest % 1000);
            parts.push(format!("{}{}s", rest / 1000, fraction.trim_end_matches('0').trim_end_matches('.')));
        }
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_a_person_says_them() {
        for (micros, text) in [
            (0, "0s"),
            (400, "under 1ms"),
            (1_000, "1ms"),
            (250_000, "250ms"),
            (999_600, "1s"),
            (3_200_000, "3.2s"),
            (10_000_000, "10s"),
            (59_999_600, "1m"),
            (723_200_000, "12m 3.2s"),
            (3_605_040_000, "1h 5.04s"),
            (7_260_000_000, "2h 1m"),
        ] {
            assert_eq!(Readable(Duration::from_micros(micros)).to_string(), text);
        }
    }
}
