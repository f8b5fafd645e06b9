//! Tells lies about the bytes of a connection, of a client or to the node: late, slow, in small pieces, not at all, or cut off.
//!
//! Refuses to know HTTP/2: it lies below it, where Toxiproxy does. Without a lie bytes go by as they come.
//!
//! ```text
//! as they come <--no lie, nothing held / a lie--> through a lane each way --a lie ends it--> closed or reset
//! ```

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::env::Socket;
use crate::lie::{ConnectionSide, Direction};
use crate::proxy::alarm::ProxyTimer;
use crate::proxy::byte_lane::{ByteEnd, ByteLane, ByteNext, ByteOrder};
use crate::proxy::config::READ_STEP;
use crate::proxy::control::{ConnectionFace, Control, Rules};
use crate::proxy::rule_changes::RuleChanges;

/// How it hears that the rules have changed.
enum RuleNews {
    /// It is told.
    Told(RuleChanges),
    /// It looks when it is used: whoever uses it is told, in the same task, and then reads and writes.
    Looked { control: Control, known: Rules },
}

impl RuleNews {
    /// The newest rules, if they are news.
    fn next(&mut self, context: &mut Context<'_>) -> Option<Rules> {
        match self {
            RuleNews::Told(changes) => changes.next(context),
            RuleNews::Looked { control, known } => {
                let rules = control.changed_from(known)?;
                *known = rules.clone();
                Some(rules)
            }
        }
    }
}

/// A socket on which the rules about bytes are followed.
pub(crate) struct Spoiler {
    socket: Socket,
    face: ConnectionFace,
    news: RuleNews,
    orders: Vec<ByteOrder>,
    /// What is read.
    arriving: ByteLane,
    /// What is written.
    leaving: ByteLane,
    /// A lie that left a hole was taken back.
    is_broken: bool,
    /// The bytes are all that the proxy knows.
    has_no_streams: bool,
    alarm: ProxyTimer,
}

impl Spoiler {
    /// Over the socket with that face, of whose streams others tell the lies about streams.
    pub(crate) fn new(socket: Socket, face: ConnectionFace, control: &Control) -> Self {
        Spoiler::build(socket, face, control, false)
    }

    /// Over the socket of a client, where the proxy knows no streams: a silence of them is one of the bytes.
    pub(crate) fn of_bytes(socket: Socket, face: ConnectionFace, control: &Control) -> Self {
        Spoiler::build(socket, face, control, true)
    }

    fn build(socket: Socket, face: ConnectionFace, control: &Control, has_no_streams: bool) -> Self {
        let mut receiver = control.subscribe();
        let rules = receiver.borrow_and_update().clone();
        let ([arriving, leaving], news) = match face.side {
            ConnectionSide::Clients => {
                ([Direction::ToNode, Direction::ToClient], RuleNews::Told(RuleChanges::after(receiver)))
            }
            ConnectionSide::Node => {
                let (control, known) = (control.clone(), rules.clone());
                ([Direction::ToClient, Direction::ToNode], RuleNews::Looked { control, known })
            }
        };
        let mut spoiler = Spoiler {
            socket,
            face,
            news,
            orders: Vec::new(),
            arriving: ByteLane::new(arriving),
            leaving: ByteLane::new(leaving),
            is_broken: false,
            has_no_streams,
            alarm: ProxyTimer::default(),
        };
        spoiler.apply(&rules);
        spoiler
    }

    fn apply(&mut self, rules: &Rules) {
        let mut now_in_force = rules.about_bytes(self.face);
        if self.has_no_streams {
            now_in_force.extend(rules.silences(self.face));
        }
        if now_in_force.is_empty() && self.orders.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut before = std::mem::take(&mut self.orders);
        for rule in now_in_force {
            let known = before.iter().position(|order| order.rule.is_same(&rule));
            let order = known.map_or_else(|| ByteOrder::new(rule, now), |index| before.swap_remove(index));
            self.orders.push(order);
        }
        self.is_broken |= before.iter().any(ByteOrder::leaves_a_hole);
        self.orders.extend(before.into_iter().filter(ByteOrder::stays));
        self.arriving.release(&self.orders, now);
        self.leaving.release(&self.orders, now);
    }

