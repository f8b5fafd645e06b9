//! A sweep: every sim with every seed, on a few threads, into a report folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::history::Digest;
use crate::runner::trials::Trials;
use crate::runner::{Case, CaseError, Deviation, Digests};
use crate::sim::SimFile;
use crate::trial::{Conclusion, EngineKind, PlayError, play_on};

/// What to play.
pub struct Sweep {
    /// The sims.
    pub sims: Vec<SimFile>,
    /// The seeds, each with every sim that is not to be played [once](SimFile::once).
    pub seeds: Range<u64>,
    /// What plays them. What it cannot express is skipped.
    pub engine: EngineKind,
    /// So many trials at a time.
    pub jobs: usize,
    /// Stop at the first trial that does not pass.
    pub fail_fast: bool,
    /// Where the report goes; it exists.
    pub folder: PathBuf,
    /// The digests that the trials are to have; the sweep stops at the first that has another.
    pub expected: Option<Digests>,
}

/// Why a sweep could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The report folder cannot be made.
    #[error("failed to make the report folder {}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The summary cannot be written.
    #[error("failed to write {}: {error}", path.display())]
    Summary {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A case cannot be written.
    #[error(transparent)]
    Case(#[from] CaseError),
}

/// How many trials came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The promise was kept.
    pub pass: u64,
    /// It was broken.
    pub fail: u64,
    /// The trial shows too little.
    pub unknown: u64,
    /// The trial could not be played: our bug.
    pub broken: u64,
    /// The engine cannot express the trial.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
}

/// Whether a number is not worth a word in a summary.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tally {
    /// All trials, those that were skipped among them.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.played() + self.skipped
    }

    /// All trials that were played, or should have been.
    #[must_use]
    pub fn played(&self) -> u64 {
        self.pass + self.fail + self.unknown + self.broken
    }

    fn add(&mut self, ending: &Ending) {
        match ending {
            Ending::Concluded(Conclusion::Pass) => self.pass += 1,
            Ending::Concluded(Conclusion::Fail(_)) => self.fail += 1,
            Ending::Concluded(Conclusion::Unknown(_)) => self.unknown += 1,
            Ending::Broken(_) => self.broken += 1,
            Ending::Skipped(_) => self.skipped += 1,
        }
    }
}

/// How one trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It was played and judged.
    Concluded(Conclusion),
    /// It could not be played: our bug.
    Broken(String),
    /// The engine cannot express it: what of it, and why.
    Skipped(Vec<String>),
}

/// One trial that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The sim's name.
    pub sim: String,
    /// The seed.
    pub seed: u64,
    /// How it ended.
    pub ending: Ending,
    /// The case file beside the summary that `replay` takes; none where nothing could be played.
    pub case: Option<String>,
}

/// What a sweep found; `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of pulseless.
    pub pulseless: String,
    /// What played the trials; leap where the file does not say.
    #[serde(default, skip_serializing_if = "EngineKind::is_default")]
    pub engine: EngineKind,
    /// How many trials were asked for.
    pub asked: u64,
    /// Whether it ended before all were played.
    pub stopped_early: bool,
    /// All trials together.
    pub tally: Tally,
    /// By sim.
    pub sims: BTreeMap<String, Tally>,
    /// Those that did not pass, by sim and seed.
    pub failures: Vec<Failure>,
    /// By sim: what the engine cannot express, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, BTreeSet<String>>,
    /// The first trial whose digest is not the expected one.
    pub deviation: Option<Deviation>,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Trials in each second of wall time.
    pub trials_per_second: f64,
}

/// One trial has ended.
pub struct Progress<'a> {
    /// So far.
    pub tally: Tally,
    /// How many trials were asked for.
    pub asked: u64,
    /// The sim of this trial.
    pub sim: &'a str,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub ending: &'a Ending,
    /// Its digest; none where nothing could be played.
    pub digest: Option<Digest>,
}

#[derive(Default)]
struct SweepState {
    tally: Tally,
    sims: BTreeMap<String, Tally>,
    failures: Vec<Failure>,
    skipped: BTreeMap<String, BTreeSet<String>>,
    deviation: Option<Deviation>,
    error: Option<SweepError>,
}

