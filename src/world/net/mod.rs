//! The simulated network: TCP as applications see it.
//!
//! Byte streams with connect, accept, refusal, latency, bounded buffers with real backpressure, FIN,
//! half-close and RST. Refuses to know segments, sequence numbers and congestion: no application sees them.

mod connection;
mod fabric;
mod socket;

pub(crate) use fabric::{Net, Unsent};
pub(crate) use socket::{dial, listen};
