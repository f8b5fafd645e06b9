//! What a proxy does of its own accord: its times, its limits, and what each side sees when something ends.
//!
//! Refuses to know whose habits they are.

use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use http::{HeaderMap, StatusCode};

use crate::env::TcpOptions;
use crate::lie::{Ending, PageBody, Reaction, ResetCode, ResetWith, Rule};
use crate::profile::{GoawayForm, GoawayMoment, LaterStreams, NodePool, ProxyLayer, RetryCause};
use crate::proxy::config::{
    CANCELS_MAX, CLIENT_CONNECTION_WINDOW, DIAL_MAX, HEADERS_LOOKED_AT_MAX, REQUEST_HEADERS_MAX, RESPONSE_HEADERS_MAX,
    STREAM_WINDOW, STREAMS_PER_CONNECTION_MAX,
};
use crate::proxy::control::{ActiveRule, Mark};
use crate::proxy::forger::FrameHabits;

/// The habits of one proxy; by default those of `plain`: Envoy's translations, and no time of its own.
#[derive(Clone, Debug)]
pub struct ProxyHabits {
    /// What it understands of a connection.
    pub layer: ProxyLayer,
    /// The node must have accepted a connection by then; `None` is never.
    pub dial_timeout: Option<Duration>,
    /// What TCP does about a node that has fallen silent.
    pub tcp: TcpOptions,
    /// What a client sees of a node that cannot be had.
    pub unreachable: Ending,
    /// The same, where it did not accept a connection in time.
    pub too_late: Ending,
    /// What a client sees of a connection to the node that is lost.
    pub lost: Ending,
    /// What a client sees of a node that resets the stream.
    pub resets: Ending,
    /// The same after the headers, with REFUSED_STREAM.
    pub refuses: Vec<Reaction>,
    /// The same after the headers, with NO_ERROR.
    pub resets_without_error: Vec<Reaction>,
    /// The same of a stream that the node's GOAWAY disowns.
    pub disowned: Vec<Reaction>,
    /// Whether the client's half stays open after the node's trailers.
    pub lingers: bool,
    /// Whether the node's end waits for the client's, in some case.
    pub awaits_client_end: bool,
    /// What the node sees of a client that resets its stream, or that is out of time.
    pub cancelled: Vec<Reaction>,
    /// What it sees of a client whose connection has ended.
    pub client_gone: Vec<Reaction>,
    /// What it sees after its end, where the client's half is open.
    pub after_answer: Vec<Reaction>,
    /// What it sees where its response has more headers than are taken.
    pub long_headers: Vec<Reaction>,
    /// How often a request, or a connection to the node, is tried again.
    pub retries: u32,
    /// For which reasons.
    pub retry_on: Vec<RetryCause>,
    /// The time before each.
    pub retry_pause: Duration,
    /// How streams are spread over connections to the node.
    pub(crate) pool: PoolHabits,
    /// Bytes that the node may send ahead on a stream.
    pub node_window: u32,
    /// Whether and how the node is asked if it lives.
    pub(crate) pings: Option<PingHabits>,
    /// What is done among the frames of connections to the node.
    pub(crate) node_frames: FrameHabits,
    /// What is done among the frames of clients' connections.
    pub(crate) client_frames: FrameHabits,
    /// Streams of one client connection at one time.
    pub streams: u32,
    /// Bytes that a client may send ahead on a stream.
    pub stream_window: u32,
    /// Bytes that a client may send ahead on a connection.
    pub connection_window: u32,
    /// Bytes of a request's headers, and what a client sees of more.
    pub request_headers: HeaderLimit,
    /// Bytes of a response's headers, and what a client sees of more.
    pub response_headers: HeaderLimit,
    /// PINGs of a client in one burst.
    pub(crate) ping_flood: FloodLimit,
    /// Streams that a client cancels early.
    pub(crate) reset_flood: FloodLimit,
    /// What becomes of a client's connection without a stream.
    pub idle_connections: Option<IdleConnections>,
    /// How clients' connections are retired.
    pub(crate) retiring: RetireHabits,
    /// A time that bytes would put back by less stays where it is.
    pub timer_slack: Duration,
    /// What it does to streams by the clock.
    pub rules: Vec<Rule>,
}

