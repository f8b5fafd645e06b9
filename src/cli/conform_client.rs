//! `pulseless conform-client`: judges a client on real TCP by a scripted node, which starts its process for each row.
//!
//! Refuses to know what a row does: the suite does.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::cli::Exit;
use crate::cli::arguments::ConformClientArguments;
use crate::cli::foreground::{Ended, run};
use crate::cli::output::complain;
use crate::cli::row_table::tell;
use crate::os::Os;
use crate::subject::xmtp::conformance::{Launch, UnjudgeableClient, conform_client};

pub(crate) fn judge_client(arguments: &ConformClientArguments) -> Exit {
    let ConformClientArguments { listen, only, interval, format, command } = arguments;
    let env = Arc::new(Os::default().listening_on(&listen.host));
    let line = command.join(" ");
    let judging = async {
        complain(&format!("judging `{line}` by a scripted node on {listen}; each row starts it anew, and kills it"));
        match conform_client(env, listen.port, *interval, launcher(command.clone()), only).await {
            Ok(judged) => tell(&line, &judged.rows, &judged, *format),
            Err(error @ (UnjudgeableClient::Listen(_) | UnjudgeableClient::Launch(_))) => {
                complain(&format!("failed to {error}"));
                Exit::Usage
            }
        }
    };
    match run(judging) {
        Ended::Alone(exit) => exit,
        Ended::Interrupted => {
            complain("interrupted: nothing is known of the client");
            Exit::Unknown
        }
    }
}

/// What the client prints would stand in the table, and is thrown away; what it complains of is seen.
fn launcher(command: Vec<String>) -> Launch {
    Box::new(move || {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        // In a group of its own, so that what it starts ends with it.
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        Ok(Box::new(ClientProcess(child)))
    })
}

/// A process that is killed when it is dropped, with those that it has started.
struct ClientProcess(Child);

impl Drop for ClientProcess {
    fn drop(&mut self) {
        // It may have ended by itself, and its children go on. Until it is waited for, its number is nobody else's.
        let group = libc::pid_t::try_from(self.0.id()).expect("numbers of processes are small");
        // SAFETY: it takes two numbers, and touches no memory of ours.
        unsafe { libc::kill(-group, libc::SIGKILL) };
        if self.0.wait().is_err() {
            tracing::debug!("the client had been waited for");
        }
    }
}
