//! Which trials a sweep takes: every sim with every seed, and those of the corpus once, with their own.
//!
//! Refuses to play.

use std::ops::Range;

use crate::sim::SimFile;

/// The trials of some sims and seeds, numbered from 0.
pub(crate) struct Trials<'s> {
    once: Vec<(&'s SimFile, u64)>,
    often: Vec<&'s SimFile>,
    seeds: Range<u64>,
}

impl<'s> Trials<'s> {
    /// The trials of those sims with those seeds.
    pub(crate) fn of(sims: &'s [SimFile], seeds: Range<u64>) -> Self {
        let own_seed = |sim: &'s SimFile| sim.seed.filter(|_| sim.once).map(|seed| (sim, seed));
        let once = sims.iter().filter_map(own_seed).collect();
        let often = sims.iter().filter(|sim| own_seed(sim).is_none()).collect();
        Trials { once, often, seeds }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.once.len() as u64 + self.often.len() as u64 * (self.seeds.end - self.seeds.start)
    }

    /// The trial of that number; none where there are not so many. Seeds are in the outer loop: a sweep that ends early
    /// has tried every sim.
    pub(crate) fn get(&self, number: u64) -> Option<(&'s SimFile, u64)> {
        let once = self.once.len() as u64;
        let Some(number) = number.checked_sub(once) else {
            return self.once.get(usize::try_from(number).ok()?).copied();
        };
        let sims = self.often.len() as u64;
        let seed = self.seeds.start + number.checked_div(sims)?;
        let sim = self.often[usize::try_from(number % sims).expect("an index of sims")];
        (seed < self.seeds.end).then_some((sim, seed))
    }

    /// All of them, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'s SimFile, u64)> {
        (0..self.count()).filter_map(|number| self.get(number))
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

    fn told(sims: &[SimFile], seeds: Range<u64>) -> Vec<(String, u64)> {
        let trials = Trials::of(sims, seeds);
        let told: Vec<_> = trials.iter().map(|(sim, seed)| (sim.name.clone(), seed)).collect();
        assert_eq!(told.len() as u64, trials.count());
        assert!(trials.get(trials.count()).is_none(), "there are no more");
        told
    }

    #[test]
    fn a_sim_of_the_corpus_is_one_trial_whatever_the_seeds() {
        let sims = [sim("a", ""), sim("found", "seed = 209\nonce = true\n"), sim("b", "seed = 3\n")];
        let expected = [("found", 209), ("a", 5), ("b", 5), ("a", 6), ("b", 6)];
        assert_eq!(told(&sims, 5..7), expected.map(|(name, seed)| (name.to_owned(), seed)));
        assert_eq!(told(&sims[1..2], 5..7), [("found".to_owned(), 209)]);
    }

    #[test]
    fn the_last_seed_is_played_too() {
        let sims = [sim("found", "seed = 18446744073709551615\nonce = true\n")];
        assert_eq!(told(&sims, 1..3), [("found".to_owned(), u64::MAX)]);
        assert_eq!(told(&[sim("a", "")], u64::MAX - 1..u64::MAX), [("a".to_owned(), u64::MAX - 1)]);
    }
}