/// How streams are spread over connections to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolHabits {
    pub(crate) kind: NodePool,
    /// The most connections; `None` is as many as it takes.
    pub(crate) connections: Option<u32>,
    /// The most streams on one of them; `None` is as many as the node allows.
    pub(crate) streams: Option<u32>,
}

/// How the node is asked if it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PingHabits {
    pub(crate) interval: Duration,
    /// It must have answered by then.
    pub(crate) timeout: Option<Duration>,
}

/// A limit of headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderLimit {
    /// Bytes of a header list, as RFC 9113 section 6.5.2 counts them.
    pub bytes: u32,
    /// What is done about more.
    pub beyond: Vec<Reaction>,
}

/// How much of something is a flood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FloodLimit {
    /// So many are none; `None`: nothing is.
    pub(crate) most: Option<u32>,
    /// What is done about more.
    pub(crate) beyond: Vec<Reaction>,
}

/// What becomes of a client's connection that has no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleConnections {
    /// It is idle after so long.
    pub after: Duration,
    /// A PING of the client puts that back.
    pub ping_refreshes: bool,
    /// What is done then.
    pub then: Vec<Reaction>,
}

/// How a client's connection is told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetireHabits {
    pub(crate) at_drain: RetireCall,
    pub(crate) at_age: RetireCall,
    /// It is old at that age.
    pub(crate) age: Option<Duration>,
    /// It is old with so many requests.
    pub(crate) requests: Option<u32>,
    pub(crate) form: GoawayForm,
    /// Between two GOAWAYs; zero: when the client has answered a PING.
    pub(crate) gap: Duration,
    pub(crate) later: LaterStreams,
    /// So long it may close by itself after the last one.
    pub(crate) close_delay: Duration,
    /// Whether new connections are accepted while the proxy drains.
    pub(crate) accepts: bool,
}

/// When a connection that is to go is told so, and how long its streams may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetireCall {
    pub(crate) moment: GoawayMoment,
    pub(crate) grace: Option<Duration>,
}

impl Default for ProxyHabits {
    fn default() -> Self {
        let reset = |code, if_open| Reaction::Reset { with: ResetWith::Code(code), if_open };
        let unavailable = Reaction::GrpcStatus { code: 14, message: String::new() };
        let internal = reset(ResetCode::InternalError, false);
        let translated = Ending { before: vec![unavailable, Reaction::LET_GO], after: vec![internal] };
        ProxyHabits {
            layer: ProxyLayer::Http2,
            dial_timeout: Some(DIAL_MAX),
            tcp: TcpOptions::default(),
            unreachable: translated.clone(),
            too_late: translated.clone(),
            lost: translated.clone(),
            refuses: translated.after.clone(),
            resets_without_error: translated.after.clone(),
            disowned: translated.after.clone(),
            resets: translated,
            lingers: false,
            awaits_client_end: false,
            cancelled: vec![reset(ResetCode::Cancel, false)],
            client_gone: vec![reset(ResetCode::Cancel, false)],
            after_answer: vec![reset(ResetCode::Cancel, false)],
            long_headers: vec![reset(ResetCode::ProtocolError, false)],
            retries: 0,
            retry_on: Vec::new(),
            retry_pause: Duration::ZERO,
            pool: PoolHabits { kind: NodePool::Shared, connections: Some(1), streams: None },
            node_window: STREAM_WINDOW,
            pings: None,
            node_frames: FrameHabits::default(),
            client_frames: FrameHabits::default(),
            streams: STREAMS_PER_CONNECTION_MAX,
            stream_window: STREAM_WINDOW,
            connection_window: CLIENT_CONNECTION_WINDOW,
            request_headers: HeaderLimit::of_requests(),
            response_headers: HeaderLimit::of_responses(),
            ping_flood: FloodLimit { most: None, beyond: vec![Reaction::Nothing] },
            reset_flood: FloodLimit {
                most: Some(CANCELS_MAX),
                beyond: vec![Reaction::Goaway(ResetCode::EnhanceYourCalm), Reaction::Close],
            },
            idle_connections: None,
            retiring: RetireHabits::default(),
            timer_slack: Duration::ZERO,
            rules: Vec::new(),
        }
    }
}

