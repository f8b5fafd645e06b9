//! The sandbox: a thread on which clocks, entropy and the wait for events are a trial's, and nothing leads out of it.
//!
//! One OS thread per trial. The C symbols that read clocks, draw entropy and wait for events are interposed there, so
//! unpatched tokio, hyper and tonic run in simulated time; what would leave the trial, such as a thread or a real
//! socket, is refused, and ends it with an error. Refuses to know hosts and engines: both engines play in it.

#[cfg(not(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "the sandbox is proved on Linux with glibc, on x86_64 and aarch64: only there are its C symbols interposed"
);

mod forbidden;
mod interpose;
pub(crate) mod libc_call;
pub(crate) mod offence;
mod outside;
mod own_files;
mod own_frames;
pub(crate) mod state;
pub(crate) mod trial_thread;

pub(crate) use own_frames::own_frames;
pub(crate) use state::set_last_words;
pub(crate) use trial_thread::take_backtrace;
pub use trial_thread::{TrialPanic, on_trial_thread};
