//! The task of one Subscribe stream: reads requests, takes fresh messages, keeps time, sends frames.
//!
//! Refuses to decide: what a Mutate does and which frame is next is the session's, when to ping is the
//! liveness's. It keeps reading when the consumer is slow, because a Pong must be heard (S6), and it
//! ends, which frees its topics, as soon as the response stream is dropped.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rand::RngExt;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tokio_stream::Stream;
use tonic::{Code, Status, Streaming};

use crate::env::Dice;
use crate::subject::xmtp::node::authorization::CallerGate;
use crate::subject::xmtp::node::budget::Budget;
use crate::subject::xmtp::node::hub::{Interest, QueueState};
use crate::subject::xmtp::node::liveness::{Action, StreamLiveness};
use crate::subject::xmtp::node::log::Log;
use crate::subject::xmtp::node::rate_limiter::RateLimiter;
use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::reopening_log::ReopeningLog;
use crate::subject::xmtp::node::session::Session;
use crate::subject::xmtp::node::{NodeCloseReason, NodeConfig, NodeNotice, NodeObserver, NodeQuirk, StoreError};
use crate::subject::xmtp::wire::{Mutate, Nonce, Request, Response, Topic, proto};

/// What a stream needs of its node.
pub(crate) struct Lent {
    /// The message log.
    pub(crate) log: Arc<ReopeningLog>,
    /// The stream's queue of fresh messages.
    pub(crate) interest: Interest,
    /// Whether the caller may have what it asks for (S7).
    pub(crate) gate: CallerGate,
    /// For the nonces of Pings.
    pub(crate) dice: Dice,
    /// The stream's number and who is told of its end.
    pub(crate) opened: Opened,
}

/// Starts the task of a stream and returns its response side, with `Started` in it already (S1).
pub(crate) fn open(config: &NodeConfig, lent: Lent, requests: Streaming<proto::SubscribeRequest>) -> ResponseFrames {
    let limits = config.limits.clone();
    let liveness = StreamLiveness::new(config.keepalive, config.pong_deadline, limits.stall, Instant::now());
    let (frames, receiver) = mpsc::channel(limits.frames.max(1));
    let told = if config.quirk == Some(NodeQuirk::AdvertisesAnotherInterval) { 2 } else { 1 };
    let started = Response::Started { keepalive: liveness.advertised().map(|interval| interval * told) };
    if config.quirk != Some(NodeQuirk::SkipsStarted) {
        frames.try_send(started.into_proto()).expect("a fresh channel has room and a receiver");
    }
    let (status, ending) = oneshot::channel();
    let task = StreamTask {
        session: Session::new(limits, config.quirk),
        liveness,
        mutates: RateLimiter::new(config.limits.mutates),
        client_pings: RateLimiter::new(config.limits.client_pings),
        config: config.clone(),
        log: lent.log,
        interest: lent.interest,
        gate: lent.gate,
        dice: lent.dice,
        requests,
        frames,
        half_closed: false,
        live_is_next: true,
    };
    tokio::spawn(task.run(lent.opened, status));
    ResponseFrames { frames: receiver, ending }
}

/// The response side: frames, and then the status if it is not OK. Dropping it ends the task.
pub(crate) struct ResponseFrames {
    frames: mpsc::Receiver<proto::SubscribeResponse>,
    ending: oneshot::Receiver<Status>,
}

