//! Threads and waits: pthread_create(3), pthread_join(3), futex(2), nanosleep(2), sched_yield(2), and what a machine says of
//! its processors.
//!
//! `syscall` is variadic in C; see `sandbox::forbidden` for why it can be defined here all the same.

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state::{self, fill_with_entropy, on_trial};
use crate::world::system::machine::{Machine, current, leave_thread, with_current};
use crate::world::system::threads::{Coroutine, Rest, Woken, read_futex};

/// Processors that every machine of this world has: more than one, so that programs which count them are not alone.
const PROCESSORS: usize = 2;

/// System calls by number that lead nowhere: std and others make them where libc has, or had, no function for them.
const HARMLESS: [c_long; 4] = [libc::SYS_gettid, libc::SYS_membarrier, libc::SYS_statx, libc::SYS_rseq];

/// What a thread runs.
type ThreadMain = extern "C" fn(*mut c_void) -> *mut c_void;
/// The signature of pthread_create(3).
type ThreadCreate =
    unsafe extern "C" fn(*mut libc::pthread_t, *const libc::pthread_attr_t, ThreadMain, *mut c_void) -> c_int;
/// The signature of pthread_join(3).
type ThreadJoin = unsafe extern "C" fn(libc::pthread_t, *mut *mut c_void) -> c_int;
/// The signature of nanosleep(2).
type NanoSleep = unsafe extern "C" fn(*const libc::timespec, *mut libc::timespec) -> c_int;
/// The signature of clock_nanosleep(2).
type ClockNanoSleep = unsafe extern "C" fn(libc::clockid_t, c_int, *const libc::timespec, *mut libc::timespec) -> c_int;
/// The signature of sched_yield(2).
type Yield = unsafe extern "C" fn() -> c_int;
/// The signature of sched_getaffinity(2).
type GetAffinity = unsafe extern "C" fn(libc::pid_t, libc::size_t, *mut libc::cpu_set_t) -> c_int;
/// The signature of syscall(2).
type SystemCall = unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;

/// What a thread begins with, and keeps to its end.
struct Start {
    main: ThreadMain,
    argument: *mut c_void,
    coroutine: Arc<Coroutine>,
    machine: Arc<Machine>,
}

/// Where each thread of a trial keeps what it began with. Its destructor runs behind those of thread-locals
/// (pthread_key_create(3); glibc runs them first), so that these still run in the trial.
fn key() -> libc::pthread_key_t {
    static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: it writes one key, and the destructor lives as long as the program.
        let made = unsafe { libc::pthread_key_create(&raw mut key, Some(end_thread)) };
        assert_eq!(made, 0, "the system has a key for a thread's own data");
        key
    })
}

unsafe extern "C" fn end_thread(start: *mut c_void) {
    // SAFETY: `run_thread` made it of a box, and nobody else has it.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    let Start { coroutine, machine, .. } = *start;
    leave_thread();
    // Another of its holders is the process's table of threads: this one drops nothing of the trial.
    drop(machine);
    coroutine.end();
}

extern "C" fn run_thread(start: *mut c_void) -> *mut c_void {
    let start = start.cast::<Start>();
    // SAFETY: `pthread_create` made it of a box for this thread; it is dropped by `end_thread`, behind everything here.
    let Start { main, argument, coroutine, machine } = unsafe { &*start };
    // SAFETY: the key is there, and the value is this thread's.
    unsafe { libc::pthread_setspecific(key(), start.cast()) };
    coroutine.begin();
    machine.begin_thread();
    main(*argument)
}

/// pthread_create(3): in a trial, a coroutine of the process. Outside of every process there is none.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    main: ThreadMain,
    argument: *mut c_void,
) -> c_int {
    if !on_trial() {
        return libc_call!(c"pthread_create" as ThreadCreate, thread, attributes, main, argument);
    }
    let Some(machine) = current() else {
        state::note_offence(Offence::Thread);
        // It returns its error instead of setting errno.
        return libc::EAGAIN;
    };
    let coroutine = Arc::<Coroutine>::default();
    let start = Start { main, argument, coroutine: Arc::clone(&coroutine), machine: Arc::clone(&machine) };
    let start: *mut c_void = Box::into_raw(Box::new(start)).cast();
    let made = libc_call!(c"pthread_create" as ThreadCreate, thread, attributes, run_thread, start);
    if made == 0 {
        // SAFETY: it was made, and its number written there.
        machine.add_thread(coroutine, unsafe { *thread });
    } else {
        // SAFETY: no thread has it.
        drop(unsafe { Box::from_raw(start.cast::<Start>()) });
    }
    made
}

