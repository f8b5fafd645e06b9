//! The client as a library, and `tail`, against our own node on real TCP.

#[path = "../served/listening.rs"]
mod served;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pulseless::env::{Address, Env, TcpOptions};
use pulseless::lie::Rule;
use pulseless::os::Os;
use pulseless::proxy::{self, Control, ProxyConfig, ProxyEdge, ProxyHabits};
use pulseless::subject::xmtp::client::{
    CATCH_UP_PATIENCE, CatchUpError, Cause, ClientConfig, ClientConnection, ClientEvent, ClientNotice, ClientObserver,
    Dialer, Http2Keepalive, ProbeError, Publisher, PublisherConfig, StreamSettings, catch_up,
};
use pulseless::subject::xmtp::node::{self, NodeConfig, NodeNotice, NodeObserver};
use pulseless::subject::xmtp::wire::{
    Add, Cursor, Dialect, Draft, Envelope, MessageKind, Mutate, MutateId, Topic, application_message,
};
use pulseless::subject::xmtp::workload::Consumer;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use served::Listening;

const HOST: &str = "127.0.0.1";
const SECOND: Duration = Duration::from_secs(1);
/// Far more than a test takes: it is there so that a bug fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Unwatched;

impl ClientObserver for Unwatched {
    fn notice(&self, _: ClientNotice) {}
}

impl NodeObserver for Unwatched {
    fn notice(&self, _: NodeNotice) {}
}

impl proxy::ProxyObserver for Unwatched {
    fn notice(&self, _: proxy::ProxyNotice) {}
}

/// A node, and a proxy before it, for as long as it lives.
struct Stack {
    node: Address,
    proxy: Address,
    control: Control,
    folder: tempfile::TempDir,
    _cast: JoinSet<()>,
}

impl Stack {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (control, mut cast) = (Control::default(), JoinSet::new());
        let (node_env, node) = Listening::new(Os::default().with_folder(folder.path().join("node"))).await;
        let (proxy_env, proxy) = Listening::new(Os::default()).await;
        let dialects = Dialect::ALL.to_vec();
        let config = NodeConfig { port: node.port, dialects, ..NodeConfig::default() };
        cast.spawn(async move { node::serve(Arc::new(node_env), config, Arc::new(Unwatched)).await.map_or((), drop) });
        let (tcp, upstream) = (TcpOptions::default(), node.clone());
        let config = ProxyConfig {
            port: proxy.port,
            upstream,
            tcp,
            control: control.clone(),
            habits: ProxyHabits::default(),
            edge: ProxyEdge::default(),
        };
        cast.spawn(
            async move { proxy::serve(Arc::new(proxy_env), config, Arc::new(Unwatched)).await.map_or((), drop) },
        );
        Stack { node, proxy, control, folder, _cast: cast }
    }

    /// Surroundings with a data folder of that name.
    fn env(&self, name: &str) -> Env {
        Arc::new(Os::default().with_folder(self.folder.path().join(name)))
    }

    async fn publish(&self, count: u64) {
        let config = PublisherConfig { deadline: PATIENCE, http2_keepalive: None };
        let mut publisher = Publisher::new(self.env("publisher"), self.node.clone(), config);
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
        let data = |number: u64| application_message(b"news", format!("message {number}").as_bytes());
        let draft = |number| Draft { topic: news(), data: data(number), envelope: envelope.clone() };
        publisher.publish((1..=count).map(draft).collect()).await.expect("stored");
    }

    async fn catch_up(&self, from: &Address, patience: Duration) -> Result<u64, CatchUpError> {
        self.catch_up_in(Dialect::V1, from, patience).await
    }

    async fn catch_up_in(&self, dialect: Dialect, from: &Address, patience: Duration) -> Result<u64, CatchUpError> {
        let keepalive = Http2Keepalive { interval: SECOND / 10, timeout: PATIENCE };
        let http2_keepalive = Some(keepalive);
        let config = ClientConfig { http2_keepalive, dialect, ..ClientConfig::new(from.clone(), vec![add(0)]) };
        let consumer = Consumer { time: Duration::ZERO };
        let calling = catch_up(self.env("inbox"), config, consumer, Arc::new(Unwatched), patience);
        timeout(PATIENCE, calling).await.expect("it hangs")
    }
}

fn news() -> Topic {
    Topic::new(MessageKind::Group, b"news")
}

fn add(cursor: u64) -> Add {
    Add { topic: news(), cursor: Cursor(cursor) }
}

fn mutate(id: u64, adds: Vec<Add>, removes: Vec<Topic>) -> Mutate {
    Mutate { adds, removes, history_only: false, id: MutateId(id) }
}

fn settings(dialect: Dialect) -> StreamSettings {
    let observer = Arc::new(Unwatched);
    StreamSettings {
        attempt: 1,
        watchdog: Some(3),
        advertised: None,
        resume_probe: None,
        dialect,
        quirk: None,
        heard_data: None,
        observer,
    }
}

/// The ids that a connection brings until that wave is acknowledged.
async fn ids_until(connection: &mut ClientConnection, wave: u64) -> Vec<u64> {
    let mut ids = Vec::new();
    while let Some(event) = timeout(PATIENCE, connection.next()).await.expect("the node answers") {
        if event == ClientEvent::CatchupComplete(MutateId(wave)) {
            return ids;
        }
        ids.extend(event.into_messages().iter().map(|message| message.id.0));
    }
    panic!("the stream ended before wave {wave} did");
}

