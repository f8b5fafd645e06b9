//! `pulseless sweep`: sims with many seeds.

use std::io::{self, IsTerminal};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Exit;
use crate::cli::arguments::{Format, SweepArguments};
use crate::cli::output::{complain, paint, print};
use crate::cli::run::refuse;
use crate::cli::seed::Seed;
use crate::grammar::quantity::count;
use crate::report;
use crate::runner::{Deviation, Digests, DigestsError, LibraryError, Sweep, SweepError, Tally, find_sims, read_sims};
use crate::sim::SimFile;
use crate::subject::xmtp::SUBJECTS;

/// A day's sweeps of one name, at most: more than one a minute.
const FOLDERS_A_DAY_MAX: u32 = 10_000;

pub(crate) fn sweep(arguments: &SweepArguments) -> Exit {
    let sims = match find(arguments) {
        Ok(sims) => sims,
        Err(error) => return refuse(&error),
    };
    let Seed(first) = arguments.from;
    let Some(end) = first.checked_add(arguments.seeds) else {
        return misused(&format!(
            "--from {first} with --seeds {} runs past the last seed, {}",
            arguments.seeds,
            u64::MAX
        ));
    };
    let expected = match expected(arguments, &sims, first..end) {
        Ok(expected) => expected,
        Err(error @ DigestsError::Io { .. }) => return misused(&error.to_string()),
        Err(error @ (DigestsError::Line { .. } | DigestsError::Missing { .. })) => {
            return misused(&format!("{error}; write one with `pulseless sweep --digests`"));
        }
    };
    let folder = match make_folder(&arguments.reports, &arguments.sims) {
        Ok(folder) => folder,
        Err(error) => return misused(&format!("{error}; choose another with --reports")),
    };
    let jobs = arguments.jobs.map(usize::from).or_else(|| available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let (engine, fail_fast) = (arguments.engine, arguments.fail_fast);
    let sweep = Sweep { sims, seeds: first..end, engine, jobs, fail_fast, folder, expected };
    if arguments.format == Format::Text {
        print(&format!(
            "seeds {first} to {} of {}, {jobs} at a time, into {}\n",
            end - 1,
            count(sweep.sims.len() as u64, "sim"),
            sweep.folder.display()
        ));
    }
    play(&sweep, arguments)
}

fn misused(why: &str) -> Exit {
    complain(why);
    Exit::Usage
}

/// The digests that the trials are to have; finds out as well whether theirs can be written.
fn expected(arguments: &SweepArguments, sims: &[SimFile], seeds: Range<u64>) -> Result<Option<Digests>, DigestsError> {
    if let Some(path) = &arguments.digests {
        Digests::try_writing(path)?;
    }
    let Some(path) = &arguments.compare else { return Ok(None) };
    let expected = Digests::read(path)?;
    // A trial that is compared with nothing would pass for one that agrees.
    expected.cover(path, sims, seeds)?;
    Ok(Some(expected))
}

fn play(sweep: &Sweep, arguments: &SweepArguments) -> Exit {
    let stop = Arc::new(AtomicBool::new(false));
    let interrupt = stop.clone();
    // Without a handler Ctrl-C would lose what was found; with none to be had the sweep still runs.
    let mut interrupts = 0;
    let on_interrupt = move || {
        interrupts += 1;
        if interrupts > 1 {
            complain("interrupted again: the trials under way are cut off, and no summary is written");
            std::process::exit(Exit::Unknown.code().into());
        }
        interrupt.store(true, Ordering::Relaxed);
        complain(
            "interrupted: the trials under way are played to their end, then the summary is written; a second interrupt \
             ends at once",
        );
    };
    if let Err(error) = ctrlc::set_handler(on_interrupt) {
        complain(&format!("failed to catch Ctrl-C ({error}): an interrupt will lose the summary"));
    }
    let bar = progress_bar(sweep.trials());
    let digests = Mutex::new(Digests::default());
    let played = sweep.run(&stop, |progress| {
        if let Some(digest) = progress.digest.filter(|_| arguments.digests.is_some()) {
            digests.lock().unwrap_or_else(PoisonError::into_inner).insert(progress.sim, progress.seed, digest);
        }
        bar.set_position(progress.tally.trials());
        bar.set_message(report::sweep_progress(&progress));
    });
    bar.finish_and_clear();
    let summary = match played {
        Ok(summary) => summary,
        Err(error) => return misused(&error.to_string()),
    };
    let path = sweep.folder.display().to_string();
    print(&match arguments.format {
        Format::Text => report::sweep_summary(&summary, &path, paint()),
        Format::Json => report::sweep_json(&summary),
    });
    if let (Format::Text, Some(path), None) = (arguments.format, &arguments.compare, &summary.deviation) {
        let trials = count(summary.tally.trials() - summary.tally.broken, "digest");
        print(&format!("{trials} as in {}\n", path.display()));
    }
    if let Some(path) = &arguments.digests
        && let Err(error) = digests.into_inner().unwrap_or_else(PoisonError::into_inner).write(path)
    {
        return misused(&error.to_string());
    }
    exit_of(summary.tally, summary.stopped_early, summary.deviation.as_ref())
}

/// The worst that was found; a sweep that was stopped before it found anything wrong does not know.
fn exit_of(tally: Tally, stopped_early: bool, deviation: Option<&Deviation>) -> Exit {
    match tally {
        Tally { broken: 1.., .. } => Exit::OurBug,
        // What cannot be reproduced says little about promises.
        Tally { .. } if deviation.is_some() => Exit::NotReproducible,
        Tally { fail: 1.., .. } => Exit::Fail,
        Tally { unknown: 1.., .. } => Exit::Unknown,
        Tally { pass: 0, .. } => Exit::NothingRan,
        Tally { .. } if stopped_early => Exit::Unknown,
        Tally { .. } => Exit::Pass,
    }
}

fn progress_bar(trials: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} trials, {per_sec}, {eta} left  {msg}")
        .expect("the template is well formed");
    ProgressBar::new(trials).with_style(style)
}

