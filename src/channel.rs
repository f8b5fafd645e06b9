//! Channels, the sequences of their messages, and how far a reader is: what every subject's messages have in common.
//!
//! Refuses to know what a message holds.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

/// Where messages are stored and followed, such as a topic. Channels of one sequence share their ids.
///
/// One text, `sequence:name`: judges compare channels for every message.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel {
    text: Arc<str>,
    sequence_bytes: usize,
}

impl Channel {
    /// The channel of that name whose ids come from that sequence.
    #[must_use]
    pub fn new(sequence: &str, name: &str) -> Self {
        Channel { text: format!("{sequence}:{name}").into(), sequence_bytes: sequence.len() }
    }

    /// Its one text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The sequence from which its ids come, one on each host that stores it.
    #[must_use]
    pub fn sequence(&self) -> &str {
        &self.text[..self.sequence_bytes]
    }

    /// What it is called within its sequence.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.text[self.sequence_bytes + 1..]
    }
}

/// For the digest of a history: the sequence, then the name.
impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut channel = serializer.serialize_struct("Channel", 2)?;
        channel.serialize_field("sequence", self.sequence())?;
        channel.serialize_field("name", self.name())?;
        channel.end()
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The place of a message in its sequence; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The channel.
    pub channel: Channel,
    /// Everything up to here is known.
    pub cursor: Cursor,
}
