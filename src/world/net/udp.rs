//! Sockets of UDP, as their kernels have them, and the answers of the world's resolver on their way to them.
//!
//! Nobody else of a world answers by UDP. Refuses to know what a message says: `resolver` does; and which process holds a socket.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use crate::world::engine::HostId;
use crate::world::net::kernel::EphemeralPorts;
use crate::world::net::link::LOOPBACK;
use crate::world::net::names::Names;
use crate::world::net::resolver;

/// The port of the DNS.
pub(crate) const RESOLVER_PORT: u16 = 53;
/// Datagrams that wait to be read: what fits Linux's `rmem_default` of 212,992 bytes (socket(7)), of which a short one takes 768.
const WAITING_MAX: usize = 212_992 / 768;

/// Names a socket of UDP for ever: numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UdpId(u64);

/// What arrived at a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// Who sent it; none: nobody, the socket is shut down.
    pub(crate) from: Option<SocketAddr>,
    pub(crate) bytes: Vec<u8>,
}

/// What a call got of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scattered {
    /// So many bytes were there, and so many found room.
    pub(crate) len: usize,
    pub(crate) taken: usize,
}

impl Datagram {
    /// Fills one buffer after the other.
    pub(crate) fn scatter(&self, buffers: &mut [&mut [u8]]) -> Scattered {
        let mut rest = &*self.bytes;
        for buffer in buffers {
            let (part, behind) = rest.split_at(rest.len().min(buffer.len()));
            buffer[..part.len()].copy_from_slice(part);
            rest = behind;
        }
        Scattered { len: self.bytes.len(), taken: self.bytes.len() - rest.len() }
    }
}

/// With whom a socket shares its port (socket(7), ipv6(7)).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UdpSharing {
    /// SO_REUSEADDR.
    pub(crate) address: bool,
    /// SO_REUSEPORT.
    pub(crate) port: bool,
    /// IPV6_V6ONLY.
    pub(crate) only_v6: bool,
}

struct UdpEnd {
    host: HostId,
    /// None: it has no port yet.
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    sharing: UdpSharing,
    waiting: VecDeque<Datagram>,
    /// Who wants to be told of each that arrives.
    waker: Option<Waker>,
}

impl UdpEnd {
    /// Whether it takes what is sent to an address.
    fn takes(&self, to: SocketAddr) -> bool {
        self.local.is_some_and(|local| {
            let is_any =
                local.ip().is_unspecified() && (local.is_ipv4() == to.is_ipv4() || self.takes_v4_as_well(local));
            local.port() == to.port() && (is_any || local.ip() == to.ip())
        })
    }

    fn takes_v4_as_well(&self, local: SocketAddr) -> bool {
        local.is_ipv6() && !self.sharing.only_v6
    }

    /// Whether no other socket can be bound like that beside it.
    fn excludes(&self, other: &UdpEnd) -> bool {
        let both = |shares: fn(&UdpSharing) -> bool| shares(&self.sharing) && shares(&other.sharing);
        let meet = |at: Option<SocketAddr>, end: &UdpEnd| at.is_some_and(|at| end.takes(at));
        let is_shared = both(|sharing| sharing.address) || both(|sharing| sharing.port);
        self.host == other.host && (meet(self.local, other) || meet(other.local, self)) && !is_shared
    }
}

/// An answer on its way.
struct UdpDelivery {
    host: HostId,
    to: SocketAddr,
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct UdpSockets {
    ends: BTreeMap<UdpId, UdpEnd>,
    opened: u64,
    ports: BTreeMap<HostId, EphemeralPorts>,
    /// By the time of arrival; what was sent first arrives first among equals.
    under_way: BTreeMap<(Duration, u64), UdpDelivery>,
    sent: u64,
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the process that held this socket is dead")
}

/// What sockets ask. One that was closed by its host's death has nothing to say.
impl UdpSockets {
    pub(crate) fn open(&mut self, host: HostId) -> UdpId {
        let id = UdpId(self.opened);
        self.opened += 1;
        let (sharing, waiting) = (UdpSharing::default(), VecDeque::new());
        self.ends.insert(id, UdpEnd { host, local: None, peer: None, sharing, waiting, waker: None });
        id
    }

