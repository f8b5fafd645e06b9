//! The HTTP/2-terminating proxy between client and node, which can be told to lie.
//!
//! It ends HTTP/2 on both sides, as an L7 load balancer does: it answers PING at the edge whatever has become of the
//! node, and spreads the streams of many client connections over one connection to the node. What it passes, what it
//! swallows and what it answers by itself goes to a [`ProxyObserver`]; the lies come from a [`Control`].
//! This module refuses to know the payload: to it, gRPC is headers, bytes and trailers.
//!
//! ```text
//! client == server ==> relay (one per stream) ==> upstream == node
//!              |         |  \__ pump ToNode,  \
//!       ping counter   gate \_ pump ToClient  one shared connection,
//!          guard         ^                     one of its own for who takes too much
//!          cork       control
//! ```

mod cancels;
mod config;
mod control;
mod cork;
mod gate;
mod guard;
mod head;
mod notice;
mod ping_counter;
mod pump;
mod relay;
mod server;
mod upstream;

pub use config::ProxyConfig;
pub use control::{Control, Silence};
pub use notice::{Direction, ProxyFate, ProxyNotice, ProxyObserver, StreamKey};
pub use server::{ProxyError, serve};
