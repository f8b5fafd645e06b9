//! What kernels send: packets, bursts, retransmissions and probes, and the timers behind them.
//!
//! Refuses to know what a packet does where it arrives.

use std::io;
use std::time::Duration;

use crate::fault::Expired;
use crate::world::engine::HostId;
use crate::world::link::{Packet, Passage, Segments};
use crate::world::net::connection::{Phase, Side};
use crate::world::net::end::Holder;
use crate::world::net::fabric::Fabric;
use crate::world::net::keepalive::{Beat, Keepalive};
use crate::world::net::retransmission::{Expiry, Limits, Retransmission, Unacknowledged};
use crate::world::net::traffic::{ConnectionId, Parcel};

/// A SYN is sent again after 1, 2, 4, … s (RFC 6298 section 2), and 6 times (tcp(7), tcp_syn_retries).
const SYN_TIMEOUT: Duration = Duration::from_secs(1);
const SYN_RETRIES: u32 = 6;

/// Packets.
impl Fabric {
    /// Asks middleboxes and link what becomes of a packet from `side` to its peer.
    fn passage(&mut self, id: ConnectionId, side: Side, packet: Packet) -> Passage {
        let lost = Passage::Lost { missing: packet.segments(), passed_after: 0 };
        let Some(connection) = self.connection(id) else { return lost };
        let (from, to) = (connection.end(side).host, connection.end(side.other()).host);
        if connection.is_astray || !self.kernel(from).is_awake() {
            return lost;
        }
        if let Some(fate) = self.middlebox(id) {
            if fate == Expired::Reset {
                self.be_reset_on_the_way(id, side);
            }
            return lost;
        }
        let now = self.now;
        let passage = {
            let (hosts, links) = self.hosts_and_links();
            let place = |host: HostId| (host, hosts[host.index()].name.as_str());
            links.send(now, place(from), place(to), packet)
        };
        if let Passage::Arrives(_) = passage
            && let Some(connection) = self.connection(id)
        {
            connection.last_used = now;
        }
        passage
    }

    /// What a middlebox that has forgotten the connection does to its packets; none: every one knows it.
    fn middlebox(&mut self, id: ConnectionId) -> Option<Expired> {
        let now = self.now;
        let connection = self.connection(id)?;
        if connection.forgotten.is_none() {
            let (hosts, last_used) = (connection.hosts(), connection.last_used);
            let fates = self.links.on_the_way(hosts).filter_map(|harm| harm.forgets(now, last_used));
            // The last, so that each of them is asked, and feels it.
            let fate = fates.last();
            self.connection(id)?.forgotten = fate;
            return fate;
        }
        connection.forgotten
    }

    /// A middlebox, half-way, answers a packet from `side` with RST; the other side hears nothing.
    fn be_reset_on_the_way(&mut self, id: ConnectionId, side: Side) {
        let Some(connection) = self.connection(id) else { return };
        let (from, to) = (connection.end(side).host, connection.end(side.other()).host);
        if !std::mem::replace(&mut connection.end_mut(side).reset_coming, true) {
            let at = self.now + self.links.round_trip(from, to) / 2;
            self.schedule(at, id, Parcel::Reset { to: side });
        }
    }

    /// Sends a packet without payload; whether it gets on its way.
    pub(crate) fn post(&mut self, id: ConnectionId, side: Side, parcel: Parcel) -> bool {
        let is_syn = matches!(parcel, Parcel::Syn);
        let packet = if is_syn { Packet::Syn } else { Packet::Segments(Segments::EMPTY) };
        match self.passage(id, side, packet) {
            Passage::Arrives(at) => {
                self.schedule(at, id, parcel);
                true
            }
            Passage::Lost { .. } => false,
        }
    }

    pub(crate) fn send_syn(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connection(id) else { return };
        let mut patience = SYN_TIMEOUT * 2u32.pow(connection.syns);
        connection.syns += 1;
        let (dialed, dialer) = (connection.dialed, connection.end(Side::Dialer));
        let (host, user_timeout) = (dialer.host, dialer.options.user_timeout);
        self.post(id, Side::Dialer, Parcel::Syn);
        let clock = self.kernel(host).clock(now);
        // Linux clamps this timer, too, by the user timeout.
        if let Some(limit) = user_timeout {
            patience = patience.min((dialed + limit).saturating_sub(clock));
        }
        self.schedule(now + patience, id, Parcel::SynTimeout { due: clock + patience });
    }