    pub(crate) fn close(&mut self, id: UdpId) {
        self.ends.remove(&id);
    }

    fn end(&mut self, id: UdpId) -> io::Result<&mut UdpEnd> {
        self.ends.get_mut(&id).ok_or_else(closed)
    }

    /// bind(2): port 0 is any that nobody has.
    pub(crate) fn bind(&mut self, id: UdpId, at: SocketAddr, sharing: UdpSharing) -> io::Result<()> {
        let host = self.end(id)?.host;
        let mut at = at;
        if at.port() == 0 {
            let taken =
                |port| self.ends.values().any(|end| end.host == host && end.local.is_some_and(|at| at.port() == port));
            at.set_port(self.ports.entry(host).or_default().take(|port| !taken(port))?);
        }
        let bound = UdpEnd { host, local: Some(at), peer: None, sharing, waiting: VecDeque::new(), waker: None };
        if self.ends.iter().any(|(other, end)| *other != id && end.excludes(&bound)) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let end = self.end(id)?;
        (end.local, end.sharing) = (bound.local, sharing);
        Ok(())
    }

    /// connect(2): from here on it sends to that address, and hears nobody else.
    pub(crate) fn connect(&mut self, id: UdpId, local: SocketAddr, peer: SocketAddr) -> io::Result<()> {
        let end = self.end(id)?;
        (end.local, end.peer) = (Some(local), Some(peer));
        Ok(())
    }

    /// Its own address; none: it has none yet.
    pub(crate) fn local(&self, id: UdpId) -> Option<SocketAddr> {
        self.ends.get(&id)?.local
    }

    /// The address that it is connected to.
    pub(crate) fn peer(&self, id: UdpId) -> Option<SocketAddr> {
        self.ends.get(&id)?.peer
    }

    /// The datagram that waits longest; none: `waker` is told of what arrives.
    pub(crate) fn receive(&mut self, id: UdpId, is_peek: bool, waker: &Waker) -> io::Result<Option<Datagram>> {
        let end = self.end(id)?;
        if end.waiting.is_empty() {
            end.waker = Some(waker.clone());
        }
        Ok(if is_peek { end.waiting.front().cloned() } else { end.waiting.pop_front() })
    }

    /// How long the datagram is that waits longest.
    pub(crate) fn waiting(&self, id: UdpId) -> Option<usize> {
        self.ends.get(&id)?.waiting.front().map(|datagram| datagram.bytes.len())
    }

    /// From here on `waker` is told of what arrives.
    pub(crate) fn watch(&mut self, id: UdpId, waker: &Waker) {
        if let Ok(end) = self.end(id) {
            end.waker = Some(waker.clone());
        }
    }

    /// A host asks the resolver at `to`, whose answer is on its way from here on; the name, if it is told that there is none.
    pub(crate) fn ask(
        &mut self,
        names: &mut Names,
        now: Duration,
        (host, source): (HostId, SocketAddr),
        to: SocketAddr,
        message: &[u8],
    ) -> Option<String> {
        let said = resolver::answer(names, host, message)?;
        // The resolver is as near as another process of the same host.
        let at = now + said.takes + 2 * LOOPBACK.least;
        let delivery = UdpDelivery { host, to: source, from: to, bytes: said.bytes };
        self.under_way.insert((at, self.sent), delivery);
        self.sent += 1;
        said.unknown
    }
}

/// What the fabric asks.
impl UdpSockets {
    /// When the next answer arrives.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// Delivers one answer that has arrived by `now`, if there is any: at which host, and who is to be told of it there.
    pub(crate) fn deliver(
        &mut self,
        now: Duration,
        is_awake: impl Fn(HostId) -> bool,
    ) -> Option<(HostId, Option<Waker>)> {
        let first = self.under_way.first_entry().filter(|first| first.key().0 <= now)?;
        let UdpDelivery { host, to, from, bytes } = first.remove();
        let takes = |end: &&mut UdpEnd| end.host == host && end.takes(to) && end.peer.is_none_or(|peer| peer == from);
        // Who is connected, or bound to one address, goes before who is not; then who was opened last (Linux, compute_score).
        let score =
            |end: &&mut UdpEnd| (end.peer.is_some(), end.local.is_some_and(|local| !local.ip().is_unspecified()));
        let best = self.ends.values_mut().filter(takes).max_by_key(score).filter(|_| is_awake(host));
        let told = best.filter(|end| end.waiting.len() < WAITING_MAX).and_then(|end| {
            end.waiting.push_back(Datagram { from: Some(from), bytes });
            end.waker.clone()
        });
        Some((host, told))
    }

