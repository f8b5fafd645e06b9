//! Finds sims on disk and reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use globset::GlobSet;

use crate::grammar::Refusal;
use crate::runner::bounded::read_at_most;
use crate::sim::{self, Setting, SimFile};
use crate::subject::Subjects;

/// What every sim says. A file without any of it is of something else.
const EVERY_SIM_HAS: [&str; 3] = ["title", "promise", "cites"];
/// A plan of 1,000 faults takes a tenth of this.
const MEBIBYTES_MAX: u64 = 4;

/// Why sims could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    #[error("no sim found in {}: a sim is a file that ends in .toml", spelled(paths))]
    Empty {
        /// The folders.
        paths: Vec<PathBuf>,
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

/// What was found at some paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundSims {
    /// The sim files, each once, by their paths.
    pub sims: Vec<PathBuf>,
    /// TOML files below a folder that are of something else: no key of theirs is one that every sim has.
    pub foreign: Vec<PathBuf>,
}

/// The sim files at `path`: itself, or all below it, by name.
///
/// # Errors
/// `path` cannot be read, or holds no sim.
pub fn find_sims(path: &Path) -> Result<Vec<PathBuf>, LibraryError> {
    find_all_sims(&[path.to_owned()], &[]).map(|found| found.sims)
}

/// The sim files at `paths`, which are files or folders, less those whose name or path is `excluded`. A link to a folder
/// is followed once, and a file that two paths lead to is one file.
///
/// # Errors
/// A path cannot be read, or none leads to a sim.
pub fn find_all_sims(paths: &[PathBuf], excluded: &[GlobSet]) -> Result<FoundSims, LibraryError> {
    let mut walk = Walk { excluded, seen: BTreeSet::new(), found: FoundSims::default() };
    for path in paths {
        if fs::metadata(path).map_err(|error| unreadable(path, error))?.is_file() {
            walk.take(path)?;
        } else {
            walk.folder(path)?;
        }
    }
    if walk.found.sims.is_empty() {
        return Err(LibraryError::Empty { paths: paths.to_vec() });
    }
    walk.found.sims.sort();
    Ok(walk.found)
}

struct Walk<'a> {
    excluded: &'a [GlobSet],
    /// Every file and folder that was seen, by its real path.
    seen: BTreeSet<PathBuf>,
    found: FoundSims,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path) -> Result<(), LibraryError> {
        if !self.is_new(folder)? {
            return Ok(());
        }
        let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
        let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut paths = paths.map_err(|error| unreadable(folder, error))?;
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.folder(&path)?;
            } else if path.is_file() && path.extension().is_some_and(|extension| extension == "toml") {
                if is_foreign(&path)? { self.found.foreign.push(path) } else { self.take(&path)? }
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &Path) -> Result<(), LibraryError> {
        let name = name_of(path);
        let is_excluded = self.excluded.iter().any(|glob| glob.is_match(&name) || glob.is_match(path));
        if !is_excluded && self.is_new(path)? {
            self.found.sims.push(path.to_owned());
        }
        Ok(())
    }

    fn is_new(&mut self, path: &Path) -> Result<bool, LibraryError> {
        Ok(self.seen.insert(path.canonicalize().map_err(|error| unreadable(path, error))?))
    }
}

/// Whether a TOML file is of something else. One that cannot be read as TOML may be a sim with a slip in it.
fn is_foreign(path: &Path) -> Result<bool, LibraryError> {
    let bytes = read_at_most(MEBIBYTES_MAX, path).map_err(|error| unreadable(path, error))?;
    let table = String::from_utf8(bytes).ok().and_then(|text| text.parse::<toml::Table>().ok());
    Ok(table.is_some_and(|table| !EVERY_SIM_HAS.iter().any(|key| table.contains_key(*key))))
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

/// Paths, one after the other.
fn spelled(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
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

#[cfg(test)]
mod tests {
    use super::*;

    const SIM: &str = "title = \"A sim\"\n";

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a scratch folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("the folder takes folders");
            fs::write(path, text).expect("the folder takes files");
        }
        folder
    }

    fn names(paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| name_of(path)).collect()
    }

    #[test]
    fn sims_are_found_at_any_depth_and_once() {
        let folder = tree(&[("a.toml", SIM), ("1/2/3/4/5/deep.toml", SIM), ("notes.txt", "no sim")]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("1/again")).expect("a link");
        std::os::unix::fs::symlink(folder.path().join("a.toml"), folder.path().join("1/b.toml")).expect("a link");
        let found = find_sims(folder.path()).expect("sims");
        assert_eq!(names(&found), ["deep", "b"], "a file that two paths lead to is found by the first");
        let both = [folder.path().join("1"), folder.path().to_owned()];
        assert_eq!(find_all_sims(&both, &[]).expect("sims").sims.len(), 2);
    }

    #[test]
    fn what_is_of_something_else_is_told_and_a_sim_with_a_slip_is_kept() {
        let files = [("a.toml", SIM), ("Cargo.toml", "[package]\nname = \"x\"\n"), ("slip.toml", "title = \n")];
        let folder = tree(&files);
        let found = find_all_sims(&[folder.path().to_owned()], &[]).expect("sims");
        assert_eq!(
            (names(&found.sims), names(&found.foreign)),
            (names(&[folder.path().join("a.toml"), folder.path().join("slip.toml")]), vec!["Cargo".to_owned()])
        );
    }

    #[test]
    fn what_is_excluded_by_name_or_path_is_left_out() {
        let folder = tree(&[("a.toml", SIM), ("negative/b.toml", SIM), ("c-1.toml", SIM)]);
        let globs = ["*/negative/*", "c-*"]
            .map(|glob| GlobSet::new([globset::Glob::new(glob).expect("a glob")]).expect("a set"));
        assert_eq!(names(&find_all_sims(&[folder.path().to_owned()], &globs).expect("sims").sims), ["a"]);
    }
}
