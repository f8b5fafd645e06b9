//! `pulseless shrink`: a failing case made small, as a case and as a sim of its own.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;

use indicatif::{ProgressBar, ProgressStyle};

use crate::campaign::shrink::{ShrinkError, Shrinking, Shrunk};
use crate::cli::Exit;
use crate::cli::arguments::{Format, ShrinkArguments};
use crate::cli::output::{complain, misused, paint, print};
use crate::cli::program::subjects;
use crate::cli::replay::refuse_case;
use crate::cli::run::break_down;
use crate::grammar::quantity::count;
use crate::report::{self, program_name, shell_word};
use crate::runner::{Case, write_whole};
use crate::trial::play_on;

pub(crate) fn shrink(arguments: &ShrinkArguments) -> Exit {
    let case = match Case::read(&arguments.case) {
        Ok(case) => case,
        Err(error) => return refuse_case(&arguments.case, &error),
    };
    let folder = match folder(arguments) {
        Ok(folder) => folder,
        Err(why) => return misused(&why),
    };
    let stop = Arc::new(AtomicBool::new(false));
    catch_interrupts(&stop);
    if arguments.format == Format::Text {
        print(&format!("seed {} (from {})\n", case.seed, arguments.case.display()));
    }
    let bar = progress_bar(arguments.plays);
    let shrunk = Shrinking {
        case: &case,
        subjects: subjects(),
        play: |sim: &_| play_on(sim, case.seed, case.engine),
        plays: arguments.plays,
        jobs: arguments.jobs.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from),
        stop: &stop,
        on_play: |plays: u32, faults: usize| {
            bar.set_position(plays.into());
            bar.set_message(format!("{} left", count(faults as u64, "fault")));
        },
    }
    .run();
    bar.finish_and_clear();
    match shrunk {
        Ok(shrunk) => write(&shrunk, &folder, arguments),
        Err(error) => refuse(&error, &case, &arguments.case),
    }
}

/// Where the files go; it exists.
fn folder(arguments: &ShrinkArguments) -> Result<PathBuf, String> {
    // Beside a pipe there is no place for files.
    let file = Some(&arguments.case).filter(|case| case.is_file());
    let beside = || file.and_then(|case| case.parent()).map(Path::to_owned).unwrap_or_default();
    let folder = arguments.into.clone().unwrap_or_else(beside);
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    let failed = |error| format!("failed to make the folder {}: {error}; choose another with --into", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    Ok(folder)
}

fn write(shrunk: &Shrunk, folder: &Path, arguments: &ShrinkArguments) -> Exit {
    let path = |ending: &str| match folder == Path::new(".") {
        true => PathBuf::from(format!("{}{ending}", shrunk.case.sim)),
        false => folder.join(format!("{}{ending}", shrunk.case.sim)),
    };
    let (sim, case) = (path(".toml"), path(".shrunk.case.json"));
    // What it found is told first: a full disk must not lose it.
    let (sim_told, case_told) = (sim.display().to_string(), case.display().to_string());
    let written = write_whole(&sim, shrunk.case.sim_text().as_bytes())
        .map_err(|error| format!("failed to write {sim_told}: {error}"))
        .and_then(|()| shrunk.case.write(&case).map_err(|error| error.to_string()));
    print(&match arguments.format {
        Format::Text => report::shrunk(shrunk, &sim_told, &case_told, paint()),
        Format::Json => report::shrunk_json(shrunk, &sim_told, &case_told),
    });
    match written {
        Ok(()) => Exit::Pass,
        Err(why) => {
            complain(&format!("{why}; choose another folder with --into"));
            Exit::Io
        }
    }
}

fn refuse(error: &ShrinkError, case: &Case, path: &Path) -> Exit {
    let again = format!("{} replay {}", program_name(), shell_word(&path.to_string_lossy()));
    match error {
        ShrinkError::Case(error) => refuse_case(path, error),
        ShrinkError::Play(error) => break_down(&case.sim, error, &again),
        ShrinkError::NoFailure { .. } => misused(&format!("failed to {error}")),
        ShrinkError::Seed(_) => misused(&error.to_string()),
        ShrinkError::Mended { .. } => {
            complain(&format!("{error}\nsee it with: {again}"));
            Exit::Unknown
        }
        ShrinkError::AnotherDigest { .. } => {
            complain(&format!("{error}\nsee where they part with: {again}"));
            Exit::NotReproducible
        }
    }
}

/// The first interrupt ends it with what there is; the second at once.
fn catch_interrupts(stop: &Arc<AtomicBool>) {
    let stop = stop.clone();
    let on_interrupt = move || {
        if stop.swap(true, Ordering::Relaxed) {
            complain("interrupted again: nothing is written");
            std::process::exit(Exit::Unknown.code().into());
        }
        complain("interrupted: what is left by now is played once more and written; a second interrupt ends at once");
    };
    if let Err(error) = ctrlc::set_handler(on_interrupt) {
        complain(&format!("failed to catch Ctrl-C ({error}): an interrupt will lose what was found"));
    }
}

fn progress_bar(plays: u32) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos} plays of {len} at most, {msg}")
        .expect("the template is well formed");
    ProgressBar::new(plays.into()).with_style(style)
}
