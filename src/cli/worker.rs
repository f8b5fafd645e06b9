//! `pulseless worker`: plays what a sweep asks for, in a process that may die of it.

use crate::campaign;
use crate::cli::arguments::WorkerArguments;
use crate::cli::output::{complain, try_print};
use crate::cli::program::subjects;
use crate::cli::{Exit, memory};

pub(crate) fn worker(arguments: &WorkerArguments) -> Exit {
    if let Err(why) = memory::limit(arguments.memory) {
        complain(&why);
        return Exit::OurBug;
    }
    match campaign::work(subjects(), |line| try_print(line.as_bytes())) {
        Ok(()) => Exit::Pass,
        Err(why) => {
            complain(&format!("{why}; `pulseless sweep` starts workers"));
            Exit::Usage
        }
    }
}
