//! The fabric: every host's kernel and everything on its way between them.
//!
//! Nothing here runs by itself. Sockets leave what they want to send in an outbox, the engine collects it
//! after each host's turn, links decide when it arrives, and arrivals wake the tasks that wait for them.

mod asking;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::cast::HostName;
use crate::env::TcpOptions;
use crate::fault::{Between, KernelHarm, LinkHarm};
use crate::world::engine::{ConnectionNews, ConnectionObserver, HostId};
use crate::world::host_set::HostSet;
use crate::world::net::capture::{Capture, Captured};
use crate::world::net::connection::TcpConnection;
use crate::world::net::end::{Closing, End, Holder, TcpPhase};
use crate::world::net::exchange::Exchange;
use crate::world::net::harm::Ways;
use crate::world::net::kernel::{BACKLOG_MAX, Jam, Kernel, TcpBacklog};
use crate::world::net::link::{LinkBase, Links};
use crate::world::net::missed::Missed;
use crate::world::net::names::{self, Destination, Names};
use crate::world::net::segment::{TcpSegment, TcpSide};
use crate::world::net::traffic::{ConnectionId, Parcel, Traffic};
use crate::world::net::udp::UdpSockets;

/// A handle on the fabric, shared by the engine and every socket of one trial.
#[derive(Clone)]
pub(crate) struct Net(Arc<Mutex<Fabric>>);

impl Net {
    pub(crate) fn new(seed: u64, base: impl Into<LinkBase>) -> Self {
        let fabric = Fabric {
            now: Duration::ZERO,
            hosts: Vec::new(),
            names: Names::default(),
            connections: BTreeMap::new(),
            next_connection: 0,
            next_number: 0,
            links: Links::new(seed, base.into()),
            traffic: Traffic::default(),
            udp: UdpSockets::default(),
            unsent: Vec::new(),
            woken: HostSet::default(),
            jams: Vec::new(),
            missed: Missed::default(),
            capture: None,
            observer: None,
        };
        Net(Arc::new(Mutex::new(fabric)))
    }

    /// The fabric; everything happens on one thread, so nobody ever waits for it.
    pub(crate) fn fabric(&self) -> MutexGuard<'_, Fabric> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
pub(crate) struct Fabric {
    now: Duration,
    hosts: Vec<Kernel>,
    names: Names,
    connections: BTreeMap<ConnectionId, TcpConnection>,
    next_connection: u64,
    /// How many descriptors were given to processes: no two of the world have one number.
    next_number: c_int,
    links: Links,
    traffic: Traffic,
    udp: UdpSockets,
    /// Ends that may have something to send, in the order of their writes.
    unsent: Vec<(ConnectionId, TcpSide)>,
    woken: HostSet,
    jams: Vec<Jam>,
    missed: Missed,
    /// Who wants to look at the packets.
    capture: Option<Capture>,
    /// Who wants to hear of connections.
    observer: Option<ConnectionObserver>,
}

/// What one host has written and not yet sent.
pub(crate) struct Unsent(Vec<(ConnectionId, TcpSide)>);

/// What the engine asks.
impl Fabric {
    pub(crate) fn add_host(&mut self, name: &str) -> HostId {
        self.hosts.push(Kernel::new(name));
        let host = self.names.add(name);
        if let Some(capture) = &self.capture {
            capture.name(name, names::ip(host));
        }
        host
    }

    /// From here on that is told of connections.
    pub(crate) fn observe(&mut self, observer: ConnectionObserver) {
        self.observer = Some(observer);
    }

    /// Where what goes over the links is kept, if it is.
    pub(crate) fn captures(&self) -> Option<Capture> {
        self.capture.clone()
    }

    /// From here on what is sent is kept there as well.
    pub(crate) fn capture(&mut self, capture: Capture) {
        self.capture = Some(capture);
    }

    #[expect(clippy::unused_self, reason = "where hosts live is the fabric's to say")]
    pub(crate) fn ip(&self, host: HostId) -> IpAddr {
        names::ip(host)
    }

    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        let segment = self.traffic.next();
        // Hardly anybody asks by UDP.
        let Some(answer) = self.udp.next() else { return segment };
        Some(segment.map_or(answer, |segment| segment.min(answer)))
    }

    /// The hosts that were woken since the last call.
    pub(crate) fn take_woken(&mut self, into: &mut HostSet) {
        into.append(&mut self.woken);
    }

