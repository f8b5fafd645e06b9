//! Stages a sim: the cast on its hosts, in a world of its own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::client::{self, ClientConfig, Publisher, PublisherConfig};
use crate::env::{Address, Env};
use crate::history::{Event, HostName, Recorder, Terms};
use crate::node::{self, NodeConfig};
use crate::proxy::{self, Control, ProxyConfig};
use crate::sim::observe::{ClientObserver, NodeObserver};
use crate::sim::tap::Tap;
use crate::sim::{SimFile, WorkloadKind};
use crate::wire::{Add, Cursor, Topic};
use crate::workload::{self, Consumer, Pace, Payloads, Schedule};
use crate::world::{HostId, Latency, Leap, Program};

/// The node's host and port: gRPC examples' usual port.
const NODE: &str = "node";
const NODE_PORT: u16 = 5556;
/// The proxy's host and port.
const PROXY: &str = "proxy";
const PROXY_PORT: u16 = 5555;

/// Why a sim's word has a meaning.
const CHECKED: &str = "a sim's words are checked when it is read";

/// The hosts' addresses, known once all of them stand.
type Names = Arc<OnceLock<Arc<BTreeMap<IpAddr, HostName>>>>;

/// A sim on stage: hosts by name, and the strings that the play pulls.
pub(crate) struct Stage {
    pub(crate) leap: Leap,
    pub(crate) hosts: BTreeMap<String, HostId>,
    pub(crate) control: Control,
    pub(crate) recorder: Recorder,
    /// The messages that were to be there before the clients came are there.
    pub(crate) prepared: Arc<AtomicBool>,
}

impl Stage {
    /// Builds the world of a sim; nothing runs yet.
    pub(crate) fn build(sim: &SimFile, seed: u64) -> Self {
        let leap = Leap::new(seed, Latency { least: sim.link.latency.least, most: sim.link.latency.most });
        let clock = leap.clock();
        let recorder = Recorder::new(Arc::new(move || clock.now()));
        let mut stage = Stage {
            leap,
            hosts: BTreeMap::new(),
            control: Control::default(),
            recorder,
            prepared: Arc::new(AtomicBool::new(sim.workload.history == 0)),
        };
        let names: Names = Arc::default();
        stage.add_node(sim);
        stage.add_proxy(&names);
        stage.add_publishers(sim);
        stage.add_clients(sim);
        let by_ip = stage.hosts.iter().map(|(name, id)| (stage.leap.ip(*id), HostName::from(name.as_str())));
        names.get_or_init(|| Arc::new(by_ip.collect()));
        stage
    }

    /// The address of a host.
    pub(crate) fn ip(&self, host: &str) -> IpAddr {
        self.leap.ip(self.hosts[host])
    }

    /// Starts a process and records it.
    pub(crate) fn start(&mut self, host: &str) {
        let id = self.hosts[host];
        self.leap.start(id);
        let event = Event::ProcessBegan { incarnation: self.leap.incarnation(id) };
        self.recorder.on(&HostName::from(host)).record(event);
    }

    /// Kills a process, records it, and tells whether there was one.
    pub(crate) fn kill(&mut self, host: &str) -> bool {
        let killed = self.recorder.turn_away(|| self.leap.kill(self.hosts[host]));
        if killed {
            self.recorder.on(&HostName::from(host)).record(Event::ProcessKilled);
        }
        killed
    }

    fn add(&mut self, name: &str, program: Program) {
        let id = self.leap.add_host(name, program);
        self.hosts.insert(name.to_owned(), id);
    }

    fn recorder_of(&self, name: &str) -> Recorder {
        self.recorder.on(&HostName::from(name))
    }

    fn add_node(&mut self, sim: &SimFile) {
        let recorder = self.recorder_of(NODE);
        let config = NodeConfig {
            port: NODE_PORT,
            keepalive: sim.node.keepalive,
            pong_deadline: sim.node.pong_deadline,
            quirk: sim.node.quirk.as_deref().map(|name| name.parse().expect(CHECKED)),
            ..NodeConfig::default()
        };
        let run = move |env: Env| {
            let observer = Arc::new(NodeObserver(recorder.clone()));
            let serving = node::serve(env, config.clone(), observer);
            async move { serving.await.map_err(|error| error.to_string()) }
        };
        self.add(NODE, program(run));
    }

