//! A sweep: the trials of a schedule, several at a time, into a report folder that can be gone on with.
//!
//! Refuses to know who plays a trial, and how progress is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use serde::Serialize;

use crate::campaign::group::{CASES_KEPT, Failure, group};
use crate::campaign::journal::{Journal, JournalLine, put_in_order, read_journal};
use crate::campaign::ledger::Ledger;
use crate::campaign::shrinks::shrink_groups;
use crate::campaign::{
    Coverage, FailureCause, FailureGroup, Header, JournalError, Player, ScheduledTrial, Stopped, Summary, Tally, Task,
    TaskAnswer, Times, TrialEnd, TrialSchedule,
};
use crate::runner::{Case, CaseError, Deviation, Digests, write_whole};
use crate::subject::Subjects;
use crate::trial::EngineKind;

/// The layout of a summary that this version writes.
pub(crate) const SUMMARY_FORMAT: u32 = 2;
/// Where nothing else is said; twenty-five were enough for one storm in two.
pub const SHRINK_PLAYS: u32 = 200;
/// Cases are put away at the end; until then so many more may wait for each cause.
const CASES_WRITTEN: usize = 4 * CASES_KEPT;

/// What to play, and until when.
pub struct Sweep {
    /// The trials.
    pub schedule: TrialSchedule,
    /// What plays them. What it cannot express is skipped.
    pub engine: EngineKind,
    /// What was changed in every sim, as it was asked for.
    pub settings: Vec<String>,
    /// So many trials at a time.
    pub jobs: usize,
    /// What ends it before all is played.
    pub limit: Limit,
    /// Begin no trial after so many that did not pass.
    pub failures_max: Option<u64>,
    /// The first case of each group is made small, in so many plays at most; 0 leaves them as they are.
    pub shrink_plays: u32,
    /// Where the report goes; it exists.
    pub folder: PathBuf,
    /// The digests that the trials are to have; the sweep stops at the first that has another.
    pub expected: Option<Digests>,
}

/// What ends a sweep before all is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nothing.
    None,
    /// No trial begins after this.
    Until(Instant),
    /// No trial begins at all: what is there is summed up.
    NothingMore,
}

/// Why a sweep could not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The report folder cannot be made.
    #[error("failed to make the report folder {}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file of the report cannot be written.
    #[error("failed to write {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A case cannot be written.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Who asks a sweep to stop, and how urgently.
#[derive(Default)]
pub struct Stop(AtomicU8);

impl Stop {
    /// Asks, and says how often it was asked: once, no trial begins any more; twice, those under way are cut off.
    pub fn ask(&self) -> u8 {
        self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Whether no trial is to begin any more.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Whether the trials under way are to be cut off.
    #[must_use]
    pub fn cuts_off(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

/// One trial has ended.
pub struct Progress<'a> {
    /// So far.
    pub tally: Tally,
    /// How many failures of each cause there are so far.
    pub causes: &'a BTreeMap<FailureCause, u64>,
    /// The sim of this trial.
    pub sim: &'a str,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub ended: &'a TrialEnd,
}

/// What a sweep found, and what became of its files: one that cannot be written does not take with it what was found.
pub struct Swept {
    /// What was found.
    pub summary: Summary,
    /// When, and how fast.
    pub times: Times,
    /// What was put to the test.
    pub coverage: Coverage,
    /// The digests of the trials that have one.
    pub digests: Digests,
    /// The first file that could not be written.
    pub error: Option<SweepError>,
}

#[derive(Default)]
struct SweepState {
    tally: Tally,
    sims: BTreeMap<String, Tally>,
    failures: Vec<Failure>,
    causes: BTreeMap<FailureCause, u64>,
    skipped: BTreeMap<String, BTreeSet<String>>,
    /// The numbers of the trials that have ended, as far as they are behind one that has not.
    ended: BTreeSet<u64>,
    /// All of ours below this number have ended.
    complete: u64,
    keeps_digests: bool,
    digests: Digests,
    deviation: Option<Deviation>,
    ledger: Option<Ledger>,
    error: Option<SweepError>,
}

/// What the threads of a sweep share.
struct SharedSweep<'a> {
    stop: &'a Stop,
    /// Enough was seen: no trial is to begin any more.
    has_enough: AtomicBool,
    next: AtomicU64,
    state: Mutex<SweepState>,
}

impl SharedSweep<'_> {
    fn lock(&self) -> MutexGuard<'_, SweepState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sweep {
    /// A sweep that goes on with the campaign of a folder: the same schedule, engine and settings.
    ///
    /// # Errors
    /// The folder holds no campaign, or one of another version.
    pub fn resumed(folder: &Path, jobs: usize, subjects: Subjects) -> Result<Self, SweepError> {
        let (header, _) = read_journal(folder, |_, _| Ok(()))?;
        let schedule = header.schedule(folder, subjects)?;
        Ok(Sweep::of_header(header, schedule, folder, jobs))
    }