    pub(crate) fn take_syn_timeout(&mut self, id: ConnectionId, due: Duration) {
        let now = self.now;
        let Some(connection) = self.connection(id) else { return };
        if connection.phase != Phase::Connecting {
            return;
        }
        let (syns, dialed, dialer) = (connection.syns, connection.dialed, connection.end(Side::Dialer));
        let (host, user_timeout) = (dialer.host, dialer.options.user_timeout);
        let kernel = self.kernel_mut(host);
        let clock = kernel.clock(now);
        if !kernel.is_awake() {
            kernel.freeze(id, Parcel::SynTimeout { due });
        } else if clock < due {
            self.schedule(now + (due - clock), id, Parcel::SynTimeout { due });
        } else if syns > SYN_RETRIES || user_timeout.is_some_and(|limit| clock >= dialed + limit) {
            self.settle_dial(id, Phase::Failed(io::ErrorKind::TimedOut));
        } else {
            self.send_syn(id);
        }
    }

    /// Tells the peer of freed space.
    pub(crate) fn send_window_update(&mut self, id: ConnectionId, side: Side, bytes: usize) {
        if !self.post(id, side, Parcel::WindowUpdate { to: side.other(), bytes }) {
            self.lose_window_update(id, side, bytes);
        }
    }

    /// The peer did not hear of freed space; it will ask, if it waits for it.
    pub(crate) fn lose_window_update(&mut self, id: ConnectionId, side: Side, bytes: usize) {
        if let Some(end) = self.end_mut(id, side)
            && bytes > 0
        {
            end.lose_window_update(bytes);
            self.ask_for_window(id, side.other());
        }
    }

    /// RST to the other end, unless one is on its way; whether it will hear of it.
    pub(crate) fn answer_with_reset(&mut self, id: ConnectionId, side: Side) -> bool {
        let other = side.other();
        if self.end_of(id, other).is_none_or(|end| end.reset_coming) {
            return true;
        }
        let passes = self.post(id, side, Parcel::Reset { to: other });
        if passes && let Some(end) = self.end_mut(id, other) {
            end.reset_coming = true;
        }
        passes
    }

    /// Breaks the connection from `side`: its own end is gone at once, RST travels to the other, once.
    pub(crate) fn reset_peer(&mut self, id: ConnectionId, side: Side) -> bool {
        let Some(end) = self.end_of(id, side) else { return true };
        let told = end.is_dead() || self.answer_with_reset(id, side);
        if let Some(connection) = self.connection(id) {
            connection.end_mut(side).die();
            if side == Side::Dialer && connection.phase == Phase::Connecting {
                connection.phase = Phase::Failed(io::ErrorKind::ConnectionAborted);
            }
        }
        self.forget_if_over(id);
        told
    }
}

/// Bursts.
impl Fabric {
    /// Sends what an end has to send, unless it waits for an acknowledgement first.
    pub(crate) fn send_burst(&mut self, id: ConnectionId, side: Side) {
        let Some(end) = self.end_mut(id, side) else { return };
        if end.retransmission.as_ref().is_some_and(|pending| pending.holds_back()) {
            return;
        }
        let was_full = end.is_full();
        let Some(burst) = end.take_burst() else { return self.ask_for_window(id, side) };
        let writer = if was_full { end.writer.take() } else { None };
        let (host, is_retransmitting) = (end.host, end.retransmission.is_some());
        let segments = Segments::of(burst.bytes.len());
        let sent = self.kernel(host).clock(self.now);
        match self.passage(id, side, Packet::Segments(segments)) {
            Passage::Arrives(at) => {
                if is_retransmitting {
                    self.keep(id, side, Unacknowledged { burst: burst.clone(), sent, missing: segments });
                }
                self.schedule(at, id, Parcel::Burst { to: side.other(), burst, sent });
            }
            Passage::Lost { missing, passed_after } => {
                self.keep(id, side, Unacknowledged { burst, sent, missing });
                self.hear_duplicates(id, side, passed_after);
            }
        }
        self.wake(host, writer);
    }

