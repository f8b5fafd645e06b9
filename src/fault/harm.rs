//! What is done to the world, by whom: the few primitives that every kind of fault is made of.
//!
//! Refuses to know kinds and plans. The proxy, the links, a host's kernel, its processes, its clock and its disk each
//! carry out what is theirs; a new kind of fault mostly needs no new primitive.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::cast::HostName;
use crate::fault::words::told_hosts;
use crate::grammar::{Latency, Naming};
use crate::lie::{Aim, HeaderMatch, Lie, Rule, Trigger};

/// A harm, by who carries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Every proxy, to the streams of some hosts.
    Proxy {
        /// The hosts.
        on: BTreeSet<HostName>,
        /// How.
        harm: ProxyHarm,
    },
    /// The links between hosts.
    Link {
        /// The links.
        between: Between,
        /// How.
        harm: LinkHarm,
    },
    /// The kernels of hosts.
    Kernel {
        /// The hosts.
        on: BTreeSet<HostName>,
        /// How.
        harm: KernelHarm,
    },
    /// The processes of hosts.
    Process {
        /// The hosts.
        on: BTreeSet<HostName>,
        /// How.
        harm: ProcessHarm,
    },
    /// The wall clocks of hosts.
    Clock {
        /// The hosts.
        on: BTreeSet<HostName>,
        /// How.
        harm: ClockHarm,
    },
    /// The disks of hosts.
    Disk {
        /// The hosts.
        on: BTreeSet<HostName>,
        /// How.
        harm: DiskHarm,
    },
}

impl Harm {
    /// The hosts that it falls on; links have none of their own.
    pub fn hosts(&self) -> impl Iterator<Item = &HostName> {
        let on = match self {
            Harm::Proxy { on, .. }
            | Harm::Kernel { on, .. }
            | Harm::Process { on, .. }
            | Harm::Clock { on, .. }
            | Harm::Disk { on, .. } => Some(on),
            Harm::Link { .. } => None,
        };
        on.into_iter().flatten()
    }
}

/// What a proxy does wrong, to which of the streams or connections of some hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHarm {
    /// Streams whose path matches this pattern only; none is every path.
    pub path: Option<String>,
    /// Streams whose request has a header of that name with a value of that pattern only.
    pub header: Option<(String, String)>,
    /// Each stream of so many on its connection only.
    pub nth: Option<u32>,
    /// From which moment of a stream's life on.
    pub when: Trigger,
    /// What is done.
    pub lie: Lie,
}

impl ProxyHarm {
    /// That lie on all that it can be told about, at once.
    #[must_use]
    pub(crate) fn plain(lie: Lie) -> Self {
        ProxyHarm { path: None, header: None, nth: None, when: Trigger::Opened, lie }
    }

    /// What a proxy is told: it meets those at these addresses; none is all of them.
    #[must_use]
    pub(crate) fn rule(&self, peers: Option<BTreeSet<IpAddr>>) -> Rule {
        let ProxyHarm { path, header, nth, when, lie } = self;
        let header = header.as_ref().map(|(name, value)| HeaderMatch { name: name.clone(), value: glob(value) });
        let (paths, every) = (path.as_deref().map(glob), nth.and_then(NonZeroU32::new));
        let aim = Aim { peers, paths, header, every, ..Aim::default() };
        Rule { aim, when: *when, lie: lie.clone() }
    }
}

fn glob(pattern: &str) -> globset::GlobMatcher {
    globset::Glob::new(pattern).expect("patterns are checked when they are read").compile_matcher()
}

/// The links that a harm falls on: from each of some hosts to each of others, and back unless it is one-way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Between {
    /// The hosts at the one end.
    pub from: BTreeSet<HostName>,
    /// The hosts at the other end.
    pub to: BTreeSet<HostName>,
    /// Only what travels from `from` to `to` is harmed.
    pub one_way: bool,
}

impl fmt::Display for Between {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let naming = Naming::of(formatter);
        let (from, to) = (told_hosts(&self.from, naming), told_hosts(&self.to, naming));
        if self.one_way {
            write!(formatter, "from {from} to {to}")
        } else {
            write!(formatter, "between {from} and {to}")
        }
    }
}

/// What becomes of a packet on a connection whose idle mapping has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// It vanishes, and so does every later one (Azure's default).
    Drop,
    /// Its sender is answered with RST (an AWS NLB).
    Reset,
}

