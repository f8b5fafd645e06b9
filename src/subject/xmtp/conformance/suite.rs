//! The suite: every row once, several at a time, and what they found.
//!
//! Refuses to know the rows' requirements; `rows` lists them. A node that serves no stream at all is told apart from one
//! that breaks a rule: then nothing was judged.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};

use crate::env::Env;
use crate::grammar::Readable;
use crate::subject::xmtp::conformance::finding::{Finding, RowReport, RowResult, Unmet, not_judged, spell_status};
use crate::subject::xmtp::conformance::raw_peer::NodeUnderTest;
use crate::subject::xmtp::conformance::raw_stream::{Heard, advertised};
use crate::subject::xmtp::conformance::rows::ROWS;
use crate::subject::xmtp::conformance::settings::{ANSWER_MAX, ConformSettings};
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;

/// Rows at a time. They share nothing but the node, and each has a connection of its own; a node that bounds the
/// connections of one peer still takes so many.
const ROWS_AT_ONCE: usize = 8;
/// Beyond its interval a row waits for a few answers and replays, each with a bound of its own; this is the sum, and
/// ends what none of them ends.
const ROW_MAX: Duration = Duration::from_secs(240);

/// How a row judges.
pub(crate) type Judging = Pin<Box<dyn Future<Output = Finding> + Send>>;

/// One row.
pub struct SuiteRow {
    /// The requirement that it judges, such as `T9`.
    pub requirement: &'static str,
    /// What it asks, in a few words.
    pub title: &'static str,
    pub(crate) pace: RowPace,
    pub(crate) judge: fn(Arc<NodeUnderTest>) -> Judging,
}

/// How long a row takes: rows that wait for the node's interval begin first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowPace {
    /// Intervals.
    Slow,
    /// As fast as the node answers.
    Quick,
}

/// What the suite found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Conformance {
    /// The node's address.
    pub node: String,
    /// The interval that rows measured against, in milliseconds.
    pub interval_ms: Option<u64>,
    /// The rows, in the order of the suite.
    pub rows: Vec<RowReport>,
}

impl Conformance {
    /// The worst result of all rows; none where no row ran.
    #[must_use]
    pub fn worst(&self) -> Option<RowResult> {
        self.rows.iter().map(|row| row.result).max()
    }
}

/// The node cannot be judged at all. Fits after "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("judge {node}: {why}")]
pub struct Unjudgeable {
    /// Its address.
    pub node: String,
    /// What is wrong.
    pub why: String,
}

/// The requirements that have rows, in the order of the suite.
#[must_use]
pub fn requirements() -> Vec<&'static str> {
    let mut numbers: Vec<&str> = ROWS.iter().map(|row| row.requirement).collect();
    numbers.dedup();
    numbers
}

/// Judges a node by the rows of these requirements; by all where none is named. `begun` is told the interval.
///
/// # Errors
/// The node serves no stream at all.
pub async fn conform(
    env: Env,
    settings: ConformSettings,
    only: &[String],
    begun: impl FnOnce(usize, Option<Duration>),
) -> Result<Conformance, Unjudgeable> {
    let address = settings.node.to_string();
    let mut node = NodeUnderTest::new(env, settings);
    let advertised = greet(&node).await.map_err(|why| Unjudgeable { node: address.clone(), why })?;
    node.interval = advertised.or(node.interval);
    let chosen: Vec<usize> = (0..ROWS.len()).filter(|at| is_chosen(ROWS[*at].requirement, only)).collect();
    begun(chosen.len(), node.interval);
    let interval_ms = node.interval.map(|interval| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX));
    let rows = run(&Arc::new(node), chosen).await;
    Ok(Conformance { node: address, interval_ms, rows })
}

fn is_chosen(requirement: &str, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|one| one == requirement)
}

/// Opens one stream: whether there is a node at all, and which interval it advertises. What is wrong with a stream
/// that did open is left to the rows.
async fn greet(node: &NodeUnderTest) -> Result<Option<Duration>, String> {
    let peer = match node.dial().await {
        Ok(peer) => peer,
        Err(Unmet::Violation(why) | Unmet::NotJudged(why)) => return Err(why),
    };
    let mut stream = match peer.open_raw().await {
        Ok(stream) => stream,
        Err(status) => return Err(no_stream(&status)),
    };
    match stream.next_until(Instant::now() + ANSWER_MAX).await {
        Ok(Heard::Ended(status)) => Err(no_stream(&status)),
        Ok(Heard::Frame(Arm::Started(started))) => Ok(advertised(&started)),
        Ok(Heard::Frame(_) | Heard::Nothing) | Err(_) => Ok(None),
    }
}

fn no_stream(status: &Status) -> String {
    let told = spell_status(status);
    if status.code() == Code::Unimplemented {
        format!("it does not serve Subscribe: {told}")
    } else {
        format!("it opens no Subscribe stream, and may be no gRPC server in the clear: {told}")
    }
}

/// Runs these rows; the slow ones begin first, and the reports come in the order of the suite.
async fn run(node: &Arc<NodeUnderTest>, mut chosen: Vec<usize>) -> Vec<RowReport> {
    chosen.sort_by_key(|at| (ROWS[*at].pace, *at));
    let (mut running, mut reports) = (JoinSet::new(), Vec::new());
    for at in chosen {
        if running.len() >= ROWS_AT_ONCE {
            reports.extend(running.join_next().await);
        }
        running.spawn(judge(at, Arc::clone(node)));
    }
    while let Some(report) = running.join_next().await {
        reports.push(report);
    }
    let mut reports: Vec<(usize, RowReport)> =
        reports.into_iter().map(|report| report.expect("a row does not panic, and nobody aborts it")).collect();
    reports.sort_by_key(|(at, _)| *at);
    reports.into_iter().map(|(_, report)| report).collect()
}

async fn judge(at: usize, node: Arc<NodeUnderTest>) -> (usize, RowReport) {
    let SuiteRow { requirement, title, pace, judge } = &ROWS[at];
    let most = match pace {
        RowPace::Slow => ROW_MAX + node.settings.patience,
        RowPace::Quick => ROW_MAX,
    };
    let began = Instant::now();
    let judged = timeout(most, judge(node)).await;
    let finding = judged.unwrap_or_else(|_| not_judged(format!("it did not end within {}", Readable(most))));
    (at, RowReport::new(requirement, title, finding, began.elapsed()))
}
