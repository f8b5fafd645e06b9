//! Channels, the sequences of their messages, and how far a reader is: what every subject's messages have in common.
//!
//! Refuses to know what a message holds.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where messages are stored and followed, such as a topic. Channels of one sequence share their ids.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Channel {
    sequence: Arc<str>,
    name: Arc<str>,
}

impl Channel {
    /// The channel of that name whose ids come from that sequence.
    #[must_use]
    pub fn new(sequence: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Channel { sequence: sequence.into(), name: name.into() }
    }

    /// The sequence from which its ids come, one on each host that stores it.
    #[must_use]
    pub fn sequence(&self) -> &str {
        &self.sequence
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.sequence, self.name)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The place of a message in its sequence; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId(pub u64);

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{}", self.0)
    }
}

/// Everything up to and including this id is known; 0 is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor(pub u64);

impl Cursor {
    /// Whether the message of that id is still to come.
    #[must_use]
    pub(crate) fn is_before(self, id: MessageId) -> bool {
        id.0 > self.0
    }
}

impl From<MessageId> for Cursor {
    fn from(id: MessageId) -> Self {
        Cursor(id.0)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "after #{}", self.0)
    }
}

/// How far a reader of a channel is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The channel.
    pub channel: Channel,
    /// Everything up to here is known.
    pub cursor: Cursor,
}
