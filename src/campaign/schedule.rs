//! The schedule of a campaign: its trials in order, each with a number.
//!
//! Refuses to know which of them have been played.

use std::ops::Range;

use crate::campaign::TrialPartition;
use crate::sim::SimFile;

/// A campaign without an end of its own stops at so many seeds: far more than anybody plays.
pub const SEEDS_MAX: u64 = 1 << 40;

/// First the sims of the corpus, each once with its own seed; then every other sim with every seed, seeds in the outer
/// loop: a campaign that ends early has tried every sim.
pub struct TrialSchedule {
    /// The sims.
    pub sims: Vec<SimFile>,
    /// The seeds, each with every sim that is not to be played [once](SimFile::once).
    pub seeds: Range<u64>,
    /// Which of the trials are ours; none where all are.
    pub partition: Option<TrialPartition>,
    /// The indices of the sims that are played once, with their seeds.
    once: Vec<(usize, u64)>,
    /// The indices of the others.
    often: Vec<usize>,
}

/// One trial of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledTrial {
    /// Its number among the trials of the whole campaign, whoever plays them.
    pub number: u64,
    /// The index of its sim.
    pub sim: usize,
    /// Its seed.
    pub seed: u64,
}

impl TrialSchedule {
    /// The schedule of those sims and seeds, of which at most 2^40 are played.
    #[must_use]
    pub fn new(sims: Vec<SimFile>, seeds: Range<u64>, partition: Option<TrialPartition>) -> Self {
        let own_seed = |sim: &SimFile| sim.seed.filter(|_| sim.once);
        let numbered = || sims.iter().enumerate();
        let once = numbered().filter_map(|(index, sim)| own_seed(sim).map(|seed| (index, seed))).collect();
        let often = numbered().filter(|(_, sim)| own_seed(sim).is_none()).map(|(index, _)| index).collect();
        TrialSchedule { sims, seeds, partition, once, often }
    }

    /// How many trials the whole campaign has, whoever plays them.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.once.len() as u64 + self.often.len() as u64 * (self.seeds.end - self.seeds.start).min(SEEDS_MAX)
    }

    /// How many sims are played once.
    #[must_use]
    pub fn played_once(&self) -> usize {
        self.once.len()
    }

    /// The trial of that number.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn trial(&self, number: u64) -> ScheduledTrial {
        let index = |number: u64| usize::try_from(number).expect("an index of sims");
        match number.checked_sub(self.once.len() as u64) {
            None => {
                let (sim, seed) = self.once[index(number)];
                ScheduledTrial { number, sim, seed }
            }
            Some(behind) => {
                let sims = self.often.len() as u64;
                ScheduledTrial { number, sim: self.often[index(behind % sims)], seed: self.seeds.start + behind / sims }
            }
        }
    }

    /// The number of a trial; none where the schedule does not have it.
    #[must_use]
    pub fn number(&self, sim: &str, seed: u64) -> Option<u64> {
        let sim = self.sims.iter().position(|one| one.name == sim)?;
        if let Some(place) = self.once.iter().position(|(once, own)| (*once, *own) == (sim, seed)) {
            return Some(place as u64);
        }
        let place = self.often.iter().position(|often| *often == sim)?;
        let round = seed.checked_sub(self.seeds.start).filter(|_| self.seeds.contains(&seed))?;
        Some(self.once.len() as u64 + round * self.often.len() as u64 + place as u64)
    }

    /// The last seed with which every sim has been played, where all trials below that number have; none where there is none.
    #[must_use]
    pub(crate) fn complete_to(&self, number: u64) -> Option<u64> {
        let rounds = number.checked_sub(self.once.len() as u64)?.checked_div(self.often.len() as u64)?;
        rounds.checked_sub(1).map(|rounds| self.seeds.start + rounds)
    }

    /// Whether a trial is ours.
    #[must_use]
    pub fn is_ours(&self, trial: ScheduledTrial) -> bool {
        let name = &self.sims[trial.sim].name;
        self.partition.is_none_or(|partition| partition.has(trial.number, name, trial.seed))
    }

    /// How many trials are ours; none where there is no end but that of time.
    #[must_use]
    pub fn ours(&self) -> Option<u64> {
        let is_open = self.seeds.end - self.seeds.start >= SEEDS_MAX && !self.often.is_empty();
        let is_ours = |number: &u64| self.is_ours(self.trial(*number));
        match self.partition {
            _ if is_open => None,
            None => Some(self.trials()),
            Some(_) => Some((0..self.trials()).filter(is_ours).count() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::read;
    use crate::subject::xmtp::SUBJECTS;

    fn sim(name: &str, head: &str) -> SimFile {
        let text = format!("title = \"x\"\nduration = \"20m\"\n{head}[promise]\nverdict = \"pass\"\n");
        read(name, &text, SUBJECTS).expect("a good sim")
    }

    fn told(sims: Vec<SimFile>, seeds: Range<u64>) -> Vec<(String, u64)> {
        let schedule = TrialSchedule::new(sims, seeds, None);
        let trials = (0..schedule.trials()).map(|number| schedule.trial(number));
        let named = trials.map(|trial| {
            let name = schedule.sims[trial.sim].name.clone();
            assert_eq!(schedule.number(&name, trial.seed), Some(trial.number), "a number leads back to its trial");
            (name, trial.seed)
        });
        named.collect()
    }

    #[test]
    fn a_sim_of_the_corpus_is_one_trial_whatever_the_seeds() {
        let found = || sim("found", "seed = 209\nonce = true\n");
        let expected = [("found", 209), ("a", 5), ("b", 5), ("a", 6), ("b", 6)];
        let expected = expected.map(|(name, seed)| (name.to_owned(), seed));
        assert_eq!(told(vec![sim("a", ""), found(), sim("b", "seed = 3\n")], 5..7), expected);
        assert_eq!(told(vec![found()], 5..7), [("found".to_owned(), 209)]);
    }

    #[test]
    fn the_last_seed_is_played_too() {
        let last = "seed = 18446744073709551615\nonce = true\n";
        assert_eq!(told(vec![sim("found", last)], 1..3), [("found".to_owned(), u64::MAX)]);
        assert_eq!(told(vec![sim("a", "")], u64::MAX - 1..u64::MAX), [("a".to_owned(), u64::MAX - 1)]);
    }

    #[test]
    fn a_round_is_complete_when_every_sim_has_its_seed() {
        let schedule =
            TrialSchedule::new(vec![sim("a", ""), sim("found", "seed = 209\nonce = true\n"), sim("b", "")], 5..9, None);
        let complete = [0, 2, 3, 4, 5].map(|number| schedule.complete_to(number));
        assert_eq!(complete, [None, None, Some(5), Some(5), Some(6)]);
    }
}
