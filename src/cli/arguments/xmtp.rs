//! The flags of the commands of our own subject on real TCP.
//!
//! Refuses to know what a command does.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::arguments::Format;
use crate::cli::dialing::DialTarget;
use crate::cli::values;
use crate::cli::xmtp_values::{self, Patience};
use crate::env::Address;
use crate::grammar::Rate;
use crate::subject::xmtp::client::BackoffConfig;
use crate::subject::xmtp::conformance::Bound;
use crate::subject::xmtp::node::Serves;
use crate::subject::xmtp::wire::{Dialect, Topic};

pub(crate) const SERVER_EXIT_CODES: &str = "Exit codes: 0 ended by Ctrl-C or SIGTERM; 64 the command line is wrong, or a port or folder that it names cannot be used.";
pub(crate) const TAIL_EXIT_CODES: &str = "\
Exit codes: 0 ended by Ctrl-C or SIGTERM, or nobody reads the output any more, or --until-now has printed everything; 1 \
the node rejects the subscription, or --until-now has not; 64 the command line is wrong, or the inbox's folder cannot \
be used; 74 standard output fails. A node that cannot be reached is no error: the tail dials again for ever. A message \
is printed once it is stored, and never twice: after a crash in between, the next start says what may not have been \
printed (with --at-least-once: what may be printed a second time).";
pub(crate) const CONFORM_EXIT_CODES: &str = "\
Exit codes: 0 every row passes; 1 a row is violated; 2 a row, or the whole node, could not be judged; 64 the command \
line is wrong. Rows publish to random topics of their own, and need about four intervals of the node.";
pub(crate) const CONFORM_CLIENT_EXIT_CODES: &str = "\
Exit codes: 0 every row passes; 1 a row is violated; 2 a row could not be judged; 64 the command line is wrong, the port \
is taken, or the client cannot be started. The client must dial the address itself, follow a topic of its own choice, \
and resume after a kill. One that follows shows nothing of a half-close, and one that catches up and ends nothing else: \
judge a bounded catch-up by itself, with --only C4.";
pub(crate) const PUBLISH_EXIT_CODES: &str = "\
Exit codes: 0 everything is stored; 1 it is not; 2 nobody knows, because the answer did not come; 64 the command line \
is wrong; 74 standard output fails. One attempt is made, never a second: a second could store a second copy. Lines are stored one by one, and the \
first that is not ends it; Ctrl-C or SIGTERM ends it once the line in flight is stored.";

