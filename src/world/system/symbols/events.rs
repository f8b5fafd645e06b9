//! epoll(7), eventfd(2) and poll(2).
//!
//! A wait that nothing ends is the end of a host's turn: the engine learns each host's next timer from it, without patching
//! tokio.

use std::ffi::{c_int, c_uint};
use std::time::Duration;

use crate::world::sandbox::libc_call::{fail, libc_call};
use crate::world::sandbox::offence::Offence;
use crate::world::sandbox::state::{self, HostTurn, on_trial};
use crate::world::system::epoll::Ready;
use crate::world::system::error::Errno;
use crate::world::system::files::{FileKind, is_simulated};
use crate::world::system::machine::Machine;
use crate::world::system::pair::EventCounter;
use crate::world::system::symbols::answers::{done, number, of_file, of_machine};
use crate::world::system::threads::{Coroutine, Woken};

/// The signature of epoll_create(2) and epoll_create1(2).
type EpollCreate = unsafe extern "C" fn(c_int) -> c_int;
/// The signature of epoll_ctl(2).
type EpollControl = unsafe extern "C" fn(c_int, c_int, c_int, *mut libc::epoll_event) -> c_int;
/// The signature of epoll_wait(2).
type EpollWait = unsafe extern "C" fn(c_int, *mut libc::epoll_event, c_int, c_int) -> c_int;
/// The signature of epoll_pwait(2).
type EpollWaitMasked =
    unsafe extern "C" fn(c_int, *mut libc::epoll_event, c_int, c_int, *const libc::sigset_t) -> c_int;
/// The signature of eventfd(2).
type CreateCounter = unsafe extern "C" fn(c_uint, c_int) -> c_int;
/// The signature of poll(2).
type PollFiles = unsafe extern "C" fn(*mut libc::pollfd, libc::nfds_t, c_int) -> c_int;

/// The signature of ppoll(2).
type PollFilesMasked =
    unsafe extern "C" fn(*mut libc::pollfd, libc::nfds_t, *const libc::timespec, *const libc::sigset_t) -> c_int;

/// epoll_create(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_create(size: c_int) -> c_int {
    match of_machine(|machine| Ok(machine.open_epoll())) {
        Some(answer) => number(answer),
        None => libc_call!(c"epoll_create" as EpollCreate, size),
    }
}

/// epoll_create1(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_create1(flags: c_int) -> c_int {
    match of_machine(|machine| Ok(machine.open_epoll())) {
        Some(answer) => number(answer),
        None => libc_call!(c"epoll_create1" as EpollCreate, flags),
    }
}

/// epoll_ctl(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(epoll: c_int, operation: c_int, file: c_int, event: *mut libc::epoll_event) -> c_int {
    let answer = of_file(epoll, |machine| {
        if !is_simulated(file) {
            // Nothing of the real world happens in a trial: who watches for it waits for ever.
            return Ok(());
        }
        if event.is_null() && operation != libc::EPOLL_CTL_DEL {
            return Err(Errno(libc::EFAULT));
        }
        machine.watch(epoll, file, |epoll, id| match operation {
            libc::EPOLL_CTL_ADD | libc::EPOLL_CTL_MOD => {
                // SAFETY: epoll_ctl's caller hands over one event.
                let libc::epoll_event { events, u64: data } = unsafe { event.read_unaligned() };
                if operation == libc::EPOLL_CTL_ADD {
                    epoll.add(id, file, events, data)
                } else {
                    epoll.modify(id, file, events, data)
                }
            }
            libc::EPOLL_CTL_DEL => epoll.remove(id, file),
            _ => Err(Errno(libc::EINVAL)),
        })
    });
    match answer {
        Some(answer) => done(answer),
        None => libc_call!(c"epoll_ctl" as EpollControl, epoll, operation, file, event),
    }
}

/// What is ready is told at once. Where nothing is, the host's turn ends.
///
/// # Safety
/// There is room for `most` events at `events`.
unsafe fn wait(
    machine: &Machine,
    epoll: c_int,
    events: *mut libc::epoll_event,
    most: c_int,
    timeout_ms: c_int,
) -> Result<c_int, Errno> {
    let most = usize::try_from(most).ok().filter(|most| *most > 0).ok_or(Errno(libc::EINVAL))?;
    if events.is_null() {
        return Err(Errno(libc::EFAULT));
    }
    let told = await_ready(machine, epoll, most, timeout_ms)?;
    for (at, ready) in told.iter().enumerate() {
        // SAFETY: there is room for as many as were taken, which are at most `most`.
        unsafe { events.add(at).write_unaligned(libc::epoll_event { events: ready.events, u64: ready.data }) };
    }
    Ok(c_int::try_from(told.len()).expect("at most as many as the caller asked for"))
}

