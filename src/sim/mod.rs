//! A sim: one file that says who is cast, what is done to them, and what is promised.
//!
//! Refuses to know how it is played. A text goes in; a checked [`SimFile`], or a refusal that shows the line, comes out.

mod file;
mod keys;
mod read;
mod setting;
mod shape;

pub use file::{LinkSettings, Promise, Promised, SimFile};
pub use keys::tables;
pub use read::read;
pub(crate) use read::read_with;
pub(crate) use setting::apply;
pub use setting::{BadSetting, Setting};
pub use shape::{FaultShape, KeyShape, SimShape, ValueShape};
