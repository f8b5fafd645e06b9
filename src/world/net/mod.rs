//! The simulated network: TCP as applications see it on Linux, whatever happens to its packets.
//!
//! Byte streams with connect, accept, refusal, latency, bounded buffers with real backpressure, FIN, half-close and
//! RST; losses and silence as delay, timeout and half-open connections. What an end may send at its turn travels as
//! one burst; segments count only where they are lost. By UDP, one resolver answers. Refuses to know congestion control.

mod capture;
mod connection;
mod end;
mod exchange;
mod fabric;
mod frames;
mod harm;
mod kernel;
mod link;
mod missed;
mod names;
mod packet;
mod resolver;
mod segment;
mod socket;
mod traffic;
mod udp;

pub use capture::{Capture, Captured, CapturedSegment, Kept};
pub(crate) use end::TcpPhase;
pub(crate) use fabric::{Net, Unsent};
pub use link::LinkBase;
pub(crate) use names::{RESOLVER_V4, RESOLVER_V6, is_resolver};
pub(crate) use socket::{TcpSocket, dial, listen};
pub(crate) use udp::{Datagram, RESOLVER_PORT, Scattered, UdpId, UdpSharing};
