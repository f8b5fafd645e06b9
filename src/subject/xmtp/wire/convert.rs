//! The only conversions between the generated messages and our own types.
//!
//! Two rules. What a node receives is checked to the last field, because a request is refused whole
//! (S2, S5, S10). What a client receives is taken as far as it can be: a malformed topic or message is
//! handed back beside the rest, so that the connection can warn and go on.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use crate::subject::xmtp::wire::{
    Add, Cursor, DeliveryFrame, Draft, Envelope, GroupHeader, Message, MessageId, MessageKind, Mutate, MutateId, Nonce,
    Request, Response, Tag, Topic, proto,
};
use crate::subject::xmtp::wire::{
    ContentType, proto::subscribe_request as request, proto::subscribe_response as response,
};

/// Why something that a peer sent cannot be accepted. Each fits after "failed to read a frame: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The version oneof is empty, or holds a version that we do not know (S10).
    #[error("{frame} has no known version; this side speaks v1")]
    Version {
        /// Which message.
        frame: &'static str,
    },
    /// The version is known and says nothing.
    #[error("{frame} is empty: none of its arms is set")]
    Arm {
        /// Which message.
        frame: &'static str,
    },
    /// A topic without bytes.
    #[error("a topic is empty; its first byte must be 0x00 (group) or 0x01 (welcome)")]
    EmptyTopic,
    /// A topic of no known kind (S2).
    #[error("a topic begins with 0x{prefix:02x}; its first byte must be 0x00 (group) or 0x01 (welcome)")]
    TopicKind {
        /// The first byte.
        prefix: u8,
    },
    /// The data of a group message is no MLS message.
    #[error("the data of a group message is not an MLS message: {0}")]
    GroupMessage(&'static str),
    /// An envelope's payload belongs to another topic than it says.
    #[error("an envelope names another topic than its payload belongs to")]
    Target,
    /// A sort direction of no known number.
    #[error("sort direction {0} is unknown; it is 0 (unspecified), 1 (ascending) or 2 (descending)")]
    Direction(i32),
    /// A status of the draft with no known number.
    #[error("status {0} is unknown; it is 1 (STARTED), 2 (CATCHUP_COMPLETE) or 3 (WAITING)")]
    Status(i32),
    /// The bytes are no protobuf message.
    #[error("the bytes are not a protobuf message: {0}")]
    Protobuf(String),
    /// A gRPC message with its compression flag set.
    #[error("a gRPC message is compressed; this protocol uses none")]
    Compressed,
    /// A gRPC message that is absurdly long.
    #[error("a gRPC message announces {length} bytes; at most 25 MiB are read")]
    TooLong {
        /// The announced length in bytes.
        length: usize,
    },
}

impl From<prost::DecodeError> for Malformed {
    fn from(error: prost::DecodeError) -> Self {
        Malformed::Protobuf(error.to_string())
    }
}

impl Request {
    /// Reads a request from the bytes of its protobuf message.
    ///
    /// # Errors
    /// As [`Request::from_proto`], or the bytes are no protobuf message.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        Request::from_proto(proto::SubscribeRequest::decode(bytes)?)
    }

    /// Reads a request, checked to the last field (S2, S10).
    ///
    /// # Errors
    /// An unknown or empty version arm, or a malformed topic.
    pub fn from_proto(frame: proto::SubscribeRequest) -> Result<Self, Malformed> {
        let name = "SubscribeRequest";
        let request::Version::V1(v1) = frame.version.ok_or(Malformed::Version { frame: name })?;
        match v1.request.ok_or(Malformed::Arm { frame: name })? {
            request::v1::Request::Mutate(mutate) => Ok(Request::Mutate(read_mutate(mutate)?)),
            request::v1::Request::Ping(ping) => Ok(Request::Ping(Nonce(ping.nonce))),
            request::v1::Request::Pong(pong) => Ok(Request::Pong(Nonce(pong.nonce))),
        }
    }

    /// The request as it is sent.
    #[must_use]
    pub fn into_proto(self) -> proto::SubscribeRequest {
        let arm = match self {
            Request::Mutate(mutate) => request::v1::Request::Mutate(write_mutate(mutate)),
            Request::Ping(nonce) => request::v1::Request::Ping(proto::Ping { nonce: nonce.0 }),
            Request::Pong(nonce) => request::v1::Request::Pong(proto::Pong { nonce: nonce.0 }),
        };
        proto::SubscribeRequest { version: Some(request::Version::V1(request::V1 { request: Some(arm) })) }
    }
}

