//! Who plays the trials of a campaign: this thread, or a process that may die of one.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use crate::campaign::shrink::{Shrinking, Shrunk};
use crate::campaign::{TrialCoverage, TrialEnd};
use crate::fault::{Fault, KINDS, Plan};
use crate::runner::Case;
use crate::sim::SimFile;
use crate::subject::Subjects;
use crate::trial::{EngineKind, LastWords, PlayError, play_heard, play_on};

/// One trial that is to be played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The index of the sim.
    pub sim: usize,
    /// The seed.
    pub seed: u64,
    /// Only the faults of these families, to find out which of them a failure needs; none plays all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub families: Option<BTreeSet<String>>,
}

/// What came of one trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskAnswer {
    /// How it ended.
    pub ended: TrialEnd,
    /// The case, where it did not pass and could be played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Box<Case>>,
    /// What it put to the test; none where it could not be played, or without some of its faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Box<TrialCoverage>>,
}

impl TaskAnswer {
    /// The answer where there is no outcome.
    pub(crate) fn without_outcome(ended: TrialEnd) -> Self {
        TaskAnswer { ended, case: None, seen: None }
    }
}

/// Who plays trials, one after the other.
pub trait Player {
    /// Plays one trial; none where `is_cut_off` came true meanwhile.
    fn play(&mut self, task: &Task, is_cut_off: &dyn Fn() -> bool) -> Option<TaskAnswer>;

    /// Makes a failing case small in so many plays at most, or says why it cannot; none where `is_cut_off` came true meanwhile.
    fn shrink(&mut self, case: &Case, plays: u32, is_cut_off: &dyn Fn() -> bool) -> Option<Result<Shrunk, String>>;
}

/// Plays in this process, which a trial can take with it.
pub struct InProcess<'a> {
    /// The sims of the campaign.
    pub sims: &'a [SimFile],
    /// What plays them.
    pub engine: EngineKind,
    /// The subjects that a case may be of.
    pub subjects: Subjects,
    /// Who hears of a trial that takes the program with it.
    pub last_words: Option<LastWords>,
}

impl Player for InProcess<'_> {
    /// A trial that has begun is played to its end.
    fn play(&mut self, task: &Task, _is_cut_off: &dyn Fn() -> bool) -> Option<TaskAnswer> {
        Some(play_task(&self.sims[task.sim], task, self.engine, self.last_words.as_ref()))
    }

    fn shrink(&mut self, case: &Case, plays: u32, _is_cut_off: &dyn Fn() -> bool) -> Option<Result<Shrunk, String>> {
        Some(shrink_case(case, plays, self.subjects))
    }
}

/// Plays one trial in this thread.
pub(crate) fn play_task(sim: &SimFile, task: &Task, engine: EngineKind, last_words: Option<&LastWords>) -> TaskAnswer {
    let play = |sim: &SimFile| match last_words {
        None => play_on(sim, task.seed, engine),
        Some(hear) => play_heard(sim, task.seed, engine, LastWords::clone(hear)),
    };
    let played = match &task.families {
        None => play(sim),
        Some(families) => play(&with_families(sim, task.seed, families)),
    };
    match played {
        Ok(outcome) => {
            let ended = TrialEnd::of(&outcome);
            let case = (!ended.is_good()).then(|| Box::new(Case::of(&outcome)));
            let seen = task.families.is_none().then(|| Box::new(TrialCoverage::of(&outcome)));
            TaskAnswer { ended, case, seen }
        }
        Err(PlayError::Inexpressible { reasons, .. }) => TaskAnswer::without_outcome(TrialEnd::Skipped(reasons)),
        Err(error) if error.lacks_room() => TaskAnswer::without_outcome(TrialEnd::NoRoom(error.to_string())),
        Err(error @ (PlayError::Engine(_) | PlayError::Panic(_))) => {
            TaskAnswer::without_outcome(TrialEnd::Broken(error.to_string()))
        }
    }
}

/// Makes a case small, in this thread.
pub(crate) fn shrink_case(case: &Case, plays: u32, subjects: Subjects) -> Result<Shrunk, String> {
    let shrinking = Shrinking {
        case,
        subjects,
        play: |sim: &SimFile| play_on(sim, case.seed, case.engine),
        plays,
        jobs: 1,
        stop: &AtomicBool::new(false),
        on_play: |_, _| {},
    };
    shrinking.run().map_err(|error| error.to_string())
}

/// The sim with that seed's plan, less what is of other families. The clauses keep their numbers, and so their dice.
fn with_families(sim: &SimFile, seed: u64, families: &BTreeSet<String>) -> SimFile {
    let mut plan: Plan = sim.plan_of(seed);
    plan.clauses.retain(|clause| families.contains(family(&clause.fault)));
    SimFile { plan, storm: None, ..sim.clone() }
}

/// The families of the faults in the plan of a sim with a seed.
pub(crate) fn families_of(sim: &SimFile, seed: u64) -> BTreeSet<String> {
    sim.plan_of(seed).clauses.iter().map(|clause| family(&clause.fault).to_owned()).collect()
}

/// The family of a fault; one that no storm draws is its own.
fn family(fault: &Fault) -> &'static str {
    let row = KINDS.iter().find(|row| row.name == fault.name());
    let drawn = row.and_then(|row| row.drawn).map(|drawn| drawn.family.name());
    drawn.unwrap_or_else(|| fault.name())
}
