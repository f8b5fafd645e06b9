//! The hosts of this subject: what a node, a client and a publisher run, how they are set, and who observes them.
//!
//! Refuses to know the engine that plays them.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tokio::time::Instant;

use crate::cast::HostName;
use crate::env::{Address, Env};
use crate::history::{Event, Examined};
use crate::proxy::{ProxyEdge, ProxyHabits};
use crate::subject::xmtp::channels::Originators;
use crate::subject::xmtp::client::{
    self, CATCH_UP_PATIENCE, ClientConfig, ClientError, Dialer, Publisher, PublisherConfig,
};
use crate::subject::xmtp::conformance::{self, ConformSettings, RowResult};
use crate::subject::xmtp::examined::{examined_bounds, examined_limits};
use crate::subject::xmtp::gateway::{Gateway, GatewayConfig};
use crate::subject::xmtp::node::{self, NodeConfig, NodeHooks, NodeLimits};
use crate::subject::xmtp::observe::{ClientHistory, NodeHistory, ObservedApplication};
use crate::subject::xmtp::settings::{WorkloadKind, XmtpSettings};
use crate::subject::xmtp::tap::Tap;
use crate::subject::xmtp::wire::{Add, Dialect, Topic};
use crate::subject::xmtp::workload::{
    self, Consumer, Habits, Identity, KeptState, Pace, Payloads, Repertoire, Schedule,
};
use crate::subject::{Entrance, ProxyPlace, ProxyRole, Role, Seat, StopRequest, TrialCa, TrialTimes, program};
use crate::world::Program;

/// The nodes' and the proxies' ports: gRPC examples' usual ones.
const NODE_PORT: u16 = 5556;
const PROXY_PORT: u16 = 5555;

/// The roles, in the order in which they enter: a node listens before a proxy dials it, a proxy before anybody dials
/// the proxy, and the clients come when the history is stored.
pub(crate) fn roles(settings: &Arc<XmtpSettings>, times: TrialTimes) -> Vec<Box<dyn Role>> {
    let ca = (settings.proxy_tls.is_some() || settings.node.tls.is_some()).then(TrialCa::new);
    let nodes: Box<dyn Role> = Box::new(NodeRole(settings.clone()));
    let nodes = match ca.as_ref().zip(settings.node.tls.as_ref()) {
        Some((ca, alpn)) => ca.listening(nodes, alpn.clone()),
        None => nodes,
    };
    let mut dialers: Vec<Box<dyn Role>> = vec![
        Box::new(PublisherRole { settings: settings.clone(), times }),
        Box::new(ClientRole(settings.clone())),
        Box::new(VisitorRole { settings: settings.clone(), times }),
        Box::new(ExaminerRole(settings.clone())),
        Box::new(GatewayRole { settings: settings.clone(), times }),
    ];
    if let Some(ca) = ca.as_ref().filter(|_| settings.proxy_tls.is_some()) {
        dialers = dialers.into_iter().map(|role| ca.dialing(role)).collect();
    }
    let mut roles = vec![nodes, Box::new(proxies(settings, ca.as_ref()))];
    roles.append(&mut dialers);
    roles
}

/// Every topic that a client behind that proxy follows, from its beginning.
fn subscription(topics: &[Topic], dialect: Dialect) -> Vec<Add> {
    topics.iter().map(|topic| Add { topic: topic.clone(), cursor: dialect.beginning() }).collect()
}

struct NodeRole(Arc<XmtpSettings>);

impl Role for NodeRole {
    fn hosts(&self) -> Vec<HostName> {
        (1..=self.0.fleet.nodes).map(|number| self.0.fleet.node(number)).collect()
    }

    fn entrance(&self) -> Entrance {
        Entrance::Listening
    }

