//! A plan: the faults of one trial on a timeline.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which way bytes travel through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the client's side to the node.
    ToNode,
    /// From the node to the client's side.
    ToClient,
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Way::ToNode => "to the node",
            Way::ToClient => "to the client",
        })
    }
}

/// One kind of harm with its particulars; hosts are named as the sim's cast names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The proxy answers HTTP/2 PING and keeps streams open, but passes nothing.
    ProxySilenceUpstream {
        /// The hosts whose streams fall silent.
        on: BTreeSet<String>,
        /// One way only; none is both.
        way: Option<Way>,
        /// Streams whose path matches this pattern only; none is every path.
        path: Option<String>,
    },
    /// A process is killed (SIGKILL: its kernel closes its sockets) and started again at the clause's end.
    ProcessKill {
        /// The hosts whose processes die.
        on: BTreeSet<String>,
    },
}

impl Fault {
    /// The name that a sim file uses.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::ProxySilenceUpstream { .. } => "proxy-silence-upstream",
            Fault::ProcessKill { .. } => "process-kill",
        }
    }

    /// The hosts that it harms.
    #[must_use]
    pub fn hosts(&self) -> &BTreeSet<String> {
        match self {
            Fault::ProxySilenceUpstream { on, .. } | Fault::ProcessKill { on } => on,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.hosts().iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Fault::ProxySilenceUpstream { way, path, .. } => {
                write!(formatter, "the proxy passes nothing for {hosts}")?;
                if let Some(way) = way {
                    write!(formatter, " {way}")?;
                }
                if let Some(path) = path {
                    write!(formatter, " on {path}")?;
                }
                formatter.write_str(", and goes on answering HTTP/2 PING")
            }
            Fault::ProcessKill { .. } => write!(formatter, "the process of {hosts} is killed"),
        }
    }
}

/// One fault and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clause {
    /// The clause's number within its plan, from 1: it names the clause in history and reports.
    pub number: u32,
    /// When it begins, since the trial's start.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What happens.
    pub fault: Fault,
}

impl Clause {
    /// When it ends, since the trial's start.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.at + self.lasts
    }
}

/// The faults of a trial, by the time they begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The clauses.
    pub clauses: Vec<Clause>,
}

impl Plan {
    /// When the last fault has healed; zero where there is none.
    #[must_use]
    pub fn healed(&self) -> Duration {
        self.clauses.iter().map(Clause::end).max().unwrap_or_default()
    }
}
