//! The frames of the first published draft as our own types, and the only conversions to and from its messages.
//!
//! Refuses to know what a node or a client makes of them. As in v1, what a node receives is checked to the last field, and
//! what a client receives is taken as far as it can be.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use crate::subject::xmtp::wire::convert::keep_good;
use crate::subject::xmtp::wire::draft_proto::{
    self as proto, subscribe_request as request, subscribe_response as told,
};
use crate::subject::xmtp::wire::{Cursor, Malformed, Message, MessageKind, Topic};

/// One topic to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftAdd {
    /// The topic.
    pub topic: Topic,
    /// Deliver ids greater than this; none is from the live edge, which is 0 on the wire.
    pub after: Option<Cursor>,
}

/// A client's only frame: a change of its topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftRequest {
    /// Topics to add, after the removes.
    pub adds: Vec<DraftAdd>,
    /// Topics to remove.
    pub removes: Vec<Topic>,
}

/// A node's frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftResponse {
    /// Messages, replayed or live.
    Messages(Vec<Message>),
    /// The first frame of a stream.
    Started {
        /// The node says WAITING when it was silent for so long; none where it does not tell.
        keepalive: Option<Duration>,
    },
    /// Some change's topics are caught up.
    CatchupComplete,
    /// Nothing was sent for the interval.
    Waiting,
}

impl DraftRequest {
    /// Reads a request from the bytes of its protobuf message.
    ///
    /// # Errors
    /// As [`DraftRequest::from_proto`], or the bytes are no protobuf message.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        DraftRequest::from_proto(proto::SubscribeRequest::decode(bytes)?)
    }

    /// Reads a request, checked to the last field.
    ///
    /// # Errors
    /// A malformed topic.
    pub fn from_proto(frame: proto::SubscribeRequest) -> Result<Self, Malformed> {
        let read_add = |add: request::TopicFilter| {
            let after = (add.last_seen_id > 0).then_some(Cursor(add.last_seen_id));
            Ok(DraftAdd { topic: Topic::parse(add.topic)?, after })
        };
        Ok(DraftRequest {
            adds: frame.add.into_iter().map(read_add).collect::<Result<_, Malformed>>()?,
            removes: frame.remove.into_iter().map(Topic::parse).collect::<Result<_, _>>()?,
        })
    }

    /// The request as it is sent.
    #[must_use]
    pub fn into_proto(self) -> proto::SubscribeRequest {
        let write_add = |add: DraftAdd| request::TopicFilter {
            topic: add.topic.bytes().clone(),
            last_seen_id: add.after.map_or(0, |cursor| cursor.0),
        };
        proto::SubscribeRequest {
            add: self.adds.into_iter().map(write_add).collect(),
            remove: self.removes.iter().map(|topic| topic.bytes().clone()).collect(),
        }
    }
}

impl DraftResponse {
    /// Reads a response from the bytes of its protobuf message.
    ///
    /// # Errors
    /// As [`DraftResponse::from_proto`], or the bytes are no protobuf message.
    pub(crate) fn decode(bytes: Bytes) -> Result<(Self, Vec<Malformed>), Malformed> {
        DraftResponse::from_proto(proto::SubscribeResponse::decode(bytes)?)
    }

    /// Reads a response as far as it can be read; beside it stands what was skipped in it.
    ///
    /// # Errors
    /// It says nothing, or has a status that is not known: nothing of the frame can be used.
    pub fn from_proto(frame: proto::SubscribeResponse) -> Result<(Self, Vec<Malformed>), Malformed> {
        let mut skipped = Vec::new();
        let read = match frame.response.ok_or(Malformed::Arm { frame: "SubscribeResponse" })? {
            told::Response::Messages(messages) => {
                let groups = messages.group_messages.into_iter().map(Message::from_group);
                let welcomes = messages.welcome_messages.into_iter().map(Message::from_welcome);
                DraftResponse::Messages(keep_good(groups.chain(welcomes), &mut skipped))
            }
            told::Response::StatusUpdate(update) => read_status(update)?,
        };
        Ok((read, skipped))
    }

    /// The response as it is sent.
    #[must_use]
    pub fn into_proto(self) -> proto::SubscribeResponse {
        let status = |status: told::Status, keepalive: Option<Duration>| {
            let interval = |interval: Duration| u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
            told::Response::StatusUpdate(told::StatusUpdate {
                status: status.into(),
                keepalive_interval_ms: keepalive.map(interval),
            })
        };
        let arm = match self {
            DraftResponse::Messages(messages) => told::Response::Messages(write_messages(messages)),
            DraftResponse::Started { keepalive } => status(told::Status::Started, keepalive),
            DraftResponse::CatchupComplete => status(told::Status::CatchupComplete, None),
            DraftResponse::Waiting => status(told::Status::Waiting, None),
        };
        proto::SubscribeResponse { response: Some(arm) }
    }
}

