//! pulseless: a deterministic network fault-injection simulator for streaming gRPC clients.

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
