//! One connection at work: segments get from its ends onto links and to its ends, and timers are set.
//!
//! The shell around [`End`](crate::world::net::end::End): it asks both ends, and decides nothing that they could.
//! Refuses to know sockets and listeners.

use std::time::Duration;

use crate::fault::Expired;
use crate::world::engine::HostId;
use crate::world::host_set::HostSet;
use crate::world::net::capture::{Capture, Captured};
use crate::world::net::connection::TcpConnection;
use crate::world::net::end::{Dispatch, TcpReply, Unacknowledged};
use crate::world::net::kernel::Kernel;
use crate::world::net::link::{Links, Passage};
use crate::world::net::packet::{HostPlace, Packet, Segments};
use crate::world::net::segment::{Burst, TcpSegment, TcpSide};
use crate::world::net::traffic::{ConnectionId, Parcel, Traffic};

/// See the module.
pub(crate) struct Exchange<'f> {
    pub(crate) id: ConnectionId,
    pub(crate) now: Duration,
    pub(crate) hosts: &'f mut [Kernel],
    pub(crate) links: &'f mut Links,
    pub(crate) traffic: &'f mut Traffic,
    pub(crate) woken: &'f mut HostSet,
    pub(crate) connection: &'f mut TcpConnection,
    /// Who wants to look at the packets.
    pub(crate) capture: Option<&'f Capture>,
}

/// What arrives.
impl Exchange<'_> {
    /// A segment arrives at an end.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are handed on alike")]
    pub(crate) fn land(&mut self, to: TcpSide, segment: TcpSegment) {
        match segment {
            TcpSegment::Burst { burst, .. } if self.is_smooth(to, &burst) => {
                self.connection.end_mut(to).receive(burst);
                self.capture_acknowledgment(to);
                self.wake(to);
            }
            segment if self.is_awake(to) => self.hear(to, segment),
            segment => self.miss(to, segment),
        }
    }

    /// Whether a burst that arrives does nothing but arrive: no harm, no timer and nothing lost is in play.
    fn is_smooth(&self, to: TcpSide, burst: &Burst) -> bool {
        self.links.is_calm()
            && self.connection.forgotten.is_none()
            && self.connection.end(to).is_next(burst)
            && self.connection.end(to.other()).is_plain()
            && self.is_awake(to)
            && self.is_awake(to.other())
    }

    /// The kernel of an end has power and does not sleep: the end hears a segment.
    fn hear(&mut self, to: TcpSide, segment: TcpSegment) {
        let clock = self.clock(to);
        let reply = self.connection.end_mut(to).process(clock, &segment);
        self.wake(to);
        match reply {
            TcpReply::Nothing => {}
            TcpReply::Reset => {
                if !self.transmit(to, TcpSegment::Reset, Segments::EMPTY) {
                    self.keep(to.other(), segment, None);
                }
            }
            TcpReply::Early => self.keep(to.other(), segment, None),
            TcpReply::Gap => self.leave_gap(to, segment),
            TcpReply::Taken => {
                if self.is_heard(to) {
                    self.acknowledge(to);
                } else {
                    self.keep(to.other(), segment, None);
                }
            }
            TcpReply::Repeated => {
                if self.is_heard(to) {
                    self.acknowledge(to);
                }
            }
        }
        self.dispatch(to);
    }

    /// Nobody is there to hear a segment.
    fn miss(&mut self, to: TcpSide, segment: TcpSegment) {
        match segment {
            TcpSegment::Burst { .. } => self.keep(to.other(), segment, None),
            TcpSegment::WindowUpdate { bytes } => self.lose_window_update(to.other(), bytes),
            // Nobody repeats it: whoever sends next will be told again.
            TcpSegment::Reset => *self.connection.reset_mut(to) = false,
            TcpSegment::Syn | TcpSegment::SynAck | TcpSegment::Acknowledgment { .. } | TcpSegment::Probe => {}
        }
    }

    /// A burst arrived before one that is missing. A small segment will do for what is sent again.
    fn leave_gap(&mut self, to: TcpSide, segment: TcpSegment) {
        let (sender, count) = (to.other(), size_of(&segment).count());
        self.keep(sender, segment, Some(Segments::EMPTY));
        if self.is_heard(to) {
            let (clock, round_trip) = (self.clock(sender), self.round_trip(sender));
            self.connection.end_mut(sender).hear_duplicates(clock, count, round_trip);
            self.arm(sender);
        }
    }

    /// A sender does not hear that a burst has arrived: it keeps it until it does, and sends again what is `missing`;
    /// none: all of it.
    fn keep(&mut self, sender: TcpSide, segment: TcpSegment, missing: Option<Segments>) {
        let whole = size_of(&segment);
        let TcpSegment::Burst { burst, sent } = segment else { return };
        let unacknowledged = Unacknowledged { burst, sent, missing: missing.unwrap_or(whole) };
        let round_trip = self.round_trip(sender);
        self.connection.end_mut(sender).keep(unacknowledged, round_trip);
        self.arm(sender);
    }

    /// Whether an acknowledgment from `side` would be heard now. It is a packet that nobody sees: it is asked for
    /// only whether it passes, not when, and single losses do not matter, as the next one tells the same.
    fn is_heard(&mut self, side: TcpSide) -> bool {
        self.connection.forgotten.is_none()
            && self.is_awake(side.other())
            && !self.links.is_cut(self.host(side), self.host(side.other()))
    }

    /// `side` tells its peer what it has, and what room there is if that was not heard before.
    fn acknowledge(&mut self, side: TcpSide) {
        self.connection.last_used = self.now;
        let end = self.connection.end_mut(side);
        let (expected, bytes) = (end.expected(), end.take_lost_update());
        if self.connection.end(side.other()).is_dead() {
            return;
        }
        self.capture_acknowledgment(side);
        if bytes > 0 {
            self.capture(side, Captured::WindowUpdate { bytes }, false);
            self.hear(side.other(), TcpSegment::WindowUpdate { bytes });
        }
        self.hear(side.other(), TcpSegment::Acknowledgment { expected });
    }
}

