//! The bytes of one connection that travel one way, while lies are told about bytes: what is held, and until when.
//!
//! Refuses to know sockets and the clock: `now` is handed in, and whoever asks does what it is told.
//!
//! ```text
//! taken --a hole--> gone
//!    '--> held --late enough, slow enough, small enough--> passed
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, Bytes};
use rand::RngExt;
use tokio::time::Instant;

use crate::lie::{ByteHarm, Direction};
use crate::proxy::config::{LANE_MAX, PACE_STEP};
use crate::proxy::control::ByteRule;

/// A rule about the bytes of this connection.
pub(crate) struct ByteOrder {
    pub(crate) rule: ByteRule,
    /// When it met the connection.
    since: Instant,
    /// Its first byte came.
    begun: Option<Instant>,
    /// So many bytes were let through under it.
    passed: u64,
    /// The size of the piece that passes next, where it is drawn already.
    piece: Option<usize>,
}

/// What a lie makes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ByteEnd {
    /// FIN.
    Closed,
    /// RST.
    Reset,
}

impl ByteOrder {
    /// A rule that meets the connection now.
    pub(crate) fn new(rule: ByteRule, now: Instant) -> Self {
        ByteOrder { rule, since: now, begun: None, passed: 0, piece: None }
    }

    pub(crate) fn direction(&self) -> Direction {
        self.rule.lie.direction
    }

    /// How the connection ends by it, and when, as far as that is known.
    pub(crate) fn end(&self) -> Option<(Instant, ByteEnd)> {
        match &self.rule.lie.what {
            ByteHarm::BlackHole { closes_after } => Some((self.since.checked_add((*closes_after)?)?, ByteEnd::Closed)),
            ByteHarm::Reset { after } => Some((self.begun?.checked_add(*after)?, ByteEnd::Reset)),
            ByteHarm::Latency { .. }
            | ByteHarm::Bandwidth { .. }
            | ByteHarm::SlowClose { .. }
            | ByteHarm::Mute
            | ByteHarm::Slice { .. }
            | ByteHarm::Limit { .. } => None,
        }
    }

    /// Whether the connection cannot outlive it, because it is left with a hole.
    pub(crate) fn leaves_a_hole(&self) -> bool {
        self.is_hole() && self.begun.is_some() || matches!(self.rule.lie.what, ByteHarm::BlackHole { .. })
    }

    /// Whether the connection stays as it is when the lie is over, because nobody is to find out.
    pub(crate) fn stays(&self) -> bool {
        matches!(self.rule.lie.what, ByteHarm::Mute) && self.begun.is_some()
    }

    fn is_hole(&self) -> bool {
        matches!(self.rule.lie.what, ByteHarm::BlackHole { .. } | ByteHarm::Reset { .. })
    }

    /// How much of what comes is let through.
    fn room(&self) -> usize {
        match self.rule.lie.what {
            ByteHarm::Limit { bytes } => usize::try_from(bytes.saturating_sub(self.passed)).unwrap_or(usize::MAX),
            ByteHarm::BlackHole { .. } | ByteHarm::Reset { .. } | ByteHarm::Mute => 0,
            ByteHarm::Latency { .. }
            | ByteHarm::Bandwidth { .. }
            | ByteHarm::SlowClose { .. }
            | ByteHarm::Slice { .. } => usize::MAX,
        }
    }

    fn is_used_up(&self) -> bool {
        matches!(self.rule.lie.what, ByteHarm::Limit { bytes } if self.passed >= bytes)
    }

    fn close_delay(&self) -> Option<Duration> {
        if let ByteHarm::SlowClose { delay } = self.rule.lie.what { Some(delay) } else { None }
    }

    /// How much later what comes now is to pass.
    fn lateness(&mut self) -> Duration {
        let ByteHarm::Latency { latency, jitter } = self.rule.lie.what else { return Duration::ZERO };
        let around = self.rule.dice.up_to(jitter.saturating_mul(2));
        latency.saturating_add(around).saturating_sub(jitter)
    }
}

/// One way of a connection.
pub(crate) struct ByteLane {
    direction: Direction,
    held: VecDeque<(Instant, Bytes)>,
    held_bytes: usize,
    /// Where bytes pass slowly, when the next may.
    free_at: Option<Instant>,
    /// The sender has ended, at that time.
    ended: Option<Instant>,
    /// A limit is used up: what comes is gone, and the connection is closed when the rest has passed.
    is_shut: bool,
}

/// What may be done with what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteNext {
    /// Nothing is held.
    Empty,
    /// So many of the first bytes pass.
    Pass(usize),
    /// None, before that time.
    NotBefore(Instant),
    /// None, while the lies are as they are.
    Never,
}

impl ByteLane {
    /// A way that holds nothing.
    pub(crate) fn new(direction: Direction) -> Self {
        ByteLane { direction, held: VecDeque::new(), held_bytes: 0, free_at: None, ended: None, is_shut: false }
    }

    /// Whether bytes go by as they come.
    pub(crate) fn is_plain(&self, orders: &[ByteOrder]) -> bool {
        self.held.is_empty() && !self.is_shut && orders.iter().all(|order| order.direction() != self.direction)
    }

    /// How many bytes may be taken in.
    pub(crate) fn room(&self) -> usize {
        LANE_MAX.saturating_sub(self.held_bytes)
    }

