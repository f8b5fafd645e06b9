//! What a subject brings: words, judges, keys of a sim file, and what they make of one sim.
//!
//! Refuses to know which subjects there are.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cast::{Cast, HostName};
use crate::channel::{Channel, Position};
use crate::checker::{Checker, Milestone, Requirement};
use crate::env::TcpOptions;
use crate::fault::Fault;
use crate::grammar::{KeyTable, Naming, Section, count};
use crate::history::{BackoffSteps, Bounds, Record};
use crate::ladder::Layers;
use crate::subject::{Restart, Role, TrialTimes};

/// A protocol with its programs, its workload and its judges.
pub trait Subject: Sync {
    /// Its name, as the key `subject` of a sim says it.
    fn name(&self) -> &'static str;

    /// What its sims may cite.
    fn requirements(&self) -> &'static [Requirement];

    /// Who judges its trials, in the order in which they are told.
    fn checkers(&self) -> &'static [&'static dyn Checker];

    /// What its sims may promise to happen at least once.
    fn milestones(&self) -> &'static [&'static Milestone] {
        &[]
    }

    /// Its own tables of a sim file, in words.
    fn tables(&self) -> &'static [KeyTable] {
        &[]
    }

    /// Reads its own tables and keys of a sim file; what is wrong is noted there.
    fn read(&self, file: &mut Section<'_>) -> Reading;
}

/// What a subject read of a sim file.
pub struct Reading {
    /// Who is cast; none where that part has a problem of its own. Faults are read against it.
    pub cast: Option<Cast>,
    /// Everything; none where a problem was noted.
    pub setup: Option<Arc<dyn Setup>>,
}

/// What a subject makes of one sim: its cast, its settings and its workload.
pub trait Setup: Any + fmt::Debug + Send + Sync {
    /// Who takes part, in the order in which hosts are listed.
    fn cast(&self) -> &Cast;

    /// Who judges this sim, of all the judges of its subject: all of them, unless the sim says otherwise.
    fn judges(&self, all: &'static [&'static dyn Checker]) -> Vec<&'static dyn Checker> {
        all.to_vec()
    }

    /// The roles, in the order in which they enter.
    fn roles(&self, times: TrialTimes) -> Vec<Box<dyn Role>>;

    /// What is done when the program of that host ends by itself.
    fn restart(&self, _host: &str) -> Restart {
        Restart::No
    }

    /// Why only the leap engine can play it; none where others may.
    fn needs_leap(&self) -> Option<&'static str> {
        None
    }

    /// How many parts must be ready before the hosts of [`Entrance::Prepared`](crate::subject::Entrance) enter.
    fn preparations(&self) -> u32 {
        0
    }

    /// What the judges are to expect.
    fn expectations(&self) -> Expectations;

    /// The TCP options of its hosts, for an engine that may not have them.
    fn tcp_options(&self) -> Vec<TcpOptions> {
        Vec::new()
    }

    /// The interval and the timeout of its clients' HTTP/2 keepalive, where they have one.
    fn http2_keepalive(&self) -> Option<(Duration, Duration)> {
        None
    }

    /// Whether the history is to tell of the connections that a host dials: who is unmodified says nothing of them.
    fn tells_connections(&self, _host: &str) -> bool {
        false
    }

    /// Which layers can notice a dead stream: all that are switched on in this sim.
    fn layers(&self) -> Layers {
        Layers { http2_ping: self.http2_keepalive().is_some(), ..Layers::default() }
    }

    /// A fault in words, as it is with the hosts of this sim.
    fn tell_fault(&self, fault: &Fault, naming: Naming) -> String {
        naming.tell(fault)
    }

    /// Why nobody can feel a fault in this sim, or may not; none where there is no such reason. A storm draws no fault that nobody
    /// can feel.
    fn numbness(&self, _fault: &Fault) -> Option<Numbness> {
        None
    }

    /// How many messages of a replay a record shows arriving at a client.
    fn replayed(&self, _record: &Record) -> u64 {
        0
    }

    /// Who adds the subject's lines to the story of a trial.
    fn teller(&self) -> Box<dyn SubjectTeller> {
        Box::new(Silent)
    }

    /// The numbers that head a report, each with its noun in the singular; the hosts of each role unless it says more.
    fn counts(&self) -> Vec<(u64, String)> {
        let roles = self.cast().roles(|_| true).into_iter();
        roles.map(|role| (self.cast().of_role(role).len() as u64, role.to_owned())).collect()
    }

    /// The sim in words.
    fn explain(&self, _times: TrialTimes) -> Explanation {
        let told = self.counts().into_iter().map(|(number, noun)| count(number, &noun));
        Explanation { cast: told.collect(), workload: Vec::new() }
    }
}

/// Why a fault harms nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbness {
    /// Nobody can feel it: why.
    Certain(&'static str),
    /// It depends on what the hosts do: on what.
    Possible(&'static str),
}

impl Numbness {
    /// Why, in words.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Numbness::Certain(why) | Numbness::Possible(why) => why,
        }
    }
}

/// Adds a subject's lines to the story of a trial.
pub trait SubjectTeller {
    /// Hears a record, after the story has told what it means in any subject; a line about the record's host, if any.
    fn hear(&mut self, record: &Record) -> Option<String>;

    /// A proxy speaks again, which has answered so many HTTP/2 PINGs while it was silent, and so many messages were stored
    /// meanwhile: what is to be said of that, where the story is not to say it as it does of our own subject.
    fn end_silence(&self, _pings: u64, _stored: u64) -> Option<String> {
        None
    }

    /// Whether it is news that no watchdog tripped: whether the subject's watchdogs are heard of at all.
    fn hears_watchdogs(&self) -> bool {
        true
    }

    /// Whether it is news that a program has ended without an error.
    fn hears_ends(&self) -> bool {
        false
    }
}

/// Adds nothing.
struct Silent;

impl SubjectTeller for Silent {
    fn hear(&mut self, _record: &Record) -> Option<String> {
        None
    }
}

/// What the judges are to expect of a trial.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// The idle interval after which the server's side says that it lives.
    pub keepalive: Duration,
    /// After so many silent intervals a stream is dead.
    pub intervals: u32,
    /// Who follows what, and from where.
    pub follows: Vec<(HostName, Vec<Position>)>,
    /// Whether its servers grant less than they usually do.
    pub bounds: Bounds,
    /// How long an application takes for each batch of what it reads.
    pub consume: Duration,
    /// What nobody may follow.
    pub denied: Vec<Channel>,
    /// Servers may be old ones, which refuse the newer call.
    pub old_servers: bool,
    /// Servers never ask whether a client lives.
    pub silent_servers: bool,
    /// Proxies end streams by habit.
    pub proxies_end_streams: bool,
    /// How long its clients wait between two attempts.
    pub backoff: BackoffSteps,
    /// How long its servers wait for the answer to their heartbeat; none where that is as long as `keepalive`.
    pub pong_within: Option<Duration>,
}

/// A subject's part of a sim in words, a line each.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// Who is cast, and how they behave.
    pub cast: Vec<String>,
    /// What the applications do.
    pub workload: Vec<String>,
}

impl fmt::Debug for dyn Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Subject({})", self.name())
    }
}
