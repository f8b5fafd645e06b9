//! Why the message log cannot be used.
//!
//! Refuses to know what becomes of a node whose log fails.

use crate::subject::xmtp::wire::{MessageId, MessageKind};

/// Why the log cannot be used. Each fits after "failed to".
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// There is no such disk.
    #[error("open the disk of the message log: {0}")]
    Disk(#[source] std::io::Error),
    /// It has failed a moment ago.
    #[error("use the message log, which has failed a moment ago: failed to {0}")]
    Resting(String),
    /// It failed while it stored messages, so that some may have ids that no stream was told.
    #[error("follow the message log, which has failed while it stored messages")]
    Interrupted,
    /// The store does not open.
    #[error("open the message log: {0}")]
    Open(#[source] std::io::Error),
    /// Messages may have been stored, or not.
    #[error("append to the message log: {0}")]
    Append(#[source] std::io::Error),
    /// Messages were not stored, and the log is as it was.
    #[error("append to the message log, which stays as it was: {0}")]
    NotStored(#[source] std::io::Error),
    /// Bytes cannot be read.
    #[error("read {kind} message {id} of the message log: {error}")]
    Read {
        /// The message's kind.
        kind: MessageKind,
        /// Its id.
        id: MessageId,
        /// What the disk says.
        #[source]
        error: std::io::Error,
    },
    /// Stored bytes are not what was stored.
    #[error("read {kind} message {id} of the message log: {why}")]
    Corrupt {
        /// The message's kind.
        kind: MessageKind,
        /// Its id.
        id: MessageId,
        /// What is wrong.
        why: String,
    },
}
