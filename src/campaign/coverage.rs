//! What a campaign put to the test: the faults that were felt, the milestones and transitions that were seen, and who knew
//! when. And what of it never came.
//!
//! Refuses to know the order of trials: what two shares saw, added up, is what one campaign would have seen.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::campaign::transition;
use crate::fault::KINDS;
use crate::history::Event;
use crate::ladder::LadderTally;
use crate::sim::SimFile;
use crate::trial::Outcome;

/// The layout that this version writes and reads.
const FORMAT: u32 = 1;

/// What one trial put to the test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialCoverage {
    /// The kinds of faults in its plan, and whether any of a kind harmed anything.
    pub faults: BTreeMap<String, bool>,
    /// The milestones that it reached, promised or not.
    pub milestones: BTreeSet<String>,
    /// From which state clients and streams went into which.
    pub transitions: BTreeSet<String>,
    /// Who knew when that a stream was dead.
    pub ladder: LadderTally,
}

impl TrialCoverage {
    /// What an outcome shows.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let history = &outcome.history;
        let kind_of = |number: u32| outcome.plan.clauses.iter().find(|clause| clause.number == number);
        let mut faults: BTreeMap<String, bool> = BTreeMap::new();
        for clause in &outcome.plan.clauses {
            faults.entry(clause.fault.name().to_owned()).or_default();
        }
        for record in history.records() {
            if let Event::FaultEnded { clause, felt: true } = record.event
                && let Some(clause) = kind_of(clause)
            {
                faults.insert(clause.fault.name().to_owned(), true);
            }
        }
        let milestones = outcome.sim.subject.milestones().iter().filter(|milestone| (milestone.happened)(history));
        let mut ladder = LadderTally::default();
        ladder.add(&outcome.ladder());
        TrialCoverage {
            faults,
            milestones: milestones.map(|milestone| milestone.name.to_owned()).collect(),
            transitions: transition::transitions(history),
            ladder,
        }
    }

    /// Transitions that nobody has foreseen: a campaign could not miss them.
    #[must_use]
    pub fn unforeseen(&self) -> BTreeSet<String> {
        &self.transitions - &transition::possible()
    }

    fn felt(&self) -> impl Iterator<Item = &String> + Clone {
        self.faults.iter().filter(|(_, felt)| **felt).map(|(kind, _)| kind)
    }
}

/// In how many trials a kind of fault was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultCount {
    /// It was in the plan.
    pub planned: u64,
    /// It harmed something.
    pub felt: u64,
}

/// What a campaign put to the test; `coverage.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// The version of this layout.
    #[schemars(extend("const" = FORMAT))]
    pub format: u32,
    /// So many trials are counted here: those that were played to their end.
    pub trials: u64,
    /// By kind of fault.
    pub faults: BTreeMap<String, FaultCount>,
    /// In how many trials both of two kinds were felt, such as `latency + process-kill`.
    pub pairs: BTreeMap<String, u64>,
    /// In how many trials each milestone was reached.
    pub milestones: BTreeMap<String, u64>,
    /// In how many trials a client or a stream went from one state into another.
    pub transitions: BTreeMap<String, u64>,
    /// Who knew when that a stream was dead, in all trials together.
    pub ladder: LadderTally,
    /// What could have been seen with these sims, and was not.
    pub never: Unseen,
}

/// What was not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unseen {
    /// Kinds of faults that a sim has, or may draw, and that harmed nothing.
    pub faults: BTreeSet<String>,
    /// Two kinds that a sim has, or may draw, and that were not felt in one trial.
    pub pairs: BTreeSet<String>,
    /// Milestones of the sims' subjects.
    pub milestones: BTreeSet<String>,
    /// Transitions of clients and streams.
    pub transitions: BTreeSet<String>,
}

impl Coverage {
    /// Nothing yet.
    #[must_use]
    pub(crate) fn new() -> Self {
        Coverage { format: FORMAT, ..Coverage::default() }
    }

    /// Whether this version reads it.
    pub(crate) fn is_readable(&self) -> bool {
        self.format == FORMAT
    }

    /// Counts a trial.
    pub(crate) fn add(&mut self, seen: &TrialCoverage) {
        self.trials += 1;
        for (kind, felt) in &seen.faults {
            let count = self.faults.entry(kind.clone()).or_default();
            count.planned += 1;
            count.felt += u64::from(*felt);
        }
        pairs(seen.felt()).for_each(|pair| count(&mut self.pairs, pair));
        seen.milestones.iter().for_each(|milestone| count(&mut self.milestones, milestone.clone()));
        seen.transitions.iter().for_each(|transition| count(&mut self.transitions, transition.clone()));
        self.ladder.merge(&seen.ladder);
    }

    /// Counts the trials of another share.
    pub(crate) fn merge(&mut self, other: &Coverage) {
        self.trials += other.trials;
        for (kind, more) in &other.faults {
            let count = self.faults.entry(kind.clone()).or_default();
            count.planned += more.planned;
            count.felt += more.felt;
        }
        let add = |ours: &mut BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>| {
            theirs.iter().for_each(|(name, count)| *ours.entry(name.clone()).or_default() += count);
        };
        add(&mut self.pairs, &other.pairs);
        add(&mut self.milestones, &other.milestones);
        add(&mut self.transitions, &other.transitions);
        self.ladder.merge(&other.ladder);
    }

