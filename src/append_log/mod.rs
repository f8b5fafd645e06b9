//! A log that is only appended to: what it says is stored is there after any crash, and what a disk has altered is never served.
//!
//! Refuses to know what the records mean, and whether the disk is real.
//!
//! One append is one frame: a write of whole sectors beyond the end, and one sync. A sector holds 504 bytes and their seal:
//!
//! ```text
//!   | head, record, record, …  seal | …, record  seal | zeros  seal |  | head, …  seal |
//!   +---------------- frame 0: three sectors ------------------------+  +- frame 1 ----
//! ```
//!
//! A disk writes a sector whole or not at all. So what a loss of power cuts short is told from what rots, with one sync:
//!
//! ```text
//!   a sector is whole:   written                        a frame lacks sectors: it was cut short. Only the last can be,
//!   a sector is zeros:   not written                      because each was synced before the next was begun
//!   neither:             it was altered: corrupt        a frame lacks sectors, and another follows: corrupt
//! ```
//!
//! Whoever opens a log reads it whole, cuts off a last frame that was cut short, and writes the last whole one again: its sync may
//! have failed, and then it is to be read until the power goes, and no later sync would keep it (fsync(2)).

mod ascending;
mod log;
mod sector;
#[cfg(test)]
mod tests;

pub(crate) use ascending::Ascending;
pub use log::{AppendLog, RecordPlace};