impl Sweep {
    /// How many trials it takes.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.list().count()
    }

    fn list(&self) -> Trials<'_> {
        Trials::of(&self.sims, self.seeds.clone())
    }

    /// Plays until all trials are played, or `stop` is set, or a trial fails and `fail_fast` is on, or one has another
    /// digest than was expected. What was found until then is written in any case.
    ///
    /// # Errors
    /// The report cannot be written.
    #[expect(clippy::disallowed_methods, reason = "between trials time is real, and threads share out whole trials")]
    pub fn run(&self, stop: &AtomicBool, on_progress: impl Fn(Progress<'_>) + Sync) -> Result<Summary, SweepError> {
        let begun = Instant::now();
        let (next, found) = (AtomicU64::new(0), Mutex::new(SweepState::default()));
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&next, &found, stop, &on_progress));
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.failures.sort_by(|one, other| (&one.sim, one.seed).cmp(&(&other.sim, other.seed)));
        let seconds = begun.elapsed().as_secs_f64();
        let summary = Summary {
            pulseless: env!("CARGO_PKG_VERSION").to_owned(),
            engine: self.engine,
            asked: self.trials(),
            stopped_early: found.tally.trials() < self.trials(),
            tally: found.tally,
            sims: found.sims,
            failures: found.failures,
            skipped: found.skipped,
            deviation: found.deviation,
            seconds,
            trials_per_second: found.tally.played() as f64 / seconds,
        };
        write_summary(&self.folder, &summary)?;
        found.error.map_or(Ok(summary), Err)
    }

    fn work(
        &self,
        next: &AtomicU64,
        found: &Mutex<SweepState>,
        stop: &AtomicBool,
        on_progress: &(impl Fn(Progress<'_>) + Sync),
    ) {
        let trials = self.list();
        while !stop.load(Ordering::Relaxed) {
            let Some((sim, seed)) = trials.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let (ending, case) = play_one(sim, seed, self.engine);
            let digest = case.as_ref().map(|case| case.digest);
            let deviation = digest.and_then(|digest| self.expected.as_ref()?.deviation(&sim.name, seed, digest));
            let passed = matches!(ending, Ending::Concluded(Conclusion::Pass) | Ending::Skipped(_));
            if self.fail_fast && !passed || deviation.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = found.take(self, sim, seed, &ending, case) {
                stop.store(true, Ordering::Relaxed);
                found.error.get_or_insert(error);
            }
            found.deviation = found.deviation.take().or(deviation);
            let (tally, asked) = (found.tally, trials.count());
            on_progress(Progress { tally, asked, sim: &sim.name, seed, ending: &ending, digest });
        }
    }
}

impl SweepState {
    fn take(
        &mut self,
        sweep: &Sweep,
        sim: &SimFile,
        seed: u64,
        ending: &Ending,
        case: Option<Case>,
    ) -> Result<(), SweepError> {
        self.tally.add(ending);
        self.sims.entry(sim.name.clone()).or_default().add(ending);
        match ending {
            Ending::Concluded(Conclusion::Pass) => return Ok(()),
            Ending::Skipped(reasons) => {
                self.skipped.entry(sim.name.clone()).or_default().extend(reasons.iter().cloned());
                return Ok(());
            }
            Ending::Concluded(Conclusion::Fail(_) | Conclusion::Unknown(_)) | Ending::Broken(_) => {}
        }
        let name = format!("{}-seed-{seed}.case.json", sim.name);
        let file = case.is_some().then(|| name.clone());
        self.failures.push(Failure { sim: sim.name.clone(), seed, ending: ending.clone(), case: file });
        case.map_or(Ok(()), |case| Ok(case.write(&sweep.folder.join(name))?))
    }
}

fn play_one(sim: &SimFile, seed: u64, engine: EngineKind) -> (Ending, Option<Case>) {
    match play_on(sim, seed, engine) {
        Ok(outcome) => (Ending::Concluded(outcome.conclusion.clone()), Some(Case::of(&outcome))),
        Err(PlayError::Inexpressible { reasons, .. }) => (Ending::Skipped(reasons), None),
        Err(error @ (PlayError::Engine(_) | PlayError::Panic(_))) => (Ending::Broken(error.to_string()), None),
    }
}

fn write_summary(folder: &Path, summary: &Summary) -> Result<(), SweepError> {
    let path = folder.join("summary.json");
    let json = serde_json::to_string_pretty(summary).expect("a summary is plain data");
    fs::write(&path, json + "\n").map_err(|error| SweepError::Summary { path, error })
}
