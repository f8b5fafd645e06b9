//! A sim: one file that says who is cast, what is done to them, and what is promised.
//!
//! Refuses to know how it is played. A text goes in; a checked [`SimFile`], or a refusal that shows the line, comes out.

mod clause;
mod contradiction;
mod file;
mod keys;
mod measure;
mod plan_check;
mod read;
mod setting;
mod storm;

pub use file::{LinkSettings, Promise, Promised, SimFile};
pub use keys::tables;
pub use plan_check::{BadPlan, check_plan};
pub use read::{read, read_with};
pub use setting::{BadSetting, Setting};
pub use storm::plan_of;
