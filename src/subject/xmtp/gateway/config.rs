//! What a gateway is told before it starts.
//!
//! Refuses to know its leases: those come and go while it runs.

use std::time::Duration;

use crate::env::{Address, TcpOptions};
use crate::subject::xmtp::client::{BackoffConfig, ClientConfig, Http2Keepalive, Http2Windows};
use crate::subject::xmtp::gateway::{GatewayQuirk, LEASE_EVENTS_MAX};

/// Everything that a gateway is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Where to dial: the node, or the proxy in front of it.
    pub node: Address,
    /// N of C2: after so many silent intervals the stream is dead. None: no watchdog.
    pub watchdog: Option<u32>,
    /// How soon a Pong must come after a suspension (C5). None: the stream is trusted as it was before.
    pub probe_within: Option<Duration>,
    /// Pings of HTTP/2 itself, while idle too.
    pub http2_keepalive: Option<Http2Keepalive>,
    /// How far its next hop may send ahead of it.
    pub http2_windows: Http2Windows,
    /// What TCP does about a silent next hop.
    pub tcp: TcpOptions,
    /// How long dialing may take, the HTTP/2 handshake included.
    pub connect_timeout: Duration,
    /// How long to wait between attempts.
    pub backoff: BackoffConfig,
    /// How many events may wait for the holder of a lease, and one frame more.
    pub lease_events: usize,
    /// A planted bug.
    pub quirk: Option<GatewayQuirk>,
}

impl GatewayConfig {
    /// Shares one stream to `node`, with a client's default of everything else.
    #[must_use]
    pub fn new(node: Address) -> Self {
        let client = ClientConfig::new(node, Vec::new());
        GatewayConfig {
            node: client.node,
            watchdog: client.watchdog,
            probe_within: client.probe_within,
            http2_keepalive: client.http2_keepalive,
            http2_windows: client.http2_windows,
            tcp: client.tcp,
            connect_timeout: client.connect_timeout,
            backoff: client.backoff,
            lease_events: LEASE_EVENTS_MAX,
            quirk: None,
        }
    }
}
