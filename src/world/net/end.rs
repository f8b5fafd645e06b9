//! One end of a connection, as its host's kernel sees it: what it has sent, holds and knows of the other.
//!
//! Refuses to know links and time: what is lost is told to it, and its retransmission reads a clock that it is given.
//!
//! ```text
//!        +--FIN received--> reads end          RST, or no answer for too long
//! alive -+                                   -------------------------------> dead: the kernel knows it no more
//!        +--finish, FIN sent--> writes end     error, reported once, then end of stream and EPIPE
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::env::TcpOptions;
use crate::world::engine::HostId;
use crate::world::net::keepalive::Keepalive;
use crate::world::net::retransmission::Retransmission;

/// What a receiver holds at most before the sender must stop. Linux autotunes between 128 KiB and 6 MiB
/// (tcp(7), tcp_rmem); the middle of its first doublings keeps many connections small in memory.
pub(crate) const RECEIVE_BUFFER: usize = 256 << 10;
/// What a sender holds at most before write(2) blocks. Linux autotunes between 16 KiB and 4 MiB (tcp(7),
/// tcp_wmem).
pub(crate) const SEND_BUFFER: usize = 256 << 10;
/// A receiver tells the sender of freed space when so much was freed: few window updates, never a stall.
const WINDOW_UPDATE: usize = RECEIVE_BUFFER / 4;

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

/// What an end sends at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    /// Which one of its end's, from 0.
    pub(crate) sequence: u64,
    pub(crate) bytes: Bytes,
    /// FIN follows.
    pub(crate) finish: bool,
}

/// One end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: HostId,
    pub(crate) address: SocketAddr,
    pub(crate) holder: Holder,
    pub(crate) options: TcpOptions,
    /// Received and not yet read.
    inbox: VecDeque<Bytes>,
    unread: usize,
    /// The burst of the peer that comes next.
    expected: u64,
    /// The peer has sent FIN.
    peer_finished: bool,
    /// What went wrong, until a call reports it (Linux reports a socket's error once).
    error: Option<io::ErrorKind>,
    /// The kernel knows the connection no more.
    is_dead: bool,
    /// RST is on its way to this end, or was received.
    pub(crate) reset_coming: bool,
    /// Written and not yet sent.
    pub(crate) outbox: BytesMut,
    next_sequence: u64,
    /// So many bytes the peer still has room for.
    window: usize,
    /// Read and not yet told to the peer.
    unreported: usize,
    /// A window update was lost: the next word to the peer tells what it told.
    is_update_lost: bool,
    /// FIN follows the outbox.
    finishing: bool,
    /// FIN was sent.
    finished: bool,
    /// Present while something is missing.
    pub(crate) retransmission: Option<Box<Retransmission>>,
    pub(crate) keepalive: Option<Keepalive>,
    /// When its next alarm rings.
    pub(crate) alarm: Option<Duration>,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

impl End {
    pub(crate) fn new(host: HostId, address: SocketAddr, holder: Holder) -> Self {
        End {
            host,
            address,
            holder,
            options: TcpOptions::default(),
            inbox: VecDeque::new(),
            unread: 0,
            expected: 0,
            peer_finished: false,
            error: None,
            is_dead: false,
            reset_coming: false,
            outbox: BytesMut::new(),
            next_sequence: 0,
            window: RECEIVE_BUFFER,
            unreported: 0,
            is_update_lost: false,
            finishing: false,
            finished: false,
            retransmission: None,
            keepalive: None,
            alarm: None,
            reader: None,
            writer: None,
        }
    }

    /// The burst of the peer that comes next.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// Takes the next burst of the peer.
    pub(crate) fn receive(&mut self, burst: Burst) {
        self.expected += 1;
        self.peer_finished |= burst.finish;
        if !burst.bytes.is_empty() {
            self.unread += burst.bytes.len();
            debug_assert!(self.unread <= RECEIVE_BUFFER, "the sender overran the window");
            self.inbox.push_back(burst.bytes);
        }
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
        if taken > 0 || space == 0 || self.peer_finished {
            return Some(Ok(()));
        }
        match self.error.take() {
            Some(kind) => Some(Err(kind.into())),
            None => self.is_dead.then_some(Ok(())),
        }
    }

