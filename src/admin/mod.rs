//! The admin API of proxies on real TCP, shaped like Toxiproxy's, so that its clients work: HTTP/1.1 and JSON.
//!
//! It keeps any number of named proxies, opens and closes them, and tells them to lie: a toxic is a rule of one of them.
//! This module refuses to know how a lie is told, and reads and writes no file.
//!
//! ```text
//! HTTP ==> api --> fleet --> proxy (control, toxics) ==> proxy::ProxyServer
//!           |                   ^                            |
//!           |                 toxic (JSON <-> rule)          | notices
//!           '--> metrics, live view <--------- ledger <------'
//! ```

mod api;
mod bounds;
mod draft;
mod edge;
mod error;
mod fleet;
mod ledger;
mod managed;
mod metrics;
mod server;
mod tcp_toxic;
mod toxic;

pub use bounds::{ADMIN_PORT, DRAIN_MAX};
pub use draft::{ProxyExtras, UsualProfile};
pub use edge::{ReadFile, TlsJson, UpstreamTlsJson};
pub use error::AdminError;
pub use fleet::{EnvOfHost, ProxyFleet};
pub use ledger::{ConnectionJson, StreamJson, WindowJson};
pub use managed::ProxyJson;
pub use server::{AdminServer, BadAdmin};
pub use toxic::{Toxic, ToxicStream, lies_both_ways};
