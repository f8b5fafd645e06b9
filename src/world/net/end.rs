//! One end of a connection: a machine that its host's kernel runs.
//!
//! It does nothing by itself. `process` takes what arrives, `dispatch` gives what it wants to send next, `poll_at` says
//! when its timer is due and `expire` is called then; in between come the calls of the process that holds it. Refuses
//! to know links, the other end and the world's time: what becomes of a segment is told to it, and every time is its
//! kernel's.
//!
//! ```text
//!                        SYN-ACK sent
//! acceptor: Listening ------------------+     FIN received   reads end      RST, or no answer for too long
//!                        SYN-ACK heard  +-> Open -----------------------------------------> dead: the kernel knows it
//! dialer:   Connecting -----------------+     FIN sent       writes end     no more; the error is reported once,
//!               |    RST, or no answer to 7 SYNs                            then end of stream and EPIPE
//!               +----------------------------> Failed, and dead
//! ```

mod dispatch;
mod handshake;
mod keepalive;
mod process;
mod retransmission;
#[cfg(test)]
mod script;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

pub(crate) use dispatch::Dispatch;
pub(crate) use process::TcpReply;
pub(crate) use retransmission::Unacknowledged;

use crate::env::{Disconnection, TcpOptions};
use crate::world::engine::HostId;
use crate::world::net::end::handshake::Handshake;
use crate::world::net::end::keepalive::Keepalive;
use crate::world::net::end::retransmission::Retransmission;

/// What a receiver holds at most before the sender must stop. Linux autotunes between 128 KiB and 6 MiB
/// (tcp(7), tcp_rmem); the middle of its first doublings keeps many connections small in memory.
pub(crate) const RECEIVE_BUFFER_MAX: usize = 256 << 10;
/// What a sender holds at most before write(2) blocks. Linux autotunes between 16 KiB and 4 MiB (tcp(7),
/// tcp_wmem).
pub(crate) const SEND_BUFFER_MAX: usize = 256 << 10;
/// A receiver tells the sender of freed space when so much was freed: few window updates, never a stall.
const WINDOW_UPDATE_MIN: usize = RECEIVE_BUFFER_MAX / 4;

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

/// How far an end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpPhase {
    /// The acceptor's kernel knows nothing of it yet.
    Listening,
    /// The dialer's SYN is under way.
    Connecting,
    /// The end knows that it is connected.
    Open,
    /// connect(2) has failed.
    Failed(io::ErrorKind),
}

/// What a close leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Nothing: it was closed before.
    Done,
    /// RST goes out at once.
    Reset,
    /// FIN goes out behind what was written.
    Finish,
}

/// What an end wants to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Syn,
    SynAck,
    /// What was written, as far as the window goes.
    Data,
    /// What is missing, from there on.
    Resend {
        at: usize,
    },
    Probe,
    /// The answer to a probe.
    Answer,
    WindowUpdate,
    Reset,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: HostId,
    pub(crate) address: SocketAddr,
    pub(crate) holder: Holder,
    phase: TcpPhase,
    options: TcpOptions,
    /// Received and not yet read.
    inbox: VecDeque<Bytes>,
    unread: usize,
    /// The burst of the peer that comes next.
    expected: u64,
    /// The peer has sent FIN.
    peer_finished: bool,
    /// What went wrong, until a call reports it (Linux reports a socket's error once).
    error: Option<io::ErrorKind>,
    /// A failure of connect(2) was reported.
    is_failure_told: bool,
    is_reset_at_close: bool,
    /// The kernel knows the connection no more.
    is_dead: bool,
    /// Written and not yet sent.
    outbox: BytesMut,
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
    want: Option<Want>,
    /// Present while the dialer waits for SYN-ACK.
    handshake: Option<Handshake>,
    /// Present while something is missing.
    retransmission: Option<Box<Retransmission>>,
    keepalive: Option<Keepalive>,
    /// Who waits for something to read, and whether it has come.
    pub(crate) reader: Option<Waker>,
    wakes_reader: bool,
    /// Who waits for room to write, or for the connection, and whether it has come.
    pub(crate) writer: Option<Waker>,
    wakes_writer: bool,
}

impl End {
    /// The end of a process that dials: SYN is the first that it dispatches.
    pub(crate) fn dialer(host: HostId, address: SocketAddr, options: TcpOptions, clock: Duration) -> Self {
        End {
            phase: TcpPhase::Connecting,
            options,
            handshake: Some(Handshake::begin(clock)),
            want: Some(Want::Syn),
            ..End::new(host, address, Holder::Process)
        }
    }

