//! Topics and messages of the rows' own, and what was delivered, as the wire says it.
//!
//! Refuses to know who sends them. Topics are random: whatever else a node holds, nobody uses these.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use rand::RngExt;

use crate::env::Dice;
use crate::subject::xmtp::wire::proto::subscribe_response::v1::Response as Arm;
use crate::subject::xmtp::wire::proto::{self, WelcomeWrapperAlgorithm};

/// Bytes of a group id, as in MLS clients of XMTP.
const GROUP_ID: usize = 16;
/// Bytes of an installation key (Ed25519), of the other keys of a welcome, and of an HMAC (SHA-256).
const KEY: usize = 32;
/// Bytes of random payload: enough that no two letters are alike.
const PAYLOAD: usize = 24;

/// The two kinds of topics; each has its own sequence of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LetterKind {
    Group,
    Welcome,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RawTopic {
    pub(crate) kind: LetterKind,
    /// A group id or an installation key.
    pub(crate) id: Bytes,
}

impl RawTopic {
    /// A group that nobody has.
    pub(crate) fn group(dice: &mut Dice) -> Self {
        RawTopic { kind: LetterKind::Group, id: random_bytes(dice, GROUP_ID) }
    }

    /// An installation that nobody has.
    pub(crate) fn welcomes(dice: &mut Dice) -> Self {
        RawTopic { kind: LetterKind::Welcome, id: random_bytes(dice, KEY) }
    }

    /// The topic as it stands in a Mutate: a byte for its kind, and the rest.
    pub(crate) fn wire(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.id.len() + 1);
        bytes.put_u8(match self.kind {
            LetterKind::Group => 0,
            LetterKind::Welcome => 1,
        });
        bytes.put_slice(&self.id);
        bytes.freeze()
    }

    /// Reads a topic as it stands in a Mutate; none where it is of no kind that is known.
    pub(crate) fn read(wire: &Bytes) -> Option<Self> {
        let kind = match wire.first() {
            Some(0) => LetterKind::Group,
            Some(1) => LetterKind::Welcome,
            Some(_) | None => return None,
        };
        Some(RawTopic { kind, id: wire.slice(1..) })
    }

    /// A message for this topic that is like no other, with so many bytes to it at least.
    pub(crate) fn letter(&self, dice: &mut Dice, size: usize) -> Letter {
        let payload = random_bytes(dice, size.max(PAYLOAD));
        let data = match self.kind {
            LetterKind::Group => mls_message(&self.id, &payload),
            LetterKind::Welcome => payload,
        };
        Letter { topic: self.clone(), data, enclosed: Enclosed::random(self.kind, dice) }
    }
}

impl fmt::Display for RawTopic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            LetterKind::Group => "group",
            LetterKind::Welcome => "welcome",
        };
        match std::str::from_utf8(&self.id) {
            Ok(name) if name.chars().all(|letter| letter.is_ascii_graphic()) => write!(formatter, "{kind}:{name}"),
            Ok(_) | Err(_) => write!(formatter, "{kind}:{:x}", self.id),
        }
    }
}

/// What is published and delivered beside the data of a message; it means nothing to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enclosed {
    Group { sender_hmac: Bytes, should_push: bool },
    Welcome { hpke_public_key: Bytes, wrapper_algorithm: i32, welcome_metadata: Bytes },
}

impl Enclosed {
    fn random(kind: LetterKind, dice: &mut Dice) -> Self {
        match kind {
            LetterKind::Group => Enclosed::Group { sender_hmac: random_bytes(dice, KEY), should_push: dice.random() },
            LetterKind::Welcome => Enclosed::Welcome {
                hpke_public_key: random_bytes(dice, KEY),
                wrapper_algorithm: WelcomeWrapperAlgorithm::Curve25519.into(),
                welcome_metadata: random_bytes(dice, KEY),
            },
        }
    }

