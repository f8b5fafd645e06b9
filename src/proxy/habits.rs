//! What a proxy does of its own accord: its times, its limits, and what each side sees when something ends.
//!
//! Refuses to know whose habits they are.

use std::sync::Arc;
use std::time::Duration;

use h2::Reason;

use crate::lie::{Ending, Reaction, ResetCode, ResetWith, Rule};
use crate::proxy::config::{
    CLIENT_CONNECTION_WINDOW, DIAL_MAX, REQUEST_HEADERS_MAX, RESPONSE_HEADERS_MAX, STREAM_WINDOW,
    STREAMS_PER_CONNECTION_MAX,
};
use crate::proxy::control::{ActiveRule, Mark};

/// The habits of one proxy; by default those of `plain`: Envoy's translations, and no time of its own.
#[derive(Clone, Debug)]
pub struct ProxyHabits {
    /// The node must have accepted a connection by then; `None` is never.
    pub dial_timeout: Option<Duration>,
    /// What a client sees of a node that cannot be had.
    pub unreachable: Ending,
    /// What a client sees of a connection to the node that is lost.
    pub lost: Ending,
    /// What a client sees of a node that resets the stream.
    pub resets: Ending,
    /// The same after the headers, with REFUSED_STREAM.
    pub refuses: Vec<Reaction>,
    /// The same after the headers, with NO_ERROR.
    pub resets_without_error: Vec<Reaction>,
    /// Whether the client's half stays open after the node's trailers.
    pub lingers: bool,
    /// The code with which the node is told that the client has left.
    pub cancel: ResetCode,
    /// How often a connection to the node is tried again.
    pub retries: u32,
    /// The time before each.
    pub retry_pause: Duration,
    /// Each stream has a connection of its own to the node.
    pub dials_for_each: bool,
    /// Streams of one client connection at one time.
    pub streams: u32,
    /// Bytes that a client may send ahead on a stream.
    pub stream_window: u32,
    /// Bytes that a client may send ahead on a connection.
    pub connection_window: u32,
    /// Bytes of a request's headers.
    pub request_headers: u32,
    /// Bytes of a response's headers.
    pub response_headers: u32,
    /// What becomes of a client's connection without a stream.
    pub idle_connections: Option<IdleConnections>,
    /// What it does to streams and connections by the clock.
    pub rules: Vec<Rule>,
}

/// What becomes of a client's connection that has no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleConnections {
    /// It is closed after so long.
    pub after: Duration,
    /// GOAWAY with that code comes first.
    pub goaway: Option<ResetCode>,
}

impl Default for ProxyHabits {
    fn default() -> Self {
        let unavailable = Reaction::GrpcStatus { code: 14, message: String::new() };
        let internal = Reaction::Reset { with: ResetWith::Code(ResetCode::InternalError), if_open: false };
        let translated = Ending { before: vec![unavailable, Reaction::LET_GO], after: vec![internal] };
        ProxyHabits {
            dial_timeout: Some(DIAL_MAX),
            unreachable: translated.clone(),
            lost: translated.clone(),
            refuses: translated.after.clone(),
            resets_without_error: translated.after.clone(),
            resets: translated,
            lingers: false,
            cancel: ResetCode::Cancel,
            retries: 0,
            retry_pause: Duration::ZERO,
            dials_for_each: false,
            streams: STREAMS_PER_CONNECTION_MAX,
            stream_window: STREAM_WINDOW,
            connection_window: CLIENT_CONNECTION_WINDOW,
            request_headers: REQUEST_HEADERS_MAX,
            response_headers: RESPONSE_HEADERS_MAX,
            idle_connections: None,
            rules: Vec::new(),
        }
    }
}

impl ProxyHabits {
    /// What a client sees of the node's loss.
    pub(crate) fn loss(&self, error: &h2::Error) -> Ending {
        if !error.is_reset() {
            return self.lost.clone();
        }
        let after = match error.reason() {
            Some(Reason::REFUSED_STREAM) => &self.refuses,
            Some(Reason::NO_ERROR) => &self.resets_without_error,
            _ => &self.resets.after,
        };
        Ending { before: self.resets.before.clone(), after: after.clone() }
    }

    /// The rules that always hold, as those of a control.
    pub(crate) fn standing(&self) -> Vec<Arc<ActiveRule>> {
        let active = |rule: &Rule| Arc::new(ActiveRule { id: 0, rule: rule.clone(), mark: Mark::default() });
        self.rules.iter().map(active).collect()
    }
}
