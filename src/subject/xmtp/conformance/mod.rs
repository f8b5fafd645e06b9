//! The conformance suite: what is right on the wire, written once, as scripted raw peers.
//!
//! Refuses to know our own node and client: it shares the generated types of the wire with them, and nothing else. It
//! dials and listens through an `Env`, so that the same rows run in a trial and on real TCP, against anybody's node.
//! Every wait has a bound; nothing that a node sends may panic.

mod finding;
mod letter;
mod raw_peer;
mod raw_stream;
mod rows;
mod settings;
mod suite;

pub use finding::{RowReport, RowResult};
pub use settings::{Bound, ConformSettings, PATIENCE};
pub use suite::{Conformance, SuiteRow, Unjudgeable, conform, requirements};