    fn program(&self, _number: u32, seat: &mut Seat) -> Program {
        let config = NodeConfig {
            port: NODE_PORT,
            // A node without an interval neither advertises one nor pings.
            keepalive: if self.0.node.pings { self.0.node.keepalive } else { Duration::ZERO },
            pong_deadline: self.0.node.pong_deadline,
            dialects: self.0.node.dialects.clone(),
            limits: limits(&self.0),
            quirk: self.0.node.quirk,
            ..NodeConfig::default()
        };
        let (authorizer, settings) = (Arc::new(self.0.node.authorizer()), Arc::clone(&self.0));
        let (recorder, stop) = (seat.recorder.clone(), seat.stop.insert(StopRequest::default()).clone());
        program(move |env: Env| {
            let recorder = recorder.begin_life();
            let config = NodeConfig { serves: settings.node.serves_at(recorder.now()), ..config.clone() };
            let observer = Arc::new(NodeHistory::new(recorder));
            let shutdown = Some(Box::pin(stop.begin_life()) as _);
            let hooks = NodeHooks { authorizer: authorizer.clone(), shutdown, ..NodeHooks::new(observer) };
            let serving = node::serve_with(env, config, hooks);
            async move { serving.await.map_err(|error| error.to_string()) }
        })
    }
}

fn proxies(settings: &XmtpSettings, ca: Option<&TrialCa>) -> ProxyRole {
    let (fleet, originators) = (settings.fleet, settings.originators());
    let upstream = |number| Address::new(&*fleet.node(fleet.node_behind(number)), NODE_PORT);
    let place = |number| {
        let name = fleet.proxy(number);
        let client_tls = ca.zip(settings.proxy_tls.clone()).map(|(ca, alpn)| ca.certify(&name, alpn));
        let node_tls = ca.filter(|_| settings.node.tls.is_some()).map(TrialCa::trusted);
        ProxyPlace {
            name,
            upstream: upstream(number),
            edge: ProxyEdge { client_tls, node_tls, ..ProxyEdge::default() },
        }
    };
    ProxyRole {
        places: (1..=fleet.proxies).map(place).collect(),
        port: PROXY_PORT,
        tcp: settings.proxy_tcp,
        habits: ProxyHabits::of(settings.proxy_profile.conduct()),
        tap: Arc::new(move |seat| Arc::new(Tap::new(seat, originators))),
        incarnations: Arc::new(AtomicU32::new(0)),
    }
}

struct ClientRole(Arc<XmtpSettings>);

impl Role for ClientRole {
    fn hosts(&self) -> Vec<HostName> {
        (1..=self.0.fleet.clients).map(|number| self.0.fleet.client(number)).collect()
    }

    fn entrance(&self) -> Entrance {
        Entrance::Prepared
    }

    fn program(&self, number: u32, seat: &mut Seat) -> Program {
        let client = &self.0.client;
        let proxy = self.0.fleet.proxy_of(number);
        let address = Address::new(&*self.0.fleet.proxy(proxy), PROXY_PORT);
        let topics = self.0.topics_behind(proxy);
        let is_denied = self.0.denies_any_of(&topics);
        let config = ClientConfig {
            topics_per_mutate: client.topics_per_mutate as usize,
            watchdog: client.watchdog,
            http2_keepalive: client.http2_keepalive,
            http2_windows: client.http2_windows,
            tcp: client.tcp,
            connect_timeout: client.connect_timeout,
            backoff: client.backoff,
            dialect: client.dialect,
            quirk: client.quirk,
            ..ClientConfig::new(address, subscription(&topics, client.dialect))
        };
        let (consumer, recorder) = (Consumer { time: client.consume }, seat.recorder.clone());
        let (originators, windows) = (self.0.originators(), client.windows);
        program(move |env: Env| {
            let recorder = recorder.begin_life();
            let consumer = ObservedApplication::new(consumer, recorder.clone(), originators);
            let observer = Arc::new(ClientHistory::new(recorder, originators));
            let config = config.clone();
            async move {
                let subscribed = match windows {
                    None => client::subscribe(env, config, consumer, observer).await,
                    Some(every) => {
                        client::catch_up_every(env, config, consumer, observer, CATCH_UP_PATIENCE, every).await
                    }
                };
                match subscribed {
                    Ok(never) => match never {},
                    // It may not have what it asks for (S7): its subscription is over, and nothing is wrong.
                    Err(ClientError::Rejected { .. }) if is_denied => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            }
        })
    }
}

struct PublisherRole {
    settings: Arc<XmtpSettings>,
    times: TrialTimes,
}

impl Role for PublisherRole {
    fn hosts(&self) -> Vec<HostName> {
        let fleet = self.settings.fleet;
        (1..=fleet.publishers).map(|number| fleet.publisher(number)).collect()
    }