    /// A burst did not get through, or nobody could say so: its sender keeps it until it hears of it.
    pub(crate) fn keep(&mut self, id: ConnectionId, side: Side, unacknowledged: Unacknowledged) {
        let Some(round_trip) = self.round_trip(id, side) else { return };
        let Some(end) = self.end_mut(id, side).filter(|end| !end.is_dead()) else { return };
        let begin = || Box::new(Retransmission::begin(unacknowledged.sent, round_trip));
        end.retransmission.get_or_insert_with(begin).keep(unacknowledged);
        self.set_alarm(id, side);
    }

    /// The peer tells of segments after a missing one.
    pub(crate) fn hear_duplicates(&mut self, id: ConnectionId, side: Side, count: u32) {
        let Some(round_trip) = self.round_trip(id, side) else { return };
        let now = self.now;
        let Some(host) = self.end_of(id, side).map(|end| end.host) else { return };
        let clock = self.kernel(host).clock(now);
        if let Some(pending) = self.end_mut(id, side).and_then(|end| end.retransmission.as_mut()) {
            pending.hear_duplicates(clock, count, round_trip);
            self.set_alarm(id, side);
        }
    }

    /// The peer has everything before `expected`.
    pub(crate) fn hear_acknowledgement(&mut self, id: ConnectionId, side: Side, expected: u64) {
        let now = self.now;
        let Some(host) = self.end_of(id, side).map(|end| end.host) else { return };
        let clock = self.kernel(host).clock(now);
        let Some(end) = self.end_mut(id, side) else { return };
        let Some(pending) = &mut end.retransmission else { return };
        if pending.acknowledge(clock, expected) && pending.is_empty() {
            end.retransmission = None;
            self.send_burst(id, side);
        }
        self.set_alarm(id, side);
    }

    /// A zero-window probe follows, if the end waits for room and the word of it was lost.
    fn ask_for_window(&mut self, id: ConnectionId, side: Side) {
        let Some(connection) = self.connection(id) else { return };
        let is_needed = connection.end(side).is_stuck()
            && connection.end(side).retransmission.is_none()
            && connection.end(side.other()).is_update_lost();
        if !is_needed {
            return;
        }
        let host = connection.end(side).host;
        let clock = self.kernel(host).clock(self.now);
        let Some(round_trip) = self.round_trip(id, side) else { return };
        if let Some(end) = self.end_mut(id, side) {
            end.retransmission = Some(Box::new(Retransmission::begin(clock, round_trip)));
            self.set_alarm(id, side);
        }
    }

    /// Sends everything again that is missing, until something is lost again.
    fn retransmit(&mut self, id: ConnectionId, side: Side) {
        let Some(mut pending) = self.end_mut(id, side).and_then(|end| end.retransmission.take()) else { return };
        if pending.is_empty() {
            self.post(id, side, Parcel::Probe { to: side.other() });
        }
        for kept in pending.iter_mut() {
            match self.passage(id, side, Packet::Segments(kept.missing)) {
                Passage::Arrives(at) => {
                    kept.missing = Segments::of(kept.burst.bytes.len());
                    let parcel = Parcel::Burst { to: side.other(), burst: kept.burst.clone(), sent: kept.sent };
                    self.schedule(at, id, parcel);
                }
                Passage::Lost { missing, .. } => {
                    kept.missing = missing;
                    break;
                }
            }
        }
        if let Some(end) = self.end_mut(id, side) {
            end.retransmission = Some(pending);
        }
    }

    fn round_trip(&self, id: ConnectionId, side: Side) -> Option<Duration> {
        let (from, to) = (self.end_of(id, side)?.host, self.end_of(id, side.other())?.host);
        Some(self.links.round_trip(from, to))
    }
}

