//! Finds sims on disk and reads them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::grammar::Refusal;
use crate::runner::bounded::read_at_most;
use crate::sim::{self, Setting, SimFile};
use crate::subject::Subjects;

/// Folders are searched so deep: `sims/`, its `negative/` and `corpus/`, and one below.
const DEPTH: usize = 3;
/// A plan of 1,000 faults takes a tenth of this.
const MEBIBYTES_MAX: u64 = 4;

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
    /// A folder in the place of one sim.
    #[error("failed to read {0}: it is a folder, and one sim is a file; `pulseless sweep {0}` plays a folder", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A file of something else.
    #[error("failed to read {}: it is not text, and a sim is a TOML file", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A case file in the place of a sim.
    #[error("failed to read {0}: it is JSON, and a sim is TOML; `pulseless replay {0}` plays a case file", path.display())]
    Case {
        /// The file.
        path: PathBuf,
    },
    /// Two sims whose case files would overwrite each other.
    #[error("failed to tell {} from {} in a report: they have the same name; rename one", one.display(), other.display())]
    SameName {
        /// The first of the two.
        one: PathBuf,
        /// The second.
        other: PathBuf,
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
    if fs::metadata(path).map_err(|error| unreadable(path, error))?.is_file() {
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
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, found)?;
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(())
}

/// Reads the sim at `path`, of one of those subjects, with `settings` on top.
///
/// # Errors
/// The file cannot be read, or is refused.
pub fn read_sim(subjects: Subjects, path: &Path, settings: &[Setting]) -> Result<SimFile, LibraryError> {
    let bytes = read_at_most(MEBIBYTES_MAX, path).map_err(|error| unreadable(path, error))?;
    let text = String::from_utf8(bytes).map_err(|_| LibraryError::NotText { path: path.to_owned() })?;
    if text.starts_with('{') {
        return Err(LibraryError::Case { path: path.to_owned() });
    }
    sim::read_with(&name_of(path), &text, settings, subjects)
        .map_err(|refusal| LibraryError::Refused { path: path.to_owned(), refusal: Box::new(refusal) })
}

/// Reads the sims at `paths`, of those subjects, each with `settings` on top, for one sweep.
///
/// # Errors
/// A file cannot be read, is refused, or has the name of another.
pub fn read_sims(subjects: Subjects, paths: &[PathBuf], settings: &[Setting]) -> Result<Vec<SimFile>, LibraryError> {
    let mut names = BTreeMap::new();
    for path in paths {
        // Reports and case files know a sim by its name alone.
        if let Some(one) = names.insert(name_of(path), path) {
            return Err(LibraryError::SameName { one: one.clone(), other: path.clone() });
        }
    }
    paths.iter().map(|path| read_sim(subjects, path, settings)).collect()
}

/// A sim's name: its file's stem.
fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(|| "sim".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Why a sim could not be read, in the words of somebody who wanted to play it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is not ours, and may grow")]
fn unreadable(path: &Path, error: io::Error) -> LibraryError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::IsADirectory => LibraryError::Folder { path },
        _ => LibraryError::Unreadable { path, error },
    }
}