    /// Notes what these sims could have shown, and did not.
    pub(crate) fn note_unseen(&mut self, sims: &[SimFile]) {
        let felt = |kind: &String| self.faults.get(kind).is_some_and(|count| count.felt > 0);
        let kinds: Vec<BTreeSet<String>> = sims.iter().map(kinds_of).collect();
        let faults = kinds.iter().flatten().filter(|kind| !felt(kind)).cloned().collect();
        let pairs = kinds.iter().flat_map(|kinds| pairs(kinds.iter()));
        let pairs = pairs.filter(|pair| !self.pairs.contains_key(pair)).collect();
        let milestones =
            sims.iter().flat_map(|sim| sim.subject.milestones()).map(|milestone| milestone.name.to_owned());
        let milestones = milestones.filter(|name| !self.milestones.contains_key(name)).collect();
        let transitions = transition::possible().into_iter();
        let transitions = transitions.filter(|name| !self.transitions.contains_key(name)).collect();
        self.never = Unseen { faults, pairs, milestones, transitions };
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: String) {
    *counts.entry(name).or_default() += 1;
}

/// Every two of them, in the order of the alphabet.
fn pairs<'k>(kinds: impl Iterator<Item = &'k String> + Clone) -> impl Iterator<Item = String> {
    let kinds: Vec<&String> = kinds.collect();
    let pairs_of = |(index, one): (usize, &&String)| -> Vec<String> {
        kinds[index + 1..].iter().map(|other| format!("{one} + {other}")).collect()
    };
    kinds.iter().enumerate().flat_map(pairs_of).collect::<Vec<_>>().into_iter()
}

/// The kinds of faults that a sim has, or may draw.
fn kinds_of(sim: &SimFile) -> BTreeSet<String> {
    let own = sim.plan.clauses.iter().map(|clause| clause.fault.name().to_owned());
    let families = sim.storm.iter().flat_map(|storm| storm.families.iter().copied());
    let drawn = families
        .flat_map(|family| KINDS.iter().filter(move |row| row.drawn.is_some_and(|drawn| drawn.family == family)));
    own.chain(drawn.map(|row| row.name.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::read;
    use crate::subject::xmtp::SUBJECTS;

    fn trial(faults: &[(&str, bool)], milestones: &[&str]) -> TrialCoverage {
        TrialCoverage {
            faults: faults.iter().map(|(kind, felt)| ((*kind).to_owned(), *felt)).collect(),
            milestones: milestones.iter().map(|name| (*name).to_owned()).collect(),
            transitions: BTreeSet::from(["opened -> live".to_owned()]),
            ladder: LadderTally::default(),
        }
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        let trials = [
            trial(&[("loss", true), ("latency", true), ("pause", false)], &["backed-off"]),
            trial(&[("latency", true)], &[]),
            trial(&[("loss", true), ("latency", true)], &["backed-off", "node-restarted"]),
        ];
        let of = |trials: &[TrialCoverage]| {
            let mut coverage = Coverage::new();
            trials.iter().for_each(|trial| coverage.add(trial));
            coverage
        };
        let whole = of(&trials);
        assert_eq!(whole.trials, 3);
        assert_eq!(whole.faults["pause"], FaultCount { planned: 1, felt: 0 });
        assert_eq!(whole.pairs, BTreeMap::from([("latency + loss".to_owned(), 2)]));
        assert_eq!(whole.milestones["backed-off"], 2);
        let mut shares = of(&trials[2..]);
        shares.merge(&of(&trials[..2]));
        assert_eq!(shares, whole);
    }

    #[test]
    fn what_a_sim_has_and_nobody_felt_is_named() {
        let fault = |kind: &str, at: u32| {
            format!("[[fault]]\nat = \"{at}m\"\nfor = \"1m\"\nkind = \"{kind}\"\non = \"client-1\"\n")
        };
        let text = format!(
            "title = \"Two faults\"\nduration = \"20m\"\n{}{}[promise]\nverdict = \"pass\"\n",
            fault("process-kill", 2),
            fault("pause", 4)
        );
        let sim = read("two", &text, SUBJECTS).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        let mut coverage = Coverage::new();
        coverage.add(&trial(&[("process-kill", true), ("pause", false)], &["backed-off"]));
        coverage.note_unseen(std::slice::from_ref(&sim));
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(coverage.never.faults, named(&["pause"]));
        assert_eq!(coverage.never.pairs, named(&["pause + process-kill"]));
        assert!(coverage.never.milestones.contains("client-restarted"));
        assert!(!coverage.never.milestones.contains("backed-off"));
        assert!(coverage.never.transitions.contains("asking -> ended by watchdog"));
        assert!(!coverage.never.transitions.contains("opened -> live"));
        coverage.add(&trial(&[("process-kill", true), ("pause", true)], &[]));
        coverage.note_unseen(&[sim]);
        assert!(coverage.never.faults.is_empty() && coverage.never.pairs.is_empty());
    }
}
