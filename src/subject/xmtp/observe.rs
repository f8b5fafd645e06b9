//! The observers of a trial: they turn what actors notice into the one typed history.
//!
//! Refuses to judge, and to act on an actor.

use crate::history::{Beat, CloseReason, EndCause, Event, Recorder, key_of};
use crate::subject::xmtp::channels::{Channels, Originators, sequence_of};
use crate::subject::xmtp::client::{Cause, ClientNotice, ClientObserver};
use crate::subject::xmtp::node::{LogHead, NodeCloseReason, NodeNotice, NodeObserver};

/// Observes one client process.
pub(crate) struct ClientHistory {
    recorder: Recorder,
    channels: Channels,
}

impl ClientHistory {
    pub(crate) fn new(recorder: Recorder, originators: Originators) -> Self {
        ClientHistory { recorder, channels: Channels::among(originators) }
    }
}

impl ClientObserver for ClientHistory {
    fn notice(&self, notice: ClientNotice) {
        let event = match notice {
            ClientNotice::Dialing { attempt } => Event::Dialing { attempt },
            ClientNotice::InboxOpened { cursors } => Event::InboxOpened { cursors: self.channels.positions(&cursors) },
            ClientNotice::StoreFailed { why } => Event::StoreFailed { words: why.into() },
            ClientNotice::Opened { attempt, resume } => {
                Event::Opened { attempt, resume: self.channels.positions(&resume) }
            }
            ClientNotice::Started { attempt, .. } => Event::Started { attempt },
            ClientNotice::Heard { attempt, .. } => Event::Beat { beat: Beat::Heard { attempt }, nonce: None },
            ClientNotice::WatchdogPinged { attempt } => Event::WatchdogPinged { attempt },
            ClientNotice::WatchdogTripped { attempt, silent_for } => Event::WatchdogTripped { attempt, silent_for },
            ClientNotice::Suspended { attempt, lasted } => Event::Suspended { attempt, lasted },
            ClientNotice::Probed { attempt } => Event::Probed { attempt },
            ClientNotice::ProbeAnswered { attempt } => Event::ProbeAnswered { attempt },
            ClientNotice::Committed { attempt, messages } => {
                let messages = messages.iter().map(|(topic, id, data)| (self.channels.of(topic), *id, key_of(data)));
                Event::Delivered { attempt, messages: messages.collect() }
            }
            ClientNotice::LetGo { attempt, cause } => Event::LetGo { attempt, cause: end_cause(&cause) },
            ClientNotice::Ended { attempt, cause } => {
                Event::Ended { attempt, words: cause.to_string().into(), cause: end_cause(&cause) }
            }
            ClientNotice::BackingOff { attempt, delay } => Event::BackingOff { attempt, delay },
        };
        self.recorder.record(event);
    }
}

fn end_cause(cause: &Cause) -> EndCause {
    match cause {
        Cause::DialFailed(_) => EndCause::DialFailed,
        Cause::Refused(_) | Cause::Unimplemented(_) => EndCause::Refused,
        Cause::Rejected(_) => EndCause::Rejected,
        Cause::Exhausted(_) => EndCause::Exhausted,
        Cause::Watchdog => EndCause::Watchdog,
        Cause::Stale => EndCause::Stale,
        Cause::Inbox(_) => EndCause::StoreFailed,
        Cause::BacklogFull => EndCause::BacklogFull,
        Cause::StreamFailed(_) | Cause::Stalled { .. } => EndCause::StreamFailed,
        Cause::StreamEnded => EndCause::StreamEnded,
        Cause::Finished => EndCause::Finished,
        Cause::FallbackOver => EndCause::FallbackOver,
        Cause::ConsumerBehind => EndCause::ConsumerBehind,
    }
}

/// Observes one node process.
pub(crate) struct NodeHistory {
    recorder: Recorder,
    channels: Channels,
}

impl NodeHistory {
    pub(crate) fn new(recorder: Recorder) -> Self {
        NodeHistory { recorder, channels: Channels::default() }
    }
}

impl NodeObserver for NodeHistory {
    fn notice(&self, notice: NodeNotice) {
        self.recorder.record(match notice {
            NodeNotice::LogOpened { heads } => {
                let head = |LogHead { kind, originator, id }| (sequence_of(kind, originator).into(), id);
                let heads = heads.into_iter().map(head);
                Event::LogOpened { heads: heads.collect() }
            }
            NodeNotice::StoreFailed { why } => Event::StoreFailed { words: why.into() },
            NodeNotice::Stored { topic, id, data } => {
                Event::Stored { channel: self.channels.of(&topic), id, key: key_of(&data) }
            }
            NodeNotice::StreamOpened { stream, .. } => Event::StreamOpened { stream },
            NodeNotice::StreamClosed { stream, reason } => Event::StreamClosed { stream, reason: close_reason(reason) },
        });
    }
}

fn close_reason(reason: NodeCloseReason) -> CloseReason {
    match reason {
        NodeCloseReason::Finished => CloseReason::Finished,
        NodeCloseReason::PeerGone => CloseReason::PeerGone,
        NodeCloseReason::Reaped => CloseReason::Reaped,
        NodeCloseReason::Refused(why) => CloseReason::Refused(why.into()),
        NodeCloseReason::Denied(what) => CloseReason::Denied(what.into()),
        NodeCloseReason::TooSlow => CloseReason::TooSlow,
        NodeCloseReason::Failed(why) => CloseReason::Failed(why.into()),
    }
}
