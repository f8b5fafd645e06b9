//! A socket of UDP as its process sees it (udp(7)): from socket(2) to close(2).
//!
//! It asks the world's resolver, and nobody else: whatever is sent to another address is an offence. Refuses to know descriptors
//! and epoll.

use std::ffi::c_int;
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use crate::world::net::{Datagram, RESOLVER_PORT, Scattered, UdpId, UdpSharing, is_resolver};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state;
use crate::world::system::address::AddressFamily;
use crate::world::system::error::Errno;
use crate::world::system::options::SocketOptions;
use crate::world::system::socket::{CallAnswer, MachinePlace};

/// The longest that an IPv4 packet carries behind its header and UDP's (udp(7)).
const V4_MAX: usize = 65_507;
/// The longest that an IPv6 packet does, whose length does not count its header (RFC 8200 section 3).
const V6_MAX: usize = 65_527;

impl Scattered {
    /// What recv(2) returns: with MSG_TRUNC, how long the datagram is.
    pub(crate) fn of_call(self, flags: c_int) -> usize {
        if flags & libc::MSG_TRUNC != 0 { self.len } else { self.taken }
    }
}

/// See the module.
pub(crate) struct DatagramSocket {
    place: MachinePlace,
    family: AddressFamily,
    id: UdpId,
    /// shutdown(2) for reading, and for writing.
    is_deaf: bool,
    is_dumb: bool,
}

impl DatagramSocket {
    pub(crate) fn new(place: MachinePlace, family: AddressFamily) -> Self {
        let id = place.net.fabric().udp().open(place.host);
        DatagramSocket { place, family, id, is_deaf: false, is_dumb: false }
    }

    /// An address that a socket of its family can be told of.
    fn check_family(&self, address: SocketAddr, options: &SocketOptions) -> Result<(), Errno> {
        match (self.family, address.ip()) {
            (AddressFamily::V4, IpAddr::V6(_)) => Err(Errno(libc::EAFNOSUPPORT)),
            (AddressFamily::V6, IpAddr::V4(_)) if options.udp_sharing().only_v6 => Err(Errno(libc::ENETUNREACH)),
            (AddressFamily::V4 | AddressFamily::V6, _) => Ok(()),
        }
    }

    /// bind(2).
    pub(crate) fn bind(&mut self, address: SocketAddr, options: &SocketOptions) -> Result<(), Errno> {
        self.check_family(address, options)?;
        let MachinePlace { net, host, .. } = &self.place;
        let mut fabric = net.fabric();
        if fabric.udp().local(self.id).is_some() {
            return Err(Errno(libc::EINVAL));
        }
        if !fabric.is_address_of(*host, address.ip()) {
            return Err(Errno(libc::EADDRNOTAVAIL));
        }
        Ok(fabric.udp().bind(self.id, address, options.udp_sharing())?)
    }

    /// Its own address, of a port that it is given where it has none.
    fn bound(&mut self, options: &SocketOptions) -> Result<SocketAddr, Errno> {
        let mut fabric = self.place.net.fabric();
        if let Some(local) = fabric.udp().local(self.id) {
            return Ok(local);
        }
        let any = SocketAddr::new(self.family.unspecified(), 0);
        let sharing = UdpSharing { address: false, port: false, ..options.udp_sharing() };
        fabric.udp().bind(self.id, any, sharing)?;
        fabric.udp().local(self.id).ok_or(Errno(libc::ENOTCONN))
    }

    /// connect(2): nothing is sent, and any address will do.
    pub(crate) fn connect(&mut self, to: SocketAddr, options: &SocketOptions) -> Result<(), Errno> {
        self.check_family(to, options)?;
        let mut local = self.bound(options)?;
        let mut fabric = self.place.net.fabric();
        let source = fabric.source(self.place.host, to.ip());
        if local.ip().is_unspecified() {
            local.set_ip(source);
        }
        let to = SocketAddr::new(if to.ip().is_unspecified() { source } else { to.ip() }, to.port());
        Ok(fabric.udp().connect(self.id, local, to)?)
    }

