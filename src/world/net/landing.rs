//! What packets do where they arrive.
//!
//! Refuses to know how they got there. A parcel for a connection that is forgotten means nothing any more.

use std::cmp::Ordering;
use std::io;
use std::time::Duration;

use crate::world::link::Segments;
use crate::world::net::connection::{Phase, Side};
use crate::world::net::end::{Burst, End, Holder};
use crate::world::net::fabric::Fabric;
use crate::world::net::kernel::BACKLOG;
use crate::world::net::retransmission::Unacknowledged;
use crate::world::net::traffic::{ConnectionId, Parcel};

/// What the kernel that a packet arrives at has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reception {
    /// Nothing: it has no power, or sleeps.
    Absent,
    /// RST: it knows no such connection (RFC 9293 section 3.10.7.1).
    Unknown,
    /// It knows the connection.
    Known,
}

impl Fabric {
    /// A parcel arrives.
    pub(crate) fn land(&mut self, id: ConnectionId, parcel: Parcel) {
        match parcel {
            Parcel::Syn => self.take_syn(id),
            Parcel::SynTimeout { due } => self.take_syn_timeout(id, due),
            Parcel::SynAck => self.take_syn_ack(id),
            Parcel::Burst { to, burst, sent } => self.take_burst(id, to, burst, sent),
            Parcel::WindowUpdate { to, bytes } => self.take_window_update(id, to, bytes),
            Parcel::Probe { to } => self.take_probe(id, to),
            Parcel::Reset { to } => self.take_reset(id, to),
            Parcel::Alarm { side, at } => self.ring(id, side, at),
        }
        self.forget_if_over(id);
    }

    /// The dial has come to an end.
    pub(crate) fn settle_dial(&mut self, id: ConnectionId, phase: Phase) {
        let Some(connection) = self.connection(id) else { return };
        if connection.phase == Phase::Connecting {
            connection.phase = phase;
            let end = connection.end_mut(Side::Dialer);
            if let Phase::Failed(_) = phase {
                end.die();
            }
            let (host, waker) = (end.host, end.writer.take());
            self.wake(host, waker);
        }
    }

    fn receive_at(&mut self, id: ConnectionId, side: Side) -> Reception {
        let Some(end) = self.end_of(id, side) else { return Reception::Absent };
        let (host, is_dead) = (end.host, end.is_dead());
        if !self.kernel(host).is_awake() {
            return Reception::Absent;
        }
        if is_dead {
            return Reception::Unknown;
        }
        let clock = self.kernel(host).clock(self.now);
        if let Some(keepalive) = self.end_mut(id, side).and_then(|end| end.keepalive.as_mut()) {
            keepalive.hear(clock);
        }
        Reception::Known
    }

    fn take_syn(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        if connection.phase != Phase::Connecting {
            return;
        }
        let acceptor = connection.end_mut(Side::Acceptor);
        let (host, port) = (acceptor.host, acceptor.address.port());
        if acceptor.is_dead() {
            // Its RST was lost: the SYN finds another process, or none, as if it were the first.
            *acceptor = End::new(host, acceptor.address, Holder::Backlog);
            connection.is_known = false;
        }
        let is_known = connection.is_known;
        if !self.kernel(host).is_awake() || self.is_jammed(host) {
            return;
        }
        if is_known {
            self.post(id, Side::Acceptor, Parcel::SynAck);
            return;
        }
        let Some(backlog) = self.kernel(host).listeners.get(&port) else {
            return self.refuse(id);
        };
        // Where SYN-ACK is lost, no handshake comes about and nothing is to be accepted: the next SYN tries again.
        if backlog.waiting.len() >= BACKLOG || !self.post(id, Side::Acceptor, Parcel::SynAck) {
            return;
        }
        if let Some(connection) = self.connection(id) {
            connection.is_known = true;
        }
        if let Some(backlog) = self.kernel_mut(host).listeners.get_mut(&port) {
            backlog.waiting.push_back(id);
            let acceptor = backlog.acceptor.take();
            self.wake(host, acceptor);
        }
    }

    fn take_syn_ack(&mut self, id: ConnectionId) {
        match self.receive_at(id, Side::Dialer) {
            Reception::Absent => {}
            Reception::Unknown => {
                self.answer_with_reset(id, Side::Dialer);
            }
            Reception::Known => {
                let is_first = self.connection(id).is_some_and(|connection| connection.phase == Phase::Connecting);
                self.settle_dial(id, Phase::Open);
                if is_first {
                    self.begin_keepalive(id, Side::Dialer);
                }
            }
        }
    }

    /// Whether a burst that arrives does nothing but arrive: no harm, no timer and nothing lost is in play.
    fn is_smooth(&mut self, id: ConnectionId, to: Side, burst: &Burst) -> bool {
        let is_calm = self.links.is_calm();
        let now = self.now;
        let Some(connection) = self.connection(id) else { return false };
        let (end, sender) = (connection.end(to), connection.end(to.other()));
        let is_smooth = is_calm
            && connection.phase == Phase::Open
            && connection.forgotten.is_none()
            && end.holder != Holder::Nobody
            && end.expected() == burst.sequence
            && end.is_plain()
            && sender.is_plain();
        let hosts = connection.hosts();
        if is_smooth {
            connection.last_used = now;
        }
        is_smooth && hosts.iter().all(|host| self.kernel(*host).is_awake())
    }

