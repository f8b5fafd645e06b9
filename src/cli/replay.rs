//! `pulseless replay`: the trial of a case file again, once or many times; the digest must be the same. Or with a
//! difference: a setting, or some of its clauses.

mod many;
mod variation;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::Command;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Exit;
use crate::cli::arguments::{ReplayArguments, TrialFormat};
use crate::cli::campaign::THIS_PROGRAM;
use crate::cli::output::{complain, misused, paint, print, show, try_print};
use crate::cli::program::subjects;
pub(crate) use crate::cli::replay::many::CaseLine;
use crate::cli::replay::many::{find_cases, replay_many, tell_verdicts};
use crate::cli::replay::variation::{Varied, flags, vary};
use crate::cli::run::{break_down, tell};
use crate::grammar::quantity::count;
use crate::report::{self, Reproduction, program_name, shell_word};
use crate::runner::{Case, CaseError, Replay, Stretch, Trace, numbers_to_keep, repeat};
use crate::sim::SimFile;
use crate::trial;

/// Where a worker finds its case: not in a file that could change between two processes.
const STANDARD_INPUT: &str = "/dev/stdin";

pub(crate) fn replay(arguments: &ReplayArguments) -> Exit {
    let cases = match find_cases(&arguments.cases) {
        Ok(cases) => cases,
        Err(why) => return misused(&why),
    };
    if arguments.verdict_only {
        return tell_verdicts(&cases, arguments);
    }
    match (cases.as_slice(), arguments.cases.as_slice()) {
        // A folder of one case is still a folder.
        ([path], [named]) if path == named => replay_case(path, arguments),
        (cases, _) if plays_often(arguments) || arguments.telling.tells_of_one() => misused(&format!(
            "{} are meant, and --times, --processes and what tells of one trial, such as --verbose, are for one",
            count(cases.len() as u64, "case")
        )),
        (cases, _) => replay_many(cases, arguments),
    }
}

fn plays_often(arguments: &ReplayArguments) -> bool {
    arguments.worker || arguments.times.is_some() || arguments.processes.is_some()
}

fn replay_case(path: &Path, arguments: &ReplayArguments) -> Exit {
    let varied = match vary(path, arguments) {
        Ok(varied) => varied,
        Err(unvaried) => return unvaried.refuse(path),
    };
    if arguments.worker {
        return work(&varied.case, &varied.sim, arguments);
    }
    if arguments.telling.format == TrialFormat::Text {
        print(&format!("seed {} (from {})\n", varied.case.seed, path.display()));
    }
    match (arguments.times, arguments.processes) {
        (None, None) => replay_once(&varied, path, arguments),
        _ if arguments.telling.format == TrialFormat::Jsonl => {
            complain(
                "--format jsonl prints the timeline of one play: leave out --times and --processes, or write json",
            );
            Exit::Usage
        }
        (times, processes) => {
            let case = match comparable(varied, path, arguments) {
                Ok(case) => case,
                Err(exit) => return exit,
            };
            replay_often(&case, times.unwrap_or(1), processes.unwrap_or(1), path, arguments)
        }
    }
}

/// A case, and the sim with the plan that it is played with.
pub(crate) fn open_case(path: &Path) -> Result<(Case, SimFile), CaseError> {
    let case = Case::read(path)?;
    let sim = case.sim(subjects())?;
    Ok((case, sim))
}

/// Says why a case file cannot be used.
pub(crate) fn refuse_case(path: &Path, error: &CaseError) -> Exit {
    match error {
        CaseError::Refused(refusal) => {
            complain(&format!("the case in {} is refused", path.display()));
            complain(&show(&**refusal));
        }
        CaseError::Io { .. }
        | CaseError::Truncated { .. }
        | CaseError::Foreign { .. }
        | CaseError::Format { .. }
        | CaseError::Name { .. } => {
            complain(&error.to_string());
        }
    }
    Exit::Usage
}

