//! The fabric: every host's kernel and everything on its way between them.
//!
//! Nothing here runs by itself. Sockets leave what they want to send in an outbox, the engine collects it
//! after each host's turn, links decide when it arrives, and arrivals wake the tasks that wait for them.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;

use crate::fault::{Fault, Latency};
use crate::world::engine::HostId;
use crate::world::link::Links;
use crate::world::net::connection::{Connection, End, Holder, Phase, Side};

/// Connections that wait for accept(2); one more SYN is dropped, as on Linux (listen(2); tokio asks for 1024).
const BACKLOG: usize = 1024;
/// A SYN is sent again after 1, 2, 4, … s (RFC 6298 section 2), and 6 times (tcp(7), tcp_syn_retries).
const SYN_TIMEOUT: Duration = Duration::from_secs(1);
const SYN_RETRIES: u32 = 6;
/// Linux's first ephemeral port (ip(7), ip_local_port_range).
const EPHEMERAL_PORTS: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// Names a connection for ever: numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(u64);

/// A handle on the fabric, shared by the engine and every socket of one trial.
#[derive(Clone)]
pub(crate) struct Net(Arc<Mutex<Fabric>>);

impl Net {
    pub(crate) fn new(seed: u64, latency: Latency) -> Self {
        let fabric = Fabric {
            now: Duration::ZERO,
            hosts: Vec::new(),
            names: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            links: Links::new(seed, latency),
            under_way: BinaryHeap::new(),
            next_order: 0,
            unsent: Vec::new(),
            woken: BTreeSet::new(),
        };
        Net(Arc::new(Mutex::new(fabric)))
    }

    /// The fabric; everything happens on one thread, so nobody ever waits for it.
    pub(crate) fn fabric(&self) -> MutexGuard<'_, Fabric> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Kernel {
    name: String,
    ip: IpAddr,
    listeners: BTreeMap<u16, Backlog>,
    next_port: u16,
    wakers: Vec<Waker>,
}

#[derive(Default)]
struct Backlog {
    waiting: VecDeque<ConnectionId>,
    acceptor: Option<Waker>,
}

#[derive(Debug)]
enum Parcel {
    Syn,
    SynTimeout,
    SynAck,
    Burst { to: Side, bytes: Bytes, finish: bool },
    WindowUpdate { to: Side, bytes: usize },
    Reset { to: Side },
}

struct Arrival {
    at: Duration,
    /// What was sent first arrives first among equals.
    order: u64,
    connection: ConnectionId,
    parcel: Parcel,
}

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Arrival {}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// See the module.
pub(crate) struct Fabric {
    now: Duration,
    hosts: Vec<Kernel>,
    names: BTreeMap<String, HostId>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    links: Links,
    under_way: BinaryHeap<Reverse<Arrival>>,
    next_order: u64,
    /// Ends that may have something to send, in the order of their writes.
    unsent: Vec<(ConnectionId, Side)>,
    woken: BTreeSet<HostId>,
}

