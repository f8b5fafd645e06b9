//! What flow control has left on one stream, for whoever looks: as much as `h2` lets one know.
//!
//! Refuses to know who looks, and connections, whose windows `h2` keeps to itself.

use std::sync::{Arc, Mutex, PoisonError};

use crate::lie::Direction;

/// Both ways of a stream; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct StreamWindows(Arc<Mutex<BothWays>>);

#[derive(Clone, Copy, Debug, Default)]
struct BothWays {
    to_node: Option<WayWindow>,
    to_client: Option<WayWindow>,
}

/// One way of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayWindow {
    /// Bytes that the sender may still send: below 0 where its window was made smaller.
    pub left: i64,
    /// Bytes of the sender for which no window was given back yet.
    pub taken: u64,
    /// Something waits because the receiver gives no window.
    pub is_stalled: bool,
}

impl StreamWindows {
    /// That way as it was when the proxy last waited for it; none before.
    #[must_use]
    pub fn of(&self, direction: Direction) -> Option<WayWindow> {
        let ways = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match direction {
            Direction::ToNode => ways.to_node,
            Direction::ToClient => ways.to_client,
        }
    }

    pub(crate) fn note(&self, direction: Direction, window: WayWindow) {
        let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match direction {
            Direction::ToNode => ways.to_node = Some(window),
            Direction::ToClient => ways.to_client = Some(window),
        }
    }
}

/// A look at something that goes on changing is no part of what happened: with or without it, notices are the same.
impl PartialEq for StreamWindows {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for StreamWindows {}
