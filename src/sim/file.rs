//! A sim as data: who is cast, what is done to them, and what is promised.
//!
//! Refuses to know TOML, and how a sim is played.

use std::time::Duration;

use crate::cast::{self, Abilities, Member};
use crate::env::TcpOptions;
use crate::fault::{Latency, Plan, Storm};
use crate::grammar::Rate;
use crate::subject::xmtp::client::Http2Keepalive;
use crate::subject::xmtp::wire::{Kind, Topic};

/// One file of `sims/`, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimFile {
    /// The file's stem.
    pub name: String,
    /// The file's text, as read, after every setting.
    pub text: String,
    /// What happens, in one sentence.
    pub title: String,
    /// The requirements that the sim is about, such as `T8`.
    pub cites: Vec<String>,
    /// The seed to play with where nobody names another.
    pub seed: Option<u64>,
    /// How long the trial lasts.
    pub duration: Duration,
    /// The last part of the trial: the workload has ended, faults have healed, convergence is judged.
    pub calm: Duration,
    /// Who takes part.
    pub cast: Cast,
    /// Every link of the world.
    pub link: Link,
    /// How the node behaves.
    pub node: NodePart,
    /// How each client behaves.
    pub client: ClientPart,
    /// What the applications do.
    pub workload: Workload,
    /// The faults that the file names, numbered from 1 by the time at which they begin.
    pub plan: Plan,
    /// What the seed draws besides, if anything.
    pub storm: Option<Storm>,
    /// What the sim promises.
    pub promise: Promise,
}

impl SimFile {
    /// The names of the hosts: `node`, `proxy`, `client-1`…, `publisher-1`….
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        self.cast.hosts()
    }

    /// The topics of the workload: groups `topic-1`…, then welcomes `welcome-1`….
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        let groups = self.workload.topics.saturating_sub(self.workload.welcomes);
        let groups = (1..=groups).map(|number| Topic::new(Kind::Group, format!("topic-{number}").as_bytes()));
        let welcomes = 1..=self.workload.welcomes;
        let welcomes = welcomes.map(|number| Topic::new(Kind::Welcome, format!("welcome-{number}").as_bytes()));
        groups.chain(welcomes).collect()
    }

    /// The topics that the node behind that proxy holds.
    #[must_use]
    pub fn topics_behind(&self, proxy: u32) -> Vec<Topic> {
        let nodes = self.cast.nodes as usize;
        let node = self.cast.node_behind(proxy) as usize;
        self.topics().into_iter().skip(node - 1).step_by(nodes).collect()
    }

    /// When the calm begins, since the trial's start.
    #[must_use]
    pub fn calm_begins(&self) -> Duration {
        self.duration.saturating_sub(self.calm)
    }
}

/// Who takes part. Proxies are dealt out to the nodes in turn, and clients and publishers to the proxies; topics are
/// dealt out to the nodes, each of which holds its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    /// How many nodes serve.
    pub nodes: u32,
    /// How many proxies stand before them.
    pub proxies: u32,
    /// How many clients subscribe.
    pub clients: u32,
    /// How many hosts publish.
    pub publishers: u32,
    /// What stands between them and the nodes.
    pub proxy: ProxyPart,
}

impl Cast {
    /// The names of the hosts: `node`, `proxy` (or `node-1`…, `proxy-1`… of several), `client-1`…, `publisher-1`….
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        self.hosts_of(&Role::ALL)
    }

    /// The names of the hosts in those roles.
    #[must_use]
    pub fn hosts_of(&self, roles: &[Role]) -> Vec<String> {
        let named = |role: &Role| {
            let role = *role;
            (1..=self.count(role)).map(move |number| self.host(role, number))
        };
        roles.iter().flat_map(named).collect()
    }

    /// How many hosts have that role.
    #[must_use]
    pub fn count(&self, role: Role) -> u32 {
        match role {
            Role::Node => self.nodes,
            Role::Proxy => self.proxies,
            Role::Client => self.clients,
            Role::Publisher => self.publishers,
        }
    }

    /// The name of the host of that number in a role.
    #[must_use]
    pub fn host(&self, role: Role, number: u32) -> String {
        match role {
            Role::Node => self.node(number),
            Role::Proxy => self.proxy(number),
            Role::Client => format!("client-{number}"),
            Role::Publisher => format!("publisher-{number}"),
        }
    }

    /// The name of a node.
    #[must_use]
    pub fn node(&self, number: u32) -> String {
        if self.nodes == 1 { "node".into() } else { format!("node-{number}") }
    }

    /// The name of a proxy.
    #[must_use]
    pub fn proxy(&self, number: u32) -> String {
        if self.proxies == 1 { "proxy".into() } else { format!("proxy-{number}") }
    }

    /// The number of the proxy that the client or publisher of that number uses.
    #[must_use]
    pub fn proxy_of(&self, number: u32) -> u32 {
        (number - 1) % self.proxies + 1
    }

    /// The number of the node that stands behind the proxy of that number.
    #[must_use]
    pub fn node_behind(&self, proxy: u32) -> u32 {
        (proxy - 1) % self.nodes + 1
    }
}

