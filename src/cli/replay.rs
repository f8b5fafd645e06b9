//! `pulseless replay`: the trial of a case file again; the digest must be the same.

use crate::cli::Exit;
use crate::cli::arguments::{Format, ReplayArguments};
use crate::cli::output::{complain, print, show};
use crate::cli::run::{break_down, tell};
use crate::report::{Reproduction, shell_word};
use crate::runner::{Case, CaseError};
use crate::sim;

pub(crate) fn replay(arguments: &ReplayArguments) -> Exit {
    let read = Case::read(&arguments.case).and_then(|case| case.sim().map(|sim| (case, sim)));
    let (case, sim) = match read {
        Ok(read) => read,
        Err(CaseError::Refused(refusal)) => {
            complain(&format!("the sim in {} is refused by this version", arguments.case.display()));
            complain(&show(&*refusal));
            return Exit::Usage;
        }
        Err(error) => {
            complain(&error.to_string());
            return Exit::Usage;
        }
    };
    if arguments.format == Format::Text {
        print(&format!("seed {} (from {})\n", case.seed, arguments.case.display()));
    }
    let engine = arguments.engine.unwrap_or(case.engine);
    let asked = arguments.engine.map(|engine| format!(" --engine {engine}")).unwrap_or_default();
    let again = format!("pulseless replay {}{asked}", shell_word(&arguments.case.to_string_lossy()));
    let outcome = match sim::play_on(&sim, case.seed, engine) {
        Ok(outcome) => outcome,
        Err(error) => return break_down(&case.sim, &error, &again),
    };
    if engine != case.engine {
        // Two engines give two histories; the verdict is what can be compared.
        tell(&outcome, Reproduction::Again(again), arguments.verbose, arguments.format);
        return Exit::from(&outcome.conclusion);
    }
    let same = outcome.digest() == case.digest;
    let reproduction = Reproduction::Compared { again, before: case.digest, by: case.pulseless };
    tell(&outcome, reproduction, arguments.verbose, arguments.format);
    if same { Exit::from(&outcome.conclusion) } else { Exit::NotReproducible }
}