#[tokio::test]
async fn a_re_add_below_the_floor_replays() {
    let stack = Stack::start().await;
    stack.publish(3).await;
    let dialer = Dialer::new(stack.env("client"), stack.node.clone(), None, PATIENCE).expect("a good address");
    let link = dialer.dial().await.expect("the node listens");
    let mutate = |id, adds, removes| Mutate { adds, removes, history_only: false, id: MutateId(id) };
    let mut connection = ClientConnection::open(link, vec![mutate(1, vec![add(2)], vec![])], settings(Dialect::V1));
    assert_eq!(ids_until(&mut connection, 1).await, [3]);
    connection.mutate(mutate(2, vec![add(0)], vec![])).await.expect("open");
    assert_eq!(ids_until(&mut connection, 2).await, [1, 2, 3], "of a topic that is still followed");
    connection.mutate(mutate(3, vec![add(1)], vec![news()])).await.expect("open");
    assert_eq!(ids_until(&mut connection, 3).await, [2, 3], "and of one that is removed by the same mutate");
    connection.probe_within(PATIENCE).await.expect("the node answers");
    connection.finish().await.expect("open");
    assert_eq!(connection.next().await, None);
    assert_eq!(connection.ending().await.cause, Cause::Finished);
}

#[tokio::test]
async fn the_same_client_and_node_speak_the_first_draft_which_has_no_probe_and_keeps_floors() {
    let stack = Stack::start().await;
    stack.publish(3).await;
    let dialer = Dialer::new(stack.env("client"), stack.node.clone(), None, PATIENCE).expect("a good address");
    let link = dialer.dial().await.expect("the node listens");
    let mut connection = ClientConnection::open(link, vec![mutate(1, vec![add(2)], vec![])], settings(Dialect::Draft));
    assert_eq!(ids_until(&mut connection, 1).await, [3]);
    connection.mutate(mutate(2, vec![], vec![news()])).await.expect("open");
    connection.mutate(mutate(3, vec![add(1)], vec![])).await.expect("open");
    assert_eq!(ids_until(&mut connection, 3).await, [0; 0], "the floor survived the remove, and nothing answered that");
    assert_eq!(connection.probe_within(PATIENCE).await, Err(ProbeError::Unsupported));
    connection.finish().await.expect("open");
    assert_eq!(connection.next().await, None);
    assert_eq!(connection.ending().await.cause, Cause::Finished);
}

#[tokio::test]
async fn a_catch_up_in_the_first_draft_begins_behind_the_first_message() {
    let stack = Stack::start().await;
    stack.publish(5).await;
    for (published, new) in [(0, 4), (0, 0), (2, 2)] {
        if published > 0 {
            stack.publish(published).await;
        }
        let caught_up = stack.catch_up_in(Dialect::Draft, &stack.node, CATCH_UP_PATIENCE).await;
        assert_eq!(caught_up.expect("complete"), new);
    }
}

#[tokio::test]
async fn a_catch_up_ends_with_what_is_there_and_goes_on_from_what_it_has() {
    let stack = Stack::start().await;
    stack.publish(5).await;
    for (published, new) in [(0, 5), (0, 0), (2, 2)] {
        if published > 0 {
            stack.publish(published).await;
        }
        assert_eq!(stack.catch_up(&stack.node, CATCH_UP_PATIENCE).await.expect("complete"), new);
    }
}

#[tokio::test]
async fn a_proxy_that_is_silent_and_answers_ping_does_not_hang_a_catch_up() {
    let stack = Stack::start().await;
    stack.publish(5).await;
    stack.control.add(1, Rule::silence(None));
    let begun = Instant::now();
    let outcome = stack.catch_up(&stack.proxy, 2 * SECOND).await;
    assert!(matches!(outcome, Err(CatchUpError::Ended(Cause::Stalled { .. }))), "{outcome:?}");
    assert!(begun.elapsed() >= 2 * SECOND, "{:?}", begun.elapsed());
    stack.control.remove(1);
    assert_eq!(stack.catch_up(&stack.proxy, CATCH_UP_PATIENCE).await.expect("complete"), 5, "and nothing is lost");
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, on real TCP")]
async fn tail(from: &Address, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulseless"));
    command.args(["tail", "--until-now", "--topic", "news", "--from", &from.to_string(), "--data"]).arg(folder);
    let ran = tokio::task::spawn_blocking(move || command.output());
    timeout(PATIENCE, ran).await.expect("it hangs").expect("no panic").expect("pulseless is there")
}

#[tokio::test]
async fn tail_until_now_prints_what_is_there_and_ends() {
    let stack = Stack::start().await;
    let folder = stack.folder.path().join("tail");
    for (published, printed) in
        [(2, "#1 group:news message 1\n#2 group:news message 2\n"), (1, "#3 group:news message 1\n")]
    {
        stack.publish(published).await;
        let output = tail(&stack.node, &folder).await;
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(0), printed));
    }
    let output = tail(&Address::new(HOST, 1), &folder).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("failed to catch up: dial failed: dial 127.0.0.1:1: "), "{told}");
}
