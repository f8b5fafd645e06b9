//! The conformance suite: what is right on the wire, written once: raw peers that judge a node, and a scripted node that
//! judges a client.
//!
//! Refuses to know our own node and client: it shares the generated types of the wire with them, and nothing else. It
//! dials and listens through an `Env`, so that the same rows run in a trial and on real TCP, against anybody's.
//! Every wait has a bound; nothing that a peer sends may panic.

mod client_rows;
mod client_suite;
mod finding;
mod letter;
mod raw_peer;
mod raw_stream;
mod rows;
mod scripted_node;
mod served_stream;
mod settings;
mod suite;

pub use client_suite::{ClientConformance, ClientRow, Launch, UnjudgeableClient, client_requirements, conform_client};
pub use finding::{RowReport, RowResult};
pub use settings::{Bound, ConformSettings, PATIENCE};
pub use suite::{Conformance, SuiteRow, Unjudgeable, conform, requirements};
