//! `pulseless node`: the node on real TCP.

use std::path::Path;
use std::sync::Arc;

use crate::cli::Exit;
use crate::cli::arguments::NodeArguments;
use crate::cli::foreground::{Announced, Ended, run};
use crate::cli::output::complain;
use crate::node::{self, NodeConfig, NodeError, Notice, Observer};
use crate::os::Os;

pub(crate) fn node(arguments: &NodeArguments) -> Exit {
    let NodeArguments { listen, data, keepalive } = arguments;
    let os = Os::default().with_folder(data).listening_on(&listen.host);
    let env = Arc::new(Announced { who: "node", os });
    let config =
        NodeConfig { port: listen.port, keepalive: *keepalive, pong_deadline: *keepalive, ..NodeConfig::default() };
    let serving = async {
        match node::serve(env, config, Arc::new(Logger)).await {
            Ok(()) => Exit::Pass,
            Err(error) => refuse(&error, data),
        }
    };
    match run(serving) {
        Ended::Alone(exit) => exit,
        Ended::Interrupted => Exit::Pass,
    }
}

fn refuse(error: &NodeError, folder: &Path) -> Exit {
    match error {
        // The log itself does not know where it is.
        NodeError::Store(_) => complain(&format!("failed to {error} (in {})", folder.display())),
        NodeError::Disk(_) | NodeError::Listen { .. } | NodeError::Serve { .. } => {
            complain(&format!("failed to {error}"));
        }
    }
    match error {
        NodeError::Disk(_) | NodeError::Store(_) | NodeError::Listen { .. } => Exit::Usage,
        NodeError::Serve { .. } => Exit::OurBug,
    }
}

/// Puts what happens into the log, without payloads.
struct Logger;

impl Observer for Logger {
    fn notice(&self, notice: Notice) {
        match notice {
            Notice::Stored { topic, id, .. } => tracing::debug!(%topic, %id, "stored"),
            Notice::StreamOpened { stream, peer } => tracing::info!(stream, ?peer, "a stream was opened"),
            Notice::StreamClosed { stream, reason } => tracing::info!(stream, ?reason, "a stream was closed"),
        }
    }
}
