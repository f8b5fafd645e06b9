//! What an end makes of the segments that arrive at it.
//!
//! Refuses to know how they got there, and whether the sender hears what becomes of them.

use std::cmp::Ordering;
use std::io;
use std::time::Duration;

use crate::world::net::end::keepalive::Keepalive;
use crate::world::net::end::{End, Holder, RECEIVE_BUFFER_MAX, TcpPhase, Want};
use crate::world::net::segment::{Burst, TcpSegment};

/// What an end says at once to a segment, besides what it dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpReply {
    /// Nothing.
    Nothing,
    /// RST: it knows no such connection (RFC 9293 section 3.10.7.1), or nobody will read what came.
    Reset,
    /// A burst came before the handshake was done, and is dropped.
    Early,
    /// A burst came before another one that is missing: the receiver keeps it until the gap is closed.
    Gap,
    /// The next burst was taken.
    Taken,
    /// A burst was there already.
    Repeated,
}

impl End {
    /// A segment arrives.
    pub(crate) fn process(&mut self, clock: Duration, segment: &TcpSegment) -> TcpReply {
        if self.is_dead {
            return End::process_unknown(segment);
        }
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.hear(clock);
        }
        match segment {
            TcpSegment::Syn => self.want(Want::SynAck),
            TcpSegment::SynAck => self.process_syn_ack(clock),
            TcpSegment::Burst { burst, .. } => return self.process_burst(burst),
            TcpSegment::Acknowledgment { expected } => self.process_acknowledgment(clock, *expected),
            TcpSegment::WindowUpdate { bytes } => self.process_window_update(clock, *bytes),
            TcpSegment::Probe => self.want(Want::Answer),
            TcpSegment::Reset => self.process_reset(),
        }
        TcpReply::Nothing
    }

    /// Whether a burst does nothing here but arrive: then [`End::receive`] does all that [`End::process`] would.
    pub(crate) fn is_next(&self, burst: &Burst) -> bool {
        self.phase == TcpPhase::Open
            && self.holder != Holder::Nobody
            && self.expected == burst.sequence
            && self.is_plain()
    }

    /// Takes the next burst of the peer.
    pub(crate) fn receive(&mut self, burst: Burst) {
        self.expected += 1;
        self.peer_finished |= burst.finish;
        if !burst.bytes.is_empty() {
            self.unread += burst.bytes.len();
            debug_assert!(self.unread <= RECEIVE_BUFFER_MAX, "the sender overran the window");
            self.inbox.push_back(burst.bytes);
        }
        self.wakes_reader = true;
    }

    /// The burst of the peer that comes next.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// A segment for a connection that the kernel does not know. Nobody answers RST, and an acknowledgment is none.
    fn process_unknown(segment: &TcpSegment) -> TcpReply {
        match segment {
            TcpSegment::Reset | TcpSegment::Acknowledgment { .. } => TcpReply::Nothing,
            TcpSegment::Syn
            | TcpSegment::SynAck
            | TcpSegment::Burst { .. }
            | TcpSegment::WindowUpdate { .. }
            | TcpSegment::Probe => TcpReply::Reset,
        }
    }

    fn process_syn_ack(&mut self, clock: Duration) {
        if self.phase == TcpPhase::Connecting {
            self.phase = TcpPhase::Open;
            self.handshake = None;
            self.keepalive = self.options.keepalive.map(|options| Keepalive::begin(clock, options));
            self.wakes_writer = true;
        }
    }

    fn process_burst(&mut self, burst: &Burst) -> TcpReply {
        if self.phase == TcpPhase::Connecting {
            return TcpReply::Early;
        }
        let place = burst.sequence.cmp(&self.expected);
        if self.holder == Holder::Nobody && !burst.bytes.is_empty() && place != Ordering::Less {
            self.die();
            return TcpReply::Reset;
        }
        match place {
            Ordering::Greater => TcpReply::Gap,
            Ordering::Equal => {
                self.receive(burst.clone());
                TcpReply::Taken
            }
            Ordering::Less => TcpReply::Repeated,
        }
    }

    fn process_acknowledgment(&mut self, clock: Duration, expected: u64) {
        if let Some(pending) = &mut self.retransmission
            && pending.acknowledge(clock, expected)
            && pending.is_empty()
        {
            self.retransmission = None;
            self.want(Want::Data);
        }
    }

    fn process_window_update(&mut self, clock: Duration, bytes: usize) {
        self.window += bytes;
        if let Some(pending) = &mut self.retransmission {
            pending.hear_answer(clock);
        }
        if bytes > 0 {
            // A probe is over when there is room.
            self.retransmission.take_if(|pending| pending.is_empty());
            self.want(Want::Data);
        }
    }

    /// Nothing will be sent any more; what was received can still be read. A peer that had finished before is told as
    /// EPIPE, any other as ECONNRESET (Linux, tcp_reset).
    fn process_reset(&mut self) {
        if self.phase == TcpPhase::Connecting {
            return self.fail_dial(io::ErrorKind::ConnectionRefused);
        }
        self.break_off(if self.peer_finished { io::ErrorKind::BrokenPipe } else { io::ErrorKind::ConnectionReset });
    }
}
