//! Moves the payload of one stream in one direction, piece by piece, at the pace of the receiver and of the lies.
//!
//! Refuses to know what goes before and after the payload, and which side is which.
//!
//! ```text
//! Flowing --all has arrived--> Closing --trailers, or none--> Ended
//!    \____________________ source failed ________________/
//! ```

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::lie::{Direction, Withheld};
use crate::proxy::alarm::ProxyTimer;
use crate::proxy::config::{JOINED_MAX, REPEATED_MAX};
use crate::proxy::gate::{Gate, Next, Piece};
use crate::proxy::notice::ProxyFate;
use crate::proxy::windows::WayWindow;

/// One direction of one stream.
pub(crate) struct Pump {
    direction: Direction,
    /// What arrived and was not yet handed on, with the time of arrival: small DATA frames that go on as one, or one that is
    /// not; more where a lie makes it wait. The sender's window stays closed for all of it, and bounds it.
    held: VecDeque<(Instant, Bytes)>,
    held_bytes: usize,
    /// A lie was full of what it held, and lets all of it go.
    is_flushing: bool,
    /// What was handed on so far, where it may have to be sent again.
    sent: Option<BytesMut>,
    /// The receiver was told that all was sent before it was.
    has_ended_early: bool,
    /// The receiver gives no window for what comes next.
    is_stalled: bool,
    stage: PumpStage,
    /// How the source failed, while what came before is still handed on.
    failure: Option<h2::Error>,
    alarm: ProxyTimer,
}

enum PumpStage {
    Flowing,
    /// The end has arrived, with its trailers, at that time.
    Closing(Instant, Option<HeaderMap>),
    Ended(ProxyFate),
}

/// What a turn came to.
enum Turn {
    /// Something was done.
    Moved,
    /// More must arrive first.
    Wanting,
}

impl Pump {
    /// A pump before its first byte.
    pub(crate) fn new(direction: Direction) -> Self {
        Pump {
            direction,
            held: VecDeque::new(),
            held_bytes: 0,
            is_flushing: false,
            sent: None,
            has_ended_early: false,
            is_stalled: false,
            stage: PumpStage::Flowing,
            failure: None,
            alarm: ProxyTimer::default(),
        }
    }

    /// Whether the receiver was told that all was sent.
    pub(crate) fn has_passed_the_end(&self) -> bool {
        self.has_ended_early || matches!(self.stage, PumpStage::Ended(ProxyFate::Passed))
    }

    /// Whether the sender's end has arrived.
    pub(crate) fn has_the_end(&self) -> bool {
        !matches!(self.stage, PumpStage::Flowing)
    }

    /// Whether the end is all that is to be handed on, if the sender has ended or not.
    pub(crate) fn is_all_told(&self, is_ended: bool) -> bool {
        let has_sent = self.sent.as_ref().is_some_and(|sent| !sent.is_empty());
        self.held.is_empty() && !has_sent && (is_ended || self.has_passed_the_end())
    }

    /// Whether bytes wait for the receiver.
    pub(crate) fn holds_bytes(&self) -> bool {
        !self.held.is_empty()
    }

    /// Keeps what is handed on from now, to send it again.
    pub(crate) fn keep_sent(&mut self) {
        self.sent = Some(BytesMut::new());
    }

    /// Whether all that was handed on is known.
    pub(crate) fn is_kept_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Sends again what was sent, end and all.
    pub(crate) fn resend(&mut self, sink: &mut SendStream<Bytes>) {
        let sent = self.sent.clone().unwrap_or_default().freeze();
        let is_all = self.has_passed_the_end();
        if !sent.is_empty() || is_all {
            // Waits within h2 for room. Its error is the loss of the node, which the node's half tells as well.
            let _ = sink.send_data(sent, is_all);
        }
    }

    /// Tells the receiver that all was sent, which is untrue; whether it had not been told.
    pub(crate) fn end_early(&mut self, sink: &mut SendStream<Bytes>, gate: &mut Gate) -> bool {
        if self.has_passed_the_end() || sink.send_data(Bytes::new(), true).is_err() {
            return false;
        }
        self.has_ended_early = true;
        gate.pass(self.direction, Piece::End(HeaderMap::new()));
        true
    }

    /// The end went with the headers: there is nothing to pump.
    pub(crate) fn end_with_headers(&mut self, gate: &mut Gate) {
        self.stage = PumpStage::Ended(ProxyFate::Passed);
        gate.pass(self.direction, Piece::End(HeaderMap::new()));
    }

