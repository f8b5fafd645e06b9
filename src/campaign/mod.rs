//! Many trials of one night, and what is made of their failures.
//!
//! Refuses to know how anything is printed.

pub mod corpus;
pub mod shrink;
