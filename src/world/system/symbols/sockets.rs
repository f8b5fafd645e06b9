//! socket(2) and what can be done to one.

use std::ffi::{c_int, c_void};
use std::net::SocketAddr;

use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state::{self, on_trial};
use crate::world::system::address::{self, AddressFamily};
use crate::world::system::error::Errno;
use crate::world::system::machine::Machine;
use crate::world::system::options::{limit_bytes, read_limit};
use crate::world::system::socket::SystemSocket;
use crate::world::system::symbols::answers::{done, number, of_file, of_machine};

/// The signature of socket(2).
type OpenSocket = unsafe extern "C" fn(c_int, c_int, c_int) -> c_int;
/// The signature of socketpair(2).
type OpenPair = unsafe extern "C" fn(c_int, c_int, c_int, *mut c_int) -> c_int;
/// The signature of bind(2) and connect(2).
type WithAddress = unsafe extern "C" fn(c_int, *const libc::sockaddr, libc::socklen_t) -> c_int;
/// The signature of listen(2) and shutdown(2).
type WithNumber = unsafe extern "C" fn(c_int, c_int) -> c_int;
/// The signature of accept(2), getsockname(2) and getpeername(2).
type GiveAddress = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int;
/// The signature of accept4(2).
type AcceptWith = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t, c_int) -> c_int;
/// The signature of getsockopt(2).
type GetOption = unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void, *mut libc::socklen_t) -> c_int;
/// The signature of setsockopt(2).
type SetOption = unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, libc::socklen_t) -> c_int;

fn is_nonblocking(kind: c_int) -> bool {
    kind & libc::SOCK_NONBLOCK != 0
}

fn is_of(kind: c_int, wanted: c_int) -> bool {
    kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) == wanted
}

/// A socket of this world; what there is none of is an offence.
fn open(machine: &Machine, domain: c_int, kind: c_int, protocol: c_int) -> Result<c_int, Errno> {
    let family = match domain {
        libc::AF_INET => AddressFamily::V4,
        libc::AF_INET6 => AddressFamily::V6,
        _ => {
            state::note_offence(Offence::Socket { what: "a socket that is neither of IPv4 nor of IPv6" });
            return Err(Errno(libc::EAFNOSUPPORT));
        }
    };
    let make = match protocol {
        0 | libc::IPPROTO_TCP if is_of(kind, libc::SOCK_STREAM) => SystemSocket::new,
        0 | libc::IPPROTO_UDP if is_of(kind, libc::SOCK_DGRAM) => SystemSocket::new_datagram,
        _ => {
            state::note_offence(Offence::Socket { what: "a socket that is neither of TCP nor of UDP" });
            return Err(Errno(libc::EPROTONOSUPPORT));
        }
    };
    machine.open_socket(make, family, is_nonblocking(kind))
}

/// socket(2): simulated for a host. Outside of every host a trial has no network; sockets within the real machine are
/// nobody's harm.
#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    match of_machine(|machine| open(machine, domain, kind, protocol)) {
        Some(answer) => number(answer),
        None if on_trial() && (domain == libc::AF_INET || domain == libc::AF_INET6) => {
            state::note_offence(Offence::Socket { what: "a real socket" });
            fail(libc::EACCES)
        }
        None => libc_call!(c"socket" as OpenSocket, domain, kind, protocol),
    }
}

/// socketpair(2), of streams.
#[unsafe(no_mangle)]
unsafe extern "C" fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int {
    let answer = of_machine(|machine| {
        if pair.is_null() {
            return Err(Errno(libc::EFAULT));
        }
        if !is_of(kind, libc::SOCK_STREAM) {
            state::note_offence(Offence::Socket { what: "a pair of sockets that are no streams" });
            return Err(Errno(libc::EPROTONOSUPPORT));
        }
        let numbers = machine.open_pair(is_nonblocking(kind));
        // SAFETY: socketpair's caller hands over room for two.
        unsafe { pair.cast::<[c_int; 2]>().write(numbers) };
        Ok(())
    });
    match answer {
        Some(answer) => done(answer),
        None => libc_call!(c"socketpair" as OpenPair, domain, kind, protocol, pair),
    }
}

