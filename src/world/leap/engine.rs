//! The event loop: deliver what is due, run whom it woke, leap to the next arrival or timer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;
use std::time::Duration;

use crate::fault::{Death, Harm};
use crate::world::clock::Clock;
use crate::world::engine::{
    ConnectionObserver, CrashObserver, Engine, EngineError, Holdings, HostId, Program, ProgramError,
    TURNS_AT_ONE_INSTANT_MAX, seeded,
};
use crate::world::host_set::HostSet;
use crate::world::leap::harm::{Harmed, LeapHarms};
use crate::world::leap::host::{Breakdown, LeapHost};
use crate::world::net::{Capture, LinkBase, Net};
use crate::world::remark::Remark;
use crate::world::sandbox::state;
use crate::world::system::end_in_a_busy_loop;

/// Outdated timers are swept out when there are so many for each host: the queue stays as small as the world.
const TIMERS_PER_HOST_MAX: usize = 16;

/// A world of hosts, played by leaps.
pub struct Leap {
    seed: u64,
    clock: Clock,
    net: Net,
    hosts: Vec<LeapHost>,
    names: BTreeMap<String, HostId>,
    /// Timers by time; an entry counts only while it is its host's newest.
    timers: BinaryHeap<Reverse<(Duration, HostId)>>,
    /// Hosts that must run at this instant: they were woken, or have just begun, or were released.
    runnable: HostSet,
    harms: LeapHarms,
    crash_observer: Option<CrashObserver>,
    /// A host could not be started: told by the next call that can tell.
    broken: Option<EngineError>,
}

impl Leap {
    /// An empty world at time zero. Must be made and played on a thread of
    /// [`on_trial_thread`](crate::world::on_trial_thread).
    ///
    /// # Panics
    /// On any other thread, where its hosts would see the real clock.
    #[must_use]
    pub fn new(seed: u64, links: impl Into<LinkBase>) -> Self {
        assert!(state::on_trial(), "the leap engine plays on a trial thread only");
        state::set_on_busy_loop(end_in_a_busy_loop);
        Leap {
            seed,
            clock: Clock::default(),
            net: Net::new(seed, links),
            hosts: Vec::new(),
            names: BTreeMap::new(),
            timers: BinaryHeap::new(),
            runnable: HostSet::default(),
            harms: LeapHarms::default(),
            crash_observer: None,
            broken: None,
        }
    }

    /// What goes over its links from here on is kept there as well; nothing else changes.
    #[must_use]
    pub fn captured(self, capture: Capture) -> Self {
        self.net.fabric().capture(capture);
        self
    }

    /// Everything that happens now, until nothing is left to happen now.
    fn play_instant(&mut self) -> Result<(), EngineError> {
        let now = self.clock.now();
        let mut turns = 0;
        loop {
            {
                let mut fabric = self.net.fabric();
                fabric.deliver(now);
                fabric.take_woken(&mut self.runnable);
            }
            self.take_due_timers(now);
            if self.runnable.is_empty() {
                return Ok(());
            }
            // Whoever goes on in spite of an error goes on with those that are left.
            while let Some(host) = self.runnable.pop_first() {
                // Whom something holds has its turn when it is released: until then its wakers and timers pile up.
                if !self.hosts[host.index()].may_run(now) {
                    continue;
                }
                self.take_turn(host, || ())?;
                turns += 1;
                if turns > TURNS_AT_ONE_INSTANT_MAX {
                    return Err(Breakdown::Failed(ProgramError::Livelock).of(&self.hosts[host.index()], now));
                }
            }
        }
    }

    fn take_turn(&mut self, host: HostId, order: impl FnOnce()) -> Result<(), EngineError> {
        let now = self.clock.now();
        let host_state = &mut self.hosts[host.index()];
        let before = host_state.wakes_at();
        host_state.take_turn(now, order).map_err(|what| what.of(host_state, now))?;
        let after = host_state.wakes_at();
        if before != after {
            self.expect_timer(host, after);
        }
        Ok(())
    }

    fn expect_timer(&mut self, host: HostId, at: Option<Duration>) {
        if let Some(at) = at {
            self.timers.push(Reverse((at, host)));
            self.sweep_timers();
        }
    }

