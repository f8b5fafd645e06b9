//! Bugs that can be planted in a node, to prove that the checkers catch them.
//!
//! Refuses to be on by default. Each quirk lives in a few lines at its place; this file only names them.

use std::fmt;
use std::str::FromStr;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quirk {
    /// Fresh messages of a wave's topic are sent live before its CatchupComplete (against S4).
    LiveBeforeCatchup,
    /// A live message rides in a wave's frame (against S3).
    MixedTags,
    /// Messages that arrive in mid-wave are lost (against S4).
    SkipsMidWave,
    /// A wave replays topic by topic instead of merged by id (against S4).
    UnsortedReplay,
    /// Two CatchupComplete for the Mutate of a wave (against S9).
    CompletesTwice,
    /// Every tenth SendGroupMessages is answered OK and stored nowhere.
    AcksUnstored,
    /// Messages are acknowledged and delivered when they are in memory, and are synced some time later.
    AcksUnsynced,
    /// The last id given is written down after the messages and not synced: a crash takes it back, and the id is
    /// given again (against S4).
    ReusesIds,
}

impl Quirk {
    /// All planted bugs.
    pub const ALL: [Quirk; 8] = [
        Quirk::LiveBeforeCatchup,
        Quirk::MixedTags,
        Quirk::SkipsMidWave,
        Quirk::UnsortedReplay,
        Quirk::CompletesTwice,
        Quirk::AcksUnstored,
        Quirk::AcksUnsynced,
        Quirk::ReusesIds,
    ];

    /// The quirk's name, as it stands in a sim.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Quirk::LiveBeforeCatchup => "live-before-catchup",
            Quirk::MixedTags => "mixed-tags",
            Quirk::SkipsMidWave => "skips-mid-wave",
            Quirk::UnsortedReplay => "unsorted-replay",
            Quirk::CompletesTwice => "completes-twice",
            Quirk::AcksUnstored => "acks-unstored",
            Quirk::AcksUnsynced => "acks-unsynced",
            Quirk::ReusesIds => "reuses-ids",
        }
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that names no quirk of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no quirk of a node; the quirks are {list}", list = Quirk::ALL.map(Quirk::name).join(", "))]
pub struct UnknownQuirk(pub String);

impl FromStr for Quirk {
    type Err = UnknownQuirk;

    fn from_str(text: &str) -> Result<Self, UnknownQuirk> {
        Quirk::ALL.into_iter().find(|quirk| quirk.name() == text).ok_or_else(|| UnknownQuirk(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_is_found_by_its_name() {
        for quirk in Quirk::ALL {
            assert_eq!(quirk.name().parse(), Ok(quirk));
        }
    }

    #[test]
    fn an_unknown_quirk_is_told_the_known_ones() {
        let error = "mixed-tag".parse::<Quirk>().expect_err("misspelt").to_string();
        assert!(error.contains("`mixed-tag`") && error.contains("mixed-tags"), "{error}");
    }
}
