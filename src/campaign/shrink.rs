//! A failing trial made small: what is left still fails in the same way, and each fault of it is proved necessary.
//!
//! Refuses to know how a sim is played, and files: it is handed a play, and hands back a case.

mod draft;
mod plays;
mod reduce;
mod round;
mod search;
mod words;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use crate::campaign::shrink::draft::SimDraft;
pub use crate::campaign::shrink::draft::TooLargeSeed;
pub use crate::campaign::shrink::plays::FailureMode;
use crate::campaign::shrink::plays::{Failed, Over, Plays, Seen};
use crate::campaign::shrink::reduce::Reduction;
pub(crate) use crate::campaign::shrink::words::Wording;
use crate::history::Digest;
use crate::runner::{Case, CaseError};
use crate::sim::SimFile;
use crate::subject::Subjects;
use crate::trial::{Conclusion, Outcome, PlayError};

/// What is to be shrunk, and at what cost.
pub struct Shrinking<'c, Play, OnPlay> {
    /// The failing case.
    pub case: &'c Case,
    /// The subjects that its sim may be of.
    pub subjects: Subjects,
    /// Plays a sim with the case's seed, on the case's engine.
    pub play: Play,
    /// So many plays at most.
    pub plays: u32,
    /// So many of them at once; it changes nothing of the result.
    pub jobs: usize,
    /// Set when somebody wants what there is by now.
    pub stop: &'c AtomicBool,
    /// Is told after each play how many were used, and how many faults are left.
    pub on_play: OnPlay,
}

/// A case that cannot be shrunk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShrinkError {
    /// Its sim or its plan is refused.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// It is no failure, or no checker says which.
    #[error("shrink {sim} seed {seed}: no checker failed in it ({conclusion}); shrink a case in which one did")]
    NoFailure {
        /// The sim's name.
        sim: String,
        /// The seed.
        seed: u64,
        /// What the case says came of it.
        conclusion: Conclusion,
    },
    /// It does not fail any more, or fails otherwise.
    #[error("{sim} seed {seed} does not fail any more as it did ({} failed, {}): now {now}", was.checker, was.requirement)]
    Mended {
        /// The sim's name.
        sim: String,
        /// The seed.
        seed: u64,
        /// How it failed.
        was: FailureMode,
        /// What comes of it now.
        now: Conclusion,
    },
    /// It fails as it did, and is another trial.
    #[error("{sim} seed {seed} is not reproducible: its digest is {digest}, and the case's is {expected}")]
    AnotherDigest {
        /// The sim's name.
        sim: String,
        /// The seed.
        seed: u64,
        /// The case's.
        expected: Digest,
        /// What came.
        digest: Digest,
    },
    /// It cannot be written as a sim of its own.
    #[error("failed to {0}")]
    Seed(#[from] TooLargeSeed),
    /// It cannot be played.
    #[error(transparent)]
    Play(#[from] PlayError),
}

/// What is left of a failing trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shrunk {
    /// In which way it fails, before and after.
    pub failure: FailureMode,
    /// How large it was.
    pub before: Extent,
    /// How large it is.
    pub after: Extent,
    /// For each fault that is left, by number, what comes of the trial without it.
    pub proofs: Vec<Proof>,
    /// So many plays it took.
    pub plays: u32,
    /// Whether everything was tried.
    pub ending: ShrinkEnding,
    /// The trial that is left.
    pub case: Case,
}

/// How large a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Extent {
    /// Faults of its plan.
    pub faults: usize,
    /// Hosts of its cast.
    pub hosts: usize,
    /// How long it lasts, in its own time.
    pub lasts: Duration,
}

impl Extent {
    fn of(sim: &SimFile) -> Self {
        Extent { faults: sim.plan.clauses.len(), hosts: sim.cast().members().len(), lasts: sim.duration }
    }
}

/// Why a shrinking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ShrinkEnding {
    /// Everything was tried.
    Exhausted,
    /// It had no more plays.
    PlaysSpent,
    /// Somebody wanted the result.
    Interrupted,
}

/// One fault of what is left, and the trial's twin without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// The fault's number.
    pub number: u32,
    /// Its kind.
    pub kind: String,
    /// What it does, in words.
    pub fault: String,
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What comes of the trial without it.
    pub without: Without,
}

/// What came of a twin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Without {
    /// It passes.
    Passes,
    /// It shows too little to fail: why.
    Unknown(String),
    /// It fails, and in another way: how.
    FailsOtherwise(String),
    /// It cannot be played: why.
    Unplayable(String),
    /// It was not played: there were no more plays, or no more time.
    NotPlayed,
}

