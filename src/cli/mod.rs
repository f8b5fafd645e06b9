//! The command line: subcommands, arguments, exit codes.

mod arguments;
mod conform;
mod conform_client;
mod dispatch;
mod exit;
mod explain;
mod foreground;
mod keep;
mod list;
mod node;
mod output;
mod proxy;
mod publish;
mod replay;
mod row_table;
mod run;
mod seed;
mod shrink;
mod sweep;
mod tail;
mod values;

pub use dispatch::main;
pub(crate) use exit::Exit;
