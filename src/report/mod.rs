//! Pure renderers: from outcomes, sims and summaries to text, pages and files of other tools.
//!
//! Refuses to play, to read files and to print: every function here takes data and returns text or bytes.

mod across;
mod campaign;
mod chart;
mod coverage;
mod csv;
mod explain;
mod grid;
mod harmless;
mod head;
mod html;
#[cfg(feature = "cli")]
mod junit;
mod ladder;
mod markdown;
mod mermaid;
mod paint;
#[cfg(feature = "cli")]
mod pcapng;
#[cfg(feature = "cli")]
mod perfetto;
mod profile;
mod replayed;
mod schema;
mod shell;
mod shrunk;
mod story;
mod text;
mod timeline;
mod wrap;

pub use across::across;
pub(crate) use campaign::{NightJson, reproduce_line, sweep_json, sweep_progress, sweep_standing, sweep_summary};
pub use csv::csv;
pub use explain::{explain, keys, keys_in_words};
pub use grid::{grid, grid_csv, grid_svg};
pub(crate) use harmless::harmless;
pub use head::ReportHead;
pub use html::{across_page, night_page, page as html};
#[cfg(feature = "cli")]
pub use junit::junit;
pub use ladder::ladder_tally;
pub use markdown::{github, markdown};
pub use mermaid::mermaid;
pub use paint::Paint;
#[cfg(feature = "cli")]
pub use pcapng::{PacketStretch, pcapng};
#[cfg(feature = "cli")]
pub use perfetto::perfetto;
pub(crate) use profile::ProfileList;
pub use profile::{borrowed, profile_explained, profile_json, profiles, profiles_json};
pub use replayed::replayed;
pub(crate) use replayed::{describe_stretch, replayed_json};
pub(crate) use schema::{JournalText, schema_of_read, schema_of_sim, schema_of_written, schema_text};
pub(crate) use shell::{name_program, program_name, shell_word};
pub use shrunk::shrunk;
pub(crate) use shrunk::{ShrunkJson, shrunk_json};
pub(crate) use text::{ListedSim, list_json, outcome_json};
pub use text::{Reproduction, list, outcome};
pub(crate) use timeline::TimelineLine;
pub use timeline::{Selection, SelectionError, timeline, timeline_json};
