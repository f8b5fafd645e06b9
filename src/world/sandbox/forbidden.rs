//! Interposed C symbols that no program of a trial may call: each notes the offence and fails at once.
//!
//! All other threads fall through to libc. See `interpose` for the rules that such a definition obeys, and `offence`
//! for what becomes of a note.
//!
//! `syscall`, `open` and `openat` are variadic in C, which stable Rust can call but not define. The definitions here
//! take every argument that there can be: on Linux's x86-64 and AArch64 a variadic argument travels like any other,
//! and one that the caller did not pass is a word that nobody looks at.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};

use crate::world::sandbox::interpose::{fill_with_entropy, on_trial};
use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::{Offence, note};

/// The kernel's sources of entropy among the files (random(4)).
const ENTROPY_FILES: [&CStr; 2] = [c"/dev/random", c"/dev/urandom"];

/// The signature of nanosleep(2).
type NanoSleep = unsafe extern "C" fn(*const libc::timespec, *mut libc::timespec) -> c_int;
/// The signature of clock_nanosleep(2).
type ClockNanoSleep = unsafe extern "C" fn(libc::clockid_t, c_int, *const libc::timespec, *mut libc::timespec) -> c_int;
/// What a thread runs.
type ThreadMain = extern "C" fn(*mut c_void) -> *mut c_void;
/// The signature of pthread_create(3).
type ThreadCreate =
    unsafe extern "C" fn(*mut libc::pthread_t, *const libc::pthread_attr_t, ThreadMain, *mut c_void) -> c_int;
/// The signature of open(2).
type OpenFile = unsafe extern "C" fn(*const c_char, c_int, libc::mode_t) -> c_int;
/// The signature of openat(2).
type OpenFileAt = unsafe extern "C" fn(c_int, *const c_char, c_int, libc::mode_t) -> c_int;
/// The signature of syscall(2).
type SystemCall = unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;

/// nanosleep(2): a trial's time does not pass by waiting.
#[unsafe(no_mangle)]
unsafe extern "C" fn nanosleep(time: *const libc::timespec, rest: *mut libc::timespec) -> c_int {
    if on_trial() {
        note(Offence::Sleep { function: "nanosleep" });
        // Not an error: std would try again, for ever.
        return 0;
    }
    libc_call!(c"nanosleep" as NanoSleep, time, rest)
}

/// clock_nanosleep(2): what std sleeps by.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    clock: libc::clockid_t,
    flags: c_int,
    time: *const libc::timespec,
    rest: *mut libc::timespec,
) -> c_int {
    if on_trial() {
        note(Offence::Sleep { function: "clock_nanosleep" });
        return 0;
    }
    libc_call!(c"clock_nanosleep" as ClockNanoSleep, clock, flags, time, rest)
}

/// pthread_create(3): a trial has one thread.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    main: ThreadMain,
    argument: *mut c_void,
) -> c_int {
    if on_trial() {
        note(Offence::Thread);
        // It returns its error instead of setting errno.
        return libc::EAGAIN;
    }
    libc_call!(c"pthread_create" as ThreadCreate, thread, attributes, main, argument)
}

/// Whether a trial opens a source of entropy, which is noted.
///
/// # Safety
/// `path` is a C string.
unsafe fn is_entropy(path: *const c_char, function: &'static str) -> bool {
    // SAFETY: the caller's promise.
    let is_entropy = on_trial() && !path.is_null() && ENTROPY_FILES.contains(&unsafe { CStr::from_ptr(path) });
    if is_entropy {
        note(Offence::Entropy { function });
    }
    is_entropy
}

/// open(2): the kernel's entropy is not a trial's.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: open's caller hands over a C string.
    if unsafe { is_entropy(path, "open") } {
        return fail(libc::EACCES);
    }
    libc_call!(c"open" as OpenFile, path, flags, mode)
}

/// open(2) with 64-bit offsets: what std opens files by.
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: open64's caller hands over a C string.
    if unsafe { is_entropy(path, "open64") } {
        return fail(libc::EACCES);
    }
    libc_call!(c"open64" as OpenFile, path, flags, mode)
}

