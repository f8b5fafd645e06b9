//! The vocabulary of harm, as plain data.
//!
//! Refuses to know who carries it out: a plan says what happens when, the proxy and the world do it; a storm says
//! what the seed may draw, and `sim` draws it.

mod disk;
mod host;
mod link;
mod plan;
mod storm;
mod words;

pub use disk::DiskHarm;
pub use host::{Answer, Death, HostHarm, Landmark, Moment, Point, Unsynced};
pub use link::{Between, Expired, Latency, LinkHarm, Shape};
pub use plan::{Clause, Fault, Origin, Plan, Way};
pub use storm::{Family, Storm};
pub(crate) use words::{Bytes, Percent};
