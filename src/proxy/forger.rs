//! Tells lies about a connection: drops, holds, changes and inserts frames between HTTP/2 and the socket.
//!
//! Refuses to know streams, and leaves header compression alone: what it forges is short and has no headers.
//! Without a lie it looks at the headers of frames as they go by, and copies nothing.
//!
//! ```text
//! each way:  as it comes <--no lie, between frames / a lie, between frames--> judged frame by frame
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::env::ByteStream;
use crate::http2::{ACK, FrameHeader, FrameKind};
use crate::lie::{ConnectionLie, ConnectionSide, LastStream, PingAnswer, ResetCode, Trigger, WindowKind};
use crate::proxy::alarm::ProxyTimer;
use crate::proxy::config::{FORGED_MAX, GOAWAY_TURN, READ_STEP, WITHHELD_MAX};
use crate::proxy::control::{ConnectionFace, ConnectionRule, Control, Rules};
use crate::proxy::cutter::{Cut, Cutter};
use crate::proxy::errand::{ErrandEnd, Errands};
use crate::proxy::forged::{
    GoAwayFrame, TrueSettings, disowning_nobody, goaway, increment, is_settings, settings, window_update, wrong_answer,
};
use crate::proxy::rule_changes::RuleChanges;

/// A byte stream on which the rules of a control are followed.
pub(crate) struct Forger<S> {
    stream: S,
    face: ConnectionFace,
    habits: FrameHabits,
    errands: Errands,
    truth: TrueSettings,
    opened: Instant,
    changes: RuleChanges,
    orders: Vec<FrameOrder>,
    outgoing: Cutter,
    incoming: Cutter,
    /// Judged, and not yet written.
    out: BytesMut,
    /// To be written between two frames.
    inserts: VecDeque<BytesMut>,
    /// Answers to PING that are late, and when they are due.
    late: VecDeque<(Instant, BytesMut)>,
    /// What was withheld of the windows of streams, and of the connection's, which is 0: HTTP/2 believes it given.
    withheld: BTreeMap<u32, u32>,
    /// Read and judged, and not yet taken.
    read: BytesMut,
    /// The SETTINGS that were written and not answered. Answers come in their order.
    unanswered: VecDeque<AskedSettings>,
    /// The highest stream that the other side opened.
    seen: u32,
    closes_at: Option<Instant>,
    /// Its own end is to be told then.
    shuts_at: Option<Instant>,
    /// The next that comes is answered with RST of TCP.
    is_forgotten: bool,
    alarm: ProxyTimer,
}

/// What is done among the frames of a connection without a lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameHabits {
    /// SETTINGS must be answered by then.
    pub(crate) settings_patience: Option<Duration>,
    /// A GOAWAY of the other side ends no stream that runs.
    pub(crate) keeps_disowned: bool,
    /// The other side may close the connection by itself within that time.
    pub(crate) close_delay: Duration,
    /// HTTP/2 says no GOAWAY of its own.
    pub(crate) mutes_goaway: bool,
}

/// SETTINGS that wait for their answer.
struct AskedSettings {
    is_forged: bool,
    at: Instant,
}

/// A rule about this connection.
struct FrameOrder {
    rule: ConnectionRule,
    /// When it acts next by itself.
    next: Option<Instant>,
    /// Its first GOAWAY was sent, and a second one is owed.
    owes_second: bool,
}

impl AskedSettings {
    fn now(is_forged: bool) -> Self {
        AskedSettings { is_forged, at: Instant::now() }
    }
}

impl<S: ByteStream> Forger<S> {
    /// Over a connection with whoever that is, to whom the proxy has told that of itself.
    pub(crate) fn new(stream: S, face: ConnectionFace, control: &Control, truth: TrueSettings) -> Self {
        let (outgoing, incoming) = match face.side {
            ConnectionSide::Clients => (Cutter::of_server(), Cutter::of_client()),
            ConnectionSide::Node => (Cutter::of_client(), Cutter::of_server()),
        };
        let mut receiver = control.subscribe();
        let rules = receiver.borrow_and_update().clone();
        let mut forger = Forger {
            stream,
            face,
            habits: FrameHabits::default(),
            errands: Errands::default(),
            truth,
            opened: Instant::now(),
            changes: RuleChanges::after(receiver),
            orders: Vec::new(),
            outgoing,
            incoming,
            out: BytesMut::new(),
            inserts: VecDeque::new(),
            late: VecDeque::new(),
            withheld: BTreeMap::new(),
            read: BytesMut::new(),
            unanswered: VecDeque::new(),
            seen: 0,
            closes_at: None,
            shuts_at: None,
            is_forgotten: false,
            alarm: ProxyTimer::default(),
        };
        forger.apply(&rules);
        forger
    }

