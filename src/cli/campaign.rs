//! Runs a campaign for the command line: workers, interrupts, progress, what it found, and what that is worth.
//!
//! Refuses to know what is played.

use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::campaign::{
    NightReport, Nights, Stop, Stopped, Summary, Sweep, SweepError, Swept, Tally, Times, WorkerProcess,
};
use crate::cli::arguments::{Format, MergeArguments, SweepArguments};
use crate::cli::output::{complain, paint, print};
use crate::cli::timelines::timelines;
use crate::cli::{Exit, memory};
use crate::grammar::quantity::count;
use crate::report;
use crate::runner::write_whole;

/// The program that runs, even if its file was replaced meanwhile (proc(5)): all its processes play the same build.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";
/// The page of a night, in its report folder.
pub(crate) const NIGHT_PAGE: &str = "index.html";
/// How often a sweep without a terminal says where it stands.
const SAYS_EVERY: Duration = Duration::from_secs(60);

/// What was asked for besides the trials.
pub(crate) struct CampaignFlags {
    format: Format,
    digests: Option<PathBuf>,
    compare: Option<PathBuf>,
    /// The report folder of the night before.
    against: Option<PathBuf>,
    trial_limit: Duration,
    memory_each: u64,
}

impl CampaignFlags {
    /// The night before is `before`.
    pub(crate) fn of(arguments: &SweepArguments, before: Option<PathBuf>) -> Self {
        CampaignFlags {
            against: before,
            format: arguments.format,
            digests: arguments.digests.clone(),
            compare: arguments.compare.clone(),
            trial_limit: arguments.trial_limit,
            memory_each: jobs(arguments.jobs, arguments.memory).1,
        }
    }

    pub(crate) fn merging(arguments: &MergeArguments) -> Self {
        let (format, against) = (arguments.format, arguments.against.clone());
        let trial_limit = Duration::from_secs(600);
        CampaignFlags { format, digests: None, compare: None, against, trial_limit, memory_each: jobs(None, None).1 }
    }
}

/// So many trials at a time, and so many bytes for each.
pub(crate) fn jobs(asked: Option<u16>, bytes: Option<u64>) -> (usize, u64) {
    let jobs = asked.map(usize::from).or_else(|| available_parallelism().ok().map(usize::from)).unwrap_or(1);
    match bytes.or_else(memory::available) {
        Some(bytes) => memory::share(jobs, bytes),
        None => (jobs, u64::MAX),
    }
}

/// Runs a sweep to its end, and says what it found.
pub(crate) fn run(sweep: &Sweep, asked: &CampaignFlags) -> Exit {
    let stop = Arc::new(Stop::default());
    catch_interrupts(&stop);
    let header = sweep.header();
    let start = || WorkerProcess::new(|| worker(asked.memory_each), &header, asked.trial_limit);
    let teller = Teller::new(sweep);
    let swept = sweep.run(&stop, asked.digests.is_some(), start, |progress| teller.tell(&progress));
    teller.bar.finish_and_clear();
    match swept {
        Ok(swept) => tell(sweep, swept, asked),
        Err(error) => {
            complain(&error.to_string());
            exit_of_error(&error)
        }
    }
}

/// A worker in a process group of its own: an interrupt from the terminal is the sweep's to act on.
fn worker(memory: u64) -> Command {
    let mut command = Command::new(THIS_PROGRAM);
    command.args(["worker", "--memory", &memory.to_string()]).process_group(0);
    command
}

pub(crate) fn catch_interrupts(stop: &Arc<Stop>) {
    let interrupted = Arc::clone(stop);
    let on_interrupt = move || match interrupted.ask() {
        1 => complain(
            "interrupted: the trials under way are played to their end, then the summary is written; a second interrupt \
             cuts them off",
        ),
        2 => complain("interrupted again: the trials under way are cut off, and the summary is written"),
        _ => std::process::exit(Exit::Unknown.code().into()),
    };
    if let Err(error) = ctrlc::set_handler(on_interrupt) {
        complain(&format!("failed to catch Ctrl-C ({error}): an interrupt will lose the summary; --resume goes on"));
    }
}