    /// The end that a SYN is to find.
    pub(crate) fn acceptor(host: HostId, address: SocketAddr) -> Self {
        End::new(host, address, Holder::Backlog)
    }

    fn new(host: HostId, address: SocketAddr, holder: Holder) -> Self {
        End {
            host,
            address,
            holder,
            phase: TcpPhase::Listening,
            options: TcpOptions::default(),
            inbox: VecDeque::new(),
            unread: 0,
            expected: 0,
            peer_finished: false,
            error: None,
            is_failure_told: false,
            is_reset_at_close: false,
            is_dead: false,
            outbox: BytesMut::new(),
            next_sequence: 0,
            window: RECEIVE_BUFFER_MAX,
            unreported: 0,
            is_update_lost: false,
            finishing: false,
            finished: false,
            want: None,
            handshake: None,
            retransmission: None,
            keepalive: None,
            reader: None,
            wakes_reader: false,
            writer: None,
            wakes_writer: false,
        }
    }

    fn want(&mut self, want: Want) {
        debug_assert_eq!(self.want, None, "whatever an end wants is dispatched before it wants anything else");
        self.want = Some(want);
    }
}

/// What its process calls.
impl End {
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

    /// The reader has done: whether there is a window update to dispatch.
    pub(crate) fn report_room(&mut self) -> bool {
        let is_worth = self.unreported >= WINDOW_UPDATE_MIN && !self.is_dead;
        if is_worth {
            self.want(Want::WindowUpdate);
        }
        is_worth
    }

    /// Takes as much as there is room for; `None`: the send buffer is full.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
        if let Some(kind) = self.error.take() {
            return Some(Err(kind.into()));
        }
        if self.is_dead || self.finishing {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let before = self.outbox.len();
        if before == SEND_BUFFER_MAX {
            return None;
        }
        for slice in slices {
            let room = SEND_BUFFER_MAX - self.outbox.len();
            self.outbox.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        Some(Ok(self.outbox.len() - before))
    }

    /// Shows what [`End::read`] would give, and leaves it there.
    pub(crate) fn peek(&self, space: usize, mut show: impl FnMut(&[u8])) {
        let mut room = space;
        for part in &self.inbox {
            show(&part[..part.len().min(room)]);
            room = room.saturating_sub(part.len());
        }
    }

    /// What went wrong and was not reported yet (SO_ERROR, socket(7)).
    pub(crate) fn take_error(&mut self) -> Option<io::ErrorKind> {
        match self.phase {
            TcpPhase::Failed(kind) if !std::mem::replace(&mut self.is_failure_told, true) => Some(kind),
            TcpPhase::Failed(_) | TcpPhase::Listening | TcpPhase::Connecting | TcpPhase::Open => self.error.take(),
        }
    }

    /// What TCP does about a peer that has fallen silent, from now on.
    pub(crate) fn set_options(&mut self, clock: Duration, options: TcpOptions) {
        if self.phase == TcpPhase::Open && !self.is_dead && self.options.keepalive != options.keepalive {
            self.keepalive = options.keepalive.map(|options| Keepalive::begin(clock, options));
        }
        self.options = options;
    }

    /// From here on its close is a reset (SO_LINGER of no time, socket(7)).
    pub(crate) fn reset_at_close(&mut self) {
        self.is_reset_at_close = true;
    }

    /// shutdown(2) for writing: FIN follows the outbox.
    pub(crate) fn finish(&mut self) {
        self.finishing = true;
    }

    /// What was written is to be sent.
    pub(crate) fn push(&mut self) {
        self.want(Want::Data);
    }

    /// close(2): FIN after what was written, or RST where received data was never read (RFC 2525 section 2.17).
    pub(crate) fn close(&mut self) -> Closing {
        if std::mem::replace(&mut self.holder, Holder::Nobody) == Holder::Nobody {
            return Closing::Done;
        }
        (self.reader, self.writer) = (None, None);
        if self.has_unread() || self.phase == TcpPhase::Connecting || self.is_reset_at_close {
            self.abort();
            return Closing::Reset;
        }
        self.finish();
        Closing::Finish
    }
}

/// Ends of its life.
impl End {
    /// Breaks the connection: this end is gone at once, and RST goes out.
    pub(crate) fn abort(&mut self) {
        if !self.is_dead {
            self.die();
            self.want(Want::Reset);
        }
    }

    /// The kernel is gone without a word, and the process with it.
    pub(crate) fn lose_power(&mut self) {
        self.holder = Holder::Nobody;
        (self.reader, self.writer) = (None, None);
        self.die();
    }

