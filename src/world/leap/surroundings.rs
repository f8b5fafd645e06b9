//! A process's view of its host: what an actor gets as its [`Env`](crate::env::Env).
//!
//! A dead process gets nothing any more, whatever it asks for.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::env::{Address, Asked, Dice, Die, Disk, Listener, SecretSink, Socket, Surroundings, TcpOptions};
use crate::world::disk::Disks;
use crate::world::engine::HostId;
use crate::world::net::{self, Net};
use crate::world::process::Process;
use crate::world::sandbox::state;

pub(crate) struct LeapEnv {
    pub(crate) host: HostId,
    pub(crate) net: Net,
    pub(crate) disks: Arc<Mutex<Disks>>,
    pub(crate) process: Process,
    pub(crate) seed: u64,
    /// Host and incarnation: names the process's dice.
    pub(crate) scope: String,
    pub(crate) dice_drawn: AtomicU64,
}

/// Steps of a connection or a listener: far more than a poll, and nobody has many at one instant.
const SOCKET_STEPS: u32 = 100;
/// Steps of opening a store.
const DISK_STEPS: u32 = 1_000;

/// Ready at once, unless the process loops: then it waits for ever, and so loops no more.
async fn take_steps(steps: u32) {
    if !state::take_steps(steps) {
        std::future::pending::<()>().await;
    }
}

fn check_alive(process: &Process) -> io::Result<()> {
    if process.is_alive() { Ok(()) } else { Err(io::Error::other("the process that asks is dead")) }
}

impl Surroundings for LeapEnv {
    fn dial_with(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        let (net, host, address, process) = (self.net.clone(), self.host, address.clone(), self.process.clone());
        Box::pin(async move {
            take_steps(SOCKET_STEPS).await;
            check_alive(&process)?;
            net::dial(net, host, address, options, process).await
        })
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        let (net, host, process) = (self.net.clone(), self.host, self.process.clone());
        Box::pin(async move {
            take_steps(SOCKET_STEPS).await;
            check_alive(&process)?;
            net::listen(net, host, port, process)
        })
    }

    fn dice(&self) -> Dice {
        let serial = self.dice_drawn.fetch_add(1, Ordering::Relaxed);
        Dice::named(self.seed, &Die::Process { process: &self.scope, serial })
    }

    fn disk(&self, name: &str) -> io::Result<Disk> {
        // Nothing can wait here, so only unwinding ends the loop, of a dead process as of a live one. Its destructors may
        // open stores, too.
        if !state::take_steps(DISK_STEPS) && !std::thread::panicking() {
            std::panic::resume_unwind(Box::new("the process opens its store again and again"));
        }
        check_alive(&self.process)?;
        self.disks.lock().unwrap_or_else(PoisonError::into_inner).open(name, &self.process)
    }

    fn wall_clock(&self) -> Duration {
        state::read_wall_clock()
    }

    fn tls_secrets(&self) -> Option<SecretSink> {
        let capture = self.net.fabric().captures()?;
        Some(Arc::new(move |secret| capture.keep_secret(&secret)))
    }

    fn boot_clock(&self) -> Duration {
        state::read_boot_clock()
    }
}
