//! The command line: subcommands, arguments, exit codes.

mod across;
mod arguments;
mod campaign;
mod conform;
mod conform_client;
mod dialing;
mod dispatch;
mod exit;
mod explain;
mod foreground;
mod generate;
mod grid;
mod keep;
mod list;
mod memory;
mod merge;
mod node;
mod output;
mod profile;
mod proxy;
mod publish;
mod replay;
mod report;
mod row_table;
mod run;
mod schema;
mod seed;
mod shrink;
mod sweep;
mod tail;
mod texts;
mod timelines;
mod values;
mod worker;

pub use dispatch::main;
pub(crate) use exit::Exit;
