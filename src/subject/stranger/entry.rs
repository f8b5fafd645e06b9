//! The subject `stranger`, as sims name it, and what it makes of one sim.

use std::sync::Arc;

use crate::cast::{Cast, HostName};
use crate::channel::{Cursor, Position};
use crate::checker::{Checker, Requirement};
use crate::env::TcpOptions;
use crate::fault::kinds::ProxySilence;
use crate::fault::{Fault, Harm};
use crate::grammar::{KeyTable, Naming, Section, count};
use crate::history::{BackoffSteps, Bounds};
use crate::ladder::Layers;
use crate::profile::ProxyLayer;
use crate::subject::stranger::pen::channel;
use crate::subject::stranger::read::{CastEntry, CastHosts, CastProxy, StrangerCast, TABLES, read_cast};
use crate::subject::stranger::registry::HostKind;
use crate::subject::stranger::roles::roles;
use crate::subject::stranger::story::GapTeller;
use crate::subject::{
    Expectations, Explanation, Numbness, Reading, Restart, Role, Setup, Subject, SubjectTeller, TrialTimes,
};

/// Strangers never say after how long they take a stream for dead; what a history must name is named.
const UNKNOWN_INTERVAL: std::time::Duration = std::time::Duration::from_secs(30);

/// The subject of one program: the kinds of hosts that it brings.
#[derive(Debug)]
pub(crate) struct StrangerSubject {
    pub(crate) kinds: Vec<HostKind>,
    pub(crate) checkers: &'static [&'static dyn Checker],
    pub(crate) requirements: &'static [Requirement],
}

impl Subject for StrangerSubject {
    fn name(&self) -> &'static str {
        "stranger"
    }

    fn requirements(&self) -> &'static [Requirement] {
        self.requirements
    }

    fn checkers(&self) -> &'static [&'static dyn Checker] {
        self.checkers
    }

    fn tables(&self) -> &'static [KeyTable] {
        TABLES
    }

    fn read(&self, file: &mut Section<'_>) -> Reading {
        let waived = self.read_waived(file);
        let read = read_cast(file.section("cast"), &self.kinds);
        let cast = read.as_ref().map(|cast| cast.hosts.clone());
        let setup = read.zip(waived).map(|(cast, waived)| {
            let judges = self.checkers.iter().copied().filter(|judge| !waived.contains(&judge.name())).collect();
            Arc::new(StrangerSetup { cast, judges }) as Arc<dyn Setup>
        });
        Reading { cast, setup }
    }
}

impl StrangerSubject {
    /// Reads `waive`: which judges are to say nothing.
    fn read_waived(&self, file: &mut Section<'_>) -> Option<Vec<&'static str>> {
        let names: Vec<_> = self.checkers.iter().map(|judge| (judge.name(), judge.name())).collect();
        Some(file.optional("waive", Vec::new(), |entry| entry.choices("checker", &names))?.value)
    }
}

/// One sim of this subject.
#[derive(Debug)]
pub(crate) struct StrangerSetup {
    cast: StrangerCast,
    judges: Vec<&'static dyn Checker>,
}

impl StrangerSetup {
    /// The table of a guest's host; none of a proxy.
    fn hosts(&self, host: &str) -> Option<&CastHosts> {
        let of_hosts = self.entries().iter().filter_map(|entry| match entry {
            CastEntry::Hosts(hosts) => Some(hosts),
            CastEntry::Proxy(_) => None,
        });
        let mine = |hosts: &&CastHosts| hosts.names().iter().any(|name| **name == *host);
        of_hosts.into_iter().find(mine)
    }

    /// The tables of its cast, in the order of the sim.
    pub(crate) fn entries(&self) -> &[CastEntry] {
        &self.cast.entries
    }
}

impl StrangerSetup {
    /// Whether the proxies that a fault concerns know nothing of HTTP/2: those that it names, or all where it names none.
    fn passes_bytes(&self, fault: &Fault) -> bool {
        let proxies: Vec<&CastProxy> = self.entries().iter().filter_map(CastEntry::proxy).collect();
        let named = |proxy: &&CastProxy| fault.hosts().any(|host| *host == proxy.name);
        let names_any = proxies.iter().any(&named);
        let mut meant = proxies.iter().filter(|proxy| !names_any || named(proxy));
        meant.all(|proxy| proxy.profile.conduct().layer == ProxyLayer::Tcp)
    }
}

impl Setup for StrangerSetup {
    fn cast(&self) -> &Cast {
        &self.cast.hosts
    }

