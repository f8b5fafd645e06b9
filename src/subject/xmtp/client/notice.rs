//! What a subscriber tells those who watch it.
//!
//! Refuses to know who watches and what becomes of it: an observer has no way to answer.

use std::fmt;
use std::time::Duration;

use tonic::Code;

use crate::grpc::{explain_after, printable};
use crate::subject::xmtp::client::TransportError;
use crate::subject::xmtp::wire::{Add, Message, Response, Tag};

/// Something that a subscriber did or saw. `attempt` counts the connections of one process, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientNotice {
    /// An attempt begins: it opens its inbox, where that is not open yet, and dials.
    Dialing {
        /// The attempt.
        attempt: u64,
    },
    /// The inbox was opened: at the first attempt, and again after each failure of it.
    InboxOpened {
        /// How far each topic is, by the messages that are there.
        cursors: Vec<Add>,
    },
    /// The inbox failed or is corrupt, and so the attempt ends. The next one opens it anew.
    StoreFailed {
        /// What failed.
        why: String,
    },
    /// The initial Mutate was submitted.
    Opened {
        /// The attempt.
        attempt: u64,
        /// Its topics and cursors.
        resume: Vec<Add>,
    },
    /// The node's first frame arrived (S1), or the headers of the older calls (C6).
    Started {
        /// The attempt.
        attempt: u64,
        /// The advertised interval.
        keepalive: Option<Duration>,
    },
    /// A frame arrived.
    Heard {
        /// The attempt.
        attempt: u64,
        /// Which.
        frame: ClientFrame,
    },
    /// The watchdog asked for a sign of life.
    WatchdogPinged {
        /// The attempt.
        attempt: u64,
    },
    /// The watchdog gave the stream up (C2).
    WatchdogTripped {
        /// The attempt.
        attempt: u64,
        /// How long nothing had arrived.
        silent_for: Duration,
    },
    /// The machine was suspended, or this process stopped: the stream is doubted (C5).
    Suspended {
        /// The attempt.
        attempt: u64,
        /// For how long.
        lasted: Duration,
    },
    /// It asked whether the stream outlived a suspension (C5).
    Probed {
        /// The attempt.
        attempt: u64,
    },
    /// The stream did.
    ProbeAnswered {
        /// The attempt.
        attempt: u64,
    },
    /// The application has processed these messages, and the inbox holds them durably, by one transaction (C3).
    Committed {
        /// The attempt.
        attempt: u64,
        /// They, in order.
        messages: Vec<Message>,
    },
    /// The stream has ended, and the application has yet to take what had arrived: `Ended` comes after that.
    LetGo {
        /// The attempt.
        attempt: u64,
        /// Why.
        cause: Cause,
    },
    /// The attempt ended: exactly once per `Dialing`, unless the process ended first.
    Ended {
        /// The attempt.
        attempt: u64,
        /// Why.
        cause: Cause,
    },
    /// It waits before it dials again.
    BackingOff {
        /// The attempt that ended.
        attempt: u64,
        /// How long.
        delay: Duration,
    },
}

/// A frame that arrived, without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// The node's first frame.
    Started,
    /// Messages.
    Delivery {
        /// What produced them.
        tag: Tag,
        /// How many.
        messages: usize,
    },
    /// The replay of some topics has ended.
    TopicsLive,
    /// A Mutate is acknowledged.
    CatchupComplete,
    /// A question for a Pong.
    Ping,
    /// The answer to a Ping.
    Pong,
}

impl From<&Response> for ClientFrame {
    fn from(response: &Response) -> Self {
        match response {
            Response::Started { .. } => ClientFrame::Started,
            Response::Delivery(delivery) => {
                ClientFrame::Delivery { tag: delivery.tag, messages: delivery.messages.len() }
            }
            Response::TopicsLive(_) => ClientFrame::TopicsLive,
            Response::CatchupComplete(_) => ClientFrame::CatchupComplete,
            Response::Ping(_) => ClientFrame::Ping,
            Response::Pong(_) => ClientFrame::Pong,
        }
    }
}