    /// The process of a host is dead, or its power has failed: its sockets are gone.
    pub(crate) fn close_all(&mut self, host: HostId) {
        self.ends.retain(|_, end| end.host != host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostId = HostId::numbered(0);

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn bound(sockets: &mut UdpSockets, place: &str, sharing: UdpSharing) -> io::Result<UdpId> {
        let id = sockets.open(HOST);
        sockets.bind(id, at(place), sharing).map(|()| id)
    }

    fn deliver(sockets: &mut UdpSockets, to: &str, from: &str) {
        let delivery = UdpDelivery { host: HOST, to: at(to), from: at(from), bytes: vec![1] };
        sockets.under_way.insert((Duration::ZERO, 0), delivery);
        assert!(sockets.deliver(Duration::ZERO, |_| true).is_some());
    }

    #[test]
    fn a_port_is_taken_by_whom_its_addresses_meet_unless_both_share() {
        let plain = UdpSharing::default();
        let shared = UdpSharing { address: true, ..plain };
        for (first, second, is_free) in [
            (("0.0.0.0:9", plain), ("10.0.0.1:9", plain), false),
            (("10.0.0.1:9", plain), ("0.0.0.0:9", plain), false),
            (("10.0.0.1:9", plain), ("127.0.0.1:9", plain), true),
            (("[::]:9", plain), ("10.0.0.1:9", plain), false),
            (("[::]:9", UdpSharing { only_v6: true, ..plain }), ("0.0.0.0:9", plain), true),
            (("10.0.0.1:9", plain), ("10.0.0.1:8", plain), true),
            (("10.0.0.1:9", shared), ("10.0.0.1:9", shared), true),
            (("10.0.0.1:9", shared), ("10.0.0.1:9", plain), false),
        ] {
            let mut sockets = UdpSockets::default();
            bound(&mut sockets, first.0, first.1).expect("nobody is there");
            let second = bound(&mut sockets, second.0, second.1);
            assert_eq!(second.map_err(|error| error.kind()).err(), (!is_free).then_some(io::ErrorKind::AddrInUse));
        }
    }

    #[test]
    fn ports_go_round_and_past_those_that_are_taken() {
        let mut sockets = UdpSockets::default();
        bound(&mut sockets, "0.0.0.0:32769", UdpSharing::default()).expect("free");
        let ids = [(); 2].map(|()| bound(&mut sockets, "0.0.0.0:0", UdpSharing::default()).expect("a port"));
        assert_eq!(ids.map(|id| sockets.local(id).map(|at| at.port())), [Some(32_768), Some(32_770)]);
    }

    #[test]
    fn what_arrives_is_of_the_nearest_socket_and_of_no_stranger() {
        let mut sockets = UdpSockets::default();
        let shared = UdpSharing { address: true, ..UdpSharing::default() };
        let [any, near] = ["0.0.0.0:9", "10.0.0.1:9"].map(|place| bound(&mut sockets, place, shared).expect("free"));
        deliver(&mut sockets, "10.0.0.1:9", "10.255.255.53:53");
        assert_eq!((sockets.waiting(any), sockets.waiting(near)), (None, Some(1)));
        sockets.connect(near, at("10.0.0.1:9"), at("10.255.255.53:99")).expect("open");
        deliver(&mut sockets, "10.0.0.1:9", "10.255.255.53:53");
        assert_eq!((sockets.waiting(any), sockets.ends[&near].waiting.len()), (Some(1), 1));
    }

    #[test]
    fn what_nobody_reads_is_dropped_when_there_is_no_room() {
        let mut sockets = UdpSockets::default();
        let id = bound(&mut sockets, "0.0.0.0:9", UdpSharing::default()).expect("free");
        (0..WAITING_MAX + 5).for_each(|_| deliver(&mut sockets, "10.0.0.1:9", "10.255.255.53:53"));
        assert_eq!(sockets.ends[&id].waiting.len(), WAITING_MAX);
    }
}
