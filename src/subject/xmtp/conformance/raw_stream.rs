//! One Subscribe stream of a raw peer: sends what it is told, and reads only when it is asked.
//!
//! Refuses to know what is lawful. Because nothing reads in the background, a row that stops asking is a slow consumer:
//! the stream's window fills, and the node is held in mid-wave.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status, Streaming};

use crate::grammar::Readable;
use crate::subject::xmtp::conformance::finding::{
    Finding, Unmet, code_name, ended_early, overdue, spell_status, violation,
};
use crate::subject::xmtp::conformance::letter::{Delivered, Letter, RawTopic, arrivals};
use crate::subject::xmtp::conformance::settings::ANSWER_MAX;
use crate::subject::xmtp::wire::proto;
use crate::subject::xmtp::wire::proto::subscribe_request::v1::{Mutate, Request as Ask, mutate::Subscription};
use crate::subject::xmtp::wire::proto::subscribe_response::v1::{Response as Arm, Started};

/// Whether a peer answers the node's Pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// It answers each as soon as it reads it.
    Answers,
    /// It never does.
    Silent,
}

/// One thing that was heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A frame.
    Frame(Arm),
    /// The end of the stream; a clean one is OK.
    Ended(Status),
    /// Nothing in time.
    Nothing,
}

/// A stream.
pub(crate) struct RawStream {
    requests: Option<mpsc::Sender<Bytes>>,
    responses: Streaming<Bytes>,
    /// Whether the node's Pings are answered.
    pub(crate) manners: Manners,
}

impl RawStream {
    pub(crate) fn new(requests: mpsc::Sender<Bytes>, responses: Streaming<Bytes>) -> Self {
        RawStream { requests: Some(requests), responses, manners: Manners::Answers }
    }

    /// Sends these bytes as one frame. A stream that has ended takes nothing, and its status tells why.
    pub(crate) async fn send_raw(&self, frame: Bytes) {
        let Some(requests) = &self.requests else { return };
        let sent = timeout_at(Instant::now() + ANSWER_MAX, requests.send(frame)).await;
        if !matches!(sent, Ok(Ok(()))) {
            // Whoever reads finds out: by the stream's status, or by what does not come.
            tracing::debug!("a frame was not taken");
        }
    }

    pub(crate) async fn send(&self, ask: Ask) {
        let v1 = proto::subscribe_request::V1 { request: Some(ask) };
        let frame = proto::SubscribeRequest { version: Some(proto::subscribe_request::Version::V1(v1)) };
        self.send_raw(frame.encode_to_vec().into()).await;
    }

    pub(crate) async fn mutate(&self, mutate: Mutate) {
        self.send(Ask::Mutate(mutate)).await;
    }

    pub(crate) async fn ping(&self, nonce: u64) {
        self.send(Ask::Ping(proto::Ping { nonce })).await;
    }

    /// Ends the request half.
    pub(crate) fn half_close(&mut self) {
        self.requests = None;
    }

    /// The next thing that is heard until then. A Ping is answered before it is returned.
    ///
    /// # Errors
    /// A frame that is no response of version 1: nothing more can be judged by this stream.
    pub(crate) async fn next_until(&mut self, deadline: Instant) -> Result<Heard, Unmet> {
        let bytes = match timeout_at(deadline, self.responses.message()).await {
            Err(_) => return Ok(Heard::Nothing),
            Ok(Err(status)) => return Ok(Heard::Ended(status)),
            Ok(Ok(None)) => return Ok(Heard::Ended(Status::ok(""))),
            Ok(Ok(Some(bytes))) => bytes,
        };
        let arm = read_arm(bytes)?;
        if let (Arm::Ping(ping), Manners::Answers) = (&arm, self.manners) {
            self.send(Ask::Pong(proto::Pong { nonce: ping.nonce })).await;
        }
        Ok(Heard::Frame(arm))
    }

    /// Every frame until one for which `enough` says so, that one included.
    ///
    /// # Errors
    /// It does not come within `patience`, or the stream ends before.
    pub(crate) async fn read_within(
        &mut self,
        patience: Duration,
        awaited: &str,
        mut enough: impl FnMut(&Arm) -> bool,
    ) -> Result<Vec<Arm>, Unmet> {
        let (deadline, mut frames) = (Instant::now() + patience, Vec::new());
        loop {
            match self.next_until(deadline).await? {
                Heard::Frame(frame) => {
                    let is_last = enough(&frame);
                    frames.push(frame);
                    if is_last {
                        return Ok(frames);
                    }
                }
                Heard::Ended(status) => return Err(ended_early(&status, awaited)),
                Heard::Nothing => return overdue(awaited, patience),
            }
        }
    }

    /// Every frame until the acknowledgment of that Mutate.
    ///
    /// # Errors
    /// As [`RawStream::read_within`].
    pub(crate) async fn until_complete(&mut self, id: u64) -> Result<Vec<Arm>, Unmet> {
        self.read_within(ANSWER_MAX, &format!("CatchupComplete {id}"), |frame| is_complete(frame, id)).await
    }