/// pthread_join(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_join(thread: libc::pthread_t, result: *mut *mut c_void) -> c_int {
    if on_trial() {
        with_current(|machine| machine.join(thread));
    }
    libc_call!(c"pthread_join" as ThreadJoin, thread, result)
}

/// A time as C has it; none: it is none.
///
/// # Safety
/// `time` is null or one timespec.
unsafe fn duration(time: *const libc::timespec) -> Option<Duration> {
    // SAFETY: the caller's promise.
    let time = unsafe { time.as_ref() }?;
    Some(Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// Sleeps until a time of the monotonic clock. The thread that runs a runtime would stop every host.
fn sleep_until(until: Duration, function: &'static str) {
    match Coroutine::current() {
        Some(coroutine) => coroutine.sleep_until(until),
        None => state::note_offence(Offence::Sleep { function }),
    }
}

/// nanosleep(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn nanosleep(time: *const libc::timespec, rest: *mut libc::timespec) -> c_int {
    if on_trial() {
        // SAFETY: the caller's promise.
        let Some(asked) = (unsafe { duration(time) }) else { return fail(libc::EFAULT) };
        sleep_until(state::read_monotonic_clock() + asked, "nanosleep");
        // Not an error, where it is an offence, either: std would try again, for ever.
        return 0;
    }
    libc_call!(c"nanosleep" as NanoSleep, time, rest)
}

/// sleep(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    if on_trial() {
        sleep_until(state::read_monotonic_clock() + Duration::from_secs(seconds.into()), "sleep");
        return 0;
    }
    libc_call!(c"sleep" as unsafe extern "C" fn(c_uint) -> c_uint, seconds)
}

/// usleep(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn usleep(micros: libc::useconds_t) -> c_int {
    if on_trial() {
        sleep_until(state::read_monotonic_clock() + Duration::from_micros(micros.into()), "usleep");
        return 0;
    }
    libc_call!(c"usleep" as unsafe extern "C" fn(libc::useconds_t) -> c_int, micros)
}

/// A host that ends the program ends every trial in it, and would pass for a success.
fn forbid_the_end(function: &str, code: c_int) {
    if on_trial() {
        with_current(|machine| {
            machine
                .end_program(&format!("ends the whole program ({function}, code {code}); let its future end instead"))
        });
    }
}

/// exit(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn exit(code: c_int) -> ! {
    forbid_the_end("exit", code);
    libc_call!(c"exit" as unsafe extern "C" fn(c_int) -> !, code)
}

/// _exit(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn _exit(code: c_int) -> ! {
    forbid_the_end("_exit", code);
    libc_call!(c"_exit" as unsafe extern "C" fn(c_int) -> !, code)
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
        // SAFETY: the caller's promise.
        let Some(asked) = (unsafe { duration(time) }) else { return libc::EFAULT };
        let now = if flags & libc::TIMER_ABSTIME != 0 { clock_of(clock) } else { Duration::ZERO };
        sleep_until(state::read_monotonic_clock() + asked.saturating_sub(now), "clock_nanosleep");
        return 0;
    }
    libc_call!(c"clock_nanosleep" as ClockNanoSleep, clock, flags, time, rest)
}

fn clock_of(clock: libc::clockid_t) -> Duration {
    if clock == libc::CLOCK_REALTIME { state::read_wall_clock() } else { state::read_monotonic_clock() }
}

/// sched_yield(2): in a trial, every other thread of the process goes first.
#[unsafe(no_mangle)]
unsafe extern "C" fn sched_yield() -> c_int {
    if on_trial() {
        match Coroutine::current() {
            Some(coroutine) => drop(coroutine.rest(Rest::Yielding)),
            None => drop(with_current(Machine::run_threads)),
        }
        return 0;
    }
    libc_call!(c"sched_yield" as Yield,)
}

