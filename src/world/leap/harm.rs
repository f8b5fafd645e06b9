//! The harms that are at work: who carries each of them out, and whether anybody felt it.
//!
//! Links, backlogs and names are the fabric's, disks the disks', everything else of a host is the host's own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::fault::{ClockHarm, Harm, ProcessHarm};
use crate::world::engine::HostId;
use crate::world::host_set::HostSet;
use crate::world::leap::host::LeapHost;
use crate::world::net::Net;

/// Harms by their clauses' numbers.
#[derive(Default)]
pub(crate) struct LeapHarms {
    active: BTreeMap<u32, ActiveHarm>,
}

struct ActiveHarm {
    harm: Harm,
    on: Vec<HostId>,
    felt: bool,
}

impl LeapHarms {
    /// Begins a harm on `on`, its hosts.
    pub(crate) fn begin(&mut self, number: u32, harm: &Harm, on: Vec<HostId>, world: &mut Harmed<'_>) {
        let mut felt = false;
        match harm {
            Harm::Proxy { .. } => {}
            Harm::Link { between, harm } => world.net.fabric().begin_on_links(number, between, harm),
            Harm::Kernel { on, harm } => world.net.fabric().begin_in_kernels(number, on, harm),
            Harm::Process { harm, .. } => on.iter().for_each(|host| felt |= world.begin(number, *host, harm)),
            Harm::Clock { harm, .. } => on.iter().for_each(|host| world.bend_clock(number, *host, *harm)),
            Harm::Disk { harm, .. } => on.iter().for_each(|host| world.host(*host).disks().begin(number, *harm)),
        }
        self.active.insert(number, ActiveHarm { harm: harm.clone(), on, felt });
    }

    /// Ends a harm; whether it had any effect.
    pub(crate) fn end(&mut self, number: u32, world: &mut Harmed<'_>) -> bool {
        let Some(ActiveHarm { harm, on, mut felt }) = self.active.remove(&number) else { return false };
        match harm {
            Harm::Proxy { .. } => {}
            Harm::Link { .. } | Harm::Kernel { .. } => felt |= world.net.fabric().end(number),
            Harm::Process { harm, .. } => on.iter().for_each(|host| felt |= world.end(number, *host, &harm)),
            Harm::Clock { .. } => on.iter().for_each(|host| felt |= world.mend_clock(number, *host)),
            Harm::Disk { .. } => on.iter().for_each(|host| felt |= world.host(*host).disks().end(number)),
        }
        felt
    }

    /// A process starts on a host; it feels the sleep that the host is in.
    pub(crate) fn note_start(&mut self, sleeps: &BTreeSet<u32>) {
        for number in sleeps {
            if let Some(harm) = self.active.get_mut(number) {
                harm.felt = true;
            }
        }
    }
}

/// What faults fall on.
pub(crate) struct Harmed<'w> {
    pub(crate) net: &'w Net,
    pub(crate) hosts: &'w mut [LeapHost],
    pub(crate) now: Duration,
    /// Hosts that an ended clause holds no more.
    pub(crate) released: &'w mut HostSet,
}

impl Harmed<'_> {
    fn host(&mut self, host: HostId) -> &mut LeapHost {
        &mut self.hosts[host.index()]
    }

    /// Begins a harm of a process; whether it is felt at once.
    fn begin(&mut self, number: u32, id: HostId, harm: &ProcessHarm) -> bool {
        let (net, now) = (self.net, self.now);
        let host = self.host(id);
        match harm {
            ProcessHarm::Dies { death, point: Some(point) } => host.points.arm(number, *point, *death),
            // These are carried out by `Engine::halt`.
            ProcessHarm::Dies { point: None, .. } | ProcessHarm::Stops | ProcessHarm::RestartLoop => {}
            ProcessHarm::Paused if host.is_up() => {
                host.standstill.stop(number);
                return true;
            }
            ProcessHarm::Paused => {}
            // A host that has no power cannot sleep.
            ProcessHarm::Suspended if host.is_off() => {}
            ProcessHarm::Suspended => {
                if host.standstill.fall_asleep(number, now) {
                    net.fabric().suspend(id);
                }
                return host.is_up();
            }
        }
        false
    }

    /// Ends a harm of a process; whether it was felt since it began.
    fn end(&mut self, number: u32, id: HostId, harm: &ProcessHarm) -> bool {
        let (net, now) = (self.net, self.now);
        let host = self.host(id);
        match harm {
            ProcessHarm::Dies { point: Some(_), .. } => return host.points.disarm(number),
            ProcessHarm::Dies { point: None, .. } | ProcessHarm::Stops | ProcessHarm::RestartLoop => {}
            ProcessHarm::Paused => {
                host.standstill.go_on(number);
                self.released.insert(id);
            }
            ProcessHarm::Suspended => {
                if host.standstill.wake_up(number, now) {
                    net.fabric().resume(id);
                    self.released.insert(id);
                }
            }
        }
        false
    }

    fn bend_clock(&mut self, number: u32, id: HostId, harm: ClockHarm) {
        let now = self.now;
        let clock = &mut self.host(id).wall_clock;
        match harm {
            ClockHarm::Step { by_ms } => clock.step(number, by_ms),
            ClockHarm::Drift { parts_per_million } => clock.drift(number, parts_per_million, now),
        }
    }

    /// Whether the host looked at its clock meanwhile.
    fn mend_clock(&mut self, number: u32, id: HostId) -> bool {
        let now = self.now;
        self.host(id).wall_clock.heal(number, now)
    }
}