/// What the engine asks.
impl Fabric {
    pub(crate) fn add_host(&mut self, name: &str) -> HostId {
        let number = u16::try_from(self.hosts.len()).expect("a world has at most 65,535 hosts");
        let id = HostId::numbered(number);
        let [high, low] = (number + 1).to_be_bytes();
        self.hosts.push(Kernel {
            name: name.to_owned(),
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, high, low)),
            listeners: BTreeMap::new(),
            next_port: *EPHEMERAL_PORTS.start(),
            wakers: Vec::new(),
        });
        self.names.insert(name.to_owned(), id);
        id
    }

    pub(crate) fn ip(&self, host: HostId) -> IpAddr {
        self.kernel(host).ip
    }

    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        self.under_way.peek().map(|Reverse(arrival)| arrival.at)
    }

    pub(crate) fn take_woken(&mut self) -> BTreeSet<HostId> {
        std::mem::take(&mut self.woken)
    }

    pub(crate) fn take_wakers(&mut self, host: HostId) -> Vec<Waker> {
        std::mem::take(&mut self.kernel_mut(host).wakers)
    }

    /// Delivers everything that has arrived by `now`.
    pub(crate) fn deliver(&mut self, now: Duration) {
        self.now = now;
        while let Some(Reverse(next)) = self.under_way.peek()
            && next.at <= now
        {
            let Reverse(arrival) = self.under_way.pop().expect("peeked");
            self.take_arrival(arrival.connection, arrival.parcel);
        }
    }

    /// Sends what was written since the last call: one burst for each end, whatever the number of writes.
    pub(crate) fn send_unsent(&mut self) {
        for (id, side) in std::mem::take(&mut self.unsent) {
            self.send_burst(id, side);
            self.forget_if_over(id);
        }
    }

    /// The process of a host dies: its kernel closes its sockets, with FIN, or with RST where data was unread.
    pub(crate) fn kill(&mut self, host: HostId) {
        for (_, backlog) in std::mem::take(&mut self.kernel_mut(host).listeners) {
            backlog.waiting.into_iter().for_each(|id| self.refuse(id));
        }
        let held: Vec<_> = self
            .connections
            .iter()
            .flat_map(|(id, connection)| [Side::Dialer, Side::Acceptor].map(|side| (*id, side, connection.end(side))))
            .filter(|(_, _, end)| end.host == host && end.holder == Holder::Process)
            .map(|(id, side, _)| (id, side))
            .collect();
        for (id, side) in held {
            self.close(id, side);
        }
        self.send_unsent();
        self.kernel_mut(host).wakers.clear();
        self.woken.remove(&host);
    }
}

/// What sockets ask.
impl Fabric {
    pub(crate) fn dial(&mut self, from: HostId, host: &str, port: u16) -> io::Result<ConnectionId> {
        let to = self.resolve(host)?;
        let dialer = SocketAddr::new(self.ip(from), self.take_port(from)?);
        let acceptor = SocketAddr::new(self.ip(to), port);
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let connection =
            Connection::new(End::new(from, dialer, Holder::Process), End::new(to, acceptor, Holder::Backlog));
        self.connections.insert(id, connection);
        self.send_syn(id);
        Ok(id)
    }

    pub(crate) fn listen(&mut self, host: HostId, port: u16) -> io::Result<SocketAddr> {
        let kernel = self.kernel_mut(host);
        if kernel.listeners.contains_key(&port) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("port {port} is already listened on")));
        }
        kernel.listeners.insert(port, Backlog::default());
        Ok(SocketAddr::new(kernel.ip, port))
    }

    pub(crate) fn unlisten(&mut self, host: HostId, port: u16) {
        if let Some(backlog) = self.kernel_mut(host).listeners.remove(&port) {
            backlog.waiting.into_iter().for_each(|id| self.refuse(id));
        }
    }

    /// The next connection that waits for accept(2); none: `waker` is kept until there is one.
    pub(crate) fn accept(&mut self, host: HostId, port: u16, waker: &Waker) -> io::Result<Option<ConnectionId>> {
        let backlog = self.kernel_mut(host).listeners.get_mut(&port).ok_or(io::ErrorKind::NotConnected)?;
        let accepted = backlog.waiting.pop_front();
        match accepted {
            None => backlog.acceptor = Some(waker.clone()),
            Some(id) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.end_mut(Side::Acceptor).holder = Holder::Process;
                }
            }
        }
        Ok(accepted)
    }

    pub(crate) fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(&id)
    }

    /// Something was written or finished: the end sends at the end of its host's turn.
    pub(crate) fn has_unsent(&mut self, id: ConnectionId, side: Side) {
        if self.unsent.last() != Some(&(id, side)) {
            self.unsent.push((id, side));
        }
    }

    /// Something was read: the peer may learn that there is room again.
    pub(crate) fn has_read(&mut self, id: ConnectionId, side: Side) {
        let update = self.connections.get_mut(&id).and_then(|connection| connection.end_mut(side).take_window_update());
        if let Some(bytes) = update {
            self.post(id, side, Parcel::WindowUpdate { to: side.other(), bytes });
        }
    }

    /// close(2): FIN after what was written, or RST where received data was never read (RFC 2525 section 2.17).
    pub(crate) fn close(&mut self, id: ConnectionId, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let connecting = connection.phase == Phase::Connecting && side == Side::Dialer;
        let end = connection.end_mut(side);
        if std::mem::replace(&mut end.holder, Holder::Nobody) == Holder::Nobody {
            return;
        }
        (end.reader, end.writer) = (None, None);
        if end.has_unread() || connecting {
            self.reset_peer(id, side);
        } else {
            end.finish();
            self.has_unsent(id, side);
        }
    }
}

