//! Finds sims on disk and reads them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::sim::{self, Refusal, Setting, SimFile};

/// Folders are searched so deep: `sims/`, its `negative/` and `corpus/`, and one below.
const DEPTH: usize = 3;

/// Why sims could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A file or folder could not be read.
    #[error("failed to read {}: {error}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A folder without sims.
    #[error("no sim found in {}: a sim is a file that ends in .toml", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A sim file that is refused.
    #[error("failed to {refusal}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        refusal: Box<Refusal>,
    },
}

/// The sim files at `path`: itself, or all below it, by name.
///
/// # Errors
/// `path` cannot be read, or holds no sim.
pub fn find_sims(path: &Path) -> Result<Vec<PathBuf>, LibraryError> {
    let unreadable = |error| LibraryError::Unreadable { path: path.to_owned(), error };
    if fs::metadata(path).map_err(unreadable)?.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    collect(path, DEPTH, &mut found)?;
    if found.is_empty() {
        return Err(LibraryError::Empty { path: path.to_owned() });
    }
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), LibraryError> {
    let unreadable = |error| LibraryError::Unreadable { path: folder.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, found)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(())
}

/// Reads the sim at `path` with `settings` on top.
///
/// # Errors
/// The file cannot be read, or is refused.
pub fn read_sim(path: &Path, settings: &[Setting]) -> Result<SimFile, LibraryError> {
    let text = fs::read_to_string(path).map_err(|error| LibraryError::Unreadable { path: path.to_owned(), error })?;
    let name = path.file_stem().map_or_else(|| "sim".into(), |stem| stem.to_string_lossy());
    sim::read_with(&name, &text, settings, &sim::vocabulary())
        .map_err(|refusal| LibraryError::Refused { path: path.to_owned(), refusal: Box::new(refusal) })
}
