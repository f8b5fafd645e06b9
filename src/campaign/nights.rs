//! One night against the one before: which causes are new, which go on, and which are gone.
//!
//! Refuses to know failures one by one: it compares groups by their ids.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::campaign::sweep::{SUMMARY_FORMAT, write_json};
use crate::campaign::{Coverage, FailureCause, FailureGroup, Summary, SweepError, Times};
use crate::grammar::{BadJson, read_json};

/// The name of the file in a report folder.
const NAME: &str = "nights.json";

/// The format that this version writes and reads.
const FORMAT: u32 = 1;

/// How a night stands to the one before; `nights.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nights {
    /// The version of this layout; 1 where the file does not say.
    #[serde(default = "format_unsaid")]
    #[schemars(extend("const" = FORMAT))]
    pub format: u32,
    /// The date of this night.
    pub date: String,
    /// The report folder of the night before; none where there is none.
    pub against: Option<String>,
    /// The date of that night.
    pub against_date: Option<String>,
    /// Since when each group of this night is known.
    pub ages: BTreeMap<String, Age>,
    /// The groups of the night before that did not come, though each of their sims was played.
    pub resolved: Vec<Resolved>,
    /// The groups of the night before whose sims were not all played: nobody knows.
    pub not_played: Vec<Resolved>,
}

/// Since when a group is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Age {
    /// The date of its first night.
    pub since: String,
    /// In so many nights, this one among them; 1 is new.
    pub nights: u32,
}

/// A group that did not come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resolved {
    /// Its id.
    pub id: String,
    /// What its failures had in common.
    pub cause: FailureCause,
    /// How many they were in the night before.
    pub count: u64,
    /// In so many trials of their sims this night nothing of it was seen.
    pub trials: u64,
}

/// What a night left in its report folder.
#[derive(Clone, Debug, PartialEq)]
pub struct NightReport {
    /// What was found.
    pub summary: Summary,
    /// When, and how fast.
    pub times: Times,
    /// How it stands to the night before.
    pub nights: Nights,
    /// What was put to the test.
    pub coverage: Coverage,
}

/// Why a report folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NightError {
    /// A file cannot be read.
    #[error("failed to read {}: {error}; the report folder of a `pulseless sweep` that has ended has one", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file was written by another version.
    #[error(
        "{} has format {format}, and this pulseless reads format {SUMMARY_FORMAT}; use the build that wrote it (pulseless \
         {version}), or play the night anew",
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
    /// A file is something else.
    #[error("{} is not of this version's reports: {error}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: BadJson,
    },
}

