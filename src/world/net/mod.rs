//! The simulated network: TCP as applications see it on Linux, whatever happens to its packets.
//!
//! Byte streams with connect, accept, refusal, latency, bounded buffers with real backpressure, FIN, half-close and
//! RST; losses and silence as delay, timeout and half-open connections. What an end may send at its turn travels as
//! one burst; segments count only where they are lost. Refuses to know congestion control.

mod connection;
mod end;
mod fabric;
mod frames;
mod harm;
mod keepalive;
mod kernel;
mod landing;
mod names;
mod retransmission;
mod sending;
mod socket;
mod traffic;

pub(crate) use fabric::{Net, Unsent};
pub(crate) use harm::{Harm, Ways};
pub(crate) use socket::{dial, listen};