impl<Play, OnPlay> Shrinking<'_, Play, OnPlay>
where
    Play: Fn(&SimFile) -> Result<Outcome, PlayError> + Sync,
    OnPlay: Fn(u32, usize),
{
    /// Shrinks the case. The same case gives the same result, however many plays there are at once.
    ///
    /// # Errors
    /// The case is refused, is no failure, fails no more or otherwise, or cannot be played.
    pub fn run(self) -> Result<Shrunk, ShrinkError> {
        let case = self.case;
        let sim = case.sim(self.subjects)?;
        let (name, seed) = (case.sim.clone(), case.seed);
        let mode = FailureMode::of(&case.judgements).filter(|_| matches!(case.conclusion, Conclusion::Fail(_)));
        let Some(mode) = mode else {
            return Err(ShrinkError::NoFailure { sim: name, seed, conclusion: case.conclusion.clone() });
        };
        // A small trial has no room for what a large one promised, and its twins must be able to pass.
        let draft = SimDraft::of(&sim, seed)?.without(&["promise", "sometimes"]);
        let outcome = (self.play)(&sim)?;
        if !mode.is_of(&outcome) {
            return Err(ShrinkError::Mended { sim: name, seed, was: mode, now: outcome.conclusion });
        }
        let (expected, digest) = (case.digest, outcome.digest());
        if digest != expected && !case.is_edited(self.subjects) {
            return Err(ShrinkError::AnotherDigest { sim: name, seed, expected, digest });
        }
        let own_name = name_of_shrunk(&name, seed);
        let mut plays = Plays::new(self.play, &mode, own_name, self.subjects, self.stop);
        // The case's own play.
        (plays.jobs, plays.used) = (self.jobs.max(1), 1);
        let before = Extent::of(&sim);
        let (healing, failed) = (Reduction::<Play, OnPlay>::healing_of(&sim), Failed::of(&outcome));
        let (plays_max, on_play) = (self.plays, self.on_play);
        let reduction = Reduction { plays, best: draft, sim, failed, plays_max, healing, on_play };
        Ok(reduction.finish(before))
    }
}

impl<Play, OnPlay> Reduction<'_, Play, OnPlay>
where
    Play: Fn(&SimFile) -> Result<Outcome, PlayError> + Sync,
    OnPlay: Fn(u32, usize),
{
    /// Reduces as far as it goes, proves what is left, and puts it into words.
    fn finish(mut self, before: Extent) -> Shrunk {
        let reduced = self.reduce();
        let proved = if reduced == Err(Over::Interrupted) { reduced } else { self.remove_unneeded() };
        let ending = match (reduced, proved) {
            (Ok(()), Ok(())) => ShrinkEnding::Exhausted,
            (Err(Over::Interrupted), _) | (_, Err(Over::Interrupted)) => ShrinkEnding::Interrupted,
            (Err(Over::Spent), _) | (_, Err(Over::Spent)) => ShrinkEnding::PlaysSpent,
        };
        let proofs = self.proofs();
        let case = self.case_in_words();
        let (failure, plays, after) = (self.plays.mode.clone(), self.plays.used, Extent::of(&self.sim));
        Shrunk { failure, before, after, proofs, plays, ending, case }
    }

    /// Plays the trial without each of its faults, until it needs them all.
    fn remove_unneeded(&mut self) -> Result<(), Over> {
        loop {
            let mut needed = 0;
            let twins = self.twins();
            for (index, twin) in twins.iter().enumerate() {
                self.plays.granted = self.plays_max.saturating_sub(1);
                match self.plays.see(twin, &twins[index + 1..])? {
                    Some(Seen::Same(_)) => break,
                    Some(Seen::Otherwise(_) | Seen::Unplayable(_)) | None => needed += 1,
                }
            }
            let Some(unneeded) = twins.get(needed) else { return Ok(()) };
            if self.take(std::slice::from_ref(unneeded))?.is_none() {
                return Ok(());
            }
            self.number_anew()?;
        }
    }

    /// The trial without each of its faults; the others keep their numbers, and with them their dice.
    fn twins(&self) -> Vec<SimDraft> {
        (0..self.best.faults().len()).map(|index| self.best.without_fault(index)).collect()
    }

    /// What was seen of the twins.
    fn proofs(&mut self) -> Vec<Proof> {
        // Only what was played already is told.
        self.plays.granted = 0;
        let mut proofs: Vec<Proof> = Vec::new();
        for (fault, twin) in self.best.faults().iter().zip(self.twins()) {
            let number = fault.get("number").and_then(|number| number.as_integer());
            let Some(clause) = self.sim.plan.clauses.iter().find(|clause| Some(clause.number.into()) == number) else {
                continue;
            };
            let without = match self.plays.see(&twin, &[]) {
                Ok(Some(Seen::Otherwise(Conclusion::Pass))) => Without::Passes,
                Ok(Some(Seen::Otherwise(Conclusion::Unknown(why)))) => Without::Unknown(why),
                Ok(Some(Seen::Otherwise(Conclusion::Fail(why)))) => Without::FailsOtherwise(why),
                Ok(Some(Seen::Unplayable(why))) => Without::Unplayable(why),
                Ok(Some(Seen::Same(_)) | None) | Err(Over::Spent | Over::Interrupted) => Without::NotPlayed,
            };
            proofs.push(Proof {
                number: clause.number,
                kind: clause.fault.name().to_owned(),
                fault: clause.fault.to_string(),
                at: clause.at,
                lasts: clause.lasts,
                without,
            });
        }
        proofs.sort_by_key(|proof| proof.number);
        proofs
    }

    /// The case of what is left, written as a person would. Its own play makes it, whatever was interrupted: only then is
    /// it known to fail as it stands.
    fn case_in_words(&mut self) -> Case {
        let wording = Wording::of(self.best.clone(), self.sim.clone(), self.plays.subjects);
        let wording = wording.without_defaults().plain_faults().titled(self.plays.mode);
        for draft in [wording.draft, self.best.clone()] {
            self.plays.granted = u32::MAX;
            if let Ok(Some(Seen::Same(failed))) = self.plays.see_now(&draft) {
                return failed.case;
            }
        }
        self.failed.case.clone()
    }
}

/// The name of the sim that is made of a trial; one that was made so before keeps it.
#[must_use]
pub(crate) fn name_of_shrunk(sim: &str, seed: u64) -> String {
    let ending = format!("-seed-{seed}");
    if sim.ends_with(&ending) { sim.to_owned() } else { format!("{sim}{ending}") }
}
