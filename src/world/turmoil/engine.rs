//! The loop of ticks, and the harm that turmoil can do.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use turmoil::{Builder, Sim};

use crate::cast::HostName;
use crate::fault::{Between, Death, Harm, LinkHarm};
use crate::grammar::Latency;
use crate::world::clock::{Clock, WALL_CLOCK_START};
use crate::world::disk::Disks;
use crate::world::engine::{CrashObserver, Engine, EngineError, Holdings, HostId, Program, ProgramError, seeded};
use crate::world::sandbox::state;
use crate::world::turmoil::host::{Exited, TurmoilHost};

/// Segments in a socket's buffers, and SYNs at a listener: turmoil panics at one SYN more, and a FIN that finds a
/// buffer full is never delivered. A partition of 924 s holds 92 SYNs of each host that dials for 10 s each time (the
/// client's connect timeout), so this is enough for 700 hosts; HTTP/2 bounds what is under way long before.
const TCP_CAPACITY: usize = 1 << 16;
/// Every unprivileged port. Turmoil never frees the port of a dial that failed, and panics when none is left: a client
/// that waits 30 s before it dials again (C2) has enough for three weeks, and a trial lasts one at most.
const EPHEMERAL_PORTS: RangeInclusive<u16> = 1024..=65_535;

/// A world of hosts, played tick by tick.
pub struct Turmoil {
    seed: u64,
    clock: Clock,
    sim: Sim<'static>,
    hosts: Vec<TurmoilHost>,
    /// Which links each partition cuts.
    cuts: BTreeMap<u32, Vec<TurmoilLink>>,
    crash_observer: Option<CrashObserver>,
}

/// Two hosts, the lower address first, as turmoil has it.
type TurmoilLink = (IpAddr, IpAddr);

impl Turmoil {
    /// The tick of a trial. A hundredth of a second is within the slack of every checker; a millisecond, turmoil's own
    /// default, costs ten times as much.
    pub const TICK: Duration = Duration::from_millis(10);

    /// An empty world at time zero, whose time passes by `tick`, whole milliseconds. Must be made and played on a
    /// thread of [`on_trial_thread`](crate::world::on_trial_thread).
    ///
    /// # Panics
    /// On any other thread, where hash keys and std's clocks are real; if `tick` is shorter than a millisecond, which
    /// tokio's timers cannot tell apart.
    #[must_use]
    pub fn new(seed: u64, latency: Latency, tick: Duration) -> Self {
        assert!(state::on_trial(), "the turmoil engine plays on a trial thread only");
        assert!(tick >= Duration::from_millis(1), "a tick of {tick:?} is shorter than tokio's shortest");
        // Its limit on the length of a simulation counts for clients only; every host here is a server to turmoil.
        let sim = Builder::new()
            .rng_seed(seed)
            .tick_duration(tick)
            .epoch(SystemTime::UNIX_EPOCH + WALL_CLOCK_START)
            .min_message_latency(latency.least)
            .max_message_latency(latency.most)
            .tcp_capacity(TCP_CAPACITY)
            .ephemeral_ports(EPHEMERAL_PORTS)
            .build();
        Turmoil { seed, clock: Clock::default(), sim, hosts: Vec::new(), cuts: BTreeMap::new(), crash_observer: None }
    }

    /// The links that a fault falls on.
    fn links(&self, between: &Between) -> Vec<TurmoilLink> {
        let ips = |names: &BTreeSet<HostName>| {
            let hosts = self.hosts.iter().filter(|host| names.contains(&*host.name));
            hosts.map(|host| host.ip).collect::<Vec<IpAddr>>()
        };
        let (from, to) = (ips(&between.from), ips(&between.to));
        let pairs = from.iter().flat_map(|one| to.iter().map(|other| (*one.min(other), *one.max(other))));
        let mut links: Vec<TurmoilLink> = pairs.filter(|(one, other)| one != other).collect();
        links.sort();
        links.dedup();
        links
    }

    fn cut(&mut self, number: u32, between: &Between) {
        let links = self.links(between);
        for (one, other) in &links {
            self.sim.hold(*one, *other);
        }
        self.cuts.insert(number, links);
    }

    /// Ends a partition: what was held arrives, unless another partition still holds it. Whether anything was held.
    fn mend(&mut self, number: u32) -> bool {
        let Some(links) = self.cuts.remove(&number) else { return false };
        let mut held = false;
        self.sim.links(|mut all| held = all.any(|mut link| links.contains(&link.pair()) && link.next().is_some()));
        for link in links.iter().filter(|link| !self.cuts.values().flatten().any(|other| other == *link)) {
            self.sim.release(link.0, link.1);
        }
        held
    }

