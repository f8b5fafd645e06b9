//! The `[[fault]]` tables of a sim file, read into the clauses of a plan.
//!
//! Refuses to know who carries a fault out; it knows which keys each kind of fault takes, whom it may harm, which
//! times make no sense, and which faults contradict each other.

mod disk;
mod host;
mod link;
mod overlap;
mod pattern;
mod plan;
#[cfg(test)]
mod tests;
mod times;

pub(crate) use plan::{Stage, read_plan};
