//! The judges: each reads a history and says whether the protocol was kept.
//!
//! Refuses to know the actors: a judge sees the history and nothing else, is a pure function of it, and
//! keeps its state in ordered maps. Having seen nothing is `Unknown`, never `Pass`.

mod backoff;
mod convergence;
mod delivery;
mod durability;
mod excuse;
mod judge;
mod liveness;
mod milestone;
mod role;
#[cfg(test)]
mod script;
mod stream_model;
mod suspicion;
mod topic_state;
mod verdict;
mod waves;

pub use judge::{ALL, Checker, Judgement, first_to_speak, judge};
pub use milestone::Milestone;
pub use verdict::{Evidence, Verdict};
