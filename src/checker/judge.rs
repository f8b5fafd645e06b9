//! What every judge can do, and what it goes by.

use std::fmt;

use crate::checker::{Requirement, Verdict};
use crate::history::{Event, History, Terms};

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

impl fmt::Debug for dyn Checker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Checker({})", self.name())
    }
}

/// The terms on which a history is judged: they stand at its head.
pub(crate) fn terms(history: &History) -> Option<&Terms> {
    let Event::Began(terms) = &history.records().first()?.event else { return None };
    Some(terms)
}

/// The verdict of a judge of the newer call, where servers may be old: that nothing was seen of it is then no matter.
pub(crate) fn where_served(terms: Option<&Terms>, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Unknown { reason } if terms.is_some_and(|terms| terms.old_servers) => {
            Verdict::Pass { seen: format!("servers may be old: {reason}") }
        }
        Verdict::Unknown { .. } | Verdict::Pass { .. } | Verdict::Fail(_) => verdict,
    }
}
