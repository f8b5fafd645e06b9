//! Pure renderers: from outcomes, sims and summaries to text.
//!
//! Refuses to play, to read files and to print: every function here takes data and returns text.

mod explain;
mod paint;
mod replayed;
mod shell;
mod shrunk;
mod story;
mod text;
mod timeline;

pub use explain::{explain, keys};
pub use paint::Paint;
pub use replayed::replayed;
pub(crate) use replayed::replayed_json;
pub(crate) use shell::shell_word;
pub use shrunk::shrunk;
pub(crate) use shrunk::shrunk_json;
pub use text::{Reproduction, list, outcome};
pub(crate) use text::{list_json, outcome_json, sweep_json, sweep_progress, sweep_summary};
pub use timeline::timeline;
