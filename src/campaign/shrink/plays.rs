//! The plays of a shrinking: each text is played once, at most so many count, and how many play at once changes nothing.
//!
//! Refuses to know where candidates come from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::campaign::shrink::draft::SimDraft;
use crate::checker::{Judgement, Verdict, first_to_speak};
use crate::runner::Case;
use crate::sim::SimFile;
use crate::subject::Subjects;
use crate::trial::{Conclusion, Outcome, PlayError};

/// In which way a trial fails: who spoke first, and which requirement was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureMode {
    /// The checker.
    pub checker: String,
    /// The number of the requirement, such as `C3`.
    pub requirement: String,
}

impl FailureMode {
    /// What the first of the judges to speak says; none where none found a failure.
    #[must_use]
    pub fn of(judgements: &[Judgement]) -> Option<Self> {
        let first = first_to_speak(judgements)?;
        match &first.verdict {
            Verdict::Fail(evidence) => {
                Some(FailureMode { checker: first.checker.clone(), requirement: evidence.requirement.clone() })
            }
            Verdict::Pass { .. } | Verdict::Unknown { .. } => None,
        }
    }

    /// Whether the trial failed so.
    #[must_use]
    pub fn is_of(&self, outcome: &Outcome) -> bool {
        matches!(outcome.conclusion, Conclusion::Fail(_)) && FailureMode::of(&outcome.judgements).as_ref() == Some(self)
    }
}

/// What a play of a draft came to.
#[derive(Clone)]
pub(crate) enum Seen {
    /// It fails in the same way.
    Same(Box<Failed>),
    /// It was judged otherwise.
    Otherwise(Conclusion),
    /// It could not be played.
    Unplayable(String),
}

/// What is kept of a play that fails in the same way.
#[derive(Clone)]
pub(crate) struct Failed {
    /// The case.
    pub(crate) case: Case,
    /// Where the failure shows.
    pub(crate) host: String,
}

impl Failed {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        let first = first_to_speak(&outcome.judgements);
        let host = first.and_then(|first| match &first.verdict {
            Verdict::Fail(evidence) => Some(evidence.host.clone()),
            Verdict::Pass { .. } | Verdict::Unknown { .. } => None,
        });
        Failed { case: Case::of(outcome), host: host.unwrap_or_default() }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// No more plays are granted.
    Spent,
    /// Somebody wants the result now.
    Interrupted,
}

/// Plays drafts, and counts.
pub(crate) struct Plays<'p, Play> {
    /// How a sim is played with the case's seed.
    pub(crate) play: Play,
    /// What a failure in the same way is.
    pub(crate) mode: &'p FailureMode,
    /// The name of the sim in the making.
    pub(crate) name: String,
    /// Of what subjects it may be.
    pub(crate) subjects: Subjects,
    /// So many plays at once.
    pub(crate) jobs: usize,
    /// Somebody wants the result now.
    pub(crate) stop: &'p AtomicBool,
    /// So many plays are granted.
    pub(crate) granted: u32,
    /// So many were asked for.
    pub(crate) used: u32,
    seen: BTreeMap<String, Seen>,
    counted: BTreeSet<String>,
}

impl<'p, Play: Fn(&SimFile) -> Result<Outcome, PlayError> + Sync> Plays<'p, Play> {
    pub(crate) fn new(
        play: Play,
        mode: &'p FailureMode,
        name: String,
        subjects: Subjects,
        stop: &'p AtomicBool,
    ) -> Self {
        let (seen, counted) = (BTreeMap::new(), BTreeSet::new());
        Plays { play, mode, name, subjects, jobs: 1, stop, granted: 0, used: 0, seen, counted }
    }

    /// As [`see`](Plays::see), also where somebody has interrupted.
    pub(crate) fn see_now(&mut self, draft: &SimDraft) -> Result<Option<Seen>, Over> {
        let text = draft.text();
        if let Some(sim) = draft.read(&self.name, self.subjects).filter(|_| !self.seen.contains_key(&text)) {
            self.play_with(sim, text, &[]);
        }
        self.see(draft, &[])
    }

    /// What a draft comes to; none where the reader refuses it. Of `others` some are played meanwhile, because they may
    /// be asked for next; they count when they are.
    pub(crate) fn see(&mut self, draft: &SimDraft, others: &[SimDraft]) -> Result<Option<Seen>, Over> {
        let text = draft.text();
        let Some(sim) = draft.read(&self.name, self.subjects) else { return Ok(None) };
        if !self.counted.contains(&text) {
            if self.used >= self.granted {
                return Err(Over::Spent);
            }
            if !self.seen.contains_key(&text) {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Over::Interrupted);
                }
                self.play_with(sim, text.clone(), others);
            }
            self.used += 1;
            self.counted.insert(text.clone());
        }
        Ok(self.seen.get(&text).cloned())
    }

    /// Plays a sim, and what of the others is new beside it.
    #[expect(clippy::disallowed_methods, reason = "between trials, threads share out whole trials")]
    fn play_with(&mut self, sim: SimFile, text: String, others: &[SimDraft]) {
        let mut batch = vec![(text, sim)];
        for draft in others {
            let text = draft.text();
            if batch.len() >= self.jobs {
                break;
            }
            if !self.seen.contains_key(&text) && !batch.iter().any(|(other, _)| *other == text) {
                batch.extend(draft.read(&self.name, self.subjects).map(|sim| (text, sim)));
            }
        }
        let (play, mode) = (&self.play, self.mode);
        let seen = std::thread::scope(|scope| {
            let plays: Vec<_> = batch.iter().map(|(_, sim)| scope.spawn(move || see(play, mode, sim))).collect();
            plays.into_iter().map(|play| play.join().expect("a trial's panic is an error")).collect::<Vec<_>>()
        });
        self.seen.extend(batch.into_iter().map(|(text, _)| text).zip(seen));
    }
}

fn see(play: impl Fn(&SimFile) -> Result<Outcome, PlayError>, mode: &FailureMode, sim: &SimFile) -> Seen {
    match play(sim) {
        Ok(outcome) if mode.is_of(&outcome) => Seen::Same(Box::new(Failed::of(&outcome))),
        Ok(outcome) => Seen::Otherwise(outcome.conclusion),
        Err(error) => Seen::Unplayable(error.to_string()),
    }
}
