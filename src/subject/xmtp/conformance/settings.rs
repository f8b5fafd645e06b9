//! What a user may say of the node that is judged, and how long a row waits.
//!
//! Refuses to guess: a row that needs what was not said is not judged.

use std::time::Duration;

use crate::env::Address;
use crate::subject::xmtp::conformance::finding::{Unmet, not_judged};

/// What needs no timer of the node's comes within so long, on any link that is worth judging.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The same for a replay of megabytes.
pub(crate) const REPLAY_MAX: Duration = Duration::from_secs(60);
/// "At once" (S1, S5, S9): a bad link, and a node that has much to do, within what nobody would call a wait.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(5);
/// A row waits at most so long for the node's interval, unless the user says otherwise: two intervals of 30 s, the
/// longest that the protocol recommends, and twice as much again.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A bound of the node (S8) that a row can go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// Adds in one Mutate.
    Adds,
    /// Topics of one stream.
    Topics,
    /// Waves in flight on one stream.
    Waves,
    /// Mutates at once.
    Mutates,
    /// Client Pings at once.
    Pings,
    /// Messages that may wait for a consumer that does not read.
    Pending,
}

impl Bound {
    /// Every bound.
    pub const ALL: &[Bound] = &[Bound::Adds, Bound::Topics, Bound::Waves, Bound::Mutates, Bound::Pings, Bound::Pending];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Bound::Adds => "adds",
            Bound::Topics => "topics",
            Bound::Waves => "waves",
            Bound::Mutates => "mutates",
            Bound::Pings => "pings",
            Bound::Pending => "pending",
        }
    }
}

/// What is known of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConformSettings {
    /// Where it is.
    pub node: Address,
    /// Its keepalive interval, where it advertises none.
    pub interval: Option<Duration>,
    /// How long a row may wait for the interval.
    pub patience: Duration,
    /// Its bounds, as far as they are known.
    pub bounds: Vec<(Bound, usize)>,
    /// A topic, as it stands on the wire, that it refuses to this client (S7).
    pub refused_topic: Option<Vec<u8>>,
}

impl ConformSettings {
    /// Nothing is known of the node but where it is.
    #[must_use]
    pub fn new(node: Address) -> Self {
        ConformSettings { node, interval: None, patience: PATIENCE, bounds: Vec::new(), refused_topic: None }
    }

    /// A bound of the node.
    ///
    /// # Errors
    /// It was not given.
    pub(crate) fn bound(&self, bound: Bound) -> Result<usize, Unmet> {
        let given = self.bounds.iter().find(|(given, _)| *given == bound);
        given.map_or_else(
            || not_judged(format!("the node's bound `{}` was not given", bound.name())),
            |(_, most)| Ok(*most),
        )
    }
}
