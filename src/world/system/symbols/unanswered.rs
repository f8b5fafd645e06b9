//! Calls on files that this world does not answer: on a simulated one each is an offence, and fails.
//!
//! Refuses those alone: on any other file they are libc's.

use std::ffi::{c_int, c_uint, c_void};

use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state;
use crate::world::system::files::is_simulated;

/// `unanswered!(c"name" name(argument: Type, …) -> Type, of: file, …)`: a call on these files.
macro_rules! unanswered {
    ($name:literal $function:ident($($argument:ident: $type:ty),*) -> $answer:ty, of: $($file:ident),+) => {
        #[doc = concat!("Refused on a simulated file: ", stringify!($function), ".")]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $function($($argument: $type),*) -> $answer {
            if $(is_simulated($file))||+ {
                state::note_offence(Offence::Call { function: stringify!($function) });
                fail(libc::ENOSYS);
                return -1;
            }
            libc_call!($name as unsafe extern "C" fn($($type),*) -> $answer, $($argument),*)
        }
    };
}

unanswered!(c"sendmmsg" sendmmsg(file: c_int, messages: *mut c_void, count: c_uint, flags: c_int) -> c_int, of: file);
unanswered!(c"recvmmsg" recvmmsg(file: c_int, messages: *mut c_void, count: c_uint, flags: c_int, limit: *mut c_void) -> c_int, of: file);
unanswered!(c"dup2" dup2(file: c_int, to: c_int) -> c_int, of: file, to);
unanswered!(c"dup3" dup3(file: c_int, to: c_int, flags: c_int) -> c_int, of: file, to);
unanswered!(c"pread64" pread64(file: c_int, into: *mut c_void, len: libc::size_t, at: i64) -> libc::ssize_t, of: file);
unanswered!(c"pwrite64" pwrite64(file: c_int, from: *const c_void, len: libc::size_t, at: i64) -> libc::ssize_t, of: file);
unanswered!(c"sockatmark" sockatmark(file: c_int) -> c_int, of: file);

/// `copied!(c"name" name(…) -> ssize_t, of: from, to)`: a copy within the kernel, which fails as on files that know of none. Whoever
/// tries it, as std does, goes on by reading and writing.
macro_rules! copied {
    ($name:literal $function:ident($($argument:ident: $type:ty),*), of: $from:ident, $to:ident) => {
        #[doc = concat!("Fails on a simulated file as on one that knows of none: ", stringify!($function), ".")]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $function($($argument: $type),*) -> libc::ssize_t {
            if is_simulated($from) || is_simulated($to) {
                fail(libc::EINVAL);
                return -1;
            }
            libc_call!($name as unsafe extern "C" fn($($type),*) -> libc::ssize_t, $($argument),*)
        }
    };
}

copied!(c"sendfile64" sendfile64(to: c_int, from: c_int, at: *mut i64, len: libc::size_t), of: from, to);
copied!(c"splice" splice(from: c_int, at: *mut i64, to: c_int, to_at: *mut i64, len: libc::size_t, flags: c_uint), of: from, to);
copied!(c"copy_file_range" copy_file_range(from: c_int, at: *mut i64, to: c_int, to_at: *mut i64, len: libc::size_t, flags: c_uint), of: from, to);
