//! The mirror of the suite: rows that judge a client, one after the other, each with a fresh process of it.
//!
//! Refuses to know what a client is made of: who launches it hands in how.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::Status;

use crate::env::{Dice, Env};
use crate::grammar::Readable;
use crate::subject::xmtp::conformance::client_rows::CLIENT_ROWS;
use crate::subject::xmtp::conformance::finding::{Finding, RowReport, Unmet, not_judged};
use crate::subject::xmtp::conformance::letter::{LetterKind, RawTopic};
use crate::subject::xmtp::conformance::scripted_node::{
    ClientCall, OlderCall, OlderReplies, ScriptedNode, UnansweredStream,
};
use crate::subject::xmtp::conformance::served_stream::{ClientAct, ServedStream, half_closed};
use crate::subject::xmtp::wire::proto;
use crate::subject::xmtp::wire::proto::subscribe_request::v1::{Mutate, Request as Ask};
use crate::subject::xmtp::wire::proto::subscribe_response::v1::{Messages, Response as Arm};

/// A client that was just launched opens a stream within this: an interpreter, and a machine that is busy.
const LAUNCH_MAX: Duration = Duration::from_secs(20);
/// A client whose stream has ended opens the next one within this: the reference backoff reaches 30 s only after many
/// failures, and a row causes few.
pub(crate) const RETURN_MAX: Duration = Duration::from_secs(15);
/// The first request comes within this.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// A message that was delivered so long ago has been processed and persisted.
const SETTLE: Duration = Duration::from_secs(1);
/// Each row waits for a few answers and for some intervals; this ends what none of their bounds ends.
const ROW_MAX: Duration = Duration::from_secs(300);

/// How a client is launched. Dropping what it returns ends the client at once, as SIGKILL does.
pub type Launch = Box<dyn Fn() -> io::Result<Box<dyn Send>> + Send + Sync>;

/// How a row judges.
pub(crate) type ClientJudging<'a> = Pin<Box<dyn Future<Output = Finding> + Send + 'a>>;

/// One row.
pub struct ClientRow {
    /// The requirement that it judges, such as `C2`.
    pub requirement: &'static str,
    /// What it asks, in a few words.
    pub title: &'static str,
    pub(crate) judge: fn(&mut ClientUnderTest) -> ClientJudging<'_>,
}

/// What the suite found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClientConformance {
    /// The interval that the scripted node advertised, in milliseconds.
    pub interval_ms: u64,
    /// The rows, in the order of the suite.
    pub rows: Vec<RowReport>,
}

/// The client cannot be judged at all. Fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnjudgeableClient {
    /// Nobody can listen there.
    #[error("listen: {0}")]
    Listen(io::Error),
    /// There is no such program, or it cannot be run.
    #[error("launch the client: {0}")]
    Launch(io::Error),
}

/// The requirements that have rows, in the order of the suite.
#[must_use]
pub fn client_requirements() -> Vec<&'static str> {
    let mut numbers: Vec<&str> = CLIENT_ROWS.iter().map(|row| row.requirement).collect();
    numbers.dedup();
    numbers
}

/// Judges a client by the rows of these requirements; by all where none is named. The scripted node listens on `port`
/// and advertises `interval`.
///
/// # Errors
/// Each of [`UnjudgeableClient`].
pub async fn conform_client(
    env: Env,
    port: u16,
    interval: Duration,
    launch: Launch,
    only: &[String],
) -> Result<ClientConformance, UnjudgeableClient> {
    let listener = env.listen(port).await.map_err(UnjudgeableClient::Listen)?;
    let node = ScriptedNode::serve(listener);
    let mut client = ClientUnderTest { node, interval, dice: env.dice(), launch, last_id: 0, process: None };
    let mut rows = Vec::new();
    for row in CLIENT_ROWS.iter().filter(|row| only.is_empty() || only.iter().any(|one| one == row.requirement)) {
        client.relaunch().map_err(UnjudgeableClient::Launch)?;
        let began = Instant::now();
        let judged = timeout(ROW_MAX, (row.judge)(&mut client)).await;
        let finding = judged.unwrap_or_else(|_| not_judged(format!("it did not end within {}", Readable(ROW_MAX))));
        rows.push(RowReport::new(row.requirement, row.title, finding, began.elapsed()));
    }
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    Ok(ClientConformance { interval_ms, rows })
}

