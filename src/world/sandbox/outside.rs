//! Interposed C symbols that would change the real machine: its folders and files, and what runs on it.
//!
//! No program of a trial may call them: each notes the offence and fails. All other threads fall through to libc.

use std::ffi::{c_char, c_int, c_void};

use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state::{note_offence, on_trial};

/// `refused!(offence, c"name" name(argument: Type, …) as Signature)`: a function that a trial may not call.
macro_rules! refused {
    ($offence:ident, $name:literal $function:ident($($argument:ident: $type:ty),*)) => {
        #[doc = concat!("Refused on a trial's thread: ", stringify!($function), ".")]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $function($($argument: $type),*) -> c_int {
            if on_trial() {
                note_offence(Offence::$offence { function: stringify!($function) });
                return fail(libc::EPERM);
            }
            libc_call!($name as unsafe extern "C" fn($($type),*) -> c_int, $($argument),*)
        }
    };
}

refused!(File, c"mkdir" mkdir(path: *const c_char, mode: libc::mode_t));
refused!(File, c"rmdir" rmdir(path: *const c_char));
refused!(File, c"unlink" unlink(path: *const c_char));
refused!(File, c"unlinkat" unlinkat(folder: c_int, path: *const c_char, flags: c_int));
refused!(File, c"rename" rename(from: *const c_char, to: *const c_char));
refused!(File, c"symlink" symlink(to: *const c_char, path: *const c_char));
refused!(File, c"link" link(from: *const c_char, to: *const c_char));
refused!(File, c"linkat" linkat(at: c_int, from: *const c_char, place: c_int, to: *const c_char, flags: c_int));
refused!(File, c"chmod" chmod(path: *const c_char, mode: libc::mode_t));
refused!(File, c"chdir" chdir(path: *const c_char));
refused!(File, c"truncate64" truncate64(path: *const c_char, len: libc::off64_t));
refused!(Process, c"fork" fork());

/// The signature of posix_spawn(3) and posix_spawnp(3), whose lists are looked at by libc alone.
type Spawn = unsafe extern "C" fn(
    *mut libc::pid_t,
    *const c_char,
    *const c_void,
    *const c_void,
    *const *mut c_char,
    *const *mut c_char,
) -> c_int;

/// posix_spawn(3): what begins is not of the trial.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_spawn(
    process: *mut libc::pid_t,
    path: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: *const *mut c_char,
    variables: *const *mut c_char,
) -> c_int {
    if on_trial() {
        note_offence(Offence::Process { function: "posix_spawn" });
        // It returns its error instead of setting errno.
        return libc::EPERM;
    }
    libc_call!(c"posix_spawn" as Spawn, process, path, actions, attributes, arguments, variables)
}

/// posix_spawnp(3): what std begins processes by.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_spawnp(
    process: *mut libc::pid_t,
    name: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: *const *mut c_char,
    variables: *const *mut c_char,
) -> c_int {
    if on_trial() {
        note_offence(Offence::Process { function: "posix_spawnp" });
        return libc::EPERM;
    }
    libc_call!(c"posix_spawnp" as Spawn, process, name, actions, attributes, arguments, variables)
}
