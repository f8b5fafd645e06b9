//! The subject `xmtp`: all that knows the protocol under test.

pub mod client;
pub mod node;
mod quirk;
pub mod spec;
pub mod wire;
pub mod workload;

pub use quirk::UnknownQuirk;
