//! The response side of a stream: what is sent, how it ends, and who is told of that.
//!
//! Refuses to know what a stream sends and when.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use prost::Message;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_stream::Stream;
use tonic::Status;

use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::{NodeCloseReason, NodeLimits, NodeNotice, NodeObserver, StoreError};

/// What a node that ends says to its callers.
const STOPPING: &str = "the node is shutting down";

/// Frames, and then the status if it is not OK. Dropping it ends the task that sends them.
pub(crate) struct ResponseFrames<T> {
    /// Each with its bytes.
    frames: mpsc::Receiver<(T, usize)>,
    waiting: Arc<WaitingBytes>,
    ending: oneshot::Receiver<Status>,
}

/// The task's end of the response side. It is the only sender.
pub(crate) struct FrameSender<T> {
    frames: mpsc::Sender<(T, usize)>,
    waiting: Arc<WaitingBytes>,
    /// With so many bytes waiting there is no room.
    bytes: usize,
}

/// The bytes of the frames that HTTP/2 has not taken yet: a few frames of the largest messages are no small buffer.
#[derive(Default)]
struct WaitingBytes {
    bytes: AtomicUsize,
    taken: Notify,
}

/// Where a task leaves the status of its stream.
pub(crate) type LastWord = oneshot::Sender<Status>;

impl<T: Message> ResponseFrames<T> {
    /// The response side with room for as many frames, and as many bytes in them, as these limits grant; and the two
    /// ends of its task.
    pub(crate) fn with_room(limits: &NodeLimits) -> (FrameSender<T>, LastWord, Self) {
        let (sender, frames) = mpsc::channel(limits.frames.max(1));
        let (status, ending) = oneshot::channel();
        let waiting = Arc::new(WaitingBytes::default());
        let bytes = limits.frames.max(1).saturating_mul(limits.frame_bytes.max(1));
        let sender = FrameSender { frames: sender, waiting: Arc::clone(&waiting), bytes };
        (sender, status, ResponseFrames { frames, waiting, ending })
    }

    /// A stream that ends with that status, and has no frame.
    pub(crate) fn ended(told: Status) -> Self {
        let (_, status, response) = ResponseFrames::with_room(&NodeLimits::default());
        status.send(told).expect("the receiver is held");
        response
    }
}

impl<T: Message> FrameSender<T> {
    /// Waits until there is room for a frame; false if the response stream was dropped.
    pub(crate) async fn has_room(&self) -> bool {
        loop {
            // Before the look, so that what is taken in between is not missed.
            let taken = self.waiting.taken.notified();
            if self.frames.reserve().await.is_err() {
                return false;
            }
            if self.waiting.bytes.load(Ordering::Relaxed) < self.bytes {
                return true;
            }
            tokio::select! {
                biased;
                () = self.frames.closed() => return false,
                () = taken => {}
            }
        }
    }

    /// Hands a frame on.
    ///
    /// # Errors
    /// There is no room, or nobody to take it.
    pub(crate) fn send(&self, frame: T) -> Result<(), NodeEnding> {
        let bytes = frame.encoded_len();
        self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.frames.try_send((frame, bytes)).map_err(|_| NodeEnding::PeerGone)
    }

    /// Ends when the response stream was dropped.
    pub(crate) async fn closed(&self) {
        self.frames.closed().await;
    }

    /// Whether the response stream was dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.frames.is_closed()
    }
}

impl<T: Message> Stream for ResponseFrames<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.frames.poll_recv(context)) {
            Some((frame, bytes)) => {
                self.waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
                self.waiting.taken.notify_one();
                Poll::Ready(Some(Ok(frame)))
            }
            // The task leaves its status before it drops the frames.
            None => Poll::Ready(self.ending.try_recv().ok().map(Err)),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt;

    #[tokio::test(start_paused = true)]
    async fn a_few_large_frames_fill_the_room_as_many_small_ones_do() {
        let limits = NodeLimits { frames: 4, frame_bytes: 1_000, ..NodeLimits::default() };
        let (sender, _status, mut response) = ResponseFrames::<Vec<u8>>::with_room(&limits);
        let is_open = async || tokio::time::timeout(std::time::Duration::from_secs(1), sender.has_room()).await;
        for large in [false, true] {
            let frame = if large { vec![7; 24 << 20] } else { vec![7; 2] };
            let mut sent = 0;
            while is_open().await == Ok(true) {
                sender.send(frame.clone()).expect("there is room");
                sent += 1;
            }
            assert_eq!(sent, if large { 1 } else { 4 });
            // Who waits for room is woken by what is taken.
            let (room, _) = tokio::join!(sender.has_room(), response.next());
            assert!(room);
            while sent > 1 {
                response.next().await.expect("a frame").expect("no status");
                sent -= 1;
            }
        }
        drop(response);
        assert!(!sender.has_room().await && sender.is_closed());
    }
}
