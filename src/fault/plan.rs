//! A plan: the faults of one trial on a timeline.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Answer, Between, Death, DiskHarm, HostHarm, LinkHarm};

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
    /// Hosts are harmed.
    Host {
        /// The hosts.
        on: BTreeSet<String>,
        /// How.
        harm: HostHarm,
    },
    /// Links are harmed.
    Link {
        /// The links.
        between: Between,
        /// How.
        harm: LinkHarm,
    },
    /// Disks are harmed.
    Disk {
        /// The hosts whose disks they are.
        on: BTreeSet<String>,
        /// How.
        harm: DiskHarm,
    },
}

impl Fault {
    /// The name that a sim file uses.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::ProxySilenceUpstream { .. } => "proxy-silence-upstream",
            Fault::Host { harm, .. } => match harm {
                HostHarm::Dies { death: Death::Killed, .. } => "process-kill",
                HostHarm::Dies { death: Death::PoweredOff(_), .. } => "power-off",
                HostHarm::Dies { death: Death::DiskLost, .. } => "disk-lost",
                HostHarm::Dies { death: Death::DiskRestored { .. }, .. } => "disk-restored",
                HostHarm::RestartLoop { .. } => "restart-loop",
                HostHarm::Paused => "pause",
                HostHarm::Suspended => "suspend",
                HostHarm::ClockStep { .. } => "clock-step",
                HostHarm::ClockDrift { .. } => "clock-drift",
                HostHarm::BacklogFull => "backlog-full",
                HostHarm::Name { answer: Answer::Fails, .. } => "name-fails",
                HostHarm::Name { answer: Answer::Moves { .. }, .. } => "name-moves",
                HostHarm::Name { answer: Answer::Dead, .. } => "name-dead",
            },
            Fault::Link { harm, .. } => match harm {
                LinkHarm::Partition => "partition",
                LinkHarm::Latency(_) => "latency",
                LinkHarm::Bandwidth { .. } => "bandwidth",
                LinkHarm::Loss { .. } => "loss",
                LinkHarm::SynLoss { .. } => "syn-loss",
                LinkHarm::MtuBlackHole { .. } => "mtu-black-hole",
                LinkHarm::IdleDrop { .. } => "idle-drop",
            },
            Fault::Disk { harm, .. } => match harm {
                DiskHarm::SyncFails => "sync-fails",
                DiskHarm::Full => "disk-full",
                DiskHarm::SlowSync { .. } => "slow-sync",
                DiskHarm::BitRot { .. } => "bit-rot",
            },
        }
    }

    /// The hosts that it harms; links have none of their own.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let on = match self {
            Fault::ProxySilenceUpstream { on, .. } | Fault::Host { on, .. } | Fault::Disk { on, .. } => Some(on),
            Fault::Link { .. } => None,
        };
        on.into_iter().flatten().map(String::as_str)
    }

    /// Whether it harms that host, or a link at one of whose ends the host stands.
    #[must_use]
    pub fn falls_on(&self, host: &str) -> bool {
        match self {
            Fault::ProxySilenceUpstream { on, .. } | Fault::Host { on, .. } | Fault::Disk { on, .. } => {
                on.contains(host)
            }
            Fault::Link { between, .. } => between.from.contains(host) || between.to.contains(host),
        }
    }
}

/// Who put a clause into a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The sim file names it: a trial in which it is never felt shows too little.
    #[default]
    File,
    /// The seed drew it in a storm: it may find nobody to harm.
    Storm,
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
    /// Who put it there; a case file that does not say so is older than storms.
    #[serde(default)]
    pub origin: Origin,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_without_an_origin_is_of_the_file() {
        let fault = r#"{"Host":{"on":["node"],"harm":"Paused"}}"#;
        let text =
            format!(r#"{{"number":1,"at":{{"secs":1,"nanos":0}},"lasts":{{"secs":2,"nanos":0}},"fault":{fault}}}"#);
        let clause: Clause = serde_json::from_str(&text).expect("a clause of an older case file");
        assert_eq!((clause.origin, clause.fault.kind()), (Origin::File, "pause"));
    }
}