impl Fabric {
    fn kernel(&self, host: HostId) -> &Kernel {
        &self.hosts[host.index()]
    }

    fn kernel_mut(&mut self, host: HostId) -> &mut Kernel {
        &mut self.hosts[host.index()]
    }

    fn resolve(&self, host: &str) -> io::Result<HostId> {
        let by_ip = || host.parse::<IpAddr>().ok().and_then(|ip| self.hosts.iter().position(|kernel| kernel.ip == ip));
        let number = |index: usize| HostId::numbered(u16::try_from(index).expect("counted by add_host"));
        self.names
            .get(host)
            .copied()
            .or_else(|| by_ip().map(number))
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no host of this world is called `{host}`")))
    }

    /// Ephemeral ports go round; a port is free again when no connection of the host uses it.
    fn take_port(&mut self, host: HostId) -> io::Result<u16> {
        let in_use: BTreeSet<u16> = self
            .connections
            .values()
            .map(|connection| connection.end(Side::Dialer))
            .filter(|end| end.host == host)
            .map(|end| end.address.port())
            .collect();
        let kernel = self.kernel_mut(host);
        for _ in EPHEMERAL_PORTS {
            let port = kernel.next_port;
            kernel.next_port = if port == *EPHEMERAL_PORTS.end() { *EPHEMERAL_PORTS.start() } else { port + 1 };
            if !in_use.contains(&port) {
                return Ok(port);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "every ephemeral port is in use"))
    }

    /// Puts a parcel on the link from `side`'s host to the other's.
    fn post(&mut self, id: ConnectionId, side: Side, parcel: Parcel) {
        let Some(connection) = self.connections.get(&id) else { return };
        let (from, to) = (connection.end(side).host, connection.end(side.other()).host);
        let (from_name, to_name) = (&self.hosts[from.index()].name, &self.hosts[to.index()].name);
        let at = self.links.arrival(self.now, (from, from_name), (to, to_name));
        self.schedule(at, id, parcel);
    }

    fn schedule(&mut self, at: Duration, connection: ConnectionId, parcel: Parcel) {
        let order = self.next_order;
        self.next_order += 1;
        self.under_way.push(Reverse(Arrival { at, order, connection, parcel }));
    }

    fn send_syn(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let patience = SYN_TIMEOUT * 2u32.pow(connection.syns);
        connection.syns += 1;
        self.post(id, Side::Dialer, Parcel::Syn);
        self.schedule(self.now + patience, id, Parcel::SynTimeout);
    }

    fn send_burst(&mut self, id: ConnectionId, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let end = connection.end_mut(side);
        let was_full = end.writable().is_none();
        let Some(burst) = end.take_burst() else { return };
        let writer = if was_full { end.writer.take() } else { None };
        let host = end.host;
        self.post(id, side, Parcel::Burst { to: side.other(), bytes: burst.bytes, finish: burst.finish });
        self.wake(host, writer);
    }