    /// Takes in bytes, or lets them vanish.
    pub(crate) fn take(&mut self, mut bytes: Bytes, orders: &mut [ByteOrder], now: Instant) {
        let mut late = Duration::ZERO;
        for order in orders.iter_mut().filter(|order| order.direction() == self.direction) {
            order.begun.get_or_insert(now);
            // A slow close is felt at the close.
            if order.close_delay().is_none() {
                order.rule.feel();
            }
            bytes.truncate(order.room());
            order.passed += bytes.len() as u64;
            self.is_shut |= order.is_used_up();
            late = late.saturating_add(order.lateness());
        }
        if bytes.is_empty() {
            return;
        }
        // What was sent first arrives first, whatever is drawn.
        let earliest = self.held.back().map_or(now, |(at, _)| *at);
        let due = now.checked_add(late).unwrap_or(now).max(earliest);
        self.held_bytes += bytes.len();
        self.held.push_back((due, bytes));
    }

    /// What may be done with what is held now.
    pub(crate) fn next(&self, orders: &mut [ByteOrder], now: Instant) -> ByteNext {
        let Some((due, first)) = self.held.front() else { return ByteNext::Empty };
        let mut unit = first.len();
        for order in orders.iter_mut().filter(|order| order.direction() == self.direction) {
            match order.rule.lie.what {
                ByteHarm::Bandwidth { bytes_per_second: 0 } => return ByteNext::Never,
                ByteHarm::Bandwidth { bytes_per_second } => {
                    let step = bytes_per_second.saturating_mul(PACE_STEP.as_millis() as u64) / 1000;
                    unit = unit.min(usize::try_from(step).unwrap_or(usize::MAX).max(1));
                }
                ByteHarm::Slice { average, variation, .. } => {
                    let dice = &mut order.rule.dice;
                    let piece = *order.piece.get_or_insert_with(|| {
                        let (least, most) =
                            (average.saturating_sub(variation).max(1), average.saturating_add(variation));
                        dice.random_range(least..=most.max(least)) as usize
                    });
                    unit = unit.min(piece);
                }
                ByteHarm::Latency { .. }
                | ByteHarm::SlowClose { .. }
                | ByteHarm::Mute
                | ByteHarm::BlackHole { .. }
                | ByteHarm::Reset { .. }
                | ByteHarm::Limit { .. } => {}
            }
        }
        match self.free_at.map_or(*due, |free| free.max(*due)) {
            at if at > now => ByteNext::NotBefore(at),
            _ => ByteNext::Pass(unit),
        }
    }

    /// The bytes that come next.
    pub(crate) fn front(&self) -> &[u8] {
        self.held.front().map_or(&[], |(_, bytes)| bytes)
    }

    /// So many of them have passed.
    pub(crate) fn pass(&mut self, count: usize, orders: &mut [ByteOrder], now: Instant) {
        if let Some((_, front)) = self.held.front_mut() {
            front.advance(count.min(front.len()));
            if front.is_empty() {
                self.held.pop_front();
            }
        }
        self.held_bytes = self.held_bytes.saturating_sub(count);
        let mut takes = Duration::ZERO;
        for order in orders.iter_mut().filter(|order| order.direction() == self.direction) {
            match order.rule.lie.what {
                ByteHarm::Bandwidth { bytes_per_second } => {
                    let nanos = (count as u64).saturating_mul(1_000_000_000) / bytes_per_second.max(1);
                    takes = takes.max(Duration::from_nanos(nanos));
                }
                ByteHarm::Slice { pause, .. } => {
                    // What the receiver had no room for is the rest of the same piece.
                    let left = order.piece.map_or(0, |piece| piece.saturating_sub(count));
                    order.piece = Some(left).filter(|left| *left > 0 && !self.held.is_empty());
                    if order.piece.is_none() {
                        takes = takes.max(pause);
                    }
                }
                ByteHarm::Latency { .. }
                | ByteHarm::SlowClose { .. }
                | ByteHarm::Mute
                | ByteHarm::BlackHole { .. }
                | ByteHarm::Reset { .. }
                | ByteHarm::Limit { .. } => {}
            }
        }
        self.free_at = now.checked_add(takes).filter(|at| *at > now);
    }

    /// The lies have changed: what no lie holds any more passes at once.
    pub(crate) fn release(&mut self, orders: &[ByteOrder], now: Instant) {
        let is_held = |held: fn(&ByteHarm) -> bool| {
            orders.iter().any(|order| order.direction() == self.direction && held(&order.rule.lie.what))
        };
        if !is_held(|what| matches!(what, ByteHarm::Bandwidth { .. } | ByteHarm::Slice { .. })) {
            self.free_at = None;
        }
        if !is_held(|what| matches!(what, ByteHarm::Latency { .. })) {
            self.held.iter_mut().for_each(|(due, _)| *due = (*due).min(now));
        }
    }

    /// Whether the connection is to be closed, because a limit is used up and all within it has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.is_shut && self.held.is_empty()
    }

    /// The sender ends the connection.
    pub(crate) fn end(&mut self, orders: &[ByteOrder], now: Instant) {
        self.ended.get_or_insert(now);
        let slow = orders.iter().filter(|order| order.direction() == self.direction && order.close_delay().is_some());
        slow.for_each(|order| order.rule.feel());
    }

    /// When its end may pass, all that is held apart; none before it has ended.
    pub(crate) fn end_due(&self, orders: &[ByteOrder]) -> Option<Instant> {
        let ended = self.ended?;
        let mine = orders.iter().filter(|order| order.direction() == self.direction);
        Some(mine.filter_map(|order| ended.checked_add(order.close_delay()?)).max().unwrap_or(ended))
    }

    /// Whether the sender has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }
}
