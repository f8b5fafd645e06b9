//! Topics and messages of the tests, by name and id.

use bytes::Bytes;

use crate::subject::xmtp::wire::{Add, Cursor, Draft, Envelope, Message, MessageId, MessageKind, Topic};

/// A group topic.
pub(crate) fn topic(name: &str) -> Topic {
    Topic::new(MessageKind::Group, name.as_bytes())
}

/// A welcome of that installation.
pub(crate) fn welcome(name: &str, id: u64) -> Message {
    let topic = Topic::new(MessageKind::Welcome, name.as_bytes());
    let envelope =
        Envelope::Welcome { hpke_public_key: Bytes::new(), wrapper_algorithm: 0, welcome_metadata: Bytes::new() };
    let data = Bytes::from(format!("payload of welcome {id}"));
    Message { id: MessageId(id), origin: None, created_ns: id * 1_000, draft: Draft { topic, data, envelope } }
}

/// That topic from that cursor.
pub(crate) fn add(name: &str, cursor: u64) -> Add {
    Add { topic: topic(name), cursor: Cursor(cursor) }
}

/// A message of that topic whose payload tells its id.
pub(crate) fn message(name: &str, id: u64) -> Message {
    let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
    let data = Bytes::from(format!("payload of message {id}"));
    Message {
        id: MessageId(id),
        origin: None,
        created_ns: id.wrapping_mul(1_000),
        draft: Draft { topic: topic(name), data, envelope },
    }
}