/// Why an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No connection came about.
    DialFailed(String),
    /// The stream failed with a status before `Started`.
    Refused(String),
    /// The node rejects what it is asked for (INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED): the same request
    /// can never succeed.
    Rejected(String),
    /// The node has no room for what it is asked for (RESOURCE_EXHAUSTED, S8): less may fit.
    Exhausted(String),
    /// The node does not serve what was called (UNIMPLEMENTED), or the transport cannot carry it.
    Unimplemented(String),
    /// Nothing arrived for N intervals (C2), or for too long on a stream of the older calls (C6).
    Watchdog,
    /// No Pong answered the Ping after a suspension (C5).
    Stale,
    /// The inbox failed.
    Inbox(String),
    /// The application took so little that the stream could not be read on.
    ConsumerBehind,
    /// The backlog of unsent frames went past its bound.
    BacklogFull,
    /// The stream failed with a status.
    StreamFailed(String),
    /// The node closed the stream, and nobody had asked it to.
    StreamEnded,
    /// The node closed the stream that this side had half-closed.
    Finished,
    /// The older calls were followed for long enough: Subscribe is tried again (C6).
    FallbackOver,
    /// Nothing new came on a stream that this side had half-closed.
    Stalled {
        /// For so long.
        after: Duration,
    },
}

impl Cause {
    /// What a stream's error means, before the node's first frame or after it.
    pub(crate) fn of_error(error: &TransportError, started: bool) -> Self {
        let TransportError::Refused(status) = error else { return Cause::Unimplemented(error.to_string()) };
        let told = format!("{:?}: {}", status.code(), printable(status.message()));
        let why = match std::error::Error::source(status) {
            Some(source) => explain_after(told, source),
            None => told,
        };
        // With a source it is no status of the node: tonic made it of what became of the connection, and a gateway that
        // says ENHANCE_YOUR_CALM is no node without room.
        let is_of_node = std::error::Error::source(status).is_none();
        if !is_of_node {
            return if started { Cause::StreamFailed(why) } else { Cause::Refused(why) };
        }
        if [Code::InvalidArgument, Code::PermissionDenied, Code::Unauthenticated].contains(&status.code()) {
            Cause::Rejected(why)
        } else if status.code() == Code::ResourceExhausted {
            Cause::Exhausted(why)
        } else if started {
            Cause::StreamFailed(why)
        } else if status.code() == Code::Unimplemented {
            Cause::Unimplemented(why)
        } else {
            Cause::Refused(why)
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::DialFailed(why) => write!(formatter, "dial failed: {why}"),
            Cause::Refused(why) => write!(formatter, "refused: {why}"),
            Cause::Rejected(why) => write!(formatter, "rejected: {why}"),
            Cause::Exhausted(why) => write!(formatter, "no room: {why}"),
            Cause::Unimplemented(why) => write!(formatter, "unimplemented: {why}"),
            Cause::Watchdog => formatter.write_str("watchdog"),
            Cause::Stale => formatter.write_str("no answer after a suspension"),
            Cause::Inbox(why) => write!(formatter, "inbox: {why}"),
            Cause::ConsumerBehind => formatter.write_str("the application is behind"),
            Cause::BacklogFull => formatter.write_str("backlog full"),
            Cause::StreamFailed(why) => write!(formatter, "stream failed: {why}"),
            Cause::StreamEnded => formatter.write_str("stream ended"),
            Cause::Finished => formatter.write_str("finished"),
            Cause::FallbackOver => formatter.write_str("the older calls' time is over"),
            Cause::Stalled { after } => write!(formatter, "nothing new came for {after:?} after the half-close"),
        }
    }
}

/// Somebody who watches. Called in the midst of the client's work, so it must be quick.
pub trait ClientObserver: Send + Sync + 'static {
    /// Takes note.
    fn notice(&self, notice: ClientNotice);
}
