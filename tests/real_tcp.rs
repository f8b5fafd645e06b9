//! The whole stack on real TCP: the client heals itself through a proxy that keeps answering PING (T8).

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pulseless::env::{Address, Asked, Dice, Disk, Env, Listener, Socket, Surroundings, TcpOptions};
use pulseless::lie::Rule;
use pulseless::os::Os;
use pulseless::proxy::{self, Control, ProxyConfig, ProxyEdge, ProxyHabits};
use pulseless::subject::xmtp::client::{
    self, BackoffConfig, Cause, ClientConfig, Http2Keepalive, Inbox, Publisher, PublisherConfig, subscribe,
};
use pulseless::subject::xmtp::node::{self, NodeConfig};
use pulseless::subject::xmtp::wire::{
    Add, Cursor, Draft, Envelope, MessageId, MessageKind, Topic, application_message,
};
use pulseless::subject::xmtp::workload::Consumer;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What a node advertises here: 30 s at a scale that a test can wait for.
const KEEPALIVE: Duration = Duration::from_millis(200);
/// PINGs of HTTP/2 come several times in each keepalive interval. A loaded machine may answer late, never so late.
const HTTP2: Http2Keepalive = Http2Keepalive { interval: Duration::from_millis(50), timeout: Duration::from_secs(20) };
/// Far more than the test takes: it is there so that a bug fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages of each wave.
const WAVE: usize = 5;

const HOST: &str = "127.0.0.1";
const SILENCE: u32 = 1;

type Committed = (Topic, MessageId, Bytes);

/// What was seen, by whom, in order: everything runs on one thread.
#[derive(Debug)]
enum Seen {
    Client(client::ClientNotice),
    Proxy(proxy::ProxyNotice),
    Node(node::NodeNotice),
    /// The test silenced the proxy.
    Silenced,
    /// The test ended the silence.
    Unsilenced,
}

#[derive(Clone)]
struct Watcher(mpsc::UnboundedSender<Seen>);

impl Watcher {
    fn tell(&self, seen: Seen) {
        // After the test's end nobody listens.
        drop(self.0.send(seen));
    }
}

impl client::ClientObserver for Watcher {
    fn notice(&self, notice: client::ClientNotice) {
        self.tell(Seen::Client(notice));
    }
}

impl proxy::ProxyObserver for Watcher {
    fn notice(&self, notice: proxy::ProxyNotice) {
        self.tell(Seen::Proxy(notice));
    }
}

impl node::NodeObserver for Watcher {
    fn notice(&self, notice: node::NodeNotice) {
        self.tell(Seen::Node(notice));
    }
}

/// Real surroundings whose way out has a gate: while it is shut, dialing waits.
struct Gated {
    os: Os,
    is_open: watch::Receiver<bool>,
}

impl Surroundings for Gated {
    fn dial_with(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        let (mut is_open, dialing) = (self.is_open.clone(), self.os.dial_with(address, options));
        Box::pin(async move {
            is_open.wait_for(|is_open| *is_open).await.map_err(io::Error::other)?;
            dialing.await
        })
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        self.os.listen(port)
    }

    fn dice(&self) -> Dice {
        self.os.dice()
    }

    fn disk(&self, name: &str) -> io::Result<Disk> {
        self.os.disk(name)
    }

    fn wall_clock(&self) -> Duration {
        self.os.wall_clock()
    }

    fn boot_clock(&self) -> Duration {
        self.os.boot_clock()
    }
}

/// Client, proxy and node, and what they tell.
struct Stack {
    client_os: Os,
    cast: JoinSet<String>,
    control: Control,
    gate: watch::Sender<bool>,
    publisher: Publisher,
    watcher: Watcher,
    told: mpsc::UnboundedReceiver<Seen>,
    log: Vec<Seen>,
}

