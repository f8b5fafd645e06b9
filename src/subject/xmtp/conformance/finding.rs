//! What a row found: evidence that the requirement was kept, that it was broken, or why nobody can tell.
//!
//! Refuses to know which row it is.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tonic::{Code, Status};

use crate::grammar::Readable;

/// The evidence of a requirement that was kept, or what stands against it.
pub(crate) type Finding = Result<String, Unmet>;

/// Why a row does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// The requirement was broken: what was seen.
    Violation(String),
    /// Nobody can tell: why.
    NotJudged(String),
}

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RowResult {
    /// The requirement was kept.
    Pass,
    /// Nobody can tell.
    NotJudged,
    /// The requirement was broken.
    Violation,
}

/// What one row found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RowReport {
    /// The requirement's number, such as `T9`.
    pub requirement: &'static str,
    /// What the row asks, in a few words.
    pub title: &'static str,
    /// The result.
    pub result: RowResult,
    /// What was seen, or why nothing was.
    pub evidence: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl RowReport {
    /// What a row of that requirement found in so long.
    pub(crate) fn new(requirement: &'static str, title: &'static str, finding: Finding, took: Duration) -> Self {
        let (result, evidence) = match finding {
            Ok(evidence) => (RowResult::Pass, evidence),
            Err(Unmet::Violation(evidence)) => (RowResult::Violation, evidence),
            Err(Unmet::NotJudged(why)) => (RowResult::NotJudged, why),
        };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        RowReport { requirement, title, result, evidence, took_ms }
    }
}

/// The requirement was broken.
pub(crate) fn violation<T>(seen: impl Into<String>) -> Result<T, Unmet> {
    Err(Unmet::Violation(seen.into()))
}

/// Nobody can tell.
pub(crate) fn not_judged<T>(why: impl Into<String>) -> Result<T, Unmet> {
    Err(Unmet::NotJudged(why.into()))
}

/// Who did not do in time what was awaited.
pub(crate) fn overdue<T>(awaited: &str, patience: Duration) -> Result<T, Unmet> {
    violation(format!("{awaited} did not come within {}", Readable(patience)))
}

/// A status as evidence names it: its code, and the peer's own words.
pub(crate) fn spell_status(status: &Status) -> String {
    let message: String = status.message().chars().filter(|letter| !letter.is_control()).take(WORDS_MAX).collect();
    if message.is_empty() {
        code_name(status.code()).to_owned()
    } else {
        format!("{} ({message})", code_name(status.code()))
    }
}

/// More of a peer's words than this helps nobody.
const WORDS_MAX: usize = 200;

/// The code as gRPC's own documents write it.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// What it means that a lawful stream ended while something was awaited on it. Only a node that calls a lawful request
/// unlawful, or ends for no reason, has broken a rule by that; the rest has rows of its own, or is no fault of a node.
pub(crate) fn ended_early(status: &Status, awaited: &str) -> Unmet {
    let told = format!("the stream ended with {} before {awaited} came", spell_status(status));
    match status.code() {
        Code::Ok | Code::InvalidArgument => Unmet::Violation(told),
        Code::DeadlineExceeded => Unmet::NotJudged(format!("{told}: see T4 and S6")),
        Code::ResourceExhausted => Unmet::NotJudged(format!("{told}: the node's bounds are below what this row needs")),
        Code::Cancelled
        | Code::Unknown
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => Unmet::NotJudged(told),
    }
}