/// openat(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: openat's caller hands over a C string.
    if unsafe { is_entropy(path, "openat") } {
        return fail(libc::EACCES);
    }
    libc_call!(c"openat" as OpenFileAt, folder, path, flags, mode)
}

/// openat(2) with 64-bit offsets.
#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: openat64's caller hands over a C string.
    if unsafe { is_entropy(path, "openat64") } {
        return fail(libc::EACCES);
    }
    libc_call!(c"openat64" as OpenFileAt, folder, path, flags, mode)
}

/// Whether a futex(2) waits with a time limit: `Condvar::wait_timeout`, `thread::park_timeout`. A wait without one is
/// for a lock that another trial's thread holds for a moment.
fn is_timed_wait(operation: c_long, limit: c_long) -> bool {
    let flags = c_long::from(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
    let command = operation & !flags;
    limit != 0 && [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET].map(c_long::from).contains(&command)
}

/// syscall(2): a way around every other symbol. std waits for locks by it, which stays allowed; getrandom(2) by it, as ring
/// asks (getrandom 0.2), is answered like getrandom(2) itself.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    first: c_long,
    second: c_long,
    third: c_long,
    fourth: c_long,
    fifth: c_long,
    sixth: c_long,
) -> c_long {
    if on_trial() {
        match number {
            libc::SYS_getrandom => {
                let is_filled = usize::try_from(second).is_ok_and(|len| {
                    // SAFETY: the system call's caller hands over `len` writable bytes.
                    unsafe { fill_with_entropy(first as *mut u8, len) }
                });
                return if is_filled { second } else { c_long::from(fail(libc::EFAULT)) };
            }
            libc::SYS_futex if is_timed_wait(second, fourth) => {
                note(Offence::TimedWait);
                return c_long::from(fail(libc::ETIMEDOUT));
            }
            _ => {}
        }
    }
    libc_call!(c"syscall" as SystemCall, number, first, second, third, fourth, fifth, sixth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::on_trial_thread;
    use crate::world::sandbox::offence::take;

    #[test]
    fn null_is_answered_as_libc_does() {
        on_trial_thread(7, || {
            let null = std::ptr::null();
            // SAFETY: null is what is tested: the kernel says EFAULT of it, and nothing is written.
            let answers = unsafe {
                [
                    syscall(libc::SYS_getrandom, 0, 8, 0, 0, 0, 0),
                    syscall(libc::SYS_getrandom, 1, -1, 0, 0, 0, 0),
                    open(null, libc::O_RDONLY, 0).into(),
                    open64(null, libc::O_RDONLY, 0).into(),
                    openat(libc::AT_FDCWD, null, libc::O_RDONLY, 0).into(),
                    openat64(libc::AT_FDCWD, null, libc::O_RDONLY, 0).into(),
                ]
            };
            let error = std::io::Error::last_os_error();
            assert_eq!((answers, error.raw_os_error()), ([-1; 6], Some(libc::EFAULT)));
            assert_eq!(take(), None);
        })
        .expect("no panic");
    }

    /// getrandom 0.2 asks for no bytes at all, once in a process, to learn whether the call exists: trials that come later
    /// must not differ.
    #[test]
    fn asking_for_no_entropy_draws_none_and_what_is_asked_for_is_the_seeds() {
        let drawn = |seed, probes| {
            on_trial_thread(seed, move || {
                let mut bytes = [0_u8; 9];
                let buffer = bytes.as_mut_ptr() as c_long;
                for _ in 0..probes {
                    // SAFETY: nothing is written to no bytes.
                    assert_eq!(unsafe { syscall(libc::SYS_getrandom, buffer, 0, 0, 0, 0, 0) }, 0);
                }
                // SAFETY: the buffer has as many bytes as are asked for.
                assert_eq!(unsafe { syscall(libc::SYS_getrandom, buffer, 9, 0, 0, 0, 0) }, 9);
                bytes
            })
            .expect("no panic")
        };
        assert_eq!(drawn(7, 0), drawn(7, 3));
        assert_ne!(drawn(7, 0), drawn(8, 0));
    }
}