    /// connect(2) fails.
    fn fail_dial(&mut self, kind: io::ErrorKind) {
        self.phase = TcpPhase::Failed(kind);
        self.die();
        self.wakes_writer = true;
    }

    /// The connection is lost, for this reason.
    fn break_off(&mut self, kind: io::ErrorKind) {
        self.error = Some(kind);
        self.die();
        (self.wakes_reader, self.wakes_writer) = (true, true);
    }

    /// The kernel forgets the connection.
    fn die(&mut self) {
        self.is_dead = true;
        self.outbox.clear();
        (self.want, self.handshake, self.retransmission, self.keepalive) = (None, None, None, None);
        if self.phase == TcpPhase::Connecting {
            self.phase = TcpPhase::Failed(io::ErrorKind::ConnectionAborted);
        }
    }
}

/// What can be asked of it.
impl End {
    pub(crate) fn phase(&self) -> TcpPhase {
        self.phase
    }

    /// Whether the kernel knows the connection no more.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// How it is over for its process, as far as its kernel knows.
    pub(crate) fn ending(&self) -> Option<Disconnection> {
        match self.error {
            Some(io::ErrorKind::TimedOut) => Some(Disconnection::GivenUp),
            Some(_) => Some(Disconnection::Reset),
            None if self.holder == Holder::Nobody => Some(Disconnection::Closed),
            None => self.peer_finished.then_some(Disconnection::Finished),
        }
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.unread > 0
    }

    /// What epoll(7) says of it (Linux, tcp_poll).
    pub(crate) fn readiness(&self) -> u32 {
        let (is_ended, is_shut) = (self.peer_finished || self.is_dead, self.finishing || self.is_dead);
        if matches!(self.phase, TcpPhase::Listening | TcpPhase::Connecting) {
            return 0;
        }
        let mut mask = 0;
        if self.unread > 0 || is_ended || self.error.is_some() {
            mask |= libc::EPOLLIN;
        }
        if is_ended {
            mask |= libc::EPOLLRDHUP;
        }
        if is_shut || self.outbox.len() < SEND_BUFFER_MAX {
            mask |= libc::EPOLLOUT;
        }
        if is_ended && is_shut {
            mask |= libc::EPOLLHUP;
        }
        if self.error.is_some() || (matches!(self.phase, TcpPhase::Failed(_)) && !self.is_failure_told) {
            mask |= libc::EPOLLERR;
        }
        mask.cast_unsigned()
    }

    /// Tells that waker when anything arrives, or there is room again.
    pub(crate) fn watch(&mut self, waker: &Waker) {
        self.reader = Some(waker.clone());
        self.watch_room(waker);
    }

    /// Tells that waker when there is room again, where there is none, and when it is connected, where it is not.
    pub(crate) fn watch_room(&mut self, waker: &Waker) {
        if self.is_full() || self.phase == TcpPhase::Connecting {
            self.writer = Some(waker.clone());
        }
    }

    /// Whether its process holds what was written and not sent, and its close will be a reset.
    pub(crate) fn has_last_words(&self) -> bool {
        let is_unsent = !self.outbox.is_empty() || (self.finishing && !self.finished);
        self.holder != Holder::Nobody && self.has_unread() && is_unsent
    }

    /// Whether it is alive and nothing out of the ordinary is in play.
    pub(crate) fn is_plain(&self) -> bool {
        !self.is_dead && !self.is_update_lost && self.retransmission.is_none() && self.keepalive.is_none()
    }

    /// Whether a writer waits for room.
    fn is_full(&self) -> bool {
        !self.is_dead && !self.finishing && self.outbox.len() == SEND_BUFFER_MAX
    }

    /// Whether it has something to send and the peer has no room, as far as it knows, and nobody asks for any.
    pub(crate) fn is_stuck(&self) -> bool {
        self.window == 0 && !self.is_dead && !self.outbox.is_empty() && self.retransmission.is_none()
    }

    pub(crate) fn is_update_lost(&self) -> bool {
        self.is_update_lost
    }

    /// No process holds it, and the kernel has nothing left to do for it.
    pub(crate) fn is_over(&self) -> bool {
        self.holder == Holder::Nobody && (self.is_dead || (self.finished && self.peer_finished))
    }

    /// Whom it wakes, since the last call: the reader, then the writer.
    pub(crate) fn take_wakers(&mut self) -> [Option<Waker>; 2] {
        let reader = if std::mem::take(&mut self.wakes_reader) { self.reader.take() } else { None };
        let writer = if std::mem::take(&mut self.wakes_writer) { self.writer.take() } else { None };
        [reader, writer]
    }
}
