//! A sim: one file that says who is cast, what is done to them, and what is promised.
//!
//! Refuses to know the command line and the reports. A text goes in; a checked [`SimFile`], or a
//! [`Refusal`] that shows the line, comes out. A sim file and a seed go in; an [`Outcome`] comes out.

mod clause;
mod file;
mod observe;
mod outcome;
mod play;
mod quantity;
mod read;
mod refusal;
mod section;
mod setting;
mod stage;
mod tap;
mod vocabulary;

pub use file::{
    Cast, ClientPart, Link, NodePart, Promise, Promised, ProxyPart, SimFile, Vocabulary, Workload, WorkloadKind,
};
pub use outcome::{Conclusion, Outcome};
pub use play::{PlayError, play, record};
pub use quantity::{BadQuantity, DURATION_FORM, Rate, duration, spell};
pub use read::{LONGEST_INTERVAL, WATCHDOG_RANGE, read, read_with};
pub use refusal::{Problem, Refusal};
pub use setting::{BadSetting, Setting};
pub use vocabulary::vocabulary;