    /// How many sockets the host's process holds: those that it connected, and those that it accepted.
    pub(crate) fn sockets(&self, host: HostId) -> [usize; 2] {
        let ends = &self.hosts[host.index()].ends;
        [TcpSide::Dialer, TcpSide::Acceptor].map(|wanted| {
            let held = |(id, side): &&(ConnectionId, TcpSide)| {
                *side == wanted && self.connections.get(id).is_some_and(|one| one.end(*side).holder == Holder::Process)
            };
            ends.iter().filter(held).count()
        })
    }

    pub(crate) fn take_wakers(&mut self, host: HostId, into: &mut Vec<Waker>) {
        // Two lists that change places: a turn is too short to make one.
        into.clear();
        std::mem::swap(&mut self.kernel_mut(host).wakers, into);
    }

    /// Delivers everything that has arrived by `now`.
    pub(crate) fn deliver(&mut self, now: Duration) {
        self.now = now;
        while let Some((id, parcel)) = self.traffic.take(now) {
            match parcel {
                Parcel::Segment { segment: TcpSegment::Syn, .. } => self.land_syn(id),
                Parcel::Segment { to, segment } => self.with(id, |exchange| exchange.land(to, segment)),
                Parcel::Timer { side, at } => self.with(id, |exchange| exchange.ring(side, at)),
            }
        }
        if self.udp.next().is_some() {
            self.deliver_answers(now);
        }
    }

    /// Sends what was written since the last call: one burst for each end, whatever the number of writes.
    pub(crate) fn send_unsent(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        let mut unsent = self.hold_unsent();
        self.send(unsent.0.drain(..));
        if self.unsent.is_empty() {
            // For its room.
            self.unsent = unsent.0;
        }
    }

    /// Takes what was written since the last [`Fabric::send_unsent`] off the way: its writer is held up.
    pub(crate) fn hold_unsent(&mut self) -> Unsent {
        Unsent(std::mem::take(&mut self.unsent))
    }

    /// Sends what was held, behind nothing: the writer goes on.
    pub(crate) fn release_unsent(&mut self, Unsent(held): Unsent) {
        self.send(held.into_iter());
    }

    fn send(&mut self, written: impl Iterator<Item = (ConnectionId, TcpSide)>) {
        for (id, side) in written {
            self.with(id, |exchange| {
                exchange.connection.end_mut(side).push();
                exchange.dispatch(side);
            });
        }
    }

    /// The process of a host dies: its kernel closes its sockets, with FIN, or with RST where data was unread.
    pub(crate) fn kill(&mut self, host: HostId) {
        self.hush(host);
        for (_, backlog) in std::mem::take(&mut self.kernel_mut(host).listeners) {
            backlog.waiting.into_iter().for_each(|id| self.refuse(id));
        }
        for (id, side) in self.kernel(host).ends.clone() {
            if self.end_of(id, side).is_some_and(|end| end.holder == Holder::Process) {
                self.close(id, side);
            }
        }
        self.udp.close_all(host);
        self.send_unsent();
        self.kernel_mut(host).wakers.clear();
        self.woken.remove(host);
    }

    /// The power of a host fails: nobody is told, and it remembers nothing.
    pub(crate) fn power_off(&mut self, host: HostId) {
        self.hush(host);
        for (id, side) in self.kernel(host).ends.clone() {
            self.with(id, |exchange| exchange.connection.end_mut(side).lose_power());
        }
        self.udp.close_all(host);
        self.kernel_mut(host).power_off();
        self.woken.remove(host);
    }

    /// The host has power again: it answers RST to whatever it knows nothing of.
    pub(crate) fn power_on(&mut self, host: HostId) {
        self.kernel_mut(host).power_on();
    }

    /// The kernel of a host falls asleep: what is sent to it is lost, and its timers stand still.
    pub(crate) fn suspend(&mut self, host: HostId) {
        let now = self.now;
        self.kernel_mut(host).suspend(now);
    }

    /// The kernel of a host goes on where it fell asleep.
    pub(crate) fn resume(&mut self, host: HostId) {
        let now = self.now;
        for (id, side) in self.kernel_mut(host).resume(now) {
            self.with(id, |exchange| exchange.arm(side));
        }
    }

    /// Begins a fault, if it is one of links, names or backlogs.
    pub(crate) fn begin_on_links(&mut self, number: u32, between: &Between, harm: &LinkHarm) {
        let (from, to) = (self.names.find(&between.from), self.names.find(&between.to));
        self.links.begin(self.now, number, Ways { from, to, one_way: between.one_way }, harm);
    }