    /// How many bytes may be written now; `None`: the send buffer is full.
    pub(crate) fn writable(&mut self) -> Option<io::Result<usize>> {
        if let Some(kind) = self.error.take() {
            return Some(Err(kind.into()));
        }
        if self.is_dead || self.finishing {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = SEND_BUFFER - self.outbox.len();
        (room > 0).then_some(Ok(room))
    }

    /// Whether a writer waits for room.
    pub(crate) fn is_full(&self) -> bool {
        !self.is_dead && !self.finishing && self.outbox.len() == SEND_BUFFER
    }

    /// The end sends no more after its outbox.
    pub(crate) fn finish(&mut self) {
        self.finishing = true;
    }

    /// What can be sent now, if anything.
    pub(crate) fn take_burst(&mut self) -> Option<Burst> {
        if self.is_dead || self.finished {
            return None;
        }
        let length = self.outbox.len().min(self.window);
        let finish = self.finishing && length == self.outbox.len();
        if length == 0 && !finish {
            return None;
        }
        self.window -= length;
        self.finished = finish;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        Some(Burst { sequence, bytes: self.outbox.split_to(length).freeze(), finish })
    }

    /// Whether it has something to send and the peer has no room, as far as it knows.
    pub(crate) fn is_stuck(&self) -> bool {
        self.window == 0 && !self.is_dead && !self.outbox.is_empty()
    }

    /// The space to report to the peer, once it is worth a window update.
    pub(crate) fn take_window_update(&mut self) -> Option<usize> {
        let is_worth = self.unreported >= WINDOW_UPDATE && !self.is_dead;
        is_worth.then(|| std::mem::take(&mut self.unreported))
    }

    /// A window update did not get through.
    pub(crate) fn lose_window_update(&mut self, bytes: usize) {
        self.unreported += bytes;
        self.is_update_lost = true;
    }

    pub(crate) fn is_update_lost(&self) -> bool {
        self.is_update_lost
    }

    /// What a lost window update told, for the next word to the peer.
    pub(crate) fn take_lost_update(&mut self) -> usize {
        match std::mem::take(&mut self.is_update_lost) {
            true => std::mem::take(&mut self.unreported),
            false => 0,
        }
    }

    /// The peer has freed space.
    pub(crate) fn widen(&mut self, bytes: usize) {
        self.window += bytes;
    }

    /// RST: nothing will be sent any more; what was received can still be read. A peer that had finished before is
    /// told as EPIPE, any other as ECONNRESET (Linux, tcp_reset).
    pub(crate) fn take_reset(&mut self) {
        self.break_off(if self.peer_finished { io::ErrorKind::BrokenPipe } else { io::ErrorKind::ConnectionReset });
    }

    /// The connection is lost, for this reason.
    pub(crate) fn break_off(&mut self, kind: io::ErrorKind) {
        if !self.is_dead {
            self.error = Some(kind);
            self.die();
        }
    }

    /// The kernel forgets the connection.
    pub(crate) fn die(&mut self) {
        self.is_dead = true;
        self.outbox.clear();
        (self.retransmission, self.keepalive) = (None, None);
    }

    /// Whether the kernel knows the connection no more.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// Whether it is alive and nothing out of the ordinary is in play.
    pub(crate) fn is_plain(&self) -> bool {
        !self.is_dead && !self.is_update_lost && self.retransmission.is_none() && self.keepalive.is_none()
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.unread > 0
    }

    /// When retransmission or keepalive has something to do, by its kernel's clock.
    pub(crate) fn due(&self) -> Option<Duration> {
        let retransmission = self.retransmission.as_ref().map(|pending| pending.due(self.options.user_timeout));
        let keepalive = self.keepalive.as_ref().map(Keepalive::due);
        retransmission.into_iter().chain(keepalive).min()
    }

    /// No process holds it, and the kernel has nothing left to do for it.
    pub(crate) fn is_over(&self) -> bool {
        self.holder == Holder::Nobody && (self.is_dead || (self.finished && self.peer_finished))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(bytes: impl Into<Bytes>) -> Burst {
        Burst { sequence: 0, bytes: bytes.into(), finish: false }
    }

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
        assert_eq!(end.take_burst(), Some(Burst { sequence: 1, bytes: Bytes::from_static(&[7]), finish: true }));
        assert_eq!(end.take_burst(), None, "FIN is sent once");
    }

    #[test]
    fn what_arrived_before_a_reset_can_still_be_read() {
        let mut end = end();
        end.receive(burst(b"last words".as_ref()));
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
        end.receive(Burst { finish: true, ..burst("") });
        assert_eq!(read_all(&mut end).as_deref(), Some(b"".as_ref()));
    }

    #[test]
    fn a_window_update_waits_until_it_is_worth_sending() {
        let mut end = end();
        end.receive(burst(vec![0; WINDOW_UPDATE]));
        end.read(WINDOW_UPDATE - 1, |_| ());
        assert_eq!(end.take_window_update(), None);
        end.read(1, |_| ());
        assert_eq!(end.take_window_update(), Some(WINDOW_UPDATE));
    }

    #[test]
    fn an_error_is_reported_once_and_then_the_stream_has_ended() {
        let mut end = end();
        end.break_off(io::ErrorKind::TimedOut);
        end.take_reset();
        let error = end.read(1, |_| ()).expect("over").expect_err("lost");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(read_all(&mut end).as_deref(), Some(b"".as_ref()));
        let error = end.writable().expect("over").expect_err("lost");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_reset_after_the_peer_finished_is_a_broken_pipe() {
        let mut end = end();
        end.receive(Burst { finish: true, ..burst("") });
        end.take_reset();
        assert_eq!(read_all(&mut end).as_deref(), Some(b"".as_ref()), "it had ended before");
        let error = end.writable().expect("over").expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_a_lost_window_update_told_is_told_once_later() {
        let mut end = end();
        end.receive(burst(vec![0; WINDOW_UPDATE]));
        end.read(WINDOW_UPDATE, |_| ());
        let bytes = end.take_window_update().expect("worth it");
        assert_eq!(end.take_lost_update(), 0, "nothing was lost");
        end.lose_window_update(bytes);
        assert_eq!((end.take_lost_update(), end.take_lost_update()), (WINDOW_UPDATE, 0));
    }
}
