//! `pulseless run`: one sim, one seed, one verdict.

use crate::cli::arguments::{Format, RunArguments};
use crate::cli::output::{complain, paint, print, show};
use crate::cli::{Exit, seed};
use crate::report::{self, Reproduction, shell_word};
use crate::runner::{LibraryError, read_sim};
use crate::subject::xmtp::SUBJECTS;
use crate::trial::{self, EngineKind, Outcome, PlayError};
use crate::world::EngineError;

pub(crate) fn run(arguments: &RunArguments) -> Exit {
    let sim = match read_sim(SUBJECTS, &arguments.sim, &arguments.settings) {
        Ok(sim) => sim,
        Err(error) => return refuse(&error),
    };
    let (seed, chooser) = match seed::choose(arguments.seed, sim.seed) {
        Ok(chosen) => chosen,
        Err(bad) => {
            complain(&bad);
            return Exit::Usage;
        }
    };
    // The seed comes first: whatever happens now can be played again.
    if arguments.format == Format::Text {
        print(&format!("seed {seed} ({chooser})\n"));
    }
    let settings = arguments.settings.iter().map(|setting| format!(" --set {}", shell_word(&setting.to_string())));
    let again = format!(
        "pulseless run {} --seed {seed}{}{}",
        shell_word(&arguments.sim.to_string_lossy()),
        settings.collect::<String>(),
        engine_flag(arguments.engine)
    );
    match trial::play_on(&sim, seed, arguments.engine) {
        Ok(outcome) => {
            tell(&outcome, Reproduction::Again(again), arguments.verbose, arguments.format);
            Exit::from(&outcome.conclusion)
        }
        Err(error) => break_down(&sim.name, &error, &again),
    }
}

/// The flag that asks for an engine, after a blank; nothing for the one that plays unless asked.
pub(crate) fn engine_flag(engine: EngineKind) -> String {
    if engine.is_default() { String::new() } else { format!(" --engine {engine}") }
}

/// Says that a trial could not be played: the engine cannot express it, the machine is too small, or it is
/// our bug; then also how to see it again.
pub(crate) fn break_down(sim: &str, error: &PlayError, again: &str) -> Exit {
    match error {
        PlayError::Inexpressible { engine, reasons } => {
            complain(&format!("failed to play {sim}: {engine} cannot express it"));
            reasons.iter().for_each(|reason| complain(&format!("  {reason}")));
            Exit::Usage
        }
        PlayError::Engine(EngineError::NoRoom { .. }) => {
            complain(&format!("failed to play {sim}: {error}"));
            Exit::Usage
        }
        PlayError::Engine(_) | PlayError::Panic(_) => {
            complain(&format!("failed to play {sim}: {error}\nthis is a bug of pulseless; reproduce it with: {again}"));
            Exit::OurBug
        }
    }
}

/// Prints an outcome as asked.
pub(crate) fn tell(outcome: &Outcome, reproduction: Reproduction, verbose: bool, format: Format) {
    match format {
        Format::Json => print(&report::outcome_json(outcome)),
        Format::Text => {
            if verbose {
                print(&report::timeline(&outcome.history));
            }
            print(&report::outcome(outcome, &reproduction, paint()));
        }
    }
}

/// Says why sims cannot be had.
pub(crate) fn refuse(error: &LibraryError) -> Exit {
    match error {
        LibraryError::Refused { path, refusal } => {
            complain(&format!("{} is refused", path.display()));
            complain(&show(&**refusal));
            Exit::Usage
        }
        LibraryError::Unreadable { .. }
        | LibraryError::Folder { .. }
        | LibraryError::NotText { .. }
        | LibraryError::Case { .. }
        | LibraryError::SameName { .. } => {
            complain(&error.to_string());
            Exit::Usage
        }
        LibraryError::Empty { .. } => {
            complain(&error.to_string());
            Exit::NothingRan
        }
    }
}
