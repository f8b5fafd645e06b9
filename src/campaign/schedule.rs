//! The schedule of a campaign: its trials in order, each with a number.
//!
//! Refuses to know which of them have been played.

use std::ops::Range;

use crate::campaign::TrialPartition;
use crate::sim::SimFile;

/// A campaign without an end of its own stops at so many seeds: far more than anybody plays.
pub(crate) const SEEDS_MAX: u64 = 1 << 40;

/// Every sim with every seed, seeds in the outer loop: a campaign that ends early has tried every sim.
pub struct TrialSchedule {
    /// The sims.
    pub sims: Vec<SimFile>,
    /// The seeds, each with every sim; at most [`SEEDS_MAX`].
    pub seeds: Range<u64>,
    /// Which of the trials are ours; none where all are.
    pub partition: Option<TrialPartition>,
}

/// One trial of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Its number among the trials of the whole campaign, whoever plays them.
    pub number: u64,
    /// The index of its sim.
    pub sim: usize,
    /// Its seed.
    pub seed: u64,
}

impl TrialSchedule {
    /// How many trials the whole campaign has, whoever plays them.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.sims.len() as u64 * (self.seeds.end - self.seeds.start).min(SEEDS_MAX)
    }

    /// The trial of that number.
    #[must_use]
    pub fn trial(&self, number: u64) -> Trial {
        let sims = self.sims.len() as u64;
        let sim = usize::try_from(number % sims).expect("an index of sims");
        Trial { number, sim, seed: self.seeds.start + number / sims }
    }

    /// The number of a trial; none where the schedule does not have it.
    #[must_use]
    pub fn number(&self, sim: &str, seed: u64) -> Option<u64> {
        let sim = self.sims.iter().position(|one| one.name == sim)?;
        let round = seed.checked_sub(self.seeds.start).filter(|_| self.seeds.contains(&seed))?;
        Some(round * self.sims.len() as u64 + sim as u64)
    }

    /// Whether a trial is ours.
    #[must_use]
    pub fn is_ours(&self, trial: Trial) -> bool {
        let name = &self.sims[trial.sim].name;
        self.partition.is_none_or(|partition| partition.has(trial.number, name, trial.seed))
    }

    /// How many trials are ours; none where there is no end but that of time.
    #[must_use]
    pub fn ours(&self) -> Option<u64> {
        let is_open = self.seeds.end - self.seeds.start >= SEEDS_MAX;
        let is_ours = |number: &u64| self.is_ours(self.trial(*number));
        match self.partition {
            _ if is_open => None,
            None => Some(self.trials()),
            Some(_) => Some((0..self.trials()).filter(is_ours).count() as u64),
        }
    }
}