    /// Breaks the connection from `side`: its own end is reset at once, RST travels to the other.
    fn reset_peer(&mut self, id: ConnectionId, side: Side) {
        self.post(id, side, Parcel::Reset { to: side.other() });
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.end_mut(side).take_reset();
            if side == Side::Dialer && connection.phase == Phase::Connecting {
                connection.phase = Phase::Failed(io::ErrorKind::ConnectionAborted);
            }
        }
        self.forget_if_over(id);
    }

    /// A connection that nobody will accept any more.
    fn refuse(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.end_mut(Side::Acceptor).holder = Holder::Nobody;
        }
        self.reset_peer(id, Side::Acceptor);
    }

    fn forget_if_over(&mut self, id: ConnectionId) {
        if self.connections.get(&id).is_some_and(Connection::is_over) {
            self.connections.remove(&id);
        }
    }

    fn wake(&mut self, host: HostId, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.kernel_mut(host).wakers.push(waker);
            self.woken.insert(host);
        }
    }

    /// A parcel for a connection that is forgotten means nothing any more.
    fn take_arrival(&mut self, id: ConnectionId, parcel: Parcel) {
        match parcel {
            Parcel::Syn => self.take_syn(id),
            Parcel::SynTimeout => self.take_syn_timeout(id),
            Parcel::SynAck => self.settle_dial(id, Phase::Open),
            Parcel::Burst { to, bytes, finish } => self.take_burst(id, to, bytes, finish),
            Parcel::WindowUpdate { to, bytes } => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.end_mut(to).widen(bytes);
                    self.send_burst(id, to);
                }
            }
            Parcel::Reset { to } => self.take_reset(id, to),
        }
        self.forget_if_over(id);
    }

    fn take_syn(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        if connection.phase != Phase::Connecting {
            return;
        }
        let (host, port) = (connection.end(Side::Acceptor).host, connection.end(Side::Acceptor).address.port());
        let Some(backlog) = self.kernel_mut(host).listeners.get_mut(&port) else {
            return self.refuse(id);
        };
        if backlog.waiting.contains(&id) {
            return;
        }
        if backlog.waiting.len() < BACKLOG {
            backlog.waiting.push_back(id);
            let acceptor = backlog.acceptor.take();
            self.wake(host, acceptor);
            self.post(id, Side::Acceptor, Parcel::SynAck);
        }
    }

    fn take_syn_timeout(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        if connection.phase != Phase::Connecting {
            return;
        }
        if connection.syns > SYN_RETRIES {
            self.settle_dial(id, Phase::Failed(io::ErrorKind::TimedOut));
        } else {
            self.send_syn(id);
        }
    }

    fn settle_dial(&mut self, id: ConnectionId, phase: Phase) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.phase == Phase::Connecting {
            connection.phase = phase;
            let end = connection.end_mut(Side::Dialer);
            let (host, waker) = (end.host, end.writer.take());
            self.wake(host, waker);
        }
    }

    fn take_burst(&mut self, id: ConnectionId, to: Side, bytes: Bytes, finish: bool) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let end = connection.end_mut(to);
        if end.reset {
            return;
        }
        if end.holder == Holder::Nobody && !bytes.is_empty() {
            return self.reset_peer(id, to);
        }
        if !bytes.is_empty() {
            end.receive(bytes);
        }
        end.peer_finished |= finish;
        let (host, reader) = (end.host, end.reader.take());
        self.wake(host, reader);
    }

    fn take_reset(&mut self, id: ConnectionId, to: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.phase == Phase::Connecting && to == Side::Dialer {
            return self.settle_dial(id, Phase::Failed(io::ErrorKind::ConnectionRefused));
        }
        let end = connection.end_mut(to);
        end.take_reset();
        let (host, reader, writer) = (end.host, end.reader.take(), end.writer.take());
        self.wake(host, reader);
        self.wake(host, writer);
    }
}

/// What one host has written and not yet sent.
pub(crate) struct Unsent(Vec<(ConnectionId, Side)>);

/// A host that waits for a system call.
impl Fabric {
    /// Takes what was written since the last [`Fabric::send_unsent`] off the way: its writer is held up.
    pub(crate) fn hold_unsent(&mut self) -> Unsent {
        Unsent(std::mem::take(&mut self.unsent))
    }

    /// Sends what was held, behind nothing: the writer goes on.
    pub(crate) fn release_unsent(&mut self, Unsent(held): Unsent) {
        for (id, side) in held {
            self.send_burst(id, side);
            self.forget_if_over(id);
        }
    }
}

/// Replaced at the merge.
impl Fabric {
    pub(crate) fn begin(&mut self, _number: u32, _fault: &Fault) {}

    pub(crate) fn end(&mut self, _number: u32) -> bool {
        false
    }

    pub(crate) fn power_off(&mut self, _host: HostId) {}

    pub(crate) fn power_on(&mut self, _host: HostId) {}

    pub(crate) fn suspend(&mut self, _host: HostId) {}

    pub(crate) fn resume(&mut self, _host: HostId) {}
}
