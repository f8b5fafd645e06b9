//! One connection: its two ends, and what the network between them knows of it.
//!
//! Refuses to know what the ends make of what they hear.

use std::net::SocketAddr;
use std::time::Duration;

use crate::fault::Expired;
use crate::world::engine::{ConnectionTurn, HostId};
use crate::world::net::end::{End, Holder, TcpPhase};
use crate::world::net::segment::TcpSide;

/// See the module.
#[derive(Debug)]
pub(crate) struct TcpConnection {
    /// It is dialed to an address that is nobody's.
    pub(crate) is_astray: bool,
    /// When a packet of it last passed a link.
    pub(crate) last_used: Duration,
    /// A middlebox on its way has forgotten it, and does this to its packets.
    pub(crate) forgotten: Option<Expired>,
    ends: [End; 2],
    /// When the timer of each end expires.
    timers: [Option<Duration>; 2],
    /// Whether RST is on its way to each end, or has arrived there.
    resets: [bool; 2],
    told: ConnectionStage,
}

/// What an observer was told of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionStage {
    Dialing,
    /// It is connected, and so many bursts have come.
    Connected {
        bursts: u64,
    },
    Over,
}

impl TcpConnection {
    pub(crate) fn new(now: Duration, dialer: End, acceptor: End) -> Self {
        TcpConnection {
            is_astray: false,
            last_used: now,
            forgotten: None,
            ends: [dialer, acceptor],
            timers: [None; 2],
            resets: [false; 2],
            told: ConnectionStage::Dialing,
        }
    }

    /// The dialer's and the acceptor's.
    pub(crate) fn hosts(&self) -> [HostId; 2] {
        [self.ends[0].host, self.ends[1].host]
    }

    pub(crate) fn end(&self, side: TcpSide) -> &End {
        &self.ends[side.index()]
    }

    pub(crate) fn end_mut(&mut self, side: TcpSide) -> &mut End {
        &mut self.ends[side.index()]
    }

    /// The address of the end at `side`, and the other end's.
    pub(crate) fn addresses(&self, side: TcpSide) -> [SocketAddr; 2] {
        [side, side.other()].map(|side| self.end(side).address)
    }

    pub(crate) fn timer_mut(&mut self, side: TcpSide) -> &mut Option<Duration> {
        &mut self.timers[side.index()]
    }

    pub(crate) fn reset_mut(&mut self, side: TcpSide) -> &mut bool {
        &mut self.resets[side.index()]
    }

    /// A SYN that finds the acceptor's end dead, whose RST was lost, finds another process, or none, as if it were the
    /// first.
    pub(crate) fn renew_acceptor(&mut self) {
        let side = TcpSide::Acceptor;
        let before = self.end(side);
        *self.end_mut(side) = End::acceptor(before.host, before.address);
        (*self.timer_mut(side), *self.reset_mut(side)) = (None, false);
    }

    /// What its dialer has learned, and nobody was told of; to be asked until there is nothing more.
    pub(crate) fn news(&mut self) -> Option<ConnectionTurn> {
        let dialer = self.end(TcpSide::Dialer);
        let (turn, told) = match (self.told, dialer.phase()) {
            (ConnectionStage::Dialing, TcpPhase::Open) => {
                (Some(ConnectionTurn::Connected), ConnectionStage::Connected { bursts: 0 })
            }
            (ConnectionStage::Dialing, TcpPhase::Failed(_)) => (None, ConnectionStage::Over),
            // What comes with the end came first.
            (ConnectionStage::Connected { bursts }, _) if dialer.expected() > bursts => {
                (Some(ConnectionTurn::Received), ConnectionStage::Connected { bursts: dialer.expected() })
            }
            (stage @ ConnectionStage::Connected { .. }, _) => match dialer.ending() {
                Some(how) => (Some(ConnectionTurn::Over(how)), ConnectionStage::Over),
                None => (None, stage),
            },
            (told, _) => (None, told),
        };
        self.told = told;
        turn
    }

    /// Its dialer learns nothing any more: its process is gone.
    pub(crate) fn hush(&mut self) {
        self.told = ConnectionStage::Over;
    }

    /// Nothing will ever happen on it again.
    pub(crate) fn is_over(&self) -> bool {
        let [dialer, acceptor] = &self.ends;
        match dialer.phase() {
            TcpPhase::Failed(_) => dialer.holder == Holder::Nobody && acceptor.holder != Holder::Process,
            TcpPhase::Listening | TcpPhase::Connecting => false,
            TcpPhase::Open => self.ends.iter().all(End::is_over),
        }
    }
}
