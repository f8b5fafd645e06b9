//! A storm: the seed draws families of faults, and their clauses, into the plan of one trial (swarm testing).
//!
//! Refuses to know kinds: each says how it is drawn. Each family and each clause has dice of its own, so that leaving
//! one out leaves the others as they were; only what contradicted the one that was left out may come to light.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::cast::{Cast, HostName, Member};
use crate::env::{Dice, Die};
use crate::fault::contradiction::contradiction;
use crate::fault::kind::{Drawn, Target};
use crate::fault::{Clause, Family, KINDS, Origin, Plan, Storm};

/// Every clause of a storm ends so long before the calm: TCP that doubled its retransmission timeout in a partition
/// sends again at most so long after it healed (Linux: `TCP_RTO_MAX`, 120 s).
pub(crate) const HEALING: Duration = Duration::from_secs(120);
/// A storm that lasts shorter has no room for its clauses.
pub(crate) const WINDOW_MIN: Duration = Duration::from_secs(60);
/// Times are drawn in tenths of a second, so that a reader of a plan can remember them.
const TICK_MS: u64 = 100;

/// The faults of one trial: those of the file, and what the seed draws besides.
///
/// A drawn clause that contradicts the file's, or one drawn before it, is left out.
pub(crate) fn add_storm(plan: &Plan, storm: &Storm, cast: &Cast, calm_begins: Duration, seed: u64) -> Plan {
    let mut clauses = plan.clauses.clone();
    for drawn in draw_storm(storm, cast, calm_begins, seed) {
        if !clauses.iter().any(|clause| contradiction(clause, &drawn).is_some()) {
            clauses.push(drawn);
        }
    }
    // Stable: of those that begin together the file's come first, then family by family.
    clauses.sort_by_key(|clause| clause.at);
    let numbered = (1..).zip(clauses).map(|(number, clause)| Clause { number, ..clause });
    Plan { clauses: numbered.collect() }
}

/// Everything that a storm draws, family by family.
fn draw_storm(storm: &Storm, cast: &Cast, calm_begins: Duration, seed: u64) -> Vec<Clause> {
    let end = calm_begins.saturating_sub(HEALING);
    let mut drawn = Vec::new();
    for (family, mut dice) in choose_families(storm, seed) {
        // Every number up to twice the mean, without none.
        let count = dice.random_range(1..=2 * storm.intensity - 1);
        for index in 1..=count {
            let dice = Dice::named(seed, &Die::StormClause { family: family.name(), index });
            drawn.extend(Draw { cast, dice, at: Duration::ZERO }.clause(family, storm.begins, end));
        }
    }
    drawn
}

/// The families that a seed draws, each with its dice: one in two, and the nearest to it where none is drawn.
fn choose_families(storm: &Storm, seed: u64) -> Vec<(Family, Dice)> {
    const EVEN: u64 = 1 << 63;
    let rolls = storm.families.iter().map(|family| {
        let mut dice = Dice::named(seed, &Die::StormFamily { family: family.name() });
        (dice.next_u64(), *family, dice)
    });
    let rolls: Vec<(u64, Family, Dice)> = rolls.collect();
    let nearest = rolls.iter().map(|(roll, _, _)| *roll).min().unwrap_or_default();
    let chosen = rolls.into_iter().filter(|(roll, _, _)| *roll < EVEN || *roll == nearest);
    chosen.map(|(_, family, dice)| (family, dice)).collect()
}

/// The kinds of a family, in the order of the table.
fn kinds(family: Family) -> Vec<Drawn> {
    KINDS.iter().filter_map(|row| row.drawn).filter(|drawn| drawn.family == family).collect()
}

/// One clause while it is drawn: the dice, and what a kind may ask of them.
pub(crate) struct Draw<'s> {
    /// Who takes part.
    pub(crate) cast: &'s Cast,
    dice: Dice,
    at: Duration,
}

impl Draw<'_> {
    /// Draws a clause of a family that begins at `begins` or later and has ended by `end`; none where the cast has
    /// nobody on whom the drawn kind could fall.
    fn clause(mut self, family: Family, begins: Duration, end: Duration) -> Option<Clause> {
        let kind = *self.one_of(&kinds(family));
        let begins = whole_ticks(begins + Duration::from_millis(TICK_MS - 1));
        let room = whole_ticks(end).saturating_sub(begins).max(1);
        let lasts = (self.spread(kind.lasts_min_ms, kind.lasts_max_ms) / TICK_MS).clamp(1, room);
        let at = begins + self.dice.random_range(0..=room - lasts);
        self.at = Duration::from_millis(at * TICK_MS);
        let fault = (kind.fault)(&mut self);
        let is_idle = matches!(fault.target(), Target::Hosts(on) if on.is_empty());
        let lasts = Duration::from_millis(lasts * TICK_MS);
        (!is_idle).then_some(Clause { number: 0, at: self.at, lasts, fault, origin: Origin::Storm })
    }

    /// A number of which each doubling between the bounds is equally likely, drawn without floating point.
    pub(crate) fn spread(&mut self, least: u64, most: u64) -> u64 {
        let doublings = (most / least.max(1)).max(1).ilog2();
        let low = least << self.dice.random_range(0..=doublings);
        self.dice.random_range(low..=most.min(low * 2).max(low))
    }

    /// A number, each as likely as any other.
    pub(crate) fn uniform(&mut self, least: u32, most: u32) -> u32 {
        self.dice.random_range(least..=most)
    }

    pub(crate) fn time(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(self.spread(least_ms, most_ms))
    }

    /// A time before the clause begins.
    pub(crate) fn time_before(&mut self) -> Duration {
        let earlier = self.dice.random_range(0..whole_ticks(self.at).max(1));
        Duration::from_millis(earlier * TICK_MS)
    }

    pub(crate) fn number(&mut self, least: u32, most: u32) -> u32 {
        let drawn = self.spread(least.into(), most.into());
        u32::try_from(drawn).expect("it lies between two of 32 bits")
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.one_in(2)
    }

    pub(crate) fn one_in(&mut self, count: i32) -> bool {
        self.dice.random_range(0..count) == 0
    }

    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.dice.random_range(0..choices.len())]
    }

    /// One host in some role of whose hosts `can` holds, in one case of three all of them; none where it holds of nobody.
    pub(crate) fn hosts(&mut self, can: fn(&Member) -> bool) -> BTreeSet<HostName> {
        let cast = self.cast;
        let roles = cast.roles(can);
        if roles.is_empty() {
            return BTreeSet::new();
        }
        let role = *self.one_of(&roles);
        let hosts = cast.of_role(role);
        if self.one_in(3) {
            return hosts.into_iter().cloned().collect();
        }
        BTreeSet::from([(*self.one_of(&hosts)).clone()])
    }
}

fn whole_ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / TICK_MS
}
