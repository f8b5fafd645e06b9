//! A case file: everything that it takes to play one trial again, and what came of it the first time.

use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Judgement;
use crate::fault::Plan;
use crate::grammar::{BadJson, Refusal, read_json};
use crate::history::{Checkpoint, Digest};
use crate::runner::bounded::{read_at_most, write_whole};
use crate::runner::seal::Seal;
use crate::runner::{Edit, Trace};
use crate::sim::{self, Setting, SimFile};
use crate::subject::Subjects;
use crate::trial::{Conclusion, EngineKind, Outcome};

/// The format that this version writes.
const FORMAT: u32 = 4;
/// The oldest that it reads: a case of format 3 has no seal.
const FORMAT_OLDEST: u32 = 3;
/// Far more than the checkpoints of the longest trial take.
const MEBIBYTES_MAX: u64 = 1024;

/// One trial, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The version of this layout.
    #[schemars(range(min = FORMAT_OLDEST, max = FORMAT))]
    format: u32,
    /// The version of pulseless that wrote it.
    pub pulseless: String,
    /// The sim's name.
    pub sim: String,
    /// The seed.
    pub seed: u64,
    /// The engine that played it; leap where the file does not say.
    #[serde(default, skip_serializing_if = "EngineKind::is_default")]
    pub engine: EngineKind,
    /// The digest of the history.
    pub digest: Digest,
    /// How many events the history has.
    pub events: u64,
    /// The digests of its prefixes, to find where another play parts from it.
    pub checkpoints: Vec<Checkpoint>,
    /// Whether the promise was kept.
    pub conclusion: Conclusion,
    /// What the judges said.
    pub judgements: Vec<Judgement>,
    /// What it was when it was written; none in a case of format 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Seal>,
    /// The faults that were played, as the lines of a sim's `[[fault]]` tables: they may be edited, and are read as a
    /// sim is.
    pub plan: Vec<String>,
    /// The sim file's text, settings applied.
    text: String,
}

/// What every version of the layout begins with.
#[derive(Deserialize)]
struct Head {
    format: u32,
    pulseless: String,
}

/// Why a case file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// The file cannot be read or written.
    #[error("failed to {verb} case file {}: {error}", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file breaks off.
    #[error(
        "case file {} is truncated: it ends at line {line}, column {column}, in mid-value; copy it again from where it was written",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The file is something else.
    #[error("{} is not a case file: {error}; `pulseless sweep` writes case files into its report folder", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: BadJson,
    },
    /// The file was written by another version.
    #[error(
        "case file {} has format {format}, and this pulseless reads formats {FORMAT_OLDEST} and {FORMAT}; replay it with the \
         build that wrote it (pulseless {version}), or play its sim and seed anew",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// Who wrote it.
        version: String,
    },
    /// Its sim has a name that would lead somewhere.
    #[error("case file {}: `sim` is {name:?}; write the name of a sim, without `/` and such", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The sim or the plan in the file is refused.
    #[error("failed to {0}")]
    Refused(Box<Refusal>),
}

