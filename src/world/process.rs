//! A process as its kernel knows it: whether it lives, at which point it will die, and how long it waits for a disk.
//!
//! Shared by everything that the process holds: its sockets and its stores ask it before they act.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::fault::{Landmark, Moment};
use crate::world::clock::nanos;

/// A handle on one process.
#[derive(Clone, Debug)]
pub(crate) struct Process(Arc<State>);

#[derive(Debug)]
struct State {
    alive: AtomicBool,
    waits_nanos: AtomicU64,
}

impl Process {
    /// A process that lives.
    pub(crate) fn begin() -> Self {
        Process(Arc::new(State { alive: true.into(), waits_nanos: 0.into() }))
    }

    /// Whether it has not died.
    pub(crate) fn is_alive(&self) -> bool {
        self.0.alive.load(Ordering::Relaxed)
    }

    /// It is dead from here on.
    pub(crate) fn die(&self) {
        self.0.alive.store(false, Ordering::Relaxed);
    }

    /// The process is at a landmark. Where a fault kills it there, this unwinds and does not return; no lock of
    /// the world may be held.
    #[expect(clippy::unused_self, reason = "points of death are not yet armed")]
    pub(crate) fn passes(&self, _landmark: Landmark, _moment: Moment) {}

    /// Whether it will die at a frame, so that whoever hands it frames must tell it of each.
    #[expect(clippy::unused_self, reason = "points of death are not yet armed")]
    pub(crate) fn counts_frames(&self) -> bool {
        false
    }

    /// It waits so long for a system call, and does nothing else.
    pub(crate) fn wait(&self, time: Duration) {
        self.0.waits_nanos.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// How long it waits since the last call.
    pub(crate) fn take_wait(&self) -> Duration {
        Duration::from_nanos(self.0.waits_nanos.swap(0, Ordering::Relaxed))
    }
}
