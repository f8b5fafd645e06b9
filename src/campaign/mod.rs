//! Campaigns: many trials of one night, bounded, shared out, written down as they end, and grouped by cause.
//!
//! Refuses to know how anything is printed and how a process is started: it tells progress as data, is handed the command
//! of a worker, and leaves files behind.

mod ending;
mod group;
mod journal;
mod merge;
mod nights;
mod partition;
mod player;
mod schedule;
mod summary;
mod sweep;
mod worker;

pub use ending::{Cause, Ended, Found};
pub use group::{Group, Seeds};
pub use journal::{Header, JournalError, PlayedSim};
pub use merge::{MergeError, merge};
pub use nights::{Age, NightError, NightReport, Nights, Resolved};
pub use partition::{BadPartition, Partition};
pub use player::{Answer, InProcess, Player, Task};
pub use schedule::{Schedule, Trial};
pub use summary::{Stopped, Summary, Tally, Times};
pub use sweep::{Limit, Progress, Stop, Sweep, SweepError, Swept};
pub use worker::{WorkerProcess, work};