impl Default for RetireHabits {
    fn default() -> Self {
        let at_once = RetireCall { moment: GoawayMoment::AtOnce, grace: None };
        RetireHabits {
            at_drain: at_once,
            at_age: at_once,
            age: None,
            requests: None,
            form: GoawayForm::Double,
            gap: Duration::ZERO,
            later: LaterStreams::Ignored,
            close_delay: Duration::ZERO,
            accepts: false,
        }
    }
}

impl ProxyHabits {
    /// What a client sees of the node's loss.
    pub(crate) fn loss(&self, error: &h2::Error) -> Ending {
        if error.is_go_away() && error.is_remote() {
            return Ending { before: self.lost.before.clone(), after: self.disowned.clone() };
        }
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

    /// How often a connection to the node is tried again.
    pub(crate) fn dial_retries(&self) -> u32 {
        if self.retry_on.contains(&RetryCause::ConnectFailure) { self.retries } else { 0 }
    }

    /// Whether a request that was sent may be sent again.
    pub(crate) fn retries_requests(&self) -> bool {
        self.retries > 0 && self.retry_on.iter().any(|cause| *cause != RetryCause::ConnectFailure)
    }

    /// Whether a request is sent again whose node was lost before it answered; over a connection that was used before, or not.
    pub(crate) fn retries_after(&self, error: &h2::Error, is_reused: bool) -> bool {
        let retries_on = |cause| self.retry_on.contains(&cause);
        if error.is_reset() {
            let is_refused = error.reason() == Some(Reason::REFUSED_STREAM);
            return retries_on(RetryCause::Reset) || (is_refused && retries_on(RetryCause::RefusedStream));
        }
        let is_shutdown = error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR);
        retries_on(RetryCause::Reset)
            || (is_shutdown && retries_on(RetryCause::Goaway))
            || (is_reused && retries_on(RetryCause::ReusedConnection))
    }

    /// Whether a request is sent again whose answer begins so.
    pub(crate) fn retries_answer(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let cause = match headers.get("grpc-status").map(http::HeaderValue::as_bytes) {
            Some(b"1") => RetryCause::Cancelled,
            Some(b"4") => RetryCause::DeadlineExceeded,
            Some(b"8") => RetryCause::ResourceExhausted,
            Some(b"13") => RetryCause::Internal,
            Some(b"14") => RetryCause::Unavailable,
            Some(_) | None if status.is_server_error() => RetryCause::Http5xx,
            Some(_) | None => return false,
        };
        self.retry_on.contains(&cause)
    }

    /// Bytes of a request's headers: what HTTP/2 itself takes.
    pub(crate) fn request_header_limit(&self) -> u32 {
        self.request_headers.of_http(&HeaderLimit::of_requests())
    }

    /// The same of a response's.
    pub(crate) fn response_header_limit(&self) -> u32 {
        self.response_headers.of_http(&HeaderLimit::of_responses())
    }

    /// The rules that always hold, as those of a control.
    pub(crate) fn standing(&self) -> Vec<Arc<ActiveRule>> {
        let active = |rule: &Rule| Arc::new(ActiveRule { id: 0, rule: rule.clone(), mark: Mark::default() });
        self.rules.iter().map(active).collect()
    }
}

impl HeaderLimit {
    /// Of requests, where nothing is said: HTTP/2 itself keeps it.
    fn of_requests() -> Self {
        let too_long = Reaction::Status { status: 431, body: PageBody::Empty };
        let reset = Reaction::Reset { with: ResetWith::Code(ResetCode::ProtocolError), if_open: true };
        HeaderLimit { bytes: REQUEST_HEADERS_MAX, beyond: vec![too_long, reset] }
    }

    /// Of responses, likewise.
    fn of_responses() -> Self {
        let lost = Reaction::GrpcStatus { code: 14, message: "lost the node before its headers".to_owned() };
        HeaderLimit { bytes: RESPONSE_HEADERS_MAX, beyond: vec![lost, Reaction::LET_GO] }
    }

    /// Whether headers of so many bytes are too many, which HTTP/2 itself has let through.
    pub(crate) fn is_below(&self, bytes: usize) -> bool {
        bytes > self.bytes as usize
    }

    /// What HTTP/2 itself takes: the limit, where its own reaction to more is the one that is wanted, or far more.
    fn of_http(&self, own: &HeaderLimit) -> u32 {
        if self.beyond == own.beyond { self.bytes } else { self.bytes.max(HEADERS_LOOKED_AT_MAX) }
    }
}
