//! pulseless: a deterministic network fault-injection simulator for streaming gRPC clients.

// What a feature alone uses is dead without it. What is dead with all of them, the lint of a whole build tells.
#![cfg_attr(not(all(feature = "cli", feature = "xmtp")), allow(dead_code, unused_imports, reason = "of features"))]

#[cfg(feature = "cli")]
pub mod admin;
#[cfg(feature = "xmtp")]
pub mod append_log;
pub mod campaign;
pub mod cast;
pub mod channel;
pub mod checker;
#[cfg(feature = "cli")]
pub mod cli;
pub mod env;
pub mod fault;
pub mod grammar;
#[cfg(feature = "grpc")]
pub mod grpc;
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
