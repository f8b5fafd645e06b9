//! Interposed C symbols: clocks and entropy, simulated on trial threads only.
//!
//! The definitions here take the place of libc's for the whole program; a thread that did not enter a trial falls through
//! to libc at once (see `state`).
//!
//! What a trial must not call at all is in `forbidden`; sockets and the wait for events are in `system`.

use std::ffi::{c_int, c_void};
use std::time::Duration;

use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state::{
    fill_with_entropy, note_offence, on_trial, read_boot_clock, read_monotonic_clock, read_wall_clock,
};

/// What getentropy(3) gives at one time.
const ENTROPY_MAX: usize = 256;

/// What a clock shows; `None`: it is real on a trial, too.
fn simulated_clock(id: libc::clockid_t) -> Option<Result<Duration, Offence>> {
    match id {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_REALTIME_ALARM => Some(Ok(read_wall_clock())),
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_MONOTONIC_RAW => {
            Some(Ok(read_monotonic_clock()))
        }
        libc::CLOCK_BOOTTIME | libc::CLOCK_BOOTTIME_ALARM => Some(Ok(read_boot_clock())),
        // The CPU time of this process, of this thread, and of others, whose numbers are negative: it measures work.
        libc::CLOCK_PROCESS_CPUTIME_ID | libc::CLOCK_THREAD_CPUTIME_ID | ..0 => None,
        _ => Some(Err(Offence::Clock { id })),
    }
}

fn seconds_of(time: Duration) -> libc::time_t {
    // No trial lasts until the year 292 billion.
    time.as_secs().cast_signed()
}

/// The signature of getrandom(2).
type GetRandom = unsafe extern "C" fn(*mut c_void, libc::size_t, libc::c_uint) -> libc::ssize_t;
/// The signature of getentropy(3).
type GetEntropy = unsafe extern "C" fn(*mut c_void, libc::size_t) -> c_int;
/// The signature of clock_gettime(2).
type ClockGetTime = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;
/// The signature of gettimeofday(2).
type GetTimeOfDay = unsafe extern "C" fn(*mut libc::timeval, *mut libc::timezone) -> c_int;
/// The signature of time(2).
type Time = unsafe extern "C" fn(*mut libc::time_t) -> libc::time_t;

/// getrandom(2): on a trial thread, the trial's dice.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, len: libc::size_t, flags: libc::c_uint) -> libc::ssize_t {
    if on_trial() {
        // SAFETY: getrandom's caller hands over `len` writable bytes at `buffer`.
        return match unsafe { fill_with_entropy(buffer.cast(), len) } {
            true => libc::ssize_t::try_from(len).expect("a slice is at most isize::MAX bytes"),
            false => fail(libc::EFAULT) as libc::ssize_t,
        };
    }
    libc_call!(c"getrandom" as GetRandom, buffer, len, flags)
}

/// getentropy(3): on a trial thread, the trial's dice.
#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(buffer: *mut c_void, len: libc::size_t) -> c_int {
    if on_trial() {
        if len > ENTROPY_MAX {
            return fail(libc::EIO);
        }
        // SAFETY: getentropy's caller hands over `len` writable bytes at `buffer`.
        return if unsafe { fill_with_entropy(buffer.cast(), len) } { 0 } else { fail(libc::EFAULT) };
    }
    libc_call!(c"getentropy" as GetEntropy, buffer, len)
}

/// clock_gettime(2): on a trial thread, the clocks of the host that has its turn. CPU-time clocks stay real.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(id: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    if on_trial()
        && let Some(simulated) = simulated_clock(id)
    {
        return match simulated {
            Ok(_) if time.is_null() => fail(libc::EFAULT),
            Ok(now) => {
                let shown = libc::timespec { tv_sec: seconds_of(now), tv_nsec: now.subsec_nanos().into() };
                // SAFETY: the caller hands over one writable timespec.
                unsafe { *time = shown };
                0
            }
            Err(offence) => {
                note_offence(offence);
                fail(libc::EINVAL)
            }
        };
    }
    libc_call!(c"clock_gettime" as ClockGetTime, id, time)
}

