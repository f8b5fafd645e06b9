//! A user's own configuration of a real proxy, as far as it concerns long-lived streams: a profile, what was taken, and
//! what was not and why.
//!
//! Refuses to know files: whoever reads hands over texts, and answers for what one text includes. One more proxy is one
//! more file here and its row in `kind.rs`.

mod borrowed;
mod envoy;
mod haproxy;
mod haproxy_lines;
mod kind;
mod nginx;
mod nginx_blocks;
mod taking;
mod units;
mod yaml;

#[cfg(test)]
mod tests;

pub use borrowed::{Borrowed, IgnoredLine, TakenValue};
pub use kind::{ConfigKind, UnknownConfig};
pub use taking::{BadConfig, ConfigFiles, ConfigPlace};
