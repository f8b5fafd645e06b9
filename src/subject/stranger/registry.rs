//! The kinds of hosts that a guest brings, by name, and its own judges.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::cast::HostName;
use crate::checker::{Checker, Requirement};
use crate::env::Env;
use crate::grammar::Section;
use crate::subject::stranger::checker;
use crate::subject::stranger::entry::StrangerSubject;
use crate::subject::stranger::seat::{HostEnding, HostSeat};
use crate::subject::stranger::settings::{AnySettings, read_own};
use crate::subject::stranger::spec;
use crate::subject::{Subject, Subjects};

/// What a process of a host runs.
pub(crate) type HostRun = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

type ReadSettings = dyn Fn(&mut Section<'_>, &str) -> Option<AnySettings> + Send + Sync;
type MakeRun = dyn Fn(HostName, u32, &AnySettings, Env) -> HostRun + Send + Sync;

/// One kind of host.
#[derive(Clone)]
pub(crate) struct HostKind {
    pub(crate) name: &'static str,
    read: Arc<ReadSettings>,
    make: Arc<MakeRun>,
}

impl HostKind {
    /// Reads the settings of a host of this kind.
    pub(crate) fn read(&self, section: &mut Section<'_>) -> Option<AnySettings> {
        (self.read)(section, self.name)
    }

    /// What the next process of that host runs.
    pub(crate) fn run(&self, name: HostName, number: u32, settings: &AnySettings, env: Env) -> HostRun {
        (self.make)(name, number, settings, env)
    }
}

impl fmt::Debug for HostKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("HostKind").field(&self.name).finish()
    }
}

/// What a guest brings: kinds of hosts by name, and judges of its own.
///
/// A program that calls [`main_with`](crate::cli::main_with) hands it over once; a [`Trial`](crate::Trial) fills one.
#[derive(Clone, Default)]
pub struct Strangers {
    kinds: Vec<HostKind>,
    checkers: Vec<&'static dyn Checker>,
    requirements: Vec<Requirement>,
}

impl Strangers {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Strangers::default()
    }

    /// A kind of host: `run` is called anew for each process, and is given nothing. A kind of that name that was there
    /// before is replaced.
    #[must_use]
    pub fn host<Run>(self, name: &str, run: impl Fn() -> Run + Send + Sync + 'static) -> Self
    where
        Run: Future<Output: HostEnding> + Send + 'static,
    {
        self.host_with(name, move |_: HostSeat| run())
    }

    /// The same, and `run` is given its [seat](HostSeat): its surroundings, and the settings of its table, which are read as
    /// a `T` when the sim is read. Keys that a `T` does not have are refused there.
    ///
    /// # Panics
    /// Never: a process runs only with settings that were read.
    #[must_use]
    pub fn host_with<T, Run>(mut self, name: &str, run: impl Fn(HostSeat<T>) -> Run + Send + Sync + 'static) -> Self
    where
        T: DeserializeOwned + Clone + Send + Sync + 'static,
        Run: Future<Output: HostEnding> + Send + 'static,
    {
        let run = Arc::new(run);
        let make = move |name, number, settings: &AnySettings, env| -> HostRun {
            let settings = settings.downcast_ref::<T>().expect("what this kind has read is a `T`").clone();
            let (run, seat) = (Arc::clone(&run), HostSeat::new(name, number, settings, env));
            // The function is called on the host, as its process begins.
            Box::pin(async move { run(seat).await.into_words() })
        };
        self.kinds.retain(|kind| kind.name != name);
        self.kinds.push(HostKind { name: leaked(name), read: Arc::new(read_own::<T>), make: Arc::new(make) });
        self
    }

    /// A judge of one's own, after those of every stranger.
    #[must_use]
    pub fn checker(mut self, checker: impl Checker + 'static) -> Self {
        let checker: &'static dyn Checker = Box::leak(Box::new(checker));
        self.requirements.extend_from_slice(checker.cites());
        self.checkers.push(checker);
        self
    }

    /// The subject that casts them, and no other. It lives as long as the program: a sim knows its subject for as long as it
    /// likes, and a program has few.
    #[must_use]
    pub fn into_subjects(self) -> Subjects {
        let checkers = checker::ALL.iter().chain(&self.checkers).copied().collect::<Vec<_>>();
        let requirements = spec::ALL.iter().chain(&self.requirements).copied().collect::<Vec<_>>();
        let subject =
            StrangerSubject { kinds: self.kinds, checkers: checkers.leak(), requirements: requirements.leak() };
        let subject: &'static dyn Subject = Box::leak(Box::new(subject));
        Subjects::new(vec![subject].leak())
    }
}

/// Names of kinds are asked for as keys of every sim that is read.
fn leaked(name: &str) -> &'static str {
    Box::leak(name.to_owned().into_boxed_str())
}

impl fmt::Debug for Strangers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checkers: Vec<_> = self.checkers.iter().map(|checker| checker.name()).collect();
        formatter
            .debug_struct("Strangers")
            .field("kinds", &self.kinds)
            .field("checkers", &checkers)
            .finish_non_exhaustive()
    }
}
