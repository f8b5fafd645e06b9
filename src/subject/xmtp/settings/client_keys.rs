//! The keys of a sim's `[client]`.
//!
//! Refuses to know what a client makes of them.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::grammar::quantity::{DURATION_RANGE_FORM, SIZE_FORM, duration_range, size, spell, spell_size};
use crate::grammar::refusal::Problem;
use crate::grammar::section::{Entry, Found, Section};
use crate::subject::tcp_keys::{INTERVAL_MIN, OFF, read_tcp};
use crate::subject::xmtp::client::{self, BackoffConfig, CONNECT_TIMEOUT, Http2Keepalive, Http2Windows};
use crate::subject::xmtp::settings::ClientSettings;
use crate::subject::xmtp::settings::read::{INTERVAL_MAX, TOPICS_MAX, WATCHDOG_RANGE, WINDOWS_EVERY_MIN};
use crate::subject::xmtp::wire::Dialect;

/// A shorter wait would be none, and a client that waits longer than the longest interval is not coming back.
pub(crate) const BACKOFF_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=INTERVAL_MAX;
/// Shorter than a millisecond nothing is dialed, and nobody waits longer for a connection on purpose.
pub(crate) const CONNECT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=INTERVAL_MAX;
/// What every connection begins with, and nobody can take back (RFC 9113 section 6.9.2).
pub(crate) const CONNECTION_WINDOW_MIN: u32 = 65_535;
/// The largest window that HTTP/2 knows (RFC 9113 section 6.9.1).
pub(crate) const HTTP2_WINDOW_MAX: u32 = (1 << 31) - 1;

/// Reads the rest of `[client]`.
pub(crate) fn read_client(mut section: Section<'_>, dialect: Option<&Found<Dialect>>) -> Option<ClientSettings> {
    let watchdog = section.optional("watchdog", Some(3), |entry| match entry.is(OFF) {
        true => Ok(None),
        false => entry.number_or(WATCHDOG_RANGE, ", or \"off\"").map(Some),
    });
    let http2_keepalive = read_http2_keepalive(&mut section);
    let http2_windows = read_windows(&mut section);
    let tcp = read_tcp(&mut section);
    let connect_timeout = section.optional("connect-timeout", CONNECT_TIMEOUT, |entry| entry.duration(CONNECT_RANGE));
    let backoff = section.optional("backoff", BackoffConfig::default(), read_backoff);
    let consume = section.optional("consume", Duration::ZERO, |entry| entry.duration(Duration::ZERO..=INTERVAL_MAX));
    let topics_per_mutate = section.optional("topics-per-mutate", TOPICS_MAX, |entry| entry.number(1..=TOPICS_MAX));
    let windows = section.optional("windows", None, |entry| match entry.is(OFF) {
        true => Ok(None),
        false => entry.duration(WINDOWS_EVERY_MIN..=INTERVAL_MAX).map(Some),
    });
    let quirks = client::ClientQuirk::ALL.iter().map(|quirk| (quirk.name(), *quirk)).collect::<Vec<_>>();
    let quirk = section.optional("quirk", None, |entry| entry.choice("quirk of a client", &quirks).map(Some));
    section.finish();
    Some(ClientSettings {
        watchdog: watchdog?.value,
        http2_keepalive: http2_keepalive?,
        http2_windows: http2_windows?,
        tcp: tcp?,
        connect_timeout: connect_timeout?.value,
        backoff: backoff?.value,
        topics_per_mutate: topics_per_mutate?.value,
        consume: consume?.value,
        windows: windows?.value,
        dialect: dialect?.value,
        quirk: quirk?.value,
    })
}

/// Reads `{ interval, timeout }` or "off".
fn read_http2_keepalive(section: &mut Section<'_>) -> Option<Option<Http2Keepalive>> {
    const FORM: &str = "{ interval = \"10s\", timeout = \"5s\" }, or \"off\"";
    let usual = Http2Keepalive { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };
    let Some(entry) = section.entry("http2-keepalive") else { return Some(Some(usual)) };
    if entry.is(OFF) {
        return Some(None);
    }
    let mut keepalive = section.keep(entry.section().map_err(|problem| problem.advice(format!("write {FORM}"))))?;
    let range = INTERVAL_MIN..=INTERVAL_MAX;
    let interval = keepalive.optional("interval", usual.interval, |entry| entry.duration(range.clone()));
    let timeout = keepalive.optional("timeout", usual.timeout, |entry| entry.duration(range));
    keepalive.finish();
    Some(Some(Http2Keepalive { interval: interval?.value, timeout: timeout?.value }))
}

/// Reads `stream-window` and `connection-window`.
fn read_windows(section: &mut Section<'_>) -> Option<Http2Windows> {
    let usual = Http2Windows::default();
    let stream = section.optional("stream-window", usual.stream, |entry| read_window(entry, 1));
    let least = CONNECTION_WINDOW_MIN;
    let connection = section.optional("connection-window", usual.connection, |entry| read_window(entry, least));
    Some(Http2Windows { stream: stream?.value, connection: connection?.value })
}

fn read_window(entry: &Entry<'_>, least: u32) -> Result<u32, Problem> {
    let bytes = entry.quantity(SIZE_FORM, size)?;
    let window = u32::try_from(bytes).ok().filter(|window| (least..=HTTP2_WINDOW_MAX).contains(window));
    window.ok_or_else(|| {
        entry.outside(&spell_size(bytes), &spell_size(least.into()), &spell_size(HTTP2_WINDOW_MAX.into()))
    })
}

/// Reads the first step and the longest.
fn read_backoff(entry: &Entry<'_>) -> Result<BackoffConfig, Problem> {
    let (floor, ceiling) = entry.quantity(DURATION_RANGE_FORM, duration_range)?;
    let range = BACKOFF_RANGE;
    if range.contains(&floor) && range.contains(&ceiling) {
        return Ok(BackoffConfig { floor, ceiling, ..BackoffConfig::default() });
    }
    let found = format!("{}..{}", spell(floor), spell(ceiling));
    Err(entry.outside(&found, &spell(*range.start()), &spell(*range.end())))
}
