//! The command line's grammar: subcommands, flags, and what `--help` says of them.
//!
//! Refuses to know what a command does.

mod campaign;
mod profile;
mod proxy;
#[cfg(feature = "xmtp")]
mod xmtp;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use globset::GlobSet;

pub(crate) use campaign::{
    GenerateArguments, Generated, GridArguments, GridFormat, MergeArguments, SchemaArguments, SweepArguments,
    WorkerArguments,
};

pub(crate) use profile::{
    ExplainProfileArguments, FromArguments, ListProfilesArguments, ProfileArguments, ProfileCommand,
    ShowProfileArguments,
};
pub(crate) use proxy::{
    AddProxyArguments, AdminArguments, EdgeArguments, ProxyArguments, ProxyServeArguments, ProxyVerb,
};
#[cfg(feature = "xmtp")]
pub(crate) use xmtp::{
    CONFORM_CLIENT_EXIT_CODES, CONFORM_EXIT_CODES, ConformArguments, ConformClientArguments, NodeArguments,
    PUBLISH_EXIT_CODES, PublishArguments, SERVER_EXIT_CODES, TAIL_EXIT_CODES, TailArguments,
};

use crate::cli::values;
use crate::grammar::Seed;
use crate::sim::Setting;
use crate::trial::EngineKind;

/// Deterministic network fault injection for streaming gRPC clients.
///
/// A real tonic client and a real tonic node, over real HTTP/2 bytes, on a simulated network, behind a proxy
/// that can answer HTTP/2 PING while it drops everything else. Judges whether heartbeats and watchdog
/// reconnects restore delivery with no gap and no duplicate. Same sim and seed: same history, bit for bit.
#[derive(Debug, Parser)]
#[command(name = "pulseless", version = VERSION.as_str(), after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: CliCommand,
}

/// The version, and the commit where the build was told of one.
static VERSION: LazyLock<String> = LazyLock::new(|| match option_env!("PULSELESS_COMMIT") {
    Some(commit) => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
    None => env!("CARGO_PKG_VERSION").to_owned(),
});

const EXIT_CODES: &str = "\
Exit codes:
   0  every promise was kept (a sim in sims/negative/ promises a failure);
      a report was written; a node or a client conforms; a publish was stored;
      Ctrl-C or SIGTERM ended a node, a proxy or a tail
   1  a promise was broken; a node or a client does not conform; a publish was
      refused or never sent
   2  unknown: a trial shows too little, such as a fault that never fired;
      a node or a client could not be judged; nobody knows whether a publish
      was stored
   3  not reproducible: the same seed gave another digest
   4  nothing was played
  64  the command line, a sim, a case file, a profile or a configuration is
      wrong, or the port or the data folder that the command line names cannot
      be used, or the engine that it names cannot express the sim, or the
      machine has no room for it
  70  a bug of pulseless
  74  a result could not be written: the disk is full, say
 125  replay --verdict-only cannot judge the case

A seed is decimal (42) or hexadecimal (0x2a). --seed beats PULSELESS_SEED,
which beats the sim's own seed, which beats a draw.
PULSELESS_LOG=info (or debug, or pulseless::subject::xmtp::node=trace) makes node, proxy, publish and tail log to standard error.";

const PROXY_EXIT_CODES: &str = "\
Exit codes: 0 ended by Ctrl-C or SIGTERM, once its streams have ended or the grace is over; of list, add, lie, tell-truth \
and inspect: done; 64 the command line or the file of proxies is wrong, a port cannot be used, no admin API answers there, \
or it refuses; 74 standard output fails.";
const PROFILE_HELP: &str = "\
Examples:
  pulseless profile list --format json
  pulseless profile explain nginx
  pulseless profile show nginx --set read-timeout=10m > mine.toml
  pulseless profile explain ./mine.toml
  pulseless profile from site.conf --kind nginx --base ingress-nginx > mine.toml

