//! `pulseless explain`: a sim, or the trial of a case file, in words.

use std::path::Path;

use crate::cli::Exit;
use crate::cli::arguments::ExplainArguments;
use crate::cli::output::{misused, print};
use crate::cli::program::subjects;
use crate::cli::replay::{open_case, refuse_case};
use crate::cli::run::refuse;
use crate::grammar::Seed;
use crate::report;
use crate::runner::read_sim;
use crate::sim::Setting;

pub(crate) fn explain(arguments: &ExplainArguments) -> Exit {
    let Some(path) = &arguments.sim else {
        print(&report::keys_in_words(subjects().first()));
        return Exit::Pass;
    };
    // A case file is JSON; everything else is to be a sim.
    if path.extension().is_some_and(|extension| extension == "json") {
        if !arguments.settings.is_empty() || arguments.seed.is_some() {
            return misused(
                "a case has a seed and a plan of its own: explain its sim with --seed, or `pulseless replay` it with --set",
            );
        }
        return explain_case(path);
    }
    explain_sim(path, &arguments.settings, arguments.seed)
}

fn explain_sim(path: &Path, settings: &[Setting], seed: Option<Seed>) -> Exit {
    match read_sim(subjects(), path, settings) {
        Ok(sim) => {
            print(&report::explain(&match seed {
                Some(Seed(seed)) => sim.drawn(seed),
                None => sim,
            }));
            Exit::Pass
        }
        Err(error) => refuse(&error),
    }
}

/// The plan of a case is its own: what the seed drew, or a hand made of it.
fn explain_case(path: &Path) -> Exit {
    match open_case(path) {
        Ok((_, sim)) => {
            print(&report::explain(&sim));
            Exit::Pass
        }
        Err(error) => refuse_case(path, &error),
    }
}
