//! A trial as a trace for Perfetto's viewer: hosts as processes, streams as tracks, faults as slices.
//!
//! Refuses to know how the viewer draws. `proto` has the part of Perfetto's published messages that is written.

mod proto;
mod trace;

pub use trace::perfetto;