    /// Its fields, by their names on the wire.
    fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Enclosed::Group { sender_hmac, should_push } => {
                vec![("sender_hmac", format!("{sender_hmac:x}")), ("should_push", should_push.to_string())]
            }
            Enclosed::Welcome { hpke_public_key, wrapper_algorithm, welcome_metadata } => vec![
                ("hpke_public_key", format!("{hpke_public_key:x}")),
                ("wrapper_algorithm", wrapper_algorithm.to_string()),
                ("welcome_metadata", format!("{welcome_metadata:x}")),
            ],
        }
    }
}

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) topic: RawTopic,
    pub(crate) data: Bytes,
    enclosed: Enclosed,
}

impl Letter {
    /// The message as it is published to a group; what a welcome encloses has no place there.
    pub(crate) fn group_input(&self) -> proto::GroupMessageInput {
        let mut v1 = proto::group_message_input::V1 { data: self.data.clone(), ..Default::default() };
        if let Enclosed::Group { sender_hmac, should_push } = &self.enclosed {
            (v1.sender_hmac, v1.should_push) = (sender_hmac.clone(), *should_push);
        }
        proto::GroupMessageInput { version: Some(proto::group_message_input::Version::V1(v1)) }
    }

    /// The message as it is published to an installation; what a group's encloses has no place there.
    pub(crate) fn welcome_input(&self) -> proto::WelcomeMessageInput {
        let (installation_key, data) = (self.topic.id.clone(), self.data.clone());
        let mut v1 = proto::welcome_message_input::V1 { installation_key, data, ..Default::default() };
        if let Enclosed::Welcome { hpke_public_key, wrapper_algorithm, welcome_metadata } = &self.enclosed {
            v1.hpke_public_key = hpke_public_key.clone();
            v1.wrapper_algorithm = *wrapper_algorithm;
            v1.welcome_metadata = welcome_metadata.clone();
        }
        proto::WelcomeMessageInput { version: Some(proto::welcome_message_input::Version::V1(v1)) }
    }
}

pub(crate) fn random_bytes(dice: &mut Dice, length: usize) -> Bytes {
    (0..length).map(|_| dice.random::<u8>()).collect()
}

/// The public header of a private MLS application message (RFC 9420 section 6): version 1, wire format 2, the group id
/// as a vector, epoch 0, content type 1; then the payload in the place of the ciphertext.
fn mls_message(group_id: &[u8], payload: &[u8]) -> Bytes {
    let mut data = BytesMut::with_capacity(group_id.len() + payload.len() + 14);
    data.put_slice(&[0, 1, 0, 2]);
    // A vector of fewer than 64 bytes has its length in one byte; a group id of ours has 16.
    data.put_u8(u8::try_from(group_id.len()).unwrap_or(u8::MAX) & 0x3f);
    data.put_slice(group_id);
    data.put_u64(0);
    data.put_u8(1);
    data.put_slice(payload);
    data.freeze()
}

/// A message that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// The wave that delivered it; 0 is the live flow.
    pub(crate) tag: u64,
    pub(crate) id: u64,
    /// When the node stored it, in nanoseconds since 1970, by the node's clock.
    pub(crate) created_ns: u64,
    pub(crate) topic: RawTopic,
    pub(crate) data: Bytes,
    pub(crate) enclosed: Enclosed,
}

impl Delivered {
    /// Whether this is that letter.
    pub(crate) fn is(&self, letter: &Letter) -> bool {
        self.data == letter.data && self.topic == letter.topic
    }

    /// What came otherwise than it was published with that letter.
    pub(crate) fn altered(&self, letter: &Letter) -> Option<String> {
        let mut fields = self.enclosed.fields().into_iter().zip(letter.enclosed.fields());
        let ((field, came), (_, published)) = fields.find(|(came, published)| came != published)?;
        Some(format!("{field} {}, not {} as published", or_none(&came), or_none(&published)))
    }
}

/// A value for a reader: an empty one would be overlooked.
fn or_none(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}

/// Every message in these frames, in order; groups before welcomes within a frame. One of no known version is none.
pub(crate) fn arrivals<'a>(frames: impl IntoIterator<Item = &'a Arm>) -> Vec<Delivered> {
    frames.into_iter().flat_map(arrivals_of).collect()
}