/// Timers.
impl Fabric {
    /// The dialer watches over an idle connection, if it was asked to.
    pub(crate) fn begin_keepalive(&mut self, id: ConnectionId, side: Side) {
        let Some(end) = self.end_of(id, side) else { return };
        let Some(options) = end.options.keepalive else { return };
        let clock = self.kernel(end.host).clock(self.now);
        if let Some(end) = self.end_mut(id, side) {
            end.keepalive = Some(Keepalive::begin(clock, options));
            self.set_alarm(id, side);
        }
    }

    /// A timer that expired while its host slept goes on.
    pub(crate) fn thaw(&mut self, host: HostId, id: ConnectionId, timer: Parcel) {
        match timer {
            Parcel::SynTimeout { due } => {
                let clock = self.kernel(host).clock(self.now);
                self.schedule(self.now + due.saturating_sub(clock), id, timer);
            }
            Parcel::Alarm { side, .. } => self.set_alarm(id, side),
            Parcel::Syn
            | Parcel::SynAck
            | Parcel::Burst { .. }
            | Parcel::WindowUpdate { .. }
            | Parcel::Probe { .. }
            | Parcel::Reset { .. } => {}
        }
    }

    /// Sees to it that the end's alarm rings when something is due, and not later.
    fn set_alarm(&mut self, id: ConnectionId, side: Side) {
        let Some(end) = self.end_of(id, side) else { return };
        let Some(due) = end.due() else { return };
        let at = self.now + due.saturating_sub(self.kernel(end.host).clock(self.now));
        if end.alarm.is_some_and(|alarm| alarm <= at) {
            return;
        }
        if let Some(end) = self.end_mut(id, side) {
            end.alarm = Some(at);
            self.schedule(at, id, Parcel::Alarm { side, at });
        }
    }

    /// An alarm rings. It may have been set for something that was put off since.
    pub(crate) fn ring(&mut self, id: ConnectionId, side: Side, at: Duration) {
        let now = self.now;
        let Some(end) = self.end_mut(id, side).filter(|end| end.alarm == Some(at)) else { return };
        end.alarm = None;
        let host = end.host;
        let kernel = self.kernel_mut(host);
        if !kernel.is_awake() {
            return kernel.freeze(id, Parcel::Alarm { side, at });
        }
        let clock = kernel.clock(now);
        self.expire_retransmission(id, side, clock);
        self.expire_keepalive(id, side, clock);
        self.set_alarm(id, side);
    }

    fn expire_retransmission(&mut self, id: ConnectionId, side: Side, clock: Duration) {
        let Some(end) = self.end_mut(id, side) else { return };
        let limits = Limits { user_timeout: end.options.user_timeout, is_orphan: end.holder == Holder::Nobody };
        let Some(pending) = &mut end.retransmission else { return };
        if clock < pending.due(limits.user_timeout) {
            return;
        }
        match pending.expire(clock, limits) {
            Expiry::Retransmit => self.retransmit(id, side),
            Expiry::GiveUp => self.give_up(id, side),
        }
    }

    fn expire_keepalive(&mut self, id: ConnectionId, side: Side, clock: Duration) {
        let Some(end) = self.end_mut(id, side) else { return };
        let (is_sending, user_timeout) = (end.retransmission.is_some(), end.options.user_timeout);
        let Some(keepalive) = end.keepalive.as_mut().filter(|keepalive| keepalive.due() <= clock) else { return };
        match keepalive.expire(clock, is_sending, user_timeout) {
            Beat::Wait => {}
            Beat::Probe => {
                self.post(id, side, Parcel::Probe { to: side.other() });
            }
            Beat::GiveUp => {
                // Linux sends RST, which may get through where the answers did not (tcp_keepalive_timer).
                self.answer_with_reset(id, side);
                self.give_up(id, side);
            }
        }
    }

    /// The connection is lost to this end; the other hears nothing.
    fn give_up(&mut self, id: ConnectionId, side: Side) {
        let Some(end) = self.end_mut(id, side) else { return };
        end.break_off(io::ErrorKind::TimedOut);
        let (host, reader, writer) = (end.host, end.reader.take(), end.writer.take());
        self.wake(host, reader);
        self.wake(host, writer);
    }
}
