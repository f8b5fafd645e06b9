//! What applications do: they publish, steadily or in bursts, they consume, at their own pace, they visit, and many share a
//! gateway.
//!
//! Refuses to know what goes wrong and who judges: it sends, takes, and records what it did.

mod consumer;
mod identity;
mod publisher;
mod repertoire;
mod schedule;
mod visitor;

pub use consumer::Consumer;
pub(crate) use identity::{Habits, Identity, KeptState, share};
pub use publisher::{Payloads, publish};
pub(crate) use repertoire::Repertoire;
pub use schedule::{Pace, Schedule};
pub(crate) use visitor::visit;
