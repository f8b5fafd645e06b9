//! What an end sends, what it does about segments that are lost, and its timers.
//!
//! Refuses to know what a segment does where it arrives.

use std::io;
use std::time::Duration;

use crate::world::net::end::handshake::Handshake;
use crate::world::net::end::keepalive::{Keepalive, KeepaliveAction};
use crate::world::net::end::retransmission::{Expiry, Retransmission, RetransmissionLimits, Unacknowledged};
use crate::world::net::end::{End, Holder, TcpPhase, Want};
use crate::world::net::packet::Segments;
use crate::world::net::segment::{Burst, TcpSegment};

/// What an end does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Dispatch {
    /// It sends this, as so many segments.
    Segment(TcpSegment, Segments),
    /// It waits for room at the peer: whether the word of it was lost is for others to say.
    Stuck,
    /// Nothing.
    Nothing,
}

impl End {
    /// What it wants to send next. What becomes of it is told by [`End::pass`] or [`End::lose`] before the next call.
    pub(crate) fn dispatch(&mut self, clock: Duration) -> Dispatch {
        let Some(want) = self.want.take() else { return Dispatch::Nothing };
        let segment = match want {
            Want::Data => return self.dispatch_data(clock),
            Want::Resend { at } => return self.dispatch_again(at),
            Want::Syn => {
                if let Some(handshake) = &mut self.handshake {
                    handshake.send(clock, self.options.user_timeout);
                }
                TcpSegment::Syn
            }
            Want::SynAck => TcpSegment::SynAck,
            Want::Probe => TcpSegment::Probe,
            Want::Answer => TcpSegment::WindowUpdate { bytes: self.take_lost_update() },
            Want::WindowUpdate => TcpSegment::WindowUpdate { bytes: std::mem::take(&mut self.unreported) },
            Want::Reset => TcpSegment::Reset,
        };
        Dispatch::Segment(segment, Segments::EMPTY)
    }

    /// What was written, unless it waits for an acknowledgment first.
    fn dispatch_data(&mut self, clock: Duration) -> Dispatch {
        if self.retransmission.as_ref().is_some_and(|pending| pending.holds_back()) {
            return Dispatch::Nothing;
        }
        let was_full = self.is_full();
        let Some(burst) = self.take_burst() else {
            return if self.is_stuck() { Dispatch::Stuck } else { Dispatch::Nothing };
        };
        self.wakes_writer |= was_full;
        let size = Segments::of(burst.bytes.len());
        Dispatch::Segment(TcpSegment::Burst { burst, sent: clock }, size)
    }

    fn take_burst(&mut self) -> Option<Burst> {
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

    /// Everything that is missing, one burst after the other, until something is lost again.
    fn dispatch_again(&mut self, at: usize) -> Dispatch {
        let Some(kept) = self.retransmission.as_ref().and_then(|pending| pending.get(at)) else {
            return Dispatch::Nothing;
        };
        self.want = Some(Want::Resend { at: at + 1 });
        Dispatch::Segment(TcpSegment::Burst { burst: kept.burst.clone(), sent: kept.sent }, kept.missing)
    }

    /// What a lost window update told, for the next word to the peer.
    pub(crate) fn take_lost_update(&mut self) -> usize {
        match std::mem::take(&mut self.is_update_lost) {
            true => std::mem::take(&mut self.unreported),
            false => 0,
        }
    }
}

/// What becomes of what it sent.
impl End {
    /// All of a segment is on its way.
    pub(crate) fn pass(&mut self, segment: &TcpSegment) {
        match segment {
            TcpSegment::SynAck if self.phase == TcpPhase::Listening => self.phase = TcpPhase::Open,
            TcpSegment::Burst { burst, sent } => {
                if let Some(pending) = &mut self.retransmission {
                    let missing = Segments::of(burst.bytes.len());
                    pending.keep(Unacknowledged { burst: burst.clone(), sent: *sent, missing });
                }
            }
            TcpSegment::Syn
            | TcpSegment::SynAck
            | TcpSegment::Acknowledgment { .. }
            | TcpSegment::WindowUpdate { .. }
            | TcpSegment::Probe
            | TcpSegment::Reset => {}
        }
    }

