//! The judges of this subject: the generic ones with its requirements, and two of its own.

mod bench;
mod heartbeat;
mod shelf;
mod stream_model;
mod topic_state;
mod waves;

pub use bench::{ALL, BACKOFF, CONVERGENCE, DELIVERY, DURABILITY, LIVENESS};
pub use heartbeat::Heartbeat;
pub use waves::Waves;
