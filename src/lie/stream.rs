//! Lies about one stream: told above HTTP/2, where a stream is headers, bytes and an end.
//!
//! Refuses to know how they are told.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lie::Ending;

/// Which way something travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the client to the node.
    ToNode,
    /// From the node, or from the proxy itself, to the client.
    ToClient,
}

impl fmt::Display for Direction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Direction::ToNode => "to the node",
            Direction::ToClient => "to the client",
        })
    }
}

/// What is done to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamLie {
    /// Nothing passes, and the stream stays open. What is swallowed leaves a hole, so the stream stays silent for good.
    Silence {
        /// One way; `None` is both.
        direction: Option<Direction>,
    },
    /// Some gRPC messages vanish whole; those around them pass, and the framing stays right.
    Drop {
        /// Which way.
        direction: Direction,
        /// Which of them.
        pick: Pick,
    },
    /// The stream is ended from the middle.
    End(Ending),
    /// END_STREAM to the node alone: the client goes on, and nobody reads it.
    EndRequest,
    /// Bytes come late, or a few at a time.
    Slow {
        /// One way; `None` is both.
        direction: Option<Direction>,
        /// Each piece is held for so long.
        delay: Duration,
        /// So many bytes pass per second; `None` is as many as can.
        bytes_per_second: Option<u64>,
    },
    /// What arrives is gathered and handed on together.
    Hold {
        /// Which way; towards the node the request's headers wait too.
        direction: Direction,
        /// What releases it.
        until: HeldUntil,
        /// So many bytes at most are gathered; then all of it goes on, as a full buffer does.
        room: usize,
    },
    /// The end of the response waits until the client has ended its half.
    HoldEnd {
        /// One with trailers.
        trailers: bool,
        /// One without.
        bare: bool,
    },
    /// One thing never passes.
    Withhold(Withheld),
    /// The call ends with another gRPC status than the node's.
    Status(u16),
    /// A whole request is sent to the node so many times, and the last answer is the client's.
    Repeat {
        /// How many times, 2 or more.
        times: u32,
    },
    /// New streams go to another node.
    Misroute {
        /// Its host name or address.
        host: String,
        /// Its port; `None` is that of the proxy's own node.
        port: Option<u16>,
    },
}

impl StreamLie {
    /// The direction in which it counts messages, bytes and idle time.
    #[must_use]
    pub(crate) fn counted(&self) -> Direction {
        match self {
            StreamLie::Silence { direction } | StreamLie::Slow { direction, .. } => {
                direction.unwrap_or(Direction::ToClient)
            }
            StreamLie::Drop { direction, .. } | StreamLie::Hold { direction, .. } => *direction,
            StreamLie::EndRequest | StreamLie::Withhold(Withheld::Cancel) => Direction::ToNode,
            StreamLie::Withhold(Withheld::Credit(direction)) => *direction,
            StreamLie::End(_)
            | StreamLie::HoldEnd { .. }
            | StreamLie::Withhold(Withheld::End | Withheld::Trailers | Withheld::Reset)
            | StreamLie::Status(_)
            | StreamLie::Repeat { .. }
            | StreamLie::Misroute { .. } => Direction::ToClient,
        }
    }
}

/// Which messages are picked: those of whom all that is set is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    /// Larger than so many bytes, without their five bytes of prefix.
    pub larger_than: Option<u32>,
    /// Smaller than so many.
    pub smaller_than: Option<u32>,
    /// Each of so many, counted from the stream's first message.
    pub every: Option<u32>,
}

impl Pick {
    /// Whether the message of that number, from 1, and size is picked.
    #[must_use]
    pub(crate) fn takes(&self, number: u64, size: u32) -> bool {
        self.larger_than.is_none_or(|limit| size > limit)
            && self.smaller_than.is_none_or(|limit| size < limit)
            && self.every.is_none_or(|every| number.is_multiple_of(u64::from(every.max(1))))
    }
}

/// What releases that which is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldUntil {
    /// The sender's END_STREAM.
    End,
    /// The first byte of DATA.
    FirstData,
}

/// What never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The end of the response, trailers and all: the stream stays open.
    End,
    /// The trailers: the response ends with a bare END_STREAM.
    Trailers,
    /// The node's RST_STREAM, or the loss of the node.
    Reset,
    /// The client's RST_STREAM, or the loss of the client: the node keeps a stream that nobody reads.
    Cancel,
    /// The sender's window, so that it stalls when it is used up.
    Credit(Direction),
}
