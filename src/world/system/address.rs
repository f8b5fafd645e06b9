//! Addresses of sockets as C has them (ip(7), ipv6(7)).

use std::ffi::c_int;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::world::system::error::Errno;

/// The family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressFamily {
    /// AF_INET.
    V4,
    /// AF_INET6, which takes IPv4 as well, as mapped addresses.
    V6,
}

impl AddressFamily {
    pub(crate) fn number(self) -> c_int {
        match self {
            AddressFamily::V4 => libc::AF_INET,
            AddressFamily::V6 => libc::AF_INET6,
        }
    }

    /// Every address of the machine.
    pub(crate) fn unspecified(self) -> IpAddr {
        match self {
            AddressFamily::V4 => Ipv4Addr::UNSPECIFIED.into(),
            AddressFamily::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// How a socket of this family shows an address.
    fn shows(self, address: SocketAddr) -> SocketAddr {
        match (self, address.ip()) {
            (AddressFamily::V6, IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
            (AddressFamily::V4 | AddressFamily::V6, _) => address,
        }
    }
}

/// Reads what a caller hands over.
///
/// # Safety
/// `address` is null, or `len` bytes that may be read.
pub(crate) unsafe fn read(address: *const libc::sockaddr, len: libc::socklen_t) -> Result<SocketAddr, Errno> {
    if address.is_null() {
        return Err(Errno(libc::EFAULT));
    }
    let is_whole = |size: usize| usize::try_from(len).is_ok_and(|len| len >= size);
    if !is_whole(size_of::<libc::sa_family_t>()) {
        return Err(Errno(libc::EINVAL));
    }
    // SAFETY: the caller's promise; the family is at the front of every address, and the length of each was looked at.
    unsafe {
        match c_int::from((*address).sa_family) {
            libc::AF_INET if is_whole(size_of::<libc::sockaddr_in>()) => {
                let read = address.cast::<libc::sockaddr_in>().read_unaligned();
                let ip = Ipv4Addr::from(read.sin_addr.s_addr.to_ne_bytes());
                Ok(SocketAddr::new(ip.into(), u16::from_be(read.sin_port)))
            }
            libc::AF_INET6 if is_whole(size_of::<libc::sockaddr_in6>()) => {
                let read = address.cast::<libc::sockaddr_in6>().read_unaligned();
                let ip = Ipv6Addr::from(read.sin6_addr.s6_addr).to_canonical();
                Ok(SocketAddr::new(ip, u16::from_be(read.sin6_port)))
            }
            libc::AF_INET | libc::AF_INET6 => Err(Errno(libc::EINVAL)),
            _ => Err(Errno(libc::EAFNOSUPPORT)),
        }
    }
}

/// The bytes of an address, as a socket of that family shows it.
pub(crate) fn bytes(family: AddressFamily, address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of::<libc::sockaddr_in6>());
    match family.shows(address) {
        SocketAddr::V4(address) => {
            bytes.extend(libc::sa_family_t::try_from(libc::AF_INET).expect("a small number").to_ne_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.extend([0; 8]);
        }
        SocketAddr::V6(address) => {
            bytes.extend(libc::sa_family_t::try_from(libc::AF_INET6).expect("a small number").to_ne_bytes());
            bytes.extend(address.port().to_be_bytes());
            // The flow, and behind the address the scope.
            bytes.extend([0; 4]);
            bytes.extend(address.ip().octets());
            bytes.extend([0; 4]);
        }
    }
    bytes
}

/// Gives bytes to a caller as getsockname(2) gives an address: cut to the room that there is, with the length that they have.
///
/// # Safety
/// Both are null, or `room` may be read and written, and so many bytes at `place` may be written.
pub(crate) unsafe fn give(bytes: &[u8], place: *mut libc::c_void, room: *mut libc::socklen_t) -> Result<(), Errno> {
    if place.is_null() || room.is_null() {
        return Err(Errno(libc::EFAULT));
    }
    // SAFETY: the caller's promise.
    unsafe {
        let fits = bytes.len().min(usize::try_from(*room).unwrap_or(0));
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast::<u8>(), fits);
        *room = libc::socklen_t::try_from(bytes.len()).expect("an address is short");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for (family, text) in [
            (AddressFamily::V4, "10.0.0.1:80"),
            (AddressFamily::V6, "[fd00::1]:80"),
            (AddressFamily::V6, "10.0.0.1:80"),
        ] {
            let address: SocketAddr = text.parse().expect("an address");
            let bytes = bytes(family, address);
            let len = libc::socklen_t::try_from(bytes.len()).expect("short");
            // SAFETY: so many bytes are there.
            let read = |len| unsafe { read(bytes.as_ptr().cast(), len) };
            assert_eq!(read(len), Ok(address));
            assert_eq!(read(len - 1), Err(Errno(libc::EINVAL)));
        }
    }
}
