//! How a connection is over for who dialed it.

use std::fmt;

use serde::Serialize;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Disconnection {
    /// The other end has finished (FIN).
    Finished,
    /// A reset came (RST).
    Reset,
    /// The kernel has given it up for want of an answer: to what it sent again and again, to the probes of its keepalive, or
    /// within its user timeout (ETIMEDOUT).
    GivenUp,
    /// The process has closed it, and nobody had said anything.
    Closed,
}

impl fmt::Display for Disconnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Disconnection::Finished => "the other end has finished",
            Disconnection::Reset => "it is reset",
            Disconnection::GivenUp => "its kernel gives it up, for want of an answer",
            Disconnection::Closed => "its process closes it",
        })
    }
}
