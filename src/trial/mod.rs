//! A trial: one sim played with one seed, observed and judged.
//!
//! Refuses to know files and the command line. A sim and a seed go in; an [`Outcome`] comes out.

mod express;
mod outcome;
mod play;
mod remarks;
mod stage;

pub use express::{BadEngine, EngineKind, inexpressible};
pub use outcome::{Conclusion, Outcome};
pub use play::{LastWords, PlayError, play, play_captured, play_heard, play_in, play_on, record};