    /// The same, which has these habits and runs those errands.
    pub(crate) fn with_habits(self, habits: FrameHabits, errands: Errands) -> Self {
        Forger { habits, errands, ..self }
    }

    /// Takes up the changes of the rules, and what time brings; the task of `context` is woken at the next.
    ///
    /// # Errors
    /// A lie has closed the connection.
    fn follow(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        // Ends: a watch holds one value, and each turn takes the newest.
        while let Some(rules) = self.changes.next(context) {
            self.apply(&rules);
        }
        let (goaways, end) = self.errands.look(context);
        goaways.into_iter().for_each(|(last, code)| self.insert_goaway(last, code));
        self.is_forgotten = end == Some(ErrandEnd::Forget);
        // Ends: each turn does what is due, and what is due next lies ahead.
        while let Some(next) = self.do_due()? {
            if self.alarm.poll(next, context).is_pending() {
                break;
            }
        }
        if self.outgoing.is_at_a_border() {
            for frame in self.inserts.drain(..) {
                self.unanswered.extend(is_settings(&frame).then(|| AskedSettings::now(true)));
                self.out.extend_from_slice(&frame);
            }
        }
        Ok(())
    }

    fn apply(&mut self, rules: &Rules) {
        let now_in_force = rules.about_connection(self.face);
        if now_in_force.is_empty() && self.orders.is_empty() {
            return;
        }
        let mut before = std::mem::take(&mut self.orders);
        for rule in now_in_force {
            let known = before.iter().position(|order| order.rule.is_same(&rule));
            self.orders.push(match known {
                Some(index) => before.swap_remove(index),
                None => FrameOrder { next: self.first_act(&rule), owes_second: false, rule },
            });
        }
        let forgets_settings = |order: &FrameOrder| matches!(order.rule.lie(), ConnectionLie::Settings { .. });
        if before.iter().any(forgets_settings) {
            self.insert_settings(self.truth);
        }
        let withholds = |order: &FrameOrder| matches!(order.rule.lie(), ConnectionLie::WindowUpdatesWithheld(_));
        if !self.orders.iter().any(withholds) {
            let given_back = std::mem::take(&mut self.withheld).into_iter();
            self.inserts.extend(given_back.map(|(stream, increment)| window_update(stream, increment)));
        }
    }

    /// When a rule acts by itself for the first time.
    fn first_act(&self, rule: &ConnectionRule) -> Option<Instant> {
        let now = Instant::now();
        let begins = match rule.when() {
            Trigger::Age(age) => self.opened.checked_add(age)?.max(now),
            Trigger::Opened
            | Trigger::Headers
            | Trigger::Messages(_)
            | Trigger::Bytes(_)
            | Trigger::Idle(_)
            | Trigger::AnswerIdle(_)
            | Trigger::Unwritten(_)
            | Trigger::Quiet(_)
            | Trigger::OpenQuiet(_)
            | Trigger::OpenAge(_)
            | Trigger::HalfClosed(_) => now,
        };
        match rule.lie() {
            ConnectionLie::GoAway { every: Some(every), .. } if rule.when() == Trigger::Opened => {
                begins.checked_add(*every)
            }
            ConnectionLie::GoAway { .. } | ConnectionLie::Settings { .. } => Some(begins),
            ConnectionLie::PingAnswers(_)
            | ConnectionLie::SettingsUnanswered
            | ConnectionLie::WindowUpdatesWithheld(_)
            | ConnectionLie::Alpn(_) => None,
        }
    }

