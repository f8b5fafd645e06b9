//! Why a stream or a request of a client is refused, and with which gRPC code.
//!
//! Refuses to know where the check stands. Failures of the node itself are no refusals.

use tonic::{Code, Status};

use crate::subject::xmtp::node::originators::ORIGINATORS_MAX;
use crate::subject::xmtp::wire::{Malformed, MutateId, Originator, TARGET_HEADER, Topic};

/// A rule or a bound that a client broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NodeRefusal {
    /// S2, S10: a frame that cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// S3: adds need a name for their wave.
    #[error("a Mutate with adds needs a nonzero mutate_id")]
    ZeroId,
    /// S3: the name is taken.
    #[error("mutate_id {} names a wave that is still in flight", .0.0)]
    IdInFlight(MutateId),
    /// S11: what is subscribed gets its history anyway.
    #[error("topic {0} is subscribed; a history_only add of it is a contradiction")]
    HistoryOfSubscribed(Topic),
    /// S11: one bounded catch-up of a topic at a time.
    #[error("topic {0} has a history_only catch-up in flight")]
    HistoryInFlight(Topic),
    /// An older call that would never bring anything.
    #[error("the call names no topic")]
    NoTopics,
    /// S7.
    #[error("topic {0} is denied to this caller")]
    Denied(Topic),
    /// S8.
    #[error("a Mutate has {count} adds; at most {most} are accepted")]
    TooManyAdds { count: usize, most: usize },
    /// S8.
    #[error("the stream would have {count} subscriptions; at most {most} are accepted")]
    TooManySubscriptions { count: usize, most: usize },
    /// S8.
    #[error("the stream has {most} waves in flight already; wait for a CatchupComplete")]
    TooManyWaves { most: usize },
    /// S8.
    #[error("a topic has {count} bytes; at most {most} are accepted")]
    TopicTooLong { count: usize, most: usize },
    /// S8.
    #[error("the Mutates arrive too fast; {burst} at once and {per_second} a second are accepted")]
    MutatesTooFast { burst: u32, per_second: u32 },
    /// S8.
    #[error("the Pings arrive too fast; {burst} at once and {per_second} a second are accepted")]
    PingsTooFast { burst: u32, per_second: u32 },
    /// A target that cannot be had.
    #[error("the header {TARGET_HEADER} says {said}: {why}")]
    Target { said: String, why: &'static str },
    /// S8.
    #[error("a cursor names {count} originators; at most {most} are accepted")]
    CursorTooLong { count: usize, most: usize },
    /// S8.
    #[error("the cursors of a Mutate name originators {count} times; at most {most} are accepted")]
    CursorsTooLong { count: usize, most: usize },
    /// S8.
    #[error("{0} would be one more than the {most} that are accepted", most = ORIGINATORS_MAX)]
    TooManyOriginators(Originator),
    /// S8.
    #[error("a request publishes {count} messages; at most {most} are accepted")]
    TooManyMessages { count: usize, most: usize },
    /// S8.
    #[error("a message has {count} bytes; at most {most} are accepted")]
    MessageTooLong { count: usize, most: usize },
}

impl NodeRefusal {
    /// The gRPC code: the rules are INVALID_ARGUMENT, the bounds are RESOURCE_EXHAUSTED (S8), and what the
    /// caller may not have is PERMISSION_DENIED (S7).
    pub(crate) fn code(&self) -> Code {
        match self {
            NodeRefusal::Malformed(_)
            | NodeRefusal::NoTopics
            | NodeRefusal::Target { .. }
            | NodeRefusal::ZeroId
            | NodeRefusal::IdInFlight(_)
            | NodeRefusal::HistoryOfSubscribed(_)
            | NodeRefusal::HistoryInFlight(_) => Code::InvalidArgument,
            NodeRefusal::Denied(_) => Code::PermissionDenied,
            NodeRefusal::TooManyAdds { .. }
            | NodeRefusal::TooManySubscriptions { .. }
            | NodeRefusal::TooManyWaves { .. }
            | NodeRefusal::TopicTooLong { .. }
            | NodeRefusal::MutatesTooFast { .. }
            | NodeRefusal::PingsTooFast { .. }
            | NodeRefusal::TooManyMessages { .. }
            | NodeRefusal::MessageTooLong { .. }
            | NodeRefusal::CursorTooLong { .. }
            | NodeRefusal::CursorsTooLong { .. }
            | NodeRefusal::TooManyOriginators(_) => Code::ResourceExhausted,
        }
    }
}

impl From<&NodeRefusal> for Status {
    fn from(refusal: &NodeRefusal) -> Self {
        Status::new(refusal.code(), refusal.to_string())
    }
}
