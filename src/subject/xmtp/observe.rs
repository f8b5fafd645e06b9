//! The observers of a trial: they turn what actors notice into the one typed history.
//!
//! Refuses to judge, and to act on an actor.

use crate::history::{Beat, CloseReason, Event, Recorder, key_of};
use crate::subject::xmtp::{client, node};

/// Observes one client process.
pub(crate) struct ClientObserver(pub(crate) Recorder);

impl client::Observer for ClientObserver {
    fn notice(&self, notice: client::Notice) {
        use client::Notice;
        let event = match notice {
            Notice::Dialing { attempt } => Event::Dialing { attempt },
            Notice::InboxOpened { cursors } => Event::InboxOpened { cursors },
            Notice::StoreFailed { why } => Event::StoreFailed { why },
            Notice::Opened { attempt, resume } => Event::Opened { attempt, resume },
            Notice::Started { attempt, .. } => Event::Started { attempt },
            Notice::Heard { attempt, .. } => Event::Beat { beat: Beat::Heard { attempt }, nonce: None },
            Notice::WatchdogPinged { attempt } => Event::WatchdogPinged { attempt },
            Notice::WatchdogTripped { attempt, silent_for } => Event::WatchdogTripped { attempt, silent_for },
            Notice::Committed { attempt, messages } => Event::Committed {
                attempt,
                messages: messages.into_iter().map(|(topic, id, data)| (topic, id, key_of(&data))).collect(),
            },
            Notice::Ended { attempt, cause } => Event::Ended { attempt, cause: cause.to_string() },
            Notice::BackingOff { attempt, delay } => Event::BackingOff { attempt, delay },
        };
        self.0.record(event);
    }
}

/// Observes one node process.
pub(crate) struct NodeObserver(pub(crate) Recorder);

impl node::Observer for NodeObserver {
    fn notice(&self, notice: node::Notice) {
        use node::Notice;
        self.0.record(match notice {
            Notice::LogOpened { heads } => Event::LogOpened { heads },
            Notice::StoreFailed { why } => Event::StoreFailed { why },
            Notice::Stored { topic, id, data } => Event::Stored { topic, id, key: key_of(&data) },
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
        node::CloseReason::Refused(why) => CloseReason::Refused(why),
        node::CloseReason::TooSlow => CloseReason::TooSlow,
        node::CloseReason::Failed(why) => CloseReason::Failed(why),
    }
}
