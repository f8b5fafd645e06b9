//! What a stream is opened with, what it is told to do, and what it tells.
//!
//! Refuses to know who submits and who listens: the handle and the actor meet here.

use std::sync::Arc;
use std::time::Duration;

use crate::env::Env;
use crate::subject::xmtp::client::heard_data::HeardData;
use crate::subject::xmtp::client::probe::Ack;
use crate::subject::xmtp::client::{Cause, ClientObserver, ClientQuirk};
use crate::subject::xmtp::wire::{DeliveryFrame, Dialect, Message, Mutate, MutateId, Topic};

/// What a stream is opened with, besides its topics.
#[derive(Clone)]
pub struct StreamSettings {
    /// The number of the attempt, for notices.
    pub attempt: u64,
    /// N of C2; none: no watchdog.
    pub watchdog: Option<u32>,
    /// What the node advertised on the stream before, if there was one: the way to the first frame is watched by it.
    pub advertised: Option<Duration>,
    /// How it finds out that it was suspended (C5); none: it trusts its stream for ever.
    pub resume_probe: Option<ResumeProbe>,
    /// What is spoken on it.
    pub dialect: Dialect,
    /// A planted bug.
    pub quirk: Option<ClientQuirk>,
    /// What came on its connection, where that bug asks for it.
    pub heard_data: Option<HeardData>,
    /// Who watches.
    pub observer: Arc<dyn ClientObserver>,
}

impl StreamSettings {
    /// What the boot clock shows; nothing where nobody looks at it.
    pub(crate) fn boot_clock(&self) -> Duration {
        self.resume_probe.as_ref().map_or(Duration::ZERO, ResumeProbe::boot_clock)
    }
}

/// What a client asks after a suspension, before it trusts its stream again (C5).
#[derive(Clone)]
pub struct ResumeProbe {
    /// Whose boot clock tells of a suspension.
    pub env: Env,
    /// How soon the Pong must come.
    pub within: Duration,
}

impl ResumeProbe {
    pub(crate) fn boot_clock(&self) -> Duration {
        self.env.boot_clock()
    }
}

/// What the application is told of a stream. Pings and Pongs stay inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The node's first frame.
    Started {
        /// The advertised interval.
        keepalive: Option<Duration>,
    },
    /// Messages.
    Delivery(DeliveryFrame),
    /// The replay of these topics has ended.
    TopicsLive(Vec<Topic>),
    /// A Mutate is acknowledged.
    CatchupComplete(MutateId),
}

impl ClientEvent {
    /// The messages that it brings.
    #[must_use]
    pub fn into_messages(self) -> Vec<Message> {
        match self {
            ClientEvent::Delivery(delivery) => delivery.messages,
            ClientEvent::Started { .. } | ClientEvent::TopicsLive(_) | ClientEvent::CatchupComplete(_) => Vec::new(),
        }
    }
}

/// What the handle submits.
#[derive(Debug)]
pub(crate) enum ClientCommand {
    /// Change the topics.
    Mutate(Mutate),
    /// Ask for a sign of life.
    Probe {
        /// How long to wait for it; none: N intervals.
        allowance: Option<Duration>,
        /// Who wants to know.
        ack: Ack,
    },
    /// Half-close.
    Finish,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEnding {
    /// Why.
    pub cause: Cause,
    /// How long it was up: from `Started` to the end, without the silence that the watchdog waited for.
    pub uptime: Duration,
}