Exit codes: 0 it is printed; 64 there is no such profile, or a file is wrong.";
const REPLAY_EXIT_CODES: &str = "\
Exit codes: 3 another digest than the case's; otherwise that of the trial's verdict or, with --times or --processes, 0. \
Where plays differ, all is played once more to show the first event that does. Of several cases the worst: 70 before 64, \
3, 1 and 2. With --verdict-only: 0 pass, 1 fail, 125 this build cannot play or judge it.";
const SHRINK_EXIT_CODES: &str = "\
Exit codes: 0 shrunk, also where nothing could be taken away, or Ctrl-C or SIGTERM ended it with what there was; 2 the \
case does not fail any more as it did; 3 it does, with another digest; 64 the case file is wrong, or is no failure.";
const KEEP_EXIT_CODES: &str = "\
Exit codes: 0 kept; 64 the case file is wrong, passed, or is in the corpus already.";
const REPORT_EXIT_CODES: &str = "\
Exit codes: 0 the report is written, whatever the trial's verdict is; 3 the trial has another digest than the case's, and \
the report, which says so, shows what was played now; 64 the case file is refused; 74 the report cannot be written.";

#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Play one sim with one seed and tell its story
    Run(RunArguments),
    /// Play the trial of a case file again and compare digests
    #[command(after_help = REPLAY_EXIT_CODES)]
    Replay(ReplayArguments),
    /// Show a trial or a night to other eyes: as a page, packets, a trace, a diagram
    #[command(after_help = REPORT_EXIT_CODES)]
    Report(ReportArguments),
    /// Make a failing case small, and prove that it needs each fault that is left
    #[command(after_help = SHRINK_EXIT_CODES)]
    Shrink(ShrinkArguments),
    /// Put a case into the corpus, as a sim that every sweep plays once
    #[command(after_help = KEEP_EXIT_CODES)]
    Keep(KeepArguments),
    /// Play sims with many seeds into a report folder
    Sweep(SweepArguments),
    /// Put the report folders of a sweep's shares together into one
    Merge(MergeArguments),
    /// Measure what settings cost and buy, in every combination
    Grid(GridArguments),
    /// Print the JSON Schema of what is written for machines, or of a sim
    Schema(SchemaArguments),
    /// Print what a shell completes, or the manual page
    Generate(GenerateArguments),
    /// Play the trials that a sweep asks for on standard input
    #[command(hide = true)]
    Worker(WorkerArguments),
    /// List the sims of a folder
    List(ListArguments),
    /// Say in words what a sim does and which requirements it cites
    Explain(ExplainArguments),
    /// Show real proxies as data: what each does to a long-lived stream
    #[command(after_help = PROFILE_HELP)]
    Profile(ProfileArguments),
    #[cfg(feature = "xmtp")]
    /// Run the node on real TCP, until Ctrl-C or SIGTERM
    #[command(after_help = SERVER_EXIT_CODES)]
    Node(NodeArguments),
    /// Run the lying proxy on real TCP before any gRPC server, or command one that runs
    #[command(after_help = PROXY_EXIT_CODES, args_conflicts_with_subcommands = true)]
    Proxy(ProxyArguments),
    #[cfg(feature = "xmtp")]
    /// Judge a node by the protocol, over real TCP, row by row: any node, ours or another
    #[command(after_help = CONFORM_EXIT_CODES)]
    Conform(ConformArguments),
    #[cfg(feature = "xmtp")]
    /// Judge a client by the protocol, over real TCP, row by row, against a scripted node
    #[command(after_help = CONFORM_CLIENT_EXIT_CODES)]
    ConformClient(ConformClientArguments),
    #[cfg(feature = "xmtp")]
    /// Publish texts, or the lines of standard input, to a topic, over real TCP
    #[command(after_help = PUBLISH_EXIT_CODES)]
    Publish(PublishArguments),
    #[cfg(feature = "xmtp")]
    /// Follow topics over real TCP and print each message once, until Ctrl-C or SIGTERM
    #[command(after_help = TAIL_EXIT_CODES)]
    Tail(TailArguments),
}