/// What happens on the way between two hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkHarm {
    /// Nothing passes; TCP retransmits until it heals or gives up.
    Partition,
    /// Everything takes another time.
    Latency(Latency),
    /// So many bytes per second pass, on all connections together.
    Bandwidth {
        /// Bytes per second.
        bytes_per_second: u64,
    },
    /// Segments are lost, which TCP repairs at the price of time.
    Loss {
        /// So many of a hundred segments, in hundredths of a percent: 250 is 2.5 %.
        basis_points: u32,
        /// How many segments are lost in a row, in the mean; 1 is independent loss.
        burst: u32,
    },
    /// Segments that open a connection are lost, and no others.
    SynLoss {
        /// So many of a hundred, in hundredths of a percent.
        basis_points: u32,
    },
    /// Segments larger than this are lost and nobody is told (a path MTU black hole, RFC 2923).
    MtuBlackHole {
        /// The largest TCP payload that passes, in bytes.
        largest: u32,
    },
    /// A middlebox forgets connections on which nothing passed for so long.
    IdleDrop {
        /// After how long.
        after: Duration,
        /// What becomes of later packets.
        then: Expired,
    },
}

/// What a kernel does wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelHarm {
    /// Its listeners accept nothing: the queue of connections that wait for accept(2) is full.
    BacklogFull,
    /// It looks up a name and is told something else.
    Name {
        /// The name, that of a host.
        name: HostName,
        /// What it is told.
        answer: Answer,
    },
}

/// What a resolver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// That there is no such name.
    Fails,
    /// The address of another host.
    Moves {
        /// That host.
        to: HostName,
    },
    /// The address of a host that is no more: nothing ever answers there.
    Dead,
    /// The right address, late.
    Late {
        /// How long it takes.
        takes: Duration,
    },
}

/// What happens to a process, or to the host that it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessHarm {
    /// It dies, at once or at a named point, and starts again when the harm ends.
    Dies {
        /// How.
        death: Death,
        /// When, after the harm began; none is at once.
        point: Option<Point>,
    },
    /// It is asked to stop, and killed later; the times are the plan's to say.
    Stops,
    /// It is killed again and again; the times are the plan's to say.
    RestartLoop,
    /// It stands still (SIGSTOP); the kernel goes on acknowledging.
    Paused,
    /// The whole host sleeps, as a phone does: no packet is answered, the monotonic clock stands still, boottime and
    /// wall clock run on.
    Suspended,
}

/// How a host comes to a halt, and what its disk is like when it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Death {
    /// The process is killed (SIGKILL): its kernel closes its sockets, and keeps what it wrote.
    Killed,
    /// The power fails: silence, then RST for old connections once it is back; unsynced writes are at risk.
    PoweredOff(Unsynced),
    /// It is killed and starts again with an empty disk.
    DiskLost,
    /// It is killed and starts again with its disk as it was at that time of the trial.
    DiskRestored {
        /// Since the trial's start.
        from: Duration,
    },
}

/// What the disk keeps of writes that were never synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsynced {
    /// Nothing.
    Lost,
    /// A prefix of them in order, the last one torn at a sector.
    Torn,
    /// Any of them, sector by sector: between two syncs a disk may write in any order (POSIX promises none).
    Reordered,
}

/// An event of a process at which it can die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landmark {
    /// It makes writes durable (fsync).
    DurableWrite,
    /// It reads an HTTP/2 DATA frame from a socket.
    Frame,
}

/// Just before or just after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has not happened.
    Before,
    /// It has happened, and nothing after it.
    After,
}

/// A named point of a process's life, counted from the time at which the harm begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The kind of event.
    pub landmark: Landmark,
    /// Which one, from 1.
    pub nth: u32,
    /// On which side of it.
    pub moment: Moment,
}

/// What a wall clock does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockHarm {
    /// It jumps, and jumps back when the harm ends.
    Step {
        /// How far, in milliseconds; negative is into the past.
        by_ms: i64,
    },
    /// It runs at another speed until the harm ends, and keeps what it gained.
    Drift {
        /// Microseconds per second; negative is too slow.
        parts_per_million: i32,
    },
}

/// What a disk does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskHarm {
    /// fsync(2) fails with EIO, and what it should have kept is forgotten, as Linux does: a later success keeps
    /// only what was written after it.
    SyncFails {
        /// Each sync of so many.
        every: u32,
    },
    /// No byte more fits: ENOSPC for whatever would make a store longer.
    Full,
    /// fsync(2) takes so long, and the process waits for it.
    SlowSync {
        /// How long.
        takes: Duration,
    },
    /// A bit of what a process has not read or written since it started is wrong when it reads it at last.
    BitRot {
        /// So many of a hundred reads of a cold page, in hundredths of a percent.
        basis_points: u32,
    },
}
