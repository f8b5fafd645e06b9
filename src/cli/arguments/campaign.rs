//! The grammar of what plays many trials: sweep, merge, grid, and what they and the shell need.
//!
//! Refuses to know what a command does.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use globset::GlobSet;

use crate::campaign::{SHRINK_PLAYS, TrialPartition};
use crate::cli::arguments::Format;
use crate::cli::schema::Published;
use crate::cli::seed::SeedCount;
use crate::cli::values;
use crate::grammar::Seed;
use crate::sim::Setting;
use crate::trial::EngineKind;

#[derive(Debug, Args)]
pub(crate) struct SweepArguments {
    /// Sim files, and folders of them
    #[arg(required_unless_present = "resume", value_name = "SIMS")]
    pub(crate) sims: Vec<PathBuf>,
    /// Leave out the sims whose name or path matches, such as 'storm*' or 'sims/negative/*'
    #[arg(long, value_name = "PATTERN", value_parser = values::name_pattern)]
    pub(crate) exclude: Vec<GlobSet>,
    /// Only the sims that are about one of these requirements, such as C2,T8
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub(crate) cites: Vec<String>,
    /// How many seeds, each played with every sim, or which: 101..201 begins at 101 and ends before 201. With --for as many as
    /// there is time for, unless given; else 100
    #[arg(long, value_name = "N|A..B", allow_negative_numbers = true)]
    pub(crate) seeds: Option<SeedCount>,
    /// The first seed; 1 unless given
    #[arg(long, value_name = "SEED", allow_negative_numbers = true, conflicts_with = "seed_of_night")]
    pub(crate) from: Option<Seed>,
    /// Draw the first seed from a word, such as a date or a commit, so that no two nights play the same; from today's date (UTC) where it has no word
    #[arg(long, value_name = "WORD", num_args = 0..=1, default_missing_value = "")]
    pub(crate) seed_of_night: Option<String>,
    /// Begin no trial after so long, such as 30m
    #[arg(long = "for", value_name = "DURATION", value_parser = values::budget)]
    pub(crate) budget: Option<Duration>,
    /// Play one share of the trials: 2/4, count:2/4 (in turn), hash:2/4 (by sim and seed), or auto from SLURM_ARRAY_TASK_ID or,
    /// as auto/4, from JOB_COMPLETION_INDEX
    #[arg(long, value_name = "K/N")]
    pub(crate) partition: Option<TrialPartition>,
    /// Go on with the campaign of a report folder: what its journal has is not played again
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["sims", "exclude", "cites", "seeds", "from", "seed_of_night", "partition", "engine", "settings", "reports", "digests", "compare"])]
    pub(crate) resume: Option<PathBuf>,
    /// Trials at a time, each in a process of its own; as many as there are processors unless given
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Memory for all jobs together, such as 8GiB: no more jobs than have 1GiB each, and none may take more than its share; what is available unless given
    #[arg(long, value_name = "SIZE", value_parser = values::memory)]
    pub(crate) memory: Option<u64>,
    /// A trial that takes its process longer, by the wall clock, is given up (exit 70)
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = values::budget)]
    pub(crate) trial_limit: Duration,
    /// What plays the trials: leap, or turmoil for a second opinion; sims that it cannot express are skipped
    #[arg(long, value_name = "leap|turmoil", default_value_t)]
    pub(crate) engine: EngineKind,
    /// Begin no trial after so many that did not pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_failures: Option<u64>,
    /// Stop at the first trial that does not pass: --max-failures 1
    #[arg(long, conflicts_with = "max_failures")]
    pub(crate) fail_fast: bool,
    /// Make the first case of each of the first 20 causes small, in so many plays at most each, when all is played; 0 leaves them as they are
    #[arg(long, value_name = "PLAYS", default_value_t = SHRINK_PLAYS)]
    pub(crate) shrink: u32,
    /// Change a value of every sim, such as client.watchdog=off
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<Setting>,
    /// The folder that report folders are made in
    #[arg(long, default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// The report folder of the night before, to say which causes are new, go on, and are gone; the latest in --reports unless given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) against: Option<PathBuf>,
    /// Write the digest of each trial to a file, a line each: sim, seed, digest
    #[arg(long, value_name = "FILE")]
    pub(crate) digests: Option<PathBuf>,
    /// Compare the digest of each trial with such a file; stop at the first other one (exit 3)
    #[arg(long, value_name = "FILE", conflicts_with = "digests")]
    pub(crate) compare: Option<PathBuf>,
    /// How the summary is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArguments {
    /// The report folders of the shares
    #[arg(required = true, value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
    /// The folder of the merged report; it must not be there yet
    #[arg(long, value_name = "FOLDER")]
    pub(crate) into: PathBuf,
    /// The report folder of the night before, to say which causes are new, go on, and are gone
    #[arg(long, value_name = "FOLDER")]
    pub(crate) against: Option<PathBuf>,
    /// Trials at a time, where a failure is asked which faults it needs
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// How the summary is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct GridArguments {
    /// The sim file
    pub(crate) sim: PathBuf,
    /// A key and its values, such as node.keepalive=10s,20s,30s; several times for every combination
    #[arg(long = "set", value_name = "KEY=VALUES", required = true)]
    pub(crate) settings: Vec<String>,
    /// How many seeds, each played with every point, or which
    #[arg(long, value_name = "N|A..B", default_value = "50", allow_negative_numbers = true)]
    pub(crate) seeds: SeedCount,
    /// The first seed; 1 unless given
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    pub(crate) from: Option<Seed>,
    /// Trials at a time; as many as there are processors unless given
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// How the points are printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: GridFormat,
    /// Write a plot as well, as SVG: how soon a dead stream is noticed, against reconnects
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

/// How a grid is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GridFormat {
    /// For people.
    Text,
    /// A line for each point.
    Csv,
    /// For machines: one JSON array.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// Of what; a list of them unless given
    #[arg(value_enum)]
    pub(crate) what: Option<Published>,
}

/// There is one list of the words and their meanings.
impl ValueEnum for Published {
    fn value_variants<'a>() -> &'a [Self] {
        Published::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.title()))
    }
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// For a shell, to be sourced by it; or man, for pulseless.1
    #[arg(value_enum)]
    pub(crate) what: Generated,
}

/// What can be generated from the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generated {
    /// For bash.
    Bash,
    /// For zsh.
    Zsh,
    /// For fish.
    Fish,
    /// The manual page, in roff.
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// So many bytes at most
    #[arg(long)]
    pub(crate) memory: u64,
}
