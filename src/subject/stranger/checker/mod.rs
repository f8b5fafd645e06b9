//! The judges of streams, whoever speaks: each looks for one whole class of wrong, and sees only what was said of the streams.

mod book;
mod gaps;
mod invention;
mod late;
mod leaks;
mod repeats;
#[cfg(test)]
mod script;

use crate::checker::Checker;

pub use book::{StreamBook, StreamGot, StreamSent};

/// Every judge of a stranger, in the order in which they are told.
pub(crate) const ALL: &[&dyn Checker] = &[
    &gaps::Gaps,
    &repeats::Duplicates,
    &repeats::InOrder,
    &invention::Invention,
    &late::Converges,
    &late::GetsOn,
    &leaks::Leaks,
];
