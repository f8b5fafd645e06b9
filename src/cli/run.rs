//! `pulseless run`: one sim, one seed, one verdict.

use crate::cli::arguments::{RunArguments, TellingArguments, TrialFormat};
use crate::cli::output::{complain, paint, print, show};
use crate::cli::program::subjects;
use crate::cli::{Exit, across, seed};
use crate::grammar::Naming;
use crate::report::{self, Reproduction, Selection, SelectionError, program_name, shell_word};
use crate::runner::{LibraryError, read_sim};
use crate::trial::{self, EngineKind, Outcome, PlayError};

pub(crate) fn run(arguments: &RunArguments) -> Exit {
    let sim = match read_sim(subjects(), &arguments.sim, &arguments.settings) {
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
    if let Some(names) = &arguments.across_profiles {
        return across::across(arguments, names, &sim, (seed, chooser));
    }
    // The seed comes first: whatever happens now can be played again.
    if arguments.telling.format == TrialFormat::Text {
        print(&format!("seed {seed} ({chooser})\n"));
    }
    let again = again(arguments, seed) + &engine_flag(arguments.engine);
    match trial::play_on(&sim, seed, arguments.engine) {
        Ok(outcome) => match tell(&outcome, &Reproduction::Again(again), &arguments.telling) {
            Ok(()) => Exit::from(&outcome.conclusion),
            Err(exit) => exit,
        },
        Err(error) => break_down(&sim.name, &error, &again),
    }
}

/// The command that plays the sim with that seed.
pub(crate) fn again(arguments: &RunArguments, seed: u64) -> String {
    let settings = arguments.settings.iter().map(|setting| format!(" --set {}", shell_word(&setting.to_string())));
    let sim = shell_word(&arguments.sim.to_string_lossy());
    format!("{} run {sim} --seed {seed}{}", program_name(), settings.collect::<String>())
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
        PlayError::Engine(_) if error.lacks_room() => {
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
pub(crate) fn tell(outcome: &Outcome, reproduction: &Reproduction, telling: &TellingArguments) -> Result<(), Exit> {
    let history = &outcome.history;
    let naming = if telling.all { Naming::All } else { Naming::Few };
    let refused = |error: SelectionError| {
        complain(&error.to_string());
        Exit::Usage
    };
    match telling.format {
        TrialFormat::Json => print(&report::outcome_json(outcome)),
        TrialFormat::Jsonl => print(&report::timeline_json(history, &selection(telling)).map_err(refused)?),
        TrialFormat::Text => {
            if telling.asks_for_timeline() {
                print(&report::timeline(history, &selection(telling)).map_err(refused)?);
            }
            print(&report::outcome(outcome, reproduction, naming, paint()));
        }
    }
    Ok(())
}

/// Which records of a timeline are asked for.
fn selection(telling: &TellingArguments) -> Selection {
    let times =
        telling.around.map(|around| around.saturating_sub(telling.width)..=around.saturating_add(telling.width));
    Selection { hosts: telling.hosts.clone(), topics: telling.topics.clone(), times }
}

impl TellingArguments {
    /// Whether the timeline is printed: whoever selects some of it wants to see that.
    fn asks_for_timeline(&self) -> bool {
        self.verbose || !self.hosts.is_empty() || !self.topics.is_empty() || self.around.is_some()
    }

    /// Whether it makes sense for one trial and no more.
    pub(crate) fn tells_of_one(&self) -> bool {
        self.asks_for_timeline() || self.all || self.format == TrialFormat::Jsonl
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
