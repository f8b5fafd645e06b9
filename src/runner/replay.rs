//! A case played many times in fresh processes: whether its digest comes each time, and where it does not, the first
//! event that differs.
//!
//! Refuses to know how a process is started: it is handed the command. The case goes in on the process's standard
//! input, and a line of JSON comes out for each play.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::Digest;
use crate::runner::trace::Traces;
use crate::runner::{Case, Difference, Played, Stretch, Tallied};

/// What is to be replayed, and how often.
pub struct Replay<'a, Start> {
    /// The case.
    pub case: &'a Case,
    /// So many plays in each process.
    pub times: u32,
    /// So many processes.
    pub processes: u32,
    /// The command of a process that takes the case, plays it `times` times, and tells each [`Played`]; it keeps raw
    /// the events that come after so many.
    pub start: Start,
}

/// Why a case could not be replayed.
#[derive(Debug, thiserror::Error)]
#[error("failed to play {sim} in process {process} of {processes}: {what}")]
pub struct ReplayError {
    sim: String,
    process: u32,
    processes: u32,
    what: ProcessError,
}

/// What went wrong with a process.
#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error("it did not start or could not be heard: {0}")]
    Io(#[from] io::Error),
    #[error("it said what is no play: {0}")]
    Babble(#[from] serde_json::Error),
    #[error("it ended with {0}")]
    Ended(std::process::ExitStatus),
    #[error("it told {told} plays and was asked for {asked}")]
    Short { told: u32, asked: u32 },
}

/// What the replays of a case came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// The version of pulseless.
    pub pulseless: String,
    /// The sim's name.
    pub sim: String,
    /// The seed.
    pub seed: u64,
    /// The case's digest.
    pub expected: Digest,
    /// So many plays in each process.
    pub times: u32,
    /// So many processes.
    pub processes: u32,
    /// Whether every play had the case's digest.
    pub reproduced: bool,
    /// The digests that came, the case's first, then the most frequent ones.
    pub digests: Vec<Tallied>,
    /// Where plays part; none where all are the same.
    pub parting: Option<Parting>,
}

/// Where two plays part, and what was seen there when all was played again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parting {
    /// The two: the first is the case's, unless it never came and the plays differ among themselves.
    pub between: [Digest; 2],
    /// Between which checkpoints.
    pub stretch: Stretch,
    /// The digests that came when all was played again to keep the stretch.
    pub again: Vec<Tallied>,
    /// The first difference among those; none: it did not come back.
    pub difference: Option<Difference>,
}

impl<Start: Fn(Option<u64>) -> Command + Sync> Replay<'_, Start> {
    /// How many plays one round takes.
    #[must_use]
    pub fn plays(&self) -> u64 {
        u64::from(self.times) * u64::from(self.processes)
    }

    /// Plays all, and all once more if not every play has the case's digest. `on_play` is told how many plays have
    /// ended, and of how many.
    ///
    /// # Errors
    /// A process failed: our bug, or the system has no process to give.
    pub fn run(&self, on_play: impl Fn(u64, u64) + Sync) -> Result<Replayed, ReplayError> {
        let traces = self.round(None, |played| on_play(played, self.plays()))?;
        let case = self.case.trace();
        let parting = match traces.first_parting(&case) {
            Some((stretch, between)) => {
                let again =
                    self.round(Some(stretch.agreed), |played| on_play(self.plays() + played, 2 * self.plays()))?;
                let difference = again.first_difference(stretch.agreed);
                Some(Parting { between, stretch, again: again.tallied(), difference })
            }
            None => None,
        };
        Ok(Replayed {
            pulseless: env!("CARGO_PKG_VERSION").to_owned(),
            sim: self.case.sim.clone(),
            seed: self.case.seed,
            expected: self.case.digest,
            times: self.times,
            processes: self.processes,
            reproduced: parting.is_none(),
            digests: traces.tallied(),
            parting,
        })
    }

    /// All plays once, in as many processes at a time as there are processors.
    #[expect(clippy::disallowed_methods, reason = "the threads wait for processes, outside of any trial")]
    fn round(&self, keep_after: Option<u64>, on_play: impl Fn(u64) + Sync) -> Result<Traces, ReplayError> {
        let (next, json) = (AtomicU32::new(1), self.case.json());
        let traces = Mutex::new(Traces::new(self.case.digest));
        let take = |played| {
            let mut traces = traces.lock().unwrap_or_else(PoisonError::into_inner);
            match played {
                Played::New(trace) => traces.take(trace),
                Played::Again(digest) => {
                    traces.count(digest);
                }
            }
            on_play(traces.plays());
        };
        let work = || loop {
            let process = next.fetch_add(1, Ordering::Relaxed);
            if process > self.processes {
                return Ok(());
            }
            self.hear((self.start)(keep_after), &json, take).map_err(|what| {
                // The others end the process that they are at, and begin none.
                next.store(self.processes + 1, Ordering::Relaxed);
                ReplayError { sim: self.case.sim.clone(), process, processes: self.processes, what }
            })?;
        };
        let at_once = available_parallelism().map_or(1, usize::from).min(self.processes as usize);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
        })?;
        Ok(traces.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs one process to its end. It is waited for as long as it takes: a trial has limits of its own.
    fn hear(&self, mut command: Command, case: &str, take: impl Fn(Played)) -> Result<(), ProcessError> {
        let mut process = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let mut input = process.0.stdin.take().expect("it is piped");
        if input.write_all(case.as_bytes()).is_err() {
            // It ended before it read the case; its status says more than the broken pipe.
        }
        drop(input);
        let mut told = 0;
        for line in BufReader::new(process.0.stdout.take().expect("it is piped")).lines() {
            take(serde_json::from_str(&line?)?);
            told += 1;
        }
        let status = process.0.wait()?;
        if !status.success() {
            return Err(ProcessError::Ended(status));
        }
        if told == self.times { Ok(()) } else { Err(ProcessError::Short { told, asked: self.times }) }
    }
}

/// A process that does not outlive who listens to it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.kill().and_then(|()| self.0.wait()).is_err() {
            // It has ended and was waited for already, or the system will not say.
        }
    }
}