    pub(crate) fn begin_in_kernels(&mut self, number: u32, on: &BTreeSet<HostName>, harm: &KernelHarm) {
        let on = self.names.find(on);
        match harm {
            KernelHarm::BacklogFull => self.jams.push(Jam { number, on, is_felt: false }),
            KernelHarm::Name { name, answer } => self.names.begin_lie(number, on, name, answer),
        }
    }

    /// Ends a fault that was begun here, and tells whether it was ever felt.
    pub(crate) fn end(&mut self, number: u32) -> bool {
        if let Some(mut harm) = self.links.end(number) {
            // A mapping that has expired by now is gone for good, whether or not anybody has noticed.
            for connection in self.connections.values_mut().filter(|connection| connection.forgotten.is_none()) {
                let [one, other] = connection.hosts();
                if harm.falls_on(one, other) || harm.falls_on(other, one) {
                    connection.forgotten = harm.forgets(self.now, connection.last_used);
                }
            }
            return harm.is_felt();
        }
        if let Some(at) = self.jams.iter().position(|jam| jam.number == number) {
            return self.jams.remove(at).is_felt;
        }
        self.names.end_lie(number).unwrap_or(false)
    }
}

/// What sockets ask.
impl Fabric {
    pub(crate) fn dial(
        &mut self,
        from: HostId,
        destination: Destination,
        port: u16,
        options: TcpOptions,
    ) -> io::Result<ConnectionId> {
        let dialer = SocketAddr::new(names::ip(from), self.kernel_mut(from).take_port()?);
        Ok(self.connect(from, destination, [dialer, SocketAddr::new(destination.ip(), port)], options))
    }

    pub(crate) fn name(&self, host: HostId) -> &str {
        &self.kernel(host).name
    }