impl NightReport {
    /// Reads a report folder.
    ///
    /// # Errors
    /// A file of it cannot be read, or is something else.
    pub fn read(folder: &Path) -> Result<Self, NightError> {
        let path = folder.join("summary.json");
        let summary: Summary = read(&path)?;
        if summary.format != SUMMARY_FORMAT {
            return Err(NightError::Format { path, format: summary.format, version: summary.pulseless });
        }
        let times: Times = read(&folder.join("times.json"))?;
        // A night that ended before it was compared, or in a format to come, is compared with nothing.
        let nights = read(&folder.join(NAME)).ok().filter(|nights: &Nights| nights.format == FORMAT);
        let nights = nights.unwrap_or_else(|| Nights::first(&summary, &times.date()));
        // So is one of a version that did not count it.
        let coverage = read(&folder.join("coverage.json")).unwrap_or_default();
        Ok(NightReport { summary, times, nights, coverage })
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, NightError> {
    let bytes = fs::read(path).map_err(|error| NightError::Io { path: path.to_owned(), error })?;
    read_json(&bytes).map_err(|error| NightError::Foreign { path: path.to_owned(), error })
}

/// The format of files that do not say.
fn format_unsaid() -> u32 {
    1
}

impl Default for Nights {
    fn default() -> Self {
        Nights {
            format: FORMAT,
            date: String::new(),
            against: None,
            against_date: None,
            ages: BTreeMap::new(),
            resolved: Vec::new(),
            not_played: Vec::new(),
        }
    }
}

impl Nights {
    /// A night without one before it: all is new.
    #[must_use]
    pub fn first(summary: &Summary, date: &str) -> Self {
        let new = || Age { since: date.to_owned(), nights: 1 };
        let ages = summary.groups.iter().map(|group| (group.id.clone(), new())).collect();
        Nights { date: date.to_owned(), ages, ..Nights::default() }
    }

    /// A night against the one before, whose report folder has that name.
    #[must_use]
    pub fn against(summary: &Summary, date: &str, folder: &str, before: &NightReport) -> Self {
        let mut nights = Nights::first(summary, date);
        nights.against = Some(folder.to_owned());
        nights.against_date = Some(before.nights.date.clone());
        for (id, age) in &mut nights.ages {
            if let Some(known) = before.nights.ages.get(id) {
                *age = Age { since: known.since.clone(), nights: known.nights.saturating_add(1) };
            }
        }
        for group in before.summary.groups.iter().filter(|group| !nights.ages.contains_key(&group.id)) {
            let gone = Resolved {
                id: group.id.clone(),
                cause: group.cause.clone(),
                count: group.count,
                trials: group.sims.keys().map(|sim| played(summary, sim)).sum(),
            };
            let was_played = group.sims.keys().all(|sim| played(summary, sim) > 0);
            if was_played { nights.resolved.push(gone) } else { nights.not_played.push(gone) }
        }
        nights
    }

    /// Writes it into a report folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), SweepError> {
        write_json(folder, NAME, self)
    }

    /// The report folder of the night before, as a campaign that has begun wrote it down.
    #[must_use]
    pub fn against_of(folder: &Path) -> Option<PathBuf> {
        let nights: Nights = read(&folder.join(NAME)).ok()?;
        nights.against.map(PathBuf::from)
    }

    /// Whether a group was not there in the night before.
    #[must_use]
    pub fn is_new(&self, group: &FailureGroup) -> bool {
        self.ages.get(&group.id).is_none_or(|age| age.nights == 1)
    }

    /// How many groups of a night were not there in the night before.
    #[must_use]
    pub fn count_new(&self, summary: &Summary) -> usize {
        summary.groups.iter().filter(|group| self.is_new(group)).count()
    }

    /// The groups that were there before.
    #[must_use]
    pub fn ongoing(&self) -> BTreeSet<&str> {
        self.ages.iter().filter(|(_, age)| age.nights > 1).map(|(id, _)| id.as_str()).collect()
    }
}

fn played(summary: &Summary, sim: &str) -> u64 {
    summary.sims.get(sim).map_or(0, |tally| tally.played())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{Seeds, Tally};
    use crate::trial::EngineKind;

    fn summary(groups: &[(&str, &str)], sims: &[&str]) -> Summary {
        let group = |(id, sim): &(&str, &str)| FailureGroup {
            small: None,
            not_small: None,
            id: (*id).to_owned(),
            ended: "fail".to_owned(),
            cause: FailureCause::default(),
            needs: BTreeSet::new(),
            why: String::new(),
            count: 3,
            sims: BTreeMap::from([((*sim).to_owned(), Seeds::default())]),
            cases: Vec::new(),
        };
        Summary {
            format: 2,
            pulseless: String::new(),
            engine: EngineKind::Leap,
            settings: Vec::new(),
            partition: None,
            from: 1,
            complete_to: Some(50),
            asked: Some(50),
            stopped: None,
            tally: Tally::default(),
            sims: sims.iter().map(|sim| ((*sim).to_owned(), Tally { pass: 50, ..Tally::default() })).collect(),
            groups: groups.iter().map(group).collect(),
            skipped: BTreeMap::new(),
            deviation: None,
        }
    }

    fn report(summary: Summary, nights: Nights) -> NightReport {
        let times =
            Times { begun: "2026-11-28T01:00:00Z".to_owned(), seconds: 1.0, trials: None, trials_per_second: 1.0 };
        NightReport { summary, times, nights, coverage: Coverage::default() }
    }

    #[test]
    fn causes_are_new_go_on_and_are_gone_only_where_their_sims_were_played() {
        let first = summary(&[("a", "storm"), ("b", "storm"), ("c", "calm")], &["storm", "calm"]);
        let nights = Nights::first(&first, "2026-11-27");
        assert!(first.groups.iter().all(|group| nights.is_new(group)));
        let second = summary(&[("a", "storm"), ("d", "storm")], &["storm"]);
        let nights = Nights::against(&second, "2026-11-28", "one", &report(first, nights));
        assert_eq!(nights.ongoing(), BTreeSet::from(["a"]));
        assert_eq!(nights.ages["a"], Age { since: "2026-11-27".to_owned(), nights: 2 });
        assert!(nights.is_new(&second.groups[1]));
        let ids = |gone: &[Resolved]| gone.iter().map(|gone| (gone.id.clone(), gone.trials)).collect::<Vec<_>>();
        assert_eq!(ids(&nights.resolved), [("b".to_owned(), 50)]);
        assert_eq!(ids(&nights.not_played), [("c".to_owned(), 0)]);
        let third = summary(&[("a", "storm")], &["storm"]);
        let nights = Nights::against(&third, "2026-11-29", "two", &report(second, nights));
        assert_eq!(nights.ages["a"], Age { since: "2026-11-27".to_owned(), nights: 3 });
    }

    #[test]
    fn a_report_of_another_format_is_refused_and_nights_of_one_are_passed_over() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let NightReport { summary, times, .. } = report(summary(&[("a", "storm")], &["storm"]), Nights::default());
        let write = |name: &str, value: &serde_json::Value| {
            fs::write(folder.path().join(name), value.to_string()).expect("the folder takes files");
        };
        let json = |data: &dyn erased_serde::Serialize| serde_json::to_value(data).expect("plain data");
        write("times.json", &json(&times));
        write("summary.json", &json(&summary));
        let mut nights = json(&Nights { date: "2026-11-27".to_owned(), ..Nights::default() });
        for (format, date) in [(Some(1), "2026-11-27"), (None, "2026-11-27"), (Some(2), "2026-11-28")] {
            let object = nights.as_object_mut().expect("an object");
            match format {
                Some(format) => _ = object.insert("format".to_owned(), format.into()),
                None => _ = object.remove("format"),
            }
            write(NAME, &nights);
            let read = NightReport::read(folder.path()).expect("a report folder");
            assert_eq!(read.nights.date, date, "format {format:?}");
        }
        write("summary.json", &json(&Summary { format: 1, pulseless: "0.0.9".to_owned(), ..summary }));
        let refused = NightReport::read(folder.path()).expect_err("another format").to_string();
        let told =
            format!("summary.json has format 1, and this pulseless reads format {SUMMARY_FORMAT}; use the build");
        assert!(refused.contains(&told) && refused.contains("(pulseless 0.0.9)"), "{refused}");
    }
}
