//! One connection: two ends, and how far it has come.
//!
//! ```text
//!            SYN arrives at a listener
//! Connecting ------------------------> Open --FIN both ways--> gone
//!     |  RST, or no answer to 7 SYNs     |
//!     +----------> Failed                +--RST, or silence--> one end dead, or both
//! ```

use std::io;
use std::time::Duration;

use crate::fault::Expired;
use crate::world::engine::HostId;
use crate::world::net::end::{End, Holder};

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// The end that connected.
    Dialer,
    /// The end that accepted.
    Acceptor,
}

impl Side {
    pub(crate) fn other(self) -> Side {
        match self {
            Side::Dialer => Side::Acceptor,
            Side::Acceptor => Side::Dialer,
        }
    }

    fn index(self) -> usize {
        match self {
            Side::Dialer => 0,
            Side::Acceptor => 1,
        }
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// SYN is under way.
    Connecting,
    /// The dialer knows that it is connected.
    Open,
    /// connect(2) has failed.
    Failed(io::ErrorKind),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) phase: Phase,
    /// How many SYNs were sent.
    pub(crate) syns: u32,
    /// When the first was, by the dialer's kernel.
    pub(crate) dialed: Duration,
    /// The acceptor's kernel knows of it.
    pub(crate) is_known: bool,
    /// It is dialed to an address that is nobody's.
    pub(crate) is_astray: bool,
    /// When a packet of it last passed a link.
    pub(crate) last_used: Duration,
    /// A middlebox on its way has forgotten it, and does this to its packets.
    pub(crate) forgotten: Option<Expired>,
    ends: [End; 2],
}

impl Connection {
    pub(crate) fn new(now: Duration, dialer: End, acceptor: End) -> Self {
        Connection {
            phase: Phase::Connecting,
            syns: 0,
            dialed: Duration::ZERO,
            is_known: false,
            is_astray: false,
            last_used: now,
            forgotten: None,
            ends: [dialer, acceptor],
        }
    }

    /// The dialer's and the acceptor's.
    pub(crate) fn hosts(&self) -> [HostId; 2] {
        [self.ends[0].host, self.ends[1].host]
    }

    pub(crate) fn end(&self, side: Side) -> &End {
        &self.ends[side.index()]
    }

    pub(crate) fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side.index()]
    }

    /// Nothing will ever happen on it again.
    pub(crate) fn is_over(&self) -> bool {
        match self.phase {
            Phase::Failed(_) => self.ends[0].holder == Holder::Nobody && (self.ends[1].holder != Holder::Process),
            Phase::Connecting => false,
            Phase::Open => self.ends.iter().all(End::is_over),
        }
    }
}
