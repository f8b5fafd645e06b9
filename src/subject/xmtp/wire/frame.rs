//! What travels on a Subscribe stream, as our own types.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::subject::xmtp::wire::{Cursor, Message, Topic};

/// Matches a Pong to its Ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nonce(pub u64);

/// Names the catch-up wave that a Mutate starts (S3); 0 only where a Mutate adds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MutateId(pub u64);

impl fmt::Display for MutateId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "mutate {}", self.0)
    }
}

/// What produced a frame of messages (S3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tag {
    /// The live flow; 0 on the wire.
    Live,
    /// The catch-up wave of that Mutate.
    Wave(MutateId),
    /// A wave or the live flow: the dialect does not say which.
    Untold,
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tag::Live => formatter.write_str("live"),
            Tag::Wave(id) => write!(formatter, "wave of {id}"),
            Tag::Untold => formatter.write_str("messages"),
        }
    }
}

/// One topic to add, and what is already known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Add {
    /// The topic.
    pub topic: Topic,
    /// Deliver ids greater than this (S2).
    pub cursor: Cursor,
}

/// A change of the stream's topics, applied whole or not at all (S5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mutate {
    /// Topics to add; the wave of `id` replays them.
    pub adds: Vec<Add>,
    /// Topics to remove, before the adds.
    pub removes: Vec<Topic>,
    /// Replay only, without live registration (S11).
    pub history_only: bool,
    /// The wave's name.
    pub id: MutateId,
}

/// A client's frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Change the topics.
    Mutate(Mutate),
    /// Ask for a Pong.
    Ping(Nonce),
    /// Answer a Ping.
    Pong(Nonce),
}

/// Messages of one wave or of the live flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryFrame {
    /// What produced the frame.
    pub tag: Tag,
    /// Ascending by id within each kind; groups come before welcomes.
    pub messages: Vec<Message>,
}

/// A node's frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// The first frame of a stream (S1).
    Started {
        /// The node pings when it was silent for so long; none if it did not advertise one.
        keepalive: Option<Duration>,
    },
    /// Messages.
    Delivery(DeliveryFrame),
    /// The topics whose replay has ended (S9).
    TopicsLive(Vec<Topic>),
    /// The acknowledgment of one Mutate (S9).
    CatchupComplete(MutateId),
    /// Ask for a Pong.
    Ping(Nonce),
    /// Answer a Ping.
    Pong(Nonce),
}
