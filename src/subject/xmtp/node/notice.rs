//! What a node tells its observers.
//!
//! Refuses to know what they make of it. A notice is told at once and in order; an observer must return
//! quickly and must not call back into the node.

use std::net::SocketAddr;

use crate::subject::xmtp::wire::{Draft, MessageId, MessageKind, Originator, Topic};

/// Something that happened inside a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeNotice {
    /// The log was opened: at the start, and again after each failure.
    LogOpened {
        /// The newest id of each sequence that it holds.
        heads: Vec<LogHead>,
    },
    /// The log failed or is corrupt. What needs it is answered UNAVAILABLE until it opens again. Told once for each
    /// reason.
    StoreFailed {
        /// What failed.
        why: String,
    },
    /// A message is durable; told after the commit and before the publisher is answered.
    Stored {
        /// Where it went; the part of its originator, where the log counts so.
        topic: Topic,
        /// Its place in the kind's sequence, or the originator's.
        id: MessageId,
        /// What was published.
        draft: Draft,
    },
    /// A Subscribe stream was opened.
    StreamOpened {
        /// Its number: 1, 2, 3 and so on, since the node started.
        stream: u64,
        /// Who opened it, if the transport knows.
        peer: Option<SocketAddr>,
    },
    /// A Subscribe stream was closed: exactly once for each that was opened.
    StreamClosed {
        /// Its number.
        stream: u64,
        /// Why.
        reason: NodeCloseReason,
    },
}

/// How far a log is in one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Of which kind its messages are.
    pub kind: MessageKind,
    /// Whose sequence it is, where the log counts so.
    pub originator: Option<Originator>,
    /// The newest id; 0 where there is none.
    pub id: MessageId,
}

/// Why a Subscribe stream was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeCloseReason {
    /// The client half-closed, and all waves are finished: OK (S11).
    Finished,
    /// The client canceled, or its connection broke.
    PeerGone,
    /// No Pong in time: DEADLINE_EXCEEDED (S6).
    Reaped,
    /// The client broke a rule or a bound; the text is the status message.
    Refused(String),
    /// The caller may not have a topic that it asked for: PERMISSION_DENIED (S7); the text is the status message.
    Denied(String),
    /// The client did not read what waited for it: ABORTED.
    TooSlow,
    /// The node could not go on: UNAVAILABLE, or the whole node was stopped.
    Failed(String),
}

/// Who is told.
pub trait NodeObserver: Send + Sync + 'static {
    /// Takes a notice.
    fn notice(&self, notice: NodeNotice);
}