/// A trial of a second, so often, takes hours: more is a slip of the finger.
const TIMES_MAX: i64 = 10_000;
/// Each is a fresh start of the program; what differs from process to process, such as addresses, shows long before.
const PROCESSES_MAX: i64 = 1_000;

/// What stands for all profiles.
pub(crate) const EVERY_PROFILE: &str = "all";

/// What is told of one play, and of no more.
const TIMELINE: [&str; 5] = ["verbose", "hosts", "topics", "around", "all"];

/// How a trial is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrialFormat {
    /// For people.
    Text,
    /// For machines: one JSON object, which is a case file.
    Json,
    /// For machines: the timeline, a JSON object on a line for each record.
    Jsonl,
}
/// The play that shows that the case fails, and the one that makes the smaller case.
const PLAYS_MIN: i64 = 2;
/// A storm has a few dozen clauses: more plays find nothing more.
const PLAYS_MAX: i64 = 100_000;

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
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) seed: Option<Seed>,
    /// Change a value of the sim, such as client.watchdog=off
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<Setting>,
    /// What plays the trial: leap, or turmoil for a second opinion, slower and with fewer faults
    #[arg(long, value_name = "leap|turmoil", default_value_t)]
    pub(crate) engine: EngineKind,
    /// Play it behind every profile of a real proxy, or behind some (=nginx,envoy), and compare what the client saw
    #[arg(
        long,
        value_name = "NAMES",
        num_args = 0..=1,
        require_equals = true,
        value_delimiter = ',',
        default_missing_value = EVERY_PROFILE,
        conflicts_with_all = ["engine", "verbose", "hosts", "topics", "around", "all"]
    )]
    pub(crate) across_profiles: Option<Vec<String>>,
    /// Write the comparison as a page (HTML) as well
    #[arg(long, value_name = "FILE", requires = "across_profiles")]
    pub(crate) page: Option<PathBuf>,
    /// Trials at a time; as many as there are processors unless given
    #[arg(long, requires = "across_profiles", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) telling: TellingArguments,
}

/// How much of a trial is told.
#[derive(Debug, Args)]
pub(crate) struct TellingArguments {
    /// Print the whole timeline before the story, each record with its number
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Print only the timeline of such hosts, such as client-1 or client-*
    #[arg(long = "host", value_name = "PATTERN", value_parser = values::name_pattern)]
    pub(crate) hosts: Vec<GlobSet>,
    /// Print only the timeline of such topics, such as group:topic-1 or welcome:*
    #[arg(long = "topic", value_name = "PATTERN", value_parser = values::name_pattern)]
    pub(crate) topics: Vec<GlobSet>,
    /// Print only the timeline around that time, such as 3m28s or, as the story prints it, "3m 27.652s"
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) around: Option<Duration>,
    /// How much before and after it
    #[arg(long, value_name = "DURATION", default_value = "5s", requires = "around", value_parser = values::duration)]
    pub(crate) width: Duration,
    /// Tell of every client, and name every host and topic instead of counting the rest
    #[arg(long)]
    pub(crate) all: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: TrialFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// A case file, from a sweep's report folder; or several, or a folder of them: then a line for each
    #[arg(required = true, value_name = "CASE")]
    pub(crate) cases: Vec<PathBuf>,
    /// Change a value of the case's sim, such as client.watchdog=3; its plan stays, and digests are not compared
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<Setting>,
    /// Leave clauses of the case's plan out, by number, such as 3 or 2,5
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', conflicts_with = "only")]
    pub(crate) without: Vec<u32>,
    /// Play these clauses of the case's plan and no others, by number
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub(crate) only: Vec<u32>,
    /// Print the verdict and no more, and exit as `git bisect run` asks: 0 pass, 1 fail, 125 cannot be judged here
    #[arg(long, conflicts_with_all = ["times", "processes", "verbose", "format"])]
    pub(crate) verdict_only: bool,
    /// What plays the trial: the engine that played it first unless given; another's digest is not compared
    #[arg(long, value_name = "leap|turmoil")]
    pub(crate) engine: Option<EngineKind>,
    /// Play it so many times in each process, half of them on several threads at once, and compare all digests
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with_all = TIMELINE, value_parser = clap::value_parser!(u32).range(1..=TIMES_MAX))]
    pub(crate) times: Option<u32>,
    /// Play it in so many fresh processes, and compare all digests
    #[arg(long, value_name = "P", allow_negative_numbers = true, conflicts_with_all = TIMELINE, value_parser = clap::value_parser!(u32).range(1..=PROCESSES_MAX))]
    pub(crate) processes: Option<u32>,
    /// Be one of those processes: say what each play left, a line of JSON each
    #[arg(long, hide = true, conflicts_with_all = ["verbose", "processes"])]
    pub(crate) worker: bool,
    /// As a worker, keep raw the events that come after so many
    #[arg(long, hide = true, requires = "worker", value_name = "EVENTS")]
    pub(crate) keep_after: Option<u64>,
    #[command(flatten)]
    pub(crate) telling: TellingArguments,
}

