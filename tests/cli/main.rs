//! The command line as a user meets it: the real binary, scratch folders, exact exit codes and parts of the exact text.

mod across;
mod bench;
mod campaign;
mod catalogue;
mod plans;
mod profile;
mod refusal;
mod replay;
mod run;
mod schema;
mod shrink;
mod sweep;
mod timeline;
#[path = "../said/unfolded.rs"]
mod unfolded;