    /// sendto(2): to its peer, where no address is given.
    pub(crate) fn send(
        &mut self,
        function: &'static str,
        to: Option<SocketAddr>,
        parts: &[IoSlice<'_>],
        options: &SocketOptions,
    ) -> CallAnswer<usize> {
        if !state::take_steps(1) {
            return Ok(None);
        }
        if !self.place.process.is_alive() {
            return Err(Errno(libc::ENOTCONN));
        }
        let to = match to {
            Some(to) => to,
            None => self.peer().map_err(|_| Errno(libc::EDESTADDRREQ))?,
        };
        self.check_family(to, options)?;
        let message: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        if message.len() > if to.is_ipv4() { V4_MAX } else { V6_MAX } {
            return Err(Errno(libc::EMSGSIZE));
        }
        if to.port() == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let local = self.bound(options)?;
        if self.is_dumb {
            return Err(Errno(libc::EPIPE));
        }
        if !is_resolver(to.ip()) || to.port() != RESOLVER_PORT {
            state::note_offence(Offence::Datagram { function, to });
            return Err(Errno(libc::EPERM));
        }
        if local.ip().is_loopback() {
            // Nothing leaves a host from there (Linux, ip_route_output_key_hash).
            return Err(Errno(libc::EINVAL));
        }
        self.place.net.fabric().ask_by_udp(self.place.host, local, to, &message);
        Ok(Some(message.len()))
    }

    /// recvfrom(2): the datagram that waits longest. Who is shut down gets one of nobody.
    pub(crate) fn receive(&mut self, is_peek: bool, waker: &Waker) -> CallAnswer<Datagram> {
        if !state::take_steps(1) {
            return Ok(None);
        }
        let received = self.place.net.fabric().udp().receive(self.id, is_peek, waker)?;
        Ok(if received.is_none() && self.is_deaf { Some(Datagram::default()) } else { received })
    }

    /// shutdown(2). It acts on who is not connected, too, and says that he is not (Linux, inet_shutdown).
    pub(crate) fn shutdown(&mut self, [is_deaf, is_dumb]: [bool; 2]) -> Result<(), Errno> {
        (self.is_deaf, self.is_dumb) = (self.is_deaf || is_deaf, self.is_dumb || is_dumb);
        self.peer().map(drop)
    }

    /// Its own address.
    pub(crate) fn local(&self) -> SocketAddr {
        let local = self.place.net.fabric().udp().local(self.id);
        local.unwrap_or_else(|| SocketAddr::new(self.family.unspecified(), 0))
    }

    /// Its peer's address.
    pub(crate) fn peer(&self) -> Result<SocketAddr, Errno> {
        self.place.net.fabric().udp().peer(self.id).ok_or(Errno(libc::ENOTCONN))
    }

    /// The length of the datagram that waits longest (FIONREAD; udp(7)).
    pub(crate) fn unread(&self) -> usize {
        self.place.net.fabric().udp().waiting(self.id).unwrap_or(0)
    }

    /// What epoll(7) says of it (Linux, datagram_poll). From here on `waker` is told of what changes.
    pub(crate) fn look(&mut self, waker: &Waker) -> u32 {
        let mut fabric = self.place.net.fabric();
        fabric.udp().watch(self.id, waker);
        let bits = |says: bool, bits: c_int| if says { bits.cast_unsigned() } else { 0 };
        libc::EPOLLOUT.cast_unsigned()
            | bits(fabric.udp().waiting(self.id).is_some(), libc::EPOLLIN)
            | bits(self.is_deaf, libc::EPOLLIN | libc::EPOLLRDHUP)
            | bits(self.is_deaf && self.is_dumb, libc::EPOLLHUP)
    }
}

impl Drop for DatagramSocket {
    fn drop(&mut self) {
        self.place.net.fabric().udp().close(self.id);
    }
}
