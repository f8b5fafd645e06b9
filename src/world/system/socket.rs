//! A socket as its process sees it: from socket(2) to close(2).
//!
//! Of TCP; one of UDP is a `DatagramSocket` all its life. Refuses to know descriptors and epoll; what happens on a connection is
//! `net`'s.
//!
//! ```text
//!            listen             close
//! Fresh ---------------> Listening ---> gone
//!   |       connect                        close
//!   +------------------> Stream -----------------> gone
//!                          ^ accept of a listener
//! ```

use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::world::engine::HostId;
use crate::world::net::{Net, TcpPhase, TcpSocket};
use crate::world::process::Process;
use crate::world::sandbox::state;
use crate::world::system::address::AddressFamily;
use crate::world::system::datagram::DatagramSocket;
use crate::world::system::error::Errno;
use crate::world::system::options::SocketOptions;

/// Steps of a connection that begins: far more than a poll, and nobody has many at one instant.
const SOCKET_STEPS: u32 = 100;

/// Where a socket is: its host, its network, and the process that holds it.
#[derive(Clone)]
pub(crate) struct MachinePlace {
    pub(crate) host: HostId,
    pub(crate) net: Net,
    pub(crate) process: Process,
}

/// See the module.
pub(crate) struct SystemSocket {
    place: MachinePlace,
    pub(crate) family: AddressFamily,
    pub(crate) options: SocketOptions,
    /// close(2) resets the connection (SO_LINGER of no time).
    is_reset_at_close: bool,
    /// shutdown(2) for reading.
    is_deaf: bool,
    /// A port that was taken for it, and is given back when it is gone.
    taken_port: Option<u16>,
    state: SocketState,
}

enum SocketState {
    Fresh { bound: Option<SocketAddr> },
    Listening { at: SocketAddr },
    Stream(TcpSocket),
    Datagram(DatagramSocket),
}

/// What a call gives; none: it would have to wait.
pub(crate) type CallAnswer<T> = Result<Option<T>, Errno>;

fn answer<T>(polled: Poll<io::Result<T>>) -> CallAnswer<T> {
    match polled {
        Poll::Ready(outcome) => Ok(Some(outcome?)),
        Poll::Pending => Ok(None),
    }
}

impl SystemSocket {
    pub(crate) fn new(place: MachinePlace, family: AddressFamily) -> Self {
        SystemSocket::of(place, family, SocketState::Fresh { bound: None })
    }

    /// A socket of UDP.
    pub(crate) fn new_datagram(place: MachinePlace, family: AddressFamily) -> Self {
        let socket = DatagramSocket::new(place.clone(), family);
        SystemSocket::of(place, family, SocketState::Datagram(socket))
    }

    fn of(place: MachinePlace, family: AddressFamily, state: SocketState) -> Self {
        let options = SocketOptions::default();
        SystemSocket { place, family, options, is_reset_at_close: false, is_deaf: false, taken_port: None, state }
    }

    /// It, where it is of UDP.
    pub(crate) fn datagram(&mut self) -> Option<(&mut DatagramSocket, &SocketOptions)> {
        match &mut self.state {
            SocketState::Datagram(socket) => Some((socket, &self.options)),
            SocketState::Fresh { .. } | SocketState::Listening { .. } | SocketState::Stream(_) => None,
        }
    }

    pub(crate) fn is_datagram(&self) -> bool {
        matches!(self.state, SocketState::Datagram(_))
    }

    /// What socket(2) was asked for (SO_TYPE, SO_PROTOCOL).
    pub(crate) fn kind_and_protocol(&self) -> (c_int, c_int) {
        if self.is_datagram() { (libc::SOCK_DGRAM, libc::IPPROTO_UDP) } else { (libc::SOCK_STREAM, libc::IPPROTO_TCP) }
    }