/// sched_getaffinity(2): how many threads a program begins must not depend on the real machine.
#[unsafe(no_mangle)]
unsafe extern "C" fn sched_getaffinity(process: libc::pid_t, len: libc::size_t, mask: *mut libc::cpu_set_t) -> c_int {
    if on_trial() && current().is_some() && !mask.is_null() {
        // SAFETY: sched_getaffinity's caller hands over `len` writable bytes.
        unsafe {
            ptr::write_bytes(mask.cast::<u8>(), 0, len);
            if len > 0 {
                *mask.cast::<u8>() = (1 << PROCESSORS) - 1;
            }
        }
        return 0;
    }
    libc_call!(c"sched_getaffinity" as GetAffinity, process, len, mask)
}

/// What a futex(2) call asks for.
enum FutexCall {
    Wait {
        expected: u32,
        until: Option<Duration>,
    },
    Wake {
        most: usize,
    },
    /// What the kernel answers.
    Other,
}

impl FutexCall {
    /// # Safety
    /// The arguments are those of a futex(2) call.
    unsafe fn read(operation: c_long, value: c_long, limit: c_long) -> Self {
        let flags = c_long::from(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
        let is_of_wall_clock = operation & c_long::from(libc::FUTEX_CLOCK_REALTIME) != 0;
        let command = c_int::try_from(operation & !flags).unwrap_or(-1);
        match command {
            libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => {
                // SAFETY: the caller's promise: null, or a timespec.
                let limit = unsafe { duration(limit as *const libc::timespec) };
                let now = state::read_monotonic_clock();
                let until = limit.map(|limit| match (command, is_of_wall_clock) {
                    (libc::FUTEX_WAIT, _) => now + limit,
                    (_, true) => now + limit.saturating_sub(state::read_wall_clock()),
                    (_, false) => limit,
                });
                // Its value is the lower half.
                FutexCall::Wait { expected: value as u32, until }
            }
            libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET => {
                FutexCall::Wake { most: usize::try_from(value as i32).unwrap_or(0) }
            }
            _ => FutexCall::Other,
        }
    }
}

/// syscall(2): a way around every other symbol. std waits for locks and threads by it, which is answered; getrandom(2) by
/// it, as ring asks (getrandom 0.2), is answered like getrandom(2) itself.
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
    if on_trial() && number == libc::SYS_getrandom {
        let is_filled = usize::try_from(second).is_ok_and(|len| {
            // SAFETY: the system call's caller hands over `len` writable bytes.
            unsafe { fill_with_entropy(first as *mut u8, len) }
        });
        return if is_filled { second } else { c_long::from(fail(libc::EFAULT)) };
    }
    let kernel = |third: c_long| -> c_long {
        libc_call!(c"syscall" as SystemCall, number, first, second, third, fourth, fifth, sixth)
    };
    if !on_trial() {
        return kernel(third);
    }
    if number != libc::SYS_futex {
        if HARMLESS.contains(&number) {
            return kernel(third);
        }
        if number == libc::SYS_pidfd_open {
            // std asks whether there is such a thing before it begins a process, which is what is told.
            return c_long::from(fail(libc::ENOSYS));
        }
        state::note_offence(Offence::SystemCall { number });
        return c_long::from(fail(libc::ENOSYS));
    }
    let futex = Futex { address: first, is_private: second & c_long::from(libc::FUTEX_PRIVATE_FLAG) != 0 };
    // SAFETY: the arguments are the caller's of futex(2).
    match (unsafe { FutexCall::read(second, third, fourth) }, current()) {
        (FutexCall::Wait { until: Some(_), .. }, None) => {
            state::note_offence(Offence::TimedWait);
            c_long::from(fail(libc::ETIMEDOUT))
        }
        (FutexCall::Wait { expected, until }, Some(machine)) => futex.wait(&machine, expected, until),
        (FutexCall::Wake { most }, Some(machine)) => {
            let woken = machine.wake(futex.key(), most);
            let rest = c_long::try_from(most - woken).unwrap_or(c_long::from(i32::MAX));
            // Somebody outside of this process may wait for it, too.
            let others = if rest > 0 { kernel(rest).max(0) } else { 0 };
            c_long::try_from(woken).unwrap_or(0) + others
        }
        (FutexCall::Wait { .. } | FutexCall::Wake { .. } | FutexCall::Other, _) => kernel(third),
    }
}

/// How long the trial's own thread waits, for real, for a lock that no thread of its process can give up: another trial may
/// hold it, such as those of std for standard output or for threads that begin.
static LONG: libc::timespec = libc::timespec { tv_sec: 10, tv_nsec: 0 };
/// How long any other thread does before it rests, for a lock that is a static: far more than such a lock is held, even by a
/// thread that has lost its processor meanwhile.
static MOMENT: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// Four bytes that somebody waits for.
struct Futex {
    address: c_long,
    is_private: bool,
}

