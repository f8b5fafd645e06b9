//! Small servers for the clients of other people, and what publishes to them.

pub mod asked;
pub mod etcd;
pub mod guide;
pub mod nats;
pub mod orders;
pub mod redis_like;
pub mod sse;

/// Whatever goes wrong.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// What a host comes to.
pub type Result<T = ()> = std::result::Result<T, Error>;