    /// Every frame until all these letters have come, or nothing new of them did for long.
    ///
    /// # Errors
    /// The stream ends before.
    pub(crate) async fn until_all(&mut self, letters: &[Letter]) -> Result<Vec<Arm>, Unmet> {
        let (mut frames, mut missing): (Vec<Arm>, Vec<&Letter>) = (Vec::new(), letters.iter().collect());
        let mut deadline = Instant::now() + ANSWER_MAX;
        while !missing.is_empty() {
            match self.next_until(deadline).await? {
                Heard::Frame(frame) => {
                    let (before, came) = (missing.len(), arrivals([&frame]));
                    missing.retain(|letter| !came.iter().any(|arrival| arrival.is(letter)));
                    if missing.len() < before {
                        deadline = Instant::now() + ANSWER_MAX;
                    }
                    frames.push(frame);
                }
                Heard::Ended(status) => return Err(ended_early(&status, "a message")),
                Heard::Nothing => return Ok(frames),
            }
        }
        Ok(frames)
    }

    /// Every frame of so long a time.
    ///
    /// # Errors
    /// The stream ends meanwhile.
    pub(crate) async fn listen(&mut self, time: Duration) -> Result<Vec<Arm>, Unmet> {
        let (deadline, mut frames) = (Instant::now() + time, Vec::new());
        loop {
            match self.next_until(deadline).await? {
                Heard::Frame(frame) => frames.push(frame),
                Heard::Ended(status) => return Err(ended_early(&status, "its time")),
                Heard::Nothing => return Ok(frames),
            }
        }
    }

    /// The end of the stream within that time, and the frames before it.
    ///
    /// # Errors
    /// It stays open.
    pub(crate) async fn ending(&mut self, patience: Duration) -> Result<(Vec<Arm>, Status), Unmet> {
        let (deadline, mut frames) = (Instant::now() + patience, Vec::new());
        loop {
            match self.next_until(deadline).await? {
                Heard::Frame(frame) => frames.push(frame),
                Heard::Ended(status) => return Ok((frames, status)),
                Heard::Nothing => return overdue("the end of the stream", patience),
            }
        }
    }

    /// The node must end the stream with that code because of what was sent to it.
    ///
    /// # Errors
    /// It ends otherwise, or stays open.
    pub(crate) async fn refused(&mut self, code: Code, because: &str) -> Finding {
        let (deadline, mut acknowledged) = (Instant::now() + ANSWER_MAX, Vec::new());
        loop {
            match self.next_until(deadline).await? {
                Heard::Frame(Arm::CatchupComplete(complete)) => acknowledged.push(complete.mutate_id),
                Heard::Frame(_) => {}
                Heard::Ended(status) if status.code() == code => {
                    return Ok(format!("{because}: {}", spell_status(&status)));
                }
                Heard::Ended(status) => {
                    return violation(format!("{because}: {}, not {}", spell_status(&status), code_name(code)));
                }
                Heard::Nothing => {
                    return violation(format!(
                        "{because}: no {} within {}; acknowledged instead: {acknowledged:?}",
                        code_name(code),
                        Readable(ANSWER_MAX),
                    ));
                }
            }
        }
    }
}

fn read_arm(bytes: Bytes) -> Result<Arm, Unmet> {
    let length = bytes.len();
    let Ok(frame) = proto::SubscribeResponse::decode(bytes) else {
        return violation(format!("a frame of {length} bytes is no SubscribeResponse"));
    };
    let Some(proto::subscribe_response::Version::V1(v1)) = frame.version else {
        return violation("a frame has no version 1, which was spoken (S10)");
    };
    v1.response.map_or_else(|| violation("a frame says nothing: none of its arms is set"), Ok)
}

/// The interval that a node advertises; 0 is none.
pub(crate) fn advertised(started: &Started) -> Option<Duration> {
    let interval = Duration::from_millis(started.keepalive_interval_ms.into());
    Some(interval).filter(|interval| !interval.is_zero())
}

/// A change of the topics: adds from their cursors, and removes.
pub(crate) fn change(id: u64, adds: &[(&RawTopic, u64)], removes: &[&RawTopic]) -> Mutate {
    let add = |(topic, id_cursor): &(&RawTopic, u64)| Subscription { topic: topic.wire(), id_cursor: *id_cursor };
    Mutate {
        adds: adds.iter().map(add).collect(),
        removes: removes.iter().map(|topic| topic.wire()).collect(),
        history_only: false,
        mutate_id: id,
    }
}

/// The same without registration for what is live (S11).
pub(crate) fn history(id: u64, adds: &[(&RawTopic, u64)]) -> Mutate {
    Mutate { history_only: true, ..change(id, adds, &[]) }
}

/// Whether a frame acknowledges that Mutate.
pub(crate) fn is_complete(frame: &Arm, id: u64) -> bool {
    matches!(frame, Arm::CatchupComplete(complete) if complete.mutate_id == id)
}

/// The Mutates that these frames acknowledge, in order.
pub(crate) fn completed(frames: &[Arm]) -> Vec<u64> {
    let id = |frame: &Arm| if let Arm::CatchupComplete(complete) = frame { Some(complete.mutate_id) } else { None };
    frames.iter().filter_map(id).collect()
}

/// The messages of one topic in these frames.
pub(crate) fn of_topic(frames: &[Arm], topic: &RawTopic) -> Vec<Delivered> {
    arrivals(frames).into_iter().filter(|arrival| arrival.topic == *topic).collect()
}
