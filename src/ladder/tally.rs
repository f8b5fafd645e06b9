//! Ladders of many trials, added up: how long each layer took, and how often it never noticed.
//!
//! Refuses to know the order in which ladders come: the tally of two halves, merged either way, is the tally of the
//! whole. Delays are counted in buckets of milliseconds, of which each is at most a 32nd wider than it begins, so that a
//! night takes no more room than an hour; a percentile is told as the end of its bucket, which is at most 3.2 % too much.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ladder::layer::{Knowledge, Layer};
use crate::ladder::window::{Ladder, WindowEnding};

/// Delays below so many milliseconds have a bucket each; beyond, as many buckets are between each power of two and the
/// next, halved.
const FINE_MILLIS: u64 = 64;

/// Many delays, as counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Delays(BTreeMap<u64, u64>);

impl Delays {
    /// Counts one, rounded up to the millisecond.
    pub fn add(&mut self, delay: Duration) {
        let millis = u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        *self.0.entry(bucket_end(millis)).or_default() += 1;
    }

    /// Counts those of another as well.
    pub fn merge(&mut self, other: &Delays) {
        other.0.iter().for_each(|(end, count)| *self.0.entry(*end).or_default() += count);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The delay that so many of a hundred do not exceed (nearest rank), as the end of its bucket; none where there is
    /// none.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.count() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let end = self.0.iter().find_map(|(end, count)| {
            seen += count;
            (seen >= rank).then_some(*end)
        });
        end.map(Duration::from_millis)
    }
}

/// The last millisecond of the bucket in which that one lies.
fn bucket_end(millis: u64) -> u64 {
    if millis < FINE_MILLIS {
        return millis;
    }
    let width_bits = millis.ilog2() - (FINE_MILLIS.ilog2() - 1);
    millis | ((1 << width_bits) - 1)
}

/// What one layer knew in many windows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerTally {
    /// The delays of those windows in which it noticed.
    pub delays: Delays,
    /// So many windows ended, and it had not noticed although it had all its time: none that healed, or was cut short.
    pub never: u64,
}

impl LayerTally {
    /// In so many windows it noticed, or had all its time to.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.delays.count() + self.never
    }
}

/// The ladders of many trials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LadderTally {
    /// How many windows there were, by how they ended.
    pub windows: BTreeMap<WindowEnding, u64>,
    /// What each layer knew, of those that were ever asked.
    pub layers: BTreeMap<Layer, LayerTally>,
    /// How long it took until the client let go, by whatever layer it knew.
    pub let_go: Delays,
    /// How many messages had been stored meanwhile and had not come to it.
    pub missed: u64,
}

impl LadderTally {
    /// Adds the windows of one trial.
    pub fn add(&mut self, ladder: &Ladder) {
        for window in &ladder.windows {
            *self.windows.entry(window.ending).or_default() += 1;
            self.missed += window.missed;
            if window.ending == WindowEnding::LetGo {
                self.let_go.add(window.lasted);
            }
            for (layer, knowledge) in &window.knew {
                match knowledge {
                    Knowledge::After(delay) => self.layers.entry(*layer).or_default().delays.add(*delay),
                    Knowledge::Never if window.ending.is_full() => self.layers.entry(*layer).or_default().never += 1,
                    Knowledge::Never | Knowledge::NotAsked => {}
                }
            }
        }
    }

    /// Adds the windows of another tally.
    pub fn merge(&mut self, other: &LadderTally) {
        other.windows.iter().for_each(|(ending, count)| *self.windows.entry(*ending).or_default() += count);
        self.missed += other.missed;
        self.let_go.merge(&other.let_go);
        for (layer, tally) in &other.layers {
            let ours = self.layers.entry(*layer).or_default();
            ours.delays.merge(&tally.delays);
            ours.never += tally.never;
        }
    }

    /// How many windows there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.windows.values().sum()
    }
}
