//! Durations, rates, sizes and percentages as a sim file writes them: `1h30m`, `10/m`, `16KiB`, `2.5%`.
//!
//! Refuses to know which key a quantity belongs to, and which range is sensible there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How a quantity is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantityForm {
    /// In words; goes after "write".
    pub words: &'static str,
    /// As a regular expression, which matches every text that is one, and others only for being too large, running
    /// backwards, or having no tail.
    pub pattern: &'static str,
}

impl fmt::Display for QuantityForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.words)
    }
}

/// The pattern of a duration, to be put together with others.
macro_rules! duration_pattern {
    () => {
        "(0|([0-9]+\\s*h(\\s*[0-9]+\\s*m)?(\\s*[0-9]+\\s*s)?(\\s*[0-9]+\\s*ms)?\
         |[0-9]+\\s*m(\\s*[0-9]+\\s*s)?(\\s*[0-9]+\\s*ms)?|[0-9]+\\s*s(\\s*[0-9]+\\s*ms)?|[0-9]+\\s*ms)\\s*)"
    };
}

/// What would be a duration.
pub(crate) const DURATION_FORM: QuantityForm = QuantityForm {
    words: "a duration with the units ms, s, m and h, such as \"250ms\", \"30s\" or \"1h30m\"",
    pattern: concat!("^", duration_pattern!(), "$"),
};
/// What would be a latency.
pub(crate) const LATENCY_FORM: QuantityForm = QuantityForm {
    words: "a duration or a range of two, with the units ms, s, m and h, such as \"5ms\", \"1ms..20ms\" \
            or \"1ms..2s long-tailed\"",
    pattern: concat!("^\\s*", duration_pattern!(), "\\s*(\\.\\.\\s*", duration_pattern!(), "\\s*)?(long-tailed)?\\s*$"),
};
/// What would be a range of durations.
pub(crate) const DURATION_RANGE_FORM: QuantityForm = QuantityForm {
    words: "a range of two durations with the units ms, s, m and h, such as \"100ms..30s\"",
    pattern: concat!("^\\s*", duration_pattern!(), "\\s*\\.\\.\\s*", duration_pattern!(), "\\s*$"),
};
/// What would be a rate.
pub(crate) const RATE_FORM: QuantityForm = QuantityForm {
    words: "a rate per s, m or h, such as \"1/s\", \"10/m\" or \"3/h\"",
    pattern: "^[0-9]+/\\s*[smh]\\s*$",
};
/// What would be a size.
pub(crate) const SIZE_FORM: QuantityForm = QuantityForm {
    words: "a size with the unit B, KiB or MiB, such as \"200B\" or \"16KiB\"",
    pattern: "^[0-9]+\\s*(B|KiB|MiB)\\s*$",
};
/// What would be a bandwidth.
pub(crate) const BANDWIDTH_FORM: QuantityForm = QuantityForm {
    words: "a bandwidth with the unit B/s, KiB/s or MiB/s, such as \"64KiB/s\" or \"10MiB/s\"",
    pattern: "^[0-9]+\\s*(B|KiB|MiB)\\s*/\\s*s\\s*$",
};
/// What would be a percentage.
pub(crate) const PERCENT_FORM: QuantityForm = QuantityForm {
    words: "a percentage with at most two decimals, such as \"0.05%\", \"2.5%\" or \"100%\"",
    pattern: "^[0-9]+(\\.[0-9]{1,2})?\\s*%$",
};
/// What would be a step of a clock.
pub(crate) const STEP_FORM: QuantityForm = QuantityForm {
    words: "a step with a sign and the units ms, s, m and h, such as \"+5m\" or \"-30s\"",
    pattern: concat!("^[+-]", duration_pattern!(), "$"),
};

