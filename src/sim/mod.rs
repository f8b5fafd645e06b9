//! A sim: one file that says who is cast, what is done to them, and what is promised.
//!
//! Refuses to know the command line and the reports. A text goes in; a checked [`SimFile`], or a
//! [`Refusal`] that shows the line, comes out. A sim file and a seed go in; an [`Outcome`] comes out.

mod clause;
mod contradiction;
mod express;
mod file;
mod measure;
mod observe;
mod outcome;
mod plan_check;
mod play;
mod quantity;
mod read;
mod refusal;
mod section;
mod setting;
mod stage;
mod storm;
mod tap;
mod vocabulary;

pub use express::{BadEngine, EngineKind, inexpressible};
pub use file::{
    Cast, ClientPart, Link, NodePart, Promise, Promised, ProxyPart, Role, SimFile, Vocabulary, Workload, WorkloadKind,
};
pub use outcome::{Conclusion, Outcome};
pub use plan_check::{BadPlan, check_plan};
pub use play::{PlayError, play, play_in, play_on, record};
pub use quantity::{BadQuantity, DURATION_FORM, Rate, duration, spell};
pub use read::{LONGEST_INTERVAL, WATCHDOG_RANGE, read, read_with};
pub use refusal::{Problem, Refusal};
pub use setting::{BadSetting, Setting};
pub use storm::plan_of;
pub use vocabulary::vocabulary;
