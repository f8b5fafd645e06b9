//! The journal of a campaign: what is played, and a line for each trial that has ended, in a file that only grows.
//!
//! Refuses to know what the lines amount to. The first line is the head; every other is one trial, as a JSON object. A
//! process that is killed leaves at most one line that breaks off; opening the journal again takes that line away. When all is played the
//! lines are put in the order of the schedule, so that a campaign in shares, or one that was resumed, ends in the same bytes
//! as one in a single run.

use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::campaign::{TrialEnd, TrialPartition, TrialSchedule};
use crate::grammar::{Refusal, read_json};
use crate::sim::{self, SimFile};
use crate::subject::Subjects;
use crate::trial::EngineKind;

/// The name of the file in a report folder.
const NAME: &str = "journal.jsonl";
/// The format that this version writes and reads.
const FORMAT: u32 = 1;
/// Power that fails costs at most so many trials.
const SYNCED_EVERY: Duration = Duration::from_secs(1);
/// No head, and no line of a trial, is longer: 10,000 sims of some KiB each.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// What a campaign plays: the first line of its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of this layout.
    #[schemars(extend("const" = FORMAT))]
    pub format: u32,
    /// The version of pulseless that plays.
    pub pulseless: String,
    /// What plays the trials; leap where the file does not say.
    #[serde(default, skip_serializing_if = "EngineKind::is_default")]
    pub engine: EngineKind,
    /// The first seed.
    pub from: u64,
    /// How many seeds.
    pub seeds: u64,
    /// Which share of the trials is played here, such as `count:2/4`; none where all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// What was changed in every sim, such as `client.watchdog=off`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// The sims, as they are played.
    pub sims: Vec<PlayedSim>,
}

/// A sim as it is played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlayedSim {
    /// Its name.
    pub name: String,
    /// Its text, settings applied.
    pub text: String,
}

/// One trial that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct JournalLine {
    /// The sim's name.
    pub(crate) sim: String,
    /// The seed.
    pub(crate) seed: u64,
    /// How it ended.
    #[serde(flatten)]
    pub(crate) ended: TrialEnd,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file cannot be read or written.
    #[error("failed to {verb} {}: {error}", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The folder has none.
    #[error(
        "{} holds no campaign: {NAME} is not there; a report folder of `pulseless sweep` has one", folder.display()
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// A line is something else.
    #[error("{}, line {line}, is not of a campaign's journal: {problem}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The file was written by another version.
    #[error("{} was written by pulseless {version}, and this is {}: its trials would not be the same ones", path.display(), env!("CARGO_PKG_VERSION"))]
    Version {
        /// The file.
        path: PathBuf,
        /// Who wrote it.
        version: String,
    },
    /// A sim in the head is refused.
    #[error("failed to {0}")]
    Refused(Box<Refusal>),
    /// Another process writes it.
    #[error("{} is being played by another process: wait until it has ended, or end it, and go on then", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
}

impl Header {
    /// The head of a campaign of that schedule.
    #[must_use]
    pub(crate) fn of(schedule: &TrialSchedule, engine: EngineKind, settings: &[String]) -> Self {
        let played = |sim: &SimFile| PlayedSim { name: sim.name.clone(), text: sim.text.clone() };
        Header {
            format: FORMAT,
            pulseless: env!("CARGO_PKG_VERSION").to_owned(),
            engine,
            from: schedule.seeds.start,
            seeds: schedule.seeds.end - schedule.seeds.start,
            partition: schedule.partition.map(|partition| partition.to_string()),
            settings: settings.to_vec(),
            sims: schedule.sims.iter().map(played).collect(),
        }
    }

    /// The schedule of that head.
    ///
    /// # Errors
    /// This version refuses a sim.
    pub(crate) fn schedule(&self, path: &Path, subjects: Subjects) -> Result<TrialSchedule, JournalError> {
        let read = |played: &PlayedSim| sim::read(&played.name, &played.text, subjects);
        let sims: Result<Vec<SimFile>, Refusal> = self.sims.iter().map(read).collect();
        let sims = sims.map_err(|refusal| JournalError::Refused(Box::new(refusal)))?;
        let wrong = |problem: String| JournalError::Foreign { path: path.to_owned(), line: 1, problem };
        let partition = self.partition.as_deref().map(|text| TrialPartition::read(text, |_| None)).transpose();
        let partition = partition.map_err(|bad| wrong(bad.to_string()))?;
        let end = self.from.checked_add(self.seeds).filter(|end| *end > self.from);
        let end = end.ok_or_else(|| wrong(format!("{} seeds from {} on", self.seeds, self.from)))?;
        if sims.is_empty() {
            return Err(wrong("it names no sim".to_owned()));
        }
        Ok(TrialSchedule::new(sims, self.from..end, partition))
    }
}

