//! Interposed C symbols: clocks and entropy, simulated on trial threads only; and how a host's turn stands.
//!
//! The definitions here take the place of libc's for the whole program; a thread that did not enter a
//! trial falls through to libc at once. Everything is a plain thread-local cell: no allocation, no lock, no
//! destructor, so the symbols work at any time of a thread's life, also inside allocator and loader.
//!
//! What a trial must not call at all is in `forbidden`; sockets and the wait for events are in `system`.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::task::Waker;
use std::time::Duration;

use rand::Rng;

use crate::env::Dice;
use crate::world::clock::WALL_CLOCK_START;
use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::{self, Offence};

/// The simulated monotonic clocks at a trial's start; far from zero, so that subtractions stay positive.
const MONOTONIC_START: Duration = Duration::from_secs(1_000_000);
/// What getentropy(3) gives at one time.
const ENTROPY_MAX: usize = 256;

thread_local! {
    static ON_TRIAL: Cell<bool> = const { Cell::new(false) };
    static READINGS: Cell<Readings> = const { Cell::new(Readings::of_trial(Duration::ZERO)) };
    static WALL_CLOCK_READ: Cell<bool> = const { Cell::new(false) };
    static ENTROPY: RefCell<Option<Dice>> = const { RefCell::new(None) };
    static TURN: Cell<HostTurn> = const { Cell::new(HostTurn::Running) };
    static STEPS_LEFT: Cell<u32> = const { Cell::new(0) };
    static ROOT: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// What the clocks of this thread show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readings {
    /// Since the trial's start, without the time that the host slept.
    pub(crate) monotonic: Duration,
    /// Since the trial's start.
    pub(crate) boottime: Duration,
    /// Since the Unix epoch.
    pub(crate) wall: Duration,
}

impl Readings {
    /// The right clocks, of a host that never slept.
    const fn of_trial(now: Duration) -> Self {
        Readings { monotonic: now, boottime: now, wall: WALL_CLOCK_START.saturating_add(now) }
    }
}

/// How a host's turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostTurn {
    /// Tasks are being polled.
    Running,
    /// Nothing is left to run before the next timer, which is so far away; none: there is no timer.
    Idle(Option<Duration>),
    /// The host does not go idle.
    Stuck,
    /// A task panicked.
    Panicked,
    /// The process has died at a named point.
    Dead,
}

/// Puts this thread into a trial until the guard is dropped.
pub(crate) struct TrialGuard(());

impl TrialGuard {
    pub(crate) fn enter(entropy: Dice) -> Self {
        ENTROPY.set(Some(entropy));
        set_now(Duration::ZERO);
        ON_TRIAL.set(true);
        TrialGuard(())
    }
}

impl Drop for TrialGuard {
    fn drop(&mut self) {
        ON_TRIAL.set(false);
        ROOT.set(None);
        ENTROPY.set(None);
    }
}

/// Whether this thread plays a trial.
pub(crate) fn on_trial() -> bool {
    ON_TRIAL.get()
}

/// Outside of a host's turn the clocks are the trial's.
pub(crate) fn set_now(now: Duration) {
    READINGS.set(Readings::of_trial(now));
}

/// In a host's turn the clocks are the host's.
pub(crate) fn set_readings(readings: Readings) {
    READINGS.set(readings);
}

/// The wall clock of whoever has its turn.
pub(crate) fn read_wall_clock() -> Duration {
    WALL_CLOCK_READ.set(true);
    READINGS.get().wall
}

/// The boot clock of whoever has its turn.
pub(crate) fn read_boot_clock() -> Duration {
    MONOTONIC_START + READINGS.get().boottime
}

/// Whether anybody has looked at a wall clock since the last call.
pub(crate) fn take_wall_clock_read() -> bool {
    WALL_CLOCK_READ.replace(false)
}

/// Begins a host's turn of at most so many steps; `root` is woken when the host goes idle.
pub(crate) fn begin_turn(root: Waker, steps: u32) {
    TURN.set(HostTurn::Running);
    STEPS_LEFT.set(steps);
    ROOT.set(Some(root));
}

/// The host takes so many steps; whether they are left to it. Where they are not, it is stuck: its turn ends as soon as
/// a task waits for something.
pub(crate) fn take_steps(steps: u32) -> bool {
    let left = STEPS_LEFT.get().checked_sub(steps);
    STEPS_LEFT.set(left.unwrap_or(0));
    if left.is_none() {
        end_turn(HostTurn::Stuck);
    }
    left.is_some()
}

/// How many steps are left to the host.
pub(crate) fn steps_left() -> u32 {
    STEPS_LEFT.get()
}

pub(crate) fn turn() -> HostTurn {
    TURN.get()
}

/// Ends the turn, soon: tokio looks at its root every 61 polls at the latest. The first reason counts.
pub(crate) fn end_turn(turn: HostTurn) {
    if TURN.get() != HostTurn::Running {
        return;
    }
    TURN.set(turn);
    if let Some(root) = ROOT.take() {
        root.wake();
    }
}

/// What a clock shows; `None`: it is real on a trial, too.
fn simulated_clock(id: libc::clockid_t) -> Option<Result<Duration, Offence>> {
    match id {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_REALTIME_ALARM => Some(Ok(read_wall_clock())),
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_MONOTONIC_RAW => {
            Some(Ok(MONOTONIC_START + READINGS.get().monotonic))
        }
        libc::CLOCK_BOOTTIME | libc::CLOCK_BOOTTIME_ALARM => Some(Ok(read_boot_clock())),
        // The CPU time of this process, of this thread, and of others, whose numbers are negative: it measures work.
        libc::CLOCK_PROCESS_CPUTIME_ID | libc::CLOCK_THREAD_CPUTIME_ID | ..0 => None,
        _ => Some(Err(Offence::Clock { id })),
    }
}

/// Fills what a C caller hands over from the trial's dice; whether there was anything to fill it into.
///
/// # Safety
/// `buffer` is null, or `len` bytes that may be written.
pub(crate) unsafe fn fill_with_entropy(buffer: *mut u8, len: usize) -> bool {
    // No slice may begin at null, not even an empty one.
    if buffer.is_null() {
        return len == 0;
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, len) };
    ENTROPY.with_borrow_mut(|entropy| entropy.as_mut().expect("a thread on trial has entropy").fill_bytes(bytes));
    true
}

fn seconds_of(time: Duration) -> libc::time_t {
    libc::time_t::try_from(time.as_secs()).expect("a trial ends before the year 292 billion")
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
                let shown = libc::timespec { tv_sec: seconds_of(now), tv_nsec: libc::c_long::from(now.subsec_nanos()) };
                // SAFETY: the caller hands over one writable timespec.
                unsafe { *time = shown };
                0
            }
            Err(offence) => {
                offence::note(offence);
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
    use crate::world::on_trial_thread;

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