/// What is ready, when every other thread of the process has run as far as it can.
fn await_ready(machine: &Machine, epoll: c_int, most: usize, timeout_ms: c_int) -> Result<Vec<Ready>, Errno> {
    let patience = patience(timeout_ms);
    let coroutine = Coroutine::current();
    // The trial's own thread does not wait: its turn ends.
    let until = coroutine.and(patience).map(|patience| state::read_monotonic_clock() + patience);
    loop {
        let told = if state::take_steps(1) { machine.ready(epoll, most)? } else { Vec::new() };
        if !told.is_empty() || timeout_ms == 0 {
            return Ok(told);
        }
        match coroutine {
            Some(coroutine) if machine.rest_for_files(coroutine, until) == Woken::TimedOut => return Ok(told),
            Some(_) => {}
            None if machine.run_threads() => {}
            None => {
                let rest = [patience, machine.next_due()].into_iter().flatten().min();
                state::end_turn(HostTurn::Idle(rest));
                return Ok(told);
            }
        }
    }
}

/// How long a wait may take; none: for ever.
fn patience(timeout_ms: c_int) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// epoll_wait(2): where nothing is ready, the end of a host's turn.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_wait(epoll: c_int, events: *mut libc::epoll_event, most: c_int, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    match of_file(epoll, |machine| unsafe { wait(machine, epoll, events, most, timeout_ms) }) {
        Some(answer) => number(answer),
        None if on_trial() => {
            // A runtime of nobody's: it has timers and no files.
            if timeout_ms != 0 {
                state::end_turn(HostTurn::Idle(patience(timeout_ms)));
            }
            0
        }
        None => libc_call!(c"epoll_wait" as EpollWait, epoll, events, most, timeout_ms),
    }
}

/// epoll_pwait(2): a trial has no signals.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_pwait(
    epoll: c_int,
    events: *mut libc::epoll_event,
    most: c_int,
    timeout_ms: c_int,
    mask: *const libc::sigset_t,
) -> c_int {
    if on_trial() {
        // SAFETY: the caller's promise.
        return unsafe { epoll_wait(epoll, events, most, timeout_ms) };
    }
    libc_call!(c"epoll_pwait" as EpollWaitMasked, epoll, events, most, timeout_ms, mask)
}

/// eventfd(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn eventfd(count: c_uint, flags: c_int) -> c_int {
    let answer = of_machine(|machine| {
        let counter = EventCounter { count: count.into(), is_semaphore: flags & libc::EFD_SEMAPHORE != 0 };
        Ok(machine.open(FileKind::Counter(counter), flags & libc::EFD_NONBLOCK != 0))
    });
    match answer {
        Some(answer) => number(answer),
        None => libc_call!(c"eventfd" as CreateCounter, count, flags),
    }
}

/// poll(2): nobody here waits for one file at a time.
#[unsafe(no_mangle)]
unsafe extern "C" fn poll(files: *mut libc::pollfd, count: libc::nfds_t, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    if unsafe { has_simulated(files, count) } {
        state::note_offence(Offence::Call { function: "poll" });
        return fail(libc::ENOSYS);
    }
    libc_call!(c"poll" as PollFiles, files, count, timeout_ms)
}

/// ppoll(2): nor so.
#[unsafe(no_mangle)]
unsafe extern "C" fn ppoll(
    files: *mut libc::pollfd,
    count: libc::nfds_t,
    limit: *const libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    // SAFETY: the caller's promise.
    if unsafe { has_simulated(files, count) } {
        state::note_offence(Offence::Call { function: "ppoll" });
        return fail(libc::ENOSYS);
    }
    libc_call!(c"ppoll" as PollFilesMasked, files, count, limit, mask)
}

/// Whether any of these files is simulated, on a trial's thread.
///
/// # Safety
/// `files` are so many, or null.
unsafe fn has_simulated(files: *mut libc::pollfd, count: libc::nfds_t) -> bool {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the caller's promise.
    on_trial() && !files.is_null() && (0..count).any(|at| is_simulated(unsafe { (*files.add(at)).fd }))
}
