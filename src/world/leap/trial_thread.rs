//! A fresh OS thread for each trial.
//!
//! Fresh, because std's hash keys and other thread-locals would otherwise carry over from trial to trial.

use std::any::Any;
use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::thread;

use crate::env::Dice;
use crate::world::leap::interpose::{self, TrialGuard};

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Code that plays a trial panicked: our bug.
#[derive(Debug, thiserror::Error)]
#[error("the trial's thread panicked: {0}")]
pub struct TrialPanic(pub String);

/// Plays `trial` on a fresh thread whose clocks and entropy are those of `seed`.
///
/// # Errors
/// `trial` panicked; the message says where.
///
/// # Panics
/// If the system has no thread to give.
#[expect(clippy::disallowed_methods, reason = "the one thread that plays the whole trial, joined at once")]
pub fn on_trial_thread<T: Send>(seed: u64, trial: impl FnOnce() -> T + Send) -> Result<T, TrialPanic> {
    keep_panics_of_trials();
    thread::scope(|scope| {
        let played = thread::Builder::new().name(format!("trial {seed}")).spawn_scoped(scope, move || {
            let _guard = TrialGuard::enter(Dice::named(seed, "entropy"));
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(trial)).map_err(|panic| describe_panic(&*panic))
        });
        let ended = played.expect("the system has a thread for a trial").join();
        ended.unwrap_or_else(|panic| Err(describe_panic(&*panic))).map_err(TrialPanic)
    })
}

/// What a panic said, with its place if it happened on this trial thread.
pub(crate) fn describe_panic(panic: &(dyn Any + Send)) -> String {
    LAST_PANIC.take().unwrap_or_else(|| payload_text(panic))
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
            if !interpose::on_trial() {
                return print(info);
            }
            let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
            let text = payload_text(info.payload()) + &place.unwrap_or_default();
            // The first panic is the cause; those of its destructors are not.
            LAST_PANIC.with_borrow_mut(|last| *last = last.take().or(Some(text)));
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_says_where() {
        let error = on_trial_thread(1, || panic!("out of luck")).expect_err("panicked").to_string();
        assert!(error.contains("out of luck at src/world/leap/trial_thread.rs:"), "{error}");
    }
}
