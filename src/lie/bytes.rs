//! Lies about the bytes of a connection: told below HTTP/2, which notices nothing but their lateness or their end.
//!
//! Refuses to know how they are told. The words are Toxiproxy's, whose toxics do the same to any TCP connection.

use std::time::Duration;

use crate::lie::{Direction, Lie};

/// What is done to the bytes of a connection that travel one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteLie {
    /// Which way they travel.
    pub direction: Direction,
    /// What becomes of them.
    pub what: ByteHarm,
}

/// What becomes of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByteHarm {
    /// All of them come later.
    Latency {
        /// By so much in the mean.
        latency: Duration,
        /// By up to so much more or less, drawn for each piece.
        jitter: Duration,
    },
    /// So many pass per second; 0: none.
    Bandwidth {
        /// Bytes per second.
        bytes_per_second: u64,
    },
    /// The connection's end comes later.
    SlowClose {
        /// By so much.
        delay: Duration,
    },
    /// All of them vanish, and when the lie ends the connection is closed.
    BlackHole {
        /// The connection is closed so long after the lie met it; `None`: not before the lie ends.
        closes_after: Option<Duration>,
    },
    /// All of them vanish, and nobody is told: a connection that has lost some stays silent that way for good.
    Mute,
    /// All of them vanish, and the connection is reset (RST instead of FIN).
    Reset {
        /// So long after the first byte.
        after: Duration,
    },
    /// They pass in small pieces.
    Slice {
        /// The size of a piece in the mean, in bytes, at least 1.
        average: u32,
        /// A piece has up to so many bytes more or less, drawn for each.
        variation: u32,
        /// The pause after each piece.
        pause: Duration,
    },
    /// The connection is closed once so many have passed.
    Limit {
        /// Bytes.
        bytes: u64,
    },
}

impl From<ByteLie> for Lie {
    fn from(lie: ByteLie) -> Self {
        Lie::Bytes(lie)
    }
}