/// The units of a duration in milliseconds, longest first: the order in which they are written.
const TIME_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// The units of a size, in bytes.
const SIZE_UNITS: [(&str, u64); 3] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20)];
/// Spellings that people reach for, and the unit that they mean.
const ALIASES: [(&str, &[&str]); 7] = [
    ("ms", &["msec", "msecs", "milli", "millis", "millisecond", "milliseconds"]),
    ("s", &["sec", "secs", "second", "seconds"]),
    ("m", &["min", "mins", "minute", "minutes"]),
    ("h", &["hr", "hrs", "hour", "hours"]),
    ("B", &["b", "byte", "bytes"]),
    ("KiB", &["k", "K", "kb", "kB", "KB", "kib", "Ki"]),
    ("MiB", &["M", "mb", "MB", "mib", "Mi"]),
];

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadQuantity {
    /// There is nothing, or something else where a number belongs.
    #[error("`{0}` does not begin with a number")]
    NoNumber(String),
    /// There is a minus.
    #[error("`{0}` is negative")]
    Negative(String),
    /// There is a decimal point.
    #[error("`{0}` has a fraction, which quantities do not; use a smaller unit")]
    Fraction(String),
    /// A number stands alone.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// The unit is not one of ours.
    #[error("`{text}` has the unknown unit `{unit}`{}", meant(.unit))]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// What stands where a unit belongs.
        unit: String,
    },
    /// A unit comes twice, or after a shorter one.
    #[error("`{0}` does not go from longer to shorter units")]
    Order(String),
    /// The number does not fit.
    #[error("`{0}` is too large")]
    TooLarge(String),
    /// A rate has no slash.
    #[error("`{0}` does not say per what")]
    NoPeriod(String),
    /// A bandwidth is not per second.
    #[error("`{0}` is not per second")]
    NotPerSecond(String),
    /// A percentage has no percent sign.
    #[error("`{0}` has no percent sign")]
    NoPercent(String),
    /// A percentage is finer than hundredths, or none at all.
    #[error("`{0}` is not a number with at most two decimals")]
    Decimals(String),
    /// A step has no sign.
    #[error("`{0}` has no sign")]
    NoSign(String),
    /// A long tail has nothing to be long against.
    #[error("`{0}` has no tail: that takes a range whose shortest time is above zero")]
    NoTail(String),
    /// There are no two dots.
    #[error("`{0}` is no range: that takes two dots")]
    NoRange(String),
    /// A range ends below its beginning.
    #[error("`{0}` runs backwards")]
    Backwards(String),
}

/// The tail of an error about a unit: which one was meant, where that can be told.
fn meant(unit: &str) -> String {
    let known = ALIASES.iter().find(|(_, aliases)| aliases.contains(&unit));
    known.map(|(unit, _)| format!("; did you mean `{unit}`?")).unwrap_or_default()
}

/// Reads a duration such as `250ms`, `30s` or `1h30m`; zero needs no unit.
///
/// # Errors
/// There is no number, no known unit, a fraction, a sign, or more than 64 bits of milliseconds.
pub fn duration(text: &str) -> Result<Duration, BadQuantity> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0_u64;
    let mut longest = u64::MAX;
    let mut rest = text;
    // Ends: each turn takes at least one digit.
    loop {
        let (number, after) = leading_number(text, rest)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let scale = scale(text, &after[..end], &TIME_UNITS)?;
        if scale >= longest {
            return Err(BadQuantity::Order(text.into()));
        }
        longest = scale;
        let part = number.checked_mul(scale);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(|| BadQuantity::TooLarge(text.into()))?;
        rest = &after[end..];
        if rest.is_empty() {
            return Ok(Duration::from_millis(total));
        }
    }
}

/// Reads a size such as `200B` or `16KiB`, in bytes.
///
/// # Errors
/// There is no number, no known unit, a fraction, a sign, or more than 64 bits of bytes.
pub fn size(text: &str) -> Result<u64, BadQuantity> {
    let (number, unit) = leading_number(text, text)?;
    number.checked_mul(scale(text, unit, &SIZE_UNITS)?).ok_or_else(|| BadQuantity::TooLarge(text.into()))
}

