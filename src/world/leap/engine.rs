//! The event loop: deliver what is due, run whom it woke, leap to the next arrival or timer.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::IpAddr;
use std::time::Duration;

use crate::fault::{Death, Fault};
use crate::world::Clock;
use crate::world::engine::{Engine, EngineError, HostId, Obituary, Program, TURNS_AT_ONE_INSTANT};
use crate::world::leap::host::{Breakdown, Host};
use crate::world::leap::interpose;
use crate::world::link::LinkBase;
use crate::world::net::Net;

/// Outdated timers are swept out when there are so many for each host: the queue stays as small as the world.
const TIMERS_PER_HOST: usize = 16;

/// A world of hosts, played by leaps.
pub struct Leap {
    seed: u64,
    clock: Clock,
    net: Net,
    hosts: Vec<Host>,
    /// Timers by time; an entry counts only while it is its host's newest.
    timers: BinaryHeap<Reverse<(Duration, HostId)>>,
    /// Hosts that must run at this instant whatever happens: they have just begun.
    fresh: BTreeSet<HostId>,
    told: Option<Obituary>,
}

impl Leap {
    /// An empty world at time zero. Must be made and played on a thread of
    /// [`on_trial_thread`](crate::world::on_trial_thread).
    ///
    /// # Panics
    /// On any other thread, where its hosts would see the real clock.
    #[must_use]
    pub fn new(seed: u64, links: impl Into<LinkBase>) -> Self {
        assert!(interpose::on_trial(), "the leap engine plays on a trial thread only");
        Leap {
            seed,
            clock: Clock::default(),
            net: Net::new(seed, links),
            hosts: Vec::new(),
            timers: BinaryHeap::new(),
            fresh: BTreeSet::new(),
            told: None,
        }
    }

    /// Everything that happens now, until nothing is left to happen now.
    fn play_instant(&mut self) -> Result<(), EngineError> {
        let now = self.clock.now();
        let mut turns = 0;
        loop {
            self.net.fabric().deliver(now);
            let mut runnable = self.net.fabric().take_woken();
            runnable.append(&mut self.fresh);
            self.take_due_timers(now, &mut runnable);
            if runnable.is_empty() {
                return Ok(());
            }
            for host in runnable {
                self.take_turn(host, || ())?;
                turns += 1;
                if turns > TURNS_AT_ONE_INSTANT {
                    return Err(EngineError::Livelock { host: self.hosts[host.index()].name.clone(), at: now });
                }
            }
        }
    }

    fn take_turn(&mut self, host: HostId, order: impl FnOnce()) -> Result<(), EngineError> {
        let now = self.clock.now();
        let host_state = &mut self.hosts[host.index()];
        let before = host_state.timer();
        let turn = host_state.take_turn(&self.net, now, order);
        turn.map_err(|what: Breakdown| EngineError::Host {
            host: host_state.name.clone(),
            what: what.to_string(),
            at: now,
        })?;
        if let Some(timer) = host_state.timer()
            && before != Some(timer)
        {
            self.timers.push(Reverse((timer, host)));
            self.sweep_timers();
        }
        self.net.fabric().send_unsent();
        Ok(())
    }

    fn sweep_timers(&mut self) {
        if self.timers.len() > TIMERS_PER_HOST * self.hosts.len() {
            let hosts = &self.hosts;
            self.timers.retain(|Reverse((at, host))| hosts[host.index()].timer() == Some(*at));
        }
    }

    fn take_due_timers(&mut self, now: Duration, runnable: &mut BTreeSet<HostId>) {
        while let Some(Reverse((at, host))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            if self.hosts[host.index()].timer() == Some(at) {
                runnable.insert(host);
            }
        }
    }

    fn next_event(&mut self) -> Option<Duration> {
        while let Some(Reverse((at, host))) = self.timers.peek().copied()
            && self.hosts[host.index()].timer() != Some(at)
        {
            self.timers.pop();
        }
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let arrival = self.net.fabric().next_arrival();
        [timer, arrival].into_iter().flatten().min()
    }

    fn set_now(&mut self, now: Duration) {
        self.clock.set(now);
        interpose::set_now(now);
    }
}

impl Engine for Leap {
    fn add_host(&mut self, name: &str, program: Program) -> HostId {
        let id = self.net.fabric().add_host(name);
        self.hosts.push(Host::new(id, name, program));
        id
    }

    fn tell_deaths(&mut self, told: Obituary) {
        self.told = Some(told);
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn ip(&self, host: HostId) -> IpAddr {
        self.net.fabric().ip(host)
    }

    fn is_up(&self, host: HostId) -> bool {
        self.hosts[host.index()].is_up()
    }

    fn incarnation(&self, host: HostId) -> u32 {
        self.hosts[host.index()].incarnation()
    }

    fn start(&mut self, host: HostId) {
        let (seed, net, clock) = (self.seed, self.net.clone(), self.clock.clone());
        let host_state = &mut self.hosts[host.index()];
        if !host_state.is_up() {
            host_state.start(seed, &net, &clock);
            self.fresh.insert(host);
        }
    }

    fn halt(&mut self, host: HostId, death: Death) -> bool {
        let host_state = &mut self.hosts[host.index()];
        let was_up = host_state.is_up();
        if was_up && let Some(told) = &self.told {
            told(&host_state.name, death);
        }
        host_state.kill(&self.net);
        self.fresh.remove(&host);
        was_up
    }

    fn back_up(&mut self, _host: HostId) {}

    fn begin(&mut self, number: u32, fault: &Fault) {
        self.net.fabric().begin(number, fault);
    }

    fn end(&mut self, number: u32) -> bool {
        self.net.fabric().end(number)
    }

    fn order(&mut self, host: HostId, order: Box<dyn FnOnce()>) -> Result<(), EngineError> {
        if self.is_up(host) {
            return self.take_turn(host, order);
        }
        order();
        Ok(())
    }

    fn run_until(&mut self, end: Duration) -> Result<(), EngineError> {
        loop {
            self.play_instant()?;
            match self.next_event() {
                Some(next) if next <= end => self.set_now(next),
                _ => break,
            }
        }
        let now = end.max(self.clock.now());
        self.set_now(now);
        // Nothing is due: but what is sent between two calls is sent now.
        self.net.fabric().deliver(now);
        Ok(())
    }
}

impl Drop for Leap {
    /// Every process dies before the world that it lives in.
    fn drop(&mut self) {
        self.hosts.iter_mut().for_each(|host| host.kill(&self.net));
    }
}