    /// The sweep of that head, into a folder.
    pub(crate) fn of_header(header: Header, schedule: TrialSchedule, folder: &Path, jobs: usize) -> Self {
        Sweep {
            schedule,
            engine: header.engine,
            settings: header.settings,
            jobs,
            limit: Limit::None,
            failures_max: None,
            shrink_plays: SHRINK_PLAYS,
            folder: folder.to_owned(),
            expected: None,
        }
    }

    /// The head of its journal.
    #[must_use]
    pub fn header(&self) -> Header {
        Header::of(&self.schedule, self.engine, &self.settings)
    }

    /// Plays what is not in the journal of its folder yet, until all is played, or it is stopped, or time is up, or a trial has another digest than was expected.
    /// Each of the players that `start` makes plays on a thread of its own.
    ///
    /// # Errors
    /// The journal cannot be begun, or gone on with.
    #[expect(clippy::disallowed_methods, reason = "between trials time is real, and threads share out whole trials")]
    pub fn run<P: Player>(
        &self,
        stop: &Stop,
        keeps_digests: bool,
        start: impl Fn() -> P + Sync,
        on_progress: impl Fn(Progress<'_>) + Sync,
    ) -> Result<Swept, SweepError> {
        let begun = Instant::now();
        let begun_at = SystemTime::now();
        let state = self.begin(keeps_digests)?;
        let played_before = state.tally.played();
        let (has_enough, next) = (AtomicBool::new(false), AtomicU64::new(state.complete));
        let shared = SharedSweep { stop, has_enough, next, state: Mutex::new(state) };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&shared, &mut start(), &on_progress));
            }
        });
        let mut state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (groups, summary) = self.summarise(&mut state, stop, &start);
        let coverage = self.finish_ledger(&mut state);
        let seconds = begun.elapsed().as_secs_f64();
        let played = summary.tally.played() - played_before;
        let times = Times {
            begun: humantime::format_rfc3339(begun_at).to_string(),
            seconds,
            trials: Some(played),
            trials_per_second: played as f64 / seconds.max(f64::EPSILON),
        };
        let written = self.write(&state, &groups, &summary, &times);
        let error = state.error.take().or(written.err());
        Ok(Swept { summary, times, coverage, digests: state.digests, error })
    }

    fn finish_ledger(&self, state: &mut SweepState) -> Coverage {
        let Some(ledger) = state.ledger.take() else { return Coverage::new() };
        let (coverage, written) = ledger.finish(&self.schedule.sims);
        if let Err(error) = written {
            state.error.get_or_insert(error.into());
        }
        coverage
    }

    /// What the journal of the folder knows already, and the journal to go on with.
    fn begin(&self, keeps_digests: bool) -> Result<SweepState, SweepError> {
        let mut state = SweepState { keeps_digests, ..SweepState::default() };
        // Before it is read: what another process adds meanwhile would be lost.
        let held = Journal::hold(&self.folder)?;
        let read = read_journal(&self.folder, |line, _| {
            let number = self.schedule.number(&line.sim, line.seed);
            let number = number.ok_or_else(|| format!("{} seed {} is not of the campaign", line.sim, line.seed))?;
            if state.has(number) {
                return Err(format!("{} seed {} stands twice: take one of the two lines out", line.sim, line.seed));
            }
            state.take(&self.schedule, self.schedule.trial(number), line.ended);
            Ok(())
        });
        let journal = match read {
            Ok((_, whole)) => held.map(|file| (file, whole)),
            Err(JournalError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let has_ended = |sim: &str, seed| self.schedule.number(sim, seed).is_some_and(|number| state.has(number));
        let ledger = Ledger::open(&self.folder, &self.header(), journal, has_ended)?;
        state.ledger = Some(ledger);
        Ok(state)
    }

    #[expect(clippy::disallowed_methods, reason = "between trials time is real")]
    fn is_over(&self, shared: &SharedSweep<'_>) -> bool {
        shared.stop.is_asked()
            || shared.has_enough.load(Ordering::Relaxed)
            || match self.limit {
                Limit::None => false,
                Limit::Until(until) => Instant::now() >= until,
                Limit::NothingMore => true,
            }
    }

    fn work(&self, shared: &SharedSweep<'_>, player: &mut impl Player, on_progress: &(impl Fn(Progress<'_>) + Sync)) {
        while !self.is_over(shared) {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.schedule.trials() {
                return;
            }
            let trial = self.schedule.trial(number);
            if !self.schedule.is_ours(trial) || shared.lock().has(number) {
                continue;
            }
            let task = Task { sim: trial.sim, seed: trial.seed, families: None };
            let Some(answer) = player.play(&task, &|| shared.stop.cuts_off()) else { return };
            let mut state = shared.lock();
            if let Err(error) = state.record(self, trial, &answer) {
                state.error.get_or_insert(error);
            }
            let has_too_many = self.failures_max.is_some_and(|most| state.tally.bad() >= most);
            if has_too_many || state.deviation.is_some() || state.error.is_some() {
                shared.has_enough.store(true, Ordering::Relaxed);
            }
            let sim = &self.schedule.sims[trial.sim].name;
            let (tally, causes) = (state.tally, &state.causes);
            on_progress(Progress { tally, causes, sim, seed: trial.seed, ended: &answer.ended });
        }
    }

    /// Groups what did not pass, and sums up. Where somebody is waiting for the end, no failure is asked what it needs.
    fn summarise<P: Player>(
        &self,
        state: &mut SweepState,
        stop: &Stop,
        start: &(impl Fn() -> P + Sync),
    ) -> (Vec<(FailureGroup, Vec<ScheduledTrial>)>, Summary) {
        let player = &mut start();
        state.failures.sort_by_key(|failure| failure.trial.number);
        let mut groups = group(&state.failures, &self.schedule, |trial, families| {
            if stop.is_asked() {
                return None;
            }
            let task = Task { sim: trial.sim, seed: trial.seed, families: Some(families.clone()) };
            player.play(&task, &|| stop.cuts_off())?.ended.cause()
        });
        for (group, trials) in &mut groups {
            match self.keep_cases(trials, stop, player) {
                Ok(cases) => group.cases = cases,
                Err(error) => {
                    state.error.get_or_insert(error);
                }
            }
        }
        let all = groups.iter_mut().map(|(group, _)| group);
        if let Err(error) = shrink_groups(all, &self.folder, self.shrink_plays, self.jobs, stop, start) {
            state.error.get_or_insert(error);
        }
        let asked = self.schedule.ours();
        let summary = Summary {
            format: SUMMARY_FORMAT,
            pulseless: env!("CARGO_PKG_VERSION").to_owned(),
            engine: self.engine,
            settings: self.settings.clone(),
            partition: self.schedule.partition.map(|partition| partition.to_string()),
            from: self.schedule.seeds.start,
            complete_to: self.schedule.complete_to(state.complete),
            asked,
            stopped: self.stopped(asked, state, stop),
            tally: state.tally,
            sims: state.sims.clone(),
            groups: groups.iter().map(|(group, _)| group.clone()).collect(),
            skipped: state.skipped.clone(),
            deviation: state.deviation.clone(),
        };
        (groups, summary)
    }

    /// What ended the sweep before all was played.
    fn stopped(&self, asked: Option<u64>, state: &SweepState, stop: &Stop) -> Option<Stopped> {
        // Where somebody waited for the end, failures were not all asked what they need, nor all made small.
        let is_cut_short = stop.is_asked() && !state.failures.is_empty();
        if asked.is_some_and(|asked| state.tally.trials() >= asked) && !is_cut_short {
            return None;
        }
        Some(match self.limit {
            _ if stop.is_asked() => Stopped::Interrupted,
            _ if state.error.is_some() => Stopped::Unwritable,
            _ if state.deviation.is_some() => Stopped::Deviated,
            _ if self.failures_max.is_some_and(|most| state.tally.bad() >= most) => Stopped::Failed,
            Limit::None | Limit::NothingMore => Stopped::Missing,
            Limit::Until(_) => Stopped::TimeUp,
        })
    }

    /// The cases of the first trials of a group, the one with the fewest events in front. One that is not there, because another share of
    /// the campaign had enough of its cause, is played again.
    fn keep_cases(
        &self,
        trials: &[ScheduledTrial],
        stop: &Stop,
        player: &mut impl Player,
    ) -> Result<Vec<String>, SweepError> {
        let mut kept = Vec::new();
        for trial in trials.iter().take(CASES_KEPT) {
            let name = self.case_name(*trial);
            let path = self.folder.join(&name);
            if let Ok(case) = Case::read(&path) {
                kept.push((case.events, name));
                continue;
            }
            let task = Task { sim: trial.sim, seed: trial.seed, families: None };
            let again = if stop.is_asked() { None } else { player.play(&task, &|| stop.cuts_off()) };
            if let Some(case) = again.and_then(|answer| answer.case) {
                case.write(&path)?;
                kept.push((case.events, name));
            }
        }
        kept.sort();
        Ok(kept.into_iter().map(|(_, name)| name).collect())
    }

    fn case_name(&self, trial: ScheduledTrial) -> String {
        format!("{}-seed-{}.case.json", self.schedule.sims[trial.sim].name, trial.seed)
    }

    /// Writes what is left at the end: the journal in order, the summary, the times; takes away the cases that no group
    /// keeps.
    fn write(
        &self,
        state: &SweepState,
        groups: &[(FailureGroup, Vec<ScheduledTrial>)],
        summary: &Summary,
        times: &Times,
    ) -> Result<(), SweepError> {
        let kept: BTreeSet<&String> = groups.iter().flat_map(|(group, _)| &group.cases).collect();
        for failure in &state.failures {
            let name = self.case_name(failure.trial);
            if !kept.contains(&name) && fs::remove_file(self.folder.join(&name)).is_err() {
                // It was never written.
            }
        }
        write_json(&self.folder, "summary.json", summary)?;
        write_json(&self.folder, "times.json", times)?;
        if state.error.is_none() {
            let number = |sim: &str, seed| self.schedule.number(sim, seed);
            put_in_order(&self.folder, &self.header(), std::slice::from_ref(&self.folder), number)?;
        }
        Ok(())
    }
}

