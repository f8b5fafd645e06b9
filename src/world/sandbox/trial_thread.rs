//! A fresh OS thread for each trial.
//!
//! Fresh, because std's hash keys and other thread-locals would otherwise carry over from trial to trial.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;

use crate::env::{Dice, Die};
use crate::world::sandbox::state::{self, HostTurn, TrialGuard};

/// There is what all runtimes of the program share.
static SHARED: AtomicBool = AtomicBool::new(false);
/// Why there is not.
static UNSHARED: Mutex<String> = Mutex::new(String::new());

/// Code that plays a trial panicked: our bug.
#[derive(Debug, thiserror::Error)]
#[error("the trial's thread failed: {0}")]
pub struct TrialPanic(pub String);

/// Plays `trial` on a fresh thread whose clocks and entropy are those of `seed`.
///
/// # Errors
/// `trial` panicked; the message says where. Or it called, outside of every host, what no trial may call.
///
/// # Panics
/// If the system has no thread to give.
#[expect(clippy::disallowed_methods, reason = "the one thread that plays the whole trial, joined at once")]
pub fn on_trial_thread<T: Send>(seed: u64, trial: impl FnOnce() -> T + Send) -> Result<T, TrialPanic> {
    keep_panics_of_trials();
    make_what_runtimes_share();
    thread::scope(|scope| {
        let played = thread::Builder::new().name(format!("trial {seed}")).spawn_scoped(scope, move || {
            let _guard = TrialGuard::enter(Dice::named(seed, &Die::Entropy));
            // The generator of many crates begins with the number of its thread, which a process counts on from trial to
            // trial (fastrand 2).
            fastrand::seed(seed);
            let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(trial));
            match state::take_offence() {
                Some(offence) => Err(offence.to_string()),
                None => played.map_err(|panic| describe_panic(&*panic)),
            }
        });
        let ended = played.expect("the system has a thread for a trial").join();
        ended.unwrap_or_else(|panic| Err(describe_panic(&*panic))).map_err(TrialPanic)
    })
}

/// What a panic said, with its place if it happened on this trial thread.
pub(crate) fn describe_panic(panic: &(dyn Any + Send)) -> String {
    state::with_panics(|panics| panics.last.take()).flatten().unwrap_or_else(|| payload_text(panic))
}

/// A task is about to be polled: a panic that was caught before is nobody's any more.
pub(crate) fn begin_poll() {
    state::with_panics(|panics| panics.last = None);
    state::take_steps(1);
}

/// A task has ended. If it was by a panic, nothing else of its host shall run.
///
/// tokio offers to shut a runtime down then (`UnhandledPanic::ShutdownRuntime`), but does it while its scheduler is
/// borrowed (tokio 1.54): a destructor that wakes another task panics, and the second such destructor of one task
/// aborts every trial of this process.
pub(crate) fn end_task() {
    let panicked = state::with_panics(|panics| match panics.last.take() {
        Some(panic) => {
            panics.of_task.get_or_insert(panic);
            true
        }
        None => false,
    });
    if panicked == Some(true) {
        state::end_turn(HostTurn::Panicked);
    }
}

/// What the panic said that ended a task.
pub(crate) fn take_task_panic() -> String {
    let said = state::with_panics(|panics| panics.of_task.take()).flatten();
    said.unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Where the panic was that ended a task of the host that played last; none where nobody asked for it.
pub(crate) fn take_backtrace() -> Option<Arc<Backtrace>> {
    state::with_panics(|panics| panics.backtrace.take()).flatten()
}

/// What the destructors of a dead process said is of no interest.
pub(crate) fn forget_panics() {
    state::with_panics(|panics| *panics = state::Panics::default());
}

fn payload_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

/// On trial threads a panic is kept for the error that names the host, instead of being printed.
fn keep_panics_of_trials() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !state::on_trial() {
                return print(info);
            }
            let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
            let text = payload_text(info.payload()) + &place.unwrap_or_default();
            // The first panic is the cause; those of its destructors are not.
            let trace = Backtrace::capture();
            let trace = Some(trace).filter(|trace| trace.status() == BacktraceStatus::Captured).map(Arc::new);
            state::with_panics(|panics| {
                if panics.last.is_none() && panics.of_task.is_none() {
                    (panics.last, panics.backtrace) = (Some(text), trace);
                }
            });
        }));
    });
}

/// tokio's feature `signal` makes a pair of sockets for all runtimes of a program, with the first of them (tokio 1.54): it
/// may not be one of a trial. Where it fails, no host starts, and each says why; the next trial tries again.
#[expect(clippy::disallowed_methods, reason = "a thread outside of every trial, joined at once")]
fn make_what_runtimes_share() {
    if SHARED.load(Ordering::Acquire) {
        return;
    }
    // On a thread of its own: within another runtime none may be dropped.
    let make = || tokio::runtime::Builder::new_current_thread().enable_all().build().map(drop);
    let made = thread::spawn(make).join().map_err(|panic| payload_text(&*panic));
    match made.and_then(|made| made.map_err(|error| error.to_string())) {
        Ok(()) => SHARED.store(true, Ordering::Release),
        Err(why) => *UNSHARED.lock().unwrap_or_else(PoisonError::into_inner) = why,
    }
}

/// Whether there is what all runtimes share.
///
/// # Errors
/// The real machine has no file descriptors for it.
pub(crate) fn what_runtimes_share() -> Result<(), String> {
    if SHARED.load(Ordering::Acquire) {
        return Ok(());
    }
    let why = UNSHARED.lock().unwrap_or_else(PoisonError::into_inner);
    Err(format!("{why}; see how many files it may open (`ulimit -n`)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_says_where() {
        let error = on_trial_thread(1, || panic!("out of luck")).expect_err("panicked").to_string();
        assert!(error.contains("out of luck at src/world/sandbox/trial_thread.rs:"), "{error}");
    }
}
