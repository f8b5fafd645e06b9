//! The node under test: stores messages durably and serves the mutable subscription stream.
//!
//! Refuses to know what is between it and its clients, and who judges it. A client talks to it through
//! `wire` only, an observer is told [`NodeNotice`]s, and everything else it asks of its `Env`.
//!
//! Pure hearts: `session` (what one stream is registered for and what it sends next), `wave` (one catch-up), `liveness`
//! (S6), `rate_limiter`, `budget` (sizes), `kept_floors`. Shells: `service` (tonic), `stream` (one task for each Subscribe stream),
//! `older_calls` (one for each of the two calls before it), `registrations` (a session and what is behind it), `response`
//! (how a stream ends), `authorization` (the hook of S7), `log`, `reopening_log` (the log again after a failure),
//! `originators` (whose sequence a message stands in, beside the log's own),
//! `binding` (the dialects), `hub` (fresh messages to interested streams), `connection` (sockets that end with the server).

mod authorization;
mod binding;
mod budget;
mod by_kind;
mod config;
#[cfg(test)]
mod fuzz;
mod group_commit;
mod hub;
mod kept_floors;
mod liveness;
mod log;
mod notice;
mod older_calls;
mod originators;
mod quirk;
mod rate_limiter;
mod refusal;
mod registrations;
mod reopening_log;
mod response;
mod service;
mod session;
mod session_change;
mod store_error;
mod stream;
mod wave;

pub use authorization::{AllowAll, Authorizer, Caller, DeniedTopics, Permission};
pub use config::{NodeConfig, NodeLimits, RateLimit, Serves};
pub use notice::{LogHead, NodeCloseReason, NodeNotice, NodeObserver};
pub use quirk::NodeQuirk;
pub(crate) use service::STORE;
pub use service::{NodeError, NodeHooks, Shutdown, serve, serve_with};
pub(crate) use store_error::StoreError;
