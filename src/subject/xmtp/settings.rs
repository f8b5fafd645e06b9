//! What a sim says of this subject: the fleet, how each host behaves, and what the applications do.
//!
//! Refuses to know TOML, and how a trial is staged.

mod client_keys;
mod dialect_keys;
mod keys;
mod limit_keys;
mod node_keys;
mod read;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cast::{Abilities, Cast, HostName, Member};
use crate::env::TcpOptions;
use crate::grammar::Rate;
use crate::history::Bounds;
use crate::profile::Profile;
use crate::proxy::Alpn;
use crate::subject::xmtp::channels::Originators;
use crate::subject::xmtp::checker::{EXAMINER, GATEWAY};
use crate::subject::xmtp::client::{self, BackoffConfig, Http2Keepalive, Http2Windows};
use crate::subject::xmtp::gateway;
use crate::subject::xmtp::node::{self, DeniedTopics, NodeLimits, Serves};
use crate::subject::xmtp::wire::{Dialect, MessageKind, Topic};

pub(crate) use client_keys::{BACKOFF_RANGE, CONNECT_RANGE, CONNECTION_WINDOW_MIN, HTTP2_WINDOW_MAX};
pub(crate) use keys::TABLES;
pub(crate) use limit_keys::told_limits;
pub(crate) use read::{INTERVAL_MAX, WATCHDOG_RANGE, WINDOWS_EVERY_MIN, read_settings};

/// The words of the roles.
const NODE: &str = "node";
const PROXY: &str = "proxy";
const CLIENT: &str = "client";
const PUBLISHER: &str = "publisher";
const VISITOR: &str = "visitor";
const IDENTITY: &str = "identity";

/// One sim's settings of this subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmtpSettings {
    /// How many hosts play which role.
    pub fleet: Fleet,
    /// The same, host by host.
    pub cast: Cast,
    /// The TCP of the proxies' connections to the nodes.
    pub proxy_tcp: TcpOptions,
    /// Whose habits the proxies have.
    pub proxy_profile: Box<Profile>,
    /// What the proxies offer in ALPN, where they speak TLS with those who dial them.
    pub proxy_tls: Option<Alpn>,
    /// How each node behaves.
    pub node: NodeSettings,
    /// How each client behaves.
    pub client: ClientSettings,
    /// How each visitor behaves.
    pub visitor: VisitorSettings,
    /// How each gateway and its identities behave.
    pub gateway: GatewaySettings,
    /// What the applications do.
    pub workload: Workload,
}

impl XmtpSettings {
    /// The topics of the workload: groups `topic-1`…, then welcomes `welcome-1`….
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        self.workload.all_topics()
    }

    /// What the nodes grant to a stream.
    #[must_use]
    pub(crate) fn bounds(&self) -> Bounds {
        if self.node.limits == NodeLimits::default() { Bounds::Usual } else { Bounds::Lowered }
    }

    /// Those that the nodes deny to everybody.
    #[must_use]
    pub(crate) fn denied(&self) -> Vec<Topic> {
        let denied = self.node.authorizer();
        self.topics().into_iter().filter(|topic| denied.denies(topic)).collect()
    }

    /// Whether the nodes deny one of these topics to everybody.
    #[must_use]
    pub(crate) fn denies_any_of(&self, topics: &[Topic]) -> bool {
        let denied = self.node.authorizer();
        topics.iter().any(|topic| denied.denies(topic))
    }

    /// Who numbers the messages.
    #[must_use]
    pub(crate) fn originators(&self) -> Originators {
        Originators(Dialect::any_counts_by_originator(&self.node.dialects).then_some(self.workload.originators))
    }

    /// The topics that the node behind that proxy holds.
    #[must_use]
    pub(crate) fn topics_behind(&self, proxy: u32) -> Vec<Topic> {
        let nodes = self.fleet.nodes as usize;
        let node = self.fleet.node_behind(proxy) as usize;
        self.topics().into_iter().skip(node - 1).step_by(nodes).collect()
    }

    /// The identities behind the gateway of that number, and the topics of each: the next is shifted by one, so that each
    /// topic is shared.
    #[must_use]
    pub(crate) fn identities_of(&self, gateway: u32) -> Vec<(HostName, Vec<Topic>)> {
        let (topics, count) = (self.topics_behind(self.fleet.proxy_of(gateway)), self.gateway.identities);
        let topics_of = |number: u32| {
            let from_its_own = topics.iter().cycle().skip(number as usize % topics.len());
            from_its_own.take(topics.len().min(self.gateway.topics_each as usize)).cloned().collect()
        };
        let first = (gateway - 1) * count + 1;
        (first..first + count).map(|number| (HostName::numbered(IDENTITY, number), topics_of(number))).collect()
    }
}

