//! The faults that are at work: who carries each of them out, and whether anybody felt it.
//!
//! Links, backlogs and names are the fabric's, disks the disks', everything else of a host is the host's own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::fault::{Fault, HostHarm};
use crate::world::engine::HostId;
use crate::world::leap::host::LeapHost;
use crate::world::net::Net;

/// Faults by their clauses' numbers.
#[derive(Default)]
pub(crate) struct Harms {
    active: BTreeMap<u32, Harm>,
}

struct Harm {
    fault: Fault,
    on: Vec<HostId>,
    felt: bool,
}

impl Harms {
    /// Begins a fault on `on`, its hosts.
    pub(crate) fn begin(&mut self, number: u32, fault: &Fault, on: Vec<HostId>, world: &mut Harmed<'_>) {
        let mut felt = false;
        match fault {
            Fault::ProxySilenceUpstream { .. } => {}
            Fault::Link { .. } => world.net.fabric().begin(number, fault),
            Fault::Disk { harm, .. } => on.iter().for_each(|host| world.host(*host).disks().begin(number, *harm)),
            Fault::Host { harm: HostHarm::BacklogFull | HostHarm::Name { .. }, .. } => {
                world.net.fabric().begin(number, fault);
            }
            Fault::Host { harm, .. } => {
                for host in &on {
                    felt |= world.begin(number, *host, harm);
                }
            }
        }
        self.active.insert(number, Harm { fault: fault.clone(), on, felt });
    }

    /// Ends a fault; whether it had any effect.
    pub(crate) fn end(&mut self, number: u32, world: &mut Harmed<'_>) -> bool {
        let Some(Harm { fault, on, mut felt }) = self.active.remove(&number) else { return false };
        match fault {
            Fault::ProxySilenceUpstream { .. } => {}
            Fault::Link { .. } => felt |= world.net.fabric().end(number),
            Fault::Disk { .. } => on.iter().for_each(|host| felt |= world.host(*host).disks().end(number)),
            Fault::Host { harm: HostHarm::BacklogFull | HostHarm::Name { .. }, .. } => {
                felt |= world.net.fabric().end(number);
            }
            Fault::Host { harm, .. } => on.iter().for_each(|host| felt |= world.end(number, *host, &harm)),
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
    pub(crate) released: &'w mut BTreeSet<HostId>,
}

impl Harmed<'_> {
    fn host(&mut self, host: HostId) -> &mut LeapHost {
        &mut self.hosts[host.index()]
    }

    /// Begins a harm of the host's own; whether it is felt at once.
    fn begin(&mut self, number: u32, id: HostId, harm: &HostHarm) -> bool {
        let (net, now) = (self.net, self.now);
        let host = self.host(id);
        match harm {
            HostHarm::Dies { death, point: Some(point) } => host.points.arm(number, *point, *death),
            // These are carried out by `Engine::halt`, these two by the fabric.
            HostHarm::Dies { point: None, .. } | HostHarm::RestartLoop { .. } => {}
            HostHarm::BacklogFull | HostHarm::Name { .. } => {}
            HostHarm::Paused if host.is_up() => {
                host.standstill.stop(number);
                return true;
            }
            HostHarm::Paused => {}
            // A host that has no power cannot sleep.
            HostHarm::Suspended if host.is_off() => {}
            HostHarm::Suspended => {
                if host.standstill.fall_asleep(number, now) {
                    net.fabric().suspend(id);
                }
                return host.is_up();
            }
            HostHarm::ClockStep { by_ms } => host.wall_clock.step(number, *by_ms),
            HostHarm::ClockDrift { parts_per_million } => host.wall_clock.drift(number, *parts_per_million, now),
        }
        false
    }

    /// Ends a harm of the host's own; whether it was felt since it began.
    fn end(&mut self, number: u32, id: HostId, harm: &HostHarm) -> bool {
        let (net, now) = (self.net, self.now);
        let host = self.host(id);
        match harm {
            HostHarm::Dies { point: Some(_), .. } => return host.points.disarm(number),
            HostHarm::Dies { point: None, .. } | HostHarm::RestartLoop { .. } => {}
            HostHarm::BacklogFull | HostHarm::Name { .. } => {}
            HostHarm::Paused => {
                host.standstill.go_on(number);
                self.released.insert(id);
            }
            HostHarm::Suspended => {
                if host.standstill.wake_up(number, now) {
                    net.fabric().resume(id);
                    self.released.insert(id);
                }
            }
            HostHarm::ClockStep { .. } | HostHarm::ClockDrift { .. } => return host.wall_clock.heal(number, now),
        }
        false
    }
}
