//! Coverage on disk, so that a campaign that is killed and gone on with counts each trial once.
//!
//! Refuses to know what is counted. What the trials add up to is in `coverage.json`; what came since stands, a line for
//! each trial, in `coverage.jsonl`, whose head says to how many trials it adds. A trial's line is written before its line
//! of the journal: a line whose trial the journal does not name is of a trial that will be played again. When the lines have become many they are added
//! up into the one file, and the other begins anew: neither grows with the campaign.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::campaign::JournalError;
use crate::campaign::coverage::{Coverage, TrialCoverage};
use crate::grammar::read_json;
use crate::runner::write_whole;
use crate::sim::SimFile;

/// What the trials add up to.
const TOTAL: &str = "coverage.json";
/// The trials that are not in it yet.
const PENDING: &str = "coverage.jsonl";
/// So many bytes of them are added up.
const PENDING_BYTES_MAX: u64 = 1 << 20;

/// The first line of what is pending.
#[derive(Serialize, Deserialize)]
struct PendingHead {
    /// The number of trials in the file that these come on top of.
    on_top_of: u64,
}

/// A trial that is pending.
#[derive(Serialize, Deserialize)]
struct PendingTrial {
    sim: String,
    seed: u64,
    seen: TrialCoverage,
}

/// The coverage of a campaign that is being played.
#[expect(clippy::disallowed_types, reason = "a file of the user's, outside of every trial")]
pub(crate) struct CoverageLog {
    folder: PathBuf,
    total: Coverage,
    pending: fs::File,
    pending_bytes: u64,
}

impl CoverageLog {
    /// Goes on with what is in a folder, as far as it is of trials that have ended.
    ///
    /// # Errors
    /// A file cannot be read or written, or is something else.
    pub(crate) fn open(folder: &Path, has_ended: impl Fn(&str, u64) -> bool) -> Result<Self, JournalError> {
        let total = read_coverage(folder, has_ended)?;
        write_total(folder, &total)?;
        let (pending, pending_bytes) = begin_pending(folder, &total)?;
        Ok(CoverageLog { folder: folder.to_owned(), total, pending, pending_bytes })
    }

    /// Counts a trial, whose end is not in the journal yet.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn add(&mut self, sim: &str, seed: u64, seen: TrialCoverage) -> Result<(), JournalError> {
        self.total.add(&seen);
        let line = PendingTrial { sim: sim.to_owned(), seed, seen };
        let line = serde_json::to_string(&line).expect("a line is plain data") + "\n";
        self.pending.write_all(line.as_bytes()).map_err(|error| failed("write", &self.folder.join(PENDING), error))?;
        self.pending_bytes += line.len() as u64;
        Ok(())
    }

    /// Makes sure of all that was added.
    ///
    /// # Errors
    /// The system cannot.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        self.pending.sync_data().map_err(|error| failed("write", &self.folder.join(PENDING), error))
    }

    /// Whether there is much to add up. The journal has to be sure of all trials before.
    pub(crate) fn is_full(&self) -> bool {
        self.pending_bytes >= PENDING_BYTES_MAX
    }

    /// Adds up what is pending.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn add_up(&mut self) -> Result<(), JournalError> {
        write_total(&self.folder, &self.total)?;
        (self.pending, self.pending_bytes) = begin_pending(&self.folder, &self.total)?;
        Ok(())
    }

    /// Ends it: what was seen, with what these sims could have shown and did not; it comes back even where it cannot be
    /// written.
    pub(crate) fn finish(mut self, sims: &[SimFile]) -> (Coverage, Result<(), JournalError>) {
        self.total.note_unseen(sims);
        let path = self.folder.join(PENDING);
        let remove = || fs::remove_file(&path).map_err(|error| failed("write", &path, error));
        let written = write_total(&self.folder, &self.total).and_then(|()| remove());
        (self.total, written)
    }
}

/// What a campaign's folder says of its coverage, as far as it is of trials that have ended; nothing where it says nothing.
///
/// # Errors
/// A file cannot be read, or is something else.
#[expect(clippy::disallowed_types, reason = "a file of the user's, outside of every trial")]
pub(crate) fn read_coverage(folder: &Path, has_ended: impl Fn(&str, u64) -> bool) -> Result<Coverage, JournalError> {
    let path = folder.join(TOTAL);
    let mut total = match fs::read(&path) {
        Ok(bytes) => read_total(&path, &bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Coverage::new(),
        Err(error) => return Err(failed("read", &path, error)),
    };
    let path = folder.join(PENDING);
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(total),
        Err(error) => return Err(failed("read", &path, error)),
    };
    let mut lines = BufReader::new(file).split(b'\n').zip(1..);
    let mut next = || lines.next().map(|(line, number)| line.map(|line| (line, number))).transpose();
    let Some((head, _)) = next().map_err(|error| failed("read", &path, error))? else { return Ok(total) };
    let head: Result<PendingHead, _> = serde_json::from_slice(&head);
    // A head that breaks off has no trials below it, and one that is behind the total is in it already.
    if head.is_err() || head.is_ok_and(|head| head.on_top_of != total.trials) {
        return Ok(total);
    }
    while let Some((line, number)) = next().map_err(|error| failed("read", &path, error))? {
        match read_json::<PendingTrial>(&line) {
            Ok(trial) if has_ended(&trial.sim, trial.seed) => total.add(&trial.seen),
            Ok(_) => {}
            // Only the last line can break off: its process was killed.
            Err(error) if error.breaks_off() => break,
            Err(error) => return Err(JournalError::Foreign { path, line: number, problem: error.told_in_line() }),
        }
    }
    Ok(total)
}