fn read_mutate(mutate: request::v1::Mutate) -> Result<Mutate, Malformed> {
    let read_add = |add: request::v1::mutate::Subscription| {
        Ok(Add { topic: Topic::parse(add.topic)?, cursor: Cursor(add.id_cursor) })
    };
    Ok(Mutate {
        adds: mutate.adds.into_iter().map(read_add).collect::<Result<_, Malformed>>()?,
        removes: mutate.removes.into_iter().map(Topic::parse).collect::<Result<_, _>>()?,
        history_only: mutate.history_only,
        id: MutateId(mutate.mutate_id),
    })
}

fn write_mutate(mutate: Mutate) -> request::v1::Mutate {
    let write_add =
        |add: Add| request::v1::mutate::Subscription { topic: add.topic.bytes().clone(), id_cursor: add.cursor.0 };
    request::v1::Mutate {
        adds: mutate.adds.into_iter().map(write_add).collect(),
        removes: mutate.removes.iter().map(|topic| topic.bytes().clone()).collect(),
        history_only: mutate.history_only,
        mutate_id: mutate.id.0,
    }
}

impl Response {
    /// Reads a response from the bytes of its protobuf message.
    ///
    /// # Errors
    /// As [`Response::from_proto`], or the bytes are no protobuf message.
    pub(crate) fn decode(bytes: Bytes) -> Result<(Self, Vec<Malformed>), Malformed> {
        Response::from_proto(proto::SubscribeResponse::decode(bytes)?)
    }

    /// Reads a response as far as it can be read; beside it stands what was skipped in it.
    ///
    /// # Errors
    /// An unknown or empty version arm: nothing of the frame can be used.
    pub fn from_proto(frame: proto::SubscribeResponse) -> Result<(Self, Vec<Malformed>), Malformed> {
        let name = "SubscribeResponse";
        let response::Version::V1(v1) = frame.version.ok_or(Malformed::Version { frame: name })?;
        let mut skipped = Vec::new();
        let read = match v1.response.ok_or(Malformed::Arm { frame: name })? {
            response::v1::Response::Messages(messages) => Response::Delivery(read_delivery(messages, &mut skipped)),
            response::v1::Response::Started(started) => Response::Started {
                keepalive: (started.keepalive_interval_ms > 0)
                    .then(|| Duration::from_millis(u64::from(started.keepalive_interval_ms))),
            },
            response::v1::Response::Ping(ping) => Response::Ping(Nonce(ping.nonce)),
            response::v1::Response::Pong(pong) => Response::Pong(Nonce(pong.nonce)),
            response::v1::Response::TopicsLive(live) => {
                Response::TopicsLive(keep_good(live.topics.into_iter().map(Topic::parse), &mut skipped))
            }
            response::v1::Response::CatchupComplete(complete) => {
                Response::CatchupComplete(MutateId(complete.mutate_id))
            }
        };
        Ok((read, skipped))
    }

    /// The response as it is sent.
    #[must_use]
    pub fn into_proto(self) -> proto::SubscribeResponse {
        let arm = match self {
            Response::Started { keepalive } => response::v1::Response::Started(response::v1::Started {
                keepalive_interval_ms: keepalive
                    .map_or(0, |interval| u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)),
                capabilities: Vec::new(),
            }),
            Response::Delivery(delivery) => response::v1::Response::Messages(write_delivery(delivery)),
            Response::TopicsLive(topics) => response::v1::Response::TopicsLive(response::v1::TopicsLive {
                topics: topics.iter().map(|topic| topic.bytes().clone()).collect(),
            }),
            Response::CatchupComplete(id) => {
                response::v1::Response::CatchupComplete(response::v1::CatchupComplete { mutate_id: id.0 })
            }
            Response::Ping(nonce) => response::v1::Response::Ping(proto::Ping { nonce: nonce.0 }),
            Response::Pong(nonce) => response::v1::Response::Pong(proto::Pong { nonce: nonce.0 }),
        };
        proto::SubscribeResponse { version: Some(response::Version::V1(response::V1 { response: Some(arm) })) }
    }
}

/// The parts that can be read; the others are put to what was skipped.
pub(crate) fn keep_good<T>(parts: impl Iterator<Item = Result<T, Malformed>>, skipped: &mut Vec<Malformed>) -> Vec<T> {
    // Nearly always all of them: room for them at once.
    let mut good = Vec::with_capacity(parts.size_hint().0);
    good.extend(parts.filter_map(|part| part.map_err(|bad| skipped.push(bad)).ok()));
    good
}

