//! The observers of a trial: they turn what actors notice into the one typed history.
//!
//! Refuses to judge, and to act on an actor.

use crate::channel::{Channel, MessageId};
use crate::history::{Beat, CloseReason, EndCause, Event, Recorder, key_of_batch};
use crate::subject::xmtp::channels::{Channels, Originators, key_of_draft, sequence_of};
use crate::subject::xmtp::client::{Application, Cause, ClientNotice, ClientObserver};
use crate::subject::xmtp::node::{LogHead, NodeCloseReason, NodeNotice, NodeObserver};
use crate::subject::xmtp::wire::Message;

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
                Event::Delivered { attempt, messages: told(&self.channels, &messages).collect() }
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

/// Messages as a history tells of them.
fn told(channels: &Channels, messages: &[Message]) -> impl Iterator<Item = (Channel, MessageId, u64)> {
    messages.iter().map(|message| (channels.of(message.topic()), message.id, key_of_draft(&message.draft)))
}

/// Observes the application of one client process.
pub(crate) struct ObservedApplication<A> {
    application: A,
    recorder: Recorder,
    channels: Channels,
}

impl<A> ObservedApplication<A> {
    pub(crate) fn new(application: A, recorder: Recorder, originators: Originators) -> Self {
        ObservedApplication { application, recorder, channels: Channels::among(originators) }
    }
}

impl<A: Application> Application for ObservedApplication<A> {
    async fn process(&mut self, messages: &[Message]) {
        self.application.process(messages).await;
        let key = key_of_batch(told(&self.channels, messages));
        self.recorder.record(Event::Processed { messages: messages.len() as u64, key });
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
            NodeNotice::Stored { topic, id, draft } => {
                Event::Stored { channel: self.channels.of(&topic), id, key: key_of_draft(&draft) }
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
