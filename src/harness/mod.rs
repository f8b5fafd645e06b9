//! Trials out of a test: a builder, what came of it, and the line that plays a failing seed again.
//!
//! Refuses to know how a trial is played, judged and told. A builder writes the text of a sim and has it read as any other: one
//! grammar and one set of refusals serve both.

mod again;
mod durations;
mod files;
mod outcome;
mod place;
mod proxy;
mod sweep;
mod trial;
mod trouble;

pub use durations::Durations;
pub use outcome::TrialOutcome;
pub use proxy::Proxy;
pub use sweep::SweptTrials;
pub use trial::Trial;
pub use trouble::Trouble;
