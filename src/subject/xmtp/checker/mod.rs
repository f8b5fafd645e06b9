//! The judges of this subject: the generic ones with its requirements, and five of its own.

mod bench;
mod denials;
mod heard_stream;
mod heartbeat;
mod latency;
mod leases;
mod owed_pongs;
mod refusals;
mod shelf;
mod statuses;
mod stream_model;
mod topic_state;
mod untold_model;
mod waves;

pub use bench::{
    ALL, BACKOFF, CONVERGENCE, DELIVERY, DURABILITY, EXAMINATION, EXAMINER, GATEWAY, LIVENESS, PROCESSING, PUBLISHING,
    RESUMPTION, UPKEEP,
};
pub use heartbeat::Heartbeat;
pub use latency::LatencyCheck;
pub use leases::Leases;
pub use refusals::Refusals;
pub use waves::Waves;