fn read_status(update: told::StatusUpdate) -> Result<DraftResponse, Malformed> {
    let unknown = |_| Malformed::Status(update.status);
    match told::Status::try_from(update.status).map_err(unknown)? {
        told::Status::Unspecified => Err(Malformed::Status(update.status)),
        // An interval of 0 is none that anybody could keep.
        told::Status::Started => Ok(DraftResponse::Started {
            keepalive: update.keepalive_interval_ms.filter(|ms| *ms > 0).map(|ms| Duration::from_millis(ms.into())),
        }),
        told::Status::CatchupComplete => Ok(DraftResponse::CatchupComplete),
        told::Status::Waiting => Ok(DraftResponse::Waiting),
    }
}

fn write_messages(messages: Vec<Message>) -> told::Messages {
    let mut written = told::Messages::default();
    for message in messages {
        match message.topic().kind() {
            MessageKind::Group => written.group_messages.push(message.into_group()),
            MessageKind::Welcome => written.welcome_messages.push(message.into_welcome()),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::wire::{Draft, Envelope, MessageId, application_message};

    fn topic(name: &str) -> Topic {
        Topic::new(MessageKind::Group, name.as_bytes())
    }

    fn message(id: u64) -> Message {
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
        let draft = Draft { topic: topic("g"), data: application_message(b"g", b"payload"), envelope };
        Message { id: MessageId(id), origin: None, created_ns: 5, draft }
    }

    #[test]
    fn requests_survive_the_wire() {
        let adds = vec![
            DraftAdd { topic: topic("edge"), after: None },
            DraftAdd { topic: topic("later"), after: Some(Cursor(9)) },
        ];
        let request = DraftRequest { adds, removes: vec![Topic::new(MessageKind::Welcome, b"i")] };
        for request in [request, DraftRequest::default()] {
            let bytes = request.clone().into_proto().encode_to_vec();
            assert_eq!(DraftRequest::decode(bytes.into()), Ok(request));
        }
    }

    #[test]
    fn responses_survive_the_wire() {
        for response in [
            DraftResponse::Messages(vec![message(3), message(4)]),
            DraftResponse::Started { keepalive: Some(Duration::from_secs(30)) },
            DraftResponse::Started { keepalive: None },
            DraftResponse::CatchupComplete,
            DraftResponse::Waiting,
        ] {
            let bytes = response.clone().into_proto().encode_to_vec();
            assert_eq!(DraftResponse::decode(bytes.into()), Ok((response, vec![])));
        }
    }

    #[test]
    fn the_field_numbers_are_the_drafts() {
        let add = DraftAdd { topic: topic("g"), after: Some(Cursor(5)) };
        let request = DraftRequest { adds: vec![add], removes: vec![topic("r")] };
        let bytes = [&[0x0a, 6, 0x0a, 2, 0, b'g', 0x10, 5][..], &[0x12, 2, 0, b'r']].concat();
        assert_eq!(request.into_proto().encode_to_vec(), bytes);
        let started = DraftResponse::Started { keepalive: Some(Duration::from_millis(7)) };
        assert_eq!(started.into_proto().encode_to_vec(), [0x12, 4, 0x08, 1, 0x10, 7]);
        assert_eq!(DraftResponse::Waiting.into_proto().encode_to_vec(), [0x12, 2, 0x08, 3]);
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let silent = proto::SubscribeResponse { response: None };
        assert_eq!(DraftResponse::from_proto(silent), Err(Malformed::Arm { frame: "SubscribeResponse" }));
        for status in [0, 4, -1] {
            let update = told::StatusUpdate { status, keepalive_interval_ms: None };
            assert_eq!(read_status(update), Err(Malformed::Status(status)));
        }
        let bad = request::TopicFilter { topic: Bytes::from_static(&[7]), last_seen_id: 0 };
        let frame = proto::SubscribeRequest { add: vec![bad], remove: Vec::new() };
        assert_eq!(DraftRequest::from_proto(frame), Err(Malformed::TopicKind { prefix: 7 }));
    }

    #[test]
    fn a_malformed_message_is_skipped_and_told() {
        let messages = told::Messages { group_messages: vec![Default::default()], ..write_messages(vec![message(1)]) };
        let frame = proto::SubscribeResponse { response: Some(told::Response::Messages(messages)) };
        let (read, skipped) = DraftResponse::from_proto(frame).expect("readable");
        assert_eq!(read, DraftResponse::Messages(Vec::new()));
        assert_eq!(skipped, [Malformed::Version { frame: "GroupMessage" }]);
    }
}
