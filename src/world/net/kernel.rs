//! One host's kernel: its listeners, its ends of connections, its clock, and whether it is there at all.
//!
//! Refuses to know what the connections carry.
//!
//! ```text
//! On --power off--> Off --power on--> On
//! On --suspend--> Asleep --resume--> On
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::task::Waker;
use std::time::Duration;

use crate::world::engine::HostId;
use crate::world::net::segment::TcpSide;
use crate::world::net::traffic::ConnectionId;

/// Connections that wait for accept(2); one more SYN is dropped, as on Linux (listen(2); tokio asks for 1024).
pub(crate) const BACKLOG_MAX: usize = 1024;
/// Linux's first and last ephemeral port (ip(7), ip_local_port_range).
const EPHEMERAL_PORTS: std::ops::RangeInclusive<u16> = 32_768..=60_999;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    Asleep { since: Duration },
    Off,
}

/// Connections that wait for accept(2), and who waits for them.
pub(crate) struct TcpBacklog {
    /// Where it listens.
    bound: IpAddr,
    pub(crate) waiting: VecDeque<ConnectionId>,
    pub(crate) acceptor: Option<Waker>,
}

impl TcpBacklog {
    pub(crate) fn new(bound: IpAddr) -> Self {
        TcpBacklog { bound, waiting: VecDeque::new(), acceptor: None }
    }

    /// Whether a SYN to that address is meant for it.
    pub(crate) fn listens_at(&self, address: IpAddr) -> bool {
        is_heard_at(self.bound, address)
    }
}

/// Whether who is bound to one address hears what is sent to another: `[::]` takes IPv4 as well (ipv6(7)).
pub(crate) fn is_heard_at(bound: IpAddr, address: IpAddr) -> bool {
    if bound.is_unspecified() { bound.is_ipv6() || address.is_ipv4() } else { bound == address }
}

/// See the module.
pub(crate) struct Kernel {
    pub(crate) name: String,
    pub(crate) listeners: BTreeMap<u16, TcpBacklog>,
    /// Every end of a connection that is on this host and not forgotten.
    pub(crate) ends: BTreeSet<(ConnectionId, TcpSide)>,
    /// Whom the network woke, until the host's next turn.
    pub(crate) wakers: Vec<Waker>,
    power: Power,
    /// How long it has slept, before it last fell asleep.
    slept: Duration,
    /// Ends whose timers expired while it slept.
    frozen: Vec<(ConnectionId, TcpSide)>,
    ports: EphemeralPorts,
    ports_in_use: BTreeSet<u16>,
}

/// Ports that a host gives out by itself: they go round.
pub(crate) struct EphemeralPorts {
    next: u16,
}

impl Default for EphemeralPorts {
    fn default() -> Self {
        EphemeralPorts { next: *EPHEMERAL_PORTS.start() }
    }
}

impl EphemeralPorts {
    /// The next one that is free.
    pub(crate) fn take(&mut self, mut is_free: impl FnMut(u16) -> bool) -> io::Result<u16> {
        for _ in EPHEMERAL_PORTS {
            let port = self.next;
            self.next = if port == *EPHEMERAL_PORTS.end() { *EPHEMERAL_PORTS.start() } else { port + 1 };
            if is_free(port) {
                return Ok(port);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "every ephemeral port is in use"))
    }
}

impl Kernel {
    pub(crate) fn new(name: &str) -> Self {
        Kernel {
            name: name.to_owned(),
            listeners: BTreeMap::new(),
            ends: BTreeSet::new(),
            wakers: Vec::new(),
            power: Power::On,
            slept: Duration::ZERO,
            frozen: Vec::new(),
            ports: EphemeralPorts::default(),
            ports_in_use: BTreeSet::new(),
        }
    }

    /// Whether it receives and sends.
    pub(crate) fn is_awake(&self) -> bool {
        self.power == Power::On
    }

    /// The clock that its timers go by: it stands still while the host sleeps.
    pub(crate) fn clock(&self, now: Duration) -> Duration {
        let asleep = match self.power {
            Power::Asleep { since } => now.saturating_sub(since),
            Power::On | Power::Off => Duration::ZERO,
        };
        now.saturating_sub(self.slept + asleep)
    }

    pub(crate) fn suspend(&mut self, now: Duration) {
        if self.power == Power::On {
            self.power = Power::Asleep { since: now };
        }
    }

    /// Wakes it up; the ends whose timers expired in its sleep are handed out, to be set again.
    pub(crate) fn resume(&mut self, now: Duration) -> Vec<(ConnectionId, TcpSide)> {
        if let Power::Asleep { since } = self.power {
            self.slept += now.saturating_sub(since);
            self.power = Power::On;
        }
        std::mem::take(&mut self.frozen)
    }

    /// Keeps an end whose timer expired in its sleep.
    pub(crate) fn freeze(&mut self, id: ConnectionId, side: TcpSide) {
        self.frozen.push((id, side));
    }

    /// It knows nothing any more.
    pub(crate) fn power_off(&mut self) {
        self.power = Power::Off;
        self.listeners.clear();
        self.frozen.clear();
        self.wakers.clear();
    }

    pub(crate) fn power_on(&mut self) {
        if self.power == Power::Off {
            self.power = Power::On;
        }
    }

    /// A port is free again when the connection that used it is forgotten.
    pub(crate) fn take_port(&mut self) -> io::Result<u16> {
        self.ports.take(|port| self.ports_in_use.insert(port))
    }

    pub(crate) fn free_port(&mut self, port: u16) {
        self.ports_in_use.remove(&port);
    }
}

/// A fault that fills the backlogs of some hosts.
pub(crate) struct Jam {
    pub(crate) number: u32,
    pub(crate) on: BTreeSet<HostId>,
    pub(crate) is_felt: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_once_until_it_is_free_again() {
        let mut kernel = Kernel::new("a");
        let ports: BTreeSet<u16> = EPHEMERAL_PORTS.map(|_| kernel.take_port().expect("a port")).collect();
        assert_eq!(ports.len(), EPHEMERAL_PORTS.count());
        assert_eq!(kernel.take_port().expect_err("all are taken").kind(), io::ErrorKind::AddrNotAvailable);
        kernel.free_port(40_000);
        assert_eq!(kernel.take_port().expect("one is free"), 40_000);
    }

    #[test]
    fn the_clock_of_a_kernel_stands_still_in_its_sleep() {
        let seconds = Duration::from_secs;
        let mut kernel = Kernel::new("a");
        kernel.suspend(seconds(10));
        assert!(!kernel.is_awake());
        assert_eq!(kernel.clock(seconds(15)), seconds(10));
        kernel.freeze(ConnectionId(1), TcpSide::Dialer);
        assert_eq!(kernel.resume(seconds(40)).len(), 1);
        assert!(kernel.is_awake());
        assert_eq!(kernel.clock(seconds(50)), seconds(20));
    }

    #[test]
    fn power_wakes_nobody_who_merely_sleeps() {
        let mut kernel = Kernel::new("a");
        kernel.suspend(Duration::ZERO);
        kernel.power_on();
        assert!(!kernel.is_awake());
        kernel.power_off();
        kernel.power_on();
        assert!(kernel.is_awake());
    }
}
