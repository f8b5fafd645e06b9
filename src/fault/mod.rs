//! The vocabulary of harm, as plain data.
//!
//! Refuses to know who carries it out: a plan says what happens when, the proxy and the world do it. Storms, which
//! expand to a plan by the seed, belong here too.

mod disk;
mod host;
mod link;
mod plan;
mod words;

pub use disk::DiskHarm;
pub use host::{Answer, Death, HostHarm, Landmark, Moment, Point, Unsynced};
pub use link::{Between, Expired, Latency, LinkHarm, Shape};
pub use plan::{Clause, Fault, Plan, Way};