    /// bind(2).
    pub(crate) fn bind(&mut self, address: SocketAddr) -> Result<(), Errno> {
        if let Some((socket, options)) = self.datagram() {
            return socket.bind(address, options);
        }
        let SocketState::Fresh { bound: None } = self.state else { return Err(Errno(libc::EINVAL)) };
        let MachinePlace { net, host, .. } = &self.place;
        let mut fabric = net.fabric();
        if !fabric.is_address_of(*host, address.ip()) {
            return Err(Errno(libc::EADDRNOTAVAIL));
        }
        let mut address = address;
        if address.port() == 0 {
            let port = fabric.take_port(*host)?;
            self.taken_port = Some(port);
            address.set_port(port);
        } else if fabric.is_listened_on(*host, address.port()) {
            return Err(Errno(libc::EADDRINUSE));
        }
        self.state = SocketState::Fresh { bound: Some(address) };
        Ok(())
    }

    /// listen(2).
    pub(crate) fn listen(&mut self) -> Result<(), Errno> {
        match self.state {
            SocketState::Listening { .. } => return Ok(()),
            SocketState::Datagram(_) => return Err(Errno(libc::EOPNOTSUPP)),
            SocketState::Fresh { .. } | SocketState::Stream(_) => {}
        }
        if let SocketState::Fresh { bound: None } = self.state {
            self.bind(SocketAddr::new(self.family.unspecified(), 0))?;
        }
        let SocketState::Fresh { bound: Some(at) } = self.state else { return Err(Errno(libc::EINVAL)) };
        self.place.net.fabric().listen(self.place.host, at.port(), at.ip())?;
        self.state = SocketState::Listening { at };
        Ok(())
    }

    /// accept(2): the next connection, as a socket of its own.
    pub(crate) fn accept(&self, waker: &Waker) -> CallAnswer<SystemSocket> {
        let SocketState::Listening { at } = self.state else {
            return Err(Errno(if self.is_datagram() { libc::EOPNOTSUPP } else { libc::EINVAL }));
        };
        if !state::take_steps(SOCKET_STEPS) {
            return Ok(None);
        }
        let MachinePlace { net, host, process } = &self.place;
        let Some(id) = net.fabric().accept(*host, at.port(), waker)? else { return Ok(None) };
        let stream = TcpSocket::accepted(net.clone(), id, process.clone());
        // It inherits the options of its listener (Linux; tcp(7) on TCP_NODELAY and keepalive).
        stream.set_options(self.options.tcp())?;
        let mut accepted = SystemSocket::new(self.place.clone(), self.family);
        (accepted.options, accepted.state) = (self.options.clone(), SocketState::Stream(stream));
        Ok(Some(accepted))
    }

    /// connect(2): nothing while the connection comes about.
    pub(crate) fn connect(&mut self, to: SocketAddr, waker: &Waker) -> CallAnswer<()> {
        if let Some((socket, options)) = self.datagram() {
            return socket.connect(to, options).map(Some);
        }
        let bound = match &self.state {
            SocketState::Fresh { bound } => bound.map(|address| address.port()),
            SocketState::Listening { .. } => return Err(Errno(libc::EISCONN)),
            SocketState::Stream(stream) => {
                let is_open = stream.with_end(|end| end.phase() == TcpPhase::Open)?;
                return Err(Errno(if is_open { libc::EISCONN } else { libc::EALREADY }));
            }
            SocketState::Datagram(_) => return Err(Errno(libc::EISCONN)),
        };
        if !state::take_steps(SOCKET_STEPS) {
            return Err(Errno(libc::EAGAIN));
        }
        let MachinePlace { net, host, process } = &self.place;
        if to.port() == 0 {
            return Err(Errno(libc::ECONNREFUSED));
        }
        let id = net.fabric().dial_to(*host, to, bound, self.options.tcp())?;
        // Whose connection it is gives the port back.
        self.taken_port = None;
        let stream = TcpSocket::dialed(net.clone(), id, process.clone());
        let polled = stream.poll_connected(&mut Context::from_waker(waker));
        self.state = SocketState::Stream(stream);
        answer(polled)
    }