impl Cast {
    /// The hosts, and what each can do: the roles in the order in which hosts are listed.
    #[must_use]
    pub fn roster(&self) -> cast::Cast {
        let member = |role: Role, number: u32| {
            let (abilities, dials) = match role {
                Role::Node => (Abilities { stores: true, accepts: true, carries: true, ..Abilities::default() }, None),
                Role::Proxy => {
                    let abilities = Abilities { accepts: true, carries: true, ..Abilities::default() };
                    (abilities, Some(self.node(self.node_behind(number))))
                }
                Role::Client => {
                    let abilities = Abilities { stores: true, recovers: true, streams: true, ..Abilities::default() };
                    (abilities, Some(self.proxy(self.proxy_of(number))))
                }
                Role::Publisher => {
                    let abilities = Abilities { streams: true, ..Abilities::default() };
                    (abilities, Some(self.proxy(self.proxy_of(number))))
                }
            };
            let dials = dials.into_iter().map(Into::into).collect();
            Member { name: self.host(role, number).into(), abilities, dials }
        };
        let members = |role: Role| (1..=self.count(role)).map(move |number| member(role, number));
        cast::Cast::new(Role::ALL.into_iter().flat_map(members).collect())
    }
}

/// What a host is cast as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It serves and stores.
    Node,
    /// It stands between.
    Proxy,
    /// It subscribes.
    Client,
    /// It publishes.
    Publisher,
}

impl Role {
    /// Every role, in the order in which hosts are listed.
    pub const ALL: [Role; 4] = [Role::Node, Role::Proxy, Role::Client, Role::Publisher];
}

/// How the proxy behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyPart {
    /// The named set of a real proxy's documented defaults.
    pub profile: String,
    /// The TCP of its connections to the node.
    pub tcp: TcpOptions,
}

/// The links between hosts; all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// How long bytes travel, one way.
    pub latency: Latency,
    /// How many bytes pass in a second, on all connections together; none is any number.
    pub bandwidth_bytes_per_second: Option<u64>,
    /// How many segments are lost, in hundredths of a percent; none is no loss.
    pub loss_basis_points: Option<u32>,
}

/// How the node behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePart {
    /// The idle interval after which it pings (S6).
    pub keepalive: Duration,
    /// How long it waits for the matching pong; never above the interval (S6).
    pub pong_deadline: Duration,
    /// The planted bug, if any.
    pub quirk: Option<String>,
}

/// How each client behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPart {
    /// After how many intervals of silence a stream is dead (C2); none is no watchdog.
    pub watchdog: Option<u32>,
    /// The HTTP/2 keepalive of its connections; none is no keepalive.
    pub http2_keepalive: Option<Http2Keepalive>,
    /// The TCP of its connections.
    pub tcp: TcpOptions,
    /// How many topics one `Mutate` adds at most; the others go into further waves.
    pub topics_per_mutate: u32,
    /// How long the application takes for each batch.
    pub consume: Duration,
    /// The planted bug, if any.
    pub quirk: Option<String>,
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
    /// Messages per time over all publishers; bursts per time where the kind is burst.
    pub rate: Rate,
    /// How many messages make a burst.
    pub burst: u32,
    /// The size of a payload in bytes.
    pub size_bytes: usize,
    /// How many messages are in the node's log before the clients come.
    pub history: u32,
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

/// What a sim promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// How the trial ends.
    pub verdict: Promised,
    /// How soon after the calm began everything has converged.
    pub within: Duration,
    /// The milestones that must happen, or the trial is unknown.
    pub sometimes: Vec<String>,
}

/// The verdict that a sim promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promised {
    /// Every checker is content.
    Pass,
    /// A planted bug is caught.
    Fail {
        /// The checker that must speak first.
        checker: String,
    },
}

/// The words that a sim file may use, as the parts that own them list them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// Requirement numbers, such as `S6`.
    pub requirements: Vec<&'static str>,
    /// Names of checkers.
    pub checkers: Vec<&'static str>,
    /// Names of milestones, for `sometimes`.
    pub milestones: Vec<&'static str>,
    /// Names of the node's planted bugs.
    pub node_quirks: Vec<&'static str>,
    /// Names of the client's planted bugs.
    pub client_quirks: Vec<&'static str>,
}
