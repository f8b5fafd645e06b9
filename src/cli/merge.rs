//! `pulseless merge`: the report folders of a sweep's shares, put together.

use std::fs;

use crate::campaign::{JournalError, MergeError, merge as merge_folders};
use crate::cli::Exit;
use crate::cli::arguments::MergeArguments;
use crate::cli::campaign::{self, CampaignFlags, jobs};
use crate::cli::output::misused;
use crate::cli::program::subjects;

pub(crate) fn merge(arguments: &MergeArguments) -> Exit {
    let into = &arguments.into;
    if let Err(error) = fs::create_dir(into) {
        return misused(&format!(
            "failed to make {}: {error}; --into names a folder that is not there yet",
            into.display()
        ));
    }
    let (jobs, _) = jobs(arguments.jobs, None);
    match merge_folders(&arguments.folders, into, jobs, subjects()) {
        Ok(sweep) => campaign::run(&sweep, &CampaignFlags::merging(arguments)),
        Err(error) => {
            if fs::remove_dir_all(into).is_err() {
                // What is left there is told by the next merge.
            }
            match error {
                MergeError::Contradiction { .. } => {
                    misused(&error.to_string());
                    Exit::NotReproducible
                }
                MergeError::Journal(JournalError::Io { verb: "write", .. }) | MergeError::Copy { .. } => {
                    misused(&error.to_string());
                    Exit::Io
                }
                MergeError::Journal(_) | MergeError::Strangers { .. } => misused(&error.to_string()),
            }
        }
    }
}
