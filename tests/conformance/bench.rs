//! Our node under the suite: on hosts of a trial, or on real TCP.
//!
//! Refuses to judge: the tests do.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pulseless::env::{Address, Env};
use pulseless::grammar::Latency;
use pulseless::os::Os;
use pulseless::subject::xmtp::conformance::{ConformSettings, Conformance, RowReport, conform};
use pulseless::subject::xmtp::node::{
    DeniedTopics, NodeConfig, NodeError, NodeHooks, NodeLimits, NodeNotice, NodeObserver, NodeQuirk, serve_with,
};
use pulseless::subject::xmtp::wire::{MessageKind, Topic};
use pulseless::subject::xmtp::{examined_bounds, examined_limits};
use pulseless::world::{Engine, Leap, on_trial_thread};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::served::Listening;

const NODE: &str = "node";
/// The group that the node denies to everybody (S7).
pub const DENIED: &str = "denied";
/// What a node advertises on real TCP: 30 s at a scale that a test can wait for.
const KEEPALIVE: Duration = Duration::from_secs(3);
/// A trial is long enough for every row: four intervals of 30 s, and what is lost waits its bounds.
const TRIAL: Duration = Duration::from_secs(600);
const LATENCY: Latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(5));

/// A node with low bounds.
pub fn bounded(quirk: Option<NodeQuirk>) -> NodeConfig {
    NodeConfig { quirk, limits: examined_limits(NodeLimits::default()), ..NodeConfig::default() }
}

fn settings(node: Address) -> ConformSettings {
    let refused_topic = Some(Topic::new(MessageKind::Group, DENIED.as_bytes()).bytes().to_vec());
    ConformSettings { bounds: examined_bounds(), refused_topic, ..ConformSettings::new(node) }
}

/// Nobody hears what the node tells, and one topic is denied to everybody.
fn hooks() -> NodeHooks {
    let denied = DeniedTopics::matching([format!("group:{DENIED}").as_str()]).expect("a good pattern");
    NodeHooks { authorizer: Arc::new(denied), ..NodeHooks::new(Arc::new(Deaf)) }
}

struct Deaf;

impl NodeObserver for Deaf {
    fn notice(&self, _: NodeNotice) {}
}

/// Plays the suite on a host of a trial, against a node on another.
pub fn in_trial(config: NodeConfig) -> Conformance {
    on_trial_thread(7, move || {
        let mut leap = Leap::new(7, LATENCY);
        let port = config.port;
        let node = leap.add_host(
            NODE,
            Box::new(move |env: Env| {
                let serving = serve_with(env, config.clone(), hooks());
                Box::pin(async move { serving.await.map_err(|error| error.to_string()) })
            }),
        );
        let found: Arc<Mutex<Option<Conformance>>> = Arc::default();
        let told = found.clone();
        let peer = leap.add_host(
            "peer",
            Box::new(move |env: Env| {
                let told = told.clone();
                Box::pin(async move {
                    let judged = conform(env, settings(Address::new(NODE, port)), &[], |_, _| ()).await;
                    *told.lock().expect("not poisoned") = Some(judged.map_err(|error| error.to_string())?);
                    Ok(())
                })
            }),
        );
        leap.start(node);
        leap.run_until(Duration::ZERO).expect("the node listens");
        leap.start(peer);
        leap.run_until(TRIAL).expect("nobody breaks down");
        found.lock().expect("not poisoned").take().expect("the suite ends within the trial")
    })
    .expect("no panic")
}

/// A node on real TCP, until it is dropped.
pub struct TcpNode {
    /// Where it listens.
    pub address: Address,
    serving: JoinHandle<Result<(), NodeError>>,
    _folder: TempDir,
}

impl Drop for TcpNode {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Starts a node on real TCP, whose interval a test can wait for.
pub async fn start(config: NodeConfig) -> TcpNode {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (env, address) = Listening::new(Os::default().with_folder(folder.path())).await;
    let config = NodeConfig { port: address.port, keepalive: KEEPALIVE, pong_deadline: KEEPALIVE, ..config };
    let serving = tokio::spawn(serve_with(Arc::new(env), config, hooks()));
    TcpNode { address, serving, _folder: folder }
}

/// Runs the suite on real TCP.
pub async fn on_tcp(config: NodeConfig) -> Conformance {
    let node = start(config).await;
    let judged = conform(Arc::new(Os::default()), settings(node.address.clone()), &[], |_, _| ()).await;
    judged.expect("a node that can be judged")
}

/// What `pulseless` with these arguments prints, and its exit code.
#[expect(clippy::disallowed_methods, reason = "a program of its own beside the node, on real TCP")]
pub async fn command(arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulseless"));
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    let told = [output.stdout, output.stderr].concat();
    (String::from_utf8(told).expect("text"), output.status.code())
}

/// What the rows found, a line each.
pub fn verdicts(judged: &Conformance) -> String {
    let line = |row: &RowReport| {
        format!("{} {:?} {}ms {}: {}", row.requirement, row.result, row.took_ms, row.title, row.evidence)
    };
    judged.rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
