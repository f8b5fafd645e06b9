//! The rows that judge a client: functions from a client under test to a finding.

mod fallback;
mod list;
mod liveness;
mod refusal;
mod resume;

pub(crate) use list::CLIENT_ROWS;
