//! What the user may choose about a proxy, and the limits that nobody chooses.
//!
//! Refuses to know how the limits are kept.

use std::time::Duration;

use crate::env::{Address, TcpOptions};
use crate::proxy::client_tls::ClientTls;
use crate::proxy::control::Control;
use crate::proxy::habits::ProxyHabits;
use crate::proxy::node_tls::NodeTls;

/// How a proxy is set up.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// The TCP port that it listens on.
    pub port: u16,
    /// The node.
    pub upstream: Address,
    /// What TCP does about a silent node.
    pub tcp: TcpOptions,
    /// The handle that tells it to lie; the same handle may be given to the next process on the same host.
    pub control: Control,
    /// What it does of its own accord.
    pub habits: ProxyHabits,
    /// What lies between TCP and HTTP/2.
    pub edge: ProxyEdge,
}

/// What lies between TCP and HTTP/2, on both sides of a proxy; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct ProxyEdge {
    /// TLS with clients.
    pub client_tls: Option<ClientTls>,
    /// TLS with the node.
    pub node_tls: Option<NodeTls>,
    /// Each client's connection begins with a header of the PROXY protocol, before TLS.
    pub takes_proxy_header: bool,
}

/// Connections from clients at one time, so that a flood of them has an end: their windows add up to 16 GiB, which is
/// more than the machine has, and each is full only if all its streams are stalled.
pub(crate) const CONNECTIONS_MAX: usize = 4096;

/// Streams of one client connection at one time: what Envoy 1.40 advertises, as measured.
pub(crate) const STREAMS_PER_CONNECTION_MAX: u32 = 1024;

/// Bytes that one sender may have under way on one stream before the other side took them. Large enough for a
/// replay at full speed over 100 ms of round trip at 10 MiB/s, small enough that a stalled reader is felt soon
/// (Envoy's 16 MiB swallowed 32 MiB for a stalled client, as measured).
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;

/// Bytes that one client may have under way on all its streams: four streams at full speed.
pub(crate) const CLIENT_CONNECTION_WINDOW: u32 = 4 << 20;

/// Bytes that the node may have under way on all streams of all clients. The connection is shared, so a window of
/// a few streams would let as many stalled clients stop all the others; it takes 64 of them with this one.
pub(crate) const NODE_CONNECTION_WINDOW: u32 = 64 << 20;

/// Windows of a stream in that of a connection to the node.
pub(crate) const SHARED_WINDOWS: u32 = NODE_CONNECTION_WINDOW / STREAM_WINDOW;

/// The largest window of HTTP/2 (RFC 9113 section 6.9.1).
pub(crate) const WINDOW_MAX: u32 = (1 << 31) - 1;

/// Bytes of a header list that HTTP/2 itself takes where the proxy looks at them, and does what its profile says.
pub(crate) const HEADERS_LOOKED_AT_MAX: u32 = 256 << 10;

/// So long after the last GOAWAY a connection is closed at the earliest: its turn to send it.
pub(crate) const GOAWAY_TURN: Duration = Duration::from_millis(1);

/// A burst of PINGs: those within that time.
pub(crate) const PING_BURST: Duration = Duration::from_secs(1);

/// One client has a quarter of the streams of that connection, as far as the node allows them. What it opens beyond, or finds no
/// room for, goes over a connection of its own.
pub(crate) const SHARES: usize = 4;

/// Bytes per stream that wait inside h2 for the socket, after the receiver granted room for them: one default
/// window of HTTP/2 (RFC 9113 section 6.9.2), enough to fill a socket buffer in one write.
pub(crate) const SEND_BUFFER_MAX: usize = 65_536;

/// Bytes that are gathered for one write to a socket, and one frame more: four of HTTP/2's largest by default, a write that costs
/// more to copy than to call.
pub(crate) const CORK_MAX: usize = 65_536;

/// Small DATA frames of one stream that have arrived are handed on as one, up to so many bytes and one frame more: copying them
/// costs less than a frame each.
pub(crate) const JOINED_MAX: usize = 8 << 10;

/// Bytes of a request's header list: what servers on hyper and nginx take, less what the proxy adds. A server ends the connection
/// over one that is far too large, and that connection is everybody's.
pub(crate) const REQUEST_HEADERS_MAX: u32 = 15 << 10;

