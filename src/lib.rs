//! pulseless: a deterministic network fault-injection simulator for streaming gRPC clients.

// rustdoc reads signatures only, and takes no RUSTFLAGS.
#[cfg(not(any(tokio_unstable, doc, doctest)))]
compile_error!(
    "pulseless needs tokio's seeded scheduler: build with RUSTFLAGS=\"--cfg tokio_unstable\", \
     or build inside the checkout, where .cargo/config.toml sets it (RUSTFLAGS in the environment replaces that file's flags)"
);

pub mod admin;
pub mod append_log;
pub mod campaign;
pub mod cast;
pub mod channel;
pub mod checker;
pub mod cli;
pub mod env;
pub mod fault;
pub mod grammar;
mod grpc;
pub mod harness;
pub mod history;
pub mod http2;
pub mod ladder;
pub mod lie;
pub mod os;
pub mod profile;
pub mod proxy;
pub mod report;
pub mod runner;
pub mod sim;
pub mod subject;
pub mod trial;
pub mod world;

pub use harness::{Durations, Proxy, SweptTrials, Trial, TrialOutcome, Trouble};
pub use subject::stranger;