#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    /// Where it listens, such as 127.0.0.1:5556; with port 0 it takes a free port, and says which
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5556", value_parser = values::listening)]
    pub(crate) listen: Address,
    /// The folder of its message log, made if it is not there; one node at a time
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Ping a stream after so long without a frame, and close it if no pong comes within as long again
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = xmtp_values::keepalive)]
    pub(crate) keepalive: Duration,
    /// Be an old node, whose Subscribe is UNIMPLEMENTED: at once, or in trailers after the headers (C6)
    #[arg(long, value_name = "everything|older-calls|older-calls-late", default_value = "everything", value_parser = xmtp_values::serves)]
    pub(crate) serves: Serves,
    /// What it speaks on Subscribe, beside each other; any other dialect is UNIMPLEMENTED
    #[arg(long = "dialect", value_name = "v1|draft|decentralized", default_value = "v1", num_args = 1.., value_parser = xmtp_values::dialect)]
    pub(crate) dialects: Vec<Dialect>,
    /// Let nobody read topics such as group:NAME or welcome:*; whoever adds one loses the stream (S7)
    #[arg(long, value_name = "PATTERN", value_parser = xmtp_values::pattern)]
    pub(crate) denies: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConformArguments {
    /// The node, as http://HOST:PORT or HOST:PORT (HTTP/2 in the clear)
    #[arg(value_name = "NODE", value_parser = xmtp_values::node)]
    pub(crate) node: Address,
    /// Only the rows of these requirements, such as S6,T9
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = xmtp_values::judged_requirement)]
    pub(crate) only: Vec<String>,
    /// The node's keepalive interval, if it advertises none
    #[arg(long, value_name = "DURATION", value_parser = xmtp_values::keepalive)]
    pub(crate) interval: Option<Duration>,
    /// How long a row may wait for the interval; rows that need longer are not judged
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = values::duration)]
    pub(crate) patience: Duration,
    /// A bound of the node (S8), so that a row can go over it: adds, topics, waves, mutates, pings or pending
    #[arg(long = "bound", value_name = "NAME=N", value_parser = xmtp_values::bound)]
    pub(crate) bounds: Vec<(Bound, usize)>,
    /// A topic that the node refuses to this client (S7), such as group:NAME or welcome:NAME
    #[arg(long, value_name = "TOPIC", value_parser = xmtp_values::topic)]
    pub(crate) refused_topic: Option<Topic>,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ConformClientArguments {
    /// Where the scripted node listens, such as 127.0.0.1:5557; port 0 is refused
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Address,
    /// Only the rows of these requirements, such as C1,C2
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = xmtp_values::judged_requirement_of_a_client)]
    pub(crate) only: Vec<String>,
    /// The keepalive interval that the scripted node advertises
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = xmtp_values::keepalive)]
    pub(crate) interval: Duration,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// The client's command, run as it is and killed with SIGKILL, and what it has started with it
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArguments {
    /// The node, or a proxy in front of it: host:port, or https://host:port, which is dialed by TLS
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) to: DialTarget,
    /// With https: trust the owners of these certificates (PEM), and nobody else; whom this machine trusts unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The group that the texts are published to
    #[arg(long, value_name = "NAME", value_parser = xmtp_values::group)]
    pub(crate) topic: String,
    /// Which originator is to number them, at a node that speaks decentralized; groups have even numbers
    #[arg(long, value_name = "NUMBER")]
    pub(crate) originator: Option<u32>,
    /// Publish at most so many lines of standard input in a second, a minute or an hour, such as 50/s
    #[arg(long, value_name = "N/s", value_parser = values::rate, conflicts_with = "texts")]
    pub(crate) rate: Option<Rate>,
    /// The texts: one message each, all stored or none. Where there is none, each line of standard input is a message
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TailArguments {
    /// The node, or a proxy in front of it: host:port, or https://host:port, which is dialed by TLS
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) from: DialTarget,
    /// With https: trust the owners of these certificates (PEM), and nobody else; whom this machine trusts unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The groups to follow, each from where this inbox is or else from --from-cursor
    #[arg(long = "topic", value_name = "NAME", required = true, num_args = 1.., value_parser = xmtp_values::group)]
    pub(crate) topics: Vec<String>,
    /// The folder of its inbox, made if it is not there; a restart goes on from it; one tail at a time
    #[arg(long, value_name = "FOLDER", visible_alias = "data")]
    pub(crate) inbox: PathBuf,
    /// Follow from behind this id, 0 being the beginning; where the inbox is further on, from there
    #[arg(long, value_name = "ID", default_value_t = 0)]
    pub(crate) from_cursor: u64,
    /// Print each message as a JSON object on a line: topic, id, created, and text or (in hexadecimal) data
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a message before it is stored, not after: a crash in between prints it a second time
    #[arg(long)]
    pub(crate) at_least_once: bool,
    /// Reconnect after so many silent keepalive intervals of the node (2 to 10), or off to trust HTTP/2 alone
    #[arg(long, value_name = "N|off", default_value = "3")]
    pub(crate) watchdog: Patience,
    /// Give up a connection that has not come about after so long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = xmtp_values::connect_timeout)]
    pub(crate) connect_timeout: Duration,
    /// Wait up to the first of these before it dials again, and up to twice as long each time, until the second
    #[arg(long, value_name = "FIRST..LONGEST", default_value = "100ms..30s", value_parser = xmtp_values::backoff)]
    pub(crate) backoff: BackoffConfig,
    /// How much may be sent ahead of it on its stream
    #[arg(long, value_name = "SIZE", default_value = "2MiB", value_parser = xmtp_values::stream_window)]
    pub(crate) stream_window: u32,
    /// How much may be sent ahead of it on its connection
    #[arg(long, value_name = "SIZE", default_value = "2147483647B", value_parser = xmtp_values::connection_window)]
    pub(crate) connection_window: u32,
    /// What it speaks with the node; in the draft the beginning is behind id 1, and decentralized has no --from-cursor
    #[arg(long, value_name = "v1|draft|decentralized", default_value = "v1", value_parser = xmtp_values::dialect)]
    pub(crate) dialect: Dialect,
    /// Print what is stored there now, and end: one attempt, given up where nothing new comes for 30s
    #[arg(long)]
    pub(crate) until_now: bool,
    /// Hold no stream: print what is stored there, hang up, and come again after so long, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = xmtp_values::window, conflicts_with = "until_now")]
    pub(crate) every: Option<Duration>,
}