fn find(arguments: &SweepArguments) -> Result<Vec<SimFile>, LibraryError> {
    read_sims(SUBJECTS, &find_sims(&arguments.sims)?, &arguments.settings)
}

/// `<reports>/<date>-<name>`, with a number where that is taken, and `latest` pointing to it.
#[expect(clippy::disallowed_methods, reason = "the date is for who looks for a report, and no trial sees it")]
fn make_folder(reports: &Path, sims: &Path) -> Result<PathBuf, SweepError> {
    let name = sims.file_stem().map_or_else(|| "sims".into(), |stem| stem.to_string_lossy().into_owned());
    let date = jiff::Zoned::now().date();
    std::fs::create_dir_all(reports).map_err(|error| SweepError::Folder { path: reports.to_owned(), error })?;
    for number in 1..=FOLDERS_A_DAY_MAX {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let folder = format!("{date}-{name}{suffix}");
        let path = reports.join(&folder);
        match std::fs::create_dir(&path) {
            Ok(()) => {
                point_latest(&reports.join("latest"), &folder);
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(SweepError::Folder { path, error }),
        }
    }
    let error = io::Error::other(format!("{FOLDERS_A_DAY_MAX} report folders of this name exist for {date}"));
    Err(SweepError::Folder { path: reports.to_owned(), error })
}

/// A convenience: where it cannot be made, the report is complete without it.
fn point_latest(link: &Path, folder: &str) {
    if link.is_symlink() && std::fs::remove_file(link).is_err() {
        return;
    }
    if let Err(error) = std::os::unix::fs::symlink(folder, link) {
        complain(&format!("failed to point {} to {folder}: {error}", link.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_exits_with_the_worst_it_found_and_is_unsure_when_stopped() {
        let tally = |pass, fail, unknown, broken| Tally { pass, fail, unknown, broken, skipped: 1 };
        for (tally, stopped_early, exit) in [
            (tally(3, 0, 0, 0), false, Exit::Pass),
            (tally(3, 0, 0, 0), true, Exit::Unknown),
            (tally(3, 1, 1, 0), true, Exit::Fail),
            (tally(3, 0, 1, 0), false, Exit::Unknown),
            (tally(3, 1, 1, 1), false, Exit::OurBug),
            (tally(0, 0, 0, 0), true, Exit::NothingRan),
        ] {
            assert_eq!(exit_of(tally, stopped_early, None), exit, "{tally:?}");
        }
    }

    #[test]
    fn another_digest_outweighs_everything_but_our_bugs() {
        let [expected, digest] = ["0", "1"].map(|digit| digit.repeat(32).parse().expect("a digest"));
        let deviation = Deviation { sim: "calm".to_owned(), seed: 7, expected, digest };
        for (fail, broken, exit) in [(0, 0, Exit::NotReproducible), (1, 0, Exit::NotReproducible), (1, 1, Exit::OurBug)]
        {
            let tally = Tally { pass: 1, fail, unknown: 0, broken, skipped: 0 };
            assert_eq!(exit_of(tally, true, Some(&deviation)), exit, "{tally:?}");
        }
    }
}
