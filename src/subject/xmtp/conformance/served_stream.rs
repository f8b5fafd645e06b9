//! One Subscribe stream of the client under test, on which a row says what a node says and hears what the client asks.
//!
//! Refuses to judge: a client that leaves, half-closes or stays silent is told as it is.
//!
//! ```text
//!   open --the client ends its half--> half-closed --> left
//!     |                                                 ^
//!     +------ reset, or the connection is gone ---------+
//! ```

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use crate::subject::xmtp::conformance::finding::{Unmet, not_judged, violation};
use crate::subject::xmtp::conformance::letter::RawTopic;
use crate::subject::xmtp::conformance::settings::ANSWER_MAX;
use crate::subject::xmtp::wire::proto;
use crate::subject::xmtp::wire::proto::subscribe_request::v1::Request as Ask;
use crate::subject::xmtp::wire::proto::subscribe_response::v1::{self as arms, Response as Arm};

/// The end of a request half and the reset of a stream look alike to gRPC; the response half falls within this, if it
/// does.
const RESET_MAX: Duration = Duration::from_millis(200);

/// One thing that the client did.
#[derive(Debug)]
pub(crate) enum ClientAct {
    /// A request.
    Request(Ask),
    /// It ended its half.
    HalfClosed,
    /// It reset the stream, or its connection is gone.
    Left,
    /// Nothing in time.
    Nothing,
}

/// Whether a node answers the client's Pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeManners {
    /// It answers each as soon as it reads it.
    Answers,
    /// It never does.
    Mute,
}

/// A stream whose headers have been sent.
pub(crate) struct ServedStream {
    requests: Streaming<proto::SubscribeRequest>,
    says: mpsc::Sender<Result<proto::SubscribeResponse, Status>>,
    is_half_closed: bool,
    pub(crate) manners: NodeManners,
    /// When the last frame was said.
    pub(crate) said_at: Instant,
    /// Pings of the client.
    pub(crate) pings: u32,
}

impl ServedStream {
    pub(crate) fn new(
        requests: Streaming<proto::SubscribeRequest>,
        says: mpsc::Sender<Result<proto::SubscribeResponse, Status>>,
    ) -> Self {
        let manners = NodeManners::Answers;
        ServedStream { requests, says, is_half_closed: false, manners, said_at: Instant::now(), pings: 0 }
    }

    pub(crate) async fn say(&mut self, arm: Arm) {
        let v1 = proto::subscribe_response::V1 { response: Some(arm) };
        let frame = proto::SubscribeResponse { version: Some(proto::subscribe_response::Version::V1(v1)) };
        if !matches!(timeout(ANSWER_MAX, self.says.send(Ok(frame))).await, Ok(Ok(()))) {
            // Whoever listens finds out that the client has left or does not read.
            tracing::debug!("a frame was not taken");
        }
        self.said_at = Instant::now();
    }

    /// Started, with that interval.
    pub(crate) async fn start(&mut self, interval: Duration) {
        let keepalive_interval_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        self.say(Arm::Started(arms::Started { keepalive_interval_ms, capabilities: Vec::new() })).await;
    }

    /// The end of a wave.
    pub(crate) async fn complete(&mut self, mutate_id: u64, topics: &[RawTopic]) {
        let topics = topics.iter().map(RawTopic::wire).collect();
        self.say(Arm::TopicsLive(arms::TopicsLive { topics })).await;
        self.say(Arm::CatchupComplete(arms::CatchupComplete { mutate_id })).await;
    }

    /// Ends the stream with that status.
    pub(crate) async fn fail(self, status: Status) {
        if self.says.send(Err(status)).await.is_err() {
            tracing::debug!("the client had left before");
        }
    }

    /// The next thing that the client does until then. A Ping is answered, unless this node is mute, and not returned.
    ///
    /// # Errors
    /// A frame that is no request of version 1.
    pub(crate) async fn next_until(&mut self, deadline: Instant) -> Result<ClientAct, Unmet> {
        loop {
            let heard = tokio::select! {
                biased;
                // What was asked before the client left counts, so the requests come first; they end with it.
                heard = self.requests.message(), if !self.is_half_closed => heard,
                () = self.says.closed() => return Ok(ClientAct::Left),
                () = sleep_until(deadline) => return Ok(ClientAct::Nothing),
            };
            let request = match heard {
                Ok(Some(request)) => request,
                Ok(None) => {
                    self.is_half_closed = true;
                    let left = timeout(RESET_MAX, self.says.closed()).await.is_ok();
                    return Ok(if left { ClientAct::Left } else { ClientAct::HalfClosed });
                }
                Err(_) => return Ok(ClientAct::Left),
            };
            let ask = match request.version {
                Some(proto::subscribe_request::Version::V1(v1)) => v1.request,
                None => None,
            };
            match ask {
                Some(Ask::Ping(ping)) => {
                    self.pings += 1;
                    if self.manners == NodeManners::Answers {
                        self.say(Arm::Pong(proto::Pong { nonce: ping.nonce })).await;
                    }
                }
                Some(ask) => return Ok(ClientAct::Request(ask)),
                None => return violation("the client sent a frame that is no request of version 1"),
            }
        }
    }

    /// Bears the client until then, and hears nothing but Pings and Pongs.
    ///
    /// # Errors
    /// The client left or half-closed: the row cannot go on, and says why.
    pub(crate) async fn keep_until(&mut self, deadline: Instant, meanwhile: &str) -> Result<(), Unmet> {
        loop {
            match self.next_until(deadline).await? {
                ClientAct::Nothing => return Ok(()),
                ClientAct::Request(_) => {}
                ClientAct::HalfClosed => return half_closed(),
                ClientAct::Left => return violation(format!("the client gave its stream up {meanwhile}")),
            }
        }
    }

    /// The Pong to a Ping that is said now, and how long it took; none within `patience`.
    ///
    /// # Errors
    /// Another nonce came, or the client left or half-closed.
    pub(crate) async fn ping(&mut self, nonce: u64, patience: Duration) -> Result<Option<Duration>, Unmet> {
        self.say(Arm::Ping(proto::Ping { nonce })).await;
        let began = self.said_at;
        loop {
            match self.next_until(began + patience).await? {
                ClientAct::Request(Ask::Pong(pong)) if pong.nonce == nonce => return Ok(Some(began.elapsed())),
                ClientAct::Request(Ask::Pong(pong)) => {
                    return violation(format!("a Ping with nonce {nonce} was answered with {}", pong.nonce));
                }
                ClientAct::Request(Ask::Mutate(_) | Ask::Ping(_)) => {}
                ClientAct::Nothing => return Ok(None),
                ClientAct::HalfClosed => return half_closed(),
                ClientAct::Left => return not_judged("the client left before it had answered a Ping"),
            }
        }
    }
}

/// What cannot be judged of a client that asks for nothing more.
pub(crate) fn half_closed<T>() -> Result<T, Unmet> {
    not_judged("the client half-closed its stream: this needs one that follows its topics")
}
