//! The files that a failing trial of a test leaves behind: its case and, where the environment asks, a page and a small case.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;

use crate::campaign::shrink::{Shrinking, Shrunk};
use crate::harness::{TrialOutcome, place};
use crate::report::{self, ReportHead};
use crate::runner::{Case, write_whole};
use crate::trial;

/// A folder for pages.
const REPORT: &str = "PULSELESS_REPORT";
/// Any value but `0` asks for a small case.
const SHRINK: &str = "PULSELESS_SHRINK";
/// As many plays as the command line takes.
const PLAYS_MAX: u32 = 500;

/// Writes them; a line for each, or for why it could not be written.
pub(crate) fn write(outcome: &TrialOutcome) -> String {
    let mut lines = write_alone(outcome);
    if std::env::var_os(SHRINK).is_some_and(|value| value != "0") {
        lines += &tell("small", shrink(outcome, &Case::of(outcome.outcome())));
    }
    lines
}

/// Writes what takes no play.
pub(crate) fn write_alone(outcome: &TrialOutcome) -> String {
    let case = Case::of(outcome.outcome());
    let mut lines = vec![(
        "case",
        in_folder(&place::folder(), &format!("{}.case.json", outcome.stem()), |path| {
            case.write(path).map_err(|error| error.to_string())
        }),
    )];
    if let Some(folder) = std::env::var_os(REPORT) {
        let head = ReportHead { again: outcome.again(), caveat: None };
        let page = report::html(outcome.outcome(), &head);
        lines.push((
            "page",
            in_folder(Path::new(&folder), &format!("{}.html", outcome.stem()), |path| {
                write_whole(path, page.as_bytes()).map_err(|error| error.to_string())
            }),
        ));
    }
    lines.into_iter().map(|(what, done)| tell(what, done)).collect()
}

fn tell(what: &str, done: Result<String, String>) -> String {
    format!("{what:<8} {}\n", done.unwrap_or_else(|why| format!("not written: {why}")))
}

/// Writes a file into a folder, which it makes; where that is.
fn in_folder(folder: &Path, name: &str, write: impl FnOnce(&Path) -> Result<(), String>) -> Result<String, String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = folder.join(name);
    write(&path)?;
    // Whoever reads it may stand in another folder than the test: cargo runs that in the folder of its package.
    Ok(std::path::absolute(&path).unwrap_or(path).display().to_string())
}

/// Makes the case small, and writes it as a sim and as a case.
fn shrink(outcome: &TrialOutcome, case: &Case) -> Result<String, String> {
    let stop = AtomicBool::new(false);
    let small = Shrinking {
        case,
        subjects: outcome.subjects(),
        play: |sim: &_| trial::play_on(sim, case.seed, case.engine),
        plays: PLAYS_MAX,
        jobs: available_parallelism().map_or(1, NonZero::get),
        stop: &stop,
        on_play: |_, _| (),
    }
    .run()
    .map_err(|error| error.to_string())?;
    let Shrunk { before, after, case: small, .. } = small;
    let write = |ending: &str, text: &str| {
        in_folder(&place::folder(), &format!("{}{ending}", outcome.stem()), |path: &Path| {
            write_whole(path, text.as_bytes()).map_err(|error| error.to_string())
        })
    };
    let (sim, file) = (write(".small.toml", small.sim_text())?, write(".small.case.json", &small.json())?);
    Ok(format!(
        "{} of {} faults, {} of {} hosts: {sim}\n         PULSELESS_REPLAY={file} plays it in the same test",
        after.faults, before.faults, after.hosts, before.hosts
    ))
}