    fn stream(&mut self) -> Result<&mut TcpSocket, Errno> {
        match &mut self.state {
            SocketState::Stream(stream) => Ok(stream),
            SocketState::Fresh { .. } | SocketState::Listening { .. } | SocketState::Datagram(_) => {
                Err(Errno(libc::ENOTCONN))
            }
        }
    }

    /// Whether connect(2) has come to an end, and how.
    pub(crate) fn connected(&mut self, waker: &Waker) -> CallAnswer<()> {
        answer(self.stream()?.poll_connected(&mut Context::from_waker(waker)))
    }

    /// recv(2).
    pub(crate) fn read(&mut self, buffer: &mut [u8], flags: c_int, waker: &Waker) -> CallAnswer<usize> {
        let is_peek = flags & libc::MSG_PEEK != 0;
        if let Some((socket, _)) = self.datagram() {
            // What the buffer has no room for is dropped (udp(7)).
            return Ok(socket.receive(is_peek, waker)?.map(|datagram| datagram.scatter(&mut [buffer]).of_call(flags)));
        }
        let is_deaf = self.is_deaf;
        let stream = self.stream()?;
        let mut buffer = ReadBuf::new(buffer);
        if is_peek {
            stream.with_end(|end| end.peek(buffer.remaining(), |part| buffer.put_slice(part)))?;
            if !buffer.filled().is_empty() {
                return Ok(Some(buffer.filled().len()));
            }
            buffer = ReadBuf::new(&mut []);
            let is_ready = stream.with_end(|end| {
                end.watch(waker);
                end.readiness() & libc::EPOLLIN.cast_unsigned() != 0
            })?;
            return Ok((is_ready || is_deaf).then(|| buffer.filled().len()));
        }
        match Pin::new(stream).poll_read(&mut Context::from_waker(waker), &mut buffer) {
            Poll::Pending if is_deaf => Ok(Some(0)),
            polled @ (Poll::Ready(_) | Poll::Pending) => Ok(answer(polled)?.map(|()| buffer.filled().len())),
        }
    }

