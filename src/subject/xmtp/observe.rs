//! The observers of a trial: they turn what actors notice into the one typed history.
//!
//! Refuses to judge, and to act on an actor.

use crate::history::{Beat, CloseReason, EndCause, Event, Recorder, key_of};
use crate::subject::xmtp::channels::Channels;
use crate::subject::xmtp::client::{self, Cause};
use crate::subject::xmtp::node;

/// Observes one client process.
pub(crate) struct ClientHistory {
    recorder: Recorder,
    channels: Channels,
}

impl ClientHistory {
    pub(crate) fn new(recorder: Recorder) -> Self {
        ClientHistory { recorder, channels: Channels::default() }
    }
}

impl client::Observer for ClientHistory {
    fn notice(&self, notice: client::Notice) {
        use client::Notice;
        let event = match notice {
            Notice::Dialing { attempt } => Event::Dialing { attempt },
            Notice::InboxOpened { cursors } => Event::InboxOpened { cursors: self.channels.positions(&cursors) },
            Notice::StoreFailed { why } => Event::StoreFailed { words: why.into() },
            Notice::Opened { attempt, resume } => Event::Opened { attempt, resume: self.channels.positions(&resume) },
            Notice::Started { attempt, .. } => Event::Started { attempt },
            Notice::Heard { attempt, .. } => Event::Beat { beat: Beat::Heard { attempt }, nonce: None },
            Notice::WatchdogPinged { attempt } => Event::WatchdogPinged { attempt },
            Notice::WatchdogTripped { attempt, silent_for } => Event::WatchdogTripped { attempt, silent_for },
            Notice::Committed { attempt, messages } => {
                let messages = messages.iter().map(|(topic, id, data)| (self.channels.of(topic), *id, key_of(data)));
                Event::Delivered { attempt, messages: messages.collect() }
            }
            Notice::Ended { attempt, cause } => {
                Event::Ended { attempt, words: cause.to_string().into(), cause: end_cause(&cause) }
            }
            Notice::BackingOff { attempt, delay } => Event::BackingOff { attempt, delay },
        };
        self.recorder.record(event);
    }
}

fn end_cause(cause: &Cause) -> EndCause {
    match cause {
        Cause::DialFailed(_) => EndCause::DialFailed,
        Cause::Refused(_) => EndCause::Refused,
        Cause::Watchdog => EndCause::Watchdog,
        Cause::Inbox(_) => EndCause::StoreFailed,
        Cause::Wedged => EndCause::BacklogFull,
        Cause::StreamFailed(_) => EndCause::StreamFailed,
        Cause::StreamEnded => EndCause::StreamEnded,
        Cause::Finished => EndCause::Finished,
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

impl node::Observer for NodeHistory {
    fn notice(&self, notice: node::Notice) {
        use node::Notice;
        self.recorder.record(match notice {
            Notice::LogOpened { heads } => {
                let heads = heads.into_iter().map(|(kind, id)| (kind.to_string().into(), id));
                Event::LogOpened { heads: heads.collect() }
            }
            Notice::StoreFailed { why } => Event::StoreFailed { words: why.into() },
            Notice::Stored { topic, id, data } => {
                Event::Stored { channel: self.channels.of(&topic), id, key: key_of(&data) }
            }
            Notice::StreamOpened { stream, .. } => Event::StreamOpened { stream },
            Notice::StreamClosed { stream, reason } => Event::StreamClosed { stream, reason: close_reason(reason) },
        });
    }
}

fn close_reason(reason: node::CloseReason) -> CloseReason {
    match reason {
        node::CloseReason::Finished => CloseReason::Finished,
        node::CloseReason::PeerGone => CloseReason::PeerGone,
        node::CloseReason::Reaped => CloseReason::Reaped,
        node::CloseReason::Refused(why) => CloseReason::Refused(why.into()),
        node::CloseReason::TooSlow => CloseReason::TooSlow,
        node::CloseReason::Failed(why) => CloseReason::Failed(why.into()),
    }
}
