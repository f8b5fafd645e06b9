//! The response side of a stream: what is sent, how it ends, and who is told of that.
//!
//! Refuses to know what a stream sends and when.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tonic::Status;

use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::{NodeCloseReason, NodeNotice, NodeObserver, StoreError};

/// What a node that ends says to its callers.
const STOPPING: &str = "the node is shutting down";

/// Frames, and then the status if it is not OK. Dropping it ends the task that sends them.
pub(crate) struct ResponseFrames<T> {
    frames: mpsc::Receiver<T>,
    ending: oneshot::Receiver<Status>,
}

/// Where a task leaves the status of its stream.
pub(crate) type LastWord = oneshot::Sender<Status>;

impl<T> ResponseFrames<T> {
    /// The response side with room for so many frames, and the two ends of its task.
    pub(crate) fn with_room(frames: usize) -> (mpsc::Sender<T>, LastWord, Self) {
        let (sender, frames) = mpsc::channel(frames.max(1));
        let (status, ending) = oneshot::channel();
        (sender, status, ResponseFrames { frames, ending })
    }

    /// A stream that ends with that status, and has no frame.
    pub(crate) fn ended(told: Status) -> Self {
        let (_, status, response) = ResponseFrames::with_room(1);
        status.send(told).expect("the receiver is held");
        response
    }
}

impl<T> Stream for ResponseFrames<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.frames.poll_recv(context)) {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            // The task leaves its status before it drops the frames.
            None => Poll::Ready(self.ending.try_recv().ok().map(Err)),
        }
    }
}

/// Waits until the channel takes a frame; false if the response stream was dropped.
pub(crate) async fn has_room<T>(frames: &mpsc::Sender<T>) -> bool {
    frames.reserve().await.is_ok()
}

/// Tells that a stream was opened and, exactly once, that it was closed.
pub(crate) struct Opened {
    observer: Arc<dyn NodeObserver>,
    stream: u64,
    reason: NodeCloseReason,
}

impl Opened {
    /// Tells the opening.
    pub(crate) fn new(observer: Arc<dyn NodeObserver>, stream: u64, peer: Option<SocketAddr>) -> Self {
        observer.notice(NodeNotice::StreamOpened { stream, peer });
        // What is told if the task never comes to name its reason.
        Opened { observer, stream, reason: NodeCloseReason::Failed("the node was stopped".into()) }
    }

    /// Keeps the reason until the stream is closed, and leaves the status to the caller.
    pub(crate) fn end(&mut self, ending: &NodeEnding, status: LastWord) {
        self.reason = ending.reason();
        if let Some(told) = ending.status() {
            // Nobody is left to be told if the response stream was dropped meanwhile.
            status.send(told).ok();
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let reason = std::mem::replace(&mut self.reason, NodeCloseReason::PeerGone);
        self.observer.notice(NodeNotice::StreamClosed { stream: self.stream, reason });
    }
}

/// How a stream ends.
#[derive(Debug)]
pub(crate) enum NodeEnding {
    /// All that was asked for was sent.
    Finished,
    /// Nobody is there any more.
    PeerGone,
    /// No Pong came.
    Reaped,
    /// What waited was not taken.
    TooSlow,
    /// A request broke a rule or a bound, or asked for what is denied.
    Refused(NodeRefusal),
    /// A request could not be read.
    Unreadable(Status),
    /// The log failed.
    Failed(StoreError),
    /// The node is shutting down.
    Stopped,
}

impl From<NodeRefusal> for NodeEnding {
    fn from(refusal: NodeRefusal) -> Self {
        NodeEnding::Refused(refusal)
    }
}

impl From<StoreError> for NodeEnding {
    fn from(error: StoreError) -> Self {
        NodeEnding::Failed(error)
    }
}

impl NodeEnding {
    /// What the client is told; none is OK, or nobody is left to be told.
    pub(crate) fn status(&self) -> Option<Status> {
        match self {
            NodeEnding::Finished | NodeEnding::PeerGone => None,
            NodeEnding::Reaped => Some(Status::deadline_exceeded("no matching Pong arrived in time")),
            NodeEnding::TooSlow => Some(Status::aborted("consumer too slow")),
            NodeEnding::Refused(refusal) => Some(Status::from(refusal)),
            NodeEnding::Unreadable(status) => Some(status.clone()),
            NodeEnding::Failed(error) => Some(unavailable(error)),
            NodeEnding::Stopped => Some(stopping()),
        }
    }

    fn reason(&self) -> NodeCloseReason {
        match self {
            NodeEnding::Finished => NodeCloseReason::Finished,
            NodeEnding::PeerGone => NodeCloseReason::PeerGone,
            NodeEnding::Reaped => NodeCloseReason::Reaped,
            NodeEnding::TooSlow => NodeCloseReason::TooSlow,
            NodeEnding::Refused(denied @ NodeRefusal::Denied(_)) => NodeCloseReason::Denied(denied.to_string()),
            NodeEnding::Refused(refusal) => NodeCloseReason::Refused(refusal.to_string()),
            NodeEnding::Unreadable(status) => NodeCloseReason::Refused(status.message().into()),
            NodeEnding::Failed(error) => NodeCloseReason::Failed(format!("failed to {error}")),
            NodeEnding::Stopped => NodeCloseReason::Failed(STOPPING.into()),
        }
    }
}

/// The status of a store that cannot be used.
pub(crate) fn unavailable(error: &StoreError) -> Status {
    Status::unavailable(format!("failed to {error}"))
}

/// The status of a node that is shutting down.
pub(crate) fn stopping() -> Status {
    Status::unavailable(STOPPING)
}