    /// Does what is due now; when the next is.
    fn do_due(&mut self) -> io::Result<Option<Instant>> {
        let settings_due = self.settings_due();
        if self.orders.is_empty() && self.late.is_empty() && self.closes_at.is_none() && settings_due.is_none() {
            return Ok(None);
        }
        let now = Instant::now();
        if self.closes_at.is_some_and(|at| at <= now) && self.out.is_empty() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if settings_due.is_some_and(|at| at <= now) && self.closes_at.is_none() {
            let last = match self.face.side {
                ConnectionSide::Clients => LastStream::Seen,
                // It opens none.
                ConnectionSide::Node => LastStream::None,
            };
            self.insert_goaway(last, ResetCode::SettingsTimeout.number());
            // A turn later, so that the GOAWAY goes out before.
            self.closes_at = now.checked_add(GOAWAY_TURN);
        }
        while let Some((_, frame)) = self.late.pop_front_if(|(at, _)| *at <= now) {
            self.inserts.push_back(frame);
        }
        for index in 0..self.orders.len() {
            if self.orders[index].next.is_some_and(|at| at <= now) {
                self.act(index, now);
            }
        }
        let acts = self.orders.iter().filter_map(|order| order.next);
        let late = self.late.front().map(|(at, _)| *at);
        let ends = [self.closes_at, settings_due].into_iter().flatten().filter(|at| *at > now);
        Ok(acts.chain(late).chain(ends).min())
    }

    /// A rule acts by itself.
    fn act(&mut self, index: usize, now: Instant) {
        self.orders[index].rule.feel();
        let after = |time| now.checked_add(time);
        match self.orders[index].rule.lie().clone() {
            ConnectionLie::GoAway { code, last, twice, closes_after, every } => {
                let is_second = std::mem::take(&mut self.orders[index].owes_second);
                self.insert_goaway(if is_second { LastStream::Seen } else { last }, code);
                if !is_second {
                    self.closes_at = self.closes_at.or(closes_after.and_then(after));
                }
                let order = &mut self.orders[index];
                order.owes_second = !is_second && twice.is_some();
                order.next = match order.owes_second {
                    true => twice.and_then(after),
                    false => every.and_then(after),
                };
            }
            ConnectionLie::Settings { max_concurrent_streams, initial_window } => {
                self.insert_settings(TrueSettings {
                    max_concurrent_streams: max_concurrent_streams.or(self.truth.max_concurrent_streams),
                    initial_window: initial_window.unwrap_or(self.truth.initial_window),
                });
                self.orders[index].next = None;
            }
            ConnectionLie::PingAnswers(_)
            | ConnectionLie::SettingsUnanswered
            | ConnectionLie::WindowUpdatesWithheld(_)
            | ConnectionLie::Alpn(_) => self.orders[index].next = None,
        }
    }

    fn insert_goaway(&mut self, last: LastStream, code: u32) {
        let last = match last {
            LastStream::Seen => self.seen,
            LastStream::All => u32::MAX >> 1,
            LastStream::None => 0,
        };
        self.inserts.push_back(goaway(GoAwayFrame { last, code }));
    }

    /// When SETTINGS must have been answered.
    fn settings_due(&self) -> Option<Instant> {
        self.unanswered.front()?.at.checked_add(self.habits.settings_patience?)
    }

    fn insert_settings(&mut self, told: TrueSettings) {
        self.inserts.push_back(settings(told));
    }

    /// Whether frames are judged on their way out.
    fn is_forging(&self) -> bool {
        self.habits.mutes_goaway || !(self.orders.is_empty() && self.out.is_empty() && self.inserts.is_empty())
    }

    /// Takes what HTTP/2 writes, and judges it frame by frame; how many of the bytes.
    fn judge_outgoing(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(FORGED_MAX);
        let Forger { outgoing, out, orders, late, withheld, unanswered, habits, .. } = self;
        outgoing.cut(&bytes[..taken], out, |cut, out| {
            if let Cut::Whole(header, frame) = cut {
                if habits.mutes_goaway && header.kind == FrameKind::GoAway {
                    return;
                }
                note_settings(header, unanswered);
                judge(orders, (late, withheld), header, frame, out);
            }
        });
        taken
    }

