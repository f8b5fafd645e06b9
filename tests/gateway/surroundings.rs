//! Real surroundings for the gateway's tests: a node on a free port, and connections that can be cut.
//!
//! Refuses to judge: the tests do.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pulseless::env::{Address, Asked, Dice, Disk, Env, Listener, Socket, Surroundings, TcpOptions};
use pulseless::os::Os;
use pulseless::subject::xmtp::client::{ClientNotice, ClientObserver, Publisher, PublisherConfig};
use pulseless::subject::xmtp::node::{self, NodeConfig, NodeNotice, NodeObserver};
use pulseless::subject::xmtp::wire::{Draft, Envelope, MessageKind, Topic, application_message};
use tokio::task::JoinSet;

use crate::served::Listening;

/// Far more than a test takes: it is there so that a bug fails the test instead of hanging it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How many messages a node takes at once.
const MESSAGES_PER_REQUEST: u64 = 5_000;

/// Remembers what the gateway's wire told.
#[derive(Default)]
pub struct Witness(Mutex<Vec<ClientNotice>>);

impl Witness {
    /// How many notices of some kind there were.
    pub fn count(&self, kind: impl Fn(&ClientNotice) -> bool) -> usize {
        self.0.lock().expect("not poisoned").iter().filter(|notice| kind(notice)).count()
    }
}

impl ClientObserver for Witness {
    fn notice(&self, notice: ClientNotice) {
        self.0.lock().expect("not poisoned").push(notice);
    }
}

impl NodeObserver for Witness {
    fn notice(&self, _: NodeNotice) {}
}

/// Real surroundings whose dialed connections can all be cut.
#[derive(Default)]
pub struct Cuttable {
    os: Os,
    pumps: Arc<Mutex<JoinSet<()>>>,
}

impl Cuttable {
    /// Cuts every connection that was dialed so far.
    pub fn cut(&self) {
        self.pumps.lock().expect("not poisoned").abort_all();
    }
}

impl Surroundings for Cuttable {
    fn dial_with(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        let (dialing, pumps) = (self.os.dial_with(address, options), Arc::clone(&self.pumps));
        Box::pin(async move {
            let mut socket = dialing.await?;
            let (near, mut far) = tokio::io::duplex(64 << 10);
            let ends = (socket.local(), socket.peer());
            let pump = async move { tokio::io::copy_bidirectional(&mut socket, &mut far).await.map_or((), drop) };
            pumps.lock().expect("not poisoned").spawn(pump);
            Ok(Socket::new(ends.0, ends.1, near))
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

/// A node, for as long as it lives.
pub struct RunningNode {
    pub address: Address,
    _folder: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl RunningNode {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (env, address) = Listening::new(Os::default().with_folder(folder.path().join("node"))).await;
        let (config, mut tasks) = (NodeConfig { port: address.port, ..NodeConfig::default() }, JoinSet::new());
        let serving = node::serve(Arc::new(env), config, Arc::new(Witness::default()));
        tasks.spawn(async move { serving.await.map_or((), drop) });
        RunningNode { address, _folder: folder, _tasks: tasks }
    }

    /// Publishes so many messages to a topic.
    pub async fn publish(&self, name: &str, count: u64) {
        let env: Env = Arc::new(Os::default());
        let config = PublisherConfig { deadline: PATIENCE, http2_keepalive: None };
        let mut publisher = Publisher::new(env, self.address.clone(), config);
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
        let data = application_message(name.as_bytes(), b"hello");
        let draft = || Draft { topic: topic(name), data: data.clone(), envelope: envelope.clone() };
        let mut left = count;
        while left > 0 {
            let part = left.min(MESSAGES_PER_REQUEST);
            publisher.publish((0..part).map(|_| draft()).collect()).await.expect("stored");
            left -= part;
        }
    }
}

/// A group topic.
pub fn topic(name: &str) -> Topic {
    Topic::new(MessageKind::Group, name.as_bytes())
}
