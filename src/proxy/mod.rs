//! The HTTP/2-terminating proxy between client and node, which can be told to lie.
//!
//! It ends HTTP/2 on both sides, as an L7 load balancer does: it answers PING at the edge whatever has become of the
//! node, and spreads the streams of many client connections over one connection to the node. What it passes, what it
//! swallows and what it answers by itself goes to a [`ProxyObserver`]; the lies come from a [`Control`].
//! This module refuses to know the payload: to it, gRPC is headers, bytes and trailers.
//!
//! ```text
//! client == spoiler == tls == cork == guard == ping counter == forger == server ==> relay (one per stream) ==> upstream == forger == tls == spoiler == node
//!              ^                                                 ^                  |  \__ pump ToNode,  \             ^
//!              |                                                 |                gate \_ pump ToClient  one shared connection, and one
//!              |                                                 |                  ^                    of its own for who takes too much
//!              '-------------------------------------------------'--------------- control -----------------------------'
//! ```

mod alarm;
mod alpn;
mod byte_lane;
mod cancels;
#[cfg(feature = "tls")]
mod certificate;
mod client_reply;
#[cfg(feature = "tls")]
mod client_tls;
mod config;
mod control;
mod cork;
mod cutter;
mod drain;
mod errand;
mod forged;
mod forger;
mod framing;
mod gate;
mod guard;
mod habits;
mod head;
#[cfg(not(feature = "tls"))]
mod no_tls;
mod node_half;
mod node_pinger;
#[cfg(feature = "tls")]
mod node_tls;
mod notice;
mod passage;
mod ping_counter;
mod profiled;
mod proxy_header;
mod pump;
mod relay;
mod retire;
mod routes;
mod rule_changes;
#[cfg(feature = "tls")]
mod secured;
#[cfg(feature = "tls")]
mod served;
mod server;
#[cfg(feature = "tls")]
mod session_ca;
mod spoiler;
mod stream_tasks;
#[cfg(feature = "tls")]
mod tls_words;
mod upstream;
mod windows;
mod wire;

pub use alpn::{Alpn, BadAlpn};
#[cfg(feature = "tls")]
pub use certificate::{BadCertificate, BadKey, read_certificates};
#[cfg(feature = "tls")]
pub use client_tls::ClientTls;
pub use config::{ProxyConfig, ProxyEdge};
pub use control::Control;
pub use drain::{Drain, DrainSwitch};
pub use habits::ProxyHabits;
#[cfg(not(feature = "tls"))]
use no_tls as client_tls;
#[cfg(not(feature = "tls"))]
use no_tls as node_tls;
#[cfg(not(feature = "tls"))]
use no_tls as tls_words;
#[cfg(not(feature = "tls"))]
pub use no_tls::NoTls;
#[cfg(feature = "tls")]
pub use node_tls::{NodeName, NodeTls, NodeTrust};
pub use notice::{ProxyFate, ProxyNotice, ProxyObserver};
pub use profiled::left_out;
#[cfg(feature = "tls")]
pub use secured::secured;
#[cfg(feature = "tls")]
pub use served::served;
pub use server::{ProxyError, ProxyServer, serve};
#[cfg(feature = "tls")]
pub use session_ca::{NoCertificate, SessionCa};
pub use windows::{StreamWindows, WayWindow};
