//! What a campaign found: how many trials ended how, by sim, and the causes of those that did not pass.
//!
//! Refuses to know time: two campaigns that play the same trials have the same summary, byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::campaign::ending::NO_ROOM;
use crate::campaign::sweep::SUMMARY_FORMAT;
use crate::campaign::{FailureGroup, TrialEnd};
use crate::runner::Deviation;
use crate::trial::EngineKind;

/// How many trials came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// The promise was kept.
    pub pass: u64,
    /// It was broken.
    pub fail: u64,
    /// The trial shows too little.
    pub unknown: u64,
    /// The trial could not be played: our bug, unless its group says that the machine had no room for it.
    pub broken: u64,
    /// The engine cannot express the trial.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
}

/// Whether a number is not worth a word in a summary.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tally {
    /// All trials, those that were skipped among them.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.played() + self.skipped
    }

    /// All trials that were played, or should have been.
    #[must_use]
    pub fn played(&self) -> u64 {
        self.pass + self.bad()
    }

    /// Those that did not pass.
    #[must_use]
    pub fn bad(&self) -> u64 {
        self.fail + self.unknown + self.broken
    }

    pub(crate) fn add(&mut self, ended: &TrialEnd) {
        match ended {
            TrialEnd::Pass(_) => self.pass += 1,
            TrialEnd::Fail(_) => self.fail += 1,
            TrialEnd::Unknown(_) => self.unknown += 1,
            TrialEnd::Broken(_) | TrialEnd::NoRoom(_) => self.broken += 1,
            TrialEnd::Skipped(_) => self.skipped += 1,
        }
    }

    /// The share of trials that fail, in percent, is less than this with 95 % confidence, where none of so many did (the rule of three).
    #[must_use]
    pub fn bound_percent(&self) -> Option<f64> {
        (self.bad() == 0 && self.pass > 0).then(|| (300.0 / self.pass as f64).min(100.0))
    }
}

/// What ended a campaign before all was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// Its time was up, as it was asked for.
    TimeUp,
    /// So many trials failed as were asked for.
    Failed,
    /// Somebody interrupted it.
    Interrupted,
    /// A trial had another digest than was expected.
    Deviated,
    /// A file of the report could not be written.
    Unwritable,
    /// Some of its shares, or a part of one, are not there.
    Missing,
}

/// What a campaign found; `summary.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The version of this layout.
    #[schemars(extend("const" = SUMMARY_FORMAT))]
    pub format: u32,
    /// The version of pulseless.
    pub pulseless: String,
    /// What played the trials; leap where the file does not say.
    #[serde(default, skip_serializing_if = "EngineKind::is_default")]
    pub engine: EngineKind,
    /// What was changed in every sim, such as `client.watchdog=off`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// Which share of the trials was played; none where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The first seed.
    pub from: u64,
    /// The last seed that every sim was played with, as far as it was this campaign's to play; none where there is none.
    pub complete_to: Option<u64>,
    /// How many trials were asked for; none where there was no end but that of time.
    pub asked: Option<u64>,
    /// What ended it before all were played; none where all were.
    pub stopped: Option<Stopped>,
    /// All trials together.
    pub tally: Tally,
    /// By sim.
    pub sims: BTreeMap<String, Tally>,
    /// The causes of the trials that did not pass, the most frequent first.
    pub groups: Vec<FailureGroup>,
    /// By sim: what the engine cannot express, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, BTreeSet<String>>,
    /// The first trial whose digest is not the expected one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<Deviation>,
}

/// When and how fast; `times.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// When it began, by the clock of the machine; RFC 3339.
    pub begun: String,
    /// Wall time in seconds, since it began or was resumed.
    pub seconds: f64,
    /// Trials that ended in it: what was there before it was resumed does not count. Older versions did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<u64>,
    /// Trials in each second of it.
    pub trials_per_second: f64,
}

impl Summary {
    /// Whether all that was broken was so for want of room on the machine.
    #[must_use]
    pub fn lacked_room_only(&self) -> bool {
        let mut broken = self.groups.iter().filter(|group| group.ended == "broken").peekable();
        broken.peek().is_some() && broken.all(|group| group.cause.checker == NO_ROOM)
    }
}

impl Times {
    /// The date on which it began, in UTC.
    #[must_use]
    pub fn date(&self) -> String {
        self.begun.split('T').next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_hundred_passes_say_less_than_one_in_a_hundred() {
        let tally = |pass, unknown| Tally { pass, unknown, ..Tally::default() };
        assert_eq!(tally(300, 0).bound_percent(), Some(1.0));
        assert_eq!(tally(1, 0).bound_percent(), Some(100.0));
        assert_eq!(tally(0, 0).bound_percent(), None);
        assert_eq!(tally(300, 1).bound_percent(), None);
    }
}
