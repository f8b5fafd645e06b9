//! Harm on the way between hosts, and how long bytes travel there.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::words::{Hosts, Span};

/// How long a segment travels, one way. Bytes of one direction never overtake each other, whatever is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How the time is drawn.
    pub shape: Shape,
    /// The shortest time.
    pub least: Duration,
    /// The longest time.
    pub most: Duration,
}

/// How a latency is drawn between its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Evenly; where both bounds are equal, the latency is fixed.
    Uniform,
    /// A Pareto tail of index 1, cut at the longest time: most are near the shortest, and one in a hundred takes
    /// a hundred times as long.
    LongTailed,
}

impl Latency {
    /// A latency drawn evenly between two bounds.
    #[must_use]
    pub const fn uniform(least: Duration, most: Duration) -> Self {
        Latency { shape: Shape::Uniform, least, most }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            _ if self.least == self.most => write!(formatter, "{}", Span(self.least)),
            Shape::Uniform => write!(formatter, "{}..{}", Span(self.least), Span(self.most)),
            Shape::LongTailed => write!(formatter, "{}..{} long-tailed", Span(self.least), Span(self.most)),
        }
    }
}

/// The links that a fault falls on: from each of some hosts to each of others, and back unless it is one-way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Between {
    /// The hosts at the one end.
    pub from: BTreeSet<String>,
    /// The hosts at the other end.
    pub to: BTreeSet<String>,
    /// Only what travels from `from` to `to` is harmed.
    pub one_way: bool,
}

impl fmt::Display for Between {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (Hosts(&self.from), Hosts(&self.to));
        if self.one_way {
            write!(formatter, "from {from} to {to}")
        } else {
            write!(formatter, "between {from} and {to}")
        }
    }
}

/// What becomes of a packet on a connection whose idle mapping has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expired {
    /// It vanishes, and so does every later one (Azure's default).
    Drop,
    /// Its sender is answered with RST (an AWS NLB).
    Reset,
}

/// One kind of harm to links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkHarm {
    /// Nothing passes; TCP retransmits until it heals or gives up.
    Partition,
    /// Everything takes another time.
    Latency(Latency),
    /// So many bytes per second pass, on all connections together.
    Bandwidth {
        /// Bytes per second.
        bytes_per_second: u64,
    },
    /// Segments are lost, which TCP repairs at the price of time.
    Loss {
        /// So many of a hundred segments, in hundredths of a percent: 250 is 2.5 %.
        basis_points: u32,
        /// How many segments are lost in a row, in the mean; 1 is independent loss.
        burst: u32,
    },
    /// Segments that open a connection are lost, and no others.
    SynLoss {
        /// So many of a hundred, in hundredths of a percent.
        basis_points: u32,
    },
    /// Segments larger than this are lost and nobody is told (a path MTU black hole, RFC 2923).
    MtuBlackHole {
        /// The largest TCP payload that passes, in bytes.
        largest: u32,
    },
    /// A middlebox forgets connections on which nothing passed for so long.
    IdleDrop {
        /// After how long.
        after: Duration,
        /// What becomes of later packets.
        then: Expired,
    },
}
