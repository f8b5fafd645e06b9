//! Invented surroundings: hosts, clock, network and disks of a trial.
//!
//! Refuses to know what runs in it: an actor gets an [`Env`](crate::env::Env) and cannot tell it from the
//! real one. What belongs here next: loss, bandwidth and partitions in `link`, power-off, pause and clock
//! skew in `leap::host`, unsynced writes in `disk`.

mod clock;
mod disk;
mod engine;
mod leap;
mod link;
mod net;
mod process;
mod turmoil;

pub use self::turmoil::Turmoil;
pub use clock::Clock;
pub use engine::{Engine, EngineError, HostId, Obituary, Program};
pub use leap::{Leap, TrialPanic, on_trial_thread};
pub use link::LinkBase;
