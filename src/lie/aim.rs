//! Which streams a lie is about, and the moment of a stream's life at which it begins.
//!
//! Refuses to know what is done then.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use globset::GlobMatcher;

/// One stream of one client connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The serial number of the client connection in this proxy process, from 1.
    pub connection: u64,
    /// The HTTP/2 stream id on that connection.
    pub stream: u32,
}

impl StreamKey {
    /// Which stream of its connection it is, from 1: a client's streams are odd and ascending (RFC 9113 section 5.1.1).
    #[must_use]
    pub(crate) fn ordinal(self) -> u32 {
        self.stream.div_ceil(2)
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.connection, self.stream)
    }
}

/// Whom a lie meets: every field that is set must name them, and the default names everybody.
///
/// A lie about connections or their bytes goes by peers, side and share alone.
#[derive(Clone, Debug, Default)]
pub struct Aim {
    /// The IP addresses at the other end of the connection; `None` means all.
    pub peers: Option<BTreeSet<IpAddr>>,
    /// A pattern for the path of the request, such as `/*/Subscribe`; `None` means all paths.
    pub paths: Option<GlobMatcher>,
    /// A header that the request must have.
    pub header: Option<HeaderMatch>,
    /// Each stream of so many on its connection: 3 means the third, the sixth, and so on.
    pub every: Option<NonZeroU32>,
    /// These very streams; `None` means all streams.
    pub streams: Option<BTreeSet<StreamKey>>,
    /// Of a lie about connections that names no peer: which of them it is about.
    pub side: ConnectionSide,
    /// A part of the connections, with their streams; `None` means all of them.
    pub share: Option<LieShare>,
}

/// Whose connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionSide {
    /// The clients'.
    #[default]
    Clients,
    /// The proxy's own to the node.
    Node,
}

/// So many of a million connections, drawn for each of them by the seed of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LieShare(u32);

impl LieShare {
    /// Of which a share is a part.
    pub(crate) const WHOLE: u32 = 1_000_000;

    /// So many of a million; more is all of them.
    #[must_use]
    pub fn of_a_million(parts: u32) -> Self {
        LieShare(parts.min(LieShare::WHOLE))
    }

    /// Whether a connection that drew a number below [`LieShare::WHOLE`] is in it.
    #[must_use]
    pub(crate) fn has(self, drawn: u32) -> bool {
        drawn < self.0
    }
}

/// A request header and the pattern that one of its values matches.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// The header's name, in lower case.
    pub name: String,
    /// What its value is like.
    pub value: GlobMatcher,
}

/// A moment in the life of a stream, from which on a lie is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trigger {
    /// As it opens; for a stream that was open before the rule, at once.
    #[default]
    Opened,
    /// It is so old.
    Age(Duration),
    /// The node's response headers have passed.
    Headers,
    /// So many gRPC messages have passed in the lie's direction.
    Messages(u32),
    /// So many bytes of DATA have passed in the lie's direction.
    Bytes(u64),
    /// For so long no byte has come in the lie's direction.
    Idle(Duration),
    /// The same, and before the response headers not before the client has ended its request.
    AnswerIdle(Duration),
    /// For so long the node has taken no byte of what waits for it.
    Unwritten(Duration),
    /// For so long no byte has come either way.
    Quiet(Duration),
    /// The same, while the client has not ended its request.
    OpenQuiet(Duration),
    /// It is so old, and the client has not ended its request.
    OpenAge(Duration),
    /// The client has ended its request so long ago.
    HalfClosed(Duration),
}
