//! Latencies, bandwidths and percentages of a sim file, within the bounds that make sense on a link or a disk.
//!
//! Refuses to know which key asks for one.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::fault::Latency;
use crate::grammar::quantity::{self, spell};
use crate::grammar::refusal::Problem;
use crate::grammar::section::Entry;

/// Slower than any real link: a SYN is by then sent again after 1, 3 and 7 s (RFC 6298: 1 s, doubled).
const LONGEST_LATENCY: Duration = Duration::from_secs(10);
/// A modem of 2,400 bit/s (V.22bis): on anything slower an HTTP/2 handshake alone takes a minute.
const LEAST_BANDWIDTH: u64 = 256;
/// No trial sends as much as this: a wider link is as wide as none.
const MOST_BANDWIDTH: u64 = 1 << 30;
/// A hundredth of a percent, the finest that is counted, and everything.
pub(crate) const ANY_PERCENT: RangeInclusive<u32> = 1..=10_000;

/// Reads a latency.
pub(crate) fn read_latency(entry: &Entry<'_>) -> Result<Latency, Problem> {
    let latency = entry.quantity(quantity::LATENCY_FORM, quantity::latency)?;
    if latency.most > LONGEST_LATENCY {
        return Err(entry.outside(&latency.to_string(), "0s", &spell(LONGEST_LATENCY)));
    }
    Ok(latency)
}

/// Reads a bandwidth, in bytes per second.
pub(crate) fn read_bandwidth(entry: &Entry<'_>) -> Result<u64, Problem> {
    let bandwidth = entry.quantity(quantity::BANDWIDTH_FORM, quantity::bandwidth)?;
    if (LEAST_BANDWIDTH..=MOST_BANDWIDTH).contains(&bandwidth) {
        return Ok(bandwidth);
    }
    let (least, most) = (format!("{LEAST_BANDWIDTH}B/s"), format!("{}MiB/s", MOST_BANDWIDTH >> 20));
    Err(entry.outside(&format!("{bandwidth}B/s"), &least, &most))
}

/// Reads a percentage within a range, in hundredths of a percent.
pub(crate) fn read_percent(entry: &Entry<'_>, range: RangeInclusive<u32>) -> Result<u32, Problem> {
    let found = entry.quantity(quantity::PERCENT_FORM, quantity::percent)?;
    if range.contains(&found) {
        return Ok(found);
    }
    let told = |basis_points: u32| match (basis_points / 100, basis_points % 100) {
        (whole, 0) => format!("{whole}%"),
        (whole, part) => format!("{whole}.{part:02}%"),
    };
    Err(entry.outside(&told(found), &told(*range.start()), &told(*range.end())))
}
