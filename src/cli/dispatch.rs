//! Runs the command that the command line names.
//!
//! Refuses to know flags: each command reads its own arguments.

use std::process::ExitCode;

use clap::Parser;

use crate::cli::arguments::{Arguments, CliCommand};
use crate::cli::{
    Exit, conform, conform_client, explain, generate, grid, keep, list, merge, node, profile, proxy, publish, replay,
    report, run, schema, shrink, sweep, tail, worker,
};

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error).into(),
    };
    let exit = match arguments.command {
        CliCommand::Run(arguments) => run::run(&arguments),
        CliCommand::Replay(arguments) => replay::replay(&arguments),
        CliCommand::Report(arguments) => report::report(&arguments),
        CliCommand::Shrink(arguments) => shrink::shrink(&arguments),
        CliCommand::Keep(arguments) => keep::keep(&arguments),
        CliCommand::Sweep(arguments) => sweep::sweep(&arguments),
        CliCommand::Grid(arguments) => grid::grid(&arguments),
        CliCommand::Merge(arguments) => merge::merge(&arguments),
        CliCommand::Schema(arguments) => schema::schema(&arguments),
        CliCommand::Generate(arguments) => generate::generate(&arguments),
        CliCommand::Worker(arguments) => worker::worker(&arguments),
        CliCommand::List(arguments) => list::list(&arguments),
        CliCommand::Explain(arguments) => explain::explain(&arguments),
        CliCommand::Profile(arguments) => profile::profile(&arguments),
        CliCommand::Node(arguments) => node::node(&arguments),
        CliCommand::Proxy(arguments) => proxy::proxy(&arguments),
        CliCommand::Conform(arguments) => conform::conform(&arguments),
        CliCommand::ConformClient(arguments) => conform_client::judge_client(&arguments),
        CliCommand::Publish(arguments) => publish::publish(&arguments),
        CliCommand::Tail(arguments) => tail::tail(&arguments),
    };
    exit.into()
}

/// `--help` and `--version` are answers; everything else that clap reports is wrong use.
fn refuse(error: &clap::Error) -> Exit {
    if error.print().is_err() {
        // Nobody reads any more, as in `pulseless --help | head`; the exit code still tells.
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Pass }
}