    fn sweep_timers(&mut self) {
        if self.timers.len() > TIMERS_PER_HOST_MAX * self.hosts.len() {
            let hosts = &self.hosts;
            self.timers.retain(|Reverse((at, host))| hosts[host.index()].wakes_at() == Some(*at));
        }
    }

    fn take_due_timers(&mut self, now: Duration) {
        while let Some(Reverse((at, host))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            if self.hosts[host.index()].wakes_at() == Some(at) {
                self.runnable.insert(host);
            }
        }
    }

    fn next_event(&mut self) -> Option<Duration> {
        while let Some(Reverse((at, host))) = self.timers.peek().copied()
            && self.hosts[host.index()].wakes_at() != Some(at)
        {
            self.timers.pop();
        }
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let arrival = self.net.fabric().next_arrival();
        [timer, arrival].into_iter().flatten().min()
    }

    /// A clause holds these hosts no more; something else still may.
    fn release(&mut self, mut hosts: HostSet) {
        while let Some(host) = hosts.pop_first() {
            self.runnable.insert(host);
            // Its entry may have been taken for outdated while it was held.
            self.expect_timer(host, self.hosts[host.index()].wakes_at());
        }
    }

    /// The hosts that a harm falls on.
    fn hosts_of(&self, harm: &Harm) -> Vec<HostId> {
        harm.hosts().map(|name| *self.names.get(&**name).expect("a harm falls on hosts of its world")).collect()
    }

    fn set_now(&mut self, now: Duration) {
        self.clock.set(now);
        state::set_now(now);
    }
}

impl Engine for Leap {
    fn add_host(&mut self, name: &str, program: Program) -> HostId {
        let id = self.net.fabric().add_host(name);
        self.hosts.push(LeapHost::new(self.seed, &self.net, id, name, program));
        self.names.insert(name.to_owned(), id);
        id
    }

    fn observe_crashes(&mut self, observer: CrashObserver) {
        self.crash_observer = Some(observer);
    }

    fn observe_connections(&mut self, observer: ConnectionObserver) {
        self.net.fabric().observe(observer);
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
        let now = self.clock.now();
        let host_state = &mut self.hosts[host.index()];
        if host_state.is_up() || self.broken.is_some() {
            return;
        }
        if let Err(unseeded) = seeded() {
            self.broken = Some(unseeded);
            return;
        }
        match host_state.start(self.crash_observer.clone(), now) {
            Ok(()) => {
                self.harms.note_start(host_state.standstill.sleeps());
                self.runnable.insert(host);
            }
            Err(what) => self.broken = Some(what.of(host_state, now)),
        }
    }

    fn halt(&mut self, host: HostId, death: Death) -> bool {
        self.runnable.remove(host);
        self.hosts[host.index()].halt(death, self.clock.now())
    }

    fn back_up(&mut self, host: HostId) {
        self.hosts[host.index()].disks().back_up(self.clock.now());
    }

    fn begin(&mut self, number: u32, harm: &Harm) {
        let on = self.hosts_of(harm);
        let mut released = HostSet::default();
        let mut harmed =
            Harmed { net: &self.net, hosts: &mut self.hosts, now: self.clock.now(), released: &mut released };
        self.harms.begin(number, harm, on, &mut harmed);
    }

    fn end(&mut self, number: u32) -> bool {
        let mut released = HostSet::default();
        let mut harmed =
            Harmed { net: &self.net, hosts: &mut self.hosts, now: self.clock.now(), released: &mut released };
        let felt = self.harms.end(number, &mut harmed);
        self.release(released);
        felt
    }

    fn order(&mut self, host: HostId, order: Box<dyn FnOnce()>) -> Result<(), EngineError> {
        if self.hosts[host.index()].may_run(self.clock.now()) {
            return self.take_turn(host, order);
        }
        self.hosts[host.index()].disturb(order);
        Ok(())
    }

    fn holdings(&self, host: HostId) -> Option<Holdings> {
        self.hosts[host.index()].holdings()
    }

    fn remarks(&self) -> Vec<Remark> {
        let ended = self.hosts.iter().flat_map(LeapHost::ends);
        self.net.fabric().remarks().into_iter().chain(ended).collect()
    }

    fn run_until(&mut self, end: Duration) -> Result<(), EngineError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
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
        self.hosts.iter_mut().for_each(LeapHost::abandon);
    }
}