    /// A part of a burst is lost, and so many segments passed after the first that was. What follows waits for the
    /// timer.
    pub(crate) fn lose(&mut self, clock: Duration, lost: Unacknowledged, passed_after: u32, round_trip: Duration) {
        self.want = None;
        if self.keep(lost, round_trip) {
            self.hear_duplicates(clock, passed_after, round_trip);
        }
    }

    /// The peer is not known to have a burst: it is kept until it is. Whether it was not kept before.
    pub(crate) fn keep(&mut self, unacknowledged: Unacknowledged, round_trip: Duration) -> bool {
        if self.is_dead {
            return false;
        }
        let begin = || Box::new(Retransmission::begin(unacknowledged.sent, round_trip));
        self.retransmission.get_or_insert_with(begin).keep(unacknowledged)
    }

    /// The peer tells of so many segments after a missing one.
    pub(crate) fn hear_duplicates(&mut self, clock: Duration, count: u32, round_trip: Duration) {
        if let Some(pending) = &mut self.retransmission {
            pending.hear_duplicates(clock, count, round_trip);
        }
    }

    /// A window update did not get through: the next word to the peer tells what it told.
    pub(crate) fn lose_window_update(&mut self, bytes: usize) {
        self.unreported += bytes;
        self.is_update_lost = true;
    }

    /// The word of room at the peer was lost: the peer is asked, if the end waits for it (a zero-window probe).
    pub(crate) fn ask_for_room(&mut self, clock: Duration, round_trip: Duration) {
        if self.is_stuck() {
            self.retransmission = Some(Box::new(Retransmission::begin(clock, round_trip)));
        }
    }
}

/// Timers.
impl End {
    /// When a timer expires.
    pub(crate) fn poll_at(&self) -> Option<Duration> {
        let handshake = self.handshake.as_ref().map(Handshake::due);
        let retransmission = self.retransmission.as_ref().map(|pending| pending.due(self.options.user_timeout));
        let keepalive = self.keepalive.as_ref().map(Keepalive::due);
        handshake.into_iter().chain(retransmission).chain(keepalive).min()
    }

    /// A timer may have expired.
    pub(crate) fn expire(&mut self, clock: Duration) {
        self.expire_handshake(clock);
        self.expire_retransmission(clock);
        self.expire_keepalive(clock);
    }

    fn expire_handshake(&mut self, clock: Duration) {
        let Some(handshake) = self.handshake.as_ref().filter(|handshake| handshake.due() <= clock) else { return };
        match handshake.expire(clock, self.options.user_timeout) {
            Expiry::Retransmit => self.want(Want::Syn),
            Expiry::GiveUp => self.fail_dial(io::ErrorKind::TimedOut),
        }
    }

    fn expire_retransmission(&mut self, clock: Duration) {
        let user_timeout = self.options.user_timeout;
        let limits = RetransmissionLimits { user_timeout, is_orphan: self.holder == Holder::Nobody };
        let Some(pending) = self.retransmission.as_mut().filter(|pending| pending.due(user_timeout) <= clock) else {
            return;
        };
        match pending.expire(clock, limits) {
            Expiry::Retransmit if pending.is_empty() => self.want(Want::Probe),
            Expiry::Retransmit => self.want(Want::Resend { at: 0 }),
            // The peer hears nothing of it.
            Expiry::GiveUp => self.break_off(io::ErrorKind::TimedOut),
        }
    }

    fn expire_keepalive(&mut self, clock: Duration) {
        let is_sending = self.retransmission.is_some();
        let Some(keepalive) = self.keepalive.as_mut().filter(|keepalive| keepalive.due() <= clock) else { return };
        match keepalive.expire(clock, is_sending, self.options.user_timeout) {
            KeepaliveAction::Wait => {}
            KeepaliveAction::Probe => self.want(Want::Probe),
            KeepaliveAction::GiveUp => {
                self.break_off(io::ErrorKind::TimedOut);
                // Linux sends RST, which may get through where the answers did not (tcp_keepalive_timer).
                self.want(Want::Reset);
            }
        }
    }
}