fn read_delivery(messages: response::v1::Messages, skipped: &mut Vec<Malformed>) -> DeliveryFrame {
    let groups = messages.group_messages.into_iter().map(Message::from_group);
    let welcomes = messages.welcome_messages.into_iter().map(Message::from_welcome);
    DeliveryFrame {
        tag: if messages.mutate_id == 0 { Tag::Live } else { Tag::Wave(MutateId(messages.mutate_id)) },
        messages: keep_good(groups.chain(welcomes), skipped),
    }
}

fn write_delivery(delivery: DeliveryFrame) -> response::v1::Messages {
    let groups = delivery.messages.iter().filter(|message| message.topic().kind() == MessageKind::Group).count();
    let (mut group_messages, mut welcome_messages) =
        (Vec::with_capacity(groups), Vec::with_capacity(delivery.messages.len() - groups));
    for message in delivery.messages {
        match message.topic().kind() {
            MessageKind::Group => group_messages.push(message.into_group()),
            MessageKind::Welcome => welcome_messages.push(message.into_welcome()),
        }
    }
    let mutate_id = match delivery.tag {
        Tag::Live | Tag::Untold => 0,
        Tag::Wave(id) => id.0,
    };
    response::v1::Messages { group_messages, welcome_messages, mutate_id }
}

impl Message {
    /// Reads a stored group message.
    ///
    /// # Errors
    /// It has no known version.
    pub fn from_group(message: proto::GroupMessage) -> Result<Self, Malformed> {
        let proto::group_message::Version::V1(v1) =
            message.version.ok_or(Malformed::Version { frame: "GroupMessage" })?;
        let envelope =
            Envelope::Group { sender_hmac: v1.sender_hmac, should_push: v1.should_push, is_commit: v1.is_commit };
        let draft = Draft { topic: Topic::new(MessageKind::Group, &v1.group_id), data: v1.data, envelope };
        Ok(Message { id: MessageId(v1.id), origin: None, created_ns: v1.created_ns, draft })
    }

    /// Reads a stored welcome.
    ///
    /// # Errors
    /// It has no known version.
    pub(crate) fn from_welcome(message: proto::WelcomeMessage) -> Result<Self, Malformed> {
        let proto::welcome_message::Version::V1(v1) =
            message.version.ok_or(Malformed::Version { frame: "WelcomeMessage" })?;
        let envelope = Envelope::Welcome {
            hpke_public_key: v1.hpke_public_key,
            wrapper_algorithm: v1.wrapper_algorithm,
            welcome_metadata: v1.welcome_metadata,
        };
        let draft = Draft { topic: Topic::new(MessageKind::Welcome, &v1.installation_key), data: v1.data, envelope };
        Ok(Message { id: MessageId(v1.id), origin: None, created_ns: v1.created_ns, draft })
    }

    /// The message in the shape of a group message; a welcome's own fields have no place there.
    #[must_use]
    pub(crate) fn into_group(self) -> proto::GroupMessage {
        let group_id = self.draft.topic.rest();
        let (sender_hmac, should_push, is_commit) = match self.draft.envelope {
            Envelope::Group { sender_hmac, should_push, is_commit } => (sender_hmac, should_push, is_commit),
            Envelope::Welcome { .. } => (Bytes::new(), false, false),
        };
        let v1 = proto::group_message::V1 {
            id: self.id.0,
            created_ns: self.created_ns,
            group_id,
            data: self.draft.data,
            sender_hmac,
            should_push,
            is_commit,
        };
        proto::GroupMessage { version: Some(proto::group_message::Version::V1(v1)) }
    }

    /// The message in the shape of a welcome; a group message's own fields have no place there.
    #[must_use]
    pub(crate) fn into_welcome(self) -> proto::WelcomeMessage {
        let installation_key = self.draft.topic.rest();
        let (hpke_public_key, wrapper_algorithm, welcome_metadata) = match self.draft.envelope {
            Envelope::Welcome { hpke_public_key, wrapper_algorithm, welcome_metadata } => {
                (hpke_public_key, wrapper_algorithm, welcome_metadata)
            }
            Envelope::Group { .. } => (Bytes::new(), 0, Bytes::new()),
        };
        let v1 = proto::welcome_message::V1 {
            id: self.id.0,
            created_ns: self.created_ns,
            installation_key,
            data: self.draft.data,
            hpke_public_key,
            wrapper_algorithm,
            welcome_metadata,
        };
        proto::WelcomeMessage { version: Some(proto::welcome_message::Version::V1(v1)) }
    }
}

impl Draft {
    /// Whether it is an MLS commit.
    pub(crate) fn is_commit(&self) -> bool {
        matches!(self.envelope, Envelope::Group { is_commit: true, .. })
    }

