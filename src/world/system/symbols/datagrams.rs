//! Datagrams out of a socket of UDP into a caller's buffers, and who sent them.

use std::ffi::{c_int, c_void};
use std::net::SocketAddr;

use crate::world::net::Scattered;
use crate::world::system::address::{self, AddressFamily};
use crate::world::system::error::Errno;
use crate::world::system::machine::Machine;
use crate::world::system::symbols::streams::{BYTES_MAX, check_count};

/// The address of a sender, as the socket's family shows it; none: nobody sent anything.
pub(crate) struct UdpSender(Option<(AddressFamily, SocketAddr)>);

/// Takes one datagram into the buffers; none: the file is no socket of UDP.
///
/// # Safety
/// `buffers` are so many, each null or of bytes that may be written.
pub(crate) unsafe fn take(
    machine: &Machine,
    function: &'static str,
    file: c_int,
    (buffers, count): (*const libc::iovec, usize),
    flags: c_int,
) -> Result<Option<(Scattered, UdpSender)>, Errno> {
    check_count(function, count)?;
    if buffers.is_null() && count > 0 {
        return Err(Errno(libc::EFAULT));
    }
    let mut places = Vec::with_capacity(count);
    for at in 0..count {
        // SAFETY: the caller's promise.
        let libc::iovec { iov_base, iov_len } = unsafe { *buffers.add(at) };
        match (iov_base.is_null(), iov_len) {
            (_, 0) => {}
            (true, _) => return Err(Errno(libc::EFAULT)),
            (false, _) => {
                let len = iov_len.min(BYTES_MAX);
                // SAFETY: the caller's promise.
                places.push(unsafe { std::slice::from_raw_parts_mut(iov_base.cast::<u8>(), len) });
            }
        }
    }
    let Some(datagram) = machine.receive(function, file, flags)? else { return Ok(None) };
    let family = machine.socket(file, |socket| Ok(socket.family))?;
    let sender = UdpSender(datagram.from.map(|from| (family, from)));
    Ok(Some((datagram.scatter(&mut places), sender)))
}

/// Tells a caller who sent what he got.
///
/// # Safety
/// As recvfrom(2) asks for.
pub(crate) unsafe fn name_sender(
    UdpSender(sender): &UdpSender,
    place: *mut c_void,
    room: *mut libc::socklen_t,
) -> Result<(), Errno> {
    let bytes = sender.map_or_else(Vec::new, |(family, from)| address::bytes(family, from));
    // SAFETY: the caller's promise.
    unsafe { address::give(&bytes, place, room) }
}
