//! Harm to hosts: their processes, power, clocks and the names that they look up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the disk keeps of writes that were never synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsynced {
    /// Nothing.
    Lost,
    /// A prefix of them in order, the last one torn at a sector.
    Torn,
    /// Any of them, sector by sector: between two syncs a disk may write in any order (POSIX promises none).
    Reordered,
}

/// An event of a process at which it can die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Landmark {
    /// It makes writes durable (fsync).
    DurableWrite,
    /// It reads an HTTP/2 DATA frame from a socket.
    Frame,
}

/// Just before or just after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// It has not happened.
    Before,
    /// It has happened, and nothing after it.
    After,
}

/// A named point of a process's life, counted from the time at which the fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The kind of event.
    pub landmark: Landmark,
    /// Which one, from 1.
    pub nth: u32,
    /// On which side of it.
    pub moment: Moment,
}

/// How a host comes to a halt, and what its disk is like when it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// One kind of harm to hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostHarm {
    /// It dies, at once or at a named point, and starts again when the fault ends.
    Dies {
        /// How.
        death: Death,
        /// When, after the fault began; none is at once.
        point: Option<Point>,
    },
    /// Its process is killed again and again.
    RestartLoop {
        /// How long each process lives.
        up: Duration,
        /// How long it takes to start the next one.
        down: Duration,
    },
    /// The process stands still (SIGSTOP); the kernel goes on acknowledging.
    Paused,
    /// The whole host sleeps, as a phone does: no packet is answered, the monotonic clock stands still, boottime and
    /// wall clock run on.
    Suspended,
    /// The wall clock jumps, and jumps back when the fault ends.
    ClockStep {
        /// How far, in milliseconds; negative is into the past.
        by_ms: i64,
    },
    /// The wall clock runs at another speed until the fault ends, and keeps what it gained.
    ClockDrift {
        /// Microseconds per second; negative is too slow.
        parts_per_million: i32,
    },
    /// Its listeners accept nothing: the queue of connections that wait for accept(2) is full.
    BacklogFull,
    /// It looks up a name and is told something else.
    Name {
        /// The name, that of a host.
        name: String,
        /// What it is told.
        answer: Answer,
    },
}

/// What a resolver says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// That there is no such name.
    Fails,
    /// The address of another host.
    Moves {
        /// That host.
        to: String,
    },
    /// The address of a host that is no more: nothing ever answers there.
    Dead,
}
