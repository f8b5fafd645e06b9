//! Interposed C symbols: clocks, entropy and the wait for events, simulated on trial threads only.
//!
//! The definitions here take the place of libc's for the whole program; a thread that did not enter a
//! trial falls through to libc at once. Everything is a plain thread-local cell: no allocation, no lock, no
//! destructor, so the symbols work at any time of a thread's life, also inside allocator and loader.
//!
//! `epoll_wait` with a non-zero timeout means that a host's runtime has nothing left to run before
//! now + timeout. The engine learns each host's next timer from it, without patching tokio.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::task::Waker;
use std::time::Duration;

use rand::Rng;

use crate::env::Dice;

/// The simulated wall clock at a trial's start: 2026-01-01 00:00:00 UTC.
pub(crate) const WALL_CLOCK_START: Duration = Duration::from_secs(1_767_225_600);
/// The simulated monotonic clocks at a trial's start; far from zero, so that subtractions stay positive.
const MONOTONIC_START: Duration = Duration::from_secs(1_000_000);
/// A host that polls so often at one instant without going idle will never stop: tokio looks for events
/// every 61 polls, so this is about 6 million polls.
const POLLS_WITHOUT_IDLING: u32 = 100_000;

thread_local! {
    static ON_TRIAL: Cell<bool> = const { Cell::new(false) };
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static ENTROPY: RefCell<Option<Dice>> = const { RefCell::new(None) };
    static TURN: Cell<Turn> = const { Cell::new(Turn::Running) };
    static POLLS: Cell<u32> = const { Cell::new(0) };
    static ROOT: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// How a host's turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Tasks are being polled.
    Running,
    /// Nothing is left to run before the next timer, which is so far away; none: there is no timer.
    Idle(Option<Duration>),
    /// The host does not go idle.
    Stuck,
}

/// Puts this thread into a trial until the guard is dropped.
pub(crate) struct TrialGuard(());

impl TrialGuard {
    pub(crate) fn enter(entropy: Dice) -> Self {
        ENTROPY.set(Some(entropy));
        NOW.set(Duration::ZERO);
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

pub(crate) fn set_now(now: Duration) {
    NOW.set(now);
}

/// Begins a host's turn; `root` is woken when the host goes idle.
pub(crate) fn begin_turn(root: Waker) {
    TURN.set(Turn::Running);
    POLLS.set(0);
    ROOT.set(Some(root));
}

pub(crate) fn turn() -> Turn {
    TURN.get()
}

fn end_turn(turn: Turn) {
    TURN.set(turn);
    if let Some(root) = ROOT.take() {
        root.wake();
    }
}

fn simulated_wait(timeout_ms: c_int) -> c_int {
    if timeout_ms != 0 {
        end_turn(Turn::Idle(u64::try_from(timeout_ms).ok().map(Duration::from_millis)));
    } else {
        POLLS.set(POLLS.get() + 1);
        if POLLS.get() == POLLS_WITHOUT_IDLING {
            end_turn(Turn::Stuck);
        }
    }
    0
}

fn simulated_clock(id: libc::clockid_t) -> Option<Duration> {
    match id {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => Some(WALL_CLOCK_START + NOW.get()),
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_BOOTTIME => {
            Some(MONOTONIC_START + NOW.get())
        }
        _ => None,
    }
}

fn fill_with_entropy(buffer: &mut [u8]) {
    ENTROPY.with_borrow_mut(|entropy| {
        entropy.as_mut().expect("a thread on trial has entropy").fill_bytes(buffer);
    });
}

/// libc's own definition of a symbol that is defined here, found once.
fn libc_symbol(cache: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let known = cache.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: `name` is a C string; RTLD_NEXT asks for the definition after this program's own.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null(), "libc has no {name:?}");
    cache.store(found, Ordering::Relaxed);
    found
}

/// The signature of epoll_wait(2).
type EpollWait = unsafe extern "C" fn(c_int, *mut libc::epoll_event, c_int, c_int) -> c_int;
/// The signature of getrandom(2).
type GetRandom = unsafe extern "C" fn(*mut c_void, libc::size_t, libc::c_uint) -> libc::ssize_t;
/// The signature of getentropy(3).
type GetEntropy = unsafe extern "C" fn(*mut c_void, libc::size_t) -> c_int;
/// The signature of clock_gettime(2).
type ClockGetTime = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;

/// epoll_wait(2): on a trial thread, the end of a host's turn.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_wait(fd: c_int, events: *mut libc::epoll_event, most: c_int, timeout_ms: c_int) -> c_int {
    static LIBC: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if on_trial() {
        return simulated_wait(timeout_ms);
    }
    // SAFETY: the symbol is libc's epoll_wait, whose signature this is; the arguments are the caller's.
    unsafe {
        std::mem::transmute::<*mut c_void, EpollWait>(libc_symbol(&LIBC, c"epoll_wait"))(fd, events, most, timeout_ms)
    }
}

/// getrandom(2): on a trial thread, the trial's dice.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, len: libc::size_t, flags: libc::c_uint) -> libc::ssize_t {
    static LIBC: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if on_trial() {
        // SAFETY: the caller hands over `len` writable bytes at `buffer`.
        fill_with_entropy(unsafe { std::slice::from_raw_parts_mut(buffer.cast(), len) });
        return libc::ssize_t::try_from(len).expect("a slice is at most isize::MAX bytes");
    }
    // SAFETY: the symbol is libc's getrandom, whose signature this is; the arguments are the caller's.
    unsafe { std::mem::transmute::<*mut c_void, GetRandom>(libc_symbol(&LIBC, c"getrandom"))(buffer, len, flags) }
}

/// getentropy(3): on a trial thread, the trial's dice.
#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(buffer: *mut c_void, len: libc::size_t) -> c_int {
    static LIBC: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if on_trial() {
        // SAFETY: the caller hands over `len` writable bytes at `buffer`.
        fill_with_entropy(unsafe { std::slice::from_raw_parts_mut(buffer.cast(), len) });
        return 0;
    }
    // SAFETY: the symbol is libc's getentropy, whose signature this is; the arguments are the caller's.
    unsafe { std::mem::transmute::<*mut c_void, GetEntropy>(libc_symbol(&LIBC, c"getentropy"))(buffer, len) }
}

/// clock_gettime(2): on a trial thread, simulated time. CPU-time clocks stay real.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(id: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    static LIBC: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    if on_trial()
        && let Some(now) = simulated_clock(id)
    {
        let tv_sec = libc::time_t::try_from(now.as_secs()).expect("a trial ends before the year 292 billion");
        // SAFETY: the caller hands over one writable timespec.
        unsafe { *time = libc::timespec { tv_sec, tv_nsec: libc::c_long::from(now.subsec_nanos()) } };
        return 0;
    }
    // SAFETY: the symbol is libc's clock_gettime, whose signature this is; the arguments are the caller's.
    unsafe { std::mem::transmute::<*mut c_void, ClockGetTime>(libc_symbol(&LIBC, c"clock_gettime"))(id, time) }
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

    #[test]
    fn other_threads_keep_the_real_clock_and_entropy() {
        let before = Instant::now();
        on_trial_thread(7, || set_now(Duration::from_secs(1 << 40))).expect("no panic");
        assert!(before.elapsed() < Duration::from_secs(3600));
        let keys: HashMap<u64, ()> = (0..4).map(|_| (RandomState::new().hash_one("key"), ())).collect();
        assert!(keys.len() > 1);
    }
}
