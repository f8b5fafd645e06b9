//! What can be set on a node: port, liveness, bounds and planted bugs.
//!
//! Refuses to read files or arguments: whoever starts a node fills this in.

use std::time::Duration;

use crate::subject::xmtp::node::NodeQuirk;
use crate::subject::xmtp::wire::Dialect;

/// How a node is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// The port that it listens on.
    pub port: u16,
    /// After so long without a sent frame the node pings (S6), and it advertises this interval in
    /// `Started`. Below 1 ms, the wire's unit, the node neither pings nor advertises an interval.
    pub keepalive: Duration,
    /// How long it waits for the matching Pong; at most the keepalive is used (S6).
    pub pong_deadline: Duration,
    /// Which calls it serves.
    pub serves: Serves,
    /// In which dialects it serves Subscribe, beside each other; any other is UNIMPLEMENTED.
    pub dialects: Vec<Dialect>,
    /// The bounds (S8).
    pub limits: NodeLimits,
    /// A planted bug; none in a correct node.
    pub quirk: Option<NodeQuirk>,
}

/// The protocol recommends at most 30 s (S6).
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Where libxmtp looks for a node on the same machine.
const PORT: u16 = 5556;

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            port: PORT,
            keepalive: KEEPALIVE,
            pong_deadline: KEEPALIVE,
            serves: Serves::default(),
            dialects: vec![Dialect::default()],
            limits: NodeLimits::default(),
            quirk: None,
        }
    }
}

/// Which calls a node serves: an old one does not know Subscribe (C6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serves {
    /// All of them.
    #[default]
    Everything,
    /// All but Subscribe, which is UNIMPLEMENTED at once.
    OlderCalls,
    /// All but Subscribe, which is UNIMPLEMENTED in trailers, after headers that promise a stream: so answers what stands
    /// before an old node and opens streams by itself.
    OlderCallsLate,
}

impl Serves {
    /// Every choice.
    pub const ALL: [Serves; 3] = [Serves::Everything, Serves::OlderCalls, Serves::OlderCallsLate];

    /// Its name in a sim and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Serves::Everything => "everything",
            Serves::OlderCalls => "older-calls",
            Serves::OlderCallsLate => "older-calls-late",
        }
    }
}

/// So many at once, and so many each second in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// At once, after a long pause; at least 1 is used.
    pub burst: u32,
    /// In the long run; at least 1 is used.
    pub per_second: u32,
}

/// The bounds of S8 and of our own queues. What is over a bound ends in RESOURCE_EXHAUSTED, except
/// where a field says otherwise; nothing is ever cut silently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// Topics of one stream, live or in a wave. 50,000: a gateway of a thousand identities with 50
    /// topics each.
    pub subscriptions: usize,
    /// Adds in one Mutate. 5,000: five times what a gateway puts into one frame.
    pub adds: usize,
    /// Bytes of one topic. 256: group ids have 16 bytes and installation keys 32; it bounds the memory
    /// that a stream's topics take.
    pub topic_bytes: usize,
    /// Mutates of one stream. A gateway opens its whole set at once, in frames of 1,000 topics, and then
    /// follows the comings and goings of its leases.
    pub mutates: RateLimit,
    /// Client Pings of one stream, and Pongs that answer nothing. A probe is rare: one at a resume.
    pub client_pings: RateLimit,
    /// Waves in flight on one stream. 1,024: as many as Mutates may arrive at once.
    pub waves: usize,
    /// Fresh messages that wait for one stream. 16,384: minutes of a busy stream; over it the consumer is
    /// too slow: ABORTED.
    pub pending_messages: usize,
    /// Their bytes. 32 MiB: one message of the largest size and change; over it: ABORTED.
    pub pending_bytes: usize,
    /// Pongs, acknowledgments and markers that wait for one stream. 8,192: more than a full burst of
    /// Mutates and Pings can cause; over it: ABORTED.
    pub pending_controls: usize,
    /// A half-closed stream that takes no frame for so long is too slow: ABORTED. It is not pinged any
    /// more (S11), so nothing else would end it. 60 s: keepalive and Pong deadline together.
    pub stall: Duration,
    /// Messages in one frame. 256: enough that the frame's own cost vanishes.
    pub frame_messages: usize,
    /// Bytes of one frame with more than one message. 256 KiB: a frame is the unit in which waves and
    /// live take turns.
    pub frame_bytes: usize,
    /// Frames between the stream's task and HTTP/2, and as many times the bytes of one frame: a frame that finds as many
    /// waits, however few they are. 8: a few, so that what waits, waits where it is accounted.
    pub frames: usize,
    /// Streams that may be open at once on one HTTP/2 connection. The node tells each connection as it begins; what is opened beyond
    /// waits at the other end, or is answered by REFUSED_STREAM (RFC 9113, section 5.1.2). 200, as hyper has it.
    pub streams: usize,
    /// Messages in one page of a query; a larger wish is answered with a page of this size and the place
    /// of the next one. 100, as in the reference node.
    pub page_messages: usize,
    /// Bytes of one page with more than one message. 16 MiB: below the 25 MiB that a client reads.
    pub page_bytes: usize,
    /// Messages in one Send request. 10,000: one transaction stays in the milliseconds.
    pub send_messages: usize,
    /// Bytes of one published message. 24 MiB: a stored message must fit, with its envelope, into the
    /// 25 MiB that a client reads, else it would end every stream that replays it.
    pub message_bytes: usize,
}

impl Default for NodeLimits {
    fn default() -> Self {
        NodeLimits {
            subscriptions: 50_000,
            adds: 5_000,
            topic_bytes: 256,
            mutates: RateLimit { burst: 1_024, per_second: 100 },
            client_pings: RateLimit { burst: 64, per_second: 4 },
            waves: 1_024,
            pending_messages: 16_384,
            pending_bytes: 32 << 20,
            pending_controls: 8_192,
            stall: Duration::from_secs(60),
            frame_messages: 256,
            frame_bytes: 256 << 10,
            frames: 8,
            streams: 200,
            page_messages: 100,
            page_bytes: 16 << 20,
            send_messages: 10_000,
            message_bytes: 24 << 20,
        }
    }
}
