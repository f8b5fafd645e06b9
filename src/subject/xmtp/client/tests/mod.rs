//! The client against a scripted node, over pipes in memory and on a paused clock.
//!
//! Refuses to know our real node: what the script says is all that there is on the other side.

mod absurd;
mod catch_up;
mod connection;
mod draft;
mod older_calls;
mod promises;
mod publisher;
mod sample;
pub(crate) mod script;
mod subscriber;
mod suspension;
mod transport;
mod world;

pub(crate) use sample::{add, message, topic, welcome};
