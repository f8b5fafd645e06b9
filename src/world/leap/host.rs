//! A host: one process at a time, on a tokio runtime of its own.
//!
//! ```text
//! Down --start--> Up --kill--> Down
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, RngSeed, Runtime, UnhandledPanic};
use tokio::task::JoinHandle;

use crate::env::{Address, Asked, Dice, Disk, Env, Listener, Socket, Surroundings};
use crate::world::clock::Clock;
use crate::world::disk::Disks;
use crate::world::engine::{HostId, Program};
use crate::world::leap::interpose::{self, Turn, WALL_CLOCK_START};
use crate::world::leap::trial_thread::describe_panic;
use crate::world::net::{self, Net};
use crate::world::process::Process;

/// Why a host could not go on: each is a bug of the program or of ours, never of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Breakdown {
    /// A task panicked.
    Panicked(String),
    /// The program returned an error.
    Exited(String),
    /// Tasks went on at one instant and never waited for anything.
    NeverIdle,
}

pub(crate) struct Host {
    id: HostId,
    pub(crate) name: String,
    program: Program,
    disks: Arc<Mutex<Disks>>,
    incarnation: u32,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    /// The program, until it has ended.
    main: Option<JoinHandle<Result<(), String>>>,
    process: Process,
    /// When its next timer is due.
    timer: Option<Duration>,
}

impl Host {
    pub(crate) fn new(id: HostId, name: &str, program: Program, seed: u64) -> Self {
        let disks = Arc::new(Mutex::new(Disks::new(seed, name)));
        Host { id, name: name.to_owned(), program, disks, incarnation: 0, running: None }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn incarnation(&self) -> u32 {
        self.incarnation
    }

    pub(crate) fn timer(&self) -> Option<Duration> {
        self.running.as_ref().and_then(|running| running.timer)
    }

    /// Starts the next process.
    pub(crate) fn start(&mut self, seed: u64, net: &Net, clock: &Clock) {
        assert!(self.running.is_none(), "host {} runs already", self.name);
        self.incarnation += 1;
        let process = Process::begin();
        let scope = format!("{}/{}", self.name, self.incarnation);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .rng_seed(RngSeed::from_bytes(format!("{seed}/{scope}").as_bytes()))
            .unhandled_panic(UnhandledPanic::ShutdownRuntime)
            .build()
            .expect("the system has file descriptors for a runtime");
        let env: Env = Arc::new(HostEnv {
            host: self.id,
            net: net.clone(),
            clock: clock.clone(),
            disks: self.disks.clone(),
            process: process.clone(),
            seed,
            scope,
            dice_drawn: AtomicU64::new(0),
        });
        let main = runtime.spawn((self.program)(env));
        self.running = Some(Running { runtime, main: Some(main), process, timer: None });
    }

    /// Kills the process: first its kernel closes its sockets and its disks are dead to it, then its
    /// destructors run, which can reach neither.
    pub(crate) fn kill(&mut self, net: &Net) {
        let Some(running) = self.running.take() else { return };
        running.process.die();
        net.fabric().kill(self.id);
        // What a destructor says after the process's death is of no interest, not even a panic.
        drop(catch_unwind(AssertUnwindSafe(|| drop(running))));
    }

    /// Runs everything that can run at `now`, until the host waits for its next timer or for another host.
    /// `order` runs first, among the host's tasks, so that what it wakes is woken on its own runtime.
    pub(crate) fn take_turn(&mut self, net: &Net, now: Duration, order: impl FnOnce()) -> Result<(), Breakdown> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let wakers = net.fabric().take_wakers(self.id);
        let turn = catch_unwind(AssertUnwindSafe(|| running.runtime.block_on(until_idle(wakers, order))));
        match turn {
            Err(panic) => return Err(Breakdown::Panicked(describe_panic(&*panic))),
            Ok(Turn::Idle(rest)) => running.timer = rest.map(|rest| now + rest),
            Ok(Turn::Running | Turn::Stuck) => return Err(Breakdown::NeverIdle),
        }
        running.check_main()
    }
}

impl Running {
    /// A program may end; one that ends with an error breaks the host down.
    fn check_main(&mut self) -> Result<(), Breakdown> {
        let Some(main) = &mut self.main else { return Ok(()) };
        let Poll::Ready(ended) = Pin::new(main).poll(&mut Context::from_waker(Waker::noop())) else { return Ok(()) };
        self.main = None;
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Breakdown::Exited(error)),
            Err(error) => Err(Breakdown::Panicked(error.to_string())),
        }
    }
}

/// Wakes whom the network woke, then waits until nothing is left to run.
async fn until_idle(wakers: Vec<Waker>, order: impl FnOnce()) -> Turn {
    order();
    wakers.into_iter().for_each(Waker::wake);
    let mut begun = false;
    poll_fn(|context| {
        if !begun {
            begun = true;
            interpose::begin_turn(context.waker().clone());
            return Poll::Pending;
        }
        match interpose::turn() {
            Turn::Running => Poll::Pending,
            turn @ (Turn::Idle(_) | Turn::Stuck) => Poll::Ready(turn),
        }
    })
    .await
}

/// A process's view of its host.
struct HostEnv {
    host: HostId,
    net: Net,
    clock: Clock,
    disks: Arc<Mutex<Disks>>,
    process: Process,
    seed: u64,
    /// Host and incarnation: names the process's dice.
    scope: String,
    dice_drawn: AtomicU64,
}

impl Surroundings for HostEnv {
    fn dial(&self, address: &Address) -> Asked<Socket> {
        Box::pin(net::dial(self.net.clone(), self.host, address.clone(), self.process.clone()))
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        let (net, host, process) = (self.net.clone(), self.host, self.process.clone());
        Box::pin(async move { net::listen(net, host, port, process) })
    }

    fn dice(&self) -> Dice {
        let serial = self.dice_drawn.fetch_add(1, Ordering::Relaxed);
        Dice::named(self.seed, &format!("dice {} {serial}", self.scope))
    }

    fn disk(&self, name: &str) -> io::Result<Disk> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner).open(name, &self.process)
    }

    fn wall_clock(&self) -> Duration {
        WALL_CLOCK_START + self.clock.now()
    }
}

impl fmt::Display for Breakdown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breakdown::Panicked(text) => write!(formatter, "panicked: {text}"),
            Breakdown::Exited(error) => write!(formatter, "ended with an error: {error}"),
            Breakdown::NeverIdle => formatter.write_str("never goes idle: a task runs for ever without waiting"),
        }
    }
}
