//! The vocabulary of harm, as plain data.
//!
//! Refuses to know who carries it out: a plan says what happens when, the sim applies it. Storms, which
//! expand to a plan by the seed, belong here too.

mod plan;

pub use plan::{Clause, Fault, Plan, Way};