impl Stack {
    async fn start(folder: &Path) -> Self {
        let [node_port, proxy_port] = free_ports().await;
        let (node, proxy) = (Address::new(HOST, node_port), Address::new(HOST, proxy_port));
        let (sender, told) = mpsc::unbounded_channel();
        let (watcher, control, gate) = (Watcher(sender), Control::default(), watch::Sender::new(true));
        let os = Os::default();
        let (node_os, client_os) = (os.clone().with_folder(folder.join("node")), os.clone().with_folder(folder));
        let publisher = Publisher::new(Arc::new(os.clone()), node.clone(), publisher_config());
        let mut cast = JoinSet::new();

        let config =
            NodeConfig { port: node.port, keepalive: KEEPALIVE, pong_deadline: KEEPALIVE, ..NodeConfig::default() };
        cast.spawn(end_of(node::serve(Arc::new(node_os), config, Arc::new(watcher.clone()))));
        let config = ProxyConfig {
            port: proxy.port,
            upstream: node,
            tcp: TcpOptions::default(),
            control: control.clone(),
            habits: ProxyHabits::default(),
            edge: ProxyEdge::default(),
        };
        cast.spawn(end_of(proxy::serve(Arc::new(os), config, Arc::new(watcher.clone()))));
        let env = Arc::new(Gated { os: client_os.clone(), is_open: gate.subscribe() });
        let consumer = Consumer { time: Duration::ZERO };
        cast.spawn(end_of(subscribe(env, client_config(proxy), consumer, Arc::new(watcher.clone()))));
        Stack { client_os, cast, control, gate, publisher, watcher, told, log: Vec::new() }
    }

    /// Publishes a wave straight to the node, by one transaction.
    async fn publish(&mut self, wave: &str) {
        let drafts = (0..WAVE).map(|number| draft(number, &format!("{wave}-{number}"))).collect();
        self.publisher.publish(drafts).await.expect("the node stores it");
    }

