//! Stages a sim: the cast on its hosts, in a world of its own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::env::{Address, Env};
use crate::fault::Death;
use crate::history::{Event, HostName, Recorder, Terms};
use crate::proxy::{self, Control, ProxyConfig};
use crate::sim::{SimFile, WorkloadKind};
use crate::subject::xmtp::client::{self, ClientConfig, Publisher, PublisherConfig};
use crate::subject::xmtp::node::{self, NodeConfig};
use crate::subject::xmtp::wire::{Add, Cursor, Topic};
use crate::subject::xmtp::workload::{self, Consumer, Pace, Payloads, Schedule};
use crate::trial::observe::{ClientWitness, NodeWitness};
use crate::trial::tap::Tap;
use crate::world::{Engine, HostId, Program};

/// The nodes' and the proxies' ports: gRPC examples' usual ones.
const NODE_PORT: u16 = 5556;
const PROXY_PORT: u16 = 5555;

/// Why a sim's word has a meaning.
const CHECKED: &str = "a sim's words are checked when it is read";

/// The hosts' addresses, known once all of them stand.
type Names = Arc<OnceLock<Arc<BTreeMap<IpAddr, HostName>>>>;

/// A sim on stage: hosts by name, and the strings that the play pulls.
pub(crate) struct Stage {
    pub(crate) world: Box<dyn Engine>,
    pub(crate) hosts: BTreeMap<String, HostId>,
    /// Each proxy's control, by its host.
    pub(crate) controls: BTreeMap<String, Control>,
    pub(crate) recorder: Recorder,
    /// So many publishers have still to store what was to be there before the clients came.
    pub(crate) preparing: Arc<AtomicU32>,
}

impl Stage {
    /// Stages a sim in an empty world; nothing runs yet.
    pub(crate) fn build(sim: &SimFile, mut world: Box<dyn Engine>) -> Self {
        let clock = world.clock();
        let recorder = Recorder::new(Arc::new(move || clock.now()));
        let dying = recorder.clone();
        world.tell_deaths(Box::new(move |host, death| record_death(&dying.on(&HostName::from(host)), death)));
        let preparing = if sim.workload.history == 0 { 0 } else { sim.cast.nodes };
        let mut stage = Stage {
            world,
            hosts: BTreeMap::new(),
            controls: BTreeMap::new(),
            recorder,
            preparing: Arc::new(preparing.into()),
        };
        let names: Names = Arc::default();
        stage.add_nodes(sim);
        stage.add_proxies(sim, &names);
        stage.add_publishers(sim);
        stage.add_clients(sim);
        let by_ip = stage.hosts.iter().map(|(name, id)| (stage.world.ip(*id), HostName::from(name.as_str())));
        names.get_or_init(|| Arc::new(by_ip.collect()));
        stage
    }

    /// The address of a host.
    pub(crate) fn ip(&self, host: &str) -> IpAddr {
        self.world.ip(self.hosts[host])
    }

    /// Starts a process where none runs, and records it.
    pub(crate) fn start(&mut self, host: &str) {
        let id = self.hosts[host];
        if self.world.is_up(id) {
            return;
        }
        self.world.start(id);
        let event = Event::ProcessBegan { incarnation: self.world.incarnation(id) };
        self.recorder.on(&HostName::from(host)).record(event);
    }

    /// Halts a host and tells whether a process ran on it.
    pub(crate) fn halt(&mut self, host: &str, death: Death) -> bool {
        self.world.halt(self.hosts[host], death)
    }

    fn add(&mut self, name: &str, program: Program) {
        let id = self.world.add_host(name, program);
        self.hosts.insert(name.to_owned(), id);
    }

    fn recorder_of(&self, name: &str) -> Recorder {
        self.recorder.on(&HostName::from(name))
    }

    fn add_nodes(&mut self, sim: &SimFile) {
        for number in 1..=sim.cast.nodes {
            let name = sim.cast.node(number);
            let recorder = self.recorder_of(&name);
            let config = NodeConfig {
                port: NODE_PORT,
                keepalive: sim.node.keepalive,
                pong_deadline: sim.node.pong_deadline,
                quirk: sim.node.quirk.as_deref().map(|name| name.parse().expect(CHECKED)),
                ..NodeConfig::default()
            };
            let run = move |env: Env| {
                let observer = Arc::new(NodeWitness(recorder.begin_life()));
                let serving = node::serve(env, config.clone(), observer);
                async move { serving.await.map_err(|error| error.to_string()) }
            };
            self.add(&name, program(run));
        }
    }