    fn take_burst(&mut self, id: ConnectionId, to: Side, burst: Burst, sent: Duration) {
        if self.is_smooth(id, to, &burst) {
            return self.receive(id, to, burst);
        }
        let whole = Segments::of(burst.bytes.len());
        let reception = self.receive_at(id, to);
        let Some(connection) = self.connection(id) else { return };
        let is_early = to == Side::Dialer && connection.phase == Phase::Connecting;
        if reception == Reception::Absent || is_early {
            return self.keep(id, to.other(), Unacknowledged { burst, sent, missing: whole });
        }
        let end = connection.end_mut(to);
        let place = burst.sequence.cmp(&end.expected());
        let is_unknown = reception == Reception::Unknown;
        let is_unwanted = end.holder == Holder::Nobody && !burst.bytes.is_empty() && place != Ordering::Less;
        if is_unknown || is_unwanted {
            let told = if is_unknown { self.answer_with_reset(id, to) } else { self.reset_peer(id, to) };
            if !told {
                self.keep(id, to.other(), Unacknowledged { burst, sent, missing: whole });
            }
            return;
        }
        let is_heard = self.is_heard(id, to);
        match place {
            // The receiver keeps it until the gap is closed; a small segment will do for what is sent again.
            Ordering::Greater => {
                self.keep(id, to.other(), Unacknowledged { burst, sent, missing: Segments::EMPTY });
                if is_heard {
                    self.hear_duplicates(id, to.other(), whole.count());
                }
                return;
            }
            Ordering::Equal => {
                if !is_heard {
                    let unacknowledged = Unacknowledged { burst: burst.clone(), sent, missing: whole };
                    self.keep(id, to.other(), unacknowledged);
                }
                self.receive(id, to, burst);
            }
            Ordering::Less => {}
        }
        if is_heard {
            self.acknowledge(id, to);
        }
    }

    fn receive(&mut self, id: ConnectionId, to: Side, burst: Burst) {
        if let Some(end) = self.end_mut(id, to) {
            end.receive(burst);
            let (host, reader) = (end.host, end.reader.take());
            self.wake(host, reader);
        }
    }

    /// Whether an acknowledgement from `side` would be heard now. It is a packet that nobody sees: it is asked for
    /// only whether it passes, not when, and single losses do not matter, as the next one tells the same.
    fn is_heard(&mut self, id: ConnectionId, side: Side) -> bool {
        let Some(connection) = self.connection(id) else { return false };
        if connection.forgotten.is_some() {
            return false;
        }
        let (from, to) = (connection.end(side).host, connection.end(side.other()).host);
        self.kernel(to).is_awake() && !self.links.is_cut(from, to)
    }

    /// `side` tells its peer what it has, and what room there is if that was not heard before.
    fn acknowledge(&mut self, id: ConnectionId, side: Side) {
        let now = self.now;
        let Some(connection) = self.connection(id) else { return };
        connection.last_used = now;
        let end = connection.end_mut(side);
        let (expected, bytes) = (end.expected(), end.take_lost_update());
        if self.receive_at(id, side.other()) != Reception::Known {
            return;
        }
        if bytes > 0 {
            self.widen(id, side.other(), bytes);
        }
        self.hear_acknowledgement(id, side.other(), expected);
    }

    fn take_window_update(&mut self, id: ConnectionId, to: Side, bytes: usize) {
        match self.receive_at(id, to) {
            Reception::Absent => self.lose_window_update(id, to.other(), bytes),
            Reception::Unknown => {
                self.answer_with_reset(id, to);
            }
            Reception::Known => self.widen(id, to, bytes),
        }
    }

    fn widen(&mut self, id: ConnectionId, side: Side, bytes: usize) {
        let Some(host) = self.end_of(id, side).map(|end| end.host) else { return };
        let clock = self.kernel(host).clock(self.now);
        let Some(end) = self.end_mut(id, side) else { return };
        end.widen(bytes);
        if let Some(pending) = &mut end.retransmission {
            pending.hear_answer(clock);
        }
        if bytes > 0 {
            // A probe is over when there is room.
            let is_answered = end.retransmission.as_ref().is_some_and(|pending| pending.is_empty());
            end.retransmission.take_if(|_| is_answered);
            self.send_burst(id, side);
        }
    }

    fn take_probe(&mut self, id: ConnectionId, to: Side) {
        match self.receive_at(id, to) {
            Reception::Absent => {}
            Reception::Unknown => {
                self.answer_with_reset(id, to);
            }
            Reception::Known => {
                let bytes = self.end_mut(id, to).map_or(0, End::take_lost_update);
                self.send_window_update(id, to, bytes);
            }
        }
    }

    fn take_reset(&mut self, id: ConnectionId, to: Side) {
        if self.receive_at(id, to) == Reception::Absent {
            // Nobody repeats it: whoever sends next will be told again.
            if let Some(end) = self.end_mut(id, to) {
                end.reset_coming = false;
            }
            return;
        }
        let Some(connection) = self.connection(id) else { return };
        if connection.phase == Phase::Connecting && to == Side::Dialer {
            return self.settle_dial(id, Phase::Failed(io::ErrorKind::ConnectionRefused));
        }
        let end = connection.end_mut(to);
        end.take_reset();
        let (host, reader, writer) = (end.host, end.reader.take(), end.writer.take());
        self.wake(host, reader);
        self.wake(host, writer);
    }
}
