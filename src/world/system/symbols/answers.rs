//! From an answer of the machine to a C function's.

use std::ffi::c_int;

use crate::world::sandbox::libc_call::fail;
use crate::world::sandbox::state::on_trial;
use crate::world::system::error::Errno;
use crate::world::system::files::{Number, is_simulated};
use crate::world::system::machine::{Machine, with_current};

/// What the machine answers about one of its files; none: it is no simulated one.
pub(crate) fn of_file<T>(number: Number, ask: impl FnOnce(&Machine) -> Result<T, Errno>) -> Option<Result<T, Errno>> {
    if !is_simulated(number) {
        return None;
    }
    // No number of a trial leads anywhere outside of it.
    let answered = if on_trial() { with_current(ask) } else { None };
    Some(answered.unwrap_or(Err(Errno(libc::EBADF))))
}

/// What the machine answers whose turn it is; none: it is nobody's.
pub(crate) fn of_machine<T>(ask: impl FnOnce(&Machine) -> Result<T, Errno>) -> Option<Result<T, Errno>> {
    if on_trial() { with_current(ask) } else { None }
}

/// What a C function returns that gives a number of its own.
pub(crate) fn number(answer: Result<c_int, Errno>) -> c_int {
    answer.unwrap_or_else(|Errno(error)| fail(error))
}

/// What a C function returns that gives nothing but success.
pub(crate) fn done(answer: Result<(), Errno>) -> c_int {
    number(answer.map(|()| 0))
}

/// What a C function returns that gives a length.
pub(crate) fn length(answer: Result<usize, Errno>) -> libc::ssize_t {
    match answer {
        Ok(len) => libc::ssize_t::try_from(len).expect("a buffer is at most isize::MAX bytes"),
        Err(Errno(error)) => fail(error) as libc::ssize_t,
    }
}