    /// connect(2) to an address, from `port` of the host, or any.
    pub(crate) fn dial_to(
        &mut self,
        from: HostId,
        to: SocketAddr,
        port: Option<u16>,
        options: TcpOptions,
    ) -> io::Result<ConnectionId> {
        let source = self.source(from, to.ip());
        if names::is_resolver(to.ip()) {
            // It has no port of TCP.
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let own = source.is_loopback().then_some(Destination::Host(from));
        let Some(destination) = own.or_else(|| self.names.at(to.ip())) else {
            self.missed.note_unknown(self.now, from, to.ip().to_string());
            return Err(io::ErrorKind::NetworkUnreachable.into());
        };
        let port = port.map_or_else(|| self.kernel_mut(from).take_port(), Ok)?;
        let acceptor = SocketAddr::new(if to.ip().is_unspecified() { source } else { to.ip() }, to.port());
        Ok(self.connect(from, destination, [SocketAddr::new(source, port), acceptor], options))
    }

    /// The number of a descriptor that nobody had, from 0.
    pub(crate) fn fresh_number(&mut self) -> c_int {
        let number = self.next_number;
        self.next_number = number.checked_add(1).expect("no trial opens two thousand million files");
        number
    }

    /// A port of the host that nobody has.
    pub(crate) fn take_port(&mut self, host: HostId) -> io::Result<u16> {
        self.kernel_mut(host).take_port()
    }

    /// A port that was taken is given back.
    pub(crate) fn free_port(&mut self, host: HostId, port: u16) {
        self.kernel_mut(host).free_port(port);
    }

    fn connect(
        &mut self,
        from: HostId,
        destination: Destination,
        [dialer, acceptor]: [SocketAddr; 2],
        options: TcpOptions,
    ) -> ConnectionId {
        let (to, is_astray) = match destination {
            Destination::Host(to) => (to, false),
            // Somebody has to stand for nobody; no packet ever gets there.
            Destination::Nowhere => (from, true),
        };
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let dialer = End::dialer(from, dialer, options, self.kernel(from).clock(self.now));
        let mut connection = TcpConnection::new(self.now, dialer, End::acceptor(to, acceptor));
        connection.is_astray = is_astray;
        self.connections.insert(id, connection);
        self.kernel_mut(from).ends.insert((id, TcpSide::Dialer));
        if !is_astray {
            self.kernel_mut(to).ends.insert((id, TcpSide::Acceptor));
        }
        self.with(id, |exchange| exchange.dispatch(TcpSide::Dialer));
        id
    }

    /// Listens at an address of the host, which may be all of them.
    pub(crate) fn listen(&mut self, host: HostId, port: u16, bound: IpAddr) -> io::Result<SocketAddr> {
        let kernel = self.kernel_mut(host);
        if kernel.listeners.contains_key(&port) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("port {port} is already listened on")));
        }
        kernel.listeners.insert(port, TcpBacklog::new(bound));
        self.missed.note_listener(host, port, bound);
        Ok(SocketAddr::new(names::ip(host), port))
    }

    /// Whether somebody of the host listens on that port.
    pub(crate) fn is_listened_on(&self, host: HostId, port: u16) -> bool {
        self.kernel(host).listeners.contains_key(&port)
    }

    /// Whether an address is of the host.
    #[expect(clippy::unused_self, reason = "where hosts live is the fabric's to say")]
    pub(crate) fn is_address_of(&self, host: HostId, ip: IpAddr) -> bool {
        ip.is_unspecified() || ip.is_loopback() || ip == names::ip(host) || ip == names::ipv6(host)
    }

    /// Whether a connection waits for accept(2); `waker` is kept until there is one.
    pub(crate) fn has_waiting(&mut self, host: HostId, port: u16, waker: &Waker) -> bool {
        let Some(backlog) = self.kernel_mut(host).listeners.get_mut(&port) else { return false };
        backlog.acceptor = Some(waker.clone());
        !backlog.waiting.is_empty()
    }

    pub(crate) fn unlisten(&mut self, host: HostId, port: u16) {
        if let Some(backlog) = self.kernel_mut(host).listeners.remove(&port) {
            backlog.waiting.into_iter().for_each(|id| self.refuse(id));
        }
    }

    /// The next connection that waits for accept(2); none: `waker` is kept until there is one.
    pub(crate) fn accept(&mut self, host: HostId, port: u16, waker: &Waker) -> io::Result<Option<ConnectionId>> {
        let backlog = self.hosts[host.index()].listeners.get_mut(&port).ok_or(io::ErrorKind::NotConnected)?;
        while let Some(id) = backlog.waiting.pop_front() {
            // One that was given up while it waited is passed over.
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.end_mut(TcpSide::Acceptor).holder = Holder::Process;
                return Ok(Some(id));
            }
        }
        backlog.acceptor = Some(waker.clone());
        Ok(None)
    }

    pub(crate) fn connection(&mut self, id: ConnectionId) -> Option<&mut TcpConnection> {
        self.connections.get_mut(&id)
    }

    /// Something was written or finished: the end sends at the end of its host's turn.
    pub(crate) fn has_unsent(&mut self, id: ConnectionId, side: TcpSide) {
        if self.unsent.last() != Some(&(id, side)) {
            self.unsent.push((id, side));
        }
    }

    /// Something was read: the peer learns that there is room again.
    pub(crate) fn has_read(&mut self, id: ConnectionId, side: TcpSide) {
        self.with(id, |exchange| exchange.dispatch(side));
    }

    /// What TCP does from here on about a peer of that end that has fallen silent.
    pub(crate) fn set_options(&mut self, id: ConnectionId, side: TcpSide, options: TcpOptions) {
        let now = self.now;
        let Some(host) = self.end_of(id, side).map(|end| end.host) else { return };
        let clock = self.kernel(host).clock(now);
        self.with(id, |exchange| {
            exchange.connection.end_mut(side).set_options(clock, options);
            exchange.arm(side);
        });
    }

    pub(crate) fn close(&mut self, id: ConnectionId, side: TcpSide) {
        if self.end_of(id, side).is_some_and(End::has_last_words) {
            // write(2) sends at once: what was written before a reset is ahead of it.
            self.release_unsent(Unsent(vec![(id, side)]));
        }
        let Some(end) = self.end_mut(id, side) else { return };
        match end.close() {
            Closing::Done => {}
            Closing::Reset => self.with(id, |exchange| exchange.dispatch(side)),
            Closing::Finish => self.has_unsent(id, side),
        }
        self.tell(id);
    }
}

/// What it does itself.
impl Fabric {
    fn kernel(&self, host: HostId) -> &Kernel {
        &self.hosts[host.index()]
    }

    fn kernel_mut(&mut self, host: HostId) -> &mut Kernel {
        &mut self.hosts[host.index()]
    }

    fn end_of(&self, id: ConnectionId, side: TcpSide) -> Option<&End> {
        self.connections.get(&id).map(|connection| connection.end(side))
    }

    fn end_mut(&mut self, id: ConnectionId, side: TcpSide) -> Option<&mut End> {
        self.connections.get_mut(&id).map(|connection| connection.end_mut(side))
    }

