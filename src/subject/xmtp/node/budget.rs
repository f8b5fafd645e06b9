//! How many messages fit into one frame, page or queue, by count and by bytes.
//!
//! Refuses to know what is filled.

use crate::subject::xmtp::wire::{Draft, Envelope, Message};

/// What a message costs besides its variable-length fields: ids, flags, tags and lengths on the wire,
/// and the bookkeeping around it in memory. An estimate, on the high side of protobuf's overhead.
const FIXED_BYTES: usize = 64;

/// The size that a message is accounted with, in bytes.
pub(crate) fn weight(draft: &Draft) -> usize {
    let envelope = match &draft.envelope {
        Envelope::Group { sender_hmac, should_push: _, is_commit: _ } => sender_hmac.len(),
        Envelope::Welcome { hpke_public_key, wrapper_algorithm: _, welcome_metadata } => {
            hpke_public_key.len() + welcome_metadata.len()
        }
    };
    FIXED_BYTES + draft.topic.bytes().len() + draft.data.len() + envelope
}

/// What is left of a bound on messages and bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    messages: usize,
    bytes: usize,
    untouched: bool,
}

impl Budget {
    /// Room for `messages` messages of together `bytes` bytes.
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        Budget { messages, bytes, untouched: true }
    }

    /// Whether there is no room for any message, so that none need be read.
    pub(crate) fn is_spent(&self) -> bool {
        !self.untouched && self.messages == 0
    }

    /// Takes the message's share if there is room. The first message always fits: a message larger than
    /// the whole budget must travel, too.
    pub(crate) fn admit(&mut self, message: &Message) -> bool {
        let bytes = weight(&message.draft);
        if !self.untouched && (self.messages == 0 || bytes > self.bytes) {
            return false;
        }
        self.untouched = false;
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::wire::{MessageId, MessageKind, Topic};

    fn message(length: usize) -> Message {
        let envelope = Envelope::Group { sender_hmac: bytes::Bytes::new(), should_push: false, is_commit: false };
        let draft = Draft { topic: Topic::new(MessageKind::Group, b"g"), data: vec![0; length].into(), envelope };
        Message { id: MessageId(1), origin: None, created_ns: 0, draft }
    }

    #[test]
    fn a_message_larger_than_the_budget_travels_alone() {
        let mut budget = Budget::new(10, 100);
        assert!(budget.admit(&message(1_000)));
        assert!(!budget.admit(&message(0)));
    }

    #[test]
    fn the_count_and_the_bytes_are_both_bounds() {
        let mut by_count = Budget::new(2, usize::MAX);
        assert!(!by_count.is_spent());
        assert_eq!([0; 3].map(|length| by_count.admit(&message(length))), [true, true, false]);
        assert!(by_count.is_spent());
        let mut by_bytes = Budget::new(usize::MAX, 2 * weight(&message(5).draft));
        assert_eq!([5; 3].map(|length| by_bytes.admit(&message(length))), [true, true, false]);
    }
}