/// Says where a sweep stands: on a terminal always, elsewhere once a minute.
struct Teller {
    bar: ProgressBar,
    asked: Option<u64>,
    begun: Instant,
    said: Mutex<Instant>,
}

#[expect(clippy::disallowed_methods, reason = "between trials time is real")]
impl Teller {
    fn new(sweep: &Sweep) -> Self {
        let asked = sweep.schedule.ours();
        let bar = match (io::stderr().is_terminal(), asked) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(trials)) => ProgressBar::new(trials).with_style(
                ProgressStyle::with_template("{bar:30} {pos}/{len} trials, {per_sec}, {eta} left  {msg}")
                    .expect("the template is well formed"),
            ),
            (true, None) => ProgressBar::no_length().with_style(
                ProgressStyle::with_template("{spinner} {pos} trials, {per_sec}, {elapsed}  {msg}")
                    .expect("the template is well formed"),
            ),
        };
        let now = Instant::now();
        Teller { bar, asked, begun: now, said: Mutex::new(now) }
    }

    fn tell(&self, progress: &crate::campaign::Progress<'_>) {
        self.bar.set_position(progress.tally.trials());
        self.bar.set_message(report::sweep_progress(progress));
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bar.is_hidden() && said.elapsed() >= SAYS_EVERY {
            *said = Instant::now();
            complain(&report::sweep_standing(progress, self.asked, self.begun.elapsed()));
        }
    }
}

/// Says what was found before anything else can go wrong.
fn tell(sweep: &Sweep, swept: Swept, asked: &CampaignFlags) -> Exit {
    let Swept { summary, times, coverage, digests, error } = swept;
    let (nights, uncompared) = compare(&summary, &times, asked.against.as_deref());
    let night = NightReport { summary, times, nights, coverage };
    let folder = sweep.folder.display().to_string();
    print(&match asked.format {
        Format::Text => report::sweep_summary(&night, &folder, paint()),
        Format::Json => report::sweep_json(&night, &folder),
    });
    let mut exit = exit_of(&night.summary);
    if let (Format::Text, Some(path), None) = (asked.format, &asked.compare, &night.summary.deviation) {
        let trials = count(night.summary.tally.trials() - night.summary.tally.broken, "digest");
        print(&format!("{trials} as in {}\n", path.display()));
    }
    if let Some(why) = uncompared {
        complain(&why);
        exit = if exit == Exit::Pass { Exit::Unknown } else { exit };
    }
    if let Some(error) = error.or(night.nights.write(&sweep.folder).err()) {
        complain(&error.to_string());
        exit = exit_of_error(&error);
    }
    let page = sweep.folder.join(NIGHT_PAGE);
    if let Err(error) =
        write_whole(&page, report::night_page(&night, &folder, &timelines(&night, &sweep.folder)).as_bytes())
    {
        complain(&format!("failed to write {}: {error}", page.display()));
        exit = Exit::Io;
    }
    if let Some(path) = &asked.digests
        && let Err(error) = digests.write(path)
    {
        complain(&error.to_string());
        exit = Exit::Io;
    }
    exit
}

/// How the night stands to the one before, and why it cannot be told where it cannot.
fn compare(summary: &Summary, times: &Times, against: Option<&Path>) -> (Nights, Option<String>) {
    let date = times.date();
    match against.map(|folder| (folder, NightReport::read(folder))) {
        None => (Nights::first(summary, &date), None),
        Some((folder, Ok(before))) => (Nights::against(summary, &date, &folder.display().to_string(), &before), None),
        Some((_, Err(error))) => {
            let why = format!("the night before cannot be compared with, and all is told as new: {error}");
            (Nights::first(summary, &date), Some(why))
        }
    }
}