/// bind(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn bind(file: c_int, to: *const libc::sockaddr, len: libc::socklen_t) -> c_int {
    // SAFETY: the caller's promise.
    let at = || unsafe { address::read(to, len) };
    match of_file(file, |machine| machine.socket(file, |socket| socket.bind(at()?))) {
        Some(answer) => done(answer),
        None => libc_call!(c"bind" as WithAddress, file, to, len),
    }
}

/// connect(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn connect(file: c_int, to: *const libc::sockaddr, len: libc::socklen_t) -> c_int {
    // SAFETY: the caller's promise.
    match of_file(file, |machine| machine.connect(file, unsafe { address::read(to, len) }?)) {
        Some(answer) => done(answer),
        None => libc_call!(c"connect" as WithAddress, file, to, len),
    }
}

/// listen(2): the backlog is the world's.
#[unsafe(no_mangle)]
unsafe extern "C" fn listen(file: c_int, backlog: c_int) -> c_int {
    match of_file(file, |machine| machine.socket(file, |socket| socket.listen())) {
        Some(answer) => done(answer),
        None => libc_call!(c"listen" as WithNumber, file, backlog),
    }
}

/// Gives an address to who asked for it, if he did.
///
/// # Safety
/// As getsockname(2) asks for.
unsafe fn give(
    family: AddressFamily,
    address: SocketAddr,
    place: *mut libc::sockaddr,
    room: *mut libc::socklen_t,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { address::give(&address::bytes(family, address), place.cast(), room) }
}

/// # Safety
/// As accept(2) asks for.
unsafe fn accept_next(
    machine: &Machine,
    file: c_int,
    place: *mut libc::sockaddr,
    room: *mut libc::socklen_t,
    flags: c_int,
) -> Result<c_int, Errno> {
    let accepted = machine.accept(file, is_nonblocking(flags))?;
    if !place.is_null() {
        let (family, peer) = machine.socket(accepted, |socket| Ok((socket.family, socket.peer())))?;
        // One whose peer is gone by now has no name any more, and is read to its end all the same.
        if let Ok(peer) = peer {
            // SAFETY: the caller's promise.
            unsafe { give(family, peer, place, room) }?;
        }
    }
    Ok(accepted)
}

/// accept(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn accept(file: c_int, place: *mut libc::sockaddr, room: *mut libc::socklen_t) -> c_int {
    // SAFETY: the caller's promise.
    match of_file(file, |machine| unsafe { accept_next(machine, file, place, room, 0) }) {
        Some(answer) => number(answer),
        None => libc_call!(c"accept" as GiveAddress, file, place, room),
    }
}

/// accept4(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn accept4(
    file: c_int,
    place: *mut libc::sockaddr,
    room: *mut libc::socklen_t,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    match of_file(file, |machine| unsafe { accept_next(machine, file, place, room, flags) }) {
        Some(answer) => number(answer),
        None => libc_call!(c"accept4" as AcceptWith, file, place, room, flags),
    }
}

/// getsockname(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn getsockname(file: c_int, place: *mut libc::sockaddr, room: *mut libc::socklen_t) -> c_int {
    let answer = of_file(file, |machine| {
        let (family, local) = machine.socket(file, |socket| Ok((socket.family, socket.local())))?;
        // SAFETY: the caller's promise.
        unsafe { give(family, local, place, room) }
    });
    match answer {
        Some(answer) => done(answer),
        None => libc_call!(c"getsockname" as GiveAddress, file, place, room),
    }
}

/// getpeername(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn getpeername(file: c_int, place: *mut libc::sockaddr, room: *mut libc::socklen_t) -> c_int {
    let answer = of_file(file, |machine| {
        let (family, peer) = machine.socket(file, |socket| Ok((socket.family, socket.peer()?)))?;
        // SAFETY: the caller's promise.
        unsafe { give(family, peer, place, room) }
    });
    match answer {
        Some(answer) => done(answer),
        None => libc_call!(c"getpeername" as GiveAddress, file, place, room),
    }
}

/// shutdown(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn shutdown(file: c_int, how: c_int) -> c_int {
    match of_file(file, |machine| machine.shutdown(file, how)) {
        Some(answer) => done(answer),
        None => libc_call!(c"shutdown" as WithNumber, file, how),
    }
}