/// gettimeofday(2): on a trial thread, the host's wall clock; it has no time zone.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, zone: *mut libc::timezone) -> c_int {
    if on_trial() {
        let now = read_wall_clock();
        let shown = libc::timeval {
            tv_sec: seconds_of(now),
            tv_usec: libc::suseconds_t::from(i32::try_from(now.subsec_micros()).expect("less than a million")),
        };
        if !time.is_null() {
            // SAFETY: the caller hands over one writable timeval.
            unsafe { *time = shown };
        }
        return 0;
    }
    libc_call!(c"gettimeofday" as GetTimeOfDay, time, zone)
}

/// time(2): on a trial thread, the host's wall clock.
#[unsafe(no_mangle)]
unsafe extern "C" fn time(seconds: *mut libc::time_t) -> libc::time_t {
    if on_trial() {
        let now = seconds_of(read_wall_clock());
        if !seconds.is_null() {
            // SAFETY: the caller hands over one writable time_t.
            unsafe { *seconds = now };
        }
        return now;
    }
    libc_call!(c"time" as Time, seconds)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the real clock and keys are what is tested")]
mod tests {
    use std::collections::HashMap;
    use std::hash::{BuildHasher, RandomState};
    use std::time::{Instant, SystemTime};

    use super::*;
    use crate::world::clock::WALL_CLOCK_START;
    use crate::world::on_trial_thread;
    use crate::world::sandbox::state::set_now;

    #[test]
    fn clocks_and_hash_keys_of_a_trial_come_from_its_seed() {
        let probe = |seed| {
            on_trial_thread(seed, || {
                let start = Instant::now();
                set_now(Duration::from_secs(5));
                (start.elapsed(), SystemTime::now(), RandomState::new().hash_one("key"))
            })
            .expect("no panic")
        };
        let (elapsed, wall, hash) = probe(7);
        assert_eq!(elapsed, Duration::from_secs(5));
        assert_eq!(wall, SystemTime::UNIX_EPOCH + WALL_CLOCK_START + Duration::from_secs(5));
        assert_eq!(hash, probe(7).2);
        assert_ne!(hash, probe(8).2);
    }

    /// What libc says of null: `EFAULT` where it would write through it.
    #[test]
    fn null_is_answered_as_libc_does() {
        let fault = |failed: i64| {
            assert_eq!(failed, -1);
            std::io::Error::last_os_error().raw_os_error()
        };
        on_trial_thread(7, move || {
            let none = std::ptr::null_mut();
            // SAFETY: null is what is tested: nothing is read or written there.
            unsafe {
                assert_eq!(fault(getrandom(none, 8, 0) as i64), Some(libc::EFAULT));
                assert_eq!(getrandom(none, 0, 0), 0);
                assert_eq!(fault(getentropy(none, 8).into()), Some(libc::EFAULT));
                assert_eq!(getentropy(none, 0), 0);
                let fault_of_clock = fault(clock_gettime(libc::CLOCK_MONOTONIC, std::ptr::null_mut()).into());
                assert_eq!(fault_of_clock, Some(libc::EFAULT));
                assert_eq!(gettimeofday(std::ptr::null_mut(), std::ptr::null_mut()), 0);
                assert_eq!(time(std::ptr::null_mut()), seconds_of(WALL_CLOCK_START));
            }
        })
        .expect("no panic");
    }

    #[test]
    fn more_entropy_than_getentropy_gives_is_refused() {
        let answers = on_trial_thread(7, || {
            let mut bytes = [0_u8; ENTROPY_MAX + 1];
            // SAFETY: the buffer has as many bytes as are asked for.
            [ENTROPY_MAX, ENTROPY_MAX + 1].map(|len| unsafe { getentropy(bytes.as_mut_ptr().cast(), len) })
        });
        assert_eq!(answers.expect("no panic"), [0, -1]);
    }

    #[test]
    fn other_threads_keep_the_real_clock_and_entropy() {
        let before = Instant::now();
        on_trial_thread(7, || set_now(Duration::from_secs(1 << 40))).expect("no panic");
        assert!(before.elapsed() < Duration::from_secs(3600));
        let keys: HashMap<u64, ()> = (0..4).map(|_| (RandomState::new().hash_one("key"), ())).collect();
        assert!(keys.len() > 1);
    }
}
