//! Harms on links: one fault of a plan, and what it does to each packet that meets it.
//!
//! Refuses to know connections; a middlebox that forgets them asks to be told when each was last used.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt;

use crate::env::{Dice, Die};
use crate::fault::{Expired, LinkHarm};
use crate::world::engine::HostId;
use crate::world::net::packet::{Effects, HostPlace, Packet, WHOLE, draw};

/// The links that a fault falls on.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    pub(crate) from: BTreeSet<HostId>,
    pub(crate) to: BTreeSet<HostId>,
    /// Only from `from` to `to`.
    pub(crate) one_way: bool,
}

impl Ways {
    fn cover(&self, from: HostId, to: HostId) -> bool {
        let leads = |from: &HostId, to: &HostId| self.from.contains(from) && self.to.contains(to);
        from != to && (leads(&from, &to) || !self.one_way && leads(&to, &from))
    }
}

/// A fault's luck on one link: dice of its own, so that it never changes the fate of anything else.
#[derive(Debug)]
struct Luck {
    dice: Dice,
    /// Within a row of losses.
    is_losing: bool,
}

impl Luck {
    /// Whether the next segment is lost.
    ///
    /// Gilbert's model: a link is good or bad, and a bad one loses everything. It gets well after `burst` segments in
    /// the mean, and falls ill so often that the share of bad times is the rate (E. N. Gilbert, "Capacity of a
    /// burst-noise channel", 1960). Rows of one are plain independent loss.
    fn loses(&mut self, basis_points: u32, burst: u32) -> bool {
        if burst <= 1 || basis_points >= WHOLE {
            return self.dice.random_range(0..WHOLE) < basis_points;
        }
        self.is_losing = if self.is_losing {
            self.dice.random_range(0..burst) != 0
        } else {
            let healthy = u64::from(burst) * u64::from(WHOLE - basis_points);
            self.dice.random_range(0..healthy) < u64::from(basis_points)
        };
        self.is_losing
    }
}

/// One fault of links.
#[derive(Debug)]
pub(crate) struct ActiveLinkHarm {
    number: u32,
    began: Duration,
    ways: Ways,
    kind: LinkHarm,
    luck: BTreeMap<(HostId, HostId), Luck>,
    is_felt: bool,
}

impl ActiveLinkHarm {
    pub(crate) fn new(now: Duration, number: u32, ways: Ways, kind: LinkHarm) -> Self {
        ActiveLinkHarm { number, began: now, ways, kind, luck: BTreeMap::new(), is_felt: false }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Whether a packet ever met it and fared worse for it.
    pub(crate) fn is_felt(&self) -> bool {
        self.is_felt
    }

    pub(crate) fn falls_on(&self, from: HostId, to: HostId) -> bool {
        self.ways.cover(from, to)
    }

    /// That nothing passes, if so; whoever asks feels it.
    pub(crate) fn cut(&mut self) -> Option<()> {
        let is_cut = self.kind == LinkHarm::Partition;
        self.is_felt |= is_cut;
        is_cut.then_some(())
    }

    /// Harms a packet on a link that it falls on.
    pub(crate) fn harm(
        &mut self,
        seed: u64,
        from: HostPlace<'_>,
        to: HostPlace<'_>,
        packet: Packet,
        effects: &mut Effects,
    ) {
        let number = self.number;
        let luck = self.luck.entry((from.0, to.0));
        let luck = || {
            let dice = || Dice::named(seed, &Die::LinkFault { clause: number, from: from.1, to: to.1 });
            luck.or_insert_with(|| Luck { dice: dice(), is_losing: false })
        };
        let is_felt = match self.kind {
            LinkHarm::Partition => effects.losses.lose(packet, |_| true),
            LinkHarm::Latency(latency) => {
                effects.latency = Some(draw(latency, &mut luck().dice));
                true
            }
            LinkHarm::Bandwidth { bytes_per_second } => {
                effects.bandwidth = Some(bytes_per_second);
                true
            }
            LinkHarm::Loss { basis_points, burst } => {
                let luck = luck();
                effects.losses.lose(packet, |_| luck.loses(basis_points, burst))
            }
            LinkHarm::SynLoss { basis_points } => match packet {
                Packet::Syn => {
                    let luck = luck();
                    effects.losses.lose(packet, |_| luck.loses(basis_points, 1))
                }
                Packet::Segments(_) => false,
            },
            LinkHarm::MtuBlackHole { largest } => effects.losses.lose(packet, |payload| payload > largest),
            LinkHarm::IdleDrop { .. } => false,
        };
        self.is_felt |= is_felt;
    }

    /// What becomes of a connection's packets from now on, if the fault forgets a connection that was last used then.
    pub(crate) fn forgets(&mut self, now: Duration, last_used: Duration) -> Option<Expired> {
        let LinkHarm::IdleDrop { after, then } = self.kind else { return None };
        let idle = now.saturating_sub(last_used.max(self.began));
        (idle >= after).then(|| {
            self.is_felt = true;
            then
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Losses of 100,000 segments, and rows of losses.
    fn rows(basis_points: u32, burst: u32) -> (usize, usize) {
        let mut luck = Luck { dice: Dice::named(1, &Die::Test("x")), is_losing: false };
        let lost: Vec<bool> = (0..100_000).map(|_| luck.loses(basis_points, burst)).collect();
        let starts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        (lost.iter().filter(|lost| **lost).count(), starts)
    }

    #[test]
    fn losses_come_in_rows_of_the_given_mean_and_at_the_given_rate() {
        for burst in [2, 5, 20] {
            let (lost, rows) = rows(500, burst);
            assert!((4_300..5_700).contains(&lost), "{lost} of 100,000 were lost");
            let mean = lost as f64 / rows as f64;
            assert!((mean / f64::from(burst) - 1.0).abs() < 0.15, "rows of {mean}, not of {burst}");
        }
    }

    #[test]
    fn independent_losses_are_sometimes_neighbors() {
        let (lost, rows) = rows(2_000, 1);
        assert!((19_000..21_000).contains(&lost), "{lost}");
        assert!((15_000..17_000).contains(&rows), "{rows}");
    }

    #[test]
    fn all_is_lost_at_a_rate_of_a_whole() {
        assert_eq!(rows(WHOLE, 7).0, 100_000);
    }

    #[test]
    fn a_middlebox_forgets_by_the_time_since_it_stood_there() {
        let ways = Ways { from: BTreeSet::new(), to: BTreeSet::new(), one_way: false };
        let kind = LinkHarm::IdleDrop { after: Duration::from_secs(10), then: Expired::Drop };
        let mut harm = ActiveLinkHarm::new(Duration::from_secs(100), 1, ways, kind);
        assert_eq!(harm.forgets(Duration::from_secs(109), Duration::ZERO), None);
        assert!(!harm.is_felt());
        assert_eq!(harm.forgets(Duration::from_secs(110), Duration::ZERO), Some(Expired::Drop));
        assert!(harm.is_felt());
    }
}
