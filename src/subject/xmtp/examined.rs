//! The bounds of a node that is to be judged row by row: so low that a judge goes over each in a moment (S8).
//!
//! Refuses to know who judges: an examiner in a trial and the suite's own test set a node by it, and tell it to the rows.

use crate::subject::xmtp::conformance::Bound;
use crate::subject::xmtp::node::{NodeLimits, RateLimit};

const LOW: &[(Bound, u16)] = &[
    (Bound::Adds, 40),
    (Bound::Topics, 100),
    (Bound::Waves, 8),
    (Bound::Mutates, 64),
    (Bound::Pings, 16),
    (Bound::Pending, 512),
];

/// What the rows are told.
#[must_use]
pub fn examined_bounds() -> Vec<(Bound, usize)> {
    LOW.iter().map(|(bound, most)| (*bound, usize::from(*most))).collect()
}

/// What the node is set to: these bounds, and otherwise the usual ones.
#[must_use]
pub fn examined_limits(usual: NodeLimits) -> NodeLimits {
    LOW.iter().fold(usual, |limits, (bound, most)| match bound {
        Bound::Adds => NodeLimits { adds: (*most).into(), ..limits },
        Bound::Topics => NodeLimits { subscriptions: (*most).into(), ..limits },
        Bound::Waves => NodeLimits { waves: (*most).into(), ..limits },
        Bound::Mutates => NodeLimits { mutates: RateLimit { burst: (*most).into(), per_second: 10 }, ..limits },
        Bound::Pings => NodeLimits { client_pings: RateLimit { burst: (*most).into(), per_second: 4 }, ..limits },
        Bound::Pending => NodeLimits { pending_messages: (*most).into(), ..limits },
    })
}
