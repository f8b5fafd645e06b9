//! Times and sizes as the proxies' configurations write them.
//!
//! Refuses to know which directive has one.

use std::time::Duration;

/// The units of a time, in milliseconds.
pub(crate) type TimeUnits = &'static [(&'static str, u64)];

const SECOND: u64 = 1_000;
const DAY: u64 = 24 * 3_600 * SECOND;

/// nginx's (its page "Configuration file measurement units"); a month is 30 days and a year 365.
pub(crate) const NGINX: TimeUnits = &[
    ("ms", 1),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", DAY),
    ("w", 7 * DAY),
    ("M", 30 * DAY),
    ("y", 365 * DAY),
];
/// HAProxy's (configuration.txt section 2.5), but microseconds.
pub(crate) const HAPROXY: TimeUnits =
    &[("ms", 1), ("s", SECOND), ("m", 60 * SECOND), ("h", 3_600 * SECOND), ("d", DAY)];

/// A time of several parts such as `1h 30m` or `1h30m`; a number alone has the unit `bare`, in milliseconds.
pub(crate) fn parts(text: &str, units: TimeUnits, bare: u64) -> Option<Duration> {
    let mut total = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    // Ends: each turn takes at least one digit.
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let end = after.find(|letter: char| letter.is_ascii_digit() || letter == ' ').unwrap_or(after.len());
        let unit = match &after[..end] {
            "" => bare,
            word => units.iter().find(|(unit, _)| *unit == word)?.1,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = after[end..].trim_start();
    }
    Some(Duration::from_millis(total))
}

/// A time of one part, as HAProxy has it; a number alone has the unit `bare`, in milliseconds. Microseconds are rounded up.
pub(crate) fn haproxy_time(text: &str, bare: u64) -> Option<Duration> {
    if let Some(micros) = text.strip_suffix("us") {
        let micros: u64 = plain_number(micros)?;
        return Some(Duration::from_millis(micros.div_ceil(1_000)));
    }
    let is_one = text.chars().skip_while(char::is_ascii_digit).all(|letter| !letter.is_ascii_digit() && letter != ' ');
    is_one.then(|| parts(text, HAPROXY, bare)).flatten()
}

/// A duration of protobuf's JSON, such as `15s` or `0.25s`, rounded up to the millisecond.
pub(crate) fn protobuf_time(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.len() > 9 {
        return None;
    }
    let seconds = plain_number(whole)?;
    let nanos = plain_number(fraction)?.checked_mul(10_u64.pow(9 - u32::try_from(fraction.len()).ok()?))?;
    let millis = seconds.checked_mul(SECOND)?.checked_add(nanos.div_ceil(1_000_000))?;
    Some(Duration::from_millis(millis))
}

/// A size such as `16k` or `1M`; a number alone is of bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, scale) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        Some(_) | None => (text, 1),
    };
    plain_number(number)?.checked_mul(scale)
}

/// A number of digits alone.
pub(crate) fn plain_number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_proxies() {
        let nginx = |text| parts(text, NGINX, 1_000).map(|time| time.as_millis());
        assert_eq!(nginx("75"), Some(75_000));
        assert_eq!(nginx("1h 30m"), Some(5_400_000));
        assert_eq!(nginx("1h30m"), Some(5_400_000));
        assert_eq!(nginx("500ms"), Some(500));
        assert_eq!(nginx("1d"), Some(86_400_000));
        for wrong in ["", " ", "1x", "-1", "1.5s", "s", "99999999999999999999", "99999999999999999y"] {
            assert_eq!(nginx(wrong), None, "{wrong}");
        }
        let haproxy = |text| haproxy_time(text, 1).map(|time| time.as_millis());
        assert_eq!(haproxy("50000"), Some(50_000));
        assert_eq!(haproxy("50s"), Some(50_000));
        assert_eq!(haproxy("1500us"), Some(2));
        for wrong in ["", "1h30m", "1 s", "1y", "+1s", "us"] {
            assert_eq!(haproxy(wrong), None, "{wrong}");
        }
        let envoy = |text| protobuf_time(text).map(|time| time.as_millis());
        assert_eq!(envoy("15s"), Some(15_000));
        assert_eq!(envoy("0.25s"), Some(250));
        assert_eq!(envoy("0.0001s"), Some(1));
        for wrong in ["", "15", "15m", "s", ".5s", "1.s", "-1s", "0.0123456789s", "1e3s"] {
            assert_eq!(envoy(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_have_letters() {
        assert_eq!(size("8k"), Some(8_192));
        assert_eq!(size("1M"), Some(1 << 20));
        assert_eq!(size("65535"), Some(65_535));
        for wrong in ["", "k", "8kb", "-8k", "8.5k", "99999999999999999999g", "9é"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
