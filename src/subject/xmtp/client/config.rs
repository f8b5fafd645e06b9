//! What a subscriber is told before it starts.
//!
//! Refuses to know where it was written: flags, sim files and tests all fill in these structs.

use std::time::Duration;

use crate::env::{Address, TcpOptions};
use crate::subject::xmtp::client::{ADDS_MAX, ClientQuirk, PROBE_WITHIN};
use crate::subject::xmtp::wire::{Add, Dialect};

/// N of C2 where nothing else is said: teardown at 3 silent intervals (libxmtp PR 3772).
pub const WATCHDOG_INTERVALS: u32 = 3;

/// How long dialing may take where nothing else is said: libxmtp's endpoint.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where to dial: the node, or the proxy in front of it.
    pub node: Address,
    /// What to follow, and from where if the inbox knows nothing of the topic.
    pub topics: Vec<Add>,
    /// One Mutate adds at most so many of them; more is split over several waves. At most 1,000 (protocol, section 4).
    pub topics_per_mutate: usize,
    /// N of C2: after so many silent intervals the stream is dead. 2 or 3; less is read as 2. None: no watchdog.
    pub watchdog: Option<u32>,
    /// How soon a Pong must come after a suspension (C5). None: the stream is trusted as it was before.
    pub probe_within: Option<Duration>,
    /// Pings of HTTP/2 itself, while idle too. They prove that the next hop lives, and no more.
    pub http2_keepalive: Option<Http2Keepalive>,
    /// How far its next hop may send ahead of it.
    pub http2_windows: Http2Windows,
    /// What TCP does about a silent next hop.
    pub tcp: TcpOptions,
    /// How long dialing may take, the HTTP/2 handshake included.
    pub connect_timeout: Duration,
    /// How long to wait between attempts.
    pub backoff: BackoffConfig,
    /// What it speaks with the node.
    pub dialect: Dialect,
    /// A planted bug.
    pub quirk: Option<ClientQuirk>,
}

impl ClientConfig {
    /// Follows `topics` at `node`, with the default of everything else.
    #[must_use]
    pub fn new(node: Address, topics: Vec<Add>) -> Self {
        ClientConfig {
            node,
            topics,
            topics_per_mutate: ADDS_MAX,
            watchdog: Some(WATCHDOG_INTERVALS),
            probe_within: Some(PROBE_WITHIN),
            http2_keepalive: Some(Http2Keepalive::default()),
            http2_windows: Http2Windows::default(),
            tcp: TcpOptions::default(),
            connect_timeout: CONNECT_TIMEOUT,
            backoff: BackoffConfig::default(),
            dialect: Dialect::default(),
            quirk: None,
        }
    }
}

/// Pings of HTTP/2 itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Keepalive {
    /// A PING after so long without a frame.
    pub interval: Duration,
    /// The connection is dead if nothing answers for so long.
    pub timeout: Duration,
}

impl Default for Http2Keepalive {
    /// 10 s and 5 s: quick enough that a dead next hop is found before the watchdog (90 s) has to find it.
    fn default() -> Self {
        Http2Keepalive { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) }
    }
}

/// How many bytes of responses may be on their way before it has taken those before them (RFC 9113 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Windows {
    /// On one stream.
    pub stream: u32,
    /// On all streams of a connection together; never below 65,535 (RFC 9113 section 6.9.2).
    pub connection: u32,
}

impl Default for Http2Windows {
    /// The connection's is the largest that HTTP/2 knows, as in libxmtp's endpoint. A stream has hyper's 2 MiB, so that
    /// a consumer that stops is felt by its node.
    fn default() -> Self {
        Http2Windows { stream: 2 << 20, connection: (1 << 31) - 1 }
    }
}

/// The delays between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// The first step.
    pub floor: Duration,
    /// The steps double up to this.
    pub ceiling: Duration,
    /// Only a stream that stayed up for so long puts the step back to the floor.
    pub stable_after: Duration,
}

impl Default for BackoffConfig {
    /// 100 ms doubling to 30 s, reset by 10 s of stable uptime: the gateway's values (protocol, section 4).
    fn default() -> Self {
        BackoffConfig {
            floor: Duration::from_millis(100),
            ceiling: Duration::from_secs(30),
            stable_after: Duration::from_secs(10),
        }
    }
}
