//! A storm: the seed draws families of faults, and their clauses, into the plan of one trial (swarm testing).
//!
//! Refuses to know kinds: each says how it is drawn. Each family and each clause has dice of its own, so that leaving
//! one out leaves the others as they were; only what contradicted the one that was left out may come to light.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::cast::Cast;
use crate::env::{Dice, Die};
use crate::fault::contradiction::contradiction;
use crate::fault::draw::{Draw, TICK_MS, whole_ticks};
use crate::fault::kind::{Drawn, Target};
use crate::fault::plan::FAULTS_MAX;
use crate::fault::{Clause, Family, Fault, KINDS, Origin, Plan, Storm};

/// Every clause of a storm ends so long before the calm: TCP that doubled its retransmission timeout in a partition
/// sends again at most so long after it healed (Linux: `TCP_RTO_MAX`, 120 s).
pub(crate) const HEALING: Duration = Duration::from_secs(120);
/// A storm that lasts shorter has no room for its clauses.
pub(crate) const WINDOW_MIN: Duration = Duration::from_secs(60);

/// Another is drawn so often where nobody can feel what was drawn; where nobody can feel any of a family, none is.
const DRAWS_MAX: u32 = 32;

/// On whom a storm comes down.
#[derive(Clone, Copy)]
pub(crate) struct StormCast<'c> {
    pub(crate) cast: &'c Cast,
    /// Whether anybody can feel a fault.
    pub(crate) can_feel: &'c dyn Fn(&Fault) -> bool,
}

/// The faults of one trial: those of the file, and what the seed draws besides.
///
/// A drawn clause that contradicts the file's, or one drawn before it, is left out; so is what a plan has no room for.
pub(crate) fn add_storm(plan: &Plan, storm: &Storm, cast: StormCast<'_>, calm_begins: Duration, seed: u64) -> Plan {
    let mut clauses = plan.clauses.clone();
    for drawn in draw_storm(storm, cast, calm_begins, seed) {
        let has_room = clauses.len() < FAULTS_MAX as usize;
        if has_room && !clauses.iter().any(|clause| contradiction(clause, &drawn).is_some()) {
            clauses.push(drawn);
        }
    }
    // Stable: of those that begin together the file's come first, then family by family.
    clauses.sort_by_key(|clause| clause.at);
    let numbered = (1..).zip(clauses).map(|(number, clause)| Clause { number, ..clause });
    Plan { clauses: numbered.collect() }
}

/// Everything that a storm draws, family by family.
fn draw_storm(storm: &Storm, cast: StormCast<'_>, calm_begins: Duration, seed: u64) -> Vec<Clause> {
    let end = calm_begins.saturating_sub(HEALING);
    let mut drawn = Vec::new();
    for (family, mut dice) in choose_families(storm, seed) {
        // Every number up to twice the mean, without none.
        let count = dice.random_range(1..=2 * storm.intensity - 1);
        for index in 1..=count {
            let dice = Dice::named(seed, &Die::StormClause { family: family.name(), index });
            let mut draw = Draw { cast: cast.cast, dice, at: Duration::ZERO };
            let clauses = (0..DRAWS_MAX).map_while(|_| draw_clause(&mut draw, family, storm.begins, end));
            drawn.extend({ clauses }.find(|clause| (cast.can_feel)(&clause.fault)));
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

/// Draws a clause of a family that begins at `begins` or later and has ended by `end`; none where the cast has nobody on
/// whom the drawn kind could fall.
fn draw_clause(draw: &mut Draw<'_>, family: Family, begins: Duration, end: Duration) -> Option<Clause> {
    let kind = *draw.one_of(&kinds(family));
    let (least_ms, most_ms) = kind.lasts_ms;
    let begins = whole_ticks(begins + Duration::from_millis(TICK_MS - 1));
    let room = whole_ticks(end).saturating_sub(begins).max(1);
    let lasts = (draw.spread(least_ms, most_ms) / TICK_MS).clamp(1, room);
    let at = begins + draw.dice.random_range(0..=room - lasts);
    draw.at = Duration::from_millis(at * TICK_MS);
    let fault = (kind.fault)(draw);
    let is_idle = matches!(fault.target(), Target::Hosts(on) if on.is_empty());
    let lasts = Duration::from_millis(lasts * TICK_MS);
    (!is_idle).then_some(Clause { number: 0, at: draw.at, lasts, fault, origin: Origin::Storm })
}
