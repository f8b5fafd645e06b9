//! Where the files of a test's trials go: beside what cargo builds.

use std::path::{Path, PathBuf};

/// What cargo puts into the root of its target folder.
const TAG: &str = "CACHEDIR.TAG";

/// The folder for the files of trials; it may not exist yet.
pub(crate) fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let tagged = program.ancestors().find(|folder| folder.join(TAG).is_file());
    // Programs of tests lie in `deps`, in the folder of their profile.
    let folder = tagged.or_else(|| program.ancestors().find(|folder| folder.ends_with("deps"))?.parent());
    folder.map_or_else(std::env::temp_dir, Path::to_owned).join("pulseless-trials")
}
