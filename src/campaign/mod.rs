//! Campaigns: many trials of one night, bounded, shared out, written down as they end, and grouped by cause.
//!
//! Refuses to know how anything is printed and how a process is started: it tells progress as data, is handed the command
//! of a worker, and leaves files behind.

mod across;
pub mod corpus;
mod coverage;
mod coverage_log;
mod ending;
mod grid;
mod group;
mod journal;
mod ledger;
mod measure;
mod merge;
mod nights;
mod partition;
mod player;
mod schedule;
pub mod shrink;
mod shrinks;
mod summary;
mod sweep;
mod transition;
mod worker;

pub use across::{Across, Encounter, SeenEnds};
pub use coverage::{Coverage, FaultCount, TrialCoverage, Unseen};
pub use ending::{FailureCause, TrialEnd, TrialFinding};
pub use grid::{Grid, GridPoint, values};
pub use group::{FailureGroup, Seeds};
pub(crate) use journal::JournalLine;
pub use journal::{Header, JournalError, PlayedSim};
pub use measure::Measures;
pub use merge::{MergeError, merge};
pub use nights::{Age, NightError, NightReport, Nights, Resolved};
pub use partition::{BadPartition, TrialPartition};
pub use player::{InProcess, Player, Task, TaskAnswer};
pub use schedule::{SEEDS_MAX, ScheduledTrial, TrialSchedule};
pub use shrinks::SmallCase;
pub use summary::{Stopped, Summary, Tally, Times};
pub use sweep::{Limit, Progress, SHRINK_PLAYS, Stop, Sweep, SweepError, Swept};
pub use worker::{WorkerProcess, work};
