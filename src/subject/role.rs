//! A role: hosts of one kind, what each of them runs, and when they enter.
//!
//! Refuses to know the engine: a role makes programs, and whoever stages the trial puts them on hosts.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::cast::HostName;
use crate::env::Env;
use crate::history::Recorder;
use crate::proxy::Control;
use crate::subject::HostNames;
use crate::world::Program;

/// When the hosts of a role enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// At once, and everybody after them finds them listening.
    Listening,
    /// At once.
    AtOnce,
    /// When everything is prepared ([`Preparation`]).
    Prepared,
}

/// What a supervisor does when the program of a host ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Nothing: a failure ends the trial.
    #[default]
    No,
    /// It is begun again so long after a failure.
    OnFailure(Duration),
    /// It is begun again so long after its end, whatever that was.
    Always(Duration),
}

impl Restart {
    /// How long after a failure it is begun again; none where it is not.
    #[must_use]
    pub fn after_failure(self) -> Option<Duration> {
        match self {
            Restart::No => None,
            Restart::OnFailure(after) | Restart::Always(after) => Some(after),
        }
    }
}

/// When what happens in a trial, since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialTimes {
    /// The calm begins, and the workload has ended.
    pub calm: Duration,
    /// The trial ends.
    pub end: Duration,
}

/// Hosts of one kind.
pub trait Role {
    /// Their names, in the order of their numbers.
    fn hosts(&self) -> Vec<HostName>;

    /// When they enter; roles enter in the order in which their subject lists them.
    fn entrance(&self) -> Entrance;

    /// What the host of that number, from 1, runs; called once, and the program once for each process.
    fn program(&self, number: u32, seat: &mut Seat) -> Program;
}

/// Makes what the host of that name runs.
pub type MakeProgram = dyn Fn(&HostName, &mut Seat) -> Program;

/// Hosts that a function gives their programs: a role without more.
pub struct PlainRole {
    names: Vec<HostName>,
    entrance: Entrance,
    make: Box<MakeProgram>,
}

impl PlainRole {
    /// These hosts, each of which runs what `make` makes.
    #[expect(clippy::new_ret_no_self, reason = "a subject lists its roles in boxes")]
    pub fn new(
        names: Vec<HostName>,
        entrance: Entrance,
        make: impl Fn(&HostName, &mut Seat) -> Program + 'static,
    ) -> Box<dyn Role> {
        Box::new(PlainRole { names, entrance, make: Box::new(make) })
    }
}

impl Role for PlainRole {
    fn hosts(&self) -> Vec<HostName> {
        self.names.clone()
    }

    fn entrance(&self) -> Entrance {
        self.entrance
    }

    fn program(&self, number: u32, seat: &mut Seat) -> Program {
        (self.make)(&self.names[number as usize - 1], seat)
    }
}

/// What a trial offers to one host while it is staged.
pub struct Seat {
    /// Writes into the trial's history under the host's name.
    pub recorder: Recorder,
    /// Tells hosts by their addresses, once every host stands.
    pub names: HostNames,
    /// What is to be ready before some enter.
    pub preparation: Preparation,
    /// The control of the proxy that the host runs, if it is one: by it the plan's lies are told.
    pub control: Option<Control>,
    /// By it the host is asked to stop, if it can be; any other is killed at once.
    pub stop: Option<StopRequest>,
}

/// Asks the process that runs on a host to stop, as SIGTERM does.
#[derive(Clone, Debug, Default)]
pub struct StopRequest(Arc<Mutex<Arc<Notify>>>);

impl StopRequest {
    /// Resolves when the process that begins now is asked.
    pub fn begin_life(&self) -> impl Future<Output = ()> + Send + 'static {
        let asked = Arc::new(Notify::new());
        *self.lock() = Arc::clone(&asked);
        async move { asked.notified().await }
    }

    /// Asks the process that began last.
    pub fn ask(&self) {
        self.lock().notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Notify>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what must be ready before the hosts of [`Entrance::Prepared`] enter.
#[derive(Clone, Debug, Default)]
pub struct Preparation(Arc<AtomicU32>);

impl Preparation {
    /// So many parts are to be ready.
    #[must_use]
    pub fn of(parts: u32) -> Self {
        Preparation(Arc::new(parts.into()))
    }

    /// Whether every part is ready.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// One part is ready.
    pub fn finish_part(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A program out of a function that is called for each process.
pub fn program<Run>(run: impl Fn(Env) -> Run + 'static) -> Program
where
    Run: Future<Output = Result<(), String>> + Send + 'static,
{
    Box::new(move |env| Box::pin(run(env)))
}