/// The client that is judged, and the node that it follows.
pub(crate) struct ClientUnderTest {
    node: ScriptedNode,
    /// What the node advertises.
    pub(crate) interval: Duration,
    dice: Dice,
    launch: Launch,
    /// Ids ascend over all rows and both kinds, because a client may remember those of the row before.
    last_id: u64,
    process: Option<Box<dyn Send>>,
}

/// A stream that has begun: its first Mutate with adds, and what it asks for.
pub(crate) struct Begun {
    pub(crate) stream: ServedStream,
    pub(crate) mutate_id: u64,
    /// Topics, and the cursors that they are asked for from.
    pub(crate) topics: Vec<(RawTopic, u64)>,
}

impl Begun {
    pub(crate) fn names(&self) -> Vec<RawTopic> {
        self.topics.iter().map(|(topic, _)| topic.clone()).collect()
    }

    /// The cursor that a topic is asked for from; none where it is not asked for.
    pub(crate) fn cursor(&self, topic: &RawTopic) -> Option<u64> {
        self.topics.iter().find(|(asked, _)| asked == topic).map(|(_, cursor)| *cursor)
    }
}

impl ClientUnderTest {
    /// Kills the client, if it runs, and launches it anew.
    pub(crate) fn relaunch(&mut self) -> io::Result<()> {
        self.process = None;
        self.process = Some((self.launch)()?);
        Ok(())
    }

    /// The next call that the client has not given up; none within `patience`.
    pub(crate) async fn next_call(&mut self, patience: Duration) -> Option<ClientCall> {
        let deadline = Instant::now() + patience;
        loop {
            let call = timeout_at(deadline, self.node.calls.recv()).await.ok()??;
            if !call.is_over() {
                return Some(call);
            }
        }
    }

    /// The next Subscribe call, unanswered.
    ///
    /// # Errors
    /// None comes, or another call does.
    async fn next_stream(&mut self, patience: Duration) -> Result<UnansweredStream, Unmet> {
        match self.next_call(patience).await {
            Some(ClientCall::Subscribe(call)) => Ok(*call),
            Some(ClientCall::Older(_)) => not_judged("the client calls the older calls without having tried Subscribe"),
            None => not_judged(format!("the client opened no Subscribe stream within {}", Readable(patience))),
        }
    }

    /// The first Subscribe call of a client that was just launched, unanswered.
    ///
    /// # Errors
    /// None comes, or another call does.
    pub(crate) async fn first_stream(&mut self) -> Result<UnansweredStream, Unmet> {
        self.next_stream(LAUNCH_MAX).await
    }

    /// The first stream of a client that was just launched, started.
    pub(crate) async fn begin(&mut self) -> Result<Begun, Unmet> {
        let call = self.first_stream().await?;
        self.start(call).await
    }

    /// The next stream of a client that has lost the one before, started.
    pub(crate) async fn begin_again(&mut self) -> Result<Begun, Unmet> {
        let call = self.next_stream(RETURN_MAX).await?;
        self.start(call).await
    }

    /// Says Started and hears the first Mutate with adds.
    async fn start(&mut self, call: UnansweredStream) -> Result<Begun, Unmet> {
        let mut stream = call.open();
        stream.start(self.interval).await;
        let mutate = first_mutate(&mut stream).await?;
        let mutate_id = mutate.mutate_id;
        let topics = mutate.adds.into_iter().filter_map(|add| Some((RawTopic::read(&add.topic)?, add.id_cursor)));
        let topics: Vec<(RawTopic, u64)> = topics.collect();
        if topics.is_empty() {
            return not_judged("the client asks for no group and no welcomes");
        }
        self.remember(&topics);
        Ok(Begun { stream, mutate_id, topics })
    }

