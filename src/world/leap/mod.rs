//! The leap engine: plays hosts on one thread and leaps over the time in which nothing happens.
//!
//! One OS thread per trial, one tokio runtime per host. The C symbols that read clocks, draw entropy and
//! wait for events are interposed on that thread, so unpatched tokio, hyper and tonic run in simulated time.
//! What would leave the trial, such as a thread or a real socket, is refused there, and ends it with an error.

mod descriptors;
mod engine;
mod forbidden;
mod harm;
mod host;
mod interpose;
mod libc_call;
mod offence;
mod standstill;
mod surroundings;
mod trial_thread;
mod undertaker;

pub use engine::Leap;
pub use trial_thread::{TrialPanic, on_trial_thread};
