//! What can be seen in a trial.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use crate::cast::{Cast, HostName};
use crate::channel::{Channel, MessageId, Position};
use crate::env::Disconnection;
use crate::fault::{Clause, Direction};
use crate::history::{TappedFrame, Words};

/// One stream as the proxy's tap knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TapStream {
    /// The proxy process that carries it: 1 for the first, one more after each restart.
    pub incarnation: u32,
    /// The serial number of the client's connection in that process.
    pub connection: u64,
    /// The HTTP/2 stream id on that connection.
    pub stream: u32,
}

impl fmt::Display for TapStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "stream {}.{}.{}", self.incarnation, self.connection, self.stream)
    }
}

/// What became of bytes that the proxy received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fate {
    /// Passed on.
    Passed,
    /// Taken and never passed on.
    Swallowed,
}

/// Why a server closed a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum CloseReason {
    /// The client half-closed and everything was finished (S11).
    Finished,
    /// The connection or the stream was gone.
    PeerGone,
    /// No Pong in time (S6).
    Reaped,
    /// A request was refused.
    Refused(Words),
    /// The consumer was too slow.
    TooSlow,
    /// The server could not go on.
    Failed(Words),
    /// The caller may not have what it asked for (S7).
    Denied(Words),
}

/// How a program failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum ProgramFailure {
    /// One of its tasks panicked.
    Panicked,
    /// It returned an error.
    Exited,
    /// It went on at one instant, and waited for nothing.
    Looped,
}

/// What an examiner found of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Examined {
    /// It is kept.
    Kept,
    /// It is broken.
    Broken,
    /// Nobody can tell.
    Open,
}

/// Why a client's attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum EndCause {
    /// No connection came about.
    DialFailed,
    /// The stream was refused before anything came of it.
    Refused,
    /// Nothing arrived for too long.
    Watchdog,
    /// The client's own store failed.
    StoreFailed,
    /// What was to be sent went past its bound.
    BacklogFull,
    /// The stream failed.
    StreamFailed,
    /// The server closed the stream, and nobody had asked it to.
    StreamEnded,
    /// The server closed a stream that this side had half-closed.
    Finished,
    /// The client left a fallback, to try again what it had fallen back from.
    FallbackOver,
    /// The client's own application took so little that the client gave the stream up.
    ConsumerBehind,
    /// The server refuses for good what was asked for.
    Rejected,
    /// The server has no room for what was asked for.
    Exhausted,
    /// Nothing answered what the client asked after a suspension.
    Stale,
}

/// What repeats as long as all is well. Repetitions are folded into one record with a count, so that a
/// quiet day needs no more memory than a quiet hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Beat {
    /// The tap saw an application Ping.
    Ping {
        /// The stream.
        stream: TapStream,
        /// Which way it travelled.
        way: Direction,
        /// Whether it went on.
        fate: Fate,
    },
    /// The tap saw an application Pong.
    Pong {
        /// The stream.
        stream: TapStream,
        /// Which way it travelled.
        way: Direction,
        /// Whether it went on.
        fate: Fate,
    },
    /// The proxy answered an HTTP/2 PING by itself.
    KeepaliveAnswered {
        /// The proxy process.
        incarnation: u32,
        /// The client's connection.
        connection: u64,
    },
    /// A client received a Ping or a Pong on its stream.
    Heard {
        /// The client's attempt to connect, from 1 in each process.
        attempt: u64,
    },
    /// The tap saw a heartbeat of a server that nobody answers.
    Waiting {
        /// The stream.
        stream: TapStream,
        /// Whether it went on.
        fate: Fate,
    },
    /// Something arrived on a connection that a host has dialed.
    Received {
        /// Its number in its world.
        connection: u64,
    },
}

/// What the servers of a trial grant to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Bounds {
    /// As much as they do by default.
    Usual,
    /// Less, in some of their bounds.
    Lowered,
}

impl Bounds {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn are_usual(&self) -> bool {
        *self == Bounds::Usual
    }
}

/// The terms on which a trial is judged: the head of every history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// The node's idle interval (S6).
    pub keepalive: Duration,
    /// N of C2: after so many silent intervals a stream is dead.
    pub intervals: u32,
    /// The longest that bytes travel between a client and the node, both links together, one way.
    pub travel: Duration,
    /// When all faults have healed and the workload has ended: from here on convergence is judged.
    pub calm: Duration,
    /// After the calm began, everybody has everything within this time.
    pub within: Duration,
    /// When the trial ends.
    pub end: Duration,
    /// Who follows what, and from which cursor.
    pub followers: Vec<(HostName, Vec<Position>)>,
    /// Who takes part, and what each can do.
    pub cast: Cast,
    /// The servers grant less than they usually do: a stream may end at a bound.
    #[serde(skip_serializing_if = "Bounds::are_usual")]
    pub bounds: Bounds,
    /// How long an application takes for each batch.
    #[serde(skip_serializing_if = "Duration::is_zero")]
    pub consume: Duration,
    /// What nobody may follow; it is left out of digests where nothing is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<Channel>,
    /// Servers may be old ones, which refuse the newer call; it is left out of digests where none is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub old_servers: bool,
    /// Servers never ask whether a client lives, and `keepalive` is what clients assume; it is left out of digests where
    /// they do ask.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub silent_servers: bool,
    /// Proxies end streams by habit, at an age or after a time without a byte, which is no fault of the plan; it is left
    /// out of digests where they do not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub proxies_end_streams: bool,
    /// How long clients wait between two attempts.
    #[serde(skip_serializing_if = "BackoffSteps::are_usual")]
    pub backoff: BackoffSteps,
    /// How long a server waits for its Pong (S6); none where that is the interval, and then it is left out of digests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pong_within: Option<Duration>,
}