    fn entrance(&self) -> Entrance {
        Entrance::AtOnce
    }

    fn program(&self, number: u32, seat: &mut Seat) -> Program {
        let work = Work::new(&self.settings, number, self.times);
        let (recorder, preparation) = (seat.recorder.clone(), seat.preparation.clone());
        program(move |env: Env| {
            let (work, recorder, preparation) = (work.clone(), recorder.begin_life(), preparation.clone());
            async move {
                let publisher = Publisher::new(env.clone(), work.proxy, PublisherConfig::default());
                let payloads = Payloads::new(recorder.host(), work.topics, work.sizes, env.dice());
                let schedule = Schedule::new(work.pace, recorder.now(), work.end, env.dice());
                // A publisher that is started again does not prepare the trial again.
                let first = if preparation.is_done() { 0 } else { work.first };
                let ready = || {
                    if first > 0 {
                        preparation.finish_part();
                    }
                };
                workload::publish(publisher, payloads, schedule, first, ready, recorder).await;
                Ok(())
            }
        })
    }
}

struct VisitorRole {
    settings: Arc<XmtpSettings>,
    times: TrialTimes,
}

impl Role for VisitorRole {
    fn hosts(&self) -> Vec<HostName> {
        (1..=self.settings.fleet.visitors).map(|number| self.settings.fleet.visitor(number)).collect()
    }

    fn entrance(&self) -> Entrance {
        Entrance::Prepared
    }

    fn program(&self, number: u32, seat: &mut Seat) -> Program {
        let proxy = self.settings.fleet.proxy_of(number);
        let address = Address::new(&*self.settings.fleet.proxy(proxy), PROXY_PORT);
        let client = &self.settings.client;
        let config = ClientConfig {
            http2_keepalive: client.http2_keepalive,
            http2_windows: client.http2_windows,
            tcp: client.tcp,
            connect_timeout: client.connect_timeout,
            dialect: client.dialect,
            ..ClientConfig::new(address, Vec::new())
        };
        let (topics, visitor) = (self.settings.topics_behind(proxy), self.settings.visitor);
        let (recorder, end) = (seat.recorder.clone(), self.times.calm);
        program(move |env: Env| {
            let (config, topics, recorder) = (config.clone(), topics.clone(), recorder.begin_life());
            async move {
                let repertoire = Repertoire::new(topics, config.dialect, visitor.returns, env.dice());
                let dialer = Dialer::new(env, config.node, config.http2_keepalive, config.connect_timeout);
                let dialer = dialer.map_err(|error| error.to_string())?;
                let dialer = dialer.with_windows(config.http2_windows).with_tcp(config.tcp);
                let end = Instant::now() + end.saturating_sub(recorder.now());
                workload::visit(dialer, repertoire, visitor.every, visitor.cancels, end).await;
                Ok(())
            }
        })
    }
}

struct GatewayRole {
    settings: Arc<XmtpSettings>,
    times: TrialTimes,
}

impl Role for GatewayRole {
    fn hosts(&self) -> Vec<HostName> {
        (1..=self.settings.fleet.gateways).map(|number| self.settings.fleet.gateway(number)).collect()
    }

    fn entrance(&self) -> Entrance {
        Entrance::Prepared
    }

