//! A host: one process at a time, on a tokio runtime of its own.
//!
//! Refuses to know other hosts, and when a fault begins and ends.
//!
//! ```text
//!        start                death, from outside or at a named point
//! Down ---------> Up ---------------------------------------------------> Down
//!   ^                                                                       |
//!   +---- the host may be off meanwhile: then `start` powers it on ---------+
//! ```
//! While it is up it runs in turns, unless something holds it: see `standstill`.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::env::Env;
use crate::fault::Death;
use crate::world::clock::WallClock;
use crate::world::disk::Disks;
use crate::world::engine::{
    CrashObserver, EngineError, Holdings, HostId, Program, ProgramError, STEPS_AT_ONE_INSTANT_MAX,
};
use crate::world::leap::crash::CrashHandler;
use crate::world::leap::standstill::Standstill;
use crate::world::leap::surroundings::LeapEnv;
use crate::world::net::{Net, Unsent};
use crate::world::process::{Points, Process};
use crate::world::remark::{Remark, Remarked};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state::{self, HostTurn, Readings};
use crate::world::sandbox::trial_thread::{
    begin_poll, describe_panic, end_task, forget_panics, take_task_panic, what_runtimes_share,
};
use crate::world::system::{self, Machine, MachinePlace};

/// Events that tokio's driver makes room for (it would for 1,024 of 12 bytes each, for each host).
const EVENTS_AT_ONCE: usize = 64;

/// Why a host could not go on: each is a bug of the program or of ours, or a machine too small, never of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Breakdown {
    /// The program failed.
    Failed(ProgramError),
    /// The program reached around the engine.
    Offended {
        /// How.
        offence: Offence,
        /// Where in its code, as far as the build knows.
        site: Option<String>,
    },
    /// The real machine has no room for its runtime.
    NoRuntime(String),
}

pub(crate) struct LeapHost {
    id: HostId,
    pub(crate) name: Arc<str>,
    program: Program,
    seed: u64,
    net: Net,
    disks: Arc<Mutex<Disks>>,
    pub(crate) points: Arc<Points>,
    pub(crate) wall_clock: WallClock,
    pub(crate) standstill: Standstill,
    incarnation: u32,
    is_off: bool,
    running: Option<LeapProcess>,
    /// When its programs have ended by themselves, without an error.
    ended: Vec<Duration>,
    /// The instant of its last turn, and the steps that are left to it then.
    steps_left: (Duration, u32),
}

struct LeapProcess {
    machine: Arc<Machine>,
    runtime: Runtime,
    /// The program, until it has ended.
    main: Option<JoinHandle<Result<(), String>>>,
    process: Process,
    crash_handler: CrashHandler,
    /// When its next timer is due.
    timer: Option<Duration>,
    /// What leaves when the process has waited for its disk.
    held: Option<Unsent>,
    /// Whom the network has woken, at the begin of a turn; kept for its room.
    wakers: Vec<Waker>,
}

