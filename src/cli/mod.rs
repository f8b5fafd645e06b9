//! The command line: subcommands, arguments, exit codes.

mod arguments;
mod exit;
mod explain;
mod list;
mod output;
mod replay;
mod run;
mod seed;
mod sweep;

pub use arguments::{Arguments, main};
pub use exit::Exit;
