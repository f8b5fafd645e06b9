//! One connection: two ends, and what each has sent, holds and knows of the other.
//!
//! ```text
//!            SYN arrives at a listener
//! Connecting ------------------------> Open --FIN both ways--> gone
//!     |  RST, or no answer to 7 SYNs     |
//!     +----------> Failed                +--RST--> Reset
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::Waker;

use bytes::{Bytes, BytesMut};

use crate::world::engine::HostId;

/// What a receiver holds at most before the sender must stop. Linux autotunes between 128 KiB and 6 MiB
/// (tcp(7), tcp_rmem); the middle of its first doublings keeps many connections small in memory.
pub(crate) const RECEIVE_BUFFER: usize = 256 << 10;
/// What a sender holds at most before write(2) blocks. Linux autotunes between 16 KiB and 4 MiB (tcp(7),
/// tcp_wmem).
pub(crate) const SEND_BUFFER: usize = 256 << 10;
/// A receiver tells the sender of freed space when so much was freed: few window updates, never a stall.
const WINDOW_UPDATE: usize = RECEIVE_BUFFER / 4;

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

/// Who holds an end's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The kernel, until a process accepts it.
    Backlog,
    /// A process.
    Process,
    /// Nobody any more: it was closed.
    Nobody,
}

/// One end as its host's kernel sees it.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: HostId,
    pub(crate) address: SocketAddr,
    pub(crate) holder: Holder,
    /// Received and not yet read.
    pub(crate) inbox: VecDeque<Bytes>,
    unread: usize,
    /// The peer has sent FIN.
    pub(crate) peer_finished: bool,
    /// RST was received; taken by the call that reports it (Linux reports ECONNRESET once).
    pub(crate) reset: bool,
    reset_reported: bool,
    /// Written and not yet sent.
    pub(crate) outbox: BytesMut,
    /// So many bytes the peer still has room for.
    window: usize,
    /// Read and not yet told to the peer.
    unreported: usize,
    /// FIN follows the outbox.
    finishing: bool,
    /// FIN was sent.
    finished: bool,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

/// What one end sends next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    pub(crate) bytes: Bytes,
    pub(crate) finish: bool,
}

impl End {
    pub(crate) fn new(host: HostId, address: SocketAddr, holder: Holder) -> Self {
        End {
            host,
            address,
            holder,
            inbox: VecDeque::new(),
            unread: 0,
            peer_finished: false,
            reset: false,
            reset_reported: false,
            outbox: BytesMut::new(),
            window: RECEIVE_BUFFER,
            unreported: 0,
            finishing: false,
            finished: false,
            reader: None,
            writer: None,
        }
    }

    /// Takes bytes that arrived.
    pub(crate) fn receive(&mut self, bytes: Bytes) {
        self.unread += bytes.len();
        debug_assert!(self.unread <= RECEIVE_BUFFER, "the sender overran the window");
        self.inbox.push_back(bytes);
    }

    /// Moves received bytes to a reader; `None`: nothing is there and nothing has ended.
    pub(crate) fn read(&mut self, space: usize, mut take: impl FnMut(&[u8])) -> Option<io::Result<()>> {
        let mut room = space;
        while room > 0
            && let Some(front) = self.inbox.front_mut()
        {
            let part = front.split_to(room.min(front.len()));
            take(&part);
            room -= part.len();
            if front.is_empty() {
                self.inbox.pop_front();
            }
        }
        let taken = space - room;
        self.unread -= taken;
        self.unreported += taken;
        match taken {
            0 if space == 0 => Some(Ok(())),
            0 if self.reset => {
                self.reset_reported = true;
                Some(Err(io::ErrorKind::ConnectionReset.into()))
            }
            0 if self.peer_finished => Some(Ok(())),
            0 => None,
            _ => Some(Ok(())),
        }
    }

