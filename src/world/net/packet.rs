//! Packets: the segments that an end's words are sent as, which of them are lost, and how long they travel.
//!
//! Refuses to know links and connections: whoever puts a packet on its way says what becomes of it.

use std::time::Duration;

use rand::RngExt;

use crate::env::Dice;
use crate::grammar::{Latency, Shape};
use crate::world::clock::nanos;
use crate::world::engine::HostId;

/// The payload of a full segment: 1,500 bytes of Ethernet less IPv4, TCP and its timestamps (RFC 9293 section
/// 3.7.1, RFC 7323 section 3.2).
const SEGMENT_MAX: u32 = 1_448;
/// What a segment carries besides its payload: 20 bytes of IPv4, 20 of TCP, 12 of timestamps.
const HEADER: u32 = 52;
/// A whole, in hundredths of a percent.
pub(crate) const WHOLE: u32 = 10_000;

/// The segments that a burst is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segments {
    full: u32,
    /// The payload of the last one, which is not full.
    rest: Option<u32>,
}

impl Segments {
    /// No segment at all.
    pub(crate) const NONE: Segments = Segments { full: 0, rest: None };
    /// One without payload: ACK, RST, FIN, a probe.
    pub(crate) const EMPTY: Segments = Segments { full: 0, rest: Some(0) };

    /// The segments of so many bytes; of none, a segment without payload.
    pub(crate) fn of(bytes: usize) -> Self {
        let bytes = u32::try_from(bytes).expect("a burst is not longer than a receive buffer");
        let (full, rest) = (bytes / SEGMENT_MAX, bytes % SEGMENT_MAX);
        Segments { full, rest: (rest > 0 || full == 0).then_some(rest) }
    }

    pub(crate) fn count(self) -> u32 {
        self.full + u32::from(self.rest.is_some())
    }

    pub(crate) fn bytes(self) -> u64 {
        u64::from(self.full * SEGMENT_MAX + self.rest.unwrap_or_default()) + u64::from(self.count() * HEADER)
    }

    /// The payload of each, in order.
    fn payloads(self) -> impl Iterator<Item = u32> {
        (0..self.full).map(|_| SEGMENT_MAX).chain(self.rest)
    }
}

/// Which segments of a packet are lost.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<bool>);

impl Losses {
    /// Loses each segment whose payload `is_lost`, besides those that are lost already; whether there was any.
    pub(crate) fn lose(&mut self, packet: Packet, mut is_lost: impl FnMut(u32) -> bool) -> bool {
        let segments = packet.segments();
        self.0.resize(segments.count() as usize, false);
        let mut any = false;
        for (lost, payload) in self.0.iter_mut().zip(segments.payloads()) {
            let loses = is_lost(payload);
            *lost |= loses;
            any |= loses;
        }
        any
    }

    /// What is missing, and how many segments passed after the first that is; none: nothing is.
    pub(crate) fn sum(&self, segments: Segments) -> Option<(Segments, u32)> {
        let first = self.0.iter().position(|lost| *lost)?;
        let mut missing = Segments::NONE;
        for (_, payload) in self.0.iter().zip(segments.payloads()).filter(|(lost, _)| **lost) {
            match payload {
                SEGMENT_MAX => missing.full += 1,
                rest => missing.rest = Some(rest),
            }
        }
        let passed = self.0[first..].iter().filter(|lost| !**lost).count();
        Some((missing, u32::try_from(passed).expect("as many as the segments at most")))
    }
}

/// What all harm together does to one packet.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) losses: Losses,
    /// It travels so long, instead of what the link takes by itself.
    pub(crate) latency: Option<Duration>,
    /// So many bytes per second pass, instead of what the link can do by itself.
    pub(crate) bandwidth: Option<u64>,
}

/// What is put on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// The segment that opens a connection.
    Syn,
    /// Any others.
    Segments(Segments),
}

impl Packet {
    pub(crate) fn segments(self) -> Segments {
        match self {
            Packet::Syn => Segments::EMPTY,
            Packet::Segments(segments) => segments,
        }
    }
}

/// A host as links know it: `name` tells the hosts apart across sims of another size.
pub(crate) type HostPlace<'n> = (HostId, &'n str);

/// How long a packet travels.
pub(crate) fn draw(latency: Latency, dice: &mut Dice) -> Duration {
    match latency.shape {
        Shape::Uniform => latency.least + dice.up_to(latency.most.saturating_sub(latency.least)),
        Shape::LongTailed => {
            // The inverse of Pareto's distribution of index 1, `least / u`, with `u` in 32 bits: no floating point,
            // whose last bit may differ between machines.
            let u = u128::from(dice.random_range(1..=1_u64 << 32));
            let nanos = (u128::from(nanos(latency.least)) << 32) / u;
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(latency.most)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Die;

    const LATENCY: Latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(50));

    #[test]
    fn a_burst_is_as_many_segments_as_it_fills() {
        let counts = [0, 1, 1_448, 1_449, 2_896].map(|bytes| Segments::of(bytes).count());
        assert_eq!(counts, [1, 1, 1, 2, 2]);
        assert_eq!(Segments::of(1_449).bytes(), 1_449 + 2 * 52);
        assert_eq!(Segments::NONE.count(), 0);
    }

    #[test]
    fn latency_stays_within_its_bounds() {
        let mut dice = Dice::named(1, &Die::Test("x"));
        for shape in [Shape::Uniform, Shape::LongTailed] {
            let latency = Latency { shape, ..LATENCY };
            let drawn: Vec<Duration> = (0..1000).map(|_| draw(latency, &mut dice)).collect();
            assert!(drawn.iter().all(|drawn| (latency.least..=latency.most).contains(drawn)));
        }
    }

    #[test]
    fn one_in_a_hundred_of_a_long_tail_takes_a_hundred_times_as_long() {
        let latency = Latency { shape: Shape::LongTailed, least: LATENCY.least, most: Duration::from_secs(10) };
        let mut dice = Dice::named(1, &Die::Test("x"));
        let drawn: Vec<Duration> = (0..10_000).map(|_| draw(latency, &mut dice)).collect();
        let slower_than = |factor| drawn.iter().filter(|drawn| **drawn >= factor * latency.least).count();
        assert!((4_800..5_200).contains(&slower_than(2)), "{}", slower_than(2));
        assert!((70..130).contains(&slower_than(100)), "{}", slower_than(100));
    }
}
