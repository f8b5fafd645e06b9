//! Bytes in and out: read(2), write(2), recv(2), send(2), and those of several buffers.
//!
//! What is peculiar to datagrams is in `datagrams`.

use std::ffi::{c_int, c_void};
use std::io::IoSlice;
use std::net::SocketAddr;

use crate::world::sandbox::libc_call::libc_call;
use crate::world::system::address;
use crate::world::system::error::Errno;
use crate::world::system::machine::Machine;
use crate::world::system::symbols::answers::{length, of_file};
use crate::world::system::symbols::datagrams;

/// Nobody hands over more at once (Linux, MAX_RW_COUNT).
pub(super) const BYTES_MAX: usize = 0x7fff_f000;
/// Nor in more parts (Linux, UIO_MAXIOV).
const BUFFERS_MAX: usize = 1_024;

/// The signature of read(2).
type Read = unsafe extern "C" fn(c_int, *mut c_void, libc::size_t) -> libc::ssize_t;
/// The signature of write(2).
type Write = unsafe extern "C" fn(c_int, *const c_void, libc::size_t) -> libc::ssize_t;
/// The signature of readv(2) and writev(2).
type OfBuffers = unsafe extern "C" fn(c_int, *const libc::iovec, c_int) -> libc::ssize_t;
/// The signature of recv(2).
type Receive = unsafe extern "C" fn(c_int, *mut c_void, libc::size_t, c_int) -> libc::ssize_t;
/// The signature of send(2).
type Send = unsafe extern "C" fn(c_int, *const c_void, libc::size_t, c_int) -> libc::ssize_t;
/// The signature of recvfrom(2).
type ReceiveFrom = unsafe extern "C" fn(
    c_int,
    *mut c_void,
    libc::size_t,
    c_int,
    *mut libc::sockaddr,
    *mut libc::socklen_t,
) -> libc::ssize_t;
/// The signature of sendto(2).
type SendTo = unsafe extern "C" fn(
    c_int,
    *const c_void,
    libc::size_t,
    c_int,
    *const libc::sockaddr,
    libc::socklen_t,
) -> libc::ssize_t;
/// The signature of recvmsg(2).
type ReceiveMessage = unsafe extern "C" fn(c_int, *mut libc::msghdr, c_int) -> libc::ssize_t;
/// The signature of sendmsg(2).
type SendMessage = unsafe extern "C" fn(c_int, *const libc::msghdr, c_int) -> libc::ssize_t;

/// # Safety
/// `buffer` is null, or `len` bytes that may be written.
unsafe fn take(
    machine: &Machine,
    function: &'static str,
    file: c_int,
    (buffer, len): (*mut c_void, usize),
    flags: c_int,
) -> Result<usize, Errno> {
    if len == 0 && function == "read" {
        // It looks at nothing, not even at a datagram (read(2)).
        return Ok(0);
    }
    if buffer.is_null() {
        if len > 0 {
            return Err(Errno(libc::EFAULT));
        }
        let received = machine.receive(function, file, flags)?;
        return Ok(received.map_or(0, |datagram| datagram.scatter(&mut []).of_call(flags)));
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), len.min(BYTES_MAX)) };
    machine.read(function, file, bytes, flags)
}

/// Fills one buffer after the other with what is there.
///
/// # Safety
/// `buffers` are so many, each null or of bytes that may be written.
unsafe fn take_into(
    machine: &Machine,
    function: &'static str,
    file: c_int,
    (buffers, count): (*const libc::iovec, usize),
    flags: c_int,
) -> Result<usize, Errno> {
    check_count(function, count)?;
    if buffers.is_null() && count > 0 {
        return Err(Errno(libc::EFAULT));
    }
    if count != 1 {
        // SAFETY: the caller's promise.
        if let Some((datagram, _)) = unsafe { datagrams::take(machine, function, file, (buffers, count), flags) }? {
            return Ok(datagram.of_call(flags));
        }
    }
    let mut taken = 0;
    for at in 0..count {
        // SAFETY: the caller's promise.
        let (read, len) = unsafe {
            let libc::iovec { iov_base, iov_len } = *buffers.add(at);
            // Who has something already waits for no more.
            let flags = if taken > 0 { flags | libc::MSG_DONTWAIT } else { flags };
            (take(machine, function, file, (iov_base, iov_len), flags), iov_len)
        };
        match read {
            Ok(read) => taken += read,
            Err(error) if taken == 0 => return Err(error),
            Err(_) => break,
        }
        if read.is_ok_and(|read| read < len) {
            break;
        }
    }
    Ok(taken)
}

