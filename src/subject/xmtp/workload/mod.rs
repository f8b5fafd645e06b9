//! What applications do: they publish, steadily or in bursts, they consume, at their own pace, and they visit.
//!
//! Refuses to know what goes wrong and who judges: it sends, takes, and records what it did.

mod consumer;
mod publisher;
mod repertoire;
mod schedule;
mod visitor;

pub use consumer::Consumer;
pub use publisher::{Payloads, publish};
pub(crate) use repertoire::Repertoire;
pub use schedule::{Pace, Schedule};
pub(crate) use visitor::visit;