    /// Writes what was judged.
    fn poll_write_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// How many of so many bytes may be written as they come; none: they are to be judged.
    fn plain_room(&self, bytes: usize) -> Option<usize> {
        match (self.is_forging(), self.outgoing.is_between()) {
            (false, true) => Some(bytes),
            (true, true) => None,
            // A frame that has begun ends as it began.
            (_, false) if self.outgoing.holds() => None,
            (is_forging, false) => Some(if is_forging { bytes.min(self.outgoing.to_border()) } else { bytes }),
        }
    }

    fn follow_outgoing(&mut self, bytes: &[u8]) {
        let Forger { outgoing, unanswered, .. } = self;
        outgoing.follow(bytes, |header| note_settings(header, unanswered));
    }

    /// Reads as it comes, so many bytes at most.
    fn poll_read_few(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        room: usize,
    ) -> Poll<io::Result<()>> {
        let mut raw = [0; READ_STEP];
        let room = room.min(raw.len()).min(buffer.remaining());
        let mut raw = ReadBuf::new(&mut raw[..room]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut raw))?;
        self.incoming.follow(raw.filled(), |header| note_seen(header, &mut self.seen));
        buffer.put_slice(raw.filled());
        Poll::Ready(Ok(()))
    }

    /// Reads on, and takes out the answers to SETTINGS that HTTP/2 knows nothing of.
    fn poll_read_judged(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Ends: each turn reads from the stream, whose data has an end, or returns.
        while self.read.is_empty() {
            let mut raw = [0; READ_STEP];
            let mut raw = ReadBuf::new(&mut raw);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut raw))?;
            if raw.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let Forger { incoming, read, unanswered, seen, habits, .. } = self;
            incoming.cut(raw.filled(), read, |cut, read| match cut {
                Cut::Begun(header) => note_seen(header, seen),
                Cut::Whole(header, frame) => {
                    if is_answer(header) && unanswered.pop_front().is_some_and(|asked| asked.is_forged) {
                        return;
                    }
                    match habits.keeps_disowned && header.kind == FrameKind::GoAway {
                        true => read.extend_from_slice(&disowning_nobody(frame)),
                        false => read.extend_from_slice(frame),
                    }
                }
            });
        }
        let taken = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl<S: ByteStream> AsyncRead for Forger<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let forger = self.get_mut();
        forger.follow(context)?;
        if let Poll::Ready(Err(error)) = forger.poll_write_out(context) {
            return Poll::Ready(Err(error));
        }
        if forger.is_forgotten {
            ready!(Pin::new(&mut forger.stream).poll_read(context, &mut ReadBuf::new(&mut [0; READ_STEP])))?;
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let is_owed = forger.habits.keeps_disowned || forger.unanswered.iter().any(|asked| asked.is_forged);
        if !forger.read.is_empty() || forger.incoming.holds() || (is_owed && forger.incoming.is_between()) {
            return forger.poll_read_judged(context, buffer);
        }
        if is_owed {
            let room = forger.incoming.to_border();
            return forger.poll_read_few(context, buffer, room);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut forger.stream).poll_read(context, buffer))?;
        let Forger { incoming, unanswered, seen, .. } = forger;
        incoming.follow(&buffer.filled()[before..], |header| {
            note_seen(header, seen);
            if is_answer(header) {
                unanswered.pop_front();
            }
        });
        Poll::Ready(Ok(()))
    }
}