/// # Safety
/// `buffer` is null, or `len` bytes that may be read.
unsafe fn give(
    machine: &Machine,
    function: &'static str,
    file: c_int,
    (buffer, len): (*const c_void, usize),
    to: Result<Option<SocketAddr>, Errno>,
    flags: c_int,
) -> Result<usize, Errno> {
    if buffer.is_null() && len > 0 {
        return Err(Errno(libc::EFAULT));
    }
    let len = len.min(BYTES_MAX);
    // SAFETY: the caller's promise; no slice may begin at null, not even an empty one.
    let bytes = if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), len) } };
    machine.write(function, file, (&[IoSlice::new(bytes)], to), flags)
}

/// # Safety
/// `buffers` are so many, each of bytes that may be read.
unsafe fn give_all(
    machine: &Machine,
    function: &'static str,
    file: c_int,
    (buffers, count): (*const libc::iovec, usize),
    to: Result<Option<SocketAddr>, Errno>,
    flags: c_int,
) -> Result<usize, Errno> {
    check_count(function, count)?;
    if buffers.is_null() {
        return if count == 0 { machine.write(function, file, (&[], to), flags) } else { Err(Errno(libc::EFAULT)) };
    }
    // SAFETY: the caller's promise.
    let lists = unsafe { std::slice::from_raw_parts(buffers, count) };
    if lists.iter().any(|part| part.iov_base.is_null()) {
        // C allows null where there is nothing, and Rust does not.
        if lists.iter().any(|part| part.iov_base.is_null() && part.iov_len > 0) {
            return Err(Errno(libc::EFAULT));
        }
        let there = lists.iter().filter(|part| !part.iov_base.is_null());
        // SAFETY: the caller's promise.
        let bytes = there.map(|part| unsafe { std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len) });
        let parts: Vec<IoSlice<'_>> = bytes.map(IoSlice::new).collect();
        return machine.write(function, file, (&parts, to), flags);
    }
    // SAFETY: the caller's promise; an `IoSlice` is laid out as an iovec.
    let parts = unsafe { std::slice::from_raw_parts(buffers.cast::<IoSlice<'_>>(), count) };
    machine.write(function, file, (parts, to), flags)
}

/// A number of buffers; a negative one is too many.
fn count_of(count: c_int) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Whether a call may have so many buffers.
pub(super) fn check_count(function: &str, count: usize) -> Result<(), Errno> {
    match count {
        ..=BUFFERS_MAX => Ok(()),
        _ if function.ends_with("msg") => Err(Errno(libc::EMSGSIZE)),
        _ => Err(Errno(libc::EINVAL)),
    }
}

/// read(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn read(file: c_int, buffer: *mut c_void, len: libc::size_t) -> libc::ssize_t {
    // SAFETY: the caller's promise.
    match of_file(file, |machine| unsafe { take(machine, "read", file, (buffer, len), 0) }) {
        Some(answer) => length(answer),
        None => libc_call!(c"read" as Read, file, buffer, len),
    }
}

/// readv(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn readv(file: c_int, buffers: *const libc::iovec, count: c_int) -> libc::ssize_t {
    // SAFETY: the caller's promise.
    match of_file(file, |machine| unsafe { take_into(machine, "readv", file, (buffers, count_of(count)), 0) }) {
        Some(answer) => length(answer),
        None => libc_call!(c"readv" as OfBuffers, file, buffers, count),
    }
}

/// recv(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn recv(file: c_int, buffer: *mut c_void, len: libc::size_t, flags: c_int) -> libc::ssize_t {
    // SAFETY: the caller's promise.
    match of_file(file, |machine| unsafe { take(machine, "recv", file, (buffer, len), flags) }) {
        Some(answer) => length(answer),
        None => libc_call!(c"recv" as Receive, file, buffer, len, flags),
    }
}

/// recvfrom(2): a datagram names its sender, and a stream does not.
#[unsafe(no_mangle)]
unsafe extern "C" fn recvfrom(
    file: c_int,
    buffer: *mut c_void,
    len: libc::size_t,
    flags: c_int,
    from: *mut libc::sockaddr,
    room: *mut libc::socklen_t,
) -> libc::ssize_t {
    let answer = of_file(file, |machine| {
        if !from.is_null() {
            let buffer = libc::iovec { iov_base: buffer, iov_len: len };
            // SAFETY: the caller's promise.
            let taken = unsafe { datagrams::take(machine, "recvfrom", file, (&raw const buffer, 1), flags) }?;
            if let Some((taken, sender)) = taken {
                // SAFETY: the caller's promise.
                unsafe { datagrams::name_sender(&sender, from.cast(), room) }?;
                return Ok(taken.of_call(flags));
            }
        }
        if !room.is_null() {
            // SAFETY: the caller's promise.
            unsafe { *room = 0 };
        }
        // SAFETY: the caller's promise.
        unsafe { take(machine, "recvfrom", file, (buffer, len), flags) }
    });
    match answer {
        Some(answer) => length(answer),
        None => libc_call!(c"recvfrom" as ReceiveFrom, file, buffer, len, flags, from, room),
    }
}

