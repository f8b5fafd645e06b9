//! The tasks of one connection's streams, from a stream's begin until nothing is left to do for it.
//!
//! Refuses to know what they do.

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::proxy::node_half::KeptHalf;

/// The tasks of one connection's streams.
pub(crate) struct StreamTasks<'k> {
    pub(crate) relays: JoinSet<Option<KeptHalf>>,
    /// Node halves that outlive the client.
    kept: &'k mut JoinSet<()>,
    /// Those that do not.
    untold: JoinSet<()>,
    /// Streams that nobody serves.
    pub(crate) ignored: Vec<(Request<RecvStream>, SendResponse<Bytes>)>,
    pub(crate) empty_since: Instant,
}

impl<'k> StreamTasks<'k> {
    /// None yet.
    pub(crate) fn new(kept: &'k mut JoinSet<()>) -> Self {
        let (relays, untold) = (JoinSet::new(), JoinSet::new());
        StreamTasks { relays, kept, untold, ignored: Vec::new(), empty_since: Instant::now() }
    }

    /// Waits for the end of one of them.
    pub(crate) async fn ended(&mut self) {
        tokio::select! {
            biased;
            // First, and none starves another: no more can end than were begun.
            Some(ended) = self.relays.join_next() => {
                self.adopt(ended);
                self.empty_since = Instant::now();
            }
            Some(ended) = self.kept.join_next() => complain(ended.err()),
            Some(ended) = self.untold.join_next() => complain(ended.err()),
            else => std::future::pending().await,
        }
    }

    /// Waits for the end of all relays.
    pub(crate) async fn ended_all(mut self) {
        while let Some(ended) = self.relays.join_next().await {
            self.adopt(ended);
        }
    }

    /// Takes over the node half that a relay left behind.
    fn adopt(&mut self, ended: Result<Option<KeptHalf>, JoinError>) {
        match ended {
            Ok(Some(half)) if half.outlives_the_client() => drop(self.kept.spawn(half.run())),
            Ok(Some(half)) => drop(self.untold.spawn(half.run())),
            Ok(None) => {}
            Err(error) => complain(Some(error)),
        }
    }
}

/// A task that ended by a panic is a bug of ours or of h2; it costs one connection, not the server.
pub(crate) fn complain(error: Option<JoinError>) {
    if let Some(error) = error {
        tracing::error!(%error, "a task of the proxy panicked");
    }
}