    /// The hosts that a harm falls on.
    fn harmed<'e>(&'e self, harm: &'e Harm) -> impl Iterator<Item = &'e TurmoilHost> {
        harm.hosts().filter_map(|name| self.hosts.iter().find(|host| host.name == **name))
    }

    fn set_now(&mut self) {
        let now = self.sim.elapsed();
        self.clock.set(now);
        state::set_now(now);
    }

    fn breakdown(&self, error: &(dyn Error + 'static)) -> EngineError {
        let at = self.clock.now();
        match error.downcast_ref::<Exited>() {
            Some(Exited { host, why }) => {
                EngineError::Program { host: host.clone(), error: ProgramError::Exited(why.clone()), at }
            }
            None => EngineError::Host { host: "of turmoil".to_owned(), what: format!("broke down: {error}"), at },
        }
    }
}

impl Engine for Turmoil {
    fn add_host(&mut self, name: &str, program: Program) -> HostId {
        let id = HostId::numbered(u16::try_from(self.hosts.len()).expect("a world has fewer than 65,536 hosts"));
        self.hosts.push(TurmoilHost::new(&mut self.sim, name, program, Disks::new(self.seed, name)));
        id
    }

    fn observe_crashes(&mut self, observer: CrashObserver) {
        self.crash_observer = Some(observer);
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn ip(&self, host: HostId) -> IpAddr {
        self.hosts[host.index()].ip
    }

    fn is_up(&self, host: HostId) -> bool {
        self.hosts[host.index()].is_up()
    }

    fn incarnation(&self, host: HostId) -> u32 {
        self.hosts[host.index()].incarnation
    }

    fn start(&mut self, host: HostId) {
        let host = &mut self.hosts[host.index()];
        if !host.is_up() {
            host.start(&mut self.sim, self.seed, &self.clock);
        }
    }

    fn halt(&mut self, host: HostId, death: Death) -> bool {
        let host = &mut self.hosts[host.index()];
        if !host.is_up() {
            return false;
        }
        if let Some(observer) = &self.crash_observer {
            observer(&host.name, death);
        }
        host.kill(&mut self.sim);
        match death {
            // Turmoil has no power-off; to its peers it is a kill.
            Death::Killed | Death::PoweredOff(_) => {}
            Death::DiskLost => host.disks().lose(),
            Death::DiskRestored { from } => host.disks().restore(from),
        }
        true
    }

    fn back_up(&mut self, host: HostId) {
        self.hosts[host.index()].disks().back_up(self.clock.now());
    }

    fn begin(&mut self, number: u32, harm: &Harm) {
        match harm {
            Harm::Link { between, harm: LinkHarm::Partition } if !between.one_way => self.cut(number, between),
            Harm::Disk { harm: disk, .. } => self.harmed(harm).for_each(|host| host.disks().begin(number, *disk)),
            Harm::Proxy { .. }
            | Harm::Link { .. }
            | Harm::Kernel { .. }
            | Harm::Process { .. }
            | Harm::Clock { .. } => {}
        }
    }

    fn end(&mut self, number: u32) -> bool {
        // Counted, because `any` would stop at the first.
        let on_disks = self.hosts.iter().filter(|host| host.disks().end(number)).count() > 0;
        self.mend(number) || on_disks
    }

    /// Between two ticks: a task that the order wakes runs in the next one, on its own runtime.
    fn order(&mut self, _host: HostId, order: Box<dyn FnOnce()>) -> Result<(), EngineError> {
        order();
        Ok(())
    }

    /// Sockets are turmoil's, which does not count them.
    fn holdings(&self, _host: HostId) -> Option<Holdings> {
        None
    }

    /// Plays whole ticks, the last of which may reach beyond `end`. What is due at `end` itself is the next tick's.
    fn run_until(&mut self, end: Duration) -> Result<(), EngineError> {
        seeded()?;
        while self.sim.elapsed() < end {
            self.sim.step().map_err(|error| self.breakdown(&*error))?;
            self.set_now();
        }
        Ok(())
    }
}

impl Drop for Turmoil {
    /// Every process dies before the world that it lives in.
    fn drop(&mut self) {
        self.hosts.iter().for_each(TurmoilHost::abandon);
    }
}
