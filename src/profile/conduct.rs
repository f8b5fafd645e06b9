//! The keys of a profile: one typed value each, in the groups in which people look for them.
//!
//! Refuses to know any proxy.

use std::time::Duration;

use crate::grammar::{KeyHelp, key};
use crate::profile::lists::{AfterHeaders, BeforeHeaders, OnConnection, RetryCauses, TowardNode};
use crate::profile::read::Asking;
use crate::profile::spoken::{Bytes, Ceiling, Spelled, Spoken, Timeout};
use crate::profile::words::{GoawayForm, GoawayMoment, LaterStreams, NodePool, ProxyLayer, RequestHold, ResponseHold};

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConductKey {
    /// Its name, in a file and in a sim.
    pub name: &'static str,
    /// The group that it is told in.
    pub group: &'static str,
    /// What it takes.
    pub takes: &'static str,
    /// A value that would be right, as TOML.
    pub example: &'static str,
    /// What it means.
    pub means: &'static str,
}

/// Makes the type of all values, its reader, its writer, and the table of its keys.
macro_rules! conduct {
    ($($group:literal: $(#[doc = $means:literal] $name:literal $field:ident: $kind:ty,)+)+) => {
        /// What a proxy does to long-lived streams: every value of a profile.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Conduct {
            $($(#[doc = concat!("`", $name, "`:", $means)] pub $field: $kind,)+)+
        }

        impl Conduct {
            /// Every key, in the order in which files have them.
            pub const KEYS: &'static [ConductKey] = &[$($(ConductKey {
                name: $name,
                group: $group,
                takes: <$kind as Spoken>::TAKES,
                example: <$kind as Spoken>::EXAMPLE,
                means: $means,
            },)+)+];

            /// The keys of a proxy that passes bytes.
            pub const OF_BYTES: &'static [&'static str] = &[
                "layer",
                "connect-timeout",
                "connection-idle",
                "connection-idle-reaction",
                "drain-accepts",
                "drain-grace",
                "tcp-keepalive-after",
                "tcp-keepalive-interval",
                "tcp-keepalive-count",
                "tcp-unacknowledged",
            ];

            /// Every key, as a sim has it beside the name of its profile.
            pub const HELP: &'static [KeyHelp] =
                &[$($(key($name, <$kind as Spoken>::TAKES, "as in its profile", $means),)+)+];

            /// Reads every value; what the text does not say is as in `base`. None where a problem was noted.
            pub(crate) fn read(asking: &mut Asking<'_, '_>, base: Option<&Conduct>) -> Option<Conduct> {
                $($(let $field = asking.value::<$kind>($name, base.map(|base| &base.$field));)+)+
                Some(Conduct { $($($field: $field?,)+)+ })
            }

            /// Every value, with its key.
            #[must_use]
            pub fn values(&self) -> Vec<(&'static str, Spelled)> {
                vec![$($(($name, self.$field.spelled()),)+)+]
            }
        }
    };
}

