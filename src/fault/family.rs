//! A storm: which families of faults the seed may draw, how many of them, and from when on.
//!
//! Refuses to know how they are drawn. Each trial of a storm leaves some families out (swarm testing, Groce et al.,
//! ISSTA 2012): what one kind of harm hides, another trial shows.

use std::collections::BTreeSet;
use std::time::Duration;

/// Faults that have something in common; the seed draws some families for each trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Nothing passes.
    Partitions,
    /// Everything takes long.
    SlowLinks,
    /// Segments vanish.
    Loss,
    /// Connections cannot be opened or are forgotten.
    Connections,
    /// Processes are killed.
    Deaths,
    /// Power fails.
    Power,
    /// Processes and hosts stand still.
    Pauses,
    /// Wall clocks go wrong.
    Clocks,
    /// Names lead elsewhere.
    Names,
    /// Disks fail.
    Disks,
    /// The proxy passes nothing.
    Silences,
    /// The proxy does anything else that a proxy should not.
    Lies,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 12] = [
        Family::Partitions,
        Family::SlowLinks,
        Family::Loss,
        Family::Connections,
        Family::Deaths,
        Family::Power,
        Family::Pauses,
        Family::Clocks,
        Family::Names,
        Family::Disks,
        Family::Silences,
        Family::Lies,
    ];

    /// The name that a sim file uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Partitions => "partitions",
            Family::SlowLinks => "slow-links",
            Family::Loss => "loss",
            Family::Connections => "connections",
            Family::Deaths => "deaths",
            Family::Power => "power",
            Family::Pauses => "pauses",
            Family::Clocks => "clocks",
            Family::Names => "names",
            Family::Disks => "disks",
            Family::Silences => "silences",
            Family::Lies => "lies",
        }
    }

    /// What happens, in one line.
    #[must_use]
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Family::Partitions => "nothing passes between some hosts, both ways or one",
            Family::SlowLinks => "bytes take long, or few of them pass",
            Family::Loss => "segments are lost, some at a time, or all large ones",
            Family::Connections => "connections are not accepted, or are forgotten when they are idle",
            Family::Deaths => "processes are killed, once or again and again, some at a named point",
            Family::Power => "hosts lose power, and what they had not synced is at risk",
            Family::Pauses => "processes are paused and hosts are suspended",
            Family::Clocks => "wall clocks jump or drift",
            Family::Names => "names cannot be resolved, or lead elsewhere",
            Family::Disks => "disks are full, slow or fail to sync; clients lose theirs or get an older one back",
            Family::Silences => "the proxy passes nothing and goes on answering HTTP/2 PING",
            Family::Lies => {
                "the proxy ends, slows, holds back, alters or repeats what it passes, or what HTTP/2 says of it"
            }
        }
    }
}

/// What the seed may draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    /// From which families.
    pub families: BTreeSet<Family>,
    /// How many clauses a family brings, in the mean, where it is drawn.
    pub intensity: u32,
    /// When the first may begin, since the trial's start.
    pub begins: Duration,
}
