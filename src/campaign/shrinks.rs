//! The first case of each group, made small at the end of a campaign.
//!
//! Refuses to know how a case is made small: it is handed players that do.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::campaign::shrink::{Extent, Proof, ShrinkEnding, Shrunk};
use crate::campaign::{FailureGroup, Player, Stop, SweepError};
use crate::runner::{Case, write_whole};
use crate::trial::Conclusion;

/// So many groups have their case made small: who has more of them reads the first.
const GROUPS_MAX: usize = 20;
/// Where in a report folder the small cases are.
const FOLDER: &str = "shrunk";

/// A group's case, made small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SmallCase {
    /// Its file in the report folder.
    pub case: String,
    /// What it fails with, in a sentence: another trial's than the group's; earlier versions did not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Its sim, as a person would have written it, in the report folder.
    pub sim: String,
    /// How large the case was.
    pub before: Extent,
    /// How large it is.
    pub after: Extent,
    /// For each fault that is left, what comes of the trial without it.
    pub proofs: Vec<Proof>,
    /// So many plays it took.
    pub plays: u32,
    /// Whether everything was tried.
    pub ending: ShrinkEnding,
}

/// Makes the first case of each failing group small, in at most so many plays each, with as many players as there are
/// jobs. Where somebody waits for the end, no other is begun.
///
/// # Errors
/// A file cannot be written.
#[expect(clippy::disallowed_methods, reason = "between trials, threads share out whole cases")]
pub(crate) fn shrink_groups<'g, P: Player>(
    groups: impl Iterator<Item = &'g mut FailureGroup>,
    folder: &Path,
    plays: u32,
    jobs: usize,
    stop: &Stop,
    start: impl Fn() -> P + Sync,
) -> Result<(), SweepError> {
    if plays == 0 {
        return Ok(());
    }
    clear(&folder.join(FOLDER))?;
    let failing = groups.filter(|group| group.ended == "fail" && !group.cases.is_empty()).take(GROUPS_MAX);
    let failing: Vec<Mutex<&mut FailureGroup>> = failing.map(Mutex::new).collect();
    let (next, error) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(failing.len()) {
            scope.spawn(|| {
                let mut player = start();
                while let Some(group) = failing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
                    if stop.is_asked() {
                        return;
                    }
                    if let Err(failed) = shrink_group(&mut group, folder, plays, stop, &mut player) {
                        error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failed);
                    }
                }
            });
        }
    });
    error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn shrink_group(
    group: &mut FailureGroup,
    folder: &Path,
    plays: u32,
    stop: &Stop,
    player: &mut impl Player,
) -> Result<(), SweepError> {
    let case = Case::read(&folder.join(&group.cases[0]))?;
    match player.shrink(&case, plays, &|| stop.is_asked()) {
        Some(Ok(shrunk)) => group.small = Some(write(folder, &shrunk)?),
        Some(Err(why)) => group.not_small = Some(why),
        None => {}
    }
    Ok(())
}

fn write(folder: &Path, shrunk: &Shrunk) -> Result<SmallCase, SweepError> {
    let name = &shrunk.case.sim;
    let (case, sim) = (format!("{FOLDER}/{name}.case.json"), format!("{FOLDER}/{name}.toml"));
    let into = folder.join(FOLDER);
    fs::create_dir_all(&into).map_err(|error| SweepError::Folder { path: into, error })?;
    let path = folder.join(&sim);
    write_whole(&path, shrunk.case.sim_text().as_bytes()).map_err(|error| SweepError::Io { path, error })?;
    shrunk.case.write(&folder.join(&case))?;
    let Shrunk { failure: _, before, after, proofs, plays, ending, case: small } = shrunk;
    let why = match &small.conclusion {
        Conclusion::Fail(why) | Conclusion::Unknown(why) => why.clone(),
        Conclusion::Pass => String::new(),
    };
    let proofs = proofs.clone();
    Ok(SmallCase { case, why, sim, before: *before, after: *after, proofs, plays: *plays, ending: *ending })
}

/// What an earlier end of the campaign left there is of groups that may be others now.
fn clear(folder: &Path) -> Result<(), SweepError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SweepError::Folder { path: folder.to_owned(), error })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