impl Terms {
    /// How long a server waits for its Pong (S6).
    #[must_use]
    pub fn pong_deadline(&self) -> Duration {
        self.pong_within.unwrap_or(self.keepalive)
    }
}

/// Between two attempts a client waits within a step, which doubles from the first to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BackoffSteps {
    /// After one failure.
    pub first: Duration,
    /// However many there were.
    pub longest: Duration,
}

impl Default for BackoffSteps {
    /// 100 ms and 30 s: the gateway's values (protocol, section 4).
    fn default() -> Self {
        BackoffSteps { first: Duration::from_millis(100), longest: Duration::from_secs(30) }
    }
}

impl BackoffSteps {
    /// They are left out of digests then.
    fn are_usual(&self) -> bool {
        *self == BackoffSteps::default()
    }
}

/// One thing that was seen. The record names the host it happened on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The trial began (host: the world).
    Began(Terms),
    /// A fault of the plan began (host: the world).
    FaultBegan(Clause),
    /// A fault of the plan ended (host: the world). `felt` tells whether it ever had an effect.
    FaultEnded {
        /// The clause's number.
        clause: u32,
        /// Whether anything was harmed.
        felt: bool,
    },
    /// A process began on the host.
    ProcessBegan {
        /// 1 for the first, one more after each restart.
        incarnation: u32,
    },
    /// The process on the host died.
    ProcessKilled,

    /// A producer sent a message (host: its producer).
    Produced {
        /// The channel.
        channel: Channel,
        /// A hash of the message's data.
        key: u64,
    },
    /// The node acknowledged it (host: its producer).
    Acknowledged {
        /// The channel.
        channel: Channel,
        /// A hash of the message's data.
        key: u64,
    },
    /// The producer does not know whether it is stored (host: its producer).
    ProduceFailed {
        /// The channel.
        channel: Channel,
        /// A hash of the message's data.
        key: u64,
        /// Why, in words.
        words: Words,
    },

    /// The node stored a message durably (host: the node).
    Stored {
        /// The channel.
        channel: Channel,
        /// Its id.
        id: MessageId,
        /// A hash of the message's data.
        key: u64,
    },
    /// The node opened a subscription stream (host: the node).
    StreamOpened {
        /// The node's number for it, from 1 in each process.
        stream: u64,
    },
    /// The node closed a subscription stream (host: the node).
    StreamClosed {
        /// The node's number for it.
        stream: u64,
        /// Why.
        reason: CloseReason,
    },

    /// The tap saw a client's stream open (host: the client).
    TapOpened {
        /// The stream.
        stream: TapStream,
        /// Its path.
        path: String,
    },
    /// The tap saw a frame of a subscription (host: the client).
    Tapped {
        /// The stream.
        stream: TapStream,
        /// Which way it travelled.
        way: Direction,
        /// Whether it went on.
        fate: Fate,
        /// The frame.
        frame: TappedFrame,
    },
    /// The tap saw the stream's end, as the client sees it (host: the client).
    TapClosed {
        /// The stream.
        stream: TapStream,
        /// The status in the server's trailers, as numbered in gRPC; none where no trailers were seen.
        status: Option<u16>,
    },

    /// A client dials (host: the client).
    Dialing {
        /// From 1 in each process.
        attempt: u64,
    },
    /// A client opened its stream with these cursors (host: the client).
    Opened {
        /// The attempt.
        attempt: u64,
        /// What it resumes from.
        resume: Vec<Position>,
    },
    /// The node's first frame reached the client (host: the client).
    Started {
        /// The attempt.
        attempt: u64,
    },
    /// The watchdog asked for a sign of life (host: the client).
    WatchdogPinged {
        /// The attempt.
        attempt: u64,
    },
    /// The watchdog gave the stream up (host: the client).
    WatchdogTripped {
        /// The attempt.
        attempt: u64,
        /// How long nothing had arrived.
        silent_for: Duration,
    },
    /// The application has processed messages, which the inbox stores next (host: the client).
    Processed {
        /// How many.
        messages: u64,
        /// A hash of channel, id and a hash of the data of each, in order.
        key: u64,
    },
    /// Messages reached the application and the inbox, in one transaction (host: the client).
    Delivered {
        /// The attempt.
        attempt: u64,
        /// Channel, id and a hash of the data of each, in order.
        messages: Vec<(Channel, MessageId, u64)>,
    },
    /// A client's attempt ended (host: the client).
    Ended {
        /// The attempt.
        attempt: u64,
        /// Why.
        cause: EndCause,
        /// Why, in words.
        words: Words,
    },
    /// A client waits before it dials again (host: the client).
    BackingOff {
        /// The attempt that ended.
        attempt: u64,
        /// How long.
        delay: Duration,
    },

    /// Something that repeats (host: the client).
    Beat {
        /// What.
        beat: Beat,
        /// The nonce, where there is one: two Pings are never the same event.
        nonce: Option<u64>,
    },

    /// The power of the host failed; its process dies with it.
    PowerFailed,
    /// The host's disk is as it was at that time, zero is empty: what it kept later is gone.
    DiskReplaced {
        /// Since the trial's start.
        as_of: Duration,
    },
    /// The node opened its log and found messages up to these ids (host: the node).
    LogOpened {
        /// The newest id of each sequence; 0 where there is none.
        heads: Vec<(Arc<str>, MessageId)>,
    },
    /// A client opened its inbox and found these cursors (host: the client).
    InboxOpened {
        /// How far each topic is.
        cursors: Vec<Position>,
    },
    /// A process reported that its store failed or is corrupt (host: its own).
    StoreFailed {
        /// What it said.
        words: Words,
    },
    /// The program on the host failed; the trial ends here (host: its own).
    ProgramFailed {
        /// How.
        how: ProgramFailure,
        /// In words.
        words: Words,
    },
    /// The producer was told that the message is not stored, or never sent it (host: its producer).
    ProduceRefused {
        /// The channel.
        channel: Channel,
        /// A hash of the message's data.
        key: u64,
        /// Why, in words.
        words: Words,
    },
    /// An examiner looked at what a server does (host: the examiner).
    Examined {
        /// The number of the requirement.
        requirement: String,
        /// What it found.
        found: Examined,
        /// In words.
        words: Words,
    },
    /// A client has no stream any more, and its application has yet to take what had arrived (host: the client).
    LetGo {
        /// The attempt; its end is told after that.
        attempt: u64,
        /// Why.
        cause: EndCause,
    },
    /// A client found out that it was suspended, and doubts its stream (host: the client).
    Suspended {
        /// The attempt.
        attempt: u64,
        /// For how long.
        lasted: Duration,
    },
    /// It asked whether the stream outlived that (host: the client).
    Probed {
        /// The attempt.
        attempt: u64,
    },
    /// The stream did (host: the client).
    ProbeAnswered {
        /// The attempt.
        attempt: u64,
    },
    /// Who shares a stream with others asks for channels, or gives some up (host: the one who shares).
    Leased {
        /// Through whom.
        via: HostName,
        /// Its how many-th lease this is.
        lease: u64,
        /// What it asks for, after the removes.
        adds: Vec<Position>,
        /// What it gives up.
        removes: Vec<Channel>,
    },
    /// It was told that a channel is live (host: the one who shares).
    LeaseMarked {
        /// Which; none where all are that it has asked for.
        channel: Option<Channel>,
    },
    /// Its lease is over (host: the one who shares).
    LeaseOver,
    /// It takes nothing for a while (host: the one who shares).
    Resting {
        /// For how long.
        lasts: Duration,
    },
    /// The tap saw the client half-close the stream (host: the client).
    HalfClosed {
        /// The stream.
        stream: TapStream,
    },
    /// What a process holds at this instant: stock is taken before the first fault, as the calm begins and at the end.
    Holds {
        /// Sockets that it connected and has not closed.
        dialed: usize,
        /// Sockets that it accepted and has not closed.
        accepted: usize,
        /// Tasks that it spawned and that have not ended.
        tasks: usize,
    },
    /// The program on the host has ended or failed, and its supervisor begins it again after a while (host: its own).
    ProgramEnded {
        /// In words.
        words: Words,
    },
    /// A host is connected to one that it dialed (host: who dialed). Told only where programs do not say so themselves.
    Connected {
        /// The connection's number in its world, from 0.
        connection: u64,
        /// Who was dialed.
        to: HostName,
    },
    /// That connection is over for who dialed it, as its kernel knows (host: who dialed).
    Disconnected {
        /// Its number.
        connection: u64,
        /// How.
        how: Disconnection,
    },
}

impl Event {
    /// The name of every kind, as [`Event::kind`] says it.
    #[must_use]
    pub fn kinds() -> Vec<&'static str> {
        let of_events = Event::VARIANTS.iter().filter(|name| **name != "beat");
        of_events.chain(Beat::VARIANTS).copied().collect()
    }

    /// The name of its kind, such as `fault-began`; a beat's is what beats, such as `heard`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if let Event::Beat { beat, .. } = self { beat.into() } else { self.into() }
    }
}