    fn program(&self, number: u32, seat: &mut Seat) -> Program {
        let (fleet, client) = (self.settings.fleet, &self.settings.client);
        let config = GatewayConfig {
            watchdog: client.watchdog,
            http2_keepalive: client.http2_keepalive,
            http2_windows: client.http2_windows,
            tcp: client.tcp,
            connect_timeout: client.connect_timeout,
            backoff: client.backoff,
            lease_events: self.settings.gateway.lease_events,
            quirk: self.settings.gateway.quirk,
            ..GatewayConfig::new(Address::new(&*fleet.proxy(fleet.proxy_of(number)), PROXY_PORT))
        };
        let identities = self.settings.identities_of(number).into_iter();
        let identities: Vec<_> = identities.map(|(name, topics)| (name, KeptState::new(topics))).collect();
        let (every, rests) = (self.settings.gateway.every, self.settings.gateway.rests);
        let (end, recorder) = (self.times.calm, seat.recorder.clone());
        program(move |env: Env| {
            let (config, identities, recorder) = (config.clone(), identities.clone(), recorder.begin_life());
            async move {
                let end = Instant::now() + end.saturating_sub(recorder.now());
                let observer = Arc::new(ClientHistory::new(recorder.clone(), Originators::default()));
                let gateway = Gateway::connect(&env, config, observer).map_err(|error| error.to_string())?;
                let via = recorder.host().clone();
                let identity = |(name, kept)| {
                    let (recorder, dice) = (recorder.on(&name), env.dice());
                    Identity { kept, via: via.clone(), recorder, dice }
                };
                let identities = identities.into_iter().map(identity).collect();
                workload::share(gateway, identities, Habits { every, rests, end })
                    .await
                    .map_err(|error| error.to_string())
            }
        })
    }
}

struct ExaminerRole(Arc<XmtpSettings>);

impl Role for ExaminerRole {
    fn hosts(&self) -> Vec<HostName> {
        (1..=self.0.fleet.examiners).map(|number| self.0.fleet.examiner(number)).collect()
    }

    fn entrance(&self) -> Entrance {
        Entrance::Prepared
    }

    fn program(&self, number: u32, seat: &mut Seat) -> Program {
        let proxy = self.0.fleet.proxy(self.0.fleet.proxy_of(number));
        let address = Address::new(&*proxy, PROXY_PORT);
        let settings = ConformSettings { bounds: examined_bounds(), ..ConformSettings::new(address) };
        let recorder = seat.recorder.clone();
        program(move |env: Env| {
            let (settings, recorder) = (settings.clone(), recorder.begin_life());
            async move {
                let judged = conformance::conform(env, settings, &examined(), |_, _| ()).await;
                for row in judged.map_err(|error| format!("failed to {error}"))?.rows {
                    let found = match row.result {
                        RowResult::Pass => Examined::Kept,
                        RowResult::NotJudged => Examined::Open,
                        RowResult::Violation => Examined::Broken,
                    };
                    let words = format!("{}: {}", row.title, row.evidence).into();
                    recorder.record(Event::Examined { requirement: row.requirement.to_owned(), found, words });
                }
                Ok(())
            }
        })
    }
}

/// Everything but S7: nodes of a trial refuse no topic to anybody.
fn examined() -> Vec<String> {
    conformance::requirements().into_iter().filter(|number| *number != "S7").map(str::to_owned).collect()
}

fn limits(settings: &XmtpSettings) -> NodeLimits {
    let usual = settings.node.limits.clone();
    if settings.fleet.examiners == 0 { usual } else { examined_limits(usual) }
}

/// What one publisher does.
#[derive(Clone)]
struct Work {
    proxy: Address,
    topics: Vec<Topic>,
    sizes: RangeInclusive<usize>,
    pace: Pace,
    first: usize,
    end: std::time::Duration,
}

impl Work {
    fn new(settings: &XmtpSettings, number: u32, times: TrialTimes) -> Self {
        let (workload, fleet) = (&settings.workload, settings.fleet);
        // The publishers share the sim's rate.
        let every = workload.rate.gap() * fleet.publishers;
        let pace = match workload.kind {
            WorkloadKind::Quiet => Pace::Quiet,
            WorkloadKind::Steady => Pace::Steady { every },
            WorkloadKind::Burst => Pace::Burst { every, messages: workload.burst },
        };
        let (proxy, originators) = (fleet.proxy_of(number), settings.originators());
        // The first publisher of each node stores the node's share of the history.
        let nodes = fleet.nodes;
        let share = workload.history / nodes + u32::from(number <= workload.history % nodes);
        Work {
            proxy: Address::new(&*fleet.proxy(proxy), PROXY_PORT),
            topics: settings.topics_behind(proxy).iter().flat_map(|topic| originators.parts(topic)).collect(),
            sizes: workload.size_bytes.clone(),
            pace,
            first: if number <= nodes { share as usize } else { 0 },
            end: times.calm,
        }
    }
}