/// The bytes of an option.
fn option_bytes(machine: &Machine, file: c_int, level: c_int, name: c_int) -> Result<Vec<u8>, Errno> {
    machine.socket(file, |socket| {
        let number = match (level, name) {
            (libc::SOL_SOCKET, libc::SO_ERROR) => Some(socket.take_error()),
            (libc::SOL_SOCKET, libc::SO_TYPE) => Some(socket.kind_and_protocol().0),
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => Some(socket.family.number()),
            (libc::SOL_SOCKET, libc::SO_PROTOCOL) => Some(socket.kind_and_protocol().1),
            (libc::SOL_SOCKET, libc::SO_RCVTIMEO) => return Ok(limit_bytes(socket.options.receive_limit)),
            (libc::SOL_SOCKET, libc::SO_SNDTIMEO) => return Ok(limit_bytes(socket.options.send_limit)),
            (libc::SOL_SOCKET, libc::SO_ACCEPTCONN) => Some(socket.accepts().into()),
            (libc::SOL_SOCKET, libc::SO_LINGER) => {
                // struct linger: whether, and for how many seconds.
                return Ok([c_int::from(socket.resets_at_close()).to_ne_bytes(), [0; 4]].concat());
            }
            (libc::IPPROTO_TCP, _) if socket.is_datagram() => return Err(Errno(libc::ENOPROTOOPT)),
            _ => socket.options.get(level, name),
        };
        number.map(|number| number.to_ne_bytes().to_vec()).ok_or_else(|| unknown_option(level, name))
    })
}

fn unknown_option(level: c_int, name: c_int) -> Errno {
    state::note_offence(Offence::SocketOption { level, name });
    Errno(libc::ENOPROTOOPT)
}

/// getsockopt(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn getsockopt(
    file: c_int,
    level: c_int,
    name: c_int,
    place: *mut c_void,
    room: *mut libc::socklen_t,
) -> c_int {
    let answer = of_file(file, |machine| {
        let bytes = option_bytes(machine, file, level, name)?;
        // SAFETY: the caller's promise.
        unsafe {
            address::give(&bytes, place, room)?;
            *room = (*room).min(libc::socklen_t::try_from(bytes.len()).expect("an option is short"));
        }
        Ok(())
    });
    match answer {
        Some(answer) => done(answer),
        None => libc_call!(c"getsockopt" as GetOption, file, level, name, place, room),
    }
}

/// Sets an option from the numbers that it consists of.
fn set_option(machine: &Machine, file: c_int, (level, name): (c_int, c_int), numbers: &[c_int]) -> Result<(), Errno> {
    machine.socket(file, |socket| match (level, name, numbers) {
        // Only no time is something that its peer could tell: an orderly close goes on behind close(2) in any case.
        (libc::SOL_SOCKET, libc::SO_LINGER, [is_on, seconds, ..]) => {
            socket.reset_at_close(*is_on != 0 && *seconds == 0);
            Ok(())
        }
        (libc::SOL_SOCKET, libc::SO_RCVTIMEO, &[a, b, c, d]) => {
            socket.options.receive_limit = read_limit([a, b, c, d])?;
            Ok(())
        }
        (libc::SOL_SOCKET, libc::SO_SNDTIMEO, &[a, b, c, d]) => {
            socket.options.send_limit = read_limit([a, b, c, d])?;
            Ok(())
        }
        (libc::SOL_SOCKET, libc::SO_RCVTIMEO | libc::SO_SNDTIMEO, _) => Err(Errno(libc::EINVAL)),
        (libc::IPPROTO_TCP, _, _) if socket.is_datagram() => Err(Errno(libc::ENOPROTOOPT)),
        (_, _, [value, ..]) if socket.set_option(level, name, *value)? => Ok(()),
        (_, _, [_, ..]) => Err(unknown_option(level, name)),
        (_, _, []) => Err(Errno(libc::EINVAL)),
    })
}

/// setsockopt(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn setsockopt(
    file: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: libc::socklen_t,
) -> c_int {
    let answer = of_file(file, |machine| {
        if value.is_null() {
            return Err(Errno(libc::EFAULT));
        }
        let count = usize::try_from(len).unwrap_or(0) / size_of::<c_int>();
        // SAFETY: setsockopt's caller hands over `len` bytes.
        let numbers: Vec<c_int> =
            (0..count).map(|at| unsafe { value.cast::<c_int>().add(at).read_unaligned() }).collect();
        set_option(machine, file, (level, name), &numbers)
    });
    match answer {
        Some(answer) => done(answer),
        None => libc_call!(c"setsockopt" as SetOption, file, level, name, value, len),
    }
}