/// Writes a duration as a sim file would: `1h30m`, `0s`.
#[must_use]
pub fn spell(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".into();
    }
    let whole = u64::try_from(duration.as_millis()).ok().filter(|whole| Duration::from_millis(*whole) == duration);
    let Some(mut left) = whole else { return format!("{duration:?}") };
    let mut text = String::new();
    for (unit, scale) in TIME_UNITS {
        if left >= scale {
            text.push_str(&format!("{}{unit}", left / scale));
            left %= scale;
        }
    }
    text
}

/// Writes a size as a sim file would: `16KiB`, `1500B`.
#[must_use]
pub(crate) fn spell_size(bytes: u64) -> String {
    let fits = |(_, scale): &&(&str, u64)| bytes > 0 && bytes.is_multiple_of(*scale);
    let (unit, scale) = SIZE_UNITS.iter().rev().find(fits).unwrap_or(&SIZE_UNITS[0]);
    format!("{}{unit}", bytes / scale)
}

/// Writes hundredths of a percent as a sim file would: `2.5%`, `0.05%`.
#[must_use]
pub(crate) fn spell_percent(basis_points: u32) -> String {
    match (basis_points / 100, basis_points % 100) {
        (whole, 0) => format!("{whole}%"),
        (whole, part) if part % 10 == 0 => format!("{whole}.{}%", part / 10),
        (whole, part) => format!("{whole}.{part:02}%"),
    }
}

/// Writes a step as a sim file would: `+5m`, `-1s500ms`.
#[must_use]
pub(crate) fn spell_step(by_ms: i64) -> String {
    let sign = if by_ms < 0 { '-' } else { '+' };
    format!("{sign}{}", spell(Duration::from_millis(by_ms.unsigned_abs())))
}

/// A number and its noun, such as `1 client`, `3 clients` or `3 identities`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    match noun.strip_suffix("ty") {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) => format!("{number} {stem}ties"),
        None => format!("{number} {noun}s"),
    }
}

/// So many per second, minute or hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many in one period.
    pub count: u32,
    /// The period: a second, a minute or an hour.
    pub period: Duration,
}

impl Rate {
    /// The time from one to the next, to the nanosecond below; the whole period where the count is 0.
    #[must_use]
    pub fn gap(self) -> Duration {
        self.period / self.count.max(1)
    }
}

impl FromStr for Rate {
    type Err = BadQuantity;

    fn from_str(text: &str) -> Result<Self, BadQuantity> {
        let (number, after) = leading_number(text, text)?;
        let unit = after.strip_prefix('/').ok_or_else(|| BadQuantity::NoPeriod(text.into()))?;
        let count = u32::try_from(number).map_err(|_| BadQuantity::TooLarge(text.into()))?;
        let period = Duration::from_millis(scale(text, unit.trim_start(), &TIME_UNITS[..3])?);
        Ok(Rate { count, period })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = spell(self.period);
        write!(formatter, "{}/{}", self.count, period.strip_prefix('1').unwrap_or(&period))
    }
}

/// How long something travels, one way. What travels one way never overtakes, whatever is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// How the time is drawn.
    pub shape: Shape,
    /// The shortest time.
    pub least: Duration,
    /// The longest time.
    pub most: Duration,
}

/// How a latency is drawn between its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Evenly; where both bounds are equal, the latency is fixed.
    Uniform,
    /// A Pareto tail of index 1, cut at the longest time: most are near the shortest, and one in a hundred takes
    /// a hundred times as long.
    LongTailed,
}

impl Latency {
    /// A latency drawn evenly between two bounds.
    #[must_use]
    pub const fn uniform(least: Duration, most: Duration) -> Self {
        Latency { shape: Shape::Uniform, least, most }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (spell(self.least), spell(self.most));
        match self.shape {
            _ if self.least == self.most => formatter.write_str(&least),
            Shape::Uniform => write!(formatter, "{least}..{most}"),
            Shape::LongTailed => write!(formatter, "{least}..{most} long-tailed"),
        }
    }
}

