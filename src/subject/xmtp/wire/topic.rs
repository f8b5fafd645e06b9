//! A topic: kind-prefixed bytes, as protocol.md section 2 defines them.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::subject::xmtp::wire::Malformed;

/// The kinds of message; each has its own id sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MessageKind {
    /// Group messages: first byte 0x00.
    Group,
    /// Welcomes: first byte 0x01.
    Welcome,
}

impl MessageKind {
    /// Both kinds, in the order of their prefix.
    pub const ALL: [MessageKind; 2] = [MessageKind::Group, MessageKind::Welcome];

    /// The first byte of the kind's topics.
    #[must_use]
    pub(crate) fn prefix(self) -> u8 {
        match self {
            MessageKind::Group => 0,
            MessageKind::Welcome => 1,
        }
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            MessageKind::Group => "group",
            MessageKind::Welcome => "welcome",
        })
    }
}

/// A topic of one kind.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Topic(Bytes);

impl Topic {
    /// The topic of that kind whose bytes after the prefix are `rest`: a group id or an installation key.
    #[must_use]
    pub fn new(kind: MessageKind, rest: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(rest.len() + 1);
        bytes.put_u8(kind.prefix());
        bytes.put_slice(rest);
        Topic(bytes.freeze())
    }

    /// Reads a topic as it stands on the wire.
    ///
    /// # Errors
    /// It is empty, or its first byte names no kind.
    pub fn parse(bytes: Bytes) -> Result<Self, Malformed> {
        match bytes.first() {
            None => Err(Malformed::EmptyTopic),
            Some(0 | 1) => Ok(Topic(bytes)),
            Some(&prefix) => Err(Malformed::TopicKind { prefix }),
        }
    }

    /// The topic's kind.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        if self.0[0] == 0 { MessageKind::Group } else { MessageKind::Welcome }
    }

    /// The bytes after the prefix: a group id or an installation key.
    #[must_use]
    pub fn rest(&self) -> Bytes {
        self.0.slice(1..)
    }

    /// The topic as it stands on the wire.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = &self.0[1..];
        write!(formatter, "{}:", self.kind())?;
        match std::str::from_utf8(rest) {
            Ok(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) => formatter.write_str(text),
            _ => {
                formatter.write_str("0x")?;
                rest.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
        }
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_keeps_its_kind_and_bytes() {
        let topic = Topic::new(MessageKind::Welcome, b"key");
        assert_eq!(topic.bytes().as_ref(), b"\x01key");
        assert_eq!(Topic::parse(topic.bytes().clone()), Ok(topic.clone()));
        assert_eq!((topic.kind(), topic.rest().as_ref()), (MessageKind::Welcome, b"key".as_ref()));
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        assert_eq!(Topic::parse(Bytes::from_static(&[9, 1])), Err(Malformed::TopicKind { prefix: 9 }));
        assert_eq!(Topic::parse(Bytes::new()), Err(Malformed::EmptyTopic));
    }

    #[test]
    fn a_topic_prints_as_text_where_it_can() {
        assert_eq!(Topic::new(MessageKind::Group, b"alpha").to_string(), "group:alpha");
        assert_eq!(Topic::new(MessageKind::Group, &[0xff]).to_string(), "group:0xff");
    }
}
