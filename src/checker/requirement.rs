//! A requirement: what a subject's judges cite.

use std::fmt;

/// One requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Requirement {
    /// Its stable number, such as `C2`.
    pub number: &'static str,
    /// What it demands, in one sentence.
    pub sentence: &'static str,
}

impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.number, self.sentence)
    }
}