/// What is sent.
impl Exchange<'_> {
    /// Sends what an end has to send, and sets its timer.
    pub(crate) fn dispatch(&mut self, side: TcpSide) {
        let clock = self.clock(side);
        loop {
            match self.connection.end_mut(side).dispatch(clock) {
                Dispatch::Segment(segment, size) => {
                    self.transmit(side, segment, size);
                }
                Dispatch::Stuck => self.ask_for_room(side),
                Dispatch::Nothing => break,
            }
        }
        self.wake(side);
        self.arm(side);
    }

    /// Puts a segment on the link; whether it gets on its way. RST does once: one that is on its way already will do.
    fn transmit(&mut self, side: TcpSide, segment: TcpSegment, size: Segments) -> bool {
        let other = side.other();
        let is_reset = segment == TcpSegment::Reset;
        if is_reset && *self.connection.reset_mut(other) {
            return true;
        }
        let packet = if segment == TcpSegment::Syn { Packet::Syn } else { Packet::Segments(size) };
        let passage = self.passage(side, packet);
        // Who is asleep or has no power sends nothing that could be lost.
        if self.capture.is_some() && self.is_awake(side) {
            self.capture(side, Captured::from(&segment), matches!(passage, Passage::Lost { .. }));
        }
        match passage {
            Passage::Arrives(at) => {
                self.connection.end_mut(side).pass(&segment);
                *self.connection.reset_mut(other) |= is_reset;
                self.traffic.add(at, self.id, Parcel::Segment { to: other, segment });
                true
            }
            Passage::Lost { missing, passed_after } => {
                self.lose(side, segment, missing, passed_after);
                false
            }
        }
    }

    /// Asks middleboxes and link what becomes of a packet from `side` to its peer.
    fn passage(&mut self, side: TcpSide, packet: Packet) -> Passage {
        let lost = Passage::Lost { missing: packet.segments(), passed_after: 0 };
        if self.connection.is_astray || !self.is_awake(side) {
            return lost;
        }
        if let Some(fate) = self.middlebox() {
            if fate == Expired::Reset {
                self.be_reset_on_the_way(side);
            }
            return lost;
        }
        let (from, to) = (place(self.hosts, self.host(side)), place(self.hosts, self.host(side.other())));
        let passage = self.links.send(self.now, from, to, packet);
        if let Passage::Arrives(_) = passage {
            self.connection.last_used = self.now;
        }
        passage
    }

    /// What a middlebox that has forgotten the connection does to its packets; none: every one knows it.
    fn middlebox(&mut self) -> Option<Expired> {
        let connection = &mut *self.connection;
        if connection.forgotten.is_none() {
            let (now, last_used) = (self.now, connection.last_used);
            let fates = self.links.on_the_way(connection.hosts()).filter_map(|harm| harm.forgets(now, last_used));
            // The last, so that each of them is asked, and feels it.
            connection.forgotten = fates.last();
        }
        connection.forgotten
    }

    /// A middlebox, half-way, answers a packet from `side` with RST; the other side hears nothing.
    fn be_reset_on_the_way(&mut self, side: TcpSide) {
        if !std::mem::replace(self.connection.reset_mut(side), true) {
            let at = self.now + self.round_trip(side) / 2;
            if let Some(capture) = self.capture {
                let addresses = self.connection.addresses(side.other());
                capture.keep(at, self.id, side.other(), addresses, Captured::Reset, false);
            }
            self.traffic.add(at, self.id, Parcel::Segment { to: side, segment: TcpSegment::Reset });
        }
    }

    fn lose(&mut self, side: TcpSide, segment: TcpSegment, missing: Segments, passed_after: u32) {
        match segment {
            TcpSegment::Burst { burst, sent } => {
                let (clock, round_trip) = (self.clock(side), self.round_trip(side));
                let lost = Unacknowledged { burst, sent, missing };
                self.connection.end_mut(side).lose(clock, lost, passed_after, round_trip);
            }
            TcpSegment::WindowUpdate { bytes } => self.lose_window_update(side, bytes),
            TcpSegment::Syn
            | TcpSegment::SynAck
            | TcpSegment::Acknowledgment { .. }
            | TcpSegment::Probe
            | TcpSegment::Reset => {}
        }
    }

    /// The peer of `side` did not hear of freed space; it will ask, if it waits for it.
    fn lose_window_update(&mut self, side: TcpSide, bytes: usize) {
        if bytes > 0 {
            self.connection.end_mut(side).lose_window_update(bytes);
            self.ask_for_room(side.other());
        }
    }

    /// A zero-window probe follows, if the end waits for room and the word of it was lost.
    fn ask_for_room(&mut self, side: TcpSide) {
        if self.connection.end(side.other()).is_update_lost() {
            let (clock, round_trip) = (self.clock(side), self.round_trip(side));
            self.connection.end_mut(side).ask_for_room(clock, round_trip);
            self.arm(side);
        }
    }
}

