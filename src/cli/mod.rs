//! The command line: subcommands, arguments, exit codes.

mod across;
mod arguments;
mod campaign;
#[cfg(feature = "xmtp")]
mod conform;
#[cfg(feature = "xmtp")]
mod conform_client;
#[cfg(feature = "xmtp")]
mod dialing;
mod dispatch;
mod exit;
mod explain;
mod foreground;
mod generate;
mod grid;
#[cfg(feature = "xmtp")]
mod in_the_clear;
mod keep;
mod list;
mod memory;
mod merge;
#[cfg(feature = "xmtp")]
mod node;
mod output;
mod profile;
mod program;
mod proxy;
#[cfg(feature = "xmtp")]
mod publish;
mod replay;
mod report;
#[cfg(feature = "xmtp")]
mod row_table;
mod run;
mod schema;
mod seed;
mod shrink;
mod sweep;
#[cfg(feature = "xmtp")]
mod tail;
mod texts;
mod timelines;
mod values;
mod worker;
#[cfg(feature = "xmtp")]
mod xmtp_values;

pub use dispatch::{main, main_with};
pub(crate) use exit::Exit;
