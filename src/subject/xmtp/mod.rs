//! The subject `xmtp`: all that knows the protocol under test.
//!
//! Refuses to know how a trial is played: it comes by the door of [`subject`](crate::subject), like any guest. Client
//! and node share the data types of `wire` and nothing else, so that one misreading cannot hide in both ends.

mod channels;
pub mod checker;
pub mod client;
pub mod conformance;
mod entry;
mod examined;
mod explain;
mod fallback_milestones;
pub mod frame;
pub mod gateway;
mod milestone;
pub mod node;
mod observe;
mod quirk;
mod roles;
pub mod settings;
pub mod spec;
mod story;
mod tap;
mod wave_milestones;
pub mod wire;
pub mod workload;

pub use entry::{SUBJECTS, XmtpSetup};
pub use examined::{examined_bounds, examined_limits};
pub(crate) use milestone::MILESTONES;
pub use quirk::UnknownQuirk;
