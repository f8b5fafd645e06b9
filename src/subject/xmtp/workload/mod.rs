//! What applications do: they publish, steadily or in bursts, and they consume, at their own pace.
//!
//! Refuses to know what goes wrong and who judges: it sends, takes, and records what it did.

mod consumer;
mod publisher;
mod schedule;

pub use consumer::Consumer;
pub use publisher::{Payloads, publish};
pub use schedule::{Pace, Schedule};
