//! `pulseless sweep`: sims with many seeds, in worker processes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::campaign::{Limit, NightReport, Nights, SEEDS_MAX, Sweep, SweepError, TrialSchedule};
use crate::cli::Exit;
use crate::cli::arguments::{Format, SweepArguments};
use crate::cli::campaign::{self, CampaignFlags, jobs};
use crate::cli::output::{complain, misused, print};
use crate::cli::program::subjects;
use crate::cli::run::refuse;
use crate::cli::seed::{self, SeedCount};
use crate::grammar::Seed;
use crate::grammar::quantity::count;
use crate::runner::{Digests, DigestsError, find_all_sims, read_sims};
use crate::sim::SimFile;

/// A day's sweeps of one name, at most: more than one a minute.
const FOLDERS_A_DAY_MAX: u32 = 10_000;
/// So many seeds where nothing else is said.
const SEEDS: u64 = 100;

pub(crate) fn sweep(arguments: &SweepArguments) -> Exit {
    let before = night_before(arguments);
    if let (Some(asked), Some(folder)) = (&arguments.against, &before)
        && let Err(error) = NightReport::read(folder)
    {
        return misused(&format!("cannot compare with {}: {error}", asked.display()));
    }
    match plan(arguments) {
        Ok(sweep) => {
            if arguments.format == Format::Text {
                announce(&sweep, arguments);
            }
            // Whoever goes on has it there already.
            if arguments.resume.is_none() {
                write_down(&sweep, before.as_deref());
            }
            campaign::run(&sweep, &CampaignFlags::of(arguments, before))
        }
        Err(exit) => exit,
    }
}

/// The report folder of the night before: the one that is asked for, or the latest, or, where a campaign is gone on with,
/// what it wrote down. What `latest` leads to is asked before it leads to this night.
fn night_before(arguments: &SweepArguments) -> Option<PathBuf> {
    if let Some(folder) = &arguments.against {
        let target = std::fs::read_link(folder).ok();
        let beside = |target: PathBuf| folder.parent().map_or_else(|| target.clone(), |parent| parent.join(&target));
        return Some(target.map_or_else(|| folder.clone(), beside));
    }
    match &arguments.resume {
        Some(folder) => Nights::against_of(folder),
        None => {
            let latest = std::fs::read_link(arguments.reports.join("latest")).ok()?;
            // One that never ended, or of an older version, is nothing to compare with: then the newest that is.
            let latest = Some(arguments.reports.join(latest)).filter(|folder| NightReport::read(folder).is_ok());
            latest.or_else(|| newest_night(&arguments.reports))
        }
    }
}

/// The night that began last of those whose reports are there.
fn newest_night(reports: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(reports).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let nights = folders.filter_map(|folder| Some((NightReport::read(&folder).ok()?.times.begun, folder)));
    nights.max().map(|(_, folder)| folder)
}

/// Whoever goes on with the campaign compares it with the same night.
fn write_down(sweep: &Sweep, before: Option<&Path>) {
    let against = before.map(|folder| folder.display().to_string());
    if (Nights { against, ..Nights::default() }).write(&sweep.folder).is_err() {
        // Nothing else can be written either, and the sweep will say so.
    }
}

/// What is to be played, and where the report goes.
fn plan(arguments: &SweepArguments) -> Result<Sweep, Exit> {
    let (jobs, _) = jobs(arguments.jobs, arguments.memory);
    let mut sweep = match &arguments.resume {
        Some(folder) => Sweep::resumed(folder, jobs, subjects()).map_err(|error| misused(&error.to_string()))?,
        None => begin(arguments, jobs)?,
    };
    sweep.limit = limit(arguments);
    sweep.shrink_plays = arguments.shrink;
    sweep.failures_max = arguments.max_failures.or(arguments.fail_fast.then_some(1));
    Ok(sweep)
}

#[expect(clippy::disallowed_methods, reason = "between trials time is real")]
fn limit(arguments: &SweepArguments) -> Limit {
    // A year has room in any clock.
    arguments.budget.and_then(|budget| Instant::now().checked_add(budget)).map_or(Limit::None, Limit::Until)
}

/// A new campaign, in a folder of its own.
fn begin(arguments: &SweepArguments, jobs: usize) -> Result<Sweep, Exit> {
    let sims = find(arguments)?;
    let schedule = TrialSchedule::new(sims, seeds(arguments)?, arguments.partition);
    let expected = expected(arguments, &schedule).map_err(|error| match error {
        DigestsError::Io { .. } => misused(&error.to_string()),
        DigestsError::Line { .. } | DigestsError::Missing { .. } => {
            misused(&format!("{error}; write one with `pulseless sweep --digests`"))
        }
    })?;
    let folder = make_folder(&arguments.reports, &name(&arguments.sims));
    let folder = folder.map_err(|error| misused(&format!("{error}; choose another with --reports")))?;
    let settings = arguments.settings.iter().map(ToString::to_string).collect();
    let (engine, limit) = (arguments.engine, Limit::None);
    Ok(Sweep { schedule, engine, settings, jobs, limit, failures_max: None, shrink_plays: 0, folder, expected })
}

