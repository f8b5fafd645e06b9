//! The rows: one function for each, by what they look at; `list` has them all with their requirements.

mod bounded;
mod bounds;
mod changes;
mod list;
mod liveness;
mod opening;
mod order;
mod seam;

pub(crate) use list::ROWS;
