//! Links: how long bytes travel from one host to another.
//!
//! One link for each pair of hosts and direction, with dice of its own, so that traffic on one link never
//! changes the fate of another. Bytes of one direction never overtake each other, as in TCP.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::env::Dice;
use crate::fault::{Latency, Shape};
use crate::world::engine::HostId;

/// Within one host: what loopback takes, of the order of 50 µs with the processes' wake-ups.
const LOOPBACK: Latency =
    Latency { shape: Shape::Uniform, least: Duration::from_micros(50), most: Duration::from_micros(50) };

fn draw(latency: Latency, dice: &mut Dice) -> Duration {
    latency.least + dice.up_to(latency.most.saturating_sub(latency.least))
}

struct Link {
    latency: Latency,
    dice: Dice,
    last_arrival: Duration,
}

/// Every link of a world.
pub(crate) struct Links {
    seed: u64,
    latency: Latency,
    links: BTreeMap<(HostId, HostId), Link>,
}

impl Links {
    pub(crate) fn new(seed: u64, latency: Latency) -> Self {
        Links { seed, latency, links: BTreeMap::new() }
    }

    /// When something sent at `now` arrives. `name` tells the hosts apart across sims of another size.
    pub(crate) fn arrival(&mut self, now: Duration, from: (HostId, &str), to: (HostId, &str)) -> Duration {
        let (seed, latency) = (self.seed, self.latency);
        let link = self.links.entry((from.0, to.0)).or_insert_with(|| Link {
            latency: if from.0 == to.0 { LOOPBACK } else { latency },
            dice: Dice::named(seed, &format!("link {} -> {}", from.1, to.1)),
            last_arrival: Duration::ZERO,
        });
        let drawn = now + draw(link.latency, &mut link.dice);
        link.last_arrival = drawn.max(link.last_arrival);
        link.last_arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Latency =
        Latency { shape: Shape::Uniform, least: Duration::from_millis(1), most: Duration::from_millis(50) };

    fn arrivals(seed: u64) -> Vec<Duration> {
        let mut links = Links::new(seed, LATENCY);
        let (a, b) = ((HostId::numbered(0), "a"), (HostId::numbered(1), "b"));
        (0..100).map(|n| links.arrival(Duration::from_millis(n), a, b)).collect()
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
    fn latency_stays_within_its_bounds() {
        let mut dice = Dice::named(1, "x");
        for _ in 0..1000 {
            let drawn = draw(LATENCY, &mut dice);
            assert!(drawn >= LATENCY.least && drawn <= LATENCY.most);
        }
    }
}
