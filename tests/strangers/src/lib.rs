//! Clients of strangers, as their documentation shows them, and small servers of ours for them.

pub mod etcd;
pub mod guide;
pub mod nats;
pub mod orders;
pub mod redis_like;
pub mod sse;
pub mod world;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T = ()> = std::result::Result<T, Error>;