/// The seeds that are asked for.
fn seeds(arguments: &SweepArguments) -> Result<std::ops::Range<u64>, Exit> {
    let first = match (&arguments.from, &arguments.seed_of_night) {
        (Some(Seed(first)), _) => *first,
        (None, Some(word)) => seed::of_night(&name_of_night(word)),
        (None, None) => 1,
    };
    let (first, many, flag) = match arguments.seeds {
        Some(SeedCount::Many(many)) => (first, many, "--seeds"),
        Some(SeedCount::Range(first, end)) if arguments.from.is_none() && arguments.seed_of_night.is_none() => {
            return Ok(first..end);
        }
        Some(SeedCount::Range(_, _)) => {
            return Err(misused(
                "--seeds A..B says where seeds begin, and so does --from or --seed-of-night: drop one",
            ));
        }
        None if arguments.budget.is_some() => (first, SEEDS_MAX.min(u64::MAX - first), "--for"),
        None => (first, SEEDS, "--seeds"),
    };
    match first.checked_add(many).filter(|end| *end > first) {
        Some(end) => Ok(first..end),
        None => Err(misused(&format!("--from {first} with {flag} {many} runs past the last seed, {}", u64::MAX))),
    }
}

/// Today, where the night has no name.
#[expect(clippy::disallowed_methods, reason = "the date chooses seeds, before any trial")]
fn name_of_night(word: &str) -> String {
    if word.is_empty() {
        jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
    } else {
        word.to_owned()
    }
}

/// What is about to be played: the seed comes first.
fn announce(sweep: &Sweep, arguments: &SweepArguments) {
    let (seeds, sims) = (&sweep.schedule.seeds, count(sweep.schedule.sims.len() as u64, "sim"));
    let night = arguments.seed_of_night.as_ref().map(|word| format!(" (the night of {})", name_of_night(word)));
    let seeds = match sweep.schedule.ours() {
        None => format!("seeds from {} on{}", seeds.start, night.unwrap_or_default()),
        Some(_) => format!("seeds {} to {}{}", seeds.start, seeds.end - 1, night.unwrap_or_default()),
    };
    let once = match sweep.schedule.played_once() {
        0 => String::new(),
        once => format!(" ({once} of them once, with their own)"),
    };
    let share = sweep.schedule.partition.map(|share| format!(", share {share}")).unwrap_or_default();
    let (jobs, folder) = (sweep.jobs, sweep.folder.display());
    print(&format!("{seeds} of {sims}{once}{share}, {jobs} at a time, into {folder}\n"));
}

/// The digests that the trials are to have; finds out as well whether theirs can be written.
fn expected(arguments: &SweepArguments, schedule: &TrialSchedule) -> Result<Option<Digests>, DigestsError> {
    if let Some(path) = &arguments.digests {
        Digests::try_writing(path)?;
    }
    let Some(path) = &arguments.compare else { return Ok(None) };
    let expected = Digests::read(path)?;
    // A trial that is compared with nothing would pass for one that agrees.
    let trials = (0..schedule.trials()).map(|number| schedule.trial(number)).filter(|trial| schedule.is_ours(*trial));
    expected.cover(path, trials.map(|trial| (&schedule.sims[trial.sim], trial.seed)))?;
    Ok(Some(expected))
}

/// The sims that are asked for.
fn find(arguments: &SweepArguments) -> Result<Vec<SimFile>, Exit> {
    let found = find_all_sims(&arguments.sims, &arguments.exclude).map_err(|error| refuse(&error))?;
    for path in &found.foreign {
        complain(&format!("{} is left out: it has neither a title nor a promise, and is no sim", path.display()));
    }
    let mut sims = read_sims(subjects(), &found.sims, &arguments.settings).map_err(|error| refuse(&error))?;
    let cites =
        |sim: &SimFile, number: &String| sim.cites.iter().any(|cited| cited.number.eq_ignore_ascii_case(number));
    if let Some(unknown) = arguments.cites.iter().find(|number| !sims.iter().any(|sim| cites(sim, number))) {
        return Err(misused(&format!(
            "none of {} is about {unknown}; `pulseless list` says what each is about",
            count(sims.len() as u64, "sim")
        )));
    }
    sims.retain(|sim| arguments.cites.is_empty() || arguments.cites.iter().any(|number| cites(sim, number)));
    Ok(sims)
}

/// What a report folder is called after: the one file or folder that is played.
fn name(paths: &[PathBuf]) -> String {
    match paths {
        [path] => path.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
        _ => None,
    }
    .unwrap_or_else(|| "sims".to_owned())
}

/// `<reports>/<date>-<name>`, with a number where that is taken, and `latest` pointing to it.
#[expect(clippy::disallowed_methods, reason = "the date is for who looks for a report, and no trial sees it")]
fn make_folder(reports: &Path, name: &str) -> Result<PathBuf, SweepError> {
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
