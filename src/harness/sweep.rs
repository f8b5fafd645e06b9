//! A test's trial with many seeds.

use std::fmt;
use std::io::{self, Write};
use std::num::NonZero;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::campaign::{FailureGroup, InProcess, Limit, Progress, Stop, Summary, Sweep, TrialSchedule};
use crate::harness::again::TestName;
use crate::harness::outcome::{self, case_of_environment, is_case_of, play_seed, replay, seed_of_environment};
use crate::harness::place;
use crate::harness::trial::ReadTrial;
use crate::report;
use crate::runner::Case;
use crate::trial::{EngineKind, LastWords};

/// Trials of many seeds that were played, grouped by cause where they failed.
pub struct SweptTrials {
    read: ReadTrial,
    test: TestName,
    summary: Summary,
    folder: PathBuf,
    /// The case that was played instead of all, and its file.
    replayed: Option<(String, Case)>,
}

/// Who waits for a sweep hears so often how it stands: a test says nothing else while it runs.
const SAYS_EVERY: Duration = Duration::from_secs(10);

/// Says where a sweep stands.
struct SweepTeller {
    asked: Option<u64>,
    begun: Instant,
    /// When it said so last, since it began.
    said: Mutex<Duration>,
}

#[expect(clippy::disallowed_methods, reason = "between trials time is real")]
impl SweepTeller {
    fn new(asked: Option<u64>) -> Self {
        SweepTeller { asked, begun: Instant::now(), said: Mutex::default() }
    }

    fn tell(&self, progress: &Progress<'_>) {
        let elapsed = self.begun.elapsed();
        if self.is_due(elapsed) {
            let line = report::sweep_standing(progress, self.asked, elapsed);
            // Nobody captures it; where nobody hears it, nothing is lost.
            drop(io::stderr().write_all(format!("pulseless: {line}\n").as_bytes()));
        }
    }

    fn is_due(&self, elapsed: Duration) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = elapsed.saturating_sub(*said) >= SAYS_EVERY;
        if is_due {
            *said = elapsed;
        }
        is_due
    }
}

/// Plays those seeds, as many at a time as the machine has processors.
pub(crate) fn play(mut read: ReadTrial, test: TestName, seeds: Range<u64>) -> Result<SweptTrials, String> {
    // A seed or a case of the environment is the only one that is played: the line of a failure plays that failure.
    let only = |seed: u64| seed..seed.saturating_add(1);
    let mut seeds = seed_of_environment()?.map_or(seeds, only);
    let replayed = case_of_environment()?.filter(|(_, case)| is_case_of(case, &read));
    if let Some((_, case)) = &replayed {
        read.sim = case.sim(read.subjects).map_err(|error| error.to_string())?;
        seeds = only(case.seed);
    }
    let folder = place::folder().join(format!("{}-sweep", test.file_stem()));
    let failed = |error: std::io::Error| format!("failed to make the folder {}: {error}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(failed)?;
    }
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let sweep = Sweep {
        schedule: TrialSchedule::new(vec![read.sim.clone()], seeds, None),
        engine: EngineKind::Leap,
        settings: Vec::new(),
        jobs: available_parallelism().map_or(1, NonZero::get),
        limit: Limit::None,
        failures_max: None,
        shrink_plays: 0,
        folder: folder.clone(),
        expected: None,
    };
    let last_words = outcome::last_words(&test, read.subjects, "from the sweep".to_owned(), None);
    let start = || InProcess {
        sims: &sweep.schedule.sims,
        engine: EngineKind::Leap,
        subjects: read.subjects,
        last_words: Some(LastWords::clone(&last_words)),
    };
    let teller = SweepTeller::new(sweep.schedule.ours());
    let swept = sweep
        .run(&Stop::default(), false, start, |progress| teller.tell(&progress))
        .map_err(|error| format!("failed to sweep: {error}"))?;
    if let Some(error) = swept.error {
        return Err(format!("failed to sweep: {error}"));
    }
    Ok(SweptTrials { read, test, summary: swept.summary, folder, replayed })
}

impl SweptTrials {
    /// How many trials were played.
    #[must_use]
    pub fn played(&self) -> u64 {
        self.summary.tally.played()
    }

    /// How many kept their promise.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.summary.tally.pass
    }

    /// The causes of those that did not, the most frequent first.
    #[must_use]
    pub fn groups(&self) -> &[FailureGroup] {
        &self.summary.groups
    }

    /// Asserts that every trial kept its promise.
    ///
    /// # Panics
    /// One did not. The message has the causes with their seeds, and the story of the first; its last line plays that seed again.
    #[track_caller]
    pub fn assert_passed(&self) {
        if let Some(first) = self.groups().first() {
            panic!("{}", self.complaint(first));
        }
    }

    fn complaint(&self, first: &FailureGroup) -> String {
        let mut text = format!("of {} trials {} passed; the others by their causes:\n", self.played(), self.passed());
        for group in self.groups() {
            let seeds: Vec<&str> = group.sims.values().map(|seeds| seeds.all.as_str()).collect();
            text += &format!("  {} {}: {} (seeds {})\n", group.ended, group.count, group.why, seeds.join(","));
        }
        text += &format!("report   {}\n\n", self.folder.display());
        let (read, test) = (&self.read, self.test.clone());
        let again = match &self.replayed {
            Some((path, case)) => replay(read, test, case, path.clone()),
            None => {
                let seed = first.sims.values().map(|seeds| seeds.first).next().unwrap_or_default();
                play_seed(read, test, seed, ("from the sweep".to_owned(), None))
            }
        };
        text + &again.map_or_else(|why| why, |outcome| outcome.complaint(&outcome.conclusion().to_string()))
    }
}

impl fmt::Debug for SweptTrials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (played, passed) = (self.played(), self.passed());
        formatter.debug_struct("SweptTrials").field("played", &played).field("passed", &passed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sweep_says_every_ten_seconds_where_it_stands() {
        let teller = SweepTeller::new(Some(100));
        let told: Vec<u64> = (0..35).filter(|second| teller.is_due(Duration::from_secs(*second))).collect();
        assert_eq!(told, [10, 20, 30]);
    }
}
