//! What hosts ask the world's resolver, by getaddrinfo(3) or by UDP, and whom they looked for in vain.
//!
//! Refuses to know what it answers: `names` and `resolver` do.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::world::engine::HostId;
use crate::world::net::fabric::Fabric;
use crate::world::net::names::{self, Destination};
use crate::world::net::udp::UdpSockets;
use crate::world::remark::Remark;

/// The longest name of the DNS, in text (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 253;

impl Fabric {
    /// Whom hosts looked for in vain.
    pub(crate) fn remarks(&self) -> Vec<Remark> {
        self.missed.remarks(|host| self.name(host))
    }

    /// What the resolver of a host says of a name, and how late.
    pub(crate) fn resolve(&mut self, from: HostId, name: &str) -> io::Result<(Destination, Duration)> {
        if name.len() > NAME_MAX {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no name is that long"));
        }
        let name = self.names.spelled(name).to_owned();
        let told = self.names.resolve(from, &name);
        if told.is_err() {
            self.note_unknown(from, &name);
        }
        told
    }

    /// A host was told that there is no such name: unless it is lied to, nobody has it.
    fn note_unknown(&mut self, from: HostId, name: &str) {
        let is_name = !name.is_empty() && !name.ends_with(".arpa") && name.parse::<IpAddr>().is_err();
        if is_name && !self.hosts.iter().any(|kernel| kernel.name.eq_ignore_ascii_case(name)) {
            self.missed.note_unknown(self.now, from, name.to_owned());
        }
    }

    /// Sockets of UDP.
    pub(crate) fn udp(&mut self) -> &mut UdpSockets {
        &mut self.udp
    }

    /// A host asks the resolver at `to` by UDP, from one of its sockets.
    pub(crate) fn ask_by_udp(&mut self, host: HostId, local: SocketAddr, to: SocketAddr, message: &[u8]) {
        let ip = if local.ip().is_unspecified() { self.source(host, to.ip()) } else { local.ip() };
        let asker = (host, SocketAddr::new(ip, local.port()));
        if let Some(unknown) = self.udp.ask(&mut self.names, self.now, asker, to, message) {
            self.note_unknown(host, &unknown);
        }
    }

    /// The address that a host has where it sends to another: its own of that family, or loopback for loopback.
    #[expect(clippy::unused_self, reason = "where hosts live is the fabric's to say")]
    pub(crate) fn source(&self, host: HostId, to: IpAddr) -> IpAddr {
        let is_own = to.is_loopback() || to.is_unspecified();
        match to {
            IpAddr::V4(_) if is_own => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) if is_own => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V4(_) => names::ip(host),
            IpAddr::V6(_) => names::ipv6(host),
        }
    }

    /// Delivers every answer that has arrived by `now`.
    pub(super) fn deliver_answers(&mut self, now: Duration) {
        let Fabric { hosts, udp, woken, .. } = self;
        while let Some((host, told)) = udp.deliver(now, |host| hosts[host.index()].is_awake()) {
            if let Some(told) = told {
                hosts[host.index()].wakers.push(told);
                woken.insert(host);
            }
        }
    }
}
