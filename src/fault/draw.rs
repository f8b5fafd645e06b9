//! What a kind of fault asks of its dice while a storm draws it.
//!
//! Refuses to know kinds, and when what was drawn begins.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;

use crate::cast::{Cast, HostName, Member};
use crate::env::Dice;

/// Times are drawn in tenths of a second, so that a reader of a plan can remember them.
pub(crate) const TICK_MS: u64 = 100;

/// One clause while it is drawn: the dice, and what a kind may ask of them.
pub(crate) struct Draw<'s> {
    /// Who takes part.
    pub(crate) cast: &'s Cast,
    /// Its own.
    pub(crate) dice: Dice,
    /// When it begins, as soon as that is drawn.
    pub(crate) at: Duration,
}

impl Draw<'_> {
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

/// A time in ticks, rounded down.
pub(crate) fn whole_ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / TICK_MS
}
