//! How a storm draws the lies of a proxy: what they have in common.
//!
//! Refuses to know which lie it is.

use crate::fault::draw::Draw;
use crate::fault::{Direction, StreamAim};
use crate::lie::Trigger;

/// As long as a silence: some end before any watchdog trips, some long after.
pub(super) const LIES_LAST_MS: (u64, u64) = (5_000, 240_000);
/// Statuses of gRPC that ask a client to come again, and OK: CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, ABORTED, INTERNAL,
/// UNAVAILABLE.
pub(super) const PASSING_STATUSES: [u8; 7] = [0, 1, 2, 4, 10, 13, 14];

/// Which streams, and from which moment of their lives on; half of the time all, from their opening.
pub(super) fn draw_aim(draw: &mut Draw<'_>) -> StreamAim {
    if draw.coin() {
        return StreamAim::default();
    }
    let when = match draw.uniform(0, 5) {
        0 => Trigger::Opened,
        1 => Trigger::Headers,
        2 => Trigger::Age(draw.time(100, 120_000)),
        3 => Trigger::Messages(draw.number(1, 200)),
        4 => Trigger::Bytes(draw.spread(1, 64 << 10)),
        _ => Trigger::Idle(draw.time(100, 60_000)),
    };
    let nth = draw.one_in(3).then(|| draw.uniform(2, 4));
    StreamAim { nth, when, ..StreamAim::default() }
}

/// Both ways, or one.
pub(super) fn draw_way(draw: &mut Draw<'_>) -> Option<Direction> {
    *draw.one_of(&[None, Some(Direction::ToNode), Some(Direction::ToClient)])
}