    /// Waits until something is seen, and keeps everything that is seen until then.
    async fn wait_for<T>(&mut self, mut find: impl FnMut(&Seen) -> Option<T>) -> T {
        loop {
            let seen = tokio::select! {
                biased;
                // First, and it starves nobody: the cast is few, and the first end is the last.
                Some(ended) = self.cast.join_next() => panic!("one of the cast ended: {ended:?}"),
                seen = self.told.recv() => seen.expect("this test holds a sender"),
            };
            let found = find(&seen);
            self.log.push(seen);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Waits until so many messages have ever been committed.
    async fn wait_for_committed(&mut self, count: usize) {
        let mut missing = count.saturating_sub(committed(&self.log).len());
        self.wait_for(|seen| {
            let Seen::Client(client::ClientNotice::Committed { messages, .. }) = seen else { return None };
            missing = missing.saturating_sub(messages.len());
            (missing == 0).then_some(())
        })
        .await;
    }

    /// What was seen from the beginning of the silence to its end.
    fn seen_in_silence(&self) -> &[Seen] {
        let place = |mark: fn(&Seen) -> bool| self.log.iter().position(mark).expect("the test marks it");
        &self.log[place(|seen| matches!(seen, Seen::Silenced))..place(|seen| matches!(seen, Seen::Unsilenced))]
    }
}

/// Ports that were free a moment ago, and that the system does not hand out again at once.
async fn free_ports() -> [u16; 2] {
    let os = Os::default();
    let (first, second) = (os.listen(0).await.expect("a free port"), os.listen(0).await.expect("a free port"));
    [first.local().port(), second.local().port()]
}

/// How an actor of the cast ended, for the panic that follows: none should.
async fn end_of<T: Debug, E: Debug>(actor: impl Future<Output = Result<T, E>>) -> String {
    format!("{:?}", actor.await)
}

fn publisher_config() -> PublisherConfig {
    PublisherConfig { deadline: PATIENCE, http2_keepalive: None }
}

fn client_config(proxy: Address) -> ClientConfig {
    let adds = topics().map(|topic| Add { topic, cursor: Cursor(0) });
    let backoff = BackoffConfig { ceiling: Duration::from_millis(400), ..BackoffConfig::default() };
    ClientConfig {
        watchdog: Some(3),
        http2_keepalive: Some(HTTP2),
        connect_timeout: PATIENCE,
        backoff,
        ..ClientConfig::new(proxy, adds.into())
    }
}

fn topics() -> [Topic; 2] {
    [Topic::new(MessageKind::Group, b"alpha"), Topic::new(MessageKind::Group, b"beta")]
}

fn topic(number: usize) -> Topic {
    topics()[number % 2].clone()
}

fn payload(number: usize, text: &str) -> Bytes {
    application_message(&topic(number).rest(), text.as_bytes())
}

fn draft(number: usize, text: &str) -> Draft {
    let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
    Draft { topic: topic(number), data: payload(number, text), envelope }
}

/// Every message of these waves, once, in order of its id: the node numbers from 1.
fn expected(waves: &[&str]) -> Vec<Committed> {
    let texts = waves.iter().flat_map(|wave| (0..WAVE).map(move |number| (number, format!("{wave}-{number}"))));
    (1..).zip(texts).map(|(id, (number, text))| (topic(number), MessageId(id), payload(number, &text))).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
fn committed(log: &[Seen]) -> Vec<Committed> {
    let batches = log.iter().filter_map(|seen| match seen {
        Seen::Client(client::ClientNotice::Committed { messages, .. }) => Some(messages.clone()),
        _ => None,
    });
    batches.flatten().map(|message| (message.draft.topic, message.id, message.draft.data)).collect()
}

/// T8, on real TCP.
#[tokio::test]
async fn the_watchdog_and_not_http2_finds_a_proxy_gone_silent_and_no_message_is_lost_or_doubled() {
    timeout(PATIENCE, play()).await.expect("the stack heals in time");
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
async fn play() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut stack = Stack::start(folder.path()).await;
    let started = |seen: &Seen| matches!(seen, Seen::Client(client::ClientNotice::Started { .. })).then_some(());
    stack.wait_for(started).await;
    stack.publish("before").await;
    stack.wait_for_committed(WAVE).await;

    // The next dial waits until the silence is over: a stream that was opened into it would hear nothing, not even
    // an interval, and the client would give it the 90 s of C2.
    stack.gate.send_replace(false);
    stack.control.add(SILENCE, Rule::silence(None));
    stack.watcher.tell(Seen::Silenced);
    stack.publish("in the dead window").await;
    let ended = |seen: &Seen| match seen {
        Seen::Client(client::ClientNotice::Ended { attempt, cause }) => Some((*attempt, cause.clone())),
        _ => None,
    };
    let mut in_silence = false;
    let (attempt, cause) = stack
        .wait_for(|seen| {
            in_silence |= matches!(seen, Seen::Silenced);
            ended(seen).filter(|_| in_silence)
        })
        .await;
    stack.control.remove(SILENCE);
    stack.watcher.tell(Seen::Unsilenced);
    stack.gate.send_replace(true);

    stack.wait_for_committed(2 * WAVE).await;
    stack.publish("after").await;
    stack.wait_for_committed(3 * WAVE).await;

    assert_eq!(cause, Cause::Watchdog);
    judge_silence(&stack, attempt);
    let waves = expected(&["before", "in the dead window", "after"]);
    assert_eq!(committed(&stack.log), waves);
    stack.cast.shutdown().await;
    assert_eq!(read_inbox(&stack.client_os), waves);
}

/// The silence was one: PINGs were answered, nothing was delivered, the node did store, and the watchdog found it.
#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
fn judge_silence(stack: &Stack, attempt: u64) {
    let silence = stack.seen_in_silence();
    let count = |is_meant: fn(&Seen) -> bool| silence.iter().filter(|seen| is_meant(seen)).count();
    let pings = count(|seen| matches!(seen, Seen::Proxy(proxy::ProxyNotice::PingAnswered { .. })));
    assert!(pings >= 2, "{pings} PINGs answered in silence: {silence:#?}");
    assert_eq!(count(|seen| matches!(seen, Seen::Node(node::NodeNotice::Stored { .. }))), WAVE);
    assert_eq!(committed(silence), []);
    assert!(stack.control.is_felt(SILENCE));
    let tripped = silence.iter().find_map(|seen| match seen {
        Seen::Client(client::ClientNotice::WatchdogTripped { attempt, silent_for }) => Some((*attempt, *silent_for)),
        _ => None,
    });
    let (tripped, silent_for) = tripped.expect("the watchdog tripped");
    assert_eq!(tripped, attempt);
    assert!(silent_for >= 3 * KEEPALIVE, "{silent_for:?}");
    // C3: it resumes from what it had committed, and so asks for the dead window.
    let resumed = stack.log.iter().find_map(|seen| match seen {
        Seen::Client(client::ClientNotice::Opened { attempt: opened, resume }) if *opened == attempt + 1 => {
            Some(resume)
        }
        _ => None,
    });
    let cursors: Vec<Cursor> = resumed.expect("it came back").iter().map(|add| add.cursor).collect();
    assert_eq!(cursors, [Cursor(5), Cursor(4)]);
}

fn read_inbox(os: &Os) -> Vec<Committed> {
    let env: Env = Arc::new(os.clone());
    let inbox = Inbox::open(&env, None).expect("the client has let go of its inbox");
    let entries = inbox.journal_from(0, usize::MAX).expect("readable");
    entries.into_iter().map(|entry| (entry.topic, entry.id, entry.data)).collect()
}
