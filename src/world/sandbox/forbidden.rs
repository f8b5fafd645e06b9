//! Interposed C symbols that open files: what no program of a trial may open is noted as an offence, and fails at once.
//!
//! What says where names are asked for is the world's (`own_files`).
//!
//! Files of the real machine may be read, such as a certificate that lies beside a test; they are not of a host's disk, which
//! is another in each trial, and so none is written. All other threads fall through to libc. See `state` for the rules that
//! such a definition obeys, and `offence` for what becomes of a note.
//!
//! `open` and `openat` are variadic in C, which stable Rust can call but not define. The definitions here
//! take every argument that there can be: on Linux's x86-64 and AArch64 a variadic argument travels like any other,
//! and one that the caller did not pass is a word that nobody looks at.

use std::ffi::{CStr, c_char, c_int};

use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::own_files;
use crate::world::sandbox::state::{note_offence, on_trial};

/// The kernel's sources of entropy among the files (random(4)).
const ENTROPY_FILES: [&CStr; 2] = [c"/dev/random", c"/dev/urandom"];

/// The signature of open(2).
type OpenFile = unsafe extern "C" fn(*const c_char, c_int, libc::mode_t) -> c_int;
/// The signature of openat(2).
type OpenFileAt = unsafe extern "C" fn(c_int, *const c_char, c_int, libc::mode_t) -> c_int;
/// Folders of the kernel's own files: what they say is of the real machine.
const KERNEL_FOLDERS: [&[u8]; 2] = [b"/proc/", b"/sys/"];

/// Why a trial does not open a file, as errno; none: it does.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn refusal(path: *const c_char, flags: c_int, function: &'static str) -> Option<c_int> {
    if path.is_null() || !on_trial() {
        return None;
    }
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    if ENTROPY_FILES.contains(&path) {
        note_offence(Offence::Entropy { function });
        return Some(libc::EACCES);
    }
    if KERNEL_FOLDERS.iter().any(|folder| path.to_bytes().starts_with(folder)) {
        return Some(libc::ENOENT);
    }
    let is_written = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_CREAT != 0;
    let is_nothing = path == c"/dev/null";
    if is_written && !is_nothing {
        note_offence(Offence::File { function });
        return Some(libc::EROFS);
    }
    None
}

/// What a trial is answered that opens a file; none: the kernel answers.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn answer(path: *const c_char, flags: c_int, function: &'static str) -> Option<c_int> {
    // SAFETY: the caller's promise.
    unsafe { refusal(path, flags, function).map(fail).or_else(|| own_files::open(path)) }
}

/// open(2): the kernel's entropy is not a trial's.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: open's caller hands over a C string.
    if let Some(answer) = unsafe { answer(path, flags, "open") } {
        return answer;
    }
    libc_call!(c"open" as OpenFile, path, flags, mode)
}

/// open(2) with 64-bit offsets: what std opens files by.
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: open64's caller hands over a C string.
    if let Some(answer) = unsafe { answer(path, flags, "open64") } {
        return answer;
    }
    libc_call!(c"open64" as OpenFile, path, flags, mode)
}

/// openat(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: openat's caller hands over a C string.
    if let Some(answer) = unsafe { answer(path, flags, "openat") } {
        return answer;
    }
    libc_call!(c"openat" as OpenFileAt, folder, path, flags, mode)
}

/// openat(2) with 64-bit offsets.
#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: openat64's caller hands over a C string.
    if let Some(answer) = unsafe { answer(path, flags, "openat64") } {
        return answer;
    }
    libc_call!(c"openat64" as OpenFileAt, folder, path, flags, mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::on_trial_thread;
    use crate::world::sandbox::state::take_offence;

    #[test]
    fn null_is_answered_as_libc_does() {
        on_trial_thread(7, || {
            let null = std::ptr::null();
            // SAFETY: null is what is tested: the kernel says EFAULT of it, and nothing is written.
            let answers = unsafe {
                [
                    open(null, libc::O_RDONLY, 0),
                    open64(null, libc::O_RDONLY, 0),
                    openat(libc::AT_FDCWD, null, libc::O_RDONLY, 0),
                    openat64(libc::AT_FDCWD, null, libc::O_RDONLY, 0),
                ]
            };
            let error = std::io::Error::last_os_error();
            assert_eq!((answers, error.raw_os_error()), ([-1; 4], Some(libc::EFAULT)));
            assert_eq!(take_offence(), None);
        })
        .expect("no panic");
    }
}
