//! A file of digests: a line for each trial, to be compared with another run, process, order or build of it.
//!
//! Refuses to know what is played.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::Digest;
use crate::sim::SimFile;

/// The digests of many trials, by sim and seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests(BTreeMap<(String, u64), Digest>);

/// A trial whose digest is not the one that was written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deviation {
    /// The sim's name.
    pub sim: String,
    /// The seed.
    pub seed: u64,
    /// The digest that was written down.
    pub expected: Digest,
    /// The digest that came.
    pub digest: Digest,
}

/// Why a file of digests cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DigestsError {
    /// The file cannot be read or written.
    #[error("failed to {verb} digest file {}: {error}", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A line is no digest of a trial.
    #[error("digest file {}, line {line}: {problem}; a line is a sim, a seed and a digest", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A trial that is to be compared is not there.
    #[error("digest file {} has no line for {sim} seed {seed}, which the sweep would play", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The sim's name.
        sim: String,
        /// The seed.
        seed: u64,
    },
}

impl Digests {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or a line is no digest of a trial; the error names the line.
    pub fn read(path: &Path) -> Result<Self, DigestsError> {
        let unreadable = |error| DigestsError::Io { verb: "read", path: path.to_owned(), error };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let wrong = |(line, problem)| DigestsError::Line { path: path.to_owned(), line, problem };
        Digests::parse(&text).map_err(wrong)
    }

    /// Reads the lines; the error is the number of a line, from 1, and what is wrong with it.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut digests = Digests::default();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        for (index, line) in lines {
            let (sim, seed, digest) = parse_line(line).map_err(|problem| (index + 1, problem))?;
            if digests.0.insert((sim.to_owned(), seed), digest).is_some() {
                return Err((index + 1, format!("{sim} seed {seed} is there twice")));
            }
        }
        Ok(digests)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DigestsError> {
        // Not by a rename over the file: it may be a pipe or a device.
        fs::write(path, self.to_string()).map_err(|error| DigestsError::Io {
            verb: "write",
            path: path.to_owned(),
            error,
        })
    }

    /// Asks whether a file can be written, and changes nothing in it: a sweep takes long, and would find out late.
    ///
    /// # Errors
    /// It cannot be written.
    #[expect(clippy::disallowed_types, reason = "a file of the user's, outside of every trial")]
    pub(crate) fn try_writing(path: &Path) -> Result<(), DigestsError> {
        let opened = fs::OpenOptions::new().append(true).create(true).open(path);
        opened.map(drop).map_err(|error| DigestsError::Io { verb: "write", path: path.to_owned(), error })
    }

    /// Adds the digest of one trial.
    pub fn insert(&mut self, sim: &str, seed: u64, digest: Digest) {
        self.0.insert((sim.to_owned(), seed), digest);
    }

    /// The digest of a trial.
    #[must_use]
    pub fn get(&self, sim: &str, seed: u64) -> Option<Digest> {
        self.0.get(&(sim.to_owned(), seed)).copied()
    }

    /// The trials and their digests, by sim and seed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64, Digest)> {
        self.0.iter().map(|((sim, seed), digest)| (sim.as_str(), *seed, *digest))
    }

    /// Asks whether every one of these trials is in this file.
    ///
    /// # Errors
    /// One is not; the error names it and the file, which was read from `path`.
    pub(crate) fn cover<'s>(
        &self,
        path: &Path,
        trials: impl Iterator<Item = (&'s SimFile, u64)>,
    ) -> Result<(), DigestsError> {
        for (sim, seed) in trials {
            if self.get(&sim.name, seed).is_none() {
                return Err(DigestsError::Missing { path: path.to_owned(), sim: sim.name.clone(), seed });
            }
        }
        Ok(())
    }

    /// What came instead of the digest that is written down here; `None` if it is the same or not here.
    #[must_use]
    pub fn deviation(&self, sim: &str, seed: u64, digest: Digest) -> Option<Deviation> {
        let expected = self.get(sim, seed).filter(|expected| *expected != digest)?;
        Some(Deviation { sim: sim.to_owned(), seed, expected, digest })
    }
}

impl Display for Digests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(sim, seed, digest)| writeln!(formatter, "{sim} {seed} {digest}"))
    }
}

/// From the right: a sim's name may have spaces.
fn parse_line(line: &str) -> Result<(&str, u64, Digest), String> {
    let mut words = line.rsplitn(3, ' ');
    let (Some(digest), Some(seed), Some(sim)) = (words.next(), words.next(), words.next()) else {
        return Err(format!("`{line}` is not three words"));
    };
    let digest = digest.parse().map_err(|error| format!("{error}"))?;
    let seed = seed.parse().map_err(|_| format!("`{seed}` is not a seed"))?;
    Ok((sim, seed, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00000000000000000000000000000001";
    const TWO: &str = "00000000000000000000000000000002";

    #[test]
    fn a_file_is_sorted_and_survives_its_text() {
        let mut digests = Digests::default();
        for (sim, seed) in [("deaf one", 10), ("deaf one", 9), ("calm", 0)] {
            digests.insert(sim, seed, ONE.parse().expect("a digest"));
        }
        let text = format!("calm 0 {ONE}\ndeaf one 9 {ONE}\ndeaf one 10 {ONE}\n");
        assert_eq!(digests.to_string(), text);
        assert_eq!(Digests::parse(&format!("# Seeds.\n\n{text}")), Ok(digests));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (line, problem) in [
            ("calm 7", "`calm 7` is not three words"),
            (&format!("calm seven {ONE}"), "`seven` is not a seed"),
            (&format!("calm -7 {ONE}"), "`-7` is not a seed"),
            ("calm 7 xyz", "`xyz` is not a digest"),
            (&format!("calm 1 {TWO}"), "calm seed 1 is there twice"),
        ] {
            let (number, said) = Digests::parse(&format!("# Seeds.\ncalm 1 {ONE}\n{line}\n")).expect_err("bad");
            assert_eq!(number, 3);
            assert!(said.contains(problem), "{said}");
        }
    }

    #[test]
    fn only_another_digest_is_a_deviation() {
        let digests = Digests::parse(&format!("calm 7 {ONE}")).expect("a line");
        let [one, two] = [ONE, TWO].map(|text| text.parse().expect("a digest"));
        assert_eq!(digests.deviation("calm", 7, one), None);
        assert_eq!(digests.deviation("calm", 8, two), None);
        let expected = Deviation { sim: "calm".to_owned(), seed: 7, expected: one, digest: two };
        assert_eq!(digests.deviation("calm", 7, two), Some(expected));
    }
}
