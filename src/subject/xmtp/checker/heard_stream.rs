//! What the heartbeat's judge knows of one open stream.
//!
//! Refuses to know what is owed to it.

use std::time::Duration;

use crate::subject::xmtp::wire::Dialect;

/// The frames that went on to the client last. What repeats is one record with a count: others may have come in between.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    /// When the newest record began.
    pub(crate) began: Duration,
    /// When the last frame came, of that record or an older one.
    pub(crate) at: Duration,
    pub(crate) index: usize,
    pub(crate) is_delivery: bool,
}

impl Sent {
    /// The last time before `now` at which a frame is known to have come.
    pub(crate) fn before(&self, now: Duration) -> Duration {
        if self.at <= now { self.at } else { self.began }
    }
}

/// An open stream.
pub(crate) struct HeardStream<'h> {
    pub(crate) host: &'h str,
    pub(crate) dialect: Dialect,
    /// When the tap saw it open, and its record.
    pub(crate) opened: (Duration, usize),
    /// The last frame that went on to the client.
    pub(crate) last: Option<Sent>,
    /// When the last Ping went on to the client, unless a Pong came back since.
    pub(crate) unanswered: Option<Duration>,
    /// Something was kept back from it, and nothing has come since.
    pub(crate) excused: bool,
}