/// What a file of the report that cannot be had is worth.
fn exit_of_error(error: &SweepError) -> Exit {
    use crate::campaign::JournalError;
    match error {
        SweepError::Journal(
            JournalError::Missing { .. }
            | JournalError::Foreign { .. }
            | JournalError::Version { .. }
            | JournalError::Busy { .. }
            | JournalError::Refused(_),
        )
        | SweepError::Folder { .. } => Exit::Usage,
        SweepError::Journal(JournalError::Io { .. }) | SweepError::Io { .. } | SweepError::Case(_) => Exit::Io,
    }
}

/// The worst that was found; a sweep that was stopped before it found anything wrong does not know, unless it was to
/// stop when its time was up.
fn exit_of(summary: &Summary) -> Exit {
    match summary.tally {
        Tally { broken: 1.., fail: 0, .. } if summary.lacked_room_only() => Exit::Usage,
        Tally { broken: 1.., .. } if !summary.lacked_room_only() => Exit::OurBug,
        // What cannot be reproduced says little about promises.
        Tally { .. } if summary.deviation.is_some() => Exit::NotReproducible,
        Tally { fail: 1.., .. } => Exit::Fail,
        Tally { unknown: 1.., .. } => Exit::Unknown,
        Tally { pass: 0, .. } => Exit::NothingRan,
        Tally { .. } => match summary.stopped {
            None | Some(Stopped::TimeUp) => Exit::Pass,
            Some(
                Stopped::Failed | Stopped::Interrupted | Stopped::Deviated | Stopped::Unwritable | Stopped::Missing,
            ) => Exit::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::runner::Deviation;
    use crate::trial::EngineKind;

    fn summary(pass: u64, fail: u64, unknown: u64, broken: u64, stopped: Option<Stopped>) -> Summary {
        Summary {
            format: 2,
            pulseless: String::new(),
            engine: EngineKind::Leap,
            settings: Vec::new(),
            partition: None,
            from: 1,
            complete_to: None,
            asked: Some(10),
            stopped,
            tally: Tally { pass, fail, unknown, broken, skipped: 1 },
            sims: BTreeMap::new(),
            groups: Vec::new(),
            skipped: BTreeMap::new(),
            deviation: None,
        }
    }

    #[test]
    fn a_sweep_exits_with_the_worst_it_found_and_is_unsure_when_stopped() {
        for (summary, exit) in [
            (summary(3, 0, 0, 0, None), Exit::Pass),
            (summary(3, 0, 0, 0, Some(Stopped::TimeUp)), Exit::Pass),
            (summary(3, 0, 0, 0, Some(Stopped::Interrupted)), Exit::Unknown),
            (summary(3, 0, 0, 0, Some(Stopped::Missing)), Exit::Unknown),
            (summary(3, 1, 1, 0, Some(Stopped::Failed)), Exit::Fail),
            (summary(3, 0, 1, 0, None), Exit::Unknown),
            (summary(3, 1, 1, 1, None), Exit::OurBug),
            (summary(0, 0, 0, 0, Some(Stopped::TimeUp)), Exit::NothingRan),
        ] {
            assert_eq!(exit_of(&summary), exit, "{:?} {:?}", summary.tally, summary.stopped);
        }
    }

    #[test]
    fn another_digest_outweighs_everything_but_our_bugs() {
        let [expected, digest] = ["0", "1"].map(|digit| digit.repeat(32).parse().expect("a digest"));
        for (fail, broken, exit) in [(0, 0, Exit::NotReproducible), (1, 0, Exit::NotReproducible), (1, 1, Exit::OurBug)]
        {
            let mut summary = summary(1, fail, 0, broken, Some(Stopped::Deviated));
            summary.deviation = Some(Deviation { sim: "calm".to_owned(), seed: 7, expected, digest });
            assert_eq!(exit_of(&summary), exit);
        }
    }
}
