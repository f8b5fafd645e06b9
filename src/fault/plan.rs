//! A plan: the faults of one trial on a timeline.

use std::ops::Range;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::fault::Fault;

/// Far more faults than anybody can follow in a report.
pub(crate) const FAULTS_MAX: u32 = 1_000;

/// Who put a clause into a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The sim file names it: a trial in which it is never felt shows too little.
    #[default]
    File,
    /// The seed drew it in a storm: it may find nobody to harm.
    Storm,
}

/// One fault and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The clause's number within its plan, from 1: it names the clause in history and reports, and its dice.
    pub number: u32,
    /// When it begins, since the trial's start.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What happens.
    pub fault: Fault,
    /// Who put it there.
    pub origin: Origin,
}

/// A clause that may have no number yet, and where the text says when it begins.
pub(crate) struct DraftClause {
    /// The fault's name, such as `fault.2`.
    pub(crate) key: String,
    /// Where `at` stands.
    pub(crate) span: Range<usize>,
    /// The clause.
    pub(crate) clause: Clause,
}

impl Clause {
    /// When it ends, since the trial's start.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.at + self.lasts
    }
}

/// For the digest of a history: the text that a sim would write.
impl Serialize for Clause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.table())
    }
}

/// The faults of a trial, by the time they begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Ordered by [`Clause::at`].
    pub clauses: Vec<Clause>,
}