impl Case {
    /// The case of an outcome.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let plan: Vec<String> = outcome.plan.to_string().lines().map(str::to_owned).collect();
        Case {
            format: FORMAT,
            pulseless: env!("CARGO_PKG_VERSION").to_owned(),
            sim: outcome.sim.name.clone(),
            seed: outcome.seed,
            engine: outcome.engine,
            digest: outcome.digest(),
            events: outcome.history.events(),
            checkpoints: outcome.history.checkpoints().to_vec(),
            conclusion: outcome.conclusion.clone(),
            judgements: outcome.judgements.clone(),
            sealed: Some(Seal::of(outcome.seed, &outcome.sim.text, &plan)),
            plan,
            text: outcome.sim.text.clone(),
        }
    }

    /// Reads a case file.
    ///
    /// # Errors
    /// It cannot be read, is truncated, is no case file, or has another format.
    pub fn read(path: &Path) -> Result<Self, CaseError> {
        let failed = |error| CaseError::Io { verb: "read", path: path.to_owned(), error };
        let bytes = read_at_most(MEBIBYTES_MAX, path).map_err(failed)?;
        let misread = |error| unreadable(path, error);
        // The head first: another version's layout is no reason to call its file foreign.
        let Head { format, pulseless } = read_json(&bytes).map_err(misread)?;
        if !(FORMAT_OLDEST..=FORMAT).contains(&format) {
            return Err(CaseError::Format { path: path.to_owned(), format, version: pulseless });
        }
        let case: Case = read_json(&bytes).map_err(misread)?;
        // Files are called by it.
        if case.sim.is_empty() || case.sim.starts_with('.') || case.sim.contains(['/', '\\']) {
            return Err(CaseError::Name { path: path.to_owned(), name: case.sim });
        }
        Ok(case)
    }

    /// Writes the case file, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), CaseError> {
        let failed = |error| CaseError::Io { verb: "write", path: path.to_owned(), error };
        write_whole(path, self.json().as_bytes()).map_err(failed)
    }

    /// The text of its file.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a case is plain data") + "\n"
    }

    /// The text of its sim.
    #[must_use]
    pub fn sim_text(&self) -> &str {
        &self.text
    }

    /// What is left of the play that it was made from.
    #[must_use]
    pub fn trace(&self) -> Trace {
        Trace { digest: self.digest, events: self.events, checkpoints: self.checkpoints.clone(), kept: Vec::new() }
    }

    /// The sim that the case was played from, with the case's plan in the place of its faults and its storm.
    ///
    /// # Errors
    /// This version refuses the sim, or the plan.
    pub fn sim(&self, subjects: Subjects) -> Result<SimFile, CaseError> {
        self.sim_with(subjects, &[])
    }

    /// The same with settings on top of the sim; its plan stays.
    ///
    /// # Errors
    /// This version refuses the sim, a setting, or the plan.
    pub fn sim_with(&self, subjects: Subjects, settings: &[Setting]) -> Result<SimFile, CaseError> {
        let refused = |refusal| CaseError::Refused(Box::new(refusal));
        let sim = sim::read_with(&self.sim, &self.text, settings, subjects).map_err(refused)?;
        // The plan as it stands, so that one that was edited is played.
        let plan = self.read_plan(&sim)?;
        Ok(SimFile { plan, storm: None, ..sim })
    }

    /// What somebody has edited since the case was written.
    #[must_use]
    pub fn edits(&self, subjects: Subjects) -> Vec<Edit> {
        let sealed = self.sealed.as_ref();
        let mut edits = sealed.map(|seal| seal.edits(self.seed, &self.text)).unwrap_or_default();
        if !sealed.is_some_and(|seal| seal.has_plan(&self.plan)) {
            edits.extend(self.edits_of_plan(subjects));
        }
        edits
    }

    /// What somebody has edited of the plan, by the one that the seed makes of the sim. Without a seal an equal plan is
    /// the recorded one.
    fn edits_of_plan(&self, subjects: Subjects) -> Vec<Edit> {
        let read = sim::read(&self.sim, &self.text, subjects).ok();
        let Some((sim, is)) = read.and_then(|sim| self.read_plan(&sim).ok().map(|plan| (sim, plan))) else {
            return vec![Edit::Plan];
        };
        let was = sim.plan_of(self.seed);
        let recorded: Vec<String> = was.to_string().lines().map(str::to_owned).collect();
        match &self.sealed {
            Some(seal) if !seal.has_plan(&recorded) => vec![Edit::Plan],
            Some(_) | None => Edit::between(&was, &is),
        }
    }

    /// Whether somebody has edited it.
    #[must_use]
    pub(crate) fn is_edited(&self, subjects: Subjects) -> bool {
        !self.edits(subjects).is_empty()
    }

    fn read_plan(&self, sim: &SimFile) -> Result<Plan, CaseError> {
        let name = format!("{}-seed-{}.plan", self.sim, self.seed);
        sim.read_plan(&name, &self.plan.join("\n")).map_err(|refusal| CaseError::Refused(Box::new(refusal)))
    }
}

/// Why the bytes of a file are no case.
fn unreadable(path: &Path, error: BadJson) -> CaseError {
    let path = path.to_owned();
    match error.breaks_off() {
        true => CaseError::Truncated { path, line: error.line, column: error.column },
        false => CaseError::Foreign { path, error },
    }
}