impl SweepState {
    /// Writes down how a trial ended, and keeps its case while its cause has few.
    fn record(&mut self, sweep: &Sweep, trial: ScheduledTrial, answer: &TaskAnswer) -> Result<(), SweepError> {
        let sim = &sweep.schedule.sims[trial.sim].name;
        let digest = answer.ended.digest();
        let deviation = digest.and_then(|digest| sweep.expected.as_ref()?.deviation(sim, trial.seed, digest));
        self.deviation = self.deviation.take().or(deviation);
        self.take(&sweep.schedule, trial, answer.ended.clone());
        let of_cause = answer.ended.cause().and_then(|cause| self.causes.get(&cause)).copied().unwrap_or_default();
        if let Some(case) = answer.case.as_ref().filter(|_| of_cause <= CASES_WRITTEN as u64) {
            case.write(&sweep.folder.join(sweep.case_name(trial)))?;
        }
        // After the case: what is in the journal is not played again.
        let line = JournalLine { sim: sim.clone(), seed: trial.seed, ended: answer.ended.clone() };
        match &mut self.ledger {
            Some(ledger) => Ok(ledger.add(&line, answer.seen.as_deref())?),
            None => Ok(()),
        }
    }

    /// Counts a trial that has ended.
    fn take(&mut self, schedule: &TrialSchedule, trial: ScheduledTrial, ended: TrialEnd) {
        let sim = &schedule.sims[trial.sim].name;
        self.tally.add(&ended);
        self.sims.entry(sim.clone()).or_default().add(&ended);
        if let Some(digest) = ended.digest().filter(|_| self.keeps_digests) {
            self.digests.insert(sim, trial.seed, digest);
        }
        if let Some(cause) = ended.cause() {
            *self.causes.entry(cause).or_default() += 1;
        }
        self.complete(schedule, trial.number);
        match ended {
            TrialEnd::Pass(_) => {}
            TrialEnd::Skipped(reasons) => self.skipped.entry(sim.clone()).or_default().extend(reasons),
            ended @ (TrialEnd::Fail(_) | TrialEnd::Unknown(_) | TrialEnd::Broken(_) | TrialEnd::NoRoom(_)) => {
                self.failures.push(Failure { trial, ended })
            }
        }
    }

    /// A trial is over, or somebody else's.
    fn complete(&mut self, schedule: &TrialSchedule, number: u64) {
        self.ended.insert(number);
        while self.ended.remove(&self.complete)
            || self.complete < schedule.trials() && !schedule.is_ours(schedule.trial(self.complete))
        {
            self.complete += 1;
        }
    }

    fn has(&self, number: u64) -> bool {
        number < self.complete || self.ended.contains(&number)
    }
}

/// Writes a file of the report, whole or not at all.
pub(crate) fn write_json(folder: &Path, name: &str, data: &impl Serialize) -> Result<(), SweepError> {
    let path = folder.join(name);
    let json = serde_json::to_string_pretty(data).expect("a report is plain data") + "\n";
    write_whole(&path, json.as_bytes()).map_err(|error| SweepError::Io { path, error })
}
