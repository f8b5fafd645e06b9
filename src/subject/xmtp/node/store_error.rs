//! Why the message log cannot be used.
//!
//! Refuses to know what becomes of a node whose log fails.

use redb::{CommitError, DatabaseError, SetDurabilityError, StorageError, TableError, TransactionError};

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
    Open(#[from] DatabaseError),
    /// No transaction.
    #[error("begin a transaction on the message log: {0}")]
    Begin(#[from] TransactionError),
    /// A table does not open.
    #[error("open a table of the message log: {0}")]
    Table(#[from] TableError),
    /// Bytes cannot be read or written.
    #[error("read or write the message log: {0}")]
    Storage(#[from] StorageError),
    /// A transaction cannot be as durable as asked.
    #[error("set the durability of a transaction on the message log: {0}")]
    Durability(#[from] SetDurabilityError),
    /// The transaction is not durable.
    #[error("commit to the message log: {0}")]
    Commit(#[from] CommitError),
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