/// Reads a latency such as `5ms`, `1ms..20ms` or `1ms..2s long-tailed`.
///
/// # Errors
/// A bound is no duration, or the range runs backwards.
pub fn latency(text: &str) -> Result<Latency, BadQuantity> {
    let (bounds, shape) = match text.trim().strip_suffix("long-tailed") {
        Some(bounds) => (bounds, Shape::LongTailed),
        None => (text, Shape::Uniform),
    };
    let (least, most) = bounds.split_once("..").unwrap_or((bounds, bounds));
    let (least, most) = (duration(least.trim())?, duration(most.trim())?);
    if least > most {
        return Err(BadQuantity::Backwards(text.into()));
    }
    if shape == Shape::LongTailed && (least.is_zero() || least == most) {
        return Err(BadQuantity::NoTail(text.into()));
    }
    Ok(Latency { shape, least, most })
}

/// Reads a range of two durations such as `100ms..30s`.
///
/// # Errors
/// A bound is no duration, one is missing, or the range runs backwards.
pub fn duration_range(text: &str) -> Result<(Duration, Duration), BadQuantity> {
    let (least, most) = text.split_once("..").ok_or_else(|| BadQuantity::NoRange(text.into()))?;
    let (least, most) = (duration(least.trim())?, duration(most.trim())?);
    if least > most { Err(BadQuantity::Backwards(text.into())) } else { Ok((least, most)) }
}

/// Reads a bandwidth such as `64KiB/s`, in bytes per second.
///
/// # Errors
/// It is not a size per second.
pub fn bandwidth(text: &str) -> Result<u64, BadQuantity> {
    let (number, after) = leading_number(text, text)?;
    let (unit, period) = after.split_once('/').ok_or_else(|| BadQuantity::NotPerSecond(text.into()))?;
    if period.trim() != "s" {
        return Err(BadQuantity::NotPerSecond(text.into()));
    }
    number.checked_mul(scale(text, unit, &SIZE_UNITS)?).ok_or_else(|| BadQuantity::TooLarge(text.into()))
}

/// Reads a percentage such as `2.5%`, in hundredths of a percent.
///
/// # Errors
/// There is no number, no percent sign, a sign, or more than two decimals.
pub(crate) fn percent(text: &str) -> Result<u32, BadQuantity> {
    let number = text.strip_suffix('%').ok_or_else(|| BadQuantity::NoPercent(text.into()))?.trim_end();
    let (whole, decimals) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    if whole.contains(',') {
        return Err(BadQuantity::Decimals(text.into()));
    }
    let (whole, rest) = leading_number(text, whole)?;
    if !rest.is_empty() {
        return Err(BadQuantity::Decimals(text.into()));
    }
    let hundredths = match decimals.map(str::as_bytes) {
        None => 0,
        Some([tenths @ b'0'..=b'9']) => u64::from(tenths - b'0') * 10,
        Some([tenths @ b'0'..=b'9', rest @ b'0'..=b'9']) => u64::from(tenths - b'0') * 10 + u64::from(rest - b'0'),
        Some(_) => return Err(BadQuantity::Decimals(text.into())),
    };
    let total = whole.checked_mul(100).and_then(|total| total.checked_add(hundredths));
    total.and_then(|total| u32::try_from(total).ok()).ok_or_else(|| BadQuantity::TooLarge(text.into()))
}

/// Reads a step such as `+5m` or `-30s`, in milliseconds.
///
/// # Errors
/// There is no sign, or no duration after it.
pub fn step(text: &str) -> Result<i64, BadQuantity> {
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        Some(_) | None => return Err(BadQuantity::NoSign(text.into())),
    };
    let millis = i64::try_from(duration(rest)?.as_millis()).map_err(|_| BadQuantity::TooLarge(text.into()))?;
    Ok(sign * millis)
}

