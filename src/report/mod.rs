//! Pure renderers: from outcomes, sims and summaries to text.
//!
//! Refuses to play, to read files and to print: every function here takes data and returns text.

mod campaign;
mod csv;
mod explain;
mod junit;
mod markdown;
mod paint;
mod replayed;
mod shell;
mod story;
mod text;
mod timeline;

pub(crate) use campaign::{sweep_json, sweep_progress, sweep_standing, sweep_summary};
pub use csv::csv;
pub use explain::{explain, keys, keys_in_words};
pub use junit::junit;
pub use markdown::{github, markdown};
pub use paint::Paint;
pub use replayed::replayed;
pub(crate) use replayed::replayed_json;
pub(crate) use shell::shell_word;
pub use text::{Reproduction, list, outcome};
pub(crate) use text::{list_json, outcome_json};
pub use timeline::timeline;
