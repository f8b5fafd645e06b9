//! The leap engine: plays hosts on one thread and leaps over the time in which nothing happens.
//!
//! One tokio runtime per host, all of them in the sandbox of one trial thread, where time passes only by leaps.

mod crash;
mod engine;
mod harm;
mod host;
mod standstill;
mod surroundings;

pub use engine::Leap;