    /// Reads a group message to publish; its topic stands in the MLS header of its data.
    ///
    /// # Errors
    /// No known version, or the data is no MLS message.
    pub(crate) fn from_group_input(input: proto::GroupMessageInput) -> Result<Self, Malformed> {
        let proto::group_message_input::Version::V1(v1) =
            input.version.ok_or(Malformed::Version { frame: "GroupMessageInput" })?;
        let header = GroupHeader::read(&v1.data)?;
        let envelope = Envelope::Group {
            sender_hmac: v1.sender_hmac,
            should_push: v1.should_push,
            is_commit: header.content_type == Some(ContentType::Commit),
        };
        Ok(Draft { topic: Topic::new(MessageKind::Group, &header.group_id), data: v1.data, envelope })
    }

    /// Reads a welcome to publish.
    ///
    /// # Errors
    /// No known version.
    pub(crate) fn from_welcome_input(input: proto::WelcomeMessageInput) -> Result<Self, Malformed> {
        let proto::welcome_message_input::Version::V1(v1) =
            input.version.ok_or(Malformed::Version { frame: "WelcomeMessageInput" })?;
        let envelope = Envelope::Welcome {
            hpke_public_key: v1.hpke_public_key,
            wrapper_algorithm: v1.wrapper_algorithm,
            welcome_metadata: v1.welcome_metadata,
        };
        Ok(Draft { topic: Topic::new(MessageKind::Welcome, &v1.installation_key), data: v1.data, envelope })
    }

    /// The draft as a group message to publish.
    #[must_use]
    pub(crate) fn into_group_input(self) -> proto::GroupMessageInput {
        let (sender_hmac, should_push) = match self.envelope {
            Envelope::Group { sender_hmac, should_push, .. } => (sender_hmac, should_push),
            Envelope::Welcome { .. } => (Bytes::new(), false),
        };
        let v1 = proto::group_message_input::V1 { data: self.data, sender_hmac, should_push };
        proto::GroupMessageInput { version: Some(proto::group_message_input::Version::V1(v1)) }
    }

    /// The draft as a welcome to publish.
    #[must_use]
    pub(crate) fn into_welcome_input(self) -> proto::WelcomeMessageInput {
        let installation_key = self.topic.rest();
        let (hpke_public_key, wrapper_algorithm, welcome_metadata) = match self.envelope {
            Envelope::Welcome { hpke_public_key, wrapper_algorithm, welcome_metadata } => {
                (hpke_public_key, wrapper_algorithm, welcome_metadata)
            }
            Envelope::Group { .. } => (Bytes::new(), 0, Bytes::new()),
        };
        let v1 = proto::welcome_message_input::V1 {
            installation_key,
            data: self.data,
            hpke_public_key,
            wrapper_algorithm,
            welcome_metadata,
        };
        proto::WelcomeMessageInput { version: Some(proto::welcome_message_input::Version::V1(v1)) }
    }
}

/// Which page of a topic's history is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    /// Newest first; the default, as on the public network.
    pub descending: bool,
    /// At most so many messages; 0 leaves it to the node.
    pub limit: u32,
    /// Where the page starts, exclusive; 0 is the beginning of the chosen direction.
    pub cursor: Cursor,
}

impl Paging {
    /// Reads paging information; none asks for the first page in the default direction.
    ///
    /// # Errors
    /// An unknown sort direction.
    pub(crate) fn from_proto(info: Option<proto::PagingInfo>) -> Result<Self, Malformed> {
        let info = info.unwrap_or_default();
        let direction =
            proto::SortDirection::try_from(info.direction).map_err(|_| Malformed::Direction(info.direction))?;
        Ok(Paging {
            descending: direction != proto::SortDirection::Ascending,
            limit: info.limit,
            cursor: Cursor(info.id_cursor),
        })
    }

    /// The paging information as it is sent.
    #[must_use]
    pub(crate) fn into_proto(self) -> proto::PagingInfo {
        let direction =
            if self.descending { proto::SortDirection::Descending } else { proto::SortDirection::Ascending };
        proto::PagingInfo { direction: direction.into(), limit: self.limit, id_cursor: self.cursor.0 }
    }
}

