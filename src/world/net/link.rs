//! Links: whether bytes get from one host to another, and how long they travel.
//!
//! One link for each pair of hosts and direction, with dice of its own, so that traffic on one link never
//! changes the fate of another. Bytes of one direction never overtake each other, as in TCP. Refuses to know
//! connections, and what TCP does about a loss.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;

use crate::env::{Dice, Die};
use crate::fault::LinkHarm;
use crate::grammar::{Latency, Shape};
use crate::world::engine::HostId;
use crate::world::net::harm::{ActiveLinkHarm, Ways};
use crate::world::net::packet::{Effects, HostPlace, Packet, Segments, WHOLE, draw};

/// Within one host: what loopback takes, of the order of 50 µs with the processes' wake-ups.
pub(crate) const LOOPBACK: Latency =
    Latency { shape: Shape::Uniform, least: Duration::from_micros(50), most: Duration::from_micros(50) };
/// What every link of a world is like while no fault falls on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkBase {
    /// How long a segment travels, one way.
    pub latency: Latency,
    /// So many bytes per second pass, headers included; none: any number.
    pub bandwidth: Option<u64>,
    /// So many of a hundred segments are lost, in hundredths of a percent, each by itself.
    pub loss_basis_points: u32,
}

impl From<Latency> for LinkBase {
    /// Nothing is lost, and any number of bytes passes.
    fn from(latency: Latency) -> Self {
        LinkBase { latency, bandwidth: None, loss_basis_points: 0 }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// All of it arrives, at this time.
    Arrives(Duration),
    /// A part of it is lost.
    Lost {
        /// That part.
        missing: Segments,
        /// So many segments passed after the first that did not: the receiver acknowledges each of them at
        /// once, and the sender hears of the gap (RFC 5681 section 3.2).
        passed_after: u32,
    },
}

struct LinkState {
    dice: Dice,
    loss_dice: Dice,
    last_arrival: Duration,
    /// When the transmitter has sent everything that was given to it.
    busy_until: Duration,
    /// How long the last packet took.
    one_way: Duration,
}

/// Every link of a world, and what harms them.
pub(crate) struct Links {
    seed: u64,
    base: LinkBase,
    links: BTreeMap<(HostId, HostId), LinkState>,
    /// By the time they began.
    harms: Vec<ActiveLinkHarm>,
}

impl Links {
    pub(crate) fn new(seed: u64, base: LinkBase) -> Self {
        Links { seed, base, links: BTreeMap::new(), harms: Vec::new() }
    }

    pub(crate) fn begin(&mut self, now: Duration, number: u32, ways: Ways, harm: &LinkHarm) {
        self.harms.push(ActiveLinkHarm::new(now, number, ways, harm.clone()));
    }

    /// Ends a fault; none: it is not one of links.
    pub(crate) fn end(&mut self, number: u32) -> Option<ActiveLinkHarm> {
        let at = self.harms.iter().position(|harm| harm.number() == number)?;
        Some(self.harms.remove(at))
    }

    /// Whether no fault falls on any link.
    pub(crate) fn is_calm(&self) -> bool {
        self.harms.is_empty()
    }

    /// Whether nothing at all passes from one host to the other.
    pub(crate) fn is_cut(&mut self, from: HostId, to: HostId) -> bool {
        // Counted, because `any` would stop at the first and leave the others unfelt.
        self.harms.iter_mut().filter(|harm| harm.falls_on(from, to)).filter_map(ActiveLinkHarm::cut).count() > 0
    }

    /// What harms both ways between two hosts at once: the middleboxes on the way.
    pub(crate) fn on_the_way(&mut self, [one, other]: [HostId; 2]) -> impl Iterator<Item = &mut ActiveLinkHarm> {
        self.harms.iter_mut().filter(move |harm| harm.falls_on(one, other) || harm.falls_on(other, one))
    }

    /// A round trip, as the sender measured it last; before the first, the shortest that the link knows.
    pub(crate) fn round_trip(&self, from: HostId, to: HostId) -> Duration {
        let measured = self.links.get(&(from, to)).map(|link| link.one_way).filter(|one_way| !one_way.is_zero());
        2 * measured.unwrap_or(if from == to { LOOPBACK.least } else { self.base.latency.least })
    }

    /// Puts a packet on the link from one host to another.
    pub(crate) fn send(&mut self, now: Duration, from: HostPlace<'_>, to: HostPlace<'_>, packet: Packet) -> Passage {
        let seed = self.seed;
        let link = self.links.entry((from.0, to.0)).or_insert_with(|| LinkState {
            dice: Dice::named(seed, &Die::Link { from: from.1, to: to.1 }),
            loss_dice: Dice::named(seed, &Die::Loss { from: from.1, to: to.1 }),
            last_arrival: Duration::ZERO,
            busy_until: Duration::ZERO,
            one_way: Duration::ZERO,
        });
        // Loopback is no wire: nothing is between a host and itself.
        let is_loopback = from.0 == to.0;
        let base = if is_loopback { LinkBase::from(LOOPBACK) } else { self.base };
        let mut effects = Effects { bandwidth: base.bandwidth, ..Effects::default() };
        if !is_loopback {
            let harms = self.harms.iter_mut().filter(|harm| harm.falls_on(from.0, to.0));
            harms.for_each(|harm| harm.harm(seed, from, to, packet, &mut effects));
        }
        if base.loss_basis_points > 0 {
            effects.losses.lose(packet, |_| link.loss_dice.random_range(0..WHOLE) < base.loss_basis_points);
        }
        link.pass(now, base.latency, packet.segments(), &effects)
    }
}

impl LinkState {
    fn pass(&mut self, now: Duration, latency: Latency, segments: Segments, effects: &Effects) -> Passage {
        let sent = effects.bandwidth.map_or(now, |rate| self.transmit(now, segments, rate));
        if let Some((missing, passed_after)) = effects.losses.sum(segments) {
            return Passage::Lost { missing, passed_after };
        }
        let travels = effects.latency.unwrap_or_else(|| draw(latency, &mut self.dice));
        self.last_arrival = (sent + travels).max(self.last_arrival);
        self.one_way = self.last_arrival.saturating_sub(now);
        Passage::Arrives(self.last_arrival)
    }