fn read_total(path: &Path, bytes: &[u8]) -> Result<Coverage, JournalError> {
    let foreign = |line: u64, problem: String| JournalError::Foreign { path: path.to_owned(), line, problem };
    let total: Coverage = read_json(bytes).map_err(|error| foreign(error.line as u64, error.told_in_line()))?;
    match total.is_readable() {
        true => Ok(total),
        false => Err(foreign(1, format!("its format is {}, which another version writes", total.format))),
    }
}

/// Writes what trials add up to.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_total(folder: &Path, total: &Coverage) -> Result<(), JournalError> {
    let path = folder.join(TOTAL);
    let json = serde_json::to_string_pretty(total).expect("counts are plain data") + "\n";
    write_whole(&path, json.as_bytes()).map_err(|error| failed("write", &path, error))
}

#[expect(clippy::disallowed_types, reason = "a file of the user's, outside of every trial")]
fn begin_pending(folder: &Path, total: &Coverage) -> Result<(fs::File, u64), JournalError> {
    let path = folder.join(PENDING);
    let head = serde_json::to_string(&PendingHead { on_top_of: total.trials }).expect("a head is plain data") + "\n";
    let begun = fs::File::create(&path).and_then(|mut file| file.write_all(head.as_bytes()).map(|()| file));
    Ok((begun.map_err(|error| failed("write", &path, error))?, head.len() as u64))
}

fn failed(verb: &'static str, path: &Path, error: io::Error) -> JournalError {
    JournalError::Io { verb, path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn seen(kind: &str) -> TrialCoverage {
        TrialCoverage { faults: BTreeMap::from([(kind.to_owned(), true)]), ..TrialCoverage::default() }
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a scratch folder")
    }

    fn open(folder: &tempfile::TempDir, ended: &[u64]) -> CoverageLog {
        let ended: BTreeSet<u64> = ended.iter().copied().collect();
        CoverageLog::open(folder.path(), |_, seed| ended.contains(&seed)).expect("the folder can be written")
    }

    fn add(log: &mut CoverageLog, seeds: std::ops::Range<u64>) {
        seeds.for_each(|seed| log.add("calm", seed, seen("loss")).expect("the folder can be written"));
    }

    #[test]
    fn a_trial_that_the_journal_does_not_name_is_not_counted_and_no_other_twice() {
        let folder = folder();
        let mut log = open(&folder, &[]);
        add(&mut log, 1..4);
        // Killed before seed 3 came into the journal, and again after it was played once more.
        drop(log);
        let mut log = open(&folder, &[1, 2]);
        assert_eq!(log.total.trials, 2);
        add(&mut log, 3..4);
        drop(log);
        let log = open(&folder, &[1, 2, 3]);
        let (total, written) = log.finish(&[]);
        assert!(written.is_ok());
        assert_eq!((total.trials, total.faults["loss"].felt), (3, 3));
        assert!(!folder.path().join(PENDING).exists());
    }

    #[test]
    fn a_process_killed_while_it_adds_up_counts_nothing_twice() {
        let folder = folder();
        let mut log = open(&folder, &[]);
        add(&mut log, 1..4);
        write_total(folder.path(), &log.total).expect("the folder can be written");
        // Here it dies: the total is there, and so are the lines that it is made of.
        drop(log);
        assert_eq!(open(&folder, &[1, 2, 3]).total.trials, 3);
    }

    #[test]
    fn a_line_that_breaks_off_is_no_error_and_one_of_something_else_is() {
        let folder = folder();
        let mut log = open(&folder, &[]);
        add(&mut log, 1..3);
        log.pending.write_all(b"{\"sim\":\"calm\",\"se").expect("the folder can be written");
        drop(log);
        let mut log = open(&folder, &[1, 2]);
        assert_eq!(log.total.trials, 2);
        log.pending.write_all(b"[]\n").expect("the folder can be written");
        drop(log);
        let error = read_coverage(folder.path(), |_, _| true).expect_err("it is no trial").to_string();
        assert!(error.contains("coverage.jsonl, line 2"), "{error}");
    }

    #[test]
    fn neither_file_grows_with_the_campaign() {
        let folder = folder();
        let mut log = open(&folder, &[]);
        let mut added_up = 0;
        for seed in 0..20_000 {
            add(&mut log, seed..seed + 1);
            if log.is_full() {
                log.add_up().expect("the folder can be written");
                added_up += 1;
            }
        }
        assert!(added_up > 1);
        assert!(fs::metadata(folder.path().join(PENDING)).expect("it is there").len() < 2 * PENDING_BYTES_MAX);
        assert_eq!(open(&folder, &(0..20_000).collect::<Vec<_>>()).total.trials, 20_000);
    }
}