impl<S: ByteStream> AsyncWrite for Forger<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let forger = self.get_mut();
        ready!(forger.poll_write_out(context))?;
        let Some(room) = forger.plain_room(bytes.len()) else {
            let taken = forger.judge_outgoing(bytes);
            // What was held back is due at some time.
            forger.follow(context)?;
            // What has no room now is written at the next turn.
            return match forger.poll_write_out(context) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(taken)),
            };
        };
        let written = ready!(Pin::new(&mut forger.stream).poll_write(context, &bytes[..room]))?;
        forger.follow_outgoing(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let forger = self.get_mut();
        ready!(forger.poll_write_out(context))?;
        Pin::new(&mut forger.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let forger = self.get_mut();
        ready!(forger.poll_write_out(context))?;
        if !forger.habits.close_delay.is_zero() {
            let now = Instant::now();
            let at = *forger.shuts_at.get_or_insert(now.checked_add(forger.habits.close_delay).unwrap_or(now));
            ready!(forger.alarm.poll(at, context));
        }
        Pin::new(&mut forger.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_forging() || !self.outgoing.is_between() && self.outgoing.holds() {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            return self.poll_write(context, first);
        }
        let forger = self.get_mut();
        let written = ready!(Pin::new(&mut forger.stream).poll_write_vectored(context, slices))?;
        let mut left = written;
        for slice in slices {
            let taken = slice.len().min(left);
            forger.follow_outgoing(&slice[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Puts a frame that HTTP/2 has written among those that go on, as the rules want it.
fn judge(
    orders: &[FrameOrder],
    (late, withheld): (&mut VecDeque<(Instant, BytesMut)>, &mut BTreeMap<u32, u32>),
    header: &FrameHeader,
    frame: &[u8],
    out: &mut BytesMut,
) {
    for order in orders {
        let is_met = match order.rule.lie() {
            ConnectionLie::PingAnswers(_) => header.kind == FrameKind::Ping && header.flags & ACK != 0,
            ConnectionLie::SettingsUnanswered => is_answer(header),
            ConnectionLie::WindowUpdatesWithheld(window) => {
                let is_meant = match window {
                    WindowKind::Connection => header.stream == 0,
                    WindowKind::Streams => header.stream != 0,
                    WindowKind::Both => true,
                };
                header.kind == FrameKind::WindowUpdate && is_meant
            }
            ConnectionLie::GoAway { .. } | ConnectionLie::Settings { .. } | ConnectionLie::Alpn(_) => false,
        };
        if !is_met {
            continue;
        }
        order.rule.feel();
        match order.rule.lie() {
            ConnectionLie::PingAnswers(PingAnswer::Late(time)) => {
                let due = Instant::now().checked_add(*time);
                late.extend(due.map(|due| (due, frame.into())));
            }
            ConnectionLie::PingAnswers(PingAnswer::Doubled) => {
                out.extend_from_slice(frame);
                out.extend_from_slice(frame);
            }
            ConnectionLie::PingAnswers(PingAnswer::Wrong) => out.extend_from_slice(&wrong_answer(frame)),
            ConnectionLie::WindowUpdatesWithheld(_) => withhold(withheld, header.stream, increment(frame)),
            ConnectionLie::PingAnswers(PingAnswer::Missing)
            | ConnectionLie::SettingsUnanswered
            | ConnectionLie::GoAway { .. }
            | ConnectionLie::Settings { .. }
            | ConnectionLie::Alpn(_) => {}
        }
        return;
    }
    out.extend_from_slice(frame);
}

/// Adds up what one stream, or the connection, is to have later. Where there are too many of them, that of the oldest stream
/// is forgotten: it is the likeliest to be over.
fn withhold(withheld: &mut BTreeMap<u32, u32>, stream: u32, increment: u32) {
    let sum = withheld.entry(stream).or_default();
    *sum = sum.saturating_add(increment).min(u32::MAX >> 1);
    if withheld.len() > WITHHELD_MAX
        && let Some(oldest) = withheld.keys().copied().find(|stream| *stream != 0)
    {
        withheld.remove(&oldest);
    }
}

fn note_settings(header: &FrameHeader, unanswered: &mut VecDeque<AskedSettings>) {
    if header.kind == FrameKind::Settings && !is_answer(header) {
        unanswered.push_back(AskedSettings::now(false));
    }
}

/// What it opens, the other side opens with HEADERS.
fn note_seen(header: &FrameHeader, seen: &mut u32) {
    if header.kind == FrameKind::Headers {
        *seen = (*seen).max(header.stream);
    }
}

fn is_answer(header: &FrameHeader) -> bool {
    header.kind == FrameKind::Settings && header.flags & ACK != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withheld_is_added_up_and_bounded() {
        let mut withheld = BTreeMap::new();
        withhold(&mut withheld, 0, 5);
        withhold(&mut withheld, 0, u32::MAX >> 1);
        (1..=2 * WITHHELD_MAX as u32).for_each(|stream| withhold(&mut withheld, stream, stream));
        assert_eq!((withheld.len(), withheld[&0]), (WITHHELD_MAX, u32::MAX >> 1));
        assert!(!withheld.contains_key(&1) && withheld.contains_key(&(2 * WITHHELD_MAX as u32)));
    }
}