impl Stream for ResponseFrames {
    type Item = Result<proto::SubscribeResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.frames.poll_recv(context)) {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
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
    pub(crate) fn new(observer: Arc<dyn NodeObserver>, stream: u64, peer: Option<std::net::SocketAddr>) -> Self {
        observer.notice(NodeNotice::StreamOpened { stream, peer });
        // What is told if the task never comes to name its reason.
        Opened { observer, stream, reason: NodeCloseReason::Failed("the node was stopped".into()) }
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
enum NodeEnding {
    Finished,
    PeerGone,
    Reaped,
    TooSlow,
    Refused(NodeRefusal),
    Unreadable(Status),
    Failed(StoreError),
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
    fn status(&self) -> Option<Status> {
        match self {
            NodeEnding::Finished | NodeEnding::PeerGone => None,
            NodeEnding::Reaped => Some(Status::deadline_exceeded("no matching Pong arrived in time")),
            NodeEnding::TooSlow => Some(Status::aborted("consumer too slow")),
            NodeEnding::Refused(refusal) => Some(Status::from(refusal)),
            NodeEnding::Unreadable(status) => Some(status.clone()),
            NodeEnding::Failed(error) => Some(unavailable(error)),
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
        }
    }
}

/// The status of a store that cannot be used.
pub(crate) fn unavailable(error: &StoreError) -> Status {
    Status::unavailable(format!("failed to {error}"))
}

struct StreamTask {
    session: Session,
    liveness: StreamLiveness,
    mutates: RateLimiter,
    client_pings: RateLimiter,
    config: NodeConfig,
    log: Arc<ReopeningLog>,
    interest: Interest,
    gate: CallerGate,
    dice: Dice,
    requests: Streaming<proto::SubscribeRequest>,
    frames: mpsc::Sender<proto::SubscribeResponse>,
    half_closed: bool,
    live_is_next: bool,
}

impl StreamTask {
    async fn run(mut self, mut opened: Opened, status: oneshot::Sender<Status>) {
        let ending = self.serve().await;
        if self.config.quirk == Some(NodeQuirk::KeepsDeadStreams) && matches!(ending, NodeEnding::PeerGone) {
            pending::<()>().await;
        }
        opened.reason = ending.reason();
        if let Some(mut told) = ending.status() {
            if self.config.quirk == Some(NodeQuirk::MisnamesBounds) && told.code() == Code::ResourceExhausted {
                told = Status::invalid_argument(told.message());
            }
            // Nobody is left to be told if the response stream was dropped meanwhile.
            status.send(told).ok();
        }
        // The topics are free before anybody hears that the stream is closed.
        drop(self);
        drop(opened);
    }

    async fn serve(&mut self) -> NodeEnding {
        loop {
            let backlog = self.interest.backlog();
            match backlog {
                QueueState::Overflowed => return NodeEnding::TooSlow,
                QueueState::Interrupted => return NodeEnding::Failed(StoreError::Interrupted),
                QueueState::Empty | QueueState::Waiting => {}
            }
            if self.session.is_overfull() {
                return NodeEnding::TooSlow;
            }
            if self.half_closed && !self.session.has_output() {
                return NodeEnding::Finished;
            }
            let held_back = self.config.quirk == Some(NodeQuirk::HoldsBackLive) && self.interest.has_one();
            let sendable = self.session.has_output() || (backlog == QueueState::Waiting && !held_back);
            let due = self.liveness.next_deadline();
            // Requests come before the timer, so that a Pong of the last moment counts, and before
            // sending, so that a long replay cannot hide it; the rate limiters keep them from starving the rest.
            let step = select! {
                biased;
                () = self.frames.closed() => Err(NodeEnding::PeerGone),
                request = self.requests.message(), if !self.half_closed => self.receive(request).await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.keep_time(),
                open = has_room(&self.frames), if sendable => {
                    if open { self.send_next() } else { Err(NodeEnding::PeerGone) }
                }
                () = self.interest.changed() => Ok(()),
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    async fn receive(&mut self, incoming: Result<Option<proto::SubscribeRequest>, Status>) -> Result<(), NodeEnding> {
        match incoming {
            Ok(Some(frame)) => self.handle(Request::from_proto(frame).map_err(NodeRefusal::from)?),
            Ok(None) => {
                self.check_peer().await?;
                self.half_closed = true;
                self.liveness.half_close(Instant::now());
                Ok(())
            }
            Err(status) => {
                self.check_peer().await?;
                Err(NodeEnding::Unreadable(as_refusal(&status)))
            }
        }
    }

    /// tonic reports a reset by the client as a clean end of its requests, and a broken connection as an
    /// unreadable one. In both cases the response side is dropped as well: by a task that was woken
    /// together with this one, so it is given its turn.
    async fn check_peer(&self) -> Result<(), NodeEnding> {
        yield_now().await;
        if self.frames.is_closed() { Err(NodeEnding::PeerGone) } else { Ok(()) }
    }

    fn handle(&mut self, request: Request) -> Result<(), NodeEnding> {
        match request {
            Request::Mutate(mutate) => self.mutate(mutate),
            Request::Ping(nonce) => {
                self.count_ping()?;
                self.session.push_control(Response::Pong(nonce));
                Ok(())
            }
            Request::Pong(nonce) if self.config.quirk != Some(NodeQuirk::PongUnheard) && self.liveness.pong(nonce) => {
                Ok(())
            }
            // A late or foreign Pong means nothing, but a flood of them is a flood of pings (S8).
            Request::Pong(_) => self.count_ping(),
        }
    }

    fn count_ping(&mut self) -> Result<(), NodeEnding> {
        let rate = self.config.limits.client_pings;
        if self.client_pings.admit(Instant::now()) {
            return Ok(());
        }
        Err(NodeRefusal::PingsTooFast { burst: rate.burst, per_second: rate.per_second }.into())
    }

    fn mutate(&mut self, mutate: Mutate) -> Result<(), NodeEnding> {
        let rate = self.config.limits.mutates;
        if !self.mutates.admit(Instant::now()) {
            return Err(NodeRefusal::MutatesTooFast { burst: rate.burst, per_second: rate.per_second }.into());
        }
        let asked: Vec<Topic> = mutate.adds.iter().map(|add| add.topic.clone()).collect();
        let change = self.session.plan(mutate)?;
        // Once the plan has found that they are not too many (S8), and before anything of it is applied (S7).
        self.gate.check(&asked)?;
        change.leaves().for_each(|topic| self.interest.leave(topic));
        change.joins().for_each(|topic| self.interest.join(topic));
        // After the joins: a message stored from here on reaches the queue, and all before is below the
        // heads (S4).
        let heads = self.log.with(Log::heads)?;
        self.session.apply(change, heads);
        Ok(())
    }

    fn keep_time(&mut self) -> Result<(), NodeEnding> {
        if self.config.quirk == Some(NodeQuirk::NeverPings) {
            self.liveness.sent(Instant::now());
            return Ok(());
        }
        match self.liveness.poll(Instant::now(), || Nonce(self.dice.random())) {
            None => Ok(()),
            Some(Action::Ping(nonce)) => {
                self.session.push_control(Response::Ping(nonce));
                Ok(())
            }
            Some(Action::Reap) => Err(NodeEnding::Reaped),
            Some(Action::Stalled) => Err(NodeEnding::TooSlow),
        }
    }

    /// Sends one frame, if what waits makes one. There is room: this task is the only sender.
    fn send_next(&mut self) -> Result<(), NodeEnding> {
        let Some(frame) = self.next_frame()? else { return Ok(()) };
        self.frames.try_send(frame.into_proto()).map_err(|_| NodeEnding::PeerGone)?;
        if self.config.quirk != Some(NodeQuirk::PingsInSpiteOfTraffic) {
            self.liveness.sent(Instant::now());
        }
        Ok(())
    }

    /// Markers and answers first; then live and replay take turns, so that neither starves the other (S4).
    fn next_frame(&mut self) -> Result<Option<Response>, NodeEnding> {
        if let Some(control) = self.session.control() {
            return Ok(Some(control));
        }
        // The quirk `mixed-tags` lets live messages wait for a wave's frame while there is one.
        let live_is_next = self.live_is_next && self.config.quirk != Some(NodeQuirk::MixedTags);
        self.live_is_next = !live_is_next;
        if live_is_next && let Some(frame) = self.live_frame() {
            return Ok(Some(frame));
        }
        if let Some(frame) = self.replay_frame()? {
            return Ok(Some(frame));
        }
        Ok(if live_is_next { None } else { self.live_frame() })
    }

    fn live_frame(&mut self) -> Option<Response> {
        let limits = &self.config.limits;
        let fresh = self.interest.take(Budget::new(limits.frame_messages, limits.frame_bytes));
        self.session.live(&fresh)
    }

    fn replay_frame(&mut self) -> Result<Option<Response>, NodeEnding> {
        if !self.session.has_output() {
            return Ok(None);
        }
        let frame = self.log.with(|log| self.session.replay(&log.snapshot()?))?;
        match frame {
            Some(Response::Delivery(mut delivery)) if self.config.quirk == Some(NodeQuirk::MixedTags) => {
                if let Some(Response::Delivery(live)) = self.live_frame() {
                    delivery.messages.extend(live.messages);
                }
                Ok(Some(Response::Delivery(delivery)))
            }
            other => Ok(other),
        }
    }
}

/// Waits until the channel takes a frame; false if the response stream was dropped.
async fn has_room(frames: &mpsc::Sender<proto::SubscribeResponse>) -> bool {
    frames.reserve().await.is_ok()
}

/// tonic's status for bytes that are no request: INTERNAL would blame the node.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is not ours, and may grow")]
fn as_refusal(status: &Status) -> Status {
    match status.code() {
        Code::OutOfRange => Status::resource_exhausted(status.message()),
        _ => Status::invalid_argument(status.message()),
    }
}
