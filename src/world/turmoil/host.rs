//! A host: one process at a time, as the software of a host of turmoil.
//!
//! ```text
//! Down --start--> Up --kill--> Down
//! ```
//!
//! A host that is down has software too, which does nothing. Turmoil delivers nothing to a host without software, so
//! that a SYN would wait for the next process; the kernel of a killed process refuses it.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use turmoil::Sim;

use crate::env::{Address, Asked, Dice, Die, Disk, Env, Listener, Socket, Surroundings, TcpOptions};
use crate::world::clock::Clock;
use crate::world::clock::WALL_CLOCK_START;
use crate::world::disk::Disks;
use crate::world::engine::Program;
use crate::world::process::Process;
use crate::world::turmoil::socket::Sockets;

/// What a host's program runs as.
type TurmoilMain = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The program of a host ended with an error.
#[derive(Debug, thiserror::Error)]
#[error("host {host} ended with an error: {why}")]
pub(crate) struct Exited {
    pub(crate) host: String,
    pub(crate) why: String,
}

/// A host of the world.
pub(crate) struct TurmoilHost {
    pub(crate) name: String,
    pub(crate) ip: IpAddr,
    pub(crate) incarnation: u32,
    program: Program,
    disks: Arc<Mutex<Disks>>,
    running: Option<TurmoilProcess>,
    handover: Rc<RefCell<Handover>>,
}

struct TurmoilProcess {
    process: Process,
    sockets: Sockets,
}

/// What the host's software finds when turmoil starts it anew.
#[derive(Default)]
struct Handover {
    /// The sockets of the process before.
    orphans: Option<Sockets>,
    /// The next process; none is nobody.
    next: Option<TurmoilMain>,
}

impl TurmoilHost {
    /// A host that is down.
    pub(crate) fn new(sim: &mut Sim<'static>, name: &str, program: Program, disks: Disks) -> Self {
        let handover: Rc<RefCell<Handover>> = Rc::default();
        let (taken, host) = (handover.clone(), name.to_owned());
        sim.host(name, move || {
            let Handover { orphans, next } = taken.take();
            // Here turmoil runs the host, and the destructors of the process before have ended.
            orphans.iter().for_each(Sockets::close);
            run(host.clone(), next)
        });
        TurmoilHost {
            name: name.to_owned(),
            ip: sim.lookup(name),
            incarnation: 0,
            program,
            disks: Arc::new(Mutex::new(disks)),
            running: None,
            handover,
        }
    }

    /// Whether a process runs.
    pub(crate) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// The host's disks.
    pub(crate) fn disks(&self) -> MutexGuard<'_, Disks> {
        lock(&self.disks)
    }

    /// Starts the next process.
    pub(crate) fn start(&mut self, sim: &mut Sim<'static>, seed: u64, clock: &Clock) {
        assert!(self.running.is_none(), "host {} runs already", self.name);
        self.incarnation += 1;
        let process = Process::begin();
        let sockets = Sockets::new(process.clone());
        let env: Env = Arc::new(TurmoilEnv {
            sockets: sockets.clone(),
            clock: clock.clone(),
            disks: self.disks.clone(),
            process: process.clone(),
            seed,
            scope: format!("{}/{}", self.name, self.incarnation),
            dice_drawn: AtomicU64::new(0),
        });
        self.handover.borrow_mut().next = Some((self.program)(env));
        self.running = Some(TurmoilProcess { process, sockets });
        sim.bounce(self.ip);
    }

    /// Kills the process: its destructors run, which can reach neither sockets nor disks; then its kernel closes its
    /// sockets.
    pub(crate) fn kill(&mut self, sim: &mut Sim<'static>) {
        let Some(TurmoilProcess { process, sockets }) = self.running.take() else { return };
        process.die();
        self.handover.borrow_mut().orphans = Some(sockets);
        sim.bounce(self.ip);
    }

    /// The process is dead to the world, which ends.
    pub(crate) fn abandon(&self) {
        if let Some(running) = &self.running {
            running.process.die();
        }
    }
}

/// A host's software: the process, if any. When its program has ended well its tasks go on, and so does the host.
async fn run(host: String, process: Option<TurmoilMain>) -> turmoil::Result {
    if let Some(process) = process {
        process.await.map_err(|why| Exited { host, why })?;
    }
    pending().await
}

/// A process's view of its host.
struct TurmoilEnv {
    sockets: Sockets,
    clock: Clock,
    disks: Arc<Mutex<Disks>>,
    process: Process,
    seed: u64,
    /// Host and incarnation: names the process's dice.
    scope: String,
    dice_drawn: AtomicU64,
}

impl Surroundings for TurmoilEnv {
    fn dial_with(&self, address: &Address, _: TcpOptions) -> Asked<Socket> {
        Box::pin(self.sockets.clone().dial(address.clone()))
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        Box::pin(self.sockets.clone().listen(port))
    }

    fn dice(&self) -> Dice {
        let serial = self.dice_drawn.fetch_add(1, Ordering::Relaxed);
        Dice::named(self.seed, &Die::Process { process: &self.scope, serial })
    }

    fn disk(&self, name: &str) -> io::Result<Disk> {
        lock(&self.disks).open(name, &self.process)
    }

    fn wall_clock(&self) -> Duration {
        WALL_CLOCK_START + self.clock.now()
    }

    /// No host of turmoil is ever suspended: it goes with tokio's time, but in ticks.
    fn boot_clock(&self) -> Duration {
        self.clock.now()
    }
}

fn lock(disks: &Mutex<Disks>) -> MutexGuard<'_, Disks> {
    disks.lock().unwrap_or_else(PoisonError::into_inner)
}