conduct! {
    "What it is":
    /// What it understands of a connection.
    "layer" layer: ProxyLayer,

    "Times of a stream":
    /// The node must have accepted a connection by then.
    "connect-timeout" connect_timeout: Timeout,
    /// The longest without a byte from the node on an open stream.
    "read-timeout" read_timeout: Timeout,
    /// Whether that time begins, before the response headers, only once the client has ended its half.
    "read-timeout-awaits-request" read_timeout_awaits_request: bool,
    /// The longest that the node takes no byte of what waits for it; then as for `read-timeout`.
    "write-timeout" write_timeout: Timeout,
    /// The longest without a byte either way on an open stream.
    "idle-timeout" idle_timeout: Timeout,
    /// The longest without a byte either way, while the client has not ended its half of the stream.
    "body-timeout" body_timeout: Timeout,
    /// A time that bytes would put back by less than this stays where it was.
    "timer-slack" timer_slack: Duration,
    /// From the end of the request to the end of the response, whatever passes.
    "request-timeout" request_timeout: Timeout,
    /// From the start of a stream to its end, whatever passes.
    "stream-age" stream_age: Timeout,
    /// From the start of a stream to the end of its request, whatever passes.
    "request-age" request_age: Timeout,

    "Times of a client's connection":
    /// The longest without a stream.
    "connection-idle" connection_idle: Timeout,
    /// Whether a PING of the client puts that time back.
    "ping-refreshes-connection" ping_refreshes_connection: bool,
    /// The age at which it is drained.
    "connection-age" connection_age: Timeout,
    /// The number of requests at which it is drained.
    "connection-requests" connection_requests: Ceiling<u32>,
    /// When one that is old gets its GOAWAY.
    "age-begins" age_begins: GoawayMoment,
    /// How long after that GOAWAY its streams may go on.
    "age-grace" age_grace: Timeout,
    /// How long a client may close its connection by itself after the last GOAWAY; then the proxy does.
    "close-delay" close_delay: Duration,
    /// The longest that a client or the node may leave SETTINGS unacknowledged; then GOAWAY(SETTINGS_TIMEOUT).
    "settings-ack-timeout" settings_ack_timeout: Timeout,

    "Asking whether the node lives":
    /// The time between two PINGs of HTTP/2 to the node.
    "ping-interval" ping_interval: Timeout,
    /// The longest without an answer to one; then the connection is lost.
    "ping-timeout" ping_timeout: Timeout,
    /// The time without a packet from the node before TCP probes it.
    "tcp-keepalive-after" tcp_keepalive_after: Timeout,
    /// The time between two probes.
    "tcp-keepalive-interval" tcp_keepalive_interval: Timeout,
    /// The number of unanswered probes at which the connection is lost.
    "tcp-keepalive-count" tcp_keepalive_count: u32,
    /// The longest that TCP waits for an acknowledgment (TCP_USER_TIMEOUT); never is Linux's own, some 15 minutes.
    "tcp-unacknowledged" tcp_unacknowledged: Timeout,

    "What the client sees when a time runs out":
    /// Of `connect-timeout`.
    "connect-timeout-before-headers" connect_timeout_before_headers: BeforeHeaders,
    /// Of `read-timeout`, before the response headers.
    "read-timeout-before-headers" read_timeout_before_headers: BeforeHeaders,
    /// Of `read-timeout`, after them.
    "read-timeout-after-headers" read_timeout_after_headers: AfterHeaders,
    /// Of `idle-timeout`, before the response headers.
    "idle-timeout-before-headers" idle_timeout_before_headers: BeforeHeaders,
    /// Of `idle-timeout`, after them.
    "idle-timeout-after-headers" idle_timeout_after_headers: AfterHeaders,
    /// Of `body-timeout`, before the response headers.
    "body-timeout-before-headers" body_timeout_before_headers: BeforeHeaders,
    /// Of `body-timeout`, after them.
    "body-timeout-after-headers" body_timeout_after_headers: AfterHeaders,
    /// Of `request-timeout`, before the response headers.
    "request-timeout-before-headers" request_timeout_before_headers: BeforeHeaders,
    /// Of `request-timeout`, after them.
    "request-timeout-after-headers" request_timeout_after_headers: AfterHeaders,
    /// Of `stream-age`, before the response headers.
    "stream-age-before-headers" stream_age_before_headers: BeforeHeaders,
    /// Of `stream-age`, after them.
    "stream-age-after-headers" stream_age_after_headers: AfterHeaders,
    /// Of `request-age`, before the response headers.
    "request-age-before-headers" request_age_before_headers: BeforeHeaders,
    /// Of `request-age`, after them.
    "request-age-after-headers" request_age_after_headers: AfterHeaders,
    /// Of `connection-idle`.
    "connection-idle-reaction" connection_idle_reaction: OnConnection,

    "What the client sees of the node":
    /// A new stream, when the node refuses connections.
    "node-unreachable" node_unreachable: BeforeHeaders,
    /// The connection to the node ends before the response headers.
    "node-lost-before-headers" node_lost_before_headers: BeforeHeaders,
    /// The connection to the node ends after them.
    "node-lost-after-headers" node_lost_after_headers: AfterHeaders,
    /// The node resets the stream before the response headers.
    "node-resets-before-headers" node_resets_before_headers: BeforeHeaders,
    /// The node resets the stream after them, with any other error.
    "node-resets-after-headers" node_resets_after_headers: AfterHeaders,
    /// The node resets the stream after them, with REFUSED_STREAM.
    "node-refuses-after-headers" node_refuses_after_headers: AfterHeaders,
    /// The node resets the stream after them, with NO_ERROR.
    "node-resets-without-error" node_resets_without_error: AfterHeaders,
    /// The node says GOAWAY with a last stream id below that of a stream that runs.
    "node-disowns-stream" node_disowns_stream: AfterHeaders,
    /// The node ends the stream with trailers.
    "node-trailers" node_trailers: AfterHeaders,
    /// The node ends the stream without trailers.
    "node-ends-without-trailers" node_ends_without_trailers: AfterHeaders,

    "What the node sees":
    /// A client resets a stream with CANCEL; also what it sees of a stream that ran out of time.
    "node-sees-cancel" node_sees_cancel: TowardNode,
    /// A client's connection ends.
    "node-sees-client-gone" node_sees_client_gone: TowardNode,
    /// The node has sent its trailers, and the client has not ended its half of the stream.
    "node-sees-after-trailers" node_sees_after_trailers: TowardNode,
    /// Its response has more headers than are taken.
    "node-sees-long-headers" node_sees_long_headers: TowardNode,
    /// A connection to the node has no more use, as after the node's GOAWAY.
    "node-sees-end" node_sees_end: TowardNode,

    "Connections to the node, and trying again":
    /// How streams are spread over connections.
    "node-connections" node_connections: NodePool,
    /// The most streams on one of them.
    "node-connection-streams" node_connection_streams: Ceiling<u32>,
    /// The most of them at one time; a stream beyond waits.
    "max-node-connections" max_node_connections: Ceiling<u32>,
    /// How often a request is tried again.
    "retries" retries: u32,
    /// For which reasons.
    "retry-on" retry_on: RetryCauses,
    /// The time before each.
    "retry-pause" retry_pause: Duration,

    "Drain":
    /// When a connection that is drained gets its GOAWAY.
    "drain-begins" drain_begins: GoawayMoment,
    /// What the client is told, at the end of a drained connection's life or at `connection-age`.
    "drain-goaway" drain_goaway: GoawayForm,
    /// The time from the first GOAWAY to the second.
    "drain-goaway-gap" drain_goaway_gap: Duration,
    /// What becomes of a stream that comes after it.
    "streams-after-goaway" streams_after_goaway: LaterStreams,
    /// Whether new connections are accepted meanwhile.
    "drain-accepts" drain_accepts: bool,
    /// How long streams may go on; then the proxy ends their connections.
    "drain-grace" drain_grace: Timeout,

    "Limits":
    /// The streams that a client may have open on a connection.
    "max-streams" max_streams: Ceiling<u32>,
    /// The bytes that a client may send ahead on a stream.
    "stream-window" stream_window: Bytes,
    /// The bytes that a client may send ahead on a connection.
    "connection-window" connection_window: Bytes,
    /// The bytes of a response that it takes from the node for a client that reads nothing.
    "absorbs" absorbs: Ceiling<Bytes>,
    /// The bytes of request headers.
    "request-headers" request_headers: Ceiling<Bytes>,
    /// What the client sees of more.
    "request-headers-reaction" request_headers_reaction: OnConnection,
    /// The bytes of response headers.
    "response-headers" response_headers: Ceiling<Bytes>,
    /// What the client sees of more.
    "response-headers-reaction" response_headers_reaction: BeforeHeaders,
    /// The PINGs that a client may send in one burst.
    "ping-flood" ping_flood: Ceiling<u32>,
    /// What the client sees of more.
    "ping-flood-reaction" ping_flood_reaction: OnConnection,
    /// The streams that a client may open and reset in one burst.
    "reset-flood" reset_flood: Ceiling<u32>,
    /// What the client sees of more.
    "reset-flood-reaction" reset_flood_reaction: OnConnection,

    "Holding back":
    /// What a request waits for before the node hears of it.
    "request-hold" request_hold: RequestHold,
    /// What a response waits for before the client hears of it.
    "response-hold" response_hold: ResponseHold,
}

impl Conduct {
    /// Whether it ends streams of a node that lives: at an age, or after a time without a byte.
    #[must_use]
    pub fn ends_streams(&self) -> bool {
        let times = [
            self.read_timeout,
            self.write_timeout,
            self.idle_timeout,
            self.body_timeout,
            self.request_timeout,
            self.stream_age,
            self.request_age,
            self.connection_age,
        ];
        times.iter().any(|time| time.after().is_some()) || self.connection_requests.most().is_some()
    }
}
