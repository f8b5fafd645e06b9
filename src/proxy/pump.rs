//! Moves the payload of one stream in one direction, piece by piece, at the pace of the receiver.
//!
//! Refuses to know what goes before and after the payload, and which side is which.
//!
//! ```text
//! Flowing --data ended--> Closing --trailers, or none--> Ended
//!    \____________________ source failed ________________/
//! ```

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::HeaderMap;

use crate::proxy::gate::{Gate, Piece};
use crate::proxy::notice::{Direction, ProxyFate};

/// One direction of one stream.
pub(crate) struct Pump {
    direction: Direction,
    /// What arrived and was not yet handed on: one DATA frame at most. The sender's window stays closed for it.
    held: Bytes,
    stage: PumpStage,
}

enum PumpStage {
    Flowing,
    Closing,
    Ended(ProxyFate),
}

impl Pump {
    /// A pump before its first byte.
    pub(crate) fn new(direction: Direction) -> Self {
        Pump { direction, held: Bytes::new(), stage: PumpStage::Flowing }
    }

    /// Whether the receiver was told that all was sent.
    pub(crate) fn has_passed_the_end(&self) -> bool {
        matches!(self.stage, PumpStage::Ended(ProxyFate::Passed))
    }

    /// The end went with the headers: there is nothing to pump.
    pub(crate) fn end_with_headers(&mut self, gate: &Gate) {
        self.stage = PumpStage::Ended(ProxyFate::Passed);
        gate.pass(self.direction, Piece::End(HeaderMap::new()));
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
        mut sink: Option<&mut SendStream<Bytes>>,
        gate: &mut Gate,
    ) -> Poll<Result<ProxyFate, h2::Error>> {
        // Ends: each turn consumes what arrived, and the sender's window bounds what can arrive without a turn of the
        // connection's own task.
        loop {
            let mut open = if gate.is_silent(self.direction) { None } else { sink.as_deref_mut() };
            if !self.held.is_empty() {
                match open {
                    Some(sink) => ready!(self.poll_pass(context, source, sink, gate)),
                    None => self.swallow(source, sink.as_deref_mut(), gate),
                }
                if let PumpStage::Ended(fate) = self.stage {
                    return Poll::Ready(Ok(fate));
                }
                continue;
            }
            match self.stage {
                PumpStage::Flowing => match ready!(source.poll_data(context)) {
                    Some(Ok(data)) => self.held = data,
                    Some(Err(error)) => return Poll::Ready(Err(self.fail(error))),
                    None => self.stage = PumpStage::Closing,
                },
                PumpStage::Closing => match ready!(source.poll_trailers(context)) {
                    Ok(trailers) => return Poll::Ready(Ok(self.end(trailers, open.take(), gate))),
                    Err(error) => return Poll::Ready(Err(self.fail(error))),
                },
                PumpStage::Ended(_) => return Poll::Pending,
            }
        }
    }

    /// Hands on as much of the held bytes as the receiver has room for; waits for room if there is none.
    fn poll_pass(
        &mut self,
        context: &mut Context<'_>,
        source: &mut RecvStream,
        sink: &mut SendStream<Bytes>,
        gate: &mut Gate,
    ) -> Poll<()> {
        sink.reserve_capacity(self.held.len());
        let mut room = sink.capacity();
        if room == 0 {
            match ready!(sink.poll_capacity(context)) {
                Some(Ok(granted)) => room = granted,
                Some(Err(_)) | None => {
                    // The receiver is gone: whoever watches its resets will say so.
                    self.swallow(source, None, gate);
                    return Poll::Ready(());
                }
            }
        }
        let piece = self.held.split_to(room.min(self.held.len()));
        let is_last = self.held.is_empty() && source.is_end_stream();
        let fate = match sink.send_data(piece.clone(), is_last) {
            Ok(()) => ProxyFate::Passed,
            Err(_) => ProxyFate::Swallowed,
        };
        give_back(source, piece.len());
        self.tell(Piece::Data(piece), fate, gate);
        if is_last {
            self.tell(Piece::End(HeaderMap::new()), fate, gate);
            self.stage = PumpStage::Ended(fate);
        }
        Poll::Ready(())
    }

    fn swallow(&mut self, source: &mut RecvStream, sink: Option<&mut SendStream<Bytes>>, gate: &mut Gate) {
        if let Some(sink) = sink {
            // Room on the shared connection that was asked for and will not be used.
            sink.reserve_capacity(0);
        }
        let data = std::mem::take(&mut self.held);
        give_back(source, data.len());
        gate.swallow(self.direction, Piece::Data(data));
    }

    fn end(&mut self, trailers: Option<HeaderMap>, sink: Option<&mut SendStream<Bytes>>, gate: &mut Gate) -> ProxyFate {
        let told = trailers.clone().unwrap_or_default();
        let sent = sink.map(|sink| match trailers {
            Some(trailers) => sink.send_trailers(trailers),
            None => sink.send_data(Bytes::new(), true),
        });
        let fate = match sent {
            Some(Ok(())) => ProxyFate::Passed,
            Some(Err(_)) | None => ProxyFate::Swallowed,
        };
        self.tell(Piece::End(told), fate, gate);
        self.stage = PumpStage::Ended(fate);
        fate
    }

    fn fail(&mut self, error: h2::Error) -> h2::Error {
        self.stage = PumpStage::Ended(ProxyFate::Swallowed);
        error
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
