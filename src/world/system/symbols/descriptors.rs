//! close(2), dup(2), fcntl(2), ioctl(2).
//!
//! `fcntl` and `ioctl` are variadic in C; see `sandbox::forbidden` for why they can be defined here all the same.

use std::ffi::{c_int, c_long, c_ulong};

use crate::world::sandbox::libc_call::libc_call;
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state;
use crate::world::system::error::Errno;
use crate::world::system::files::is_simulated;
use crate::world::system::machine::Machine;
use crate::world::system::symbols::answers::{done, number, of_file, of_machine};

/// The signature of close(2) and of dup(2).
type OfOne = unsafe extern "C" fn(c_int) -> c_int;
/// The signature of fcntl(2).
type FileControl = unsafe extern "C" fn(c_int, c_int, c_long) -> c_int;
/// The signature of ioctl(2).
type DeviceControl = unsafe extern "C" fn(c_int, c_ulong, *mut c_int) -> c_int;

/// close(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn close(file: c_int) -> c_int {
    if is_simulated(file) {
        // Whose process is dead, or trial over, has nothing left that could be closed: std aborts where it hears of an error.
        return match of_file(file, |machine| machine.close(file)) {
            Some(Ok(()) | Err(_)) | None => 0,
        };
    }
    libc_call!(c"close" as OfOne, file)
}

/// A duplicate of a simulated file, or what stands in for one of a real socket pair; none: it is another real file.
///
/// A runtime with tokio's feature `signal` takes a duplicate of the socket on which the program hears signals (tokio 1.54),
/// which never come to a simulated host. So what it gets is a simulated file on which nothing ever happens. The three files that
/// every program has stay what they are.
fn duplicate(file: c_int) -> Option<Result<c_int, Errno>> {
    if is_simulated(file) {
        return of_file(file, |machine| machine.duplicate(file));
    }
    if file <= libc::STDERR_FILENO {
        return None;
    }
    of_machine(|machine| Ok(is_of_a_pair(file).then(|| machine.open_silent()))).and_then(Result::transpose)
}

/// Whether a real file is a Unix socket.
fn is_of_a_pair(file: c_int) -> bool {
    let (mut domain, mut len) = (0_i32, size_of::<c_int>() as libc::socklen_t);
    // SAFETY: getsockopt writes at most `len` bytes to `domain`.
    let answer =
        unsafe { libc::getsockopt(file, libc::SOL_SOCKET, libc::SO_DOMAIN, (&raw mut domain).cast(), &raw mut len) };
    answer == 0 && domain == libc::AF_UNIX
}

/// dup(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn dup(file: c_int) -> c_int {
    match duplicate(file) {
        Some(answer) => number(answer),
        None => libc_call!(c"dup" as OfOne, file),
    }
}

fn control(machine: &Machine, file: c_int, command: c_int, argument: c_long) -> Result<c_int, Errno> {
    let access = if machine.is_nonblocking(file)? { libc::O_RDWR | libc::O_NONBLOCK } else { libc::O_RDWR };
    match command {
        libc::F_GETFL => Ok(access),
        libc::F_SETFL => {
            machine.set_nonblocking(file, argument & c_long::from(libc::O_NONBLOCK) != 0)?;
            Ok(0)
        }
        libc::F_SETFD => Ok(0),
        _ => {
            state::note_offence(Offence::Call { function: "fcntl" });
            Err(Errno(libc::EINVAL))
        }
    }
}

/// fcntl(2). Every simulated file is closed by exec(3): no process of a trial runs another program.
#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl(file: c_int, command: c_int, argument: c_long) -> c_int {
    if command == libc::F_GETFD && is_simulated(file) {
        // std asks before it closes, and aborts where there is nothing to close; see `close`.
        return libc::FD_CLOEXEC;
    }
    let answer = match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => duplicate(file),
        _ => of_file(file, |machine| control(machine, file, command, argument)),
    };
    match answer {
        Some(answer) => number(answer),
        None => libc_call!(c"fcntl" as FileControl, file, command, argument),
    }
}

/// fcntl(2) with 64-bit offsets.
#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl64(file: c_int, command: c_int, argument: c_long) -> c_int {
    if is_simulated(file) {
        // SAFETY: fcntl is defined above, and reads nothing through its argument for a simulated file.
        return unsafe { fcntl(file, command, argument) };
    }
    libc_call!(c"fcntl64" as FileControl, file, command, argument)
}

/// ioctl(2): whether calls wait, and how much can be read.
#[unsafe(no_mangle)]
unsafe extern "C" fn ioctl(file: c_int, request: c_ulong, argument: *mut c_int) -> c_int {
    let answer = of_file(file, |machine| {
        if argument.is_null() {
            return Err(Errno(libc::EFAULT));
        }
        match request {
            // SAFETY: both requests are about one int at their argument (ioctl_tty(2), tcp(7)).
            libc::FIONBIO => machine.set_nonblocking(file, unsafe { *argument } != 0),
            libc::FIONREAD => {
                let unread = machine.socket(file, |socket| socket.unread())?;
                // SAFETY: as above.
                unsafe { *argument = c_int::try_from(unread).unwrap_or(c_int::MAX) };
                Ok(())
            }
            _ => {
                state::note_offence(Offence::Call { function: "ioctl" });
                Err(Errno(libc::ENOTTY))
            }
        }
    });
    match answer {
        Some(answer) => done(answer),
        None => libc_call!(c"ioctl" as DeviceControl, file, request, argument),
    }
}
