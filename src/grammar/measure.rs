//! Latencies, bandwidths and percentages of a sim file, within the bounds that make sense on a link or a disk.
//!
//! Refuses to know which key asks for one.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::grammar::quantity::{self, Latency, spell, spell_percent, spell_size};
use crate::grammar::refusal::Problem;
use crate::grammar::section::Entry;

/// Slower than any real link: a SYN is by then sent again after 1, 3 and 7 s (RFC 6298: 1 s, doubled).
const LATENCY_MAX: Duration = Duration::from_secs(10);
/// A modem of 2,400 bit/s (V.22bis): on anything slower an HTTP/2 handshake alone takes a minute.
const BANDWIDTH_MIN: u64 = 256;
/// No trial sends as much as this: a wider link is as wide as none.
const BANDWIDTH_MAX: u64 = 1 << 30;
/// A hundredth of a percent, the finest that is counted, and everything.
pub(crate) const ANY_PERCENT: RangeInclusive<u32> = 1..=10_000;

/// Reads a latency.
pub(crate) fn read_latency(entry: &Entry<'_>) -> Result<Latency, Problem> {
    let latency = entry.quantity(quantity::LATENCY_FORM, quantity::latency)?;
    if latency.most > LATENCY_MAX {
        return Err(entry.outside(&latency.to_string(), "0s", &spell(LATENCY_MAX)));
    }
    Ok(latency)
}

/// Reads a bandwidth, in bytes per second.
pub(crate) fn read_bandwidth(entry: &Entry<'_>) -> Result<u64, Problem> {
    let bandwidth = entry.quantity(quantity::BANDWIDTH_FORM, quantity::bandwidth)?;
    if (BANDWIDTH_MIN..=BANDWIDTH_MAX).contains(&bandwidth) {
        return Ok(bandwidth);
    }
    let told = |bytes| format!("{}/s", spell_size(bytes));
    Err(entry.outside(&told(bandwidth), &told(BANDWIDTH_MIN), &told(BANDWIDTH_MAX)))
}

/// Reads a percentage within a range, in hundredths of a percent.
pub(crate) fn read_percent(entry: &Entry<'_>, range: RangeInclusive<u32>) -> Result<u32, Problem> {
    let found = entry.quantity(quantity::PERCENT_FORM, quantity::percent)?;
    if range.contains(&found) {
        return Ok(found);
    }
    Err(entry.outside(&spell_percent(found), &spell_percent(*range.start()), &spell_percent(*range.end())))
}
