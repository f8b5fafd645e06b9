//! The observers of a trial: they turn what actors notice into the one typed history.
//!
//! Refuses to judge, and to act on an actor.

use crate::history::{Beat, CloseReason, Event, Recorder, key_of};
use crate::subject::xmtp::client::{ClientNotice, ClientObserver};
use crate::subject::xmtp::node::{NodeCloseReason, NodeNotice, NodeObserver};

/// Observes one client process.
pub(crate) struct ClientWitness(pub(crate) Recorder);

impl ClientObserver for ClientWitness {
    fn notice(&self, notice: ClientNotice) {
        let event = match notice {
            ClientNotice::Dialing { attempt } => Event::Dialing { attempt },
            ClientNotice::InboxOpened { cursors } => Event::InboxOpened { cursors },
            ClientNotice::StoreFailed { why } => Event::StoreFailed { why },
            ClientNotice::Opened { attempt, resume } => Event::Opened { attempt, resume },
            ClientNotice::Started { attempt, .. } => Event::Started { attempt },
            ClientNotice::Heard { attempt, .. } => Event::Beat { beat: Beat::Heard { attempt }, nonce: None },
            ClientNotice::WatchdogPinged { attempt } => Event::WatchdogPinged { attempt },
            ClientNotice::WatchdogTripped { attempt, silent_for } => Event::WatchdogTripped { attempt, silent_for },
            ClientNotice::Committed { attempt, messages } => Event::Committed {
                attempt,
                messages: messages.into_iter().map(|(topic, id, data)| (topic, id, key_of(&data))).collect(),
            },
            ClientNotice::Ended { attempt, cause } => Event::Ended { attempt, cause: cause.to_string() },
            ClientNotice::BackingOff { attempt, delay } => Event::BackingOff { attempt, delay },
        };
        self.0.record(event);
    }
}

/// Observes one node process.
pub(crate) struct NodeWitness(pub(crate) Recorder);

impl NodeObserver for NodeWitness {
    fn notice(&self, notice: NodeNotice) {
        self.0.record(match notice {
            NodeNotice::LogOpened { heads } => Event::LogOpened { heads },
            NodeNotice::StoreFailed { why } => Event::StoreFailed { why },
            NodeNotice::Stored { topic, id, data } => Event::Stored { topic, id, key: key_of(&data) },
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
        NodeCloseReason::Refused(why) => CloseReason::Refused(why),
        NodeCloseReason::TooSlow => CloseReason::TooSlow,
        NodeCloseReason::Failed(why) => CloseReason::Failed(why),
    }
}
