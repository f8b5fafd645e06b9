//! What is on its way between hosts, in order of arrival, and the timers of their kernels.
//!
//! Refuses to know whether it arrives well: who puts something on the way has asked the link.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::world::net::segment::{TcpSegment, TcpSide};

/// Names a connection for ever: numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// What arrives.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// A segment, at an end.
    Segment { to: TcpSide, segment: TcpSegment },
    /// The one timer of an end. It counts only while it is the end's newest.
    Timer { side: TcpSide, at: Duration },
}

struct Arrival {
    at: Duration,
    /// What was sent first arrives first among equals.
    order: u64,
    connection: ConnectionId,
    parcel: Parcel,
}

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Arrival {}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Traffic {
    under_way: BinaryHeap<Reverse<Arrival>>,
    next_order: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, at: Duration, connection: ConnectionId, parcel: Parcel) {
        let order = self.next_order;
        self.next_order += 1;
        self.under_way.push(Reverse(Arrival { at, order, connection, parcel }));
    }

    /// When the next parcel arrives.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.under_way.peek().map(|Reverse(arrival)| arrival.at)
    }

    /// The next parcel that has arrived by `now`.
    pub(crate) fn take(&mut self, now: Duration) -> Option<(ConnectionId, Parcel)> {
        self.next().filter(|next| *next <= now)?;
        self.under_way.pop().map(|Reverse(arrival)| (arrival.connection, arrival.parcel))
    }
}
