//! What every engine can do: hold hosts, let time pass, and harm the world that they live in.
//!
//! Refuses to know what runs on a host, and what a fault is good for.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::env::{Disconnection, Env};
use crate::fault::{Death, Harm};
use crate::world::clock::Clock;
use crate::world::remark::Remark;

/// Names a host of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(u16);

impl HostId {
    pub(crate) const fn numbered(number: u16) -> Self {
        HostId(number)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What a process holds of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Sockets that it connected and has not closed.
    pub dialed: usize,
    /// Sockets that it accepted and has not closed.
    pub accepted: usize,
    /// Tasks that it spawned and that have not ended.
    pub tasks: usize,
}

/// What a host runs: called anew for each process. An error ends the trial.
pub type Program = Box<dyn Fn(Env) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>>>;

/// Is told of each death as it happens, before the first destructor of the process runs.
pub type CrashObserver = Arc<dyn Fn(&str, Death) + Send + Sync>;

/// What a host learns of a connection that it dialed, at the instant at which its kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionTurn {
    /// The handshake is done.
    Connected,
    /// Something has arrived.
    Received,
    /// It is over for the host.
    Over(Disconnection),
}

/// One turn of one connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionNews<'n> {
    /// Who dialed.
    pub host: &'n str,
    /// The connection's number in its world, from 0.
    pub connection: u64,
    /// Who was dialed.
    pub to: &'n str,
    /// What happened.
    pub turn: ConnectionTurn,
}

/// Is told what hosts learn of the connections that they dial.
pub type ConnectionObserver = Arc<dyn Fn(&ConnectionNews<'_>) + Send + Sync>;

/// A world of hosts, and the passing of its time.
pub trait Engine {
    /// Adds a host; nothing runs on it until [`Engine::start`].
    fn add_host(&mut self, name: &str, program: Program) -> HostId;

    /// Names who is to be told of crashes.
    fn observe_crashes(&mut self, observer: CrashObserver);

    /// Names who is to be told of connections; an engine whose network is not ours tells nothing.
    fn observe_connections(&mut self, _observer: ConnectionObserver) {}

    /// The time of the trial.
    fn clock(&self) -> Clock;

    /// The host's address.
    fn ip(&self, host: HostId) -> IpAddr;

    /// Whether a process runs on the host.
    fn is_up(&self, host: HostId) -> bool;

    /// Which process of the host runs or ran last: 0 before the first.
    fn incarnation(&self, host: HostId) -> u32;

    /// Starts a process on a host that has none; on one that has, nothing happens. A host that was powered off has
    /// power again.
    fn start(&mut self, host: HostId);

    /// Halts a host and tells whether a process ran on it.
    fn halt(&mut self, host: HostId, death: Death) -> bool;

    /// Keeps a copy of the host's disk as it is now, for [`Death::DiskRestored`] of this time.
    fn back_up(&mut self, host: HostId);

    /// Begins a harm of links, hosts or disks. One that halts a host at a named point halts it by itself; every
    /// other death is left to [`Engine::halt`]. `number` names the fault, and its dice.
    fn begin(&mut self, number: u32, harm: &Harm);

    /// Ends a fault and tells whether it had any effect. A host that it halted stays down.
    fn end(&mut self, number: u32) -> bool;

    /// Runs `order` on a host, among its tasks, at this instant: the way to reach into a process's shared state so
    /// that the tasks it wakes belong to the right runtime.
    ///
    /// # Errors
    /// The host broke down.
    fn order(&mut self, host: HostId, order: Box<dyn FnOnce()>) -> Result<(), EngineError>;

    /// What the process of a host holds at this instant; none where no process runs, or the engine cannot tell.
    fn holdings(&self, host: HostId) -> Option<Holdings>;

    /// What it noticed besides: of no history. An engine may notice nothing.
    fn remarks(&self) -> Vec<Remark> {
        Vec::new()
    }

    /// Plays until `end`, everything that happens at `end` included.
    ///
    /// # Errors
    /// A host broke down, or time stands still.
    fn run_until(&mut self, end: Duration) -> Result<(), EngineError>;
}

/// A host that takes so many steps at one instant will never stop. A poll of a task is one step; a second or two of
/// CPU time, where each does little.
pub(crate) const STEPS_AT_ONE_INSTANT_MAX: u32 = 2_000_000;

/// So many turns at one instant are a loop without time: 1,000 hosts that talk on loopback take 50 µs each
/// way, and no chain of wake-ups within an instant is longer than the hosts and their sockets are many.
pub(crate) const TURNS_AT_ONE_INSTANT_MAX: u32 = 1_000_000;

/// How a program failed: each is a bug of the code under test, never of the world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A task panicked.
    #[error("panicked: {0}")]
    Panicked(String),
    /// The program returned an error.
    #[error("ended with an error: {0}")]
    Exited(String),
    /// Its tasks went on at one instant and never waited for anything.
    #[error("loops: it took {STEPS_AT_ONE_INSTANT_MAX} steps at one instant and waited for nothing")]
    NeverIdle,
    /// Hosts went on waking each other without time passing; this one was the last.
    #[error("loops: the hosts woke each other {TURNS_AT_ONE_INSTANT_MAX} times at one instant, and it was the last")]
    Livelock,
}

/// What whoever builds a trial is told where its build lacks the flag.
const UNSEEDED: &str = "\
no trial can be played in this build: what tokio chooses by itself cannot be seeded, because the flag is missing that opens \
its `Builder::rng_seed`.
Write into .cargo/config.toml, beside the Cargo.toml of your crate or workspace:

[build]
rustflags = [\"--cfg\", \"tokio_unstable\"]

RUSTFLAGS in the environment, or `rustflags` of a [target] table, replaces those flags: unset it, or add the flag there.";

/// Whether what tokio chooses by itself can be seeded in this build.
///
/// # Errors
/// It cannot.
pub(crate) fn seeded() -> Result<(), EngineError> {
    if cfg!(tokio_unstable) { Ok(()) } else { Err(EngineError::Unseeded) }
}

/// Why a trial cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The program of a host failed.
    #[error("host {host} {error} (simulated time {at:?})")]
    Program {
        /// The host's name.
        host: String,
        /// How.
        error: ProgramError,
        /// When.
        at: Duration,
    },
    /// The build lacks the flag that seeds tokio: `--cfg tokio_unstable`.
    #[error("{UNSEEDED}")]
    Unseeded,
    /// The machine has no room for a host.
    #[error("host {host} found no room for its runtime: {why}")]
    NoRoom {
        /// The host's name.
        host: String,
        /// What is missing.
        why: String,
    },
    /// A host cannot be played: it reached around the engine.
    #[error("host {host} {what} (simulated time {at:?})")]
    Host {
        /// The host's name.
        host: String,
        /// What happened.
        what: String,
        /// When.
        at: Duration,
    },
}