    /// Ids go on above every cursor that was ever asked for.
    pub(crate) fn remember(&mut self, topics: &[(RawTopic, u64)]) {
        let asked = topics.iter().map(|(_, cursor)| *cursor).max().unwrap_or(0);
        self.last_id = self.last_id.max(asked);
    }

    /// So many new messages of a topic, in one frame of that wave (0: live), and the last of their ids.
    pub(crate) async fn deliver(&mut self, stream: &mut ServedStream, topic: &RawTopic, tag: u64, count: u64) -> u64 {
        let mut messages = Messages { mutate_id: tag, ..Messages::default() };
        for _ in 0..count {
            match topic.kind {
                LetterKind::Group => messages.group_messages.push(self.group_message(topic)),
                LetterKind::Welcome => messages.welcome_messages.push(self.welcome_message(topic)),
            }
        }
        stream.say(Arm::Messages(messages)).await;
        self.last_id
    }

    pub(crate) fn group_message(&mut self, topic: &RawTopic) -> proto::GroupMessage {
        self.last_id += 1;
        let letter = topic.letter(&mut self.dice, 0);
        let v1 = proto::group_message::V1 {
            id: self.last_id,
            created_ns: self.last_id,
            group_id: topic.id.clone(),
            data: letter.data,
            ..Default::default()
        };
        proto::GroupMessage { version: Some(proto::group_message::Version::V1(v1)) }
    }

    pub(crate) fn welcome_message(&mut self, topic: &RawTopic) -> proto::WelcomeMessage {
        self.last_id += 1;
        let letter = topic.letter(&mut self.dice, 0);
        let v1 = proto::welcome_message::V1 {
            id: self.last_id,
            created_ns: self.last_id,
            installation_key: topic.id.clone(),
            data: letter.data,
            hpke_public_key: topic.id.clone(),
            ..Default::default()
        };
        proto::WelcomeMessage { version: Some(proto::welcome_message::Version::V1(v1)) }
    }
}

/// The first Mutate with adds of a stream.
pub(crate) async fn first_mutate(stream: &mut ServedStream) -> Result<Mutate, Unmet> {
    let deadline = Instant::now() + REQUEST_MAX;
    loop {
        match stream.next_until(deadline).await? {
            ClientAct::Request(Ask::Mutate(mutate)) if !mutate.adds.is_empty() => return Ok(mutate),
            ClientAct::Request(_) => {}
            ClientAct::HalfClosed => return half_closed(),
            ClientAct::Left => return not_judged("the client left before it had asked for a topic"),
            ClientAct::Nothing => {
                return not_judged(format!("the client asked for no topic within {}", Readable(REQUEST_MAX)));
            }
        }
    }
}

/// Lets the client process and persist what was delivered.
pub(crate) async fn settle(stream: &mut ServedStream) -> Result<(), Unmet> {
    stream.keep_until(Instant::now() + SETTLE, "although all was well").await
}

/// A failure that passes.
pub(crate) fn outage() -> Status {
    Status::unavailable("the node is restarted")
}

/// Sends so many messages of the first topic on an older call, and returns the topic and the last of their ids.
pub(crate) async fn deliver_older(
    client: &mut ClientUnderTest,
    call: &OlderCall,
    count: u64,
) -> Result<(RawTopic, u64), Unmet> {
    let Some((topic, _)) = call.filters.first() else { return not_judged("an older call asks for no topic") };
    client.remember(&call.filters);
    for _ in 0..count {
        let sent = match &call.replies {
            OlderReplies::Group(replies) => replies.send(Ok(client.group_message(topic))).await.is_ok(),
            OlderReplies::Welcome(replies) => replies.send(Ok(client.welcome_message(topic))).await.is_ok(),
        };
        if !sent {
            return not_judged("the client left its older call");
        }
    }
    sleep(SETTLE).await;
    Ok((topic.clone(), client.last_id))
}
