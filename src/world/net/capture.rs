//! What goes over the links of a world, kept for who wants to look at its packets.
//!
//! A side channel: no digest has it, no dice are drawn for it, and where nobody asks nothing is kept. Refuses to know
//! what the bytes mean, and which segments a link cuts them into.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::world::net::segment::{TcpSegment, TcpSide};
use crate::world::net::traffic::ConnectionId;

/// A capture takes no more: a tool that opens a larger one takes longer than anybody waits.
const BYTES_MAX: usize = 1 << 30;

/// One thing that an end of a connection sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedSegment {
    /// When it left its sender, since the trial's start.
    pub at: Duration,
    /// Which connection: numbers are not used twice.
    pub connection: u64,
    /// Whether the end that connected sent it, and not the one that accepted.
    pub by_dialer: bool,
    /// The sender's address.
    pub from: SocketAddr,
    /// The other end's.
    pub to: SocketAddr,
    /// What it is.
    pub what: Captured,
    /// It, or a part of it, never arrives.
    pub lost: bool,
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Captured {
    /// SYN.
    Syn,
    /// SYN and ACK.
    SynAck,
    /// Bytes, and FIN if they are the last.
    Burst {
        /// Which burst of its end, from 0: one that is sent again has the same number.
        number: u64,
        /// The bytes.
        bytes: Bytes,
        /// FIN follows them.
        finish: bool,
    },
    /// An acknowledgment of every burst before that number.
    Acknowledgment {
        /// The number.
        expected: u64,
    },
    /// Room for so many more bytes.
    WindowUpdate {
        /// So many.
        bytes: usize,
    },
    /// A question for a sign of life, or for the window.
    Probe,
    /// RST.
    Reset,
    /// No segment: another process accepts in the place of one that died, and knows nothing of what was sent before.
    Renewed,
}

/// A handle on what is kept; its clones are one.
#[derive(Clone, Debug, Default)]
pub struct Capture(Arc<Mutex<Kept>>);

/// What was kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Everything that was sent, by the time it was.
    pub segments: Vec<CapturedSegment>,
    /// The hosts' names and addresses.
    pub hosts: Vec<(String, std::net::IpAddr)>,
    /// The secrets by which TLS among the segments is read, as lines of an `SSLKEYLOGFILE`.
    pub secrets: String,
    /// It was too much, and nothing is kept from here on.
    pub full_at: Option<Duration>,
    bytes: usize,
}

impl Capture {
    /// What is kept so far; from here on a new capture begins.
    #[must_use]
    pub fn take(&self) -> Kept {
        let mut kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // What answers in another's name is told ahead of its time.
        kept.segments.sort_by_key(|segment| segment.at);
        kept
    }

    pub(crate) fn name(&self, host: &str, ip: std::net::IpAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hosts.push((host.to_owned(), ip));
    }

    pub(crate) fn keep_secret(&self, line: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.secrets.push_str(line);
        kept.secrets.push('\n');
    }

    /// Keeps a segment of `from`, the end at `side`, to `to`.
    pub(crate) fn keep(
        &self,
        at: Duration,
        id: ConnectionId,
        side: TcpSide,
        [from, to]: [SocketAddr; 2],
        what: Captured,
        lost: bool,
    ) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Captured::Burst { bytes, .. } = &what {
            kept.bytes = kept.bytes.saturating_add(bytes.len());
        }
        if kept.bytes > BYTES_MAX {
            kept.full_at.get_or_insert(at);
            return;
        }
        let by_dialer = side == TcpSide::Dialer;
        kept.segments.push(CapturedSegment { at, connection: id.0, by_dialer, from, to, what, lost });
    }
}

impl From<&TcpSegment> for Captured {
    fn from(segment: &TcpSegment) -> Self {
        match segment {
            TcpSegment::Syn => Captured::Syn,
            TcpSegment::SynAck => Captured::SynAck,
            TcpSegment::Burst { burst, .. } => Captured::Burst {
                number: burst.sequence,
                // A copy: what is kept must not hold the sender's buffer.
                bytes: Bytes::copy_from_slice(&burst.bytes),
                finish: burst.finish,
            },
            TcpSegment::Acknowledgment { expected } => Captured::Acknowledgment { expected: *expected },
            TcpSegment::WindowUpdate { bytes } => Captured::WindowUpdate { bytes: *bytes },
            TcpSegment::Probe => Captured::Probe,
            TcpSegment::Reset => Captured::Reset,
        }
    }
}
