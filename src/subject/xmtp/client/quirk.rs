//! The bugs that can be planted in the client, so that a checker can prove that it sees them.
//!
//! Refuses to know how a bug is done: each lives in a line or two at its place, under its name here.

use std::fmt;
use std::str::FromStr;

/// One planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quirk {
    /// The inbox stores messages and never the cursors: a restart resumes from the configuration (against C3).
    CursorInMemoryOnly,
    /// A reconnect forgets the floors: it resumes from the configuration and takes everything again (against C3).
    FloorForgotten,
    /// The watchdog waits for the application to take what has arrived: a slow one trips it (against C2).
    WatchdogCountsConsumer,
    /// Pings of the node stay unanswered (against C1).
    PongWithheld,
    /// Each delay before a reconnect is the whole step: clients that fell together return together.
    BackoffWithoutJitter,
    /// A reconnect does not ask for its last topic again, as if it still followed it (against C3).
    TopicLeftBehind,
    /// The cursor of a resume is one past the floor: one message may be lost (against C3).
    ResumesAhead,
    /// What was read of a frame when its connection broke is put before the next connection's bytes.
    KeepsHalfReadFrame,
    /// The inbox does not wait until what it stores is synced: a crash takes it back (against C3).
    CommitsUnsynced,
    /// The inbox stores the cursors before the messages, in a transaction of their own: a crash in between loses the
    /// messages (against C3).
    CursorFirst,
}

impl Quirk {
    /// Every quirk.
    pub const ALL: [Quirk; 10] = [
        Quirk::CursorInMemoryOnly,
        Quirk::FloorForgotten,
        Quirk::WatchdogCountsConsumer,
        Quirk::PongWithheld,
        Quirk::BackoffWithoutJitter,
        Quirk::TopicLeftBehind,
        Quirk::ResumesAhead,
        Quirk::KeepsHalfReadFrame,
        Quirk::CommitsUnsynced,
        Quirk::CursorFirst,
    ];

    /// The name that a sim file uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Quirk::CursorInMemoryOnly => "cursor-in-memory-only",
            Quirk::FloorForgotten => "floor-forgotten",
            Quirk::WatchdogCountsConsumer => "watchdog-counts-consumer",
            Quirk::PongWithheld => "pong-withheld",
            Quirk::BackoffWithoutJitter => "backoff-without-jitter",
            Quirk::TopicLeftBehind => "topic-left-behind",
            Quirk::ResumesAhead => "resumes-ahead",
            Quirk::KeepsHalfReadFrame => "keeps-half-read-frame",
            Quirk::CommitsUnsynced => "commits-unsynced",
            Quirk::CursorFirst => "cursor-first",
        }
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A text that names no quirk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no quirk of the client; the quirks are {}", Quirk::ALL.map(Quirk::name).join(", "))]
pub struct UnknownQuirk {
    /// The text.
    pub name: String,
}

impl FromStr for Quirk {
    type Err = UnknownQuirk;

    fn from_str(text: &str) -> Result<Self, UnknownQuirk> {
        let named = Quirk::ALL.into_iter().find(|quirk| quirk.name() == text);
        named.ok_or_else(|| UnknownQuirk { name: text.into() })
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
        let error = "pong".parse::<Quirk>().expect_err("no quirk").to_string();
        assert!(error.contains("`pong`") && error.contains("pong-withheld"), "{error}");
    }
}
