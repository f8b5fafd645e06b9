//! The same client, proxy and node on the turmoil engine, for comparison.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pulseless::client::{self, ClientConfig};
use pulseless::env::{Address, Env, TcpOptions};
use pulseless::fault::Latency;
use pulseless::node::{self, NodeConfig};
use pulseless::proxy::{self, Control, ProxyConfig};
use pulseless::wire::{Add, Cursor, Kind, Topic};
use pulseless::workload::Consumer;
use pulseless::world::{Engine, Program, Turmoil, on_trial_thread};

const HOUR: Duration = Duration::from_secs(3600);
const NODE_PORT: u16 = 5556;
const PROXY_PORT: u16 = 5555;
const SEED: u64 = 7;
/// That of a sim that does not say.
const LATENCY: Latency = Latency::uniform(Duration::from_millis(1), Duration::from_millis(20));

struct Heard(AtomicU64);

impl client::Observer for Heard {
    fn notice(&self, notice: client::Notice) {
        if let client::Notice::Heard { .. } = notice {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Nobody;

impl node::Observer for Nobody {
    fn notice(&self, _: node::Notice) {}
}

impl proxy::Observer for Nobody {
    fn notice(&self, _: proxy::Notice) {}
}

/// The hour of [`crate::trials::quiet_hour`], by that tick, without history and judges.
pub(crate) fn quiet_hour(tick: Duration) {
    let heard = Arc::new(Heard(AtomicU64::new(0)));
    let observer = heard.clone();
    on_trial_thread(SEED, || play_hour(tick, observer)).expect("turmoil plays the hour");
    let pings = HOUR.as_secs() / NodeConfig::default().keepalive.as_secs();
    let heard = heard.0.load(Ordering::Relaxed);
    assert!(heard >= pings - 1, "the client heard {heard} frames in an hour of {pings} pings");
}

fn play_hour(tick: Duration, heard: Arc<Heard>) {
    let mut world = Turmoil::new(SEED, LATENCY, tick);
    let node = program(|env| {
        let config = NodeConfig { port: NODE_PORT, ..NodeConfig::default() };
        async move { node::serve(env, config, Arc::new(Nobody)).await.map_err(|error| error.to_string()) }
    });
    let proxy = program(|env| {
        let upstream = Address::new("node", NODE_PORT);
        let config =
            ProxyConfig { port: PROXY_PORT, upstream, tcp: TcpOptions::default(), control: Control::default() };
        async move { proxy::serve(env, config, Arc::new(Nobody)).await.map_err(|error| error.to_string()) }
    });
    let client = program(move |env| {
        let adds = vec![Add { topic: Topic::new(Kind::Group, b"topic-1"), cursor: Cursor(0) }];
        let config = ClientConfig::new(Address::new("proxy", PROXY_PORT), adds);
        let subscribing = client::subscribe(env, config, Consumer { time: Duration::ZERO }, heard.clone());
        async move { subscribing.await.map(|_| ()).map_err(|error| error.to_string()) }
    });
    for (name, program) in [("node", node), ("proxy", proxy), ("client", client)] {
        let host = world.add_host(name, program);
        world.start(host);
    }
    world.run_until(HOUR).unwrap_or_else(|error| panic!("{error}"));
}

fn program<Run>(run: impl Fn(Env) -> Run + 'static) -> Program
where
    Run: Future<Output = Result<(), String>> + Send + 'static,
{
    Box::new(move |env| Box::pin(run(env)))
}