    fn judges(&self, _all: &'static [&'static dyn Checker]) -> Vec<&'static dyn Checker> {
        self.judges.clone()
    }

    fn restart(&self, host: &str) -> Restart {
        self.hosts(host).map_or(Restart::No, |hosts| hosts.restart)
    }

    fn needs_leap(&self) -> Option<&'static str> {
        Some("cast: turmoil 0.7 has no sockets for hosts that do not know of it")
    }

    fn roles(&self, _times: TrialTimes) -> Vec<Box<dyn Role>> {
        roles(self)
    }

    fn expectations(&self) -> Expectations {
        let from = |streams: &[String]| {
            streams.iter().map(|stream| Position { channel: channel(stream), cursor: Cursor(0) }).collect()
        };
        // Everybody may follow something; who says so in the sim is owed it from its beginning.
        let follows = self.entries().iter().filter_map(|entry| match entry {
            CastEntry::Hosts(hosts) => Some(hosts.names().into_iter().map(|name| (name, from(&hosts.follows)))),
            CastEntry::Proxy(_) => None,
        });
        Expectations {
            keepalive: UNKNOWN_INTERVAL,
            intervals: 3,
            follows: follows.flatten().collect(),
            bounds: Bounds::Usual,
            consume: std::time::Duration::ZERO,
            denied: Vec::new(),
            old_servers: false,
            silent_servers: true,
            proxies_end_streams: self.entries().iter().any(CastEntry::ends_streams),
            backoff: BackoffSteps::default(),
            pong_within: None,
        }
    }

    fn tcp_options(&self) -> Vec<TcpOptions> {
        self.entries().iter().filter_map(CastEntry::tcp).collect()
    }

    /// A proxy is ours, and believes in nothing.
    fn tells_connections(&self, host: &str) -> bool {
        self.hosts(host).is_some()
    }

    fn layers(&self) -> Layers {
        Layers { program: true, ..Layers::default() }
    }

    fn tell_fault(&self, fault: &Fault, naming: Naming) -> String {
        let told = naming.tell(fault);
        let is_silence = matches!(fault, Fault::ProxySilence(_));
        if is_silence && self.passes_bytes(fault) { ProxySilence::of_bytes(&told) } else { told }
    }

    fn numbness(&self, fault: &Fault) -> Option<Numbness> {
        match fault.harm() {
            Harm::Proxy { harm, .. } => (self.passes_bytes(fault) && !harm.rule(None).is_of_bytes())
                .then_some(Numbness::Certain("a proxy that only passes bytes (`layer = \"tcp\"`) tells no such lie")),
            Harm::Disk { .. } => Some(Numbness::Possible(
                "a host has on its disk what it keeps in the stores of its surroundings (`Env::disk`), and nothing else",
            )),
            Harm::Link { .. } | Harm::Kernel { .. } | Harm::Process { .. } | Harm::Clock { .. } => None,
        }
    }

    fn teller(&self) -> Box<dyn SubjectTeller> {
        Box::new(GapTeller::default())
    }

    fn counts(&self) -> Vec<(u64, String)> {
        let count = |entry: &CastEntry| (entry.names().len() as u64, entry.title().to_owned());
        self.entries().iter().map(count).collect()
    }

    fn explain(&self, _times: TrialTimes) -> Explanation {
        let told = |entry: &CastEntry| {
            let number = count(entry.names().len() as u64, entry.title());
            match entry {
                CastEntry::Hosts(hosts) => format!("{number}, of the kind `{}`", hosts.kind.name),
                CastEntry::Proxy(proxy) => {
                    format!("{number}, a proxy like {} that leads to {}", proxy.profile.name(), proxy.upstream)
                }
            }
        };
        Explanation { cast: self.entries().iter().map(told).collect(), workload: Vec::new() }
    }
}

/// The names of so many hosts of one table.
pub(crate) fn names_of(title: &str, count: u32) -> Vec<HostName> {
    match count {
        1 => vec![title.into()],
        _ => (1..=count).map(|number| HostName::numbered(title, number)).collect(),
    }
}
