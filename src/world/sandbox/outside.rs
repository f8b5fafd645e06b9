//! Interposed C symbols that would change the real machine: its folders and files, and what runs on it.
//!
//! No program of a trial may call them: each notes the offence and fails. All other threads fall through to libc.

use std::ffi::{c_char, c_int, c_void};

use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state::{note_offence, on_trial};

/// `refused!(offence, answer, c"name" name(argument: Type, …))`: a function that a trial may not call, and what it says then.
macro_rules! refused {
    ($offence:ident, $answer:expr, $name:literal $function:ident($($argument:ident: $type:ty),*)) => {
        #[doc = concat!("Refused on a trial's thread: ", stringify!($function), ".")]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $function($($argument: $type),*) -> c_int {
            if on_trial() {
                note_offence(Offence::$offence { function: stringify!($function) });
                return $answer;
            }
            libc_call!($name as unsafe extern "C" fn($($type),*) -> c_int, $($argument),*)
        }
    };
}

refused!(File, fail(libc::EPERM), c"mkdir" mkdir(path: *const c_char, mode: libc::mode_t));
refused!(File, fail(libc::EPERM), c"rmdir" rmdir(path: *const c_char));
refused!(File, fail(libc::EPERM), c"unlink" unlink(path: *const c_char));
refused!(File, fail(libc::EPERM), c"unlinkat" unlinkat(folder: c_int, path: *const c_char, flags: c_int));
refused!(File, fail(libc::EPERM), c"rename" rename(from: *const c_char, to: *const c_char));
refused!(File, fail(libc::EPERM), c"symlink" symlink(to: *const c_char, path: *const c_char));
refused!(File, fail(libc::EPERM), c"link" link(from: *const c_char, to: *const c_char));
refused!(File, fail(libc::EPERM), c"linkat" linkat(at: c_int, from: *const c_char, place: c_int, to: *const c_char, flags: c_int));
refused!(File, fail(libc::EPERM), c"chmod" chmod(path: *const c_char, mode: libc::mode_t));
refused!(File, fail(libc::EPERM), c"chdir" chdir(path: *const c_char));
refused!(File, fail(libc::EPERM), c"truncate64" truncate64(path: *const c_char, len: libc::off64_t));
refused!(Process, fail(libc::EPERM), c"fork" fork());
// They return their error instead of setting errno. Their lists are looked at by libc alone.
refused!(Process, libc::EPERM, c"posix_spawn" posix_spawn(
    process: *mut libc::pid_t,
    path: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: *const *mut c_char,
    variables: *const *mut c_char
));
// What std begins processes by.
refused!(Process, libc::EPERM, c"posix_spawnp" posix_spawnp(
    process: *mut libc::pid_t,
    name: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: *const *mut c_char,
    variables: *const *mut c_char
));
