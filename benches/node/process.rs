//! A node as a process of its own: its CPU time and its peak memory.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pulseless::env::Surroundings;
use pulseless::os::Os;
use tempfile::TempDir;
use tonic::transport::Endpoint;

/// A long log takes a while to be opened.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `pulseless node` with an empty log; it ends with the handle.
pub(crate) struct NodeProcess {
    /// Where it listens, as `http://HOST:PORT`.
    pub(crate) address: String,
    child: Child,
    data: TempDir,
}

impl NodeProcess {
    /// Starts one, and waits until it listens.
    pub(crate) async fn start() -> Self {
        NodeProcess::start_on(tempfile::tempdir().expect("a scratch folder")).await
    }

    /// Kills it, and starts another with its log.
    pub(crate) async fn restart(mut self) -> Self {
        self.kill();
        let none = tempfile::tempdir().expect("a scratch folder");
        NodeProcess::start_on(std::mem::replace(&mut self.data, none)).await
    }

    async fn start_on(data: TempDir) -> Self {
        let free = Os::default().listen(0).await.expect("a free port").local().port();
        let listen = format!("127.0.0.1:{free}");
        let mut command =
            Command::new(std::env::var_os("PULSELESS_BENCH_BINARY").unwrap_or(env!("CARGO_BIN_EXE_pulseless").into()));
        // No Ping falls into a measurement.
        command.args(["node", "--keepalive", "10m", "--listen", &listen, "--data"]).arg(data.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
        let node = NodeProcess { address: format!("http://{listen}"), child, data };
        let endpoint = Endpoint::from_shared(node.address.clone()).expect("an address");
        let up = async {
            while endpoint.connect().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("the node listens");
        node
    }

    fn kill(&mut self) {
        self.child.kill().expect("it was not waited for, or has ended");
        self.child.wait().expect("it ends");
    }

    fn pid(&self) -> libc::pid_t {
        libc::pid_t::try_from(self.child.id()).expect("a process id")
    }

    /// What all its threads have used, user and system together.
    pub(crate) fn cpu_time(&self) -> Duration {
        let mut clock = 0;
        // SAFETY: `clock` is writable.
        let failed = unsafe { libc::clock_getcpuclockid(self.pid(), &raw mut clock) };
        assert_eq!(failed, 0, "a process has a CPU clock");
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a writable timespec.
        let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
        assert_eq!(failed, 0, "a CPU clock can be read");
        Duration::new(time.tv_sec.try_into().expect("positive"), time.tv_nsec.try_into().expect("below 10^9"))
    }

    /// The peak of its resident memory so far, in MiB (proc_pid_status(5): VmHWM).
    pub(crate) fn peak_memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak is told");
        let kib = line.trim().strip_suffix("kB").expect("in kB").trim();
        kib.parse::<f64>().expect("a number") / 1024.0
    }

    /// Ends it; the peak of its memory.
    pub(crate) fn end(self) -> f64 {
        self.peak_memory()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