/// A journal that is being written.
pub(crate) struct Journal {
    path: PathBuf,
    #[expect(clippy::disallowed_types, reason = "a file of the user's, outside of every trial")]
    file: fs::File,
    synced: Instant,
}

#[expect(clippy::disallowed_types, reason = "a file of the user's, outside of every trial")]
#[expect(clippy::disallowed_methods, reason = "between trials time is real")]
impl Journal {
    /// The journal of a folder for this process alone, to be read and gone on with; none where there is none.
    ///
    /// # Errors
    /// Another process has it, or it cannot be opened.
    pub(crate) fn hold(folder: &Path) -> Result<Option<fs::File>, JournalError> {
        let path = folder.join(NAME);
        match fs::OpenOptions::new().append(true).open(&path) {
            Ok(file) => lock(folder, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(JournalError::Io { verb: "write", path, error }),
        }
    }

    /// Begins the journal of a folder that has none.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn create(folder: &Path, header: &Header) -> Result<Self, JournalError> {
        let path = folder.join(NAME);
        let failed = |error| JournalError::Io { verb: "write", path: path.clone(), error };
        let file = fs::OpenOptions::new().append(true).create_new(true).open(&path).map_err(failed)?;
        let mut file = lock(folder, file)?;
        let head = serde_json::to_string(header).expect("a head is plain data") + "\n";
        file.write_all(head.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Journal { path, file, synced: Instant::now() })
    }

    /// Goes on with the journal of a folder, which this process holds, behind its last whole line.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn go_on(folder: &Path, file: fs::File, whole_bytes: u64) -> Result<Self, JournalError> {
        let path = folder.join(NAME);
        let failed = |error| JournalError::Io { verb: "write", path: path.clone(), error };
        file.set_len(whole_bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Journal { path, file, synced: Instant::now() })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn add(&mut self, line: &JournalLine) -> Result<(), JournalError> {
        let text = serde_json::to_string(line).expect("a line is plain data") + "\n";
        // In one call: a process that is killed has written the line, or nothing of it.
        self.file.write_all(text.as_bytes()).map_err(|error| self.failed(error))
    }

    /// Whether it is time to make sure of what was added.
    pub(crate) fn is_due(&self) -> bool {
        self.synced.elapsed() >= SYNCED_EVERY
    }

    /// Makes sure of all that was added.
    ///
    /// # Errors
    /// The system cannot.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> JournalError {
        JournalError::Io { verb: "write", path: self.path.clone(), error }
    }
}

/// Two that write one journal would play trials twice. The lock ends with the process, however it ends. Where a file system
/// knows no locks, nobody is kept out.
#[expect(clippy::disallowed_types, reason = "a file of the user's, outside of every trial")]
fn lock(folder: &Path, file: fs::File) -> Result<fs::File, JournalError> {
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::Busy { folder: folder.to_owned() }),
        Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(file),
    }
}

/// Reads the journal of a folder: the head, then each line in the order of the file; how many bytes are whole lines.
///
/// # Errors
/// There is none, or a line is something else. A last line that breaks off is no error.
#[expect(clippy::disallowed_types, reason = "a file of the user's, outside of every trial")]
pub(crate) fn read_journal(
    folder: &Path,
    mut on_line: impl FnMut(JournalLine, LinePlace) -> Result<(), String>,
) -> Result<(Header, u64), JournalError> {
    let path = folder.join(NAME);
    let failed = |error: io::Error| match error.kind() == io::ErrorKind::NotFound {
        true => JournalError::Missing { folder: folder.to_owned() },
        false => JournalError::Io { verb: "read", path: path.clone(), error },
    };
    let mut file = BufReader::new(fs::File::open(&path).map_err(failed)?);
    let (mut header, mut whole, mut number) = (None, 0, 0);
    let mut text = String::new();
    loop {
        text.clear();
        let read = file.by_ref().take(LINE_BYTES_MAX).read_line(&mut text).map_err(failed)?;
        number += 1;
        let foreign = |problem: String| JournalError::Foreign { path: path.clone(), line: number, problem };
        match (&header, text.ends_with('\n')) {
            (_, false) if text.len() as u64 >= LINE_BYTES_MAX => return Err(foreign("it has no end".to_owned())),
            (None, false) => return Err(foreign("the head breaks off: nothing was played".to_owned())),
            (Some(_), false) => break,
            (None, true) => header = Some(read_head(&path, &text)?),
            (Some(_), true) => {
                let line = read_json(text.as_bytes()).map_err(|error| foreign(error.told_in_line()))?;
                on_line(line, LinePlace { at: whole, bytes: read }).map_err(foreign)?;
            }
        }
        whole += read as u64;
    }
    Ok((header.expect("a file without a head is refused"), whole))
}

