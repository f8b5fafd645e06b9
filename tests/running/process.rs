//! Processes that run beside a test, and what they say.
//!
//! Refuses to know what a right answer is; the tests say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pulseless::env::Surroundings;
use pulseless::os::Os;
use tokio::time::{Instant, sleep};

/// `pulseless` itself.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_pulseless");
/// Far more than a test takes: it is there so that a bug fails the test instead of hanging it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// How often a test looks whether what it waits for has come.
const LOOK: Duration = Duration::from_millis(5);

/// A process of `pulseless`. Dropping it kills it.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Starts a program with these arguments; what it says goes into files of that name.
    #[expect(clippy::disallowed_types, reason = "files that another process writes")]
    pub(crate) fn start(folder: &Path, name: &str, program: &str, arguments: &[&str], input: Stdio) -> Self {
        let [out, err] = ["out", "err"].map(|ending| folder.join(format!("{name}.{ending}")));
        let file = |path: &Path| std::fs::File::create(path).expect("the scratch folder takes files");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env_remove("PULSELESS_LOG");
        command.stdin(input).stdout(file(&out)).stderr(file(&err));
        let child = command.spawn().unwrap_or_else(|error| panic!("failed to run {program}: {error}"));
        Running { child, out, err }
    }

    /// What it has said on standard output.
    pub(crate) fn out(&self) -> String {
        read(&self.out)
    }

    /// What it has said on standard error.
    pub(crate) fn err(&self) -> String {
        read(&self.err)
    }

    /// Waits until it has said that on either.
    pub(crate) async fn says(&mut self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !(self.out().contains(part) || self.err().contains(part)) {
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none() && Instant::now() < deadline, "no `{part}` ({ended:?}) in {}", self.told());
            sleep(LOOK).await;
        }
    }

    /// Sends it a signal, such as TERM.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("there is kill(1)").success());
    }

    /// Waits until it has ended, and returns its exit code; none where a signal ended it.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.told());
            sleep(LOOK).await;
        }
    }

    /// Waits until it has ended by itself, with that exit code.
    pub(crate) async fn exits(&mut self, code: i32) {
        let ended = self.ended().await;
        assert_eq!(ended, Some(code), "{}", self.told());
    }

    fn told(&self) -> String {
        format!("\nstdout:\n{}\nstderr:\n{}", self.out(), self.err())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What is in a file now: a process may be writing to it.
pub(crate) fn read(path: &Path) -> String {
    String::from_utf8(fs::read(path).expect("it is there")).expect("text")
}

/// An address whose port was free a moment ago, and that the system does not hand out again at once.
pub(crate) async fn free_address() -> String {
    let listener = Os::default().listen(0).await.expect("a free port");
    listener.local().to_string()
}
