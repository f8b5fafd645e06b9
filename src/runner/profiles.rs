//! Finds profiles by name or file, and reads the configurations of real proxies from disk, with what they include.
//!
//! Refuses to know what they say.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use globset::Glob;

use crate::grammar::Refusal;
use crate::profile::config::{BadConfig, Borrowed, ConfigFiles, ConfigKind, UnknownConfig};
use crate::profile::{Profile, UnknownProfile};
use crate::runner::bounded::read_at_most;

/// A profile takes a hundredth of this, and the configuration of thousands of servers fits.
const MEBIBYTES_MAX: u64 = 4;
/// As many as a folder of sites has.
const INCLUDED_MAX: usize = 1_000;

/// Why a profile could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// There is none of that name.
    #[error("{0}; a profile of your own is a path that ends in .toml")]
    Unknown(UnknownProfile),
    /// A file could not be read.
    #[error("failed to read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A folder in the place of a file.
    #[error("failed to read {}: it is a folder", .0.display())]
    Folder(PathBuf),
    /// A file of something else.
    #[error("failed to read {}: it is not text", .0.display())]
    NotText(PathBuf),
    /// A file that is no profile.
    #[error("failed to {0}")]
    Refused(Box<Refusal>),
    /// Nobody can tell whose configuration it is.
    #[error("failed to {0}")]
    Kind(UnknownConfig),
    /// It is no configuration, or a wrong one.
    #[error("failed to {0}")]
    Config(BadConfig),
}

/// The profile of that name, or the one in that file: what has a slash or ends in `.toml` is a file.
///
/// # Errors
/// There is none, or the file is no profile.
pub fn find_profile(name: &str) -> Result<Profile, ProfileError> {
    if !name.contains('/') && !name.ends_with(".toml") {
        return Profile::named(name).cloned().map_err(ProfileError::Unknown);
    }
    let path = Path::new(name);
    let text = read_text(path)?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Profile::read(&stem, &text).map_err(|refusal| ProfileError::Refused(Box::new(refusal)))
}

/// What the configuration of a real proxy says of long-lived streams.
///
/// # Errors
/// It cannot be read, is none, or nobody can tell whose it is.
pub fn borrow_profile(path: &Path, kind: Option<ConfigKind>) -> Result<Borrowed, ProfileError> {
    let text = read_text(path)?;
    let kind = match kind {
        Some(kind) => kind,
        None => ConfigKind::guess(path, &text).map_err(ProfileError::Kind)?,
    };
    let files = FilesAround { folder: path.parent().unwrap_or(Path::new("")) };
    Borrowed::read(kind, &path.display().to_string(), &text, &files).map_err(ProfileError::Config)
}

fn read_text(path: &Path) -> Result<String, ProfileError> {
    let unreadable = |error| ProfileError::Unreadable { path: path.to_owned(), error };
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(ProfileError::Folder(path.to_owned()));
    }
    let bytes = read_at_most(MEBIBYTES_MAX, path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| ProfileError::NotText(path.to_owned()))?;
    if text.contains('\0') { Err(ProfileError::NotText(path.to_owned())) } else { Ok(text) }
}

/// The files that a configuration includes: paths are relative to the folder of the configuration, as nginx has it.
struct FilesAround<'p> {
    folder: &'p Path,
}

impl ConfigFiles for FilesAround<'_> {
    fn included(&self, pattern: &str) -> Result<Vec<(String, String)>, String> {
        let path = self.folder.join(pattern);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let paths = if name.contains(['*', '?', '[']) {
            matching(path.parent().unwrap_or(Path::new("")), &name)?
        } else {
            vec![path]
        };
        let read = |path: &PathBuf| {
            // A pipe would keep whoever reads it waiting.
            if !fs::metadata(path).map_err(|error| unreadable(path, &error))?.is_file() {
                return Err(format!("{} is no file", path.display()));
            }
            let text = read_text(path).map_err(|error| error.to_string())?;
            Ok((path.display().to_string(), text))
        };
        paths.iter().map(read).collect()
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("failed to read {}: {error}", path.display())
}

/// The files of a folder whose names fit a pattern, by name.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let matcher = Glob::new(pattern).map_err(|error| format!("`{pattern}` is no pattern: {}", error.kind()))?;
    let matcher = matcher.compile_matcher();
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        if matcher.is_match(entry.file_name()) {
            paths.push(entry.path());
        }
    }
    if paths.len() > INCLUDED_MAX {
        return Err(format!("more than {INCLUDED_MAX} files fit `{pattern}`"));
    }
    paths.sort();
    Ok(paths)
}