fn read_head(path: &Path, text: &str) -> Result<Header, JournalError> {
    /// What every version of the head begins with.
    #[derive(Deserialize)]
    struct JournalHead {
        format: u32,
        pulseless: String,
    }
    let foreign = |problem: String| JournalError::Foreign { path: path.to_owned(), line: 1, problem };
    let head: JournalHead = read_json(text.as_bytes()).map_err(|error| foreign(error.told_in_line()))?;
    if head.format != FORMAT || head.pulseless != env!("CARGO_PKG_VERSION") {
        return Err(JournalError::Version { path: path.to_owned(), version: head.pulseless });
    }
    read_json(text.as_bytes()).map_err(|error| foreign(error.told_in_line()))
}

/// Where a line stands in its file.
#[derive(Clone, Copy)]
pub(crate) struct LinePlace {
    at: u64,
    bytes: usize,
}

/// Puts the lines of the journals of `folders` into the order of the schedule, into the journal of `into`, which may be
/// one of them: whole, or not at all. It takes some 32 bytes of memory for each trial.
///
/// # Errors
/// One cannot be read, or the file cannot be written.
#[expect(clippy::disallowed_types, reason = "files of the user's, outside of every trial")]
pub(crate) fn put_in_order(
    into: &Path,
    header: &Header,
    folders: &[PathBuf],
    number_of: impl Fn(&str, u64) -> Option<u64>,
) -> Result<(), JournalError> {
    // The number of each trial, in which file it is, and where.
    let mut places: Vec<(u64, usize, LinePlace)> = Vec::new();
    for (file, folder) in folders.iter().enumerate() {
        read_journal(folder, |line, place| {
            let unknown = || format!("{} seed {} is no trial of this campaign", line.sim, line.seed);
            places.push((number_of(&line.sim, line.seed).ok_or_else(unknown)?, file, place));
            Ok(())
        })?;
    }
    places.sort_unstable_by_key(|(number, file, _)| (*number, *file));
    // Two shares may overlap; whoever merges has seen that they agree.
    places.dedup_by_key(|(number, _, _)| *number);
    let path = into.join(NAME);
    let failed = |verb| {
        let path = path.clone();
        move |error| JournalError::Io { verb, path: path.clone(), error }
    };
    let mut files = Vec::new();
    for folder in folders {
        files.push(fs::File::open(folder.join(NAME)).map_err(failed("read"))?);
    }
    let draft = path.with_extension("draft");
    let mut out = BufWriter::new(fs::File::create(&draft).map_err(failed("write"))?);
    let head = serde_json::to_string(header).expect("a head is plain data") + "\n";
    out.write_all(head.as_bytes()).map_err(failed("write"))?;
    let mut line = Vec::new();
    for (_, file, place) in places {
        line.resize(place.bytes, 0);
        let file = &mut files[file];
        file.seek(SeekFrom::Start(place.at)).and_then(|_| file.read_exact(&mut line)).map_err(failed("read"))?;
        out.write_all(&line).map_err(failed("write"))?;
    }
    let file = out.into_inner().map_err(|error| failed("write")(error.into_error()))?;
    file.sync_all().and_then(|()| fs::rename(&draft, &path)).map_err(failed("write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_held_is_nobody_elses_until_it_is_let_go() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        assert!(Journal::hold(folder.path()).expect("it can be looked for").is_none());
        let header = Header {
            sims: Vec::new(),
            ..Header::of(&TrialSchedule::new(Vec::new(), 1..2, None), EngineKind::Leap, &[])
        };
        let journal = Journal::create(folder.path(), &header).expect("a new one");
        let told = Journal::hold(folder.path()).expect_err("it is held").to_string();
        assert!(told.contains("is being played by another process"), "{told}");
        drop(journal);
        assert!(Journal::hold(folder.path()).expect("nobody holds it").is_some());
    }
}
