//! `pulseless node`: the node on real TCP.

use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::Exit;
use crate::cli::arguments::NodeArguments;
use crate::cli::foreground::{Announced, run_to_end};
use crate::cli::output::complain;
use crate::env::{Surroundings, Wrapped};
use crate::os::Os;
use crate::subject::xmtp::node::{self, DeniedTopics, NodeConfig, NodeError, NodeHooks, NodeNotice, NodeObserver};

pub(crate) fn node(arguments: &NodeArguments) -> Exit {
    let NodeArguments { listen, data, keepalive, serves, dialects, denies } = arguments;
    let os = Os::default().with_folder(data).listening_on(&listen.host);
    let env = Arc::new(Wrapped(Announced { who: "node", os }));
    let (port, keepalive, serves) = (listen.port, *keepalive, *serves);
    let dialects = dialects.clone();
    let config = NodeConfig { port, keepalive, pong_deadline: keepalive, serves, dialects, ..NodeConfig::default() };
    let denied = DeniedTopics::matching(denies.iter().map(String::as_str)).expect("checked when they were read");
    let observer = Arc::new(NodeLogger { folder: data.clone() });
    let hooks = NodeHooks { authorizer: Arc::new(denied), ..NodeHooks::new(observer) };
    // Who cannot have a store now has made a mistake; a store that fails later is the node's to mend.
    if let Err(error) = env.disk(node::STORE) {
        complain(&format!("failed to open the disk {} of the node: {error}", node::STORE));
        return Exit::Usage;
    }
    let served = run_to_end(|interrupted| async move {
        let shutdown = Box::pin(async move { interrupted.notified().await });
        node::serve_with(env, config, NodeHooks { shutdown: Some(shutdown), ..hooks }).await
    });
    match served {
        Ok(Ok(())) => Exit::Pass,
        Ok(Err(error)) => refuse(&error),
        Err(exit) => exit,
    }
}

fn refuse(error: &NodeError) -> Exit {
    complain(&format!("failed to {error}"));
    match error {
        NodeError::Listen { .. } => Exit::Usage,
        NodeError::Serve { .. } => Exit::OurBug,
    }
}

/// Puts what happens into the log, without payloads; a failing store is said aloud.
struct NodeLogger {
    folder: PathBuf,
}

impl NodeObserver for NodeLogger {
    fn notice(&self, notice: NodeNotice) {
        match notice {
            // The log itself does not know where it is.
            NodeNotice::StoreFailed { why } => complain(&format!("{why} (in {})", self.folder.display())),
            NodeNotice::LogOpened { heads } => tracing::info!(?heads, "the message log was opened"),
            NodeNotice::Stored { topic, id, .. } => tracing::debug!(%topic, %id, "stored"),
            NodeNotice::StreamOpened { stream, peer } => tracing::info!(stream, ?peer, "a stream was opened"),
            NodeNotice::StreamClosed { stream, reason } => tracing::info!(stream, ?reason, "a stream was closed"),
        }
    }
}
