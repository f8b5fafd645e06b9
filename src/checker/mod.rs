//! The judges: each reads a history and says whether the protocol was kept.
//!
//! Refuses to know the actors: a judge sees the history and nothing else, is a pure function of it, and
//! keeps its state in ordered maps. Having seen nothing is `Unknown`, never `Pass`.

mod backoff;
mod bench;
pub(crate) mod by_id;
mod convergence;
mod delivery;
mod durability;
mod examination;
pub(crate) mod excuse;
pub(crate) mod judge;
mod liveness;
pub mod milestone;
mod processing;
mod publishing;
mod requirement;
mod resumption;
#[cfg(test)]
pub(crate) mod script;
mod stability;
mod stock;
mod suspicion;
mod upkeep;
mod verdict;

pub use backoff::BackoffCheck;
pub use bench::{Judgement, bench, first_to_speak, judge};
pub use convergence::Convergence;
pub use delivery::Delivery;
pub use durability::Durability;
pub use examination::Examination;
pub use judge::Checker;
pub use liveness::Liveness;
pub use milestone::Milestone;
pub use processing::Processing;
pub use publishing::Publishing;
pub use requirement::Requirement;
pub use resumption::Resumption;
pub use stability::Stability;
pub use upkeep::Upkeep;
pub use verdict::{Evidence, Verdict};