    /// Lets something happen on a connection, and forgets it if nothing ever will again. On one that is forgotten
    /// nothing happens.
    fn with(&mut self, id: ConnectionId, happens: impl FnOnce(&mut Exchange<'_>)) {
        let Fabric { now, hosts, connections, links, traffic, woken, capture, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        let capture = capture.as_ref();
        happens(&mut Exchange { id, now: *now, hosts, links, traffic, woken, connection, capture });
        let is_over = connection.is_over();
        if self.observer.is_some() {
            self.tell(id);
        }
        if is_over {
            self.forget(id);
        }
    }

    /// Tells the observer what the dialer of a connection has learned.
    fn tell(&mut self, id: ConnectionId) {
        let Some(observer) = &self.observer else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let [host, to] = connection.hosts().map(|host| &*self.hosts[host.index()].name);
        while let Some(turn) = connection.news() {
            observer(&ConnectionNews { host, connection: id.0, to, turn });
        }
    }

    /// The process of a host is gone: it learns nothing any more of what it has dialed.
    fn hush(&mut self, host: HostId) {
        let Fabric { hosts, connections, .. } = self;
        let dialed = hosts[host.index()].ends.iter().filter(|(_, side)| *side == TcpSide::Dialer);
        dialed.for_each(|(id, _)| connections.get_mut(id).into_iter().for_each(TcpConnection::hush));
    }

    /// A SYN looks for a listener.
    fn land_syn(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.end(TcpSide::Dialer).phase() != TcpPhase::Connecting {
            return;
        }
        if connection.end(TcpSide::Acceptor).is_dead() {
            connection.renew_acceptor();
            if let Some(capture) = &self.capture {
                let addresses = connection.addresses(TcpSide::Acceptor);
                capture.keep(self.now, id, TcpSide::Acceptor, addresses, Captured::Renewed, false);
            }
        }
        let acceptor = connection.end(TcpSide::Acceptor);
        let (host, is_first) = (acceptor.host, acceptor.phase() == TcpPhase::Listening);
        let (address, port) = (acceptor.address.ip(), acceptor.address.port());
        if !self.kernel(host).is_awake() || self.is_jammed(host) {
            return;
        }
        if is_first {
            match self.kernel(host).listeners.get(&port) {
                None => return self.turn_away(id),
                Some(backlog) if !backlog.listens_at(address) => return self.turn_away(id),
                Some(backlog) if backlog.waiting.len() >= BACKLOG_MAX => return,
                Some(_) => {}
            }
        }
        self.with(id, |exchange| exchange.land(TcpSide::Acceptor, TcpSegment::Syn));
        // Where SYN-ACK is lost, no handshake comes about and nothing is to be accepted: the next SYN tries again.
        if is_first && self.end_of(id, TcpSide::Acceptor).is_some_and(|end| end.phase() == TcpPhase::Open) {
            self.enqueue(id, host, port);
        }
    }

    fn enqueue(&mut self, id: ConnectionId, host: HostId, port: u16) {
        let kernel = &mut self.hosts[host.index()];
        if let Some(backlog) = kernel.listeners.get_mut(&port) {
            backlog.waiting.push_back(id);
            if let Some(acceptor) = backlog.acceptor.take() {
                kernel.wakers.push(acceptor);
                self.woken.insert(host);
            }
        }
    }

    /// Whether a fault keeps the backlog of a host full.
    fn is_jammed(&mut self, host: HostId) -> bool {
        let jams = self.jams.iter_mut().filter(|jam| jam.on.contains(&host));
        // Counted, because each of them is felt.
        jams.map(|jam| jam.is_felt = true).count() > 0
    }

    /// A connection to where nobody listens.
    fn turn_away(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(&id) {
            let (dialer, acceptor) = (connection.end(TcpSide::Dialer), connection.end(TcpSide::Acceptor));
            self.missed.note_refusal(self.now, dialer.host, acceptor.host, acceptor.address);
        }
        self.refuse(id);
    }

    /// A connection that nobody will accept any more.
    fn refuse(&mut self, id: ConnectionId) {
        self.with(id, |exchange| {
            let end = exchange.connection.end_mut(TcpSide::Acceptor);
            end.holder = Holder::Nobody;
            end.abort();
            exchange.dispatch(TcpSide::Acceptor);
        });
    }

    fn forget(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id) {
            let dialer = connection.end(TcpSide::Dialer);
            let kernel = self.kernel_mut(dialer.host);
            kernel.free_port(dialer.address.port());
            kernel.ends.remove(&(id, TcpSide::Dialer));
            self.kernel_mut(connection.end(TcpSide::Acceptor).host).ends.remove(&(id, TcpSide::Acceptor));
        }
    }
}
