//! File descriptors for many runtimes: each may hold one of the real machine.
//!
//! Where tokio's feature `signal` is on, each runtime holds a duplicate of the socket on which the program hears signals (tokio
//! 1.54); all its other files are simulated. The soft limit of open files is 1,024 on most systems, for the sake of
//! select(2), which nobody here calls; the hard limit is what the system's owner grants (setrlimit(2), systemd.exec(5) on
//! LimitNOFILE).

use std::sync::Once;

/// What the runtime of a host holds at most.
pub(crate) const PER_HOST_MAX: u64 = 1;

fn limit() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes to the one rlimit that it is given.
    (unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0).then_some(limit)
}

/// Raises this process's soft limit of open files to the hard one, once. Where the system refuses, the limit stays,
/// and a host that finds no descriptor says so.
pub(crate) fn raise_limit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Some(mut limit) = limit() {
            limit.rlim_cur = limit.rlim_max;
            // SAFETY: setrlimit reads the one rlimit that it is given.
            unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
        }
    });
}

/// How many files this process may hold open.
pub(crate) fn most() -> u64 {
    limit().map_or(0, |limit| limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        raise_limit();
        let limit = limit().expect("getrlimit knows RLIMIT_NOFILE");
        assert_eq!(limit.rlim_cur, limit.rlim_max);
    }
}
