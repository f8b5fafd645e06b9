//! `pulseless list`: the sims of a folder.

use crate::cli::Exit;
use crate::cli::arguments::{Format, ListArguments};
use crate::cli::output::print;
use crate::cli::program::subjects;
use crate::cli::run::refuse;
use crate::report;
use crate::runner::{find_sims, read_sim};

pub(crate) fn list(arguments: &ListArguments) -> Exit {
    let paths = match find_sims(&arguments.sims) {
        Ok(paths) => paths,
        Err(error) => return refuse(&error),
    };
    let mut exit = Exit::Pass;
    let mut sims = Vec::new();
    for path in paths {
        match read_sim(subjects(), &path, &[]) {
            Ok(sim) => sims.push((path.display().to_string(), sim)),
            // One bad file does not hide the others.
            Err(error) => exit = refuse(&error),
        }
    }
    print(&match arguments.format {
        Format::Text => report::list(&sims),
        Format::Json => report::list_json(&sims),
    });
    exit
}
