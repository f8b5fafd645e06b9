//! The leap engine: plays hosts on one thread and leaps over the time in which nothing happens.
//!
//! One OS thread per trial, one tokio runtime per host. The C symbols that read clocks, draw entropy and
//! wait for events are interposed on that thread, so unpatched tokio, hyper and tonic run in simulated time.

mod engine;
mod host;
pub(crate) mod interpose;
mod trial_thread;

pub use engine::Leap;
pub use trial_thread::{TrialPanic, on_trial_thread};