    /// Takes in what arrives while a lie holds it back; ready when it may go on.
    pub(crate) fn poll_gather(
        &mut self,
        context: &mut Context<'_>,
        source: &mut RecvStream,
        gate: &mut Gate,
    ) -> Poll<Result<(), h2::Error>> {
        // Ends: each turn takes in what arrived, or returns.
        while gate.holds(self.direction, self.held_bytes, !matches!(self.stage, PumpStage::Flowing)) {
            ready!(self.poll_take_in(context, source))?;
        }
        self.is_flushing = true;
        Poll::Ready(Ok(()))
    }

    /// Moves what can be moved: to `sink` or, in silence or without a sink, nowhere. Ready once, with the fate of the
    /// orderly end; pending for ever after that.
    ///
    /// Window is given back to the sender as bytes are taken or swallowed, so what waits here is one DATA frame, and
    /// the rest waits in the sender's window.
    ///
    /// # Errors
    /// The source was reset or its connection is lost.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &mut RecvStream,
        sink: Option<&mut SendStream<Bytes>>,
        gate: &mut Gate,
    ) -> Poll<Result<ProxyFate, h2::Error>> {
        self.is_stalled = false;
        let moved = self.poll_moved(context, source, sink, gate);
        if moved.is_pending() {
            gate.note_window(self.direction, self.window(source));
        }
        moved
    }

    fn poll_moved(
        &mut self,
        context: &mut Context<'_>,
        source: &mut RecvStream,
        mut sink: Option<&mut SendStream<Bytes>>,
        gate: &mut Gate,
    ) -> Poll<Result<ProxyFate, h2::Error>> {
        // Ends: each turn consumes what arrived, and the sender's window bounds what can arrive without a turn of the
        // connection's own task.
        loop {
            if let PumpStage::Ended(_) = self.stage {
                return Poll::Pending;
            }
            let turn = self.poll_turn(context, source, sink.as_deref_mut(), gate);
            if let PumpStage::Ended(fate) = self.stage {
                return Poll::Ready(Ok(fate));
            }
            match turn {
                Poll::Ready(Turn::Moved) => {}
                Poll::Ready(Turn::Wanting) => {
                    ready!(self.poll_take_in(context, source))?;
                    if gate.is_truthful(self.direction) {
                        self.take_in_more(context, source);
                    }
                }
                // What waits for time or room does not keep a lie that gathers from taking in more.
                Poll::Pending if gate.gathers(self.direction) => ready!(self.poll_take_in(context, source))?,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn window(&self, source: &mut RecvStream) -> WayWindow {
        let flow = source.flow_control();
        let left = i64::try_from(flow.available_capacity()).unwrap_or(i64::MAX);
        WayWindow { left, taken: flow.used_capacity() as u64, is_stalled: self.is_stalled }
    }

    /// Takes in the next DATA frame, or the end.
    fn poll_take_in(&mut self, context: &mut Context<'_>, source: &mut RecvStream) -> Poll<Result<(), h2::Error>> {
        if !matches!(self.stage, PumpStage::Flowing) {
            return Poll::Pending;
        }
        let taken = match self.failure.take() {
            Some(failure) => Err(failure),
            None => ready!(self.poll_source(context, source)),
        };
        if taken.is_err() {
            self.stage = PumpStage::Ended(ProxyFate::Swallowed);
        }
        Poll::Ready(taken)
    }

    /// Takes in what else has arrived, as long as it is little; ends stay where they are.
    fn take_in_more(&mut self, context: &mut Context<'_>, source: &mut RecvStream) {
        // They have all arrived by now, so that the time is asked for once.
        let now = self.held.back().map_or_else(Instant::now, |(arrived, _)| *arrived);
        // Ends: each turn takes in more, or returns.
        while self.held_bytes < JOINED_MAX {
            match source.poll_data(context) {
                Poll::Ready(Some(Ok(data))) => self.hold(now, data),
                Poll::Ready(Some(Err(failure))) => {
                    self.failure = Some(failure);
                    return;
                }
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }

    fn poll_source(&mut self, context: &mut Context<'_>, source: &mut RecvStream) -> Poll<Result<(), h2::Error>> {
        match ready!(source.poll_data(context)) {
            Some(Ok(data)) => self.hold(Instant::now(), data),
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None => {
                let trailers = ready!(source.poll_trailers(context))?;
                self.stage = PumpStage::Closing(Instant::now(), trailers);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn hold(&mut self, now: Instant, data: Bytes) {
        self.held_bytes += data.len();
        self.held.push_back((now, data));
    }

    /// Hands on, drops or swallows what comes next.
    fn poll_turn(
        &mut self,
        context: &mut Context<'_>,
        source: &mut RecvStream,
        mut sink: Option<&mut SendStream<Bytes>>,
        gate: &mut Gate,
    ) -> Poll<Turn> {
        gate.keep_up();
        let is_shut = gate.is_silent(self.direction) || self.has_ended_early;
        let open = if is_shut { None } else { sink.as_deref_mut() };
        let Some(sink) = open else {
            if !self.held.is_empty() {
                self.swallow(source, sink, gate);
                return Poll::Ready(Turn::Moved);
            }
            return Poll::Ready(match &mut self.stage {
                PumpStage::Closing(_, trailers) => {
                    let trailers = trailers.take();
                    self.end(trailers, None, gate);
                    Turn::Moved
                }
                PumpStage::Flowing | PumpStage::Ended(_) => Turn::Wanting,
            });
        };
        let is_all = !matches!(self.stage, PumpStage::Flowing);
        self.is_flushing &= !self.held.is_empty();
        if !self.is_flushing && !self.held.is_empty() && gate.gathers(self.direction) {
            if gate.holds(self.direction, self.held_bytes, is_all) {
                return Poll::Ready(Turn::Wanting);
            }
            self.is_flushing = true;
        }
        if self.held.front().is_some_and(|(_, front)| front.is_empty()) && gate.minds_the_end(self.direction) {
            // An empty frame carried the end, which is to wait, or not to pass.
            self.held.pop_front();
            return Poll::Ready(Turn::Moved);
        }
        if self.held.len() > 1 && gate.is_truthful(self.direction) {
            // An empty one carries an end, and stands alone.
            self.join(self.held.iter().take_while(|(_, frame)| !frame.is_empty()).count());
        }
        let Some((arrived, front)) = self.held.front() else {
            return match &self.stage {
                PumpStage::Closing(_, trailers) if gate.holds_end(self.direction, trailers.is_some()) => Poll::Pending,
                PumpStage::Closing(at, _) => {
                    let at = *at;
                    self.poll_end(at, context, sink, gate)
                }
                PumpStage::Flowing | PumpStage::Ended(_) => Poll::Ready(Turn::Wanting),
            };
        };
        match gate.next(self.direction, *arrived, front, is_all && self.held.len() == 1) {
            Next::Pass(unit) => self.poll_pass(unit, context, source, sink, gate).map(|()| Turn::Moved),
            Next::Drop(unit) => {
                let piece = self.take(unit);
                give_back(source, piece.len());
                gate.drop_message(self.direction, piece);
                Poll::Ready(Turn::Moved)
            }
            Next::More if self.held.len() > 1 => {
                self.join(2);
                Poll::Ready(Turn::Moved)
            }
            Next::More => Poll::Ready(Turn::Wanting),
            Next::NotBefore(at) => self.alarm.poll(at, context).map(|()| Turn::Moved),
            Next::Never => Poll::Pending,
        }
    }

    /// Hands on so many of the held bytes as the receiver has room for; waits for room if there is none.
    fn poll_pass(
        &mut self,
        unit: usize,
        context: &mut Context<'_>,
        source: &mut RecvStream,
        sink: &mut SendStream<Bytes>,
        gate: &mut Gate,
    ) -> Poll<()> {
        sink.reserve_capacity(unit);
        let mut room = sink.capacity();
        if room == 0 && unit > 0 {
            let polled = sink.poll_capacity(context);
            self.is_stalled = polled.is_pending();
            match ready!(polled) {
                Some(Ok(granted)) => room = granted,
                Some(Err(_)) | None => {
                    // The receiver is gone: whoever watches its resets will say so.
                    self.swallow(source, None, gate);
                    return Poll::Ready(());
                }
            }
        }
        let piece = self.take(room.min(unit));
        // A bare end may go with the last bytes, where no lie is told about ends.
        let is_bare = match self.stage {
            PumpStage::Flowing => source.is_end_stream(),
            PumpStage::Closing(_, ref trailers) => trailers.is_none(),
            PumpStage::Ended(_) => false,
        };
        let is_last = self.held.is_empty() && is_bare && !gate.minds_the_end(self.direction);
        let fate = match sink.send_data(piece.clone(), is_last) {
            Ok(()) => ProxyFate::Passed,
            Err(_) => ProxyFate::Swallowed,
        };
        if !gate.withholds(Withheld::Credit(self.direction)) {
            give_back(source, piece.len());
        }
        self.note_sent(&piece);
        self.tell(Piece::Data(piece), fate, gate);
        if is_last {
            self.tell(Piece::End(HeaderMap::new()), fate, gate);
            self.stage = PumpStage::Ended(fate);
        }
        Poll::Ready(())
    }

    /// Hands on the end, when it may go.
    fn poll_end(
        &mut self,
        arrived: Instant,
        context: &mut Context<'_>,
        sink: &mut SendStream<Bytes>,
        gate: &mut Gate,
    ) -> Poll<Turn> {
        match gate.next(self.direction, arrived, &[], true) {
            Next::NotBefore(at) => ready!(self.alarm.poll(at, context)),
            Next::Never => return Poll::Pending,
            Next::Pass(_) | Next::Drop(_) | Next::More => {
                let PumpStage::Closing(_, trailers) = &mut self.stage else { return Poll::Ready(Turn::Moved) };
                let trailers = trailers.take();
                self.end(trailers, Some(sink), gate);
            }
        }
        Poll::Ready(Turn::Moved)
    }

    fn end(&mut self, trailers: Option<HeaderMap>, sink: Option<&mut SendStream<Bytes>>, gate: &mut Gate) {
        let is_kept = self.direction == Direction::ToClient && sink.is_some() && gate.withholds(Withheld::End);
        // An observer is told what the sender said.
        let told = trailers.clone().unwrap_or_default();
        let trailers = trailers.and_then(|trailers| self.alter(trailers, gate));
        let sent = sink.filter(|_| !is_kept).map(|sink| match trailers {
            Some(trailers) => sink.send_trailers(trailers),
            None => sink.send_data(Bytes::new(), true),
        });
        let fate = match sent {
            Some(Ok(())) => ProxyFate::Passed,
            Some(Err(_)) | None => ProxyFate::Swallowed,
        };
        self.tell(Piece::End(told), fate, gate);
        self.stage = PumpStage::Ended(fate);
    }

    /// The trailers as the lies want them.
    fn alter(&self, mut trailers: HeaderMap, gate: &Gate) -> Option<HeaderMap> {
        if self.direction == Direction::ToNode {
            return Some(trailers);
        }
        if gate.withholds(Withheld::Trailers) {
            return None;
        }
        if let Some(status) = gate.status() {
            trailers.insert("grpc-status", HeaderValue::from(status));
            trailers.remove("grpc-message");
            trailers.remove("grpc-status-details-bin");
        }
        Some(trailers)
    }

    fn swallow(&mut self, source: &mut RecvStream, sink: Option<&mut SendStream<Bytes>>, gate: &mut Gate) {
        if let Some(sink) = sink {
            // Room on the shared connection that was asked for and will not be used.
            sink.reserve_capacity(0);
        }
        let Some((_, data)) = self.held.pop_front() else { return };
        self.held_bytes -= data.len();
        give_back(source, data.len());
        gate.swallow(self.direction, Piece::Data(data));
    }

    /// The first so many held bytes, of one frame.
    fn take(&mut self, unit: usize) -> Bytes {
        let Some((_, front)) = self.held.front_mut() else { return Bytes::new() };
        let piece = front.split_to(unit.min(front.len()));
        if front.is_empty() {
            self.held.pop_front();
        }
        self.held_bytes -= piece.len();
        piece
    }

    fn note_sent(&mut self, piece: &Bytes) {
        let Some(sent) = &mut self.sent else { return };
        sent.extend_from_slice(piece);
        if sent.len() > REPEATED_MAX {
            self.sent = None;
        }
    }

    /// Makes one of the first so many held frames, which arrived when the last of them did. A prefix that two frames share can be
    /// read then.
    fn join(&mut self, count: usize) {
        if count < 2 {
            return;
        }
        let count = count.min(self.held.len());
        let Some((arrived, _)) = count.checked_sub(1).and_then(|last| self.held.get(last)) else { return };
        let (arrived, len) = (*arrived, self.held.iter().take(count).map(|(_, frame)| frame.len()).sum());
        let mut joined = BytesMut::with_capacity(len);
        self.held.drain(..count).for_each(|(_, frame)| joined.extend_from_slice(&frame));
        self.held.push_front((arrived, joined.freeze()));
    }

    fn tell(&self, piece: Piece, fate: ProxyFate, gate: &mut Gate) {
        match fate {
            ProxyFate::Passed => gate.pass(self.direction, piece),
            ProxyFate::Swallowed => gate.swallow(self.direction, piece),
        }
    }
}

/// Opens the sender's window again by what was taken from it.
fn give_back(source: &mut RecvStream, bytes: usize) {
    // Fails only if the stream is gone, and its window with it.
    let _ = source.flow_control().release_capacity(bytes);
}