    /// How many bytes may be written now; `None`: the send buffer is full.
    pub(crate) fn writable(&mut self) -> Option<io::Result<usize>> {
        if self.reset {
            let kind = if self.reset_reported { io::ErrorKind::BrokenPipe } else { io::ErrorKind::ConnectionReset };
            self.reset_reported = true;
            return Some(Err(kind.into()));
        }
        if self.finishing {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = SEND_BUFFER - self.outbox.len();
        (room > 0).then_some(Ok(room))
    }

    /// The end sends no more after its outbox.
    pub(crate) fn finish(&mut self) {
        self.finishing = true;
    }

    /// What can be sent now, if anything.
    pub(crate) fn take_burst(&mut self) -> Option<Burst> {
        if self.reset || self.finished {
            return None;
        }
        let length = self.outbox.len().min(self.window);
        let finish = self.finishing && length == self.outbox.len();
        if length == 0 && !finish {
            return None;
        }
        self.window -= length;
        self.finished = finish;
        Some(Burst { bytes: self.outbox.split_to(length).freeze(), finish })
    }

    /// The space to report to the peer, once it is worth a window update.
    pub(crate) fn take_window_update(&mut self) -> Option<usize> {
        (self.unreported >= WINDOW_UPDATE).then(|| std::mem::take(&mut self.unreported))
    }

    /// The peer has freed space.
    pub(crate) fn widen(&mut self, bytes: usize) {
        self.window += bytes;
    }

    /// RST: nothing will be sent any more; what was received can still be read, as on Linux.
    pub(crate) fn take_reset(&mut self) {
        self.reset = true;
        self.outbox.clear();
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.unread > 0
    }

    /// Both directions have ended or broken, and no process holds it.
    fn is_over(&self) -> bool {
        self.holder == Holder::Nobody && (self.reset || (self.finished && self.peer_finished))
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) phase: Phase,
    /// How many SYNs were sent.
    pub(crate) syns: u32,
    ends: [End; 2],
}

impl Connection {
    pub(crate) fn new(dialer: End, acceptor: End) -> Self {
        Connection { phase: Phase::Connecting, syns: 0, ends: [dialer, acceptor] }
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
            Phase::Failed(_) => self.ends[0].holder == Holder::Nobody,
            Phase::Connecting => false,
            Phase::Open => self.ends.iter().all(End::is_over),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end() -> End {
        End::new(HostId::numbered(0), "10.0.0.1:1".parse().expect("an address"), Holder::Process)
    }

    fn read_all(end: &mut End) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        end.read(1 << 20, |part| all.extend_from_slice(part)).map(|outcome| outcome.map(|()| all).unwrap_or_default())
    }

    #[test]
    fn a_sender_stops_at_the_window_and_goes_on_when_it_widens() {
        let mut end = end();
        end.outbox.extend_from_slice(&vec![7; RECEIVE_BUFFER + 10]);
        assert_eq!(end.take_burst().expect("a full window").bytes.len(), RECEIVE_BUFFER);
        assert_eq!(end.take_burst(), None);
        end.widen(4);
        assert_eq!(end.take_burst().expect("four more").bytes.len(), 4);
    }

    #[test]
    fn fin_waits_for_the_outbox() {
        let mut end = end();
        end.outbox.extend_from_slice(&vec![7; RECEIVE_BUFFER + 1]);
        end.finish();
        assert!(!end.take_burst().expect("a full window").finish);
        end.widen(1);
        assert_eq!(end.take_burst(), Some(Burst { bytes: Bytes::from_static(&[7]), finish: true }));
        assert_eq!(end.take_burst(), None, "FIN is sent once");
    }

    #[test]
    fn what_arrived_before_a_reset_can_still_be_read() {
        let mut end = end();
        end.receive(Bytes::from_static(b"last words"));
        end.take_reset();
        assert_eq!(read_all(&mut end).as_deref(), Some(b"last words".as_ref()));
        let error = end.read(1, |_| ()).expect("over").expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let error = end.writable().expect("over").expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn an_empty_end_waits_and_a_finished_one_ends() {
        let mut end = end();
        assert!(end.read(1, |_| ()).is_none());
        end.peer_finished = true;
        assert_eq!(read_all(&mut end).as_deref(), Some(b"".as_ref()));
    }

    #[test]
    fn a_window_update_waits_until_it_is_worth_sending() {
        let mut end = end();
        end.receive(Bytes::from(vec![0; WINDOW_UPDATE]));
        end.read(WINDOW_UPDATE - 1, |_| ());
        assert_eq!(end.take_window_update(), None);
        end.read(1, |_| ());
        assert_eq!(end.take_window_update(), Some(WINDOW_UPDATE));
    }
}