    /// Takes up the changes of the rules and what time brings, and writes what is due; the task of `context` is woken
    /// at the next.
    ///
    /// # Errors
    /// The socket's, or a lie has ended the connection.
    fn follow(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        // Ends: each turn takes the newest.
        while let Some(rules) = self.news.next(context) {
            self.apply(&rules);
        }
        if self.orders.is_empty() && self.leaving.front().is_empty() {
            return self.end_if_over(context);
        }
        // Ends: each turn does what is due, and what is due next lies ahead.
        loop {
            // One now for both: what falls due between two would be waited for by nobody.
            let now = Instant::now();
            self.write_due(context, now)?;
            self.end_if_over(context)?;
            match self.next_time(now) {
                Some(at) if self.alarm.poll(at, context).is_ready() => {}
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// When something is due next that lies ahead.
    fn next_time(&mut self, now: Instant) -> Option<Instant> {
        let Spoiler { orders, arriving, leaving, .. } = self;
        let ends = orders.iter().filter_map(ByteOrder::end).map(|(at, _)| at).min();
        let closes = [&*arriving, &*leaving].map(|lane| lane.end_due(orders));
        let lanes = [arriving, leaving].map(|lane| match lane.next(orders, now) {
            ByteNext::NotBefore(at) => Some(at),
            ByteNext::Empty | ByteNext::Pass(_) | ByteNext::Never => None,
        });
        let times = ends.into_iter().chain(closes.into_iter().flatten()).chain(lanes.into_iter().flatten());
        times.filter(|at| *at > now).min()
    }

    /// # Errors
    /// A lie ends the connection now.
    fn end_if_over(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let mut ends = self.orders.iter().filter_map(ByteOrder::end).peekable();
        // Nearly always there is none, and nobody need ask for the time.
        let end = ends.peek().is_some().then(Instant::now).and_then(|now| {
            let due = ends.filter(|(at, _)| *at <= now);
            due.map(|(_, end)| end).max()
        });
        // To whom nothing passes any more, and who has gone.
        let is_left = self.arriving.has_ended() && self.orders.iter().any(ByteOrder::stays);
        let is_closed = self.is_broken || is_left || self.arriving.is_over() || self.leaving.is_over();
        let Some(end) = end.or(is_closed.then_some(ByteEnd::Closed)) else { return Ok(()) };
        // Found while something is written, which h2 may not see: it is to read, and to find it then.
        context.waker().wake_by_ref();
        match end {
            ByteEnd::Closed => Err(io::ErrorKind::ConnectionAborted.into()),
            ByteEnd::Reset => {
                self.socket.reset_switch().throw();
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }

    /// Writes what may leave now, as far as the socket has room.
    fn write_due(&mut self, context: &mut Context<'_>, now: Instant) -> io::Result<()> {
        let Spoiler { socket, orders, leaving, .. } = self;
        // Ends: each turn takes something out of the lane, whose room is bounded.
        while let ByteNext::Pass(unit) = leaving.next(orders, now) {
            match Pin::new(&mut *socket).poll_write(context, &leaving.front()[..unit]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => leaving.pass(written, orders, now),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Takes in what has arrived; ready when nothing more is to be had now.
    fn poll_take_in(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Ends: the lane's room does, or what the socket has.
        while self.arriving.room() > 0 && !self.arriving.has_ended() {
            let mut raw = [0; READ_STEP];
            let room = READ_STEP.min(self.arriving.room());
            let mut raw = ReadBuf::new(&mut raw[..room]);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut raw))?;
            let now = Instant::now();
            if raw.filled().is_empty() {
                self.arriving.end(&self.orders, now);
            } else {
                self.arriving.take(Bytes::copy_from_slice(raw.filled()), &mut self.orders, now);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Hands on what may be read now.
    fn poll_hand_on(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let now = Instant::now();
        let before = buffer.filled().len();
        while let ByteNext::Pass(unit) = self.arriving.next(&mut self.orders, now) {
            let count = unit.min(buffer.remaining());
            if count == 0 {
                break;
            }
            buffer.put_slice(&self.arriving.front()[..count]);
            self.arriving.pass(count, &mut self.orders, now);
        }
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let has_ended = self.arriving.end_due(&self.orders).is_some_and(|at| at <= now);
        match has_ended && self.arriving.front().is_empty() {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }
}

impl AsyncRead for Spoiler {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let spoiler = self.get_mut();
        spoiler.follow(context)?;
        if spoiler.arriving.is_plain(&spoiler.orders) && !spoiler.arriving.has_ended() {
            return Pin::new(&mut spoiler.socket).poll_read(context, buffer);
        }
        if let Poll::Ready(taken) = spoiler.poll_take_in(context) {
            taken?;
        }
        // What was taken in is due at some time, or was the last.
        spoiler.follow(context)?;
        spoiler.poll_hand_on(buffer)
    }
}

impl AsyncWrite for Spoiler {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let spoiler = self.get_mut();
        spoiler.follow(context)?;
        if spoiler.leaving.is_plain(&spoiler.orders) {
            return Pin::new(&mut spoiler.socket).poll_write(context, bytes);
        }
        let taken = bytes.len().min(spoiler.leaving.room());
        if taken == 0 && !bytes.is_empty() {
            return Poll::Pending;
        }
        spoiler.leaving.take(Bytes::copy_from_slice(&bytes[..taken]), &mut spoiler.orders, Instant::now());
        spoiler.follow(context)?;
        Poll::Ready(Ok(taken))
    }

    /// What is held is on its way, as in a network: nobody waits for it.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let spoiler = self.get_mut();
        spoiler.follow(context)?;
        Pin::new(&mut spoiler.socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let spoiler = self.get_mut();
        let now = Instant::now();
        spoiler.leaving.end(&spoiler.orders, now);
        spoiler.follow(context)?;
        let is_due = spoiler.leaving.end_due(&spoiler.orders).is_none_or(|at| at <= now);
        if !is_due || !spoiler.leaving.front().is_empty() {
            return Poll::Pending;
        }
        Pin::new(&mut spoiler.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.leaving.is_plain(&self.orders) {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            return self.poll_write(context, first);
        }
        let spoiler = self.get_mut();
        spoiler.follow(context)?;
        Pin::new(&mut spoiler.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
