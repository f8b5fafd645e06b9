//! The judges of this subject: the generic ones with its requirements, and one of its own.

mod bench;
mod stream_model;
mod topic_state;
mod waves;

pub use bench::{ALL, BACKOFF, CONVERGENCE, DELIVERY, DURABILITY, LIVENESS};
pub use waves::Waves;
