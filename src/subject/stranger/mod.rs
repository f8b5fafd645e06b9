//! The subject `stranger`: somebody else's clients and servers, unmodified, in a trial.
//!
//! Refuses to know what they speak. A host is a function that makes a future, called anew for each process; what it
//! [produced] and [delivered] it says itself, from anywhere in its code, and judges of streams go by that.

mod checker;
mod entry;
mod fields;
mod pen;
mod read;
mod registry;
mod roles;
mod seat;
mod settings;
mod spec;
mod story;
mod tap;
#[cfg(test)]
mod tests;

pub use checker::{StreamBook, StreamGot, StreamSent};
pub use pen::{StreamLayer, channel, delivered, produced};
pub use registry::Strangers;
pub use seat::{HostEnding, HostSeat};