impl Futex {
    fn key(&self) -> usize {
        self.address as usize
    }

    fn wait(&self, machine: &Machine, expected: u32, until: Option<Duration>) -> c_long {
        if read_futex(self.key()) != expected {
            return c_long::from(fail(libc::EAGAIN));
        }
        if let Some(coroutine) = Coroutine::current() {
            let is_shared = until.is_none() && may_be_held(expected) && is_static(self.key());
            if is_shared && self.ends_for_real(expected, &MOMENT) {
                return 0;
            }
            return match coroutine.rest(Rest::Futex { address: self.key(), expected, until }) {
                Woken::Called => 0,
                Woken::TimedOut => c_long::from(fail(libc::ETIMEDOUT)),
            };
        }
        if machine.await_others(self.key(), expected) {
            return 0;
        }
        let Some(until) = until else {
            if !self.ends_for_real(expected, &LONG) {
                machine.end_in_a_deadlock();
            }
            return 0;
        };
        if until > state::read_monotonic_clock() {
            state::note_offence(Offence::TimedWait);
        }
        c_long::from(fail(libc::ETIMEDOUT))
    }

    /// Waits for somebody who is not of this process; whether he has come.
    fn ends_for_real(&self, expected: u32, limit: &'static libc::timespec) -> bool {
        let flag = if self.is_private { libc::FUTEX_PRIVATE_FLAG } else { 0 };
        let (command, limit) = (c_long::from(libc::FUTEX_WAIT | flag), ptr::from_ref(limit) as c_long);
        let expected = c_long::from(expected);
        let answer =
            libc_call!(c"syscall" as SystemCall, libc::SYS_futex, self.address, command, expected, limit, 0, 0);
        answer != -1 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ETIMEDOUT)
    }
}

/// What std's locks show while somebody holds them and another waits (std 1.95, `sys::sync`, the futex files): a mutex, a
/// `Once` that is being made, a lock for readers or writers. Who is parked shows the highest number, which is none of these.
fn may_be_held(shown: u32) -> bool {
    const MUTEX: u32 = 2;
    const ONCE: u32 = 5;
    const WAITING: u32 = 0b11 << 30;
    shown == MUTEX || shown == ONCE || (shown & WAITING != 0 && shown != u32::MAX)
}

/// Whether an address is of a static of the program or of a library: only such a lock is shared with other trials by
/// those who do not know of it.
fn is_static(address: usize) -> bool {
    static WRITABLE: OnceLock<Vec<Range<usize>>> = OnceLock::new();
    let ranges = WRITABLE.get_or_init(|| {
        let mut ranges = Vec::new();
        // SAFETY: the callback gets what it is given here, and nothing is kept of it.
        unsafe { libc::dl_iterate_phdr(Some(note_writable), (&raw mut ranges).cast()) };
        ranges
    });
    ranges.iter().any(|range| range.contains(&address))
}

/// Notes the writable segments of one object that was loaded (dl_iterate_phdr(3)).
unsafe extern "C" fn note_writable(object: *mut libc::dl_phdr_info, _: libc::size_t, ranges: *mut c_void) -> c_int {
    // SAFETY: `is_static` hands over its list, and the loader one object with as many headers as it says.
    let (ranges, object) = unsafe { (&mut *ranges.cast::<Vec<Range<usize>>>(), &*object) };
    for at in 0..usize::from(object.dlpi_phnum) {
        // SAFETY: as above.
        let header = unsafe { &*object.dlpi_phdr.add(at) };
        if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W != 0 {
            let begin = (object.dlpi_addr + header.p_vaddr) as usize;
            ranges.push(begin..begin + header.p_memsz as usize);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::on_trial_thread;

    #[test]
    fn null_is_answered_as_the_kernel_does() {
        on_trial_thread(7, || {
            // SAFETY: null is what is tested: the kernel says EFAULT of it, and nothing is written.
            let answers = unsafe {
                [syscall(libc::SYS_getrandom, 0, 8, 0, 0, 0, 0), syscall(libc::SYS_getrandom, 1, -1, 0, 0, 0, 0)]
            };
            let error = std::io::Error::last_os_error();
            assert_eq!((answers, error.raw_os_error()), ([-1; 2], Some(libc::EFAULT)));
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