/// Bytes of a response's header list: Envoy's limit, 60 KiB, rounded up.
pub(crate) const RESPONSE_HEADERS_MAX: u32 = 65_536;

/// Bytes of a header of the PROXY protocol: nginx's `NGX_PROXY_PROTOCOL_MAX_HEADER`, since 1.23.2.
pub(crate) const PROXY_HEADER_MAX: usize = 4096;

/// Names that are offered in ALPN: more than there are for HTTP.
pub(crate) const ALPN_MAX: usize = 16;

/// A client that connected must have sent the PROXY header, its part of TLS and the HTTP/2 preface by then: as long as libxmtp's client gives the whole
/// connect, and as nghttpx gives its peers to acknowledge SETTINGS.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// A frame, or a header block, must be whole so long after its first byte: nginx's `client_header_timeout` and
/// `client_body_timeout`. The largest frame takes 300 bytes per second.
pub(crate) const FRAME_MAX: Duration = Duration::from_secs(60);

/// Frames both ways may have so many times the bytes of the header blocks and data in them, and `IDLE_BYTES_MAX` more: nginx's own
/// measure of a flood (`http2 flood detected`, since 1.19.7). It is above a stream of single bytes.
pub(crate) const IDLE_RATIO_MAX: usize = 8;

/// See [`IDLE_RATIO_MAX`]: half a million PINGs.
pub(crate) const IDLE_BYTES_MAX: usize = 1 << 20;

/// A cancel is early within that time of the stream's begin: Envoy's `premature_reset_min_stream_lifetime_seconds`.
pub(crate) const EARLY_MAX: Duration = Duration::from_secs(1);

/// Of so many windows what was withheld is remembered: a client's connection has so many streams at most.
pub(crate) const WITHHELD_MAX: usize = 1_024;

/// An early cancel is forgotten at this pace: a hundred per second may go on for ever.
pub(crate) const CANCEL_PRICE: Duration = Duration::from_millis(10);

/// Early cancels of one client, not yet forgotten, that cost it the connection: Envoy's `premature_reset_total_stream_count`.
pub(crate) const CANCELS_MAX: u32 = 500;

/// Streams that a client has reset before they were looked at, where its profile has no limit: they cost memory all the same.
pub(crate) const RESETS_MAX: u32 = 10_000;

/// Early cancels of one client, not yet forgotten, from which on it has a connection to the node of its own: a server on h2 ends a
/// connection over 20 that it has not looked at yet.
pub(crate) const CANCELS_SHARED_MAX: u32 = 10;

/// A client that is turned away must have taken its GOAWAY by then: as long as Envoy's `delayed_close_timeout`.
pub(crate) const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// The node must have accepted a connection by then: Envoy's `connect_timeout`.
pub(crate) const DIAL_MAX: Duration = Duration::from_secs(5);

/// How long a stream waits for the node to allow one more stream: no longer than for a connection.
pub(crate) const SLOT_WAIT_MAX: Duration = Duration::from_secs(5);

/// Connections that one stream tries when they die while it waits for a slot: the one it found and a fresh one.
pub(crate) const LINK_TRIES_MAX: u32 = 2;

/// Pause after a failed accept, which is the system out of descriptors or memory: retrying at once would spin.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a request that are kept to send it again: Pingora's limit for a retry, and one default window of HTTP/2.
pub(crate) const REPEATED_MAX: usize = 65_536;

/// Bytes that a lie about frames takes in at one time: more than the longest frame that h2 writes by default.
pub(crate) const FORGED_MAX: usize = 32 << 10;

/// Bytes that wait on one connection and way while a lie about bytes makes them late: a stream's window, so that
/// latency costs no more than that of a long way does. Then the sender waits, as before a full socket.
pub(crate) const LANE_MAX: usize = 1 << 20;

/// Where bytes pass slowly, they pass in pieces of so much time: short against what anybody measures, and long enough
/// that a megabyte does not take a million turns.
pub(crate) const PACE_STEP: Duration = Duration::from_millis(50);

/// Bytes that are read at one time while an answer is awaited that HTTP/2 must not see.
pub(crate) const READ_STEP: usize = 4 << 10;
