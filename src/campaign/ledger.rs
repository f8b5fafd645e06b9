//! What a campaign writes down as its trials end: the journal, and what each put to the test.
//!
//! Refuses to know what is counted. It keeps the order in which a process may die, or power fail: what a trial showed is on disk
//! before the journal says that the trial has ended.

use std::fs;
use std::path::Path;

use crate::campaign::coverage_log::CoverageLog;
use crate::campaign::journal::{Journal, JournalLine};
use crate::campaign::{Coverage, Header, JournalError, TrialCoverage};
use crate::sim::SimFile;

/// The files of a campaign that is being played.
pub(crate) struct Ledger {
    journal: Journal,
    coverage: CoverageLog,
}

impl Ledger {
    /// Begins the ledger of a folder, or goes on with its journal, which this process holds, behind so many bytes.
    ///
    /// # Errors
    /// A file cannot be read or written.
    #[expect(clippy::disallowed_types, reason = "a file of the user's, outside of every trial")]
    pub(crate) fn open(
        folder: &Path,
        header: &Header,
        journal: Option<(fs::File, u64)>,
        has_ended: impl Fn(&str, u64) -> bool,
    ) -> Result<Self, JournalError> {
        let journal = match journal {
            Some((file, whole)) => Journal::go_on(folder, file, whole)?,
            None => Journal::create(folder, header)?,
        };
        Ok(Ledger { journal, coverage: CoverageLog::open(folder, has_ended)? })
    }

    /// Writes down how a trial ended, and what it put to the test.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn add(&mut self, line: &JournalLine, seen: Option<&TrialCoverage>) -> Result<(), JournalError> {
        if let Some(seen) = seen {
            self.coverage.add(&line.sim, line.seed, seen.clone())?;
        }
        self.journal.add(line)?;
        if self.journal.is_due() || self.coverage.is_full() {
            self.coverage.sync()?;
            self.journal.sync()?;
        }
        if self.coverage.is_full() {
            self.coverage.add_up()?;
        }
        Ok(())
    }

    /// Ends it; what was seen comes back even where it cannot be written.
    pub(crate) fn finish(mut self, sims: &[SimFile]) -> (Coverage, Result<(), JournalError>) {
        let synced = self.coverage.sync().and_then(|()| self.journal.sync());
        let (coverage, written) = self.coverage.finish(sims);
        (coverage, synced.and(written))
    }
}
