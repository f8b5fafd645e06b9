//! What the two ends of a connection say to each other.
//!
//! Refuses to know how it gets there.

use std::time::Duration;

use bytes::Bytes;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TcpSide {
    /// The end that connected.
    Dialer,
    /// The end that accepted.
    Acceptor,
}

impl TcpSide {
    pub(crate) fn other(self) -> TcpSide {
        match self {
            TcpSide::Dialer => TcpSide::Acceptor,
            TcpSide::Acceptor => TcpSide::Dialer,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            TcpSide::Dialer => 0,
            TcpSide::Acceptor => 1,
        }
    }
}

/// What an end sends at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    /// Which one of its end's, from 0.
    pub(crate) sequence: u64,
    pub(crate) bytes: Bytes,
    /// FIN follows.
    pub(crate) finish: bool,
}

/// One thing that an end says to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TcpSegment {
    Syn,
    SynAck,
    /// As many segments as its bytes fill. `sent`: when it was sent first, by the sender's kernel.
    Burst {
        burst: Burst,
        sent: Duration,
    },
    /// Everything before `expected` is there. Nobody sees it travel: it is heard at once, or not at all.
    Acknowledgment {
        expected: u64,
    },
    /// Room for so many more bytes; of none, a mere sign of life.
    WindowUpdate {
        bytes: usize,
    },
    /// A question for a sign of life, or for the window.
    Probe,
    Reset,
}
