//! Many trials: sweeps over sims and seeds, and the case files that replay one of them.
//!
//! Refuses to know how anything is printed: it tells progress as data and leaves files behind.

mod case;
mod library;
mod sweep;

pub use case::{Case, CaseError};
pub use library::{LibraryError, find_sims, read_sim, read_sims};
pub use sweep::{Ending, Failure, Progress, Summary, Sweep, SweepError, Tally};
