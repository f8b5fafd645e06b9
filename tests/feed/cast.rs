//! A feed of one's own with the whole command line: `cargo run --example feed_cast -- run tests/feed/feed.toml --seed 7`.

mod programs;

use std::process::ExitCode;
use std::time::Duration;

use programs::{follow, serve};
use pulseless::stranger::Strangers;

fn main() -> ExitCode {
    let server = || serve(Duration::from_secs(1));
    pulseless::cli::main_with(Strangers::new().host("server", server).host_with("client", follow))
}
