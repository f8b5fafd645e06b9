//! Invented surroundings: hosts, clock, network and disks of a trial.
//!
//! Refuses to know what runs in it: an actor gets an [`Env`](crate::env::Env) and cannot tell it from the
//! real one. It knows faults as plain data and carries out all but the proxy's; why they happen is not its business.
//! Two engines play a trial in one `sandbox`: `leap`, with the network of `net`, and `turmoil`, as a second opinion.

mod clock;
mod disk;
mod engine;
mod host_set;
mod leap;
mod net;
mod process;
mod remark;
mod sandbox;
mod system;
#[cfg(feature = "turmoil")]
mod turmoil;

#[cfg(feature = "turmoil")]
pub use self::turmoil::Turmoil;
pub use clock::Clock;
pub(crate) use clock::WALL_CLOCK_START;
pub use engine::{
    ConnectionNews, ConnectionObserver, ConnectionTurn, CrashObserver, Engine, EngineError, Holdings, HostId, Program,
    ProgramError,
};
pub use leap::Leap;
pub use net::{Capture, Captured, CapturedSegment, Kept, LinkBase};
pub use remark::{Remark, Remarked};
pub use sandbox::{TrialPanic, on_trial_thread};
pub(crate) use sandbox::{own_frames, set_last_words, take_backtrace};
pub use system::{keep_in_process, kept_in_process};
