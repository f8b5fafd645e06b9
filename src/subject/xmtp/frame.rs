//! A frame of the subscription as a tap saw it: everything that a judge needs, without payloads.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::channel::{Channel, MessageId, Position};
use crate::grammar::{Naming, Readable};
use crate::history::{SubjectFrame, TappedFrame, Words, positions};
use crate::subject::xmtp::wire::{MutateId, Tag};

/// See the module. Its words are its `Display`; `{:#}` names every topic and message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum XmtpFrame {
    /// A client changed its topics.
    Mutate {
        /// The wave's name.
        id: MutateId,
        /// Topics added, with cursors.
        adds: Vec<Position>,
        /// Topics removed.
        removes: Vec<Channel>,
        /// Replay only.
        history_only: bool,
    },
    /// The node's first frame.
    Started {
        /// The advertised interval.
        keepalive: Option<Duration>,
    },
    /// Messages of one wave or of the live flow.
    Delivery {
        /// What produced them.
        tag: Tag,
        /// Topic and id of each, in the frame's order.
        messages: Vec<(Channel, MessageId)>,
    },
    /// The replay of these topics has ended.
    TopicsLive(Vec<Channel>),
    /// A Mutate is acknowledged.
    CatchupComplete(MutateId),
    /// A frame that could not be read, and why.
    Unreadable(Words),
    /// A client of the draft changed its topics, which names no wave.
    DraftRequest {
        /// Topics added, with cursors.
        adds: Vec<Position>,
        /// Topics added from the live edge.
        edges: Vec<Channel>,
        /// Topics removed.
        removes: Vec<Channel>,
    },
    /// A node of the draft has caught up the topics of some change.
    DraftCatchupComplete,
    /// A client named the topics of an older call, with cursors.
    OlderCall {
        /// All that its stream will ever follow.
        adds: Vec<Position>,
    },
}

impl XmtpFrame {
    /// The frame that a tap recorded.
    #[must_use]
    pub fn of(tapped: &TappedFrame) -> Option<&XmtpFrame> {
        tapped.read()
    }
}

impl SubjectFrame for XmtpFrame {
    fn asks(&self) -> &[Position] {
        match self {
            XmtpFrame::Mutate { adds, .. } | XmtpFrame::DraftRequest { adds, .. } | XmtpFrame::OlderCall { adds } => {
                adds
            }
            XmtpFrame::Started { .. }
            | XmtpFrame::Delivery { .. }
            | XmtpFrame::TopicsLive(_)
            | XmtpFrame::CatchupComplete(_)
            | XmtpFrame::Unreadable(_)
            | XmtpFrame::DraftCatchupComplete => &[],
        }
    }
}

impl fmt::Display for XmtpFrame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let naming = Naming::of(formatter);
        match self {
            XmtpFrame::Mutate { id, adds, removes, history_only } => {
                write!(formatter, "Mutate {}", id.0)?;
                if !adds.is_empty() {
                    write!(formatter, ", adds {}", positions(adds, naming))?;
                }
                if !removes.is_empty() {
                    write!(formatter, ", removes {}", channels(removes, naming))?;
                }
                formatter.write_str(if *history_only { ", history only" } else { "" })
            }
            XmtpFrame::Started { keepalive: Some(interval) } => {
                write!(formatter, "Started, keepalive {}", Readable(*interval))
            }
            XmtpFrame::Started { keepalive: None } => formatter.write_str("Started, no keepalive advertised"),
            XmtpFrame::Delivery { tag, messages } => {
                let told = messages.iter().map(|(channel, id)| format!("{channel} {id}"));
                write!(formatter, "{tag}: {}", naming.list(told, messages.len()))
            }
            XmtpFrame::TopicsLive(topics) => write!(formatter, "TopicsLive {}", channels(topics, naming)),
            XmtpFrame::CatchupComplete(id) => write!(formatter, "CatchupComplete of {id}"),
            XmtpFrame::Unreadable(words) => write!(formatter, "a frame that cannot be read: {words}"),
            XmtpFrame::DraftRequest { adds, edges, removes } => {
                let told = [
                    (!adds.is_empty()).then(|| format!("adds {}", positions(adds, naming))),
                    (!edges.is_empty()).then(|| format!("adds {} from the live edge", channels(edges, naming))),
                    (!removes.is_empty()).then(|| format!("removes {}", channels(removes, naming))),
                ];
                let told: Vec<String> = told.into_iter().flatten().collect();
                write!(
                    formatter,
                    "a change: {}",
                    if told.is_empty() { "of nothing".to_owned() } else { told.join(", ") }
                )
            }
            XmtpFrame::DraftCatchupComplete => formatter.write_str("CATCHUP_COMPLETE"),
            XmtpFrame::OlderCall { adds } => write!(formatter, "an older call, for {}", positions(adds, naming)),
        }
    }
}

fn channels(channels: &[Channel], naming: Naming) -> String {
    naming.list(channels.iter().map(Channel::to_string), channels.len())
}