fn replay_once(varied: &Varied, path: &Path, arguments: &ReplayArguments) -> Exit {
    let Varied { case, sim, changes } = varied;
    let engine = arguments.engine.unwrap_or(case.engine);
    let again = format!("{}{}", again(path), flags(arguments));
    let outcome = match trial::play_on(sim, case.seed, engine) {
        Ok(outcome) => outcome,
        Err(error) => return break_down(&case.sim, &error, &again),
    };
    // Another engine, or another trial, gives another history; the verdict is what can be compared.
    if engine != case.engine || !changes.is_empty() {
        let reproduction = Reproduction::Changed { again, changes: changes.clone() };
        let told = tell(&outcome, &reproduction, &arguments.telling);
        return told.map_or_else(|exit| exit, |()| Exit::from(&outcome.conclusion));
    }
    let parting = Stretch::between(&case.trace(), &Trace::of(&outcome.history));
    let is_same = parting.is_none();
    let reproduction = Reproduction::Compared { again, before: case.digest, by: case.pulseless.clone(), parting };
    match (tell(&outcome, &reproduction, &arguments.telling), is_same) {
        (Err(exit), _) => exit,
        (Ok(()), true) => Exit::from(&outcome.conclusion),
        (Ok(()), false) => Exit::NotReproducible,
    }
}

/// The case, or, where another trial or another engine is played than it was recorded with, that of a first play.
fn comparable(varied: Varied, path: &Path, arguments: &ReplayArguments) -> Result<Case, Exit> {
    let Varied { case, sim, changes } = varied;
    let engine = arguments.engine.unwrap_or(case.engine);
    let why = match (engine == case.engine, changes.is_empty()) {
        (true, true) => return Ok(case),
        (false, _) => format!("{engine} plays, and {} recorded the case", case.engine),
        (true, false) => format!("not the trial that was recorded ({})", changes.join("; ")),
    };
    if arguments.telling.format == TrialFormat::Text {
        print(&format!("{why}: a first play takes the case's place\n"));
    }
    let played = trial::play_on(&sim, case.seed, engine);
    played.map(|outcome| Case::of(&outcome)).map_err(|error| break_down(&case.sim, &error, &again(path)))
}

fn replay_often(case: &Case, times: u32, processes: u32, path: &Path, arguments: &ReplayArguments) -> Exit {
    let start = |keep_after: Option<u64>| {
        let mut command = Command::new(THIS_PROGRAM);
        command.args(["replay", STANDARD_INPUT, "--worker", "--times", &times.to_string()]);
        command.args(keep_after.map(|events| format!("--keep-after={events}")));
        command
    };
    let bar = progress_bar();
    let replayed = Replay { case, times, processes, start }.run(|plays, of| {
        bar.set_length(of);
        bar.set_position(plays);
    });
    bar.finish_and_clear();
    let again = format!("{}{} --times {times} --processes {processes}", again(path), flags(arguments));
    match replayed {
        Ok(replayed) => {
            print(&match arguments.telling.format {
                TrialFormat::Text => report::replayed(&replayed, &again, paint()),
                TrialFormat::Json | TrialFormat::Jsonl => report::replayed_json(&replayed),
            });
            if replayed.reproduced { Exit::Pass } else { Exit::NotReproducible }
        }
        Err(error) => {
            complain(&format!("{error}\nthis is a bug of pulseless; reproduce it with: {again}"));
            Exit::OurBug
        }
    }
}

/// Plays in this process, and says after each play what it left.
fn work(case: &Case, sim: &SimFile, arguments: &ReplayArguments) -> Exit {
    let kept = arguments.keep_after.map_or(0..0, numbers_to_keep);
    let played = repeat(sim, case.seed, case.engine, arguments.times.unwrap_or(1), &kept, |played| {
        let line = serde_json::to_string(played).expect("what a play left is plain data") + "\n";
        if try_print(line.as_bytes()).is_err() {
            // Nobody listens any more, and nobody misses the rest.
            std::process::exit(Exit::OurBug.code().into());
        }
    });
    match played {
        Ok(()) => Exit::Pass,
        Err(error) => {
            // Who started this process says how to see it again.
            complain(&format!("failed to play {}: {error}", case.sim));
            Exit::OurBug
        }
    }
}

fn again(case: &Path) -> String {
    format!("{} replay {}", program_name(), shell_word(&case.to_string_lossy()))
}

fn progress_bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} plays, {per_sec}, {eta} left")
        .expect("the template is well formed");
    ProgressBar::new(0).with_style(style)
}