/// In which form a report is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportForm {
    /// One HTML file that needs nothing else, with an interactive timeline.
    Html,
    /// The packets on the simulated links, for Wireshark.
    Pcapng,
    /// A trace for Perfetto's viewer (ui.perfetto.dev).
    Perfetto,
    /// A sequence diagram of what happened around the break, for a bug report.
    Mermaid,
    /// A night for a step summary or a message.
    Markdown,
    /// A night for GitLab, Jenkins and GitHub.
    Junit,
    /// A night as GitHub's annotations.
    Github,
    /// A night as a table, a line for each sim.
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// A case file, from a sweep's report folder or `run --format json`, which is played again; or a report folder
    pub(crate) path: PathBuf,
    /// The form of the report: html of either; pcapng, perfetto and mermaid of a case; markdown, junit, github and csv of a folder
    #[arg(long, value_enum)]
    pub(crate) to: ReportForm,
    /// Where it is written, - being standard output; beside the case unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// With pcapng: the packets from then on, since the trial's start, such as 2m
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) from: Option<Duration>,
    /// With pcapng: the packets until then, such as 4m
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) until: Option<Duration>,
    /// With pcapng: the packets to and from this host, such as client-1; several times for several
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Of a night: it is an old one, and the exit code 2, where it began longer ago, such as 30h
    #[arg(long, value_name = "DURATION", value_parser = values::budget)]
    pub(crate) newer_than: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct ShrinkArguments {
    /// The case file of a trial that failed
    pub(crate) case: PathBuf,
    /// Play at most so many trials
    #[arg(long, value_name = "N", default_value_t = 200, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(PLAYS_MIN..=PLAYS_MAX))]
    pub(crate) plays: u32,
    /// Trials at a time; as many as there are processors unless given, which changes nothing of the result
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// The folder for the smaller case and its sim; that of the case unless given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) into: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct KeepArguments {
    /// The case file, best a shrunk one
    pub(crate) case: PathBuf,
    /// What was wrong, in a sentence: the first line of the sim
    #[arg(long, value_name = "WORDS", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) cause: Option<String>,
    /// The folder of the corpus
    #[arg(long, value_name = "FOLDER", default_value = "sims/corpus")]
    pub(crate) corpus: PathBuf,
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
    /// The sim file, or a case file, whose plan is told as it stands there
    #[arg(required_unless_present = "keys")]
    pub(crate) sim: Option<PathBuf>,
    /// Tell what a storm draws with this seed
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) seed: Option<Seed>,
    /// List every key that a sim can have
    #[arg(long, conflicts_with_all = ["sim", "seed", "settings"])]
    pub(crate) keys: bool,
    /// Change a value of the sim, such as client.watchdog=off
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<Setting>,
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
