//! Where the files of a test's trials go: beside what cargo builds.

use std::path::PathBuf;

/// What cargo puts into the root of its target folder.
const TAG: &str = "CACHEDIR.TAG";

/// The folder for the files of trials; it may not exist yet.
pub(crate) fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program.ancestors().find(|folder| folder.join(TAG).is_file()).map(std::path::Path::to_owned);
    target.unwrap_or_else(std::env::temp_dir).join("pulseless")
}