/// recvmsg(2): there are no control messages.
#[unsafe(no_mangle)]
unsafe extern "C" fn recvmsg(file: c_int, message: *mut libc::msghdr, flags: c_int) -> libc::ssize_t {
    let answer = of_file(file, |machine| {
        // SAFETY: the caller's promise.
        let Some(message) = (unsafe { message.as_mut() }) else { return Err(Errno(libc::EFAULT)) };
        (message.msg_controllen, message.msg_flags) = (0, 0);
        let buffers = (message.msg_iov.cast_const(), message.msg_iovlen);
        // SAFETY: the caller's promise.
        if let Some((taken, sender)) = unsafe { datagrams::take(machine, "recvmsg", file, buffers, flags) }? {
            if !message.msg_name.is_null() {
                // SAFETY: the caller's promise.
                unsafe { datagrams::name_sender(&sender, message.msg_name, &raw mut message.msg_namelen) }?;
            }
            message.msg_flags = if taken.taken < taken.len { libc::MSG_TRUNC } else { 0 };
            return Ok(taken.of_call(flags));
        }
        message.msg_namelen = 0;
        // SAFETY: the caller's promise.
        unsafe { take_into(machine, "recvmsg", file, (message.msg_iov, message.msg_iovlen), flags) }
    });
    match answer {
        Some(answer) => length(answer),
        None => libc_call!(c"recvmsg" as ReceiveMessage, file, message, flags),
    }
}

/// write(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn write(file: c_int, buffer: *const c_void, len: libc::size_t) -> libc::ssize_t {
    // SAFETY: the caller's promise.
    match of_file(file, |machine| unsafe { give(machine, "write", file, (buffer, len), Ok(None), 0) }) {
        // Somebody wakes a runtime whose eventfd is not his: one with which he shares memory, as no two real processes do, or
        // one whose process is dead, or trial over. The first looks when it has its turn; an error would make tokio panic.
        Some(Err(Errno(libc::EBADF))) => length(Ok(len)),
        Some(answer) => length(answer),
        None => libc_call!(c"write" as Write, file, buffer, len),
    }
}

/// writev(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(file: c_int, buffers: *const libc::iovec, count: c_int) -> libc::ssize_t {
    // SAFETY: the caller's promise.
    match of_file(file, |machine| unsafe { give_all(machine, "writev", file, (buffers, count_of(count)), Ok(None), 0) })
    {
        Some(answer) => length(answer),
        None => libc_call!(c"writev" as OfBuffers, file, buffers, count),
    }
}

/// send(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn send(file: c_int, buffer: *const c_void, len: libc::size_t, flags: c_int) -> libc::ssize_t {
    // SAFETY: the caller's promise.
    match of_file(file, |machine| unsafe { give(machine, "send", file, (buffer, len), Ok(None), flags) }) {
        Some(answer) => length(answer),
        None => libc_call!(c"send" as Send, file, buffer, len, flags),
    }
}

/// sendto(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn sendto(
    file: c_int,
    buffer: *const c_void,
    len: libc::size_t,
    flags: c_int,
    to: *const libc::sockaddr,
    to_len: libc::socklen_t,
) -> libc::ssize_t {
    let answer = of_file(file, |machine| {
        // SAFETY: the caller's promise.
        let to = (!to.is_null()).then(|| unsafe { address::read(to, to_len) }).transpose();
        // SAFETY: the caller's promise.
        unsafe { give(machine, "sendto", file, (buffer, len), to, flags) }
    });
    match answer {
        Some(answer) => length(answer),
        None => libc_call!(c"sendto" as SendTo, file, buffer, len, flags, to, to_len),
    }
}

/// sendmsg(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn sendmsg(file: c_int, message: *const libc::msghdr, flags: c_int) -> libc::ssize_t {
    let answer = of_file(file, |machine| {
        // SAFETY: the caller's promise.
        let Some(message) = (unsafe { message.as_ref() }) else { return Err(Errno(libc::EFAULT)) };
        let name = message.msg_name.cast_const().cast();
        // SAFETY: the caller's promise.
        let to = (!message.msg_name.is_null()).then(|| unsafe { address::read(name, message.msg_namelen) }).transpose();
        // SAFETY: the caller's promise.
        unsafe { give_all(machine, "sendmsg", file, (message.msg_iov, message.msg_iovlen), to, flags) }
    });
    match answer {
        Some(answer) => length(answer),
        None => libc_call!(c"sendmsg" as SendMessage, file, message, flags),
    }
}