/// How many hosts play which role. Proxies are dealt out to the nodes in turn, and clients, publishers, visitors
/// and gateways to the proxies; topics are dealt out to the nodes, each of which holds its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// How many nodes serve.
    pub nodes: u32,
    /// How many proxies stand before them.
    pub proxies: u32,
    /// How many clients subscribe.
    pub clients: u32,
    /// How many hosts publish.
    pub publishers: u32,
    /// How many hosts keep nothing, and change their topics in mid-stream.
    pub visitors: u32,
    /// How many hosts examine a node.
    pub examiners: u32,
    /// How many hosts share a stream among identities.
    pub gateways: u32,
}

impl Fleet {
    /// The hosts, and what each can do, in the order in which they are listed.
    #[must_use]
    pub fn cast(self) -> Cast {
        let plain = Abilities::default();
        let node = Abilities { stores: true, accepts: true, carries: true, ..plain };
        let proxy = Abilities { accepts: true, carries: true, ..plain };
        let client = Abilities { stores: true, recovers: true, streams: true, ..plain };
        let publisher = Abilities { streams: true, ..plain }; // and a visitor, an examiner, and a gateway
        let member =
            |name, abilities, dials: Option<HostName>| Member { name, abilities, dials: dials.into_iter().collect() };
        let behind = |number| Some(self.proxy(self.proxy_of(number)));
        let nodes = (1..=self.nodes).map(|number| member(self.node(number), node, None));
        let proxies = (1..=self.proxies)
            .map(|number| member(self.proxy(number), proxy, Some(self.node(self.node_behind(number)))));
        let clients = (1..=self.clients).map(|number| member(self.client(number), client, behind(number)));
        let publishers = (1..=self.publishers).map(|number| member(self.publisher(number), publisher, behind(number)));
        let visitors = (1..=self.visitors).map(|number| member(self.visitor(number), publisher, behind(number)));
        let examiners = (1..=self.examiners).map(|number| member(self.examiner(number), publisher, behind(number)));
        let gateways = (1..=self.gateways).map(|number| member(self.gateway(number), publisher, behind(number)));
        let people = clients.chain(publishers).chain(visitors).chain(examiners).chain(gateways);
        Cast::new(nodes.chain(proxies).chain(people).collect())
    }

    /// The name of a node: the only one has no number.
    #[must_use]
    pub fn node(self, number: u32) -> HostName {
        if self.nodes == 1 { NODE.into() } else { HostName::numbered(NODE, number) }
    }

    /// The name of a proxy: the only one has no number.
    #[must_use]
    pub fn proxy(self, number: u32) -> HostName {
        if self.proxies == 1 { PROXY.into() } else { HostName::numbered(PROXY, number) }
    }

    /// The name of a client.
    #[must_use]
    pub fn client(self, number: u32) -> HostName {
        HostName::numbered(CLIENT, number)
    }

    /// The name of a publisher.
    #[must_use]
    pub fn publisher(self, number: u32) -> HostName {
        HostName::numbered(PUBLISHER, number)
    }

    /// The name of a visitor.
    #[must_use]
    pub fn visitor(self, number: u32) -> HostName {
        HostName::numbered(VISITOR, number)
    }

    /// The name of an examiner.
    #[must_use]
    pub fn examiner(self, number: u32) -> HostName {
        HostName::numbered(EXAMINER, number)
    }

    /// The name of a gateway.
    #[must_use]
    pub fn gateway(self, number: u32) -> HostName {
        HostName::numbered(GATEWAY, number)
    }

    /// The number of the proxy that the client, publisher, visitor, examiner or gateway of that number uses.
    #[must_use]
    pub(crate) fn proxy_of(self, number: u32) -> u32 {
        (number - 1) % self.proxies + 1
    }

    /// The number of the node that stands behind the proxy of that number.
    #[must_use]
    pub(crate) fn node_behind(self, proxy: u32) -> u32 {
        (proxy - 1) % self.nodes + 1
    }
}

/// How the node behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// The idle interval after which it pings (S6); where it does not, what clients assume (C2).
    pub keepalive: Duration,
    /// Whether it pings at all.
    pub pings: bool,
    /// How long it waits for the matching pong; never above the interval (S6).
    pub pong_deadline: Duration,
    /// Which calls it serves.
    pub serves: Serves,
    /// In which dialects it serves Subscribe.
    pub dialects: Vec<Dialect>,
    /// Processes that begin from then on serve everything.
    pub upgraded_at: Option<Duration>,
    /// Patterns over the names of topics that it denies to everybody (S7).
    pub denies: Vec<String>,
    /// What it offers in ALPN, where it speaks TLS with proxies.
    pub tls: Option<Alpn>,
    /// Its bounds (S8).
    pub limits: NodeLimits,
    /// The planted bug, if any.
    pub quirk: Option<node::NodeQuirk>,
}

