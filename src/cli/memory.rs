//! How much memory the jobs of a campaign may take, so that one that eats memory ends itself, and not the machine.

use rustix::process::{Resource, Rlimit, setrlimit};

/// A job has at least so much, where there is more than one: the largest trials of a thousand clients take a little less.
const JOB_BYTES_MIN: u64 = 1 << 30;
/// With less no worker comes up: the program alone takes half of it.
pub(crate) const WORKER_BYTES_MIN: u64 = 256 << 20;

/// So many jobs, each with so many bytes, of `jobs` that were asked for.
pub(crate) fn share(jobs: usize, bytes: u64) -> (usize, u64) {
    let fitting = usize::try_from(bytes / JOB_BYTES_MIN).unwrap_or(usize::MAX).max(1);
    let jobs = jobs.min(fitting);
    (jobs, bytes / jobs as u64)
}

/// What this machine, or the container that this process is in, has to give; none where it does not say.
pub(crate) fn available() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_in(&text));
    let container: Option<u64> =
        std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    match (machine, container) {
        (Some(machine), Some(container)) => Some(container.min(machine)),
        (machine, container) => machine.or(container),
    }
}

/// `MemAvailable` of proc(5), in bytes.
fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// From here on this process has so many bytes of addresses at most: what asks for more aborts.
pub(crate) fn limit(bytes: u64) -> Result<(), String> {
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::As, limit).map_err(|error| format!("failed to limit its memory to {bytes} bytes: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_jobs_than_fit() {
        const GIB: u64 = 1 << 30;
        assert_eq!(share(4, 8 * GIB), (4, 2 * GIB));
        assert_eq!(share(4, 3 * GIB), (3, GIB));
        assert_eq!(share(4, GIB / 2), (1, GIB / 2));
    }

    #[test]
    fn what_is_available_stands_in_kib() {
        let meminfo = "MemTotal:       24582812 kB\nMemFree:         1 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(available_in(meminfo), Some(2 << 20));
        assert_eq!(available_in("MemTotal: 3 kB\n"), None);
    }
}
