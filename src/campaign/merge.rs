//! Merging: the report folders of a campaign's shares become the one that a single run would have left.
//!
//! Refuses to play what no share has played: what is missing is told.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::campaign::coverage_log::{read_coverage, write_total};
use crate::campaign::journal::{put_in_order, read_journal};
use crate::campaign::{Coverage, Header, JournalError, Limit, Sweep};
use crate::subject::Subjects;

/// How the name of a case file ends.
const CASE: &str = ".case.json";

/// Why folders cannot be merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Two folders are of different campaigns.
    #[error(
        "{} and {} are not of one campaign: {what} differ; merge the shares of one campaign",
        one.display(),
        other.display()
    )]
    Strangers {
        /// The first folder.
        one: PathBuf,
        /// The other.
        other: PathBuf,
        /// What of them differs.
        what: &'static str,
    },
    /// A trial is in two folders, and ended in two ways.
    #[error("{sim} seed {seed} ended in two ways, in {} and in {}: it is not reproducible", one.display(), other.display())]
    Contradiction {
        /// The sim's name.
        sim: String,
        /// The seed.
        seed: u64,
        /// The first folder.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A case cannot be copied.
    #[error("failed to copy {} into {}: {error}", from.display(), into.display())]
    Copy {
        /// The case file.
        from: PathBuf,
        /// The folder.
        into: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Puts the trials of `folders` into `into`, an empty folder, as a campaign that is not shared out; running the sweep
/// that comes back plays no trial of the campaign, groups what is there, and writes the report.
///
/// # Errors
/// The folders are not of one campaign, contradict each other, or cannot be read or written.
pub fn merge(folders: &[PathBuf], into: &Path, jobs: usize, subjects: Subjects) -> Result<Sweep, MergeError> {
    let mut merged: Option<(&PathBuf, Header)> = None;
    // What was said of each trial, as a hash, and in which folder.
    let mut seen: BTreeMap<(String, u64), (u64, &PathBuf)> = BTreeMap::new();
    let mut coverage = Coverage::new();
    for folder in folders {
        let mut contradiction = None;
        let (header, _) = read_journal(folder, |line, _| {
            let trial = (line.sim, line.seed);
            let ended = xxh3_64(&serde_json::to_vec(&line.ended).expect("an ending is plain data"));
            match seen.get(&trial) {
                Some((before, other)) if *before != ended => {
                    contradiction.get_or_insert((trial, (*other).clone()));
                }
                Some(_) => {}
                None => {
                    seen.insert(trial, (ended, folder));
                }
            }
            Ok(())
        })?;
        if let Some(((sim, seed), one)) = contradiction {
            return Err(MergeError::Contradiction { sim, seed, one, other: folder.clone() });
        }
        // Trials in two shares are counted twice: the report says of how many trials it tells.
        coverage.merge(&read_coverage(folder, |sim, seed| seen.contains_key(&(sim.to_owned(), seed)))?);
        let whole = Header { partition: None, ..header };
        match &merged {
            None => merged = Some((folder, whole)),
            Some((one, first)) => {
                if let Some(what) = difference(first, &whole) {
                    return Err(MergeError::Strangers { one: (*one).clone(), other: folder.clone(), what });
                }
            }
        }
    }
    let (first, header) = merged.expect("the command line asks for folders");
    let schedule = header.schedule(first, subjects)?;
    put_in_order(into, &header, folders, |sim, seed| schedule.number(sim, seed))?;
    write_total(into, &coverage)?;
    for folder in folders {
        copy_cases(folder, into)?;
    }
    Ok(Sweep { limit: Limit::NothingMore, ..Sweep::of_header(header, schedule, into, jobs) })
}

/// What of two heads differs; none where they are of one campaign.
fn difference(one: &Header, other: &Header) -> Option<&'static str> {
    let differs = [
        (one.engine != other.engine, "the engines"),
        (one.settings != other.settings, "the settings"),
        (one.sims != other.sims, "the sims"),
        ((one.from, one.seeds) != (other.from, other.seeds), "the seeds"),
    ];
    differs.iter().find(|(differs, _)| *differs).map(|(_, what)| *what)
}

fn copy_cases(folder: &Path, into: &Path) -> Result<(), MergeError> {
    let failed = |from: &Path, error| MergeError::Copy { from: from.to_owned(), into: into.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(CASE) {
            fs::copy(&path, into.join(&name)).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}
