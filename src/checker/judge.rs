//! The bench: what every judge can do, who they are, and which of them spoke first.

use serde::{Deserialize, Serialize};

use crate::checker::convergence::Convergence;
use crate::checker::delivery::Delivery;
use crate::checker::liveness::Liveness;
use crate::checker::waves::Waves;
use crate::checker::{Evidence, Verdict};
use crate::history::{Event, History, Terms};
use crate::spec::Requirement;

/// Why a history without its head cannot be judged.
pub(crate) const NO_TERMS: &str = "the history does not begin with its terms";

/// A judge of histories.
pub trait Checker: Sync {
    /// Its name in sims and reports.
    fn name(&self) -> &'static str;
    /// What a pass means, in one sentence.
    fn promises(&self) -> &'static str;
    /// The requirements that it judges.
    fn cites(&self) -> &'static [Requirement];
    /// Judges one history.
    fn judge(&self, history: &History) -> Verdict;
}

/// One judge's word on one history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The judge's name.
    pub checker: String,
    /// What it says.
    pub verdict: Verdict,
}

/// Every judge, in the order in which they are told.
#[must_use]
pub fn all() -> [&'static dyn Checker; 4] {
    [&Delivery, &Liveness, &Waves, &Convergence]
}

/// Lets every judge speak.
#[must_use]
pub fn judge(history: &History) -> Vec<Judgement> {
    let speak =
        |checker: &dyn Checker| Judgement { checker: checker.name().to_owned(), verdict: checker.judge(history) };
    all().into_iter().map(speak).collect()
}

/// The failure whose evidence is the earliest; among equals the one that stands first.
#[must_use]
pub fn first_to_speak(judgements: &[Judgement]) -> Option<&Judgement> {
    // `min_by_key` keeps the first of equals.
    judgements
        .iter()
        .filter(|judgement| evidence(judgement).is_some())
        .min_by_key(|judgement| evidence(judgement).map(|found| found.at))
}

fn evidence(judgement: &Judgement) -> Option<&Evidence> {
    match &judgement.verdict {
        Verdict::Fail(evidence) => Some(evidence),
        Verdict::Pass { .. } | Verdict::Unknown { .. } => None,
    }
}

/// The terms on which a history is judged: they stand at its head.
pub(crate) fn terms(history: &History) -> Option<&Terms> {
    match &history.records().first()?.event {
        Event::Began(terms) => Some(terms),
        _ => None,
    }
}
