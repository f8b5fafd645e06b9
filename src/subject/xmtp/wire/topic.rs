//! A topic: kind-prefixed bytes, as protocol.md section 2 defines them.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
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

/// Who numbers messages in the decentralized dialect (protocol.md section 7): each originator has a sequence of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Originator(pub u32);

impl Originator {
    /// The originator of that number among those that number messages of that kind. One numbers messages of one kind
    /// only, so that its ids ascend in the live flow, which ascends per kind (S4). Number 0 is the node itself.
    ///
    /// # Panics
    /// If the number has no room, which is above 2^31 - 1.
    #[must_use]
    pub fn of(kind: MessageKind, number: u32) -> Self {
        let first = number.checked_mul(2).expect("an originator's number is below 2^31");
        Originator(first + u32::from(kind.prefix()))
    }

    /// What kind of message it numbers.
    #[must_use]
    pub fn kind(self) -> MessageKind {
        if self.0.is_multiple_of(2) { MessageKind::Group } else { MessageKind::Welcome }
    }
}

impl fmt::Display for Originator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "originator {}", self.0)
    }
}

/// The first byte of a part's [`Topic::key`]: no topic on the wire begins with it.
const PART: u8 = 0xff;
/// What stands before the topic in the key of a part.
const PART_BYTES: usize = 5;

/// A topic of one kind, or one originator's part of it.
///
/// Ids ascend per originator, floors are per originator, and nothing is said of two together. So all that counts by topic
/// counts by part where there are originators, and only the dialect's bindings tell a part from a topic.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Topic {
    bytes: Bytes,
    originator: Option<Originator>,
}

impl Topic {
    /// The topic of that kind whose bytes after the prefix are `rest`: a group id or an installation key.
    #[must_use]
    pub fn new(kind: MessageKind, rest: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(rest.len() + 1);
        bytes.put_u8(kind.prefix());
        bytes.put_slice(rest);
        Topic { bytes: bytes.freeze(), originator: None }
    }

    /// Reads a topic as it stands on the wire.
    ///
    /// # Errors
    /// It is empty, or its first byte names no kind.
    pub fn parse(bytes: Bytes) -> Result<Self, Malformed> {
        match bytes.first() {
            None => Err(Malformed::EmptyTopic),
            Some(0 | 1) => Ok(Topic { bytes, originator: None }),
            Some(&prefix) => Err(Malformed::TopicKind { prefix }),
        }
    }

    /// What that originator has put into the topic.
    #[must_use]
    pub fn part(&self, originator: Originator) -> Self {
        Topic { bytes: self.bytes.clone(), originator: Some(originator) }
    }

    /// The topic that it is, or is a part of.
    #[must_use]
    pub fn whole(&self) -> Self {
        Topic { bytes: self.bytes.clone(), originator: None }
    }

    /// Whose part it is, if it is one.
    #[must_use]
    pub fn originator(&self) -> Option<Originator> {
        self.originator
    }

    /// The topic's kind.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        if self.bytes[0] == 0 { MessageKind::Group } else { MessageKind::Welcome }
    }

    /// The bytes after the prefix: a group id or an installation key.
    #[must_use]
    pub fn rest(&self) -> Bytes {
        self.bytes.slice(1..)
    }

    /// The topic as it stands on the wire, which knows no parts.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The topic or part as a store's key: a topic's are its bytes.
    #[must_use]
    pub(crate) fn key(&self) -> Bytes {
        let Some(Originator(number)) = self.originator else { return self.bytes.clone() };
        let mut key = BytesMut::with_capacity(PART_BYTES + self.bytes.len());
        key.put_u8(PART);
        key.put_u32(number);
        key.put_slice(&self.bytes);
        key.freeze()
    }

    /// Reads what [`Topic::key`] wrote.
    ///
    /// # Errors
    /// No topic or part has such a key.
    pub(crate) fn parse_key(mut key: Bytes) -> Result<Self, Malformed> {
        if key.first() != Some(&PART) || key.len() < PART_BYTES {
            return Topic::parse(key);
        }
        key.advance(1);
        let originator = Originator(key.get_u32());
        Topic::parse(key).map(|topic| topic.part(originator))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = &self.bytes[1..];
        write!(formatter, "{}", self.kind())?;
        if let Some(Originator(number)) = self.originator {
            write!(formatter, "@{number}")?;
        }
        formatter.write_str(":")?;
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

    #[test]
    fn a_part_is_its_originators_and_comes_back_from_its_key() {
        let topic = Topic::new(MessageKind::Welcome, b"key");
        let part = topic.part(Originator::of(MessageKind::Welcome, 3));
        assert_eq!((part.to_string().as_str(), part.whole()), ("welcome@7:key", topic.clone()));
        assert_eq!((part.kind(), part.bytes(), part.originator()), (topic.kind(), topic.bytes(), Some(Originator(7))));
        for topic in [topic, part] {
            assert_eq!(Topic::parse_key(topic.key()), Ok(topic));
        }
    }

    #[test]
    fn a_key_of_no_topic_is_refused() {
        for bytes in [&[0xff_u8, 0, 0][..], &[0xff, 0, 0, 0, 1, 9]] {
            assert!(Topic::parse_key(Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
        let cut = Topic::parse_key(Bytes::from_static(&[0xff, 0, 0, 0, 1]));
        assert_eq!(cut, Err(Malformed::EmptyTopic));
    }

    #[test]
    fn an_originator_numbers_one_kind() {
        for (number, kind) in [(0, MessageKind::Group), (9, MessageKind::Welcome)] {
            assert_eq!(Originator::of(kind, number).kind(), kind);
        }
    }
}
