//! The peak memory of a whole `pulseless` process.

use std::process::{Command, Stdio};

/// Peak resident set in MiB of one `pulseless run` with seed 7.
pub(crate) fn of_run(sim: &str, setting: Option<&str>) -> f64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulseless"));
    command.args(["run", sim, "--seed", "7"]).current_dir(env!("CARGO_MANIFEST_DIR")).stdout(Stdio::null());
    if let Some(setting) = setting {
        command.args(["--set", setting]);
    }
    let child = command.spawn().expect("the binary starts");
    let pid = libc::pid_t::try_from(child.id()).expect("a process id");
    let mut status = 0;
    // SAFETY: all-zero is a value of every field of rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `status` and `usage` are writable, and `pid` is a child that nobody else waits for.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    assert_eq!(waited, pid, "the child ends");
    assert_eq!(status, 0, "{sim} passes");
    // Linux counts ru_maxrss in KiB (getrusage(2)).
    usage.ru_maxrss as f64 / 1024.0
}
