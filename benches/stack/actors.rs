//! The actors of a busy minute, wherever they run: a node, a proxy, clients and a publisher. Nothing is observed of them but
//! how many messages reach applications, and nothing is judged.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pulseless::env::{Address, Env, TcpOptions};
use pulseless::history::Recorder;
use pulseless::proxy::{self, Control, ProxyConfig, ProxyEdge, ProxyHabits};
use pulseless::sim::SimFile;
use pulseless::subject::xmtp::XmtpSetup;
use pulseless::subject::xmtp::client::{self, ClientConfig, Publisher, PublisherConfig};
use pulseless::subject::xmtp::node::{self, NodeConfig};
use pulseless::subject::xmtp::wire::{Add, Cursor, Topic};
use pulseless::subject::xmtp::workload::{Consumer, Pace, Payloads, Schedule, publish};

const NODE_PORT: u16 = 5556;
const PROXY_PORT: u16 = 5555;
/// Those of the sims of this bench.
const MESSAGES_PER_SECOND: u64 = 200;

struct Nobody;

impl client::ClientObserver for Nobody {
    fn notice(&self, _: client::ClientNotice) {}
}

impl node::NodeObserver for Nobody {
    fn notice(&self, _: node::NodeNotice) {}
}

impl proxy::ProxyObserver for Nobody {
    fn notice(&self, _: proxy::ProxyNotice) {}
}

/// Counts what reaches the applications.
struct Counter(Arc<AtomicU64>);

impl client::ClientObserver for Counter {
    fn notice(&self, notice: client::ClientNotice) {
        if let client::ClientNotice::Committed { messages, .. } = notice {
            self.0.fetch_add(messages.len() as u64, Ordering::Relaxed);
        }
    }
}

/// The clients and the first publisher of a sim, with their node and proxy.
#[derive(Clone)]
pub(crate) struct Actors {
    pub(crate) clients: u32,
    topics: Vec<Topic>,
    size_bytes: RangeInclusive<usize>,
    every: Duration,
    until: Duration,
    delivered: Arc<AtomicU64>,
}

impl Actors {
    pub(crate) fn of(sim: &SimFile) -> Self {
        let settings = XmtpSetup::settings(&*sim.setup).expect("our own subject");
        Actors {
            clients: settings.fleet.clients,
            topics: settings.topics(),
            size_bytes: settings.workload.size_bytes.clone(),
            every: settings.workload.rate.gap(),
            until: sim.calm_begins(),
            delivered: Arc::default(),
        }
    }

    pub(crate) async fn node(self, env: Env) {
        let config = NodeConfig { port: NODE_PORT, ..NodeConfig::default() };
        node::serve(env, config, Arc::new(Nobody)).await.expect("it serves");
    }

    pub(crate) async fn proxy(self, env: Env) {
        let config = ProxyConfig {
            port: PROXY_PORT,
            upstream: Address::new("node", NODE_PORT),
            tcp: TcpOptions::default(),
            control: Control::default(),
            habits: ProxyHabits::default(),
            edge: ProxyEdge::default(),
        };
        proxy::serve(env, config, Arc::new(Nobody)).await.expect("it serves");
    }

    pub(crate) async fn client(self, env: Env) {
        let adds = self.topics.into_iter().map(|topic| Add { topic, cursor: Cursor(0) }).collect();
        let config = ClientConfig::new(Address::new("proxy", PROXY_PORT), adds);
        let consumer = Consumer { time: Duration::ZERO };
        let Err(error) = client::subscribe(env, config, consumer, Arc::new(Counter(self.delivered))).await;
        panic!("it follows for ever: {error}");
    }

    /// Until the calm begins; `now` is the time since the minute's begin.
    pub(crate) async fn publisher(self, env: Env, now: impl Fn() -> Duration + Send + Sync + 'static) {
        let publisher = Publisher::new(env.clone(), Address::new("proxy", PROXY_PORT), PublisherConfig::default());
        let payloads = Payloads::new("publisher-1", self.topics, self.size_bytes, env.dice());
        let schedule = Schedule::new(Pace::Steady { every: self.every }, Duration::ZERO, self.until, env.dice());
        publish(publisher, payloads, schedule, 0, || (), Recorder::new(Arc::new(now))).await;
    }

    /// Who does less is not the same minute.
    pub(crate) fn check_delivered(&self) {
        let expected = self.until.as_secs() * MESSAGES_PER_SECOND * u64::from(self.clients);
        let delivered = self.delivered.load(Ordering::Relaxed);
        assert!(delivered * 10 > expected * 9, "only {delivered} of about {expected} messages were delivered");
    }
}