    fn add_proxies(&mut self, sim: &SimFile, names: &Names) {
        // Counted over all proxies, so that no two of their processes have one number.
        let incarnations = Arc::new(AtomicU32::new(0));
        for number in 1..=sim.cast.proxies {
            let name = sim.cast.proxy(number);
            let control = Control::default();
            self.controls.insert(name.clone(), control.clone());
            let upstream = Address::new(sim.cast.node(sim.cast.node_behind(number)), NODE_PORT);
            let config = ProxyConfig { port: PROXY_PORT, upstream, tcp: sim.cast.proxy.tcp, control };
            let (names, recorder, incarnations) = (names.clone(), self.recorder_of(&name), incarnations.clone());
            let run = move |env: Env| {
                let incarnation = incarnations.fetch_add(1, Ordering::Relaxed) + 1;
                let names = names.get().expect("every host stands before one starts").clone();
                let tap = Arc::new(Tap::new(incarnation, names, recorder.begin_life()));
                let serving = proxy::serve(env, config.clone(), tap);
                async move { serving.await.map_err(|error| error.to_string()) }
            };
            self.add(&name, program(run));
        }
    }

    fn add_publishers(&mut self, sim: &SimFile) {
        for number in 1..=sim.cast.publishers {
            let name = format!("publisher-{number}");
            let recorder = self.recorder_of(&name);
            let work = PublisherWork::new(sim, number, &name);
            let preparing = self.preparing.clone();
            let run = move |env: Env| {
                let (work, recorder, preparing) = (work.clone(), recorder.begin_life(), preparing.clone());
                async move {
                    let publisher = Publisher::new(env.clone(), work.proxy, PublisherConfig::default());
                    let payloads = Payloads::new(&work.author, work.topics, work.size, env.dice());
                    let schedule = Schedule::new(work.pace, recorder.now(), work.end, env.dice());
                    // A publisher that is started again does not prepare the stage again.
                    let first = if preparing.load(Ordering::Relaxed) == 0 { 0 } else { work.first };
                    let ready = || {
                        preparing.fetch_sub(u32::from(first > 0), Ordering::Relaxed);
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
            let proxy = sim.cast.proxy_of(number);
            let address = Address::new(sim.cast.proxy(proxy), PROXY_PORT);
            let config = ClientConfig {
                topics_per_mutate: sim.client.topics_per_mutate as usize,
                watchdog: sim.client.watchdog,
                http2_keepalive: sim.client.http2_keepalive,
                tcp: sim.client.tcp,
                quirk: sim.client.quirk.as_deref().map(|name| name.parse().expect(CHECKED)),
                ..ClientConfig::new(address, subscription(&sim.topics_behind(proxy)))
            };
            let consumer = Consumer { time: sim.client.consume };
            let run = move |env: Env| {
                let observer = Arc::new(ClientWitness(recorder.begin_life()));
                let subscribing = client::subscribe(env, config.clone(), consumer, observer);
                async move { subscribing.await.map(|_| ()).map_err(|error| error.to_string()) }
            };
            self.add(&name, program(run));
        }
    }
}

/// Records how a host died; what its process says from here on is not heard.
fn record_death(recorder: &Recorder, death: Death) {
    recorder.end_life();
    if let Death::PoweredOff(_) = death {
        recorder.record(Event::PowerFailed);
    }
    recorder.record(Event::ProcessKilled);
    match death {
        Death::Killed | Death::PoweredOff(_) => {}
        Death::DiskLost => recorder.record(Event::DiskReplaced { as_of: Duration::ZERO }),
        Death::DiskRestored { from } => recorder.record(Event::DiskReplaced { as_of: from }),
    }
}

/// What one publisher does.
#[derive(Clone)]
struct PublisherWork {
    author: String,
    proxy: Address,
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
        let proxy = sim.cast.proxy_of(number);
        // The first publisher of each node stores the node's share of the history.
        let nodes = sim.cast.nodes;
        let share = workload.history / nodes + u32::from(number <= workload.history % nodes);
        PublisherWork {
            author: name.to_owned(),
            proxy: Address::new(sim.cast.proxy(proxy), PROXY_PORT),
            topics: sim.topics_behind(proxy),
            size: workload.size_bytes,
            pace,
            first: if number <= nodes { share as usize } else { 0 },
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
    let follows = |number| subscription(&sim.topics_behind(sim.cast.proxy_of(number)));
    Terms {
        keepalive: sim.node.keepalive,
        intervals: sim.client.watchdog.unwrap_or(client::WATCHDOG_INTERVALS),
        travel: travel(sim),
        calm: sim.calm_begins(),
        within: sim.promise.within,
        end: sim.duration,
        subscribers: (1..=sim.cast.clients).map(|number| (format!("client-{number}"), follows(number))).collect(),
    }
}

/// The longest that bytes travel over two links. Where segments are lost by the sim's own links, a burst is repeated
/// after 200 ms, doubled each time (RFC 6298); five losses in a row are out of reach of any rate worth a sim.
fn travel(sim: &SimFile) -> Duration {
    const REPEATED_FIVE_TIMES: Duration = Duration::from_millis(200 * 31);
    let repeated = if sim.link.loss_basis_points.is_some() { REPEATED_FIVE_TIMES } else { Duration::ZERO };
    (sim.link.latency.most + repeated) * 2
}

fn program<Run>(run: impl Fn(Env) -> Run + 'static) -> Program
where
    Run: Future<Output = Result<(), String>> + Send + 'static,
{
    Box::new(move |env| Box::pin(run(env)))
}
