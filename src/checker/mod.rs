//! The judges: each reads a history and says whether the protocol was kept.
//!
//! Refuses to know the actors: a judge sees the history and nothing else, is a pure function of it, and
//! keeps its state in ordered maps. Having seen nothing is `Unknown`, never `Pass`.

mod backoff;
mod bench;
mod convergence;
mod delivery;
mod durability;
pub(crate) mod excuse;
pub(crate) mod judge;
mod liveness;
pub mod milestone;
mod requirement;
#[cfg(test)]
pub(crate) mod script;
mod stability;
mod suspicion;
mod verdict;

pub use backoff::BackoffCheck;
pub use bench::{Judgement, bench, first_to_speak, judge};
pub use convergence::Convergence;
pub use delivery::Delivery;
pub use durability::Durability;
pub use judge::Checker;
pub use liveness::Liveness;
pub use milestone::Milestone;
pub use requirement::Requirement;
pub use stability::Stability;
pub use verdict::{Evidence, Verdict};