    /// When the last byte has left, of a transmitter that sends one packet after the other.
    fn transmit(&mut self, now: Duration, segments: Segments, bytes_per_second: u64) -> Duration {
        let nanos = u128::from(segments.bytes()) * 1_000_000_000 / u128::from(bytes_per_second.max(1));
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.busy_until = self.busy_until.max(now) + takes;
        self.busy_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(50));
    const A: HostPlace<'static> = (HostId::numbered(0), "a");
    const B: HostPlace<'static> = (HostId::numbered(1), "b");

    fn ways() -> Ways {
        Ways { from: [A.0].into(), to: [B.0].into(), one_way: true }
    }

    fn harmed(harm: LinkHarm) -> Links {
        let mut links = Links::new(7, LATENCY.into());
        links.begin(Duration::ZERO, 1, ways(), &harm);
        links
    }

    fn send(links: &mut Links, now: Duration, bytes: usize) -> Passage {
        links.send(now, A, B, Packet::Segments(Segments::of(bytes)))
    }

    fn arrival(passage: Passage) -> Duration {
        match passage {
            Passage::Arrives(at) => at,
            lost @ Passage::Lost { .. } => panic!("{lost:?}"),
        }
    }

    fn arrivals(seed: u64) -> Vec<Duration> {
        let mut links = Links::new(seed, LATENCY.into());
        (0..100).map(|n| arrival(send(&mut links, Duration::from_millis(n), 1))).collect()
    }

    #[test]
    fn bytes_of_one_direction_never_overtake() {
        assert!(arrivals(7).is_sorted());
    }

    #[test]
    fn a_seed_decides_the_latency_and_two_seeds_differ() {
        assert_eq!(arrivals(7), arrivals(7));
        assert_ne!(arrivals(7), arrivals(8));
    }

    #[test]
    fn what_a_link_carries_at_once_is_bounded_by_its_bandwidth() {
        let base = LinkBase { bandwidth: Some(15_000), ..Latency::uniform(LATENCY.least, LATENCY.least).into() };
        let mut links = Links::new(7, base);
        let arrivals: Vec<Duration> = (0..3).map(|_| arrival(send(&mut links, Duration::ZERO, 1_448))).collect();
        assert_eq!(arrivals, [101, 201, 301].map(Duration::from_millis));
        let idle = arrival(send(&mut links, Duration::from_secs(1), 1_448));
        assert_eq!(idle, Duration::from_millis(1_101), "the transmitter was idle in between");
    }

    #[test]
    fn the_later_of_two_bandwidths_counts_and_its_end_brings_the_earlier_back() {
        let mut links = harmed(LinkHarm::Bandwidth { bytes_per_second: 1_500 });
        links.begin(Duration::ZERO, 2, ways(), &LinkHarm::Bandwidth { bytes_per_second: 150 });
        assert!(arrival(send(&mut links, Duration::ZERO, 1_448)) >= Duration::from_secs(10));
        assert!(links.end(2).expect("it is one of links").is_felt());
        let at = Duration::from_secs(100);
        assert!((1_001..=1_050).contains(&(arrival(send(&mut links, at, 1_448)) - at).as_millis()));
    }

    #[test]
    fn loss_takes_its_share_and_says_what_is_missing_and_what_passed_after_it() {
        let mut links = harmed(LinkHarm::Loss { basis_points: 1_000, burst: 1 });
        let mut missed = 0;
        for _ in 0..1_000 {
            if let Passage::Lost { missing, passed_after } = send(&mut links, Duration::ZERO, 14_480) {
                assert!(missing.count() + passed_after <= 10 && missing.count() > 0);
                missed += missing.count();
            }
        }
        assert!((900..1_100).contains(&missed), "{missed} of 10,000");
    }

    #[test]
    fn only_segments_larger_than_the_hole_vanish() {
        let mut links = harmed(LinkHarm::MtuBlackHole { largest: 1_400 });
        arrival(send(&mut links, Duration::ZERO, 1_400));
        let missing = Segments::of(2 * 1_448);
        assert_eq!(send(&mut links, Duration::ZERO, 3_000), Passage::Lost { missing, passed_after: 1 });
    }

    #[test]
    fn a_fault_of_one_way_leaves_the_other_alone() {
        let mut links = harmed(LinkHarm::Partition);
        assert!(matches!(send(&mut links, Duration::ZERO, 1), Passage::Lost { .. }));
        arrival(links.send(Duration::ZERO, B, A, Packet::Syn));
        assert!(links.is_cut(A.0, B.0) && !links.is_cut(B.0, A.0));
    }

    #[test]
    fn a_fault_that_meets_no_packet_is_not_felt() {
        let mut links = harmed(LinkHarm::SynLoss { basis_points: WHOLE });
        arrival(send(&mut links, Duration::ZERO, 1));
        assert!(!links.end(1).expect("it is one of links").is_felt());
        assert!(links.end(1).is_none());
    }

    #[test]
    fn loopback_is_no_wire() {
        let mut links = Links::new(7, LinkBase { bandwidth: Some(1), loss_basis_points: WHOLE, latency: LATENCY });
        let at = arrival(links.send(Duration::ZERO, A, A, Packet::Syn));
        assert_eq!(at, LOOPBACK.least);
    }
}
