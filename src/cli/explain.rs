//! `pulseless explain`: a sim in words.

use crate::cli::Exit;
use crate::cli::arguments::ExplainArguments;
use crate::cli::output::print;
use crate::cli::run::refuse;
use crate::report;
use crate::runner::read_sim;
use crate::subject::xmtp::SUBJECTS;

pub(crate) fn explain(arguments: &ExplainArguments) -> Exit {
    match read_sim(SUBJECTS, &arguments.sim, &arguments.settings) {
        Ok(sim) => {
            print(&report::explain(&sim));
            Exit::Pass
        }
        Err(error) => refuse(&error),
    }
}
