//! A feed of one's own with the whole command line: `cargo run --example feed_cast -- run tests/feed/feed.toml --seed 7`.

mod programs;

use std::process::ExitCode;
use std::time::Duration;

use programs::{follow, follow_by_surroundings, serve};
use pulseless::stranger::Strangers;

fn main() -> ExitCode {
    let server = || serve(Duration::from_secs(1));
    let strangers = Strangers::new().host("server", server).host_with("client", follow);
    pulseless::cli::main_with(strangers.host_with("client-by-surroundings", follow_by_surroundings))
}
