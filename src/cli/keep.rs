//! `pulseless keep`: a case as a sim of the corpus.

use std::path::Path;

use crate::campaign::corpus::{self, KeepError, KeptCase};
use crate::cli::Exit;
use crate::cli::arguments::KeepArguments;
use crate::cli::output::{complain, misused, print};
use crate::cli::program::subjects;
use crate::cli::replay::refuse_case;
use crate::report::{program_name, shell_word};
use crate::runner::{Case, write_whole};

pub(crate) fn keep(arguments: &KeepArguments) -> Exit {
    let kept = Case::read(&arguments.case)
        .map_err(KeepError::from)
        .and_then(|case| corpus::keep(&case, subjects(), arguments.cause.as_deref(), &today()));
    let kept = match kept {
        Ok(kept) => kept,
        Err(KeepError::Case(error)) => return refuse_case(&arguments.case, &error),
        Err(error @ (KeepError::Passed { .. } | KeepError::Planted { .. } | KeepError::Cause | KeepError::Seed(_))) => {
            return misused(&format!("failed to {error}"));
        }
    };
    let path = arguments.corpus.join(format!("{}.toml", kept.name));
    match write(&kept, &path) {
        Ok(()) => {
            let path = path.to_string_lossy();
            print(&format!("kept     {path}\nagain    {} run {}\n", program_name(), shell_word(&path)));
            Exit::Pass
        }
        Err(exit) => exit,
    }
}

fn write(kept: &KeptCase, path: &Path) -> Result<(), Exit> {
    let told = path.display();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            misused(&format!("failed to make the folder {}: {error}; choose another with --corpus", folder.display()))
        })?;
    }
    // What somebody wrote about a cause is not written over.
    if path.symlink_metadata().is_ok() {
        return Err(misused(&format!("failed to keep {told}: it is there already; rename or remove it first")));
    }
    write_whole(path, kept.text.as_bytes()).map_err(|error| {
        complain(&format!("failed to write {told}: {error}"));
        Exit::Io
    })
}

/// The date for who reads the corpus.
#[expect(clippy::disallowed_methods, reason = "the date is for people, and no trial sees it")]
fn today() -> String {
    jiff::Zoned::now().date().to_string()
}
