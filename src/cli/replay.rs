//! `pulseless replay`: the trial of a case file again, once or many times; the digest must be the same.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::Command;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Exit;
use crate::cli::arguments::{ReplayArguments, TrialFormat};
use crate::cli::output::{complain, paint, print, show, try_print};
use crate::cli::run::{break_down, tell};
use crate::report::{self, Reproduction, shell_word};
use crate::runner::{Case, CaseError, Replay, Stretch, Trace, numbers_to_keep, repeat};
use crate::sim::SimFile;
use crate::subject::xmtp::SUBJECTS;
use crate::trial;

/// The program that runs, even if its file was replaced meanwhile (proc(5)): all processes play the same build.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// Where a worker finds its case: not in a file that could change between two processes.
const STANDARD_INPUT: &str = "/dev/stdin";

pub(crate) fn replay(arguments: &ReplayArguments) -> Exit {
    let (case, sim) = match open_case(&arguments.case) {
        Ok(read) => read,
        Err(error) => return refuse_case(&arguments.case, &error),
    };
    if arguments.worker {
        return work(&case, &sim, arguments);
    }
    if arguments.telling.format == TrialFormat::Text {
        print(&format!("seed {} (from {})\n", case.seed, arguments.case.display()));
    }
    match (arguments.times, arguments.processes) {
        (None, None) => replay_once(&case, &sim, arguments),
        _ if arguments.telling.format == TrialFormat::Jsonl => {
            complain(
                "--format jsonl prints the timeline of one play: leave out --times and --processes, or write json",
            );
            Exit::Usage
        }
        (times, processes) => {
            let case = match comparable(case, &sim, arguments) {
                Ok(case) => case,
                Err(exit) => return exit,
            };
            replay_often(&case, times.unwrap_or(1), processes.unwrap_or(1), arguments)
        }
    }
}

/// A case, and the sim with the plan that it is played with.
pub(crate) fn open_case(path: &Path) -> Result<(Case, SimFile), CaseError> {
    let case = Case::read(path)?;
    let sim = case.sim(SUBJECTS)?;
    Ok((case, sim))
}

/// Says why a case file cannot be used.
pub(crate) fn refuse_case(path: &Path, error: &CaseError) -> Exit {
    match error {
        CaseError::Refused(refusal) => {
            complain(&format!("the case in {} is refused", path.display()));
            complain(&show(&**refusal));
        }
        CaseError::Io { .. } | CaseError::Truncated { .. } | CaseError::Foreign { .. } | CaseError::Format { .. } => {
            complain(&error.to_string());
        }
    }
    Exit::Usage
}

fn replay_once(case: &Case, sim: &SimFile, arguments: &ReplayArguments) -> Exit {
    let engine = arguments.engine.unwrap_or(case.engine);
    let again = format!("{}{}", again(&arguments.case), engine_asked(arguments));
    let outcome = match trial::play_on(sim, case.seed, engine) {
        Ok(outcome) => outcome,
        Err(error) => return break_down(&case.sim, &error, &again),
    };
    // Another engine, or another plan, gives another history; the verdict is what can be compared.
    if engine != case.engine || case.is_edited(SUBJECTS) {
        let told = tell(&outcome, &Reproduction::Again(again), &arguments.telling);
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

/// The case, or, where another plan or another engine is played than it was recorded with, that of a first play.
fn comparable(case: Case, sim: &SimFile, arguments: &ReplayArguments) -> Result<Case, Exit> {
    let engine = arguments.engine.unwrap_or(case.engine);
    let why = match (engine == case.engine, case.is_edited(SUBJECTS)) {
        (true, false) => return Ok(case),
        (false, _) => format!("{engine} plays, and {} recorded the case", case.engine),
        (true, true) => "the plan is not the one that was recorded".to_owned(),
    };
    if arguments.telling.format == TrialFormat::Text {
        print(&format!("{why}: a first play takes the case's place\n"));
    }
    let played = trial::play_on(sim, case.seed, engine);
    played.map(|outcome| Case::of(&outcome)).map_err(|error| break_down(&case.sim, &error, &again(&arguments.case)))
}

fn replay_often(case: &Case, times: u32, processes: u32, arguments: &ReplayArguments) -> Exit {
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
    let asked = engine_asked(arguments);
    let again = format!("{}{asked} --times {times} --processes {processes}", again(&arguments.case));
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

/// The flag that asked for an engine, after a blank.
fn engine_asked(arguments: &ReplayArguments) -> String {
    arguments.engine.map(|engine| format!(" --engine {engine}")).unwrap_or_default()
}

fn again(case: &Path) -> String {
    format!("pulseless replay {}", shell_word(&case.to_string_lossy()))
}

fn progress_bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} plays, {per_sec}, {eta} left")
        .expect("the template is well formed");
    ProgressBar::new(0).with_style(style)
}
