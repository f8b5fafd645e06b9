//! A message, stored or still to be stored, of either kind.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::channel::MessageId;
use crate::subject::xmtp::wire::{Originator, Topic};

/// What a message carries besides its data, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Envelope {
    /// Of a group message.
    Group {
        /// Authenticates the sender to push services.
        sender_hmac: Bytes,
        /// Whether a push notification is wanted.
        should_push: bool,
        /// Whether the data is an MLS commit.
        is_commit: bool,
    },
    /// Of a welcome.
    Welcome {
        /// The key that the welcome is encrypted to.
        hpke_public_key: Bytes,
        /// The wire's number of the wrapper algorithm.
        wrapper_algorithm: i32,
        /// Encrypted metadata.
        welcome_metadata: Bytes,
    },
}

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Where it goes; its kind agrees with the envelope's.
    pub topic: Topic,
    /// The payload.
    pub data: Bytes,
    /// What goes with the payload.
    pub envelope: Envelope,
}

/// Where a message stands in the sequence of its originator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginatorPlace {
    /// Whose sequence that is.
    pub originator: Originator,
    /// Its place there.
    pub sequence: MessageId,
}

/// A message that a node stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its place in the kind's sequence, or in that of its topic's originator, where the topic is a part.
    pub id: MessageId,
    /// Its place by originator, in the log of a node that counts so.
    pub origin: Option<OriginatorPlace>,
    /// When it was stored, in nanoseconds since the Unix epoch, by the node's wall clock.
    pub created_ns: u64,
    /// What was published.
    pub draft: Draft,
}

impl Message {
    /// The topic that it was published to.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.draft.topic
    }
}
