//! getaddrinfo(3): the world's resolver; and who a process is.
//!
//! A host has one address of each family, and a name leads to it. `localhost` leads to IPv4's loopback, so that nobody has to
//! try two.

use std::ffi::{CStr, CString, c_char, c_int};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{io, ptr};

use crate::world::sandbox::libc_call::libc_call;
use crate::world::sandbox::state::on_trial;
use crate::world::system::address::{self, AddressFamily};
use crate::world::system::error::Errno;
use crate::world::system::machine::{Machine, current};
use crate::world::system::symbols::answers::{done, number, of_machine};

/// The signature of getaddrinfo(3).
type GetAddresses =
    unsafe extern "C" fn(*const c_char, *const c_char, *const libc::addrinfo, *mut *mut libc::addrinfo) -> c_int;
/// The signature of freeaddrinfo(3).
type FreeAddresses = unsafe extern "C" fn(*mut libc::addrinfo);

/// The signature of gethostname(2).
type GetHostName = unsafe extern "C" fn(*mut c_char, libc::size_t) -> c_int;
/// The signature of getpid(2).
type GetProcess = unsafe extern "C" fn() -> libc::pid_t;

/// Marks an answer as one of the world's: no flag of getaddrinfo(3) has this number.
const OURS: c_int = 1 << 30;

/// One answer, with its address behind it.
#[repr(C)]
struct AddressEntry {
    info: libc::addrinfo,
    address: [u8; size_of::<libc::sockaddr_in6>()],
}

/// What somebody asks for.
struct NameQuestion {
    node: Option<String>,
    port: u16,
    family: Option<AddressFamily>,
    is_passive: bool,
    is_numeric: bool,
    kind: c_int,
}

/// # Safety
/// `text` is null or a C string.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

impl NameQuestion {
    /// # Safety
    /// As getaddrinfo(3) asks for.
    unsafe fn read(node: *const c_char, service: *const c_char, hints: *const libc::addrinfo) -> Result<Self, c_int> {
        // SAFETY: the caller's promise.
        let (node, service, hints) = unsafe { (text(node), text(service), hints.as_ref()) };
        if node.is_none() && service.is_none() {
            return Err(libc::EAI_NONAME);
        }
        // Services by name are of no use here: a world has no list of them.
        let port = service.map_or(Ok(0), |service| service.parse().map_err(|_| libc::EAI_SERVICE))?;
        let flags = hints.map_or(0, |hints| hints.ai_flags);
        let family = match hints.map_or(libc::AF_UNSPEC, |hints| hints.ai_family) {
            libc::AF_UNSPEC => None,
            libc::AF_INET => Some(AddressFamily::V4),
            libc::AF_INET6 => Some(AddressFamily::V6),
            _ => return Err(libc::EAI_FAMILY),
        };
        let kind = hints.map_or(0, |hints| hints.ai_socktype);
        let (is_passive, is_numeric) = (flags & libc::AI_PASSIVE != 0, flags & libc::AI_NUMERICHOST != 0);
        Ok(NameQuestion { node, port, family, is_passive, is_numeric, kind })
    }