impl LeapHost {
    pub(crate) fn new(seed: u64, net: &Net, id: HostId, name: &str, program: Program) -> Self {
        LeapHost {
            id,
            name: name.into(),
            program,
            seed,
            net: net.clone(),
            disks: Arc::new(Mutex::new(Disks::new(seed, name))),
            points: Arc::default(),
            wall_clock: WallClock::default(),
            standstill: Standstill::default(),
            incarnation: 0,
            is_off: false,
            running: None,
            ended: Vec::new(),
            steps_left: (Duration::ZERO, STEPS_AT_ONE_INSTANT_MAX),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Whether its power has failed.
    pub(crate) fn is_off(&self) -> bool {
        self.is_off
    }

    pub(crate) fn incarnation(&self) -> u32 {
        self.incarnation
    }

    pub(crate) fn disks(&self) -> MutexGuard<'_, Disks> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is up and nothing holds it.
    pub(crate) fn may_run(&self, now: Duration) -> bool {
        self.is_up() && self.standstill.may_run(now)
    }

    /// When it runs by itself.
    pub(crate) fn wakes_at(&self) -> Option<Duration> {
        self.running.as_ref().and_then(|running| self.standstill.wakes_at(running.timer))
    }

    /// What its process holds.
    pub(crate) fn holdings(&self) -> Option<Holdings> {
        let running = self.running.as_ref()?;
        let [dialed, accepted] = self.net.fabric().sockets(self.id);
        Some(Holdings { dialed, accepted, tasks: running.runtime.metrics().num_alive_tasks() })
    }

    /// When its programs have ended.
    pub(crate) fn ends(&self) -> impl Iterator<Item = Remark> {
        self.ended.iter().map(|at| Remark { host: self.name.to_string(), at: *at, count: 1, what: Remarked::Ended })
    }

    fn readings(&self, now: Duration) -> Readings {
        Readings::new(self.standstill.monotonic(now), now, self.wall_clock.at(now))
    }

    /// Starts the next process.
    pub(crate) fn start(&mut self, observer: Option<CrashObserver>, now: Duration) -> Result<(), Breakdown> {
        assert!(self.running.is_none(), "host {} runs already", self.name);
        if std::mem::take(&mut self.is_off) {
            self.net.fabric().power_on(self.id);
        }
        self.incarnation += 1;
        self.standstill.begin_process();
        let process = Process::begin();
        let crash_handler = CrashHandler {
            host: self.id,
            name: self.name.clone(),
            net: self.net.clone(),
            disks: Arc::downgrade(&self.disks),
            observer,
        };
        let handler = crash_handler.clone();
        let crash = move |process: &Process, death| {
            handler.crash(process, death);
            state::end_turn(HostTurn::Dead);
        };
        process.dies_at(self.points.clone(), Box::new(crash));
        let scope = format!("{}/{}", self.name, self.incarnation);
        state::set_readings(self.readings(now));
        let place = MachinePlace { host: self.id, net: self.net.clone(), process: process.clone() };
        let machine = Arc::new(Machine::new(place));
        let _entered = system::enter(&machine);
        let runtime = build_runtime(&format!("{}/{scope}", self.seed))?;
        let env: Env = Arc::new(LeapEnv {
            host: self.id,
            net: self.net.clone(),
            disks: self.disks.clone(),
            process: process.clone(),
            seed: self.seed,
            scope,
            dice_drawn: AtomicU64::new(0),
        });
        let main = runtime.spawn((self.program)(env));
        state::set_now(now);
        if state::take_wall_clock_read() {
            self.wall_clock.note_read();
        }
        let main = Some(main);
        self.running = Some(LeapProcess {
            machine,
            runtime,
            main,
            process,
            crash_handler,
            timer: None,
            held: None,
            wakers: Vec::new(),
        });
        Ok(())
    }

    /// Halts the host; whether a process ran on it. Where none runs, only the power can still go.
    pub(crate) fn halt(&mut self, death: Death, now: Duration) -> bool {
        if matches!(death, Death::PoweredOff(_)) && self.standstill.lose_power(now) {
            self.net.fabric().resume(self.id);
        }
        let Some(running) = &mut self.running else {
            self.cut_idle_power(death);
            return false;
        };
        if let Some(held) = running.held.take()
            && !matches!(death, Death::PoweredOff(_))
        {
            // Its kernel sends what it has, as it does for every killed process.
            self.net.fabric().release_unsent(held);
        }
        running.crash_handler.crash(&running.process, death);
        self.reap(death);
        true
    }

    fn cut_idle_power(&mut self, death: Death) {
        if let Death::PoweredOff(unsynced) = death
            && !self.is_off
        {
            self.net.fabric().power_off(self.id);
            self.disks().power_off(unsynced);
            self.is_off = true;
        }
    }

    /// Runs `order` while something holds the host: whom it wakes runs when the host is released.
    pub(crate) fn disturb(&self, order: impl FnOnce()) {
        // What wakes a task of another runtime makes a system call.
        let _entered = self.running.as_ref().map(|running| system::enter(&running.machine));
        order();
    }

    /// Kills the process without a word: the world ends.
    pub(crate) fn abandon(&mut self) {
        let Some(running) = &self.running else { return };
        running.process.die();
        self.net.fabric().kill(self.id);
        self.reap(Death::Killed);
    }

    /// What a dead process leaves behind goes: its destructors run, and reach neither sockets nor disks.
    fn reap(&mut self, death: Death) {
        self.is_off |= matches!(death, Death::PoweredOff(_));
        self.standstill.begin_process();
        if let Some(LeapProcess { machine, runtime, main, .. }) = self.running.take() {
            let _entered = system::enter(&machine);
            // Its threads are told to end, and not waited for.
            drop(catch_unwind(AssertUnwindSafe(|| runtime.shutdown_background())));
            drop(catch_unwind(AssertUnwindSafe(|| drop(main))));
            machine.run_threads();
            drop(catch_unwind(AssertUnwindSafe(|| machine.close_all())));
        }
        // What a destructor says or does after the process's death is of no interest: no real one runs then.
        forget_panics();
        state::take_offence();
        state::take_wall_clock_read();
    }

    /// Runs everything that can run at `now`, until the host waits for its next timer or for another host.
    /// `order` runs first, among the host's tasks, so that what it wakes is woken on its own runtime.
    pub(crate) fn take_turn(&mut self, now: Duration, order: impl FnOnce()) -> Result<(), Breakdown> {
        let readings = self.readings(now);
        let Some(running) = &mut self.running else { return Ok(()) };
        self.standstill.end_wait();
        {
            let mut fabric = self.net.fabric();
            if let Some(held) = running.held.take() {
                fabric.release_unsent(held);
            }
            fabric.take_wakers(self.id, &mut running.wakers);
        }
        state::set_readings(readings);
        let entered = system::enter(&running.machine);
        let steps = if self.steps_left.0 == now { self.steps_left.1 } else { STEPS_AT_ONE_INSTANT_MAX };
        let turn =
            catch_unwind(AssertUnwindSafe(|| running.runtime.block_on(until_idle(&mut running.wakers, steps, order))));
        drop(entered);
        self.steps_left = (now, state::steps_left());
        state::set_now(now);
        if state::take_wall_clock_read() {
            self.wall_clock.note_read();
        }
        if let Some(death) = running.process.doom().filter(|_| !running.process.is_alive()) {
            self.reap(death);
            return Ok(());
        }
        if let Some(offence) = state::take_offence() {
            return Err(Breakdown::Offended { offence, site: state::take_scene() });
        }
        let idle = idle_until(turn).and_then(|rest| running.check_main().map(|ended| (rest, ended)));
        match idle {
            Ok((rest, ended)) => {
                running.timer = rest.map(|rest| now + rest);
                self.ended.extend(ended.then_some(now));
            }
            Err(failed) => {
                // What it wrote before leaves, as its kernel sends it after a process is gone.
                self.net.fabric().send_unsent();
                return Err(failed);
            }
        }
        self.end_turn(now);
        Ok(())
    }

    /// What was written leaves, unless the process waits for its disk; and a process that is doomed dies.
    fn end_turn(&mut self, now: Duration) {
        let Some(running) = &mut self.running else { return };
        let (wait, doom) = (running.process.take_wait(), running.process.doom());
        if wait.is_zero() || doom.is_some() {
            self.net.fabric().send_unsent();
        } else {
            running.held = Some(self.net.fabric().hold_unsent());
            self.standstill.wait_until(now + wait);
        }
        if let Some(death) = doom {
            running.crash_handler.crash(&running.process, death);
            self.reap(death);
        }
    }
}

fn build_runtime(seed: &str) -> Result<Runtime, Breakdown> {
    what_runtimes_share().map_err(Breakdown::NoRuntime)?;
    let mut builder = Builder::new_current_thread();
    builder.enable_all().max_io_events_per_tick(EVENTS_AT_ONCE);
    seed_choices(&mut builder, seed, [begin_poll, end_task]);
    builder.build().map_err(|error| Breakdown::NoRuntime(error.to_string()))
}

/// Gives the runtime's own choices a seed, and calls a hook before each poll of a task and another after its end.
#[cfg(tokio_unstable)]
fn seed_choices(builder: &mut Builder, seed: &str, [before_poll, after_task]: [fn(); 2]) {
    builder
        .rng_seed(tokio::runtime::RngSeed::from_bytes(seed.as_bytes()))
        .on_before_task_poll(move |_| before_poll())
        .on_task_terminate(move |_| after_task());
}

/// Nobody comes here: see [`seeded`](crate::world::engine::seeded).
#[cfg(not(tokio_unstable))]
fn seed_choices(_builder: &mut Builder, _seed: &str, _hooks: [fn(); 2]) {}

/// How long a host rests after its turn, until its next timer.
fn idle_until(turn: std::thread::Result<HostTurn>) -> Result<Option<Duration>, Breakdown> {
    match turn {
        Err(panic) => Err(Breakdown::Failed(ProgramError::Panicked(describe_panic(&*panic)))),
        Ok(HostTurn::Idle(rest)) => Ok(rest),
        Ok(HostTurn::Panicked) => Err(Breakdown::Failed(ProgramError::Panicked(take_task_panic()))),
        Ok(HostTurn::Running | HostTurn::Stuck | HostTurn::Dead) => Err(Breakdown::Failed(ProgramError::NeverIdle)),
    }
}

impl LeapProcess {
    /// A program may end, and whether it has; one that ends with an error breaks the host down.
    fn check_main(&mut self) -> Result<bool, Breakdown> {
        let Some(main) = self.main.as_mut().filter(|main| main.is_finished()) else { return Ok(false) };
        let Poll::Ready(ended) = Pin::new(main).poll(&mut Context::from_waker(Waker::noop())) else { return Ok(false) };
        self.main = None;
        match ended {
            Ok(Ok(())) => Ok(true),
            Ok(Err(error)) => Err(Breakdown::Failed(ProgramError::Exited(error))),
            Err(error) => Err(Breakdown::Failed(ProgramError::Panicked(error.to_string()))),
        }
    }
}

/// Wakes whom the network woke, then waits until nothing is left to run.
async fn until_idle(wakers: &mut Vec<Waker>, steps: u32, order: impl FnOnce()) -> HostTurn {
    order();
    wakers.drain(..).for_each(Waker::wake);
    let mut begun = false;
    poll_fn(|context| {
        if !begun {
            begun = true;
            state::begin_turn(context.waker().clone(), steps);
            return Poll::Pending;
        }
        match state::turn() {
            HostTurn::Running => Poll::Pending,
            turn @ (HostTurn::Idle(_) | HostTurn::Stuck | HostTurn::Panicked | HostTurn::Dead) => Poll::Ready(turn),
        }
    })
    .await
}

impl Breakdown {
    /// What the engine says of it.
    pub(crate) fn of(self, host: &LeapHost, at: Duration) -> EngineError {
        let host = host.name.to_string();
        let what = match self {
            Breakdown::Failed(error) => return EngineError::Program { host, error, at },
            Breakdown::Offended { offence, site: None } => offence.to_string(),
            Breakdown::Offended { offence, site: Some(site) } => format!("{offence}; it was in {site}"),
            Breakdown::NoRuntime(why) => return EngineError::NoRoom { host, why },
        };
        EngineError::Host { host, what, at }
    }
}