/// The digits at the beginning of `rest`, a part of `text`, and what follows them.
fn leading_number<'t>(text: &str, rest: &'t str) -> Result<(u64, &'t str), BadQuantity> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    if digits.is_empty() {
        let sign = rest.starts_with(['-', '\u{2212}']);
        return Err(if sign { BadQuantity::Negative(text.into()) } else { BadQuantity::NoNumber(text.into()) });
    }
    if after.starts_with(['.', ',']) {
        return Err(BadQuantity::Fraction(text.into()));
    }
    let number = digits.parse().map_err(|_| BadQuantity::TooLarge(text.into()))?;
    Ok((number, after))
}

/// What one of `unit` is worth.
fn scale(text: &str, unit: &str, units: &[(&str, u64)]) -> Result<u64, BadQuantity> {
    let unit = unit.trim();
    if unit.is_empty() {
        return Err(BadQuantity::NoUnit(text.into()));
    }
    let known = units.iter().find(|(name, _)| *name == unit);
    let unknown = || BadQuantity::UnknownUnit { text: text.into(), unit: unit.into() };
    known.map(|(_, scale)| *scale).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_duration_is_the_sum_of_its_parts() {
        let good = [
            ("250ms", Duration::from_millis(250)),
            ("30s", seconds(30)),
            ("2m", seconds(120)),
            ("8h", seconds(28_800)),
            ("1h30m", seconds(5_400)),
            ("1s500ms", Duration::from_millis(1_500)),
            ("0", Duration::ZERO),
            ("0ms", Duration::ZERO),
        ];
        for (text, expected) in good {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_says_why() {
        let bad = [
            ("", "`` does not begin with a number"),
            ("soon", "`soon` does not begin with a number"),
            ("10", "`10` has no unit"),
            ("1h30", "`1h30` has no unit"),
            ("-5s", "`-5s` is negative"),
            ("1.5s", "`1.5s` has a fraction, which quantities do not; use a smaller unit"),
            ("2 minutes", "`2 minutes` has the unknown unit `minutes`; did you mean `m`?"),
            ("5 sec", "`5 sec` has the unknown unit `sec`; did you mean `s`?"),
            ("5 fortnights", "`5 fortnights` has the unknown unit `fortnights`"),
            ("30m1h", "`30m1h` does not go from longer to shorter units"),
            ("1m1m", "`1m1m` does not go from longer to shorter units"),
            ("99999999999999999999s", "`99999999999999999999s` is too large"),
            ("18446744073709551615h", "`18446744073709551615h` is too large"),
            ("1s\u{fe0f}", "`1s\u{fe0f}` has the unknown unit `s\u{fe0f}`"),
        ];
        for (text, expected) in bad {
            assert_eq!(duration(text).map_err(|error| error.to_string()), Err(expected.into()), "{text}");
        }
    }

    #[test]
    fn a_spelled_duration_reads_back_as_itself() {
        for text in ["0s", "1ms", "999ms", "1s", "1m1s", "1h30m", "26h3m4s5ms"] {
            assert_eq!(duration(text).map(spell), Ok(text.to_string()));
        }
        assert_eq!(spell(Duration::from_nanos(1_500)), "1.5µs");
    }

    #[test]
    fn a_rate_is_a_count_and_a_period() {
        for (text, gap) in [("1/s", seconds(1)), ("10/m", seconds(6)), ("3/h", seconds(1_200))] {
            let rate = text.parse::<Rate>().expect("a good rate");
            assert_eq!((rate.gap(), rate.to_string().as_str()), (gap, text));
        }
        assert_eq!(Rate { count: 0, period: seconds(1) }.gap(), seconds(1));
        assert_eq!("10".parse::<Rate>(), Err(BadQuantity::NoPeriod("10".into())));
        assert_eq!("10/".parse::<Rate>(), Err(BadQuantity::NoUnit("10/".into())));
        assert_eq!("4294967296/s".parse::<Rate>(), Err(BadQuantity::TooLarge("4294967296/s".into())));
        let per_ms = BadQuantity::UnknownUnit { text: "1/ms".into(), unit: "ms".into() };
        assert_eq!("1/ms".parse::<Rate>(), Err(per_ms));
    }

    #[test]
    fn a_size_counts_bytes() {
        assert_eq!((size("200B"), size("16KiB"), size("1MiB")), (Ok(200), Ok(16_384), Ok(1_048_576)));
        assert_eq!(size("200"), Err(BadQuantity::NoUnit("200".into())));
        let error = size("16KB").expect_err("an unknown unit").to_string();
        assert_eq!(error, "`16KB` has the unknown unit `KB`; did you mean `KiB`?");
        assert_eq!(size("18446744073709551615MiB"), Err(BadQuantity::TooLarge("18446744073709551615MiB".into())));
    }

    #[test]
    fn a_bandwidth_is_a_size_per_second() {
        assert_eq!((bandwidth("64KiB/s"), bandwidth("10MiB/s")), (Ok(65_536), Ok(10_485_760)));
        let bad = [
            ("64KiB", "`64KiB` is not per second"),
            ("64KiB/m", "`64KiB/m` is not per second"),
            ("64/s", "`64/s` has no unit"),
            ("64kB/s", "`64kB/s` has the unknown unit `kB`; did you mean `KiB`?"),
            ("-1B/s", "`-1B/s` is negative"),
            ("18446744073709551615MiB/s", "`18446744073709551615MiB/s` is too large"),
        ];
        for (text, expected) in bad {
            assert_eq!(bandwidth(text).map_err(|error| error.to_string()), Err(expected.into()), "{text}");
        }
    }

    #[test]
    fn a_percentage_has_at_most_two_decimals() {
        for (text, expected) in [("0.05%", 5), ("2.5%", 250), ("100%", 10_000), ("7 %", 700), ("0%", 0)] {
            assert_eq!(percent(text), Ok(expected), "{text}");
        }
        let bad = [
            ("2.5", "`2.5` has no percent sign"),
            ("%", "`%` does not begin with a number"),
            ("-1%", "`-1%` is negative"),
            ("1,5%", "`1,5%` is not a number with at most two decimals"),
            ("0.005%", "`0.005%` is not a number with at most two decimals"),
            ("1.%", "`1.%` is not a number with at most two decimals"),
            ("1.é%", "`1.é%` is not a number with at most two decimals"),
            ("5x%", "`5x%` is not a number with at most two decimals"),
            ("18446744073709551615%", "`18446744073709551615%` is too large"),
        ];
        for (text, expected) in bad {
            assert_eq!(percent(text).map_err(|error| error.to_string()), Err(expected.into()), "{text}");
        }
    }

    #[test]
    fn a_step_has_a_sign() {
        assert_eq!((step("+5m"), step("-1s500ms")), (Ok(300_000), Ok(-1_500)));
        assert_eq!(step("5m"), Err(BadQuantity::NoSign("5m".into())));
        assert_eq!(step(""), Err(BadQuantity::NoSign(String::new())));
        assert_eq!(step("é"), Err(BadQuantity::NoSign("é".into())));
        assert_eq!(step("--5m"), Err(BadQuantity::Negative("-5m".into())));
    }

    #[test]
    fn a_latency_is_fixed_or_runs_upwards() {
        let fixed = Latency::uniform(seconds(1), seconds(1));
        assert_eq!((latency("1s"), fixed.to_string()), (Ok(fixed), "1s".into()));
        let range = latency("0..20ms").expect("a good range");
        assert_eq!((range.least, range.to_string()), (Duration::ZERO, "0s..20ms".into()));
        let tailed = latency("20ms..2s long-tailed").expect("a good range");
        assert_eq!((tailed.shape, tailed.to_string()), (Shape::LongTailed, "20ms..2s long-tailed".into()));
        assert_eq!(latency("20ms..1ms"), Err(BadQuantity::Backwards("20ms..1ms".into())));
        for tailless in ["0..1s long-tailed", "1s long-tailed"] {
            assert_eq!(latency(tailless), Err(BadQuantity::NoTail(tailless.into())));
        }
        assert_eq!(latency("..1ms"), Err(BadQuantity::NoNumber(String::new())));
    }
}