fn arrivals_of(frame: &Arm) -> Vec<Delivered> {
    let Arm::Messages(messages) = frame else { return Vec::new() };
    let tag = messages.mutate_id;
    let groups = messages.group_messages.iter().filter_map(|message| {
        let proto::group_message::Version::V1(v1) = message.version.as_ref()?;
        let topic = RawTopic { kind: LetterKind::Group, id: v1.group_id.clone() };
        let enclosed = Enclosed::Group { sender_hmac: v1.sender_hmac.clone(), should_push: v1.should_push };
        Some(Delivered { tag, id: v1.id, created_ns: v1.created_ns, topic, data: v1.data.clone(), enclosed })
    });
    let welcomes = messages.welcome_messages.iter().filter_map(|message| {
        let proto::welcome_message::Version::V1(v1) = message.version.as_ref()?;
        let topic = RawTopic { kind: LetterKind::Welcome, id: v1.installation_key.clone() };
        let enclosed = Enclosed::Welcome {
            hpke_public_key: v1.hpke_public_key.clone(),
            wrapper_algorithm: v1.wrapper_algorithm,
            welcome_metadata: v1.welcome_metadata.clone(),
        };
        Some(Delivered { tag, id: v1.id, created_ns: v1.created_ns, topic, data: v1.data.clone(), enclosed })
    });
    groups.chain(welcomes).collect()
}

/// Ids as evidence names them: `#3 #5`, shortened where there are many.
pub(crate) fn spell_ids(arrivals: &[Delivered]) -> String {
    const SPELLED_MAX: usize = 8;
    if arrivals.is_empty() {
        return "none".into();
    }
    let shown: Vec<String> = arrivals.iter().take(SPELLED_MAX).map(|arrival| format!("#{}", arrival.id)).collect();
    let more = arrivals.len().saturating_sub(SPELLED_MAX);
    if more == 0 { shown.join(" ") } else { format!("{} and {more} more", shown.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Die;

    #[test]
    fn a_letter_to_a_group_has_the_header_that_names_the_group() {
        let mut dice = Dice::named(1, &Die::Test("letters"));
        let topic = RawTopic::group(&mut dice);
        let letter = topic.letter(&mut dice, 0);
        assert_eq!(letter.data[..5], [0, 1, 0, 2, 16]);
        assert_eq!(letter.data[5..21], topic.id);
        assert_eq!(letter.data[21..30], [0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(letter.data.len(), 30 + PAYLOAD);
    }

    #[test]
    fn a_topic_is_read_as_it_is_written_and_named_as_a_reader_knows_it() {
        let mut dice = Dice::named(1, &Die::Test("letters"));
        for topic in [RawTopic::group(&mut dice), RawTopic::welcomes(&mut dice)] {
            assert_eq!(RawTopic::read(&topic.wire()), Some(topic));
        }
        assert_eq!((RawTopic::read(&Bytes::new()), RawTopic::read(&Bytes::from_static(&[9]))), (None, None));
        let news = RawTopic::read(&Bytes::from_static(b"\x00news")).expect("a group");
        let odd = RawTopic::read(&Bytes::from_static(b"\x01\xff\x01")).expect("welcomes");
        assert_eq!((news.to_string(), odd.to_string()), ("group:news".into(), "welcome:ff01".into()));
    }

    #[test]
    fn many_ids_are_shortened() {
        let arrival = |id| Delivered {
            tag: 0,
            id,
            created_ns: 0,
            topic: RawTopic { kind: LetterKind::Group, id: Bytes::new() },
            data: Bytes::new(),
            enclosed: Enclosed::Group { sender_hmac: Bytes::new(), should_push: false },
        };
        assert_eq!(spell_ids(&[]), "none");
        assert_eq!(spell_ids(&[arrival(3), arrival(5)]), "#3 #5");
        let many: Vec<Delivered> = (1..=10).map(arrival).collect();
        assert_eq!(spell_ids(&many), "#1 #2 #3 #4 #5 #6 #7 #8 and 2 more");
    }
}