/// What is kept of it.
impl Exchange<'_> {
    fn capture(&self, side: TcpSide, what: Captured, lost: bool) {
        if let Some(capture) = self.capture {
            capture.keep(self.now, self.id, side, self.connection.addresses(side), what, lost);
        }
    }

    /// Nobody sees an acknowledgment travel, and a kernel sends one all the same.
    fn capture_acknowledgment(&self, side: TcpSide) {
        self.capture(side, Captured::Acknowledgment { expected: self.connection.end(side).expected() }, false);
    }
}

/// Timers, clocks and wakers.
impl Exchange<'_> {
    /// The timer of an end expires. It may have been set for something that was put off since.
    pub(crate) fn ring(&mut self, side: TcpSide, at: Duration) {
        let timer = self.connection.timer_mut(side);
        if *timer != Some(at) {
            return;
        }
        *timer = None;
        if !self.is_awake(side) {
            let host = self.host(side);
            return self.hosts[host.index()].freeze(self.id, side);
        }
        let clock = self.clock(side);
        self.connection.end_mut(side).expire(clock);
        self.dispatch(side);
    }

    /// Sees to it that the end's timer expires when something is due, and not later.
    pub(crate) fn arm(&mut self, side: TcpSide) {
        let Some(due) = self.connection.end(side).poll_at() else { return };
        let at = self.now + due.saturating_sub(self.clock(side));
        let timer = self.connection.timer_mut(side);
        if timer.is_none_or(|timer| at < timer) {
            *timer = Some(at);
            self.traffic.add(at, self.id, Parcel::Timer { side, at });
        }
    }

    fn wake(&mut self, side: TcpSide) {
        let end = self.connection.end_mut(side);
        let host = end.host;
        for waker in end.take_wakers().into_iter().flatten() {
            self.hosts[host.index()].wakers.push(waker);
            self.woken.insert(host);
        }
    }

    fn host(&self, side: TcpSide) -> HostId {
        self.connection.end(side).host
    }

    fn is_awake(&self, side: TcpSide) -> bool {
        self.hosts[self.host(side).index()].is_awake()
    }

    fn clock(&self, side: TcpSide) -> Duration {
        self.hosts[self.host(side).index()].clock(self.now)
    }

    fn round_trip(&self, side: TcpSide) -> Duration {
        self.links.round_trip(self.host(side), self.host(side.other()))
    }
}

fn place(hosts: &[Kernel], host: HostId) -> HostPlace<'_> {
    (host, hosts[host.index()].name.as_str())
}

/// The segments that something is sent as.
fn size_of(segment: &TcpSegment) -> Segments {
    match segment {
        TcpSegment::Burst { burst, .. } => Segments::of(burst.bytes.len()),
        TcpSegment::Syn
        | TcpSegment::SynAck
        | TcpSegment::Acknowledgment { .. }
        | TcpSegment::WindowUpdate { .. }
        | TcpSegment::Probe
        | TcpSegment::Reset => Segments::EMPTY,
    }
}