impl NodeSettings {
    /// Which calls a process serves that begins at that time of the trial.
    pub(crate) fn serves_at(&self, now: Duration) -> Serves {
        match self.upgraded_at {
            Some(upgrade) if now >= upgrade => Serves::Everything,
            Some(_) | None => self.serves,
        }
    }

    /// The hook that denies what it denies.
    pub(crate) fn authorizer(&self) -> DeniedTopics {
        let patterns = self.denies.iter().map(String::as_str);
        DeniedTopics::matching(patterns).expect("the patterns of a sim are checked when it is read")
    }
}

/// How each client behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// After how many intervals of silence a stream is dead (C2); none is no watchdog.
    pub watchdog: Option<u32>,
    /// The HTTP/2 keepalive of its connections; none is no keepalive.
    pub http2_keepalive: Option<Http2Keepalive>,
    /// How far a proxy may send ahead of it.
    pub http2_windows: Http2Windows,
    /// The TCP of its connections.
    pub tcp: TcpOptions,
    /// How long dialing may take.
    pub connect_timeout: Duration,
    /// How long it waits between two attempts.
    pub backoff: BackoffConfig,
    /// How many topics one `Mutate` adds at most; the others go into further waves.
    pub topics_per_mutate: u32,
    /// How long the application takes for each batch.
    pub consume: Duration,
    /// How often it catches up, where it does not follow (C4).
    pub windows: Option<Duration>,
    /// What it speaks with the node; visitors speak it too.
    pub dialect: Dialect,
    /// The planted bug, if any.
    pub quirk: Option<client::ClientQuirk>,
}

/// How each visitor behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitorSettings {
    /// How often it asks for something, on average.
    pub every: Duration,
    /// Whether it adds a topic again that it has removed from the same stream.
    pub returns: bool,
    /// How many calls it cancels on a connection of their own before each of its streams.
    pub cancels: u32,
}

/// How each gateway and its identities behave. Its stream is like a client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewaySettings {
    /// How many identities share it.
    pub identities: u32,
    /// How many topics each of them leases; all, where there are fewer.
    pub topics_each: u32,
    /// How often each changes or leaves its lease, on average.
    pub every: Duration,
    /// How long each takes nothing, now and then; zero is never.
    pub rests: Duration,
    /// How many events may wait for each.
    pub lease_events: usize,
    /// The planted bug, if any.
    pub quirk: Option<gateway::GatewayQuirk>,
}

/// What the applications do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// In which pattern messages are published.
    pub kind: WorkloadKind,
    /// How many topics there are, of both kinds.
    pub topics: u32,
    /// How many of the topics are welcome topics; the rest are groups.
    pub welcomes: u32,
    /// How many originators number the messages of each kind, where the nodes' dialect counts so.
    pub originators: u32,
    /// Messages per time over all publishers; bursts per time where the kind is burst.
    pub rate: Rate,
    /// How many messages make a burst.
    pub burst: u32,
    /// How many bytes a payload has: one of these sizes, by chance.
    pub size_bytes: RangeInclusive<usize>,
    /// How many messages are in the node's log before the clients come.
    pub history: u32,
}

impl Workload {
    /// Its topics: groups `topic-1`…, then welcomes `welcome-1`….
    pub(crate) fn all_topics(&self) -> Vec<Topic> {
        let groups = self.topics.saturating_sub(self.welcomes);
        let groups = (1..=groups).map(|number| Topic::new(MessageKind::Group, format!("topic-{number}").as_bytes()));
        let welcomes = 1..=self.welcomes;
        let welcomes = welcomes.map(|number| Topic::new(MessageKind::Welcome, format!("welcome-{number}").as_bytes()));
        groups.chain(welcomes).collect()
    }
}

/// The pattern of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadKind {
    /// One message after the other, evenly.
    Steady,
    /// Nothing is published after the history.
    Quiet,
    /// Many messages at once, then a pause.
    Burst,
}

impl WorkloadKind {
    /// Every kind.
    pub const ALL: [WorkloadKind; 3] = [WorkloadKind::Steady, WorkloadKind::Quiet, WorkloadKind::Burst];

    /// The name that a sim file uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            WorkloadKind::Steady => "steady",
            WorkloadKind::Quiet => "quiet",
            WorkloadKind::Burst => "burst",
        }
    }
}