    fn add_proxy(&mut self, names: &Names) {
        let (names, recorder, control) = (names.clone(), self.recorder_of(PROXY), self.control.clone());
        let incarnations = AtomicU32::new(0);
        let run = move |env: Env| {
            let incarnation = incarnations.fetch_add(1, Ordering::Relaxed) + 1;
            let names = names.get().expect("every host stands before one starts").clone();
            let tap = Arc::new(Tap::new(incarnation, names, recorder.clone()));
            let upstream = Address::new(NODE, NODE_PORT);
            let config = ProxyConfig { port: PROXY_PORT, upstream, control: control.clone() };
            let serving = proxy::serve(env, config, tap);
            async move { serving.await.map_err(|error| error.to_string()) }
        };
        self.add(PROXY, program(run));
    }

    fn add_publishers(&mut self, sim: &SimFile) {
        for number in 1..=sim.cast.publishers {
            let name = format!("publisher-{number}");
            let recorder = self.recorder_of(&name);
            let work = PublisherWork::new(sim, number, &name);
            let prepared = self.prepared.clone();
            let run = move |env: Env| {
                let (work, recorder, prepared) = (work.clone(), recorder.clone(), prepared.clone());
                async move {
                    let publisher =
                        Publisher::new(env.clone(), Address::new(PROXY, PROXY_PORT), PublisherConfig::default());
                    let payloads = Payloads::new(&work.author, work.topics, work.size, env.dice());
                    let schedule = Schedule::new(work.pace, recorder.now(), work.end, env.dice());
                    // A publisher that is started again does not prepare the stage again.
                    let first = if prepared.load(Ordering::Relaxed) { 0 } else { work.first };
                    let ready = || {
                        prepared.fetch_or(first > 0, Ordering::Relaxed);
                    };
                    workload::publish(publisher, payloads, schedule, first, ready, recorder).await;
                    Ok(())
                }
            };
            self.add(&name, program(run));
        }
    }

    fn add_clients(&mut self, sim: &SimFile) {
        for number in 1..=sim.cast.clients {
            let name = format!("client-{number}");
            let recorder = self.recorder_of(&name);
            let config = ClientConfig {
                topics_per_mutate: sim.client.topics_per_mutate as usize,
                watchdog: sim.client.watchdog,
                http2_keepalive: sim.client.http2_keepalive,
                quirk: sim.client.quirk.as_deref().map(|name| name.parse().expect(CHECKED)),
                ..ClientConfig::new(Address::new(PROXY, PROXY_PORT), subscription(&sim.topics()))
            };
            let consumer = Consumer { time: sim.client.consume };
            let run = move |env: Env| {
                let observer = Arc::new(ClientObserver(recorder.clone()));
                let subscribing = client::subscribe(env, config.clone(), consumer, observer);
                async move { subscribing.await.map(|_| ()).map_err(|error| error.to_string()) }
            };
            self.add(&name, program(run));
        }
    }
}

/// What one publisher does.
#[derive(Clone)]
struct PublisherWork {
    author: String,
    topics: Vec<Topic>,
    size: usize,
    pace: Pace,
    first: usize,
    end: Duration,
}

impl PublisherWork {
    fn new(sim: &SimFile, number: u32, name: &str) -> Self {
        let workload = &sim.workload;
        // The publishers share the sim's rate.
        let every = workload.rate.gap() * sim.cast.publishers;
        let pace = match workload.kind {
            WorkloadKind::Quiet => Pace::Quiet,
            WorkloadKind::Steady => Pace::Steady { every },
            WorkloadKind::Burst => Pace::Burst { every, messages: workload.burst },
        };
        PublisherWork {
            author: name.to_owned(),
            topics: sim.topics(),
            size: workload.size_bytes,
            pace,
            first: if number == 1 { workload.history as usize } else { 0 },
            end: sim.calm_begins(),
        }
    }
}

/// Every topic from its beginning.
fn subscription(topics: &[Topic]) -> Vec<Add> {
    topics.iter().map(|topic| Add { topic: topic.clone(), cursor: Cursor(0) }).collect()
}

/// The terms of a sim, for the head of its history.
pub(crate) fn terms(sim: &SimFile) -> Terms {
    let adds = subscription(&sim.topics());
    Terms {
        keepalive: sim.node.keepalive,
        intervals: sim.client.watchdog.unwrap_or(client::WATCHDOG_INTERVALS),
        travel: sim.link.latency.most * 2,
        calm: sim.calm_begins(),
        within: sim.promise.within,
        end: sim.duration,
        subscribers: (1..=sim.cast.clients).map(|number| (format!("client-{number}"), adds.clone())).collect(),
    }
}

fn program<Run>(run: impl Fn(Env) -> Run + 'static) -> Program
where
    Run: Future<Output = Result<(), String>> + Send + 'static,
{
    Box::new(move |env| Box::pin(run(env)))
}
