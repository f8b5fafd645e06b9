//! Runs one actor on the real surroundings, in the foreground, until it ends or is interrupted: by Ctrl-C, or by the
//! SIGTERM of whoever runs it.
//!
//! Refuses to know which actor it is.

use std::env::VarError;
use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::sync::Notify;
use tracing_subscriber::EnvFilter;

use crate::cli::Exit;
use crate::cli::output::{colors_errors, complain, print};
use crate::env::{Asked, Listener, Rerouted, Surroundings};
use crate::os::Os;

/// The environment's word for what is logged, such as `debug` or `pulseless::subject::xmtp::node=trace`.
const LOG_VARIABLE: &str = "PULSELESS_LOG";

/// How an actor's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, or it could not begin.
    Alone(Exit),
    /// By Ctrl-C or SIGTERM.
    Interrupted,
}

/// Runs the actor on a runtime of its own. An interrupt drops it.
pub(crate) fn run(actor: impl Future<Output = Exit>) -> Ended {
    let ended = run_to_end(|interrupted| async move {
        tokio::select! {
            biased;
            // First, and it starves nobody: it is ready once.
            () = interrupted.notified() => Ended::Interrupted,
            exit = actor => Ended::Alone(exit),
        }
    });
    ended.unwrap_or_else(Ended::Alone)
}

/// Runs an actor that is told of an interrupt, and ends by itself.
///
/// # Errors
/// It could not begin.
pub(crate) fn run_to_end<T, A: Future<Output = T>>(begin: impl FnOnce(Arc<Notify>) -> A) -> Result<T, Exit> {
    if let Err(why) = start_log() {
        complain(&why);
        return Err(Exit::Usage);
    }
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("failed to start a runtime: {error}"));
            return Err(Exit::Usage);
        }
    };
    let interrupt = Arc::new(Notify::new());
    let interrupted = Arc::clone(&interrupt);
    // Without a handler Ctrl-C still ends the process, only less politely.
    if let Err(error) = ctrlc::set_handler(move || interrupt.notify_one()) {
        complain(&format!("failed to catch Ctrl-C ({error}): an interrupt will not end in exit code 0"));
    }
    let ended = runtime.block_on(begin(interrupted));
    // What waits on a thread of tokio's, such as a name that is still being resolved, is not waited for.
    runtime.shutdown_background();
    Ok(ended)
}

/// Logs to standard error what [`LOG_VARIABLE`] asks for: nothing where it is not set.
fn start_log() -> Result<(), String> {
    let asked = match std::env::var(LOG_VARIABLE) {
        Ok(asked) => asked,
        Err(VarError::NotPresent) => return Ok(()),
        Err(VarError::NotUnicode(_)) => return Err(format!("{LOG_VARIABLE} is not text")),
    };
    let filter = EnvFilter::try_new(&asked).map_err(|error| format!("{LOG_VARIABLE}: `{asked}`: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colors_errors());
    log.try_init().map_err(|error| format!("failed to start the log: {error}"))
}

/// The real surroundings, which say on standard output when somebody listens.
pub(crate) struct Announced {
    /// Who listens.
    pub(crate) who: &'static str,
    pub(crate) os: Os,
}

impl Rerouted for Announced {
    fn inner(&self) -> &dyn Surroundings {
        &self.os
    }

    fn reroute_listen(&self, port: u16) -> Asked<Listener> {
        let (listening, who) = (self.os.listen(port), self.who);
        Box::pin(async move {
            let listener = listening.await?;
            print(&format!("{who} listens on {}\n", listener.local()));
            Ok(listener)
        })
    }
}