/// One page of a topic's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// In the order asked for.
    pub messages: Vec<Message>,
    /// What to ask for next; its cursor is 0 where nothing is left.
    pub next: Paging,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::wire::application_message;

    fn group_message(id: u64) -> Message {
        let topic = Topic::new(MessageKind::Group, b"g");
        let data = application_message(b"g", b"payload");
        let envelope = Envelope::Group { sender_hmac: Bytes::from_static(b"h"), should_push: true, is_commit: false };
        Message { id: MessageId(id), origin: None, created_ns: 5, draft: Draft { topic, data, envelope } }
    }

    fn welcome(id: u64) -> Message {
        let envelope = Envelope::Welcome {
            hpke_public_key: Bytes::from_static(b"k"),
            wrapper_algorithm: 1,
            welcome_metadata: Bytes::from_static(b"m"),
        };
        let draft = Draft { topic: Topic::new(MessageKind::Welcome, b"i"), data: Bytes::from_static(b"d"), envelope };
        Message { id: MessageId(id), origin: None, created_ns: 6, draft }
    }

    #[test]
    fn requests_survive_the_wire() {
        let add = Add { topic: Topic::new(MessageKind::Group, b"g"), cursor: Cursor(9) };
        let removes = vec![Topic::new(MessageKind::Welcome, b"i")];
        let mutate = Mutate { adds: vec![add], removes, history_only: true, id: MutateId(3) };
        for request in [Request::Mutate(mutate), Request::Ping(Nonce(1)), Request::Pong(Nonce(2))] {
            let bytes = Bytes::from(request.clone().into_proto().encode_to_vec());
            assert_eq!(Request::decode(bytes), Ok(request));
        }
    }

    #[test]
    fn responses_survive_the_wire() {
        let messages = vec![group_message(1), welcome(1)];
        for response in [
            Response::Started { keepalive: Some(Duration::from_secs(30)) },
            Response::Started { keepalive: None },
            Response::Delivery(DeliveryFrame { tag: Tag::Wave(MutateId(4)), messages: messages.clone() }),
            Response::Delivery(DeliveryFrame { tag: Tag::Live, messages }),
            Response::TopicsLive(vec![Topic::new(MessageKind::Group, b"g")]),
            Response::CatchupComplete(MutateId(4)),
            Response::Ping(Nonce(1)),
            Response::Pong(Nonce(2)),
        ] {
            let bytes = Bytes::from(response.clone().into_proto().encode_to_vec());
            assert_eq!(Response::decode(bytes), Ok((response, vec![])));
        }
    }

    #[test]
    fn drafts_survive_the_wire() {
        let (group, welcome) = (group_message(1).draft, welcome(1).draft);
        assert_eq!(Draft::from_group_input(group.clone().into_group_input()), Ok(group));
        assert_eq!(Draft::from_welcome_input(welcome.clone().into_welcome_input()), Ok(welcome));
    }

    #[test]
    fn a_request_without_a_version_or_an_arm_is_refused() {
        let empty = proto::SubscribeRequest { version: None };
        assert_eq!(Request::from_proto(empty), Err(Malformed::Version { frame: "SubscribeRequest" }));
        let silent = proto::SubscribeRequest { version: Some(request::Version::V1(request::V1 { request: None })) };
        assert_eq!(Request::from_proto(silent), Err(Malformed::Arm { frame: "SubscribeRequest" }));
    }

    #[test]
    fn a_mutate_with_one_bad_topic_is_refused_whole() {
        let good = Mutate { removes: vec![Topic::new(MessageKind::Group, b"g")], ..Mutate::default() };
        let mut frame = write_mutate(good);
        frame.removes.push(Bytes::from_static(&[7]));
        assert_eq!(read_mutate(frame), Err(Malformed::TopicKind { prefix: 7 }));
    }

    #[test]
    fn a_malformed_topic_from_a_node_is_skipped_and_told() {
        let live = response::v1::TopicsLive {
            topics: vec![Bytes::from_static(&[0, 1]), Bytes::from_static(&[9]), Bytes::new()],
        };
        let v1 = response::V1 { response: Some(response::v1::Response::TopicsLive(live)) };
        let frame = proto::SubscribeResponse { version: Some(response::Version::V1(v1)) };
        let (read, skipped) = Response::from_proto(frame).expect("readable");
        assert_eq!(read, Response::TopicsLive(vec![Topic::new(MessageKind::Group, &[1])]));
        assert_eq!(skipped, [Malformed::TopicKind { prefix: 9 }, Malformed::EmptyTopic]);
    }

    #[test]
    fn a_commit_is_known_by_its_header() {
        let mut data = application_message(b"g", b"").to_vec();
        *data.last_mut().expect("not empty") = 3;
        let input = Draft { data: data.into(), ..group_message(1).draft }.into_group_input();
        let draft = Draft::from_group_input(input).expect("a commit");
        assert!(matches!(draft.envelope, Envelope::Group { is_commit: true, .. }));
    }
}