    fn answer(&self, machine: &Machine) -> Result<IpAddr, c_int> {
        let is_v6 = self.family == Some(AddressFamily::V6);
        let loopback = if is_v6 { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
        let Some(node) = self.node.as_deref() else {
            let all = self.family.unwrap_or(AddressFamily::V4).unspecified();
            return Ok(if self.is_passive { all } else { loopback });
        };
        if let Ok(ip) = node.parse::<IpAddr>() {
            let is_of_family = self.family.is_none_or(|family| (family == AddressFamily::V6) == ip.is_ipv6());
            return if is_of_family { Ok(ip) } else { Err(libc::EAI_NONAME) };
        }
        match node.trim_end_matches('.') {
            _ if self.is_numeric => Err(libc::EAI_NONAME),
            "localhost" => Ok(loopback),
            name => machine.resolve(name, self.family).map_err(|error| {
                if error.kind() == io::ErrorKind::NotFound { libc::EAI_NONAME } else { libc::EAI_FAIL }
            }),
        }
    }
}

/// The list that a caller gets, of one answer.
fn list(question: &NameQuestion, ip: IpAddr) -> *mut libc::addrinfo {
    let family = if ip.is_ipv6() { AddressFamily::V6 } else { AddressFamily::V4 };
    let bytes = address::bytes(family, SocketAddr::new(ip, question.port));
    let mut entry = Box::new(AddressEntry {
        info: libc::addrinfo {
            ai_flags: OURS,
            ai_family: family.number(),
            ai_socktype: if question.kind == 0 { libc::SOCK_STREAM } else { question.kind },
            ai_protocol: if question.kind == libc::SOCK_DGRAM { libc::IPPROTO_UDP } else { libc::IPPROTO_TCP },
            ai_addrlen: libc::socklen_t::try_from(bytes.len()).expect("an address is short"),
            ai_addr: ptr::null_mut(),
            ai_canonname: ptr::null_mut(),
            ai_next: ptr::null_mut(),
        },
        address: [0; size_of::<libc::sockaddr_in6>()],
    });
    entry.address[..bytes.len()].copy_from_slice(&bytes);
    let entry = Box::into_raw(entry);
    // SAFETY: it was just made; its address lies behind the front of it, where C finds it.
    unsafe { (*entry).info.ai_addr = (&raw mut (*entry).address).cast() };
    entry.cast()
}

/// getaddrinfo(3): in a process of a trial, the world's names.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    answers: *mut *mut libc::addrinfo,
) -> c_int {
    let Some(machine) = on_trial().then(current).flatten() else {
        return libc_call!(c"getaddrinfo" as GetAddresses, node, service, hints, answers);
    };
    // SAFETY: the caller's promise.
    let answered = unsafe { NameQuestion::read(node, service, hints) }.and_then(|question| {
        let ip = question.answer(&machine)?;
        Ok(list(&question, ip))
    });
    match answered {
        Ok(_) if answers.is_null() => libc::EAI_FAIL,
        Ok(answered) => {
            // SAFETY: getaddrinfo's caller hands over room for one pointer.
            unsafe { *answers = answered };
            0
        }
        Err(error) => error,
    }
}

/// gethostname(2): a host's name in the world.
#[unsafe(no_mangle)]
unsafe extern "C" fn gethostname(place: *mut c_char, room: libc::size_t) -> c_int {
    let answer = of_machine(|machine| {
        let name = CString::new(machine.host_name()).map_err(|_| Errno(libc::EINVAL))?;
        let bytes = name.as_bytes_with_nul();
        match (place.is_null(), bytes.len() <= room) {
            (true, _) => Err(Errno(libc::EFAULT)),
            (false, false) => Err(Errno(libc::ENAMETOOLONG)),
            (false, true) => {
                // SAFETY: gethostname's caller hands over so much room.
                unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast::<u8>(), bytes.len()) };
                Ok(())
            }
        }
    });
    match answer {
        Some(answer) => done(answer),
        None => libc_call!(c"gethostname" as GetHostName, place, room),
    }
}

/// getpid(2): the number of a process, which is the same in every play.
#[unsafe(no_mangle)]
unsafe extern "C" fn getpid() -> libc::pid_t {
    match of_machine(|machine| Ok(machine.process_number())) {
        Some(answer) => number(answer),
        None => libc_call!(c"getpid" as GetProcess,),
    }
}

/// freeaddrinfo(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn freeaddrinfo(answers: *mut libc::addrinfo) {
    // SAFETY: null, or what getaddrinfo gave.
    let is_ours = unsafe { answers.as_ref() }.is_some_and(|info| info.ai_flags & OURS != 0);
    if is_ours {
        // SAFETY: `list` made it of a box.
        return drop(unsafe { Box::from_raw(answers.cast::<AddressEntry>()) });
    }
    libc_call!(c"freeaddrinfo" as FreeAddresses, answers)
}
