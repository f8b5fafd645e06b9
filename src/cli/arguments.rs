//! The command line's grammar.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::seed::Seed;
use crate::cli::{Exit, explain, list, replay, run, sweep};
use crate::sim::Setting;

/// Deterministic network fault injection for streaming gRPC clients.
///
/// A real tonic client and a real tonic node, over real HTTP/2 bytes, on a simulated network, behind a proxy
/// that answers HTTP/2 PING while it drops everything else. Judges whether heartbeats and watchdog
/// reconnects restore delivery with no gap and no duplicate. Same sim and seed: same history, bit for bit.
#[derive(Debug, Parser)]
#[command(name = "pulseless", version, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
   0  every promise was kept (a sim in sims/negative/ promises a failure)
   1  a promise was broken
   2  unknown: a trial shows too little, such as a fault that never fired
   3  not reproducible: the same seed gave another digest
   4  nothing was played
  64  the command line, a sim or a case file is wrong
  70  a bug of pulseless

A seed is decimal (42) or hexadecimal (0x2a). --seed beats PULSELESS_SEED, which beats a draw.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Play one sim with one seed and tell its story
    Run(RunArguments),
    /// Play the trial of a case file again and compare digests
    Replay(ReplayArguments),
    /// Play sims with many seeds into a report folder
    Sweep(SweepArguments),
    /// List the sims of a folder
    List(ListArguments),
    /// Say in words what a sim does and which requirements it cites
    Explain(ExplainArguments),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For machines: one JSON object.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The sim file
    pub(crate) sim: PathBuf,
    /// The seed, such as 7 or 0x2a
    #[arg(long)]
    pub(crate) seed: Option<Seed>,
    /// Change a value of the sim, such as client.watchdog=off
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<Setting>,
    /// Print the whole timeline before the verdict
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The case file, from a sweep's report folder
    pub(crate) case: PathBuf,
    /// Print the whole timeline before the verdict
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct SweepArguments {
    /// A sim file, or a folder of them
    pub(crate) sims: PathBuf,
    /// How many seeds, each played with every sim
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) seeds: u64,
    /// The first seed
    #[arg(long, default_value = "1")]
    pub(crate) from: Seed,
    /// Trials at a time; as many as there are processors unless given
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Stop at the first trial that does not pass
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Change a value of every sim, such as client.watchdog=off
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<Setting>,
    /// The folder that report folders are made in
    #[arg(long, default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// How the summary is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The folder of sims
    #[arg(default_value = "sims")]
    pub(crate) sims: PathBuf,
    /// How the list is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The sim file
    pub(crate) sim: PathBuf,
    /// Change a value of the sim, such as client.watchdog=off
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<Setting>,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error).into(),
    };
    let exit = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Sweep(arguments) => sweep::sweep(&arguments),
        Command::List(arguments) => list::list(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
    }
}