    /// sendto(2): a stream knows its peer, and passes over any other (send(2)).
    pub(crate) fn write(
        &mut self,
        function: &'static str,
        to: Result<Option<SocketAddr>, Errno>,
        parts: &[IoSlice<'_>],
        waker: &Waker,
    ) -> CallAnswer<usize> {
        if let Some((socket, options)) = self.datagram() {
            return socket.send(function, to?, parts, options);
        }
        let stream = self.stream()?;
        let written = answer(Pin::new(&mut *stream).poll_write_vectored(&mut Context::from_waker(waker), parts))?;
        // Who got rid of a part need not ask again to be told of room (Linux, sk_stream_write_space).
        stream.with_end(|end| end.watch_room(waker))?;
        Ok(written)
    }

    /// shutdown(2).
    pub(crate) fn shutdown(&mut self, how: c_int) -> Result<(), Errno> {
        let (is_deaf, is_dumb) = match how {
            libc::SHUT_RD => (true, false),
            libc::SHUT_WR => (false, true),
            libc::SHUT_RDWR => (true, true),
            _ => return Err(Errno(libc::EINVAL)),
        };
        if let Some((socket, _)) = self.datagram() {
            return socket.shutdown([is_deaf, is_dumb]);
        }
        let stream = self.stream()?;
        if stream.with_end(|end| end.is_dead())? {
            return Err(Errno(libc::ENOTCONN));
        }
        if is_dumb {
            answer(Pin::new(stream).poll_shutdown(&mut Context::from_waker(Waker::noop())))?;
        }
        self.is_deaf |= is_deaf;
        Ok(())
    }

    /// Its own address.
    pub(crate) fn local(&self) -> SocketAddr {
        match &self.state {
            SocketState::Fresh { bound } => bound.unwrap_or_else(|| SocketAddr::new(self.family.unspecified(), 0)),
            SocketState::Listening { at } => *at,
            SocketState::Stream(stream) => stream.addresses().0,
            SocketState::Datagram(socket) => socket.local(),
        }
    }

    /// Its peer's address.
    pub(crate) fn peer(&mut self) -> Result<SocketAddr, Errno> {
        if let Some((socket, _)) = self.datagram() {
            return socket.peer();
        }
        let stream = self.stream()?;
        let is_open = stream.with_end(|end| end.phase() == TcpPhase::Open)?;
        if is_open { Ok(stream.addresses().1) } else { Err(Errno(libc::ENOTCONN)) }
    }

    /// SO_ERROR: what went wrong and was not told yet, or 0.
    pub(crate) fn take_error(&mut self) -> c_int {
        let SocketState::Stream(stream) = &mut self.state else { return 0 };
        match stream.with_end(|end| end.take_error()) {
            Ok(error) => error.map_or(0, |kind| Errno::of(kind).0),
            Err(_) => libc::ENOTCONN,
        }
    }

    /// Whether it accepts connections (SO_ACCEPTCONN).
    pub(crate) fn accepts(&self) -> bool {
        matches!(self.state, SocketState::Listening { .. })
    }

    /// So many bytes can be read at once (FIONREAD).
    pub(crate) fn unread(&mut self) -> Result<usize, Errno> {
        if let Some((socket, _)) = self.datagram() {
            return Ok(socket.unread());
        }
        let mut unread = 0;
        self.stream()?.with_end(|end| end.peek(usize::MAX, |part| unread += part.len()))?;
        Ok(unread)
    }

    /// Sets an option that is one number; whether there is one of that name.
    pub(crate) fn set_option(&mut self, level: c_int, name: c_int, value: c_int) -> Result<bool, Errno> {
        let before = self.options.tcp();
        let is_known = self.options.set(level, name, value);
        let options = self.options.tcp();
        if let SocketState::Stream(stream) = &self.state
            && options != before
        {
            stream.set_options(options)?;
        }
        Ok(is_known)
    }

    /// SO_LINGER of no time: close(2) resets the connection.
    pub(crate) fn reset_at_close(&mut self, is_reset: bool) {
        self.is_reset_at_close = is_reset;
    }

    pub(crate) fn resets_at_close(&self) -> bool {
        self.is_reset_at_close
    }

    /// What epoll(7) says of it. From here on `waker` is told of what changes.
    pub(crate) fn look(&mut self, waker: &Waker) -> u32 {
        match &mut self.state {
            // Linux says so of a socket that is nothing yet (tcp_poll).
            SocketState::Fresh { .. } => (libc::EPOLLOUT | libc::EPOLLHUP).cast_unsigned(),
            SocketState::Listening { at } => {
                let is_waiting = self.place.net.fabric().has_waiting(self.place.host, at.port(), waker);
                if is_waiting { libc::EPOLLIN.cast_unsigned() } else { 0 }
            }
            SocketState::Stream(stream) => {
                let looked = stream.with_end(|end| {
                    end.watch(waker);
                    end.readiness()
                });
                let deaf = if self.is_deaf { libc::EPOLLIN | libc::EPOLLRDHUP } else { 0 };
                looked.unwrap_or((libc::EPOLLERR | libc::EPOLLHUP).cast_unsigned()) | deaf.cast_unsigned()
            }
            SocketState::Datagram(socket) => socket.look(waker),
        }
    }
}

impl Drop for SystemSocket {
    fn drop(&mut self) {
        let MachinePlace { net, host, process } = &self.place;
        match &mut self.state {
            SocketState::Fresh { .. } => {}
            SocketState::Listening { at } if process.is_alive() => net.fabric().unlisten(*host, at.port()),
            SocketState::Listening { .. } => {}
            SocketState::Stream(stream) if self.is_reset_at_close => {
                // Of a dead process's socket nothing is left that could be reset.
                drop(stream.with_end(|end| end.reset_at_close()));
            }
            SocketState::Stream(_) | SocketState::Datagram(_) => {}
        }
        if let Some(port) = self.taken_port {
            net.fabric().free_port(*host, port);
        }
    }
}
