//! Toxiproxy's own toxics: their attributes, as its README has them, and the lies about bytes that they are.
//!
//! Refuses to know our own kinds of lies, and where the attributes come from.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::admin::bounds::MILLIS_MAX;
use crate::grammar::Section;
use crate::lie::{ByteHarm, ConnectionSide};

/// A kind of toxic.
pub(crate) struct TcpToxic {
    pub(crate) name: &'static str,
    read: fn(&mut Section<'_>) -> Option<ByteHarm>,
}

/// All kinds, in the order of Toxiproxy's README.
pub(crate) const TCP_TOXICS: &[TcpToxic] = &[
    TcpToxic { name: "latency", read: latency },
    TcpToxic { name: "bandwidth", read: bandwidth },
    TcpToxic { name: "slow_close", read: slow_close },
    TcpToxic { name: "timeout", read: timeout },
    TcpToxic { name: "reset_peer", read: reset_peer },
    TcpToxic { name: "slicer", read: slicer },
    TcpToxic { name: "limit_data", read: limit_data },
];

/// The attribute that names a connection, and what it may say; as with Toxiproxy unless it is there.
const CONNECTION: &str = "connection";
const SERVER: &str = "server";
const SIDES: &[(&str, ConnectionSide)] = &[("client", ConnectionSide::Clients), (SERVER, ConnectionSide::Node)];

/// More microseconds between two pieces are no slicing any more: an hour.
const PAUSE_MICROS_MAX: u32 = 3_600_000_000;
/// More than a gigabyte in one piece is no slicing.
const PIECE_MAX: u32 = 1 << 30;

impl TcpToxic {
    /// Reads its attributes; what is not given is 0, as with Toxiproxy. Ours beside them: on which connection it acts.
    pub(crate) fn read(&self, section: &mut Section<'_>) -> Option<(ByteHarm, ConnectionSide)> {
        let harm = (self.read)(section);
        let side = section.optional(CONNECTION, ConnectionSide::Clients, |entry| entry.choice("connection", SIDES));
        Some((harm?, side?.value))
    }
}

fn number(section: &mut Section<'_>, name: &'static str, least: u32, most: u32) -> Option<u32> {
    Some(section.optional(name, least, |entry| entry.number(least..=most))?.value)
}

fn millis(section: &mut Section<'_>, name: &'static str) -> Option<Duration> {
    number(section, name, 0, MILLIS_MAX).map(|millis| Duration::from_millis(millis.into()))
}

fn latency(section: &mut Section<'_>) -> Option<ByteHarm> {
    let (latency, jitter) = (millis(section, "latency"), millis(section, "jitter"));
    Some(ByteHarm::Latency { latency: latency?, jitter: jitter? })
}

/// Toxiproxy's kilobyte has 1,000 bytes: it divides bytes by the rate to get milliseconds.
fn bandwidth(section: &mut Section<'_>) -> Option<ByteHarm> {
    let rate = number(section, "rate", 0, u32::MAX)?;
    Some(ByteHarm::Bandwidth { bytes_per_second: u64::from(rate) * 1000 })
}

fn slow_close(section: &mut Section<'_>) -> Option<ByteHarm> {
    Some(ByteHarm::SlowClose { delay: millis(section, "delay")? })
}

/// 0 is no time at all but never.
fn timeout(section: &mut Section<'_>) -> Option<ByteHarm> {
    let timeout = millis(section, "timeout")?;
    Some(ByteHarm::BlackHole { closes_after: Some(timeout).filter(|time| !time.is_zero()) })
}

fn reset_peer(section: &mut Section<'_>) -> Option<ByteHarm> {
    Some(ByteHarm::Reset { after: millis(section, "timeout")? })
}

fn slicer(section: &mut Section<'_>) -> Option<ByteHarm> {
    let average = section.required("average_size", "\"average_size\": 64", |entry| entry.number(1..=PIECE_MAX));
    let variation = number(section, "size_variation", 0, PIECE_MAX);
    let pause = number(section, "delay", 0, PAUSE_MICROS_MAX);
    let pause = Duration::from_micros(pause?.into());
    Some(ByteHarm::Slice { average: average?.value, variation: variation?, pause })
}

fn limit_data(section: &mut Section<'_>) -> Option<ByteHarm> {
    Some(ByteHarm::Limit { bytes: number(section, "bytes", 0, u32::MAX)?.into() })
}

/// The attributes of such a toxic, all of them, as Toxiproxy shows them; ours where it is not as with Toxiproxy.
pub(crate) fn attributes(harm: &ByteHarm, side: ConnectionSide) -> Map<String, Value> {
    let millis = |time: &Duration| Value::from(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let pairs = match harm {
        ByteHarm::Latency { latency, jitter } => vec![("latency", millis(latency)), ("jitter", millis(jitter))],
        ByteHarm::Bandwidth { bytes_per_second } => vec![("rate", (bytes_per_second / 1000).into())],
        ByteHarm::SlowClose { delay } => vec![("delay", millis(delay))],
        ByteHarm::BlackHole { closes_after } => vec![("timeout", millis(&closes_after.unwrap_or_default()))],
        ByteHarm::Reset { after } => vec![("timeout", millis(after))],
        ByteHarm::Slice { average, variation, pause } => vec![
            ("average_size", (*average).into()),
            ("size_variation", (*variation).into()),
            ("delay", u64::try_from(pause.as_micros()).unwrap_or(u64::MAX).into()),
        ],
        ByteHarm::Limit { bytes } => vec![("bytes", (*bytes).into())],
        // Toxiproxy has none like it.
        ByteHarm::Mute => Vec::new(),
    };
    let ours = (side == ConnectionSide::Node).then(|| (CONNECTION, SERVER.into()));
    pairs.into_iter().chain(ours).map(|(key, value)| (key.to_owned(), value)).collect()
}
