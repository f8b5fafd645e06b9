//! The frames of the decentralized backend as our own types, and the only conversions to and from its messages.
//!
//! Refuses to know what a node or a client makes of them. As in v1, what a node receives is checked to the last field, and
//! what a client receives is taken as far as it can be.
//!
//! Towards a client a message belongs to a part of its topic: that of its originator, in whose sequence its id is.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use crate::subject::xmtp::wire::convert::keep_good;
use crate::subject::xmtp::wire::envelopes_proto::{self as envelopes, client_envelope::Payload};
use crate::subject::xmtp::wire::query_proto::{self as proto, subscribe_request as asked, subscribe_response as told};
use crate::subject::xmtp::wire::{
    Add, Cursor, DeliveryFrame, Draft, Malformed, Message, MessageId, MessageKind, Mutate, MutateId, Nonce, Originator,
    Request, Response, Tag, Topic, proto as v1,
};

/// How far each originator is known; who is missing is not known at all.
pub type VectorCursor = BTreeMap<Originator, Cursor>;

/// One topic to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorAdd {
    /// The topic.
    pub topic: Topic,
    /// Of each originator deliver what comes after this.
    pub cursor: VectorCursor,
}

/// A change of the stream's topics, applied whole or not at all (S5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VectorMutate {
    /// Topics to add; of two adds of one topic the first counts.
    pub adds: Vec<VectorAdd>,
    /// Topics to remove, before the adds.
    pub removes: Vec<Topic>,
    /// Replay only, without live registration (S11).
    pub history_only: bool,
    /// The wave's name.
    pub id: MutateId,
}

/// A client's frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VectorRequest {
    /// Change the topics.
    Mutate(VectorMutate),
    /// Ask for a Pong.
    Ping(Nonce),
    /// Answer a Ping.
    Pong(Nonce),
}

impl VectorRequest {
    /// Reads a request from the bytes of its protobuf message.
    ///
    /// # Errors
    /// As [`VectorRequest::from_proto`], or the bytes are no protobuf message.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        VectorRequest::from_proto(proto::SubscribeRequest::decode(bytes)?)
    }

    /// Reads a request, checked to the last field (S2, S10).
    ///
    /// # Errors
    /// An unknown or empty version arm, or a malformed topic.
    pub fn from_proto(frame: proto::SubscribeRequest) -> Result<Self, Malformed> {
        let name = "SubscribeRequest";
        let asked::Version::V1(v1) = frame.version.ok_or(Malformed::Version { frame: name })?;
        match v1.request.ok_or(Malformed::Arm { frame: name })? {
            asked::v1::Request::Mutate(mutate) => Ok(VectorRequest::Mutate(read_mutate(mutate)?)),
            asked::v1::Request::Ping(ping) => Ok(VectorRequest::Ping(Nonce(ping.nonce))),
            asked::v1::Request::Pong(pong) => Ok(VectorRequest::Pong(Nonce(pong.nonce))),
        }
    }

    /// The request as it is sent.
    #[must_use]
    pub fn into_proto(self) -> proto::SubscribeRequest {
        let arm = match self {
            VectorRequest::Mutate(mutate) => asked::v1::Request::Mutate(write_mutate(mutate)),
            VectorRequest::Ping(nonce) => asked::v1::Request::Ping(v1::Ping { nonce: nonce.0 }),
            VectorRequest::Pong(nonce) => asked::v1::Request::Pong(v1::Pong { nonce: nonce.0 }),
        };
        proto::SubscribeRequest { version: Some(asked::Version::V1(asked::V1 { request: Some(arm) })) }
    }
}

impl VectorMutate {
    /// The same with an add for each topic, and for each part of it that is known after that: what `gather` undoes.
    pub(crate) fn scatter(self) -> Mutate {
        let scatter = |VectorAdd { topic, cursor }: VectorAdd| {
            let known = cursor.into_iter();
            let parts: Vec<Add> = known.map(|(by, cursor)| Add { topic: topic.part(by), cursor }).collect();
            std::iter::once(Add { topic, cursor: Cursor(0) }).chain(parts)
        };
        let adds = self.adds.into_iter().flat_map(scatter).collect();
        Mutate { adds, removes: self.removes, history_only: self.history_only, id: self.id }
    }
}

/// A request of the core as it is sent: the parts of a topic that it adds are one cursor on the wire.
pub(crate) fn write_vector_request(request: Request) -> proto::SubscribeRequest {
    let request = match request {
        Request::Mutate(mutate) => VectorRequest::Mutate(gather(mutate)),
        Request::Ping(nonce) => VectorRequest::Ping(nonce),
        Request::Pong(nonce) => VectorRequest::Pong(nonce),
    };
    request.into_proto()
}

/// The core's Mutate with one add for each topic, to which the parts that follow it belong.
fn gather(mutate: Mutate) -> VectorMutate {
    let mut adds: Vec<VectorAdd> = Vec::new();
    for Add { topic: part, cursor } in mutate.adds {
        let topic = part.whole();
        let begins = part.originator().is_none() || adds.last().is_none_or(|last| last.topic != topic);
        if begins {
            adds.push(VectorAdd { topic, cursor: VectorCursor::new() });
        }
        if let (Some(originator), Some(add)) = (part.originator(), adds.last_mut()) {
            add.cursor.insert(originator, cursor);
        }
    }
    VectorMutate { adds, removes: mutate.removes, history_only: mutate.history_only, id: mutate.id }
}

fn read_mutate(mutate: asked::v1::Mutate) -> Result<VectorMutate, Malformed> {
    let read_add = |add: asked::v1::mutate::Subscription| {
        let known = add.cursor.unwrap_or_default().node_id_to_sequence_id.into_iter();
        let cursor = known.map(|(originator, sequence)| (Originator(originator), Cursor(sequence))).collect();
        Ok(VectorAdd { topic: Topic::parse(add.topic)?, cursor })
    };
    Ok(VectorMutate {
        adds: mutate.adds.into_iter().map(read_add).collect::<Result<_, Malformed>>()?,
        removes: mutate.removes.into_iter().map(Topic::parse).collect::<Result<_, _>>()?,
        history_only: mutate.history_only,
        id: MutateId(mutate.mutate_id),
    })
}

fn write_mutate(mutate: VectorMutate) -> asked::v1::Mutate {
    let write_add = |add: VectorAdd| {
        let known = add.cursor.into_iter().map(|(originator, cursor)| (originator.0, cursor.0));
        let cursor = envelopes::Cursor { node_id_to_sequence_id: known.collect() };
        asked::v1::mutate::Subscription { topic: add.topic.bytes().clone(), cursor: Some(cursor) }
    };
    asked::v1::Mutate {
        adds: mutate.adds.into_iter().map(write_add).collect(),
        removes: mutate.removes.iter().map(|topic| topic.bytes().clone()).collect(),
        history_only: mutate.history_only,
        mutate_id: mutate.id.0,
    }
}

/// Reads a response from the bytes of its protobuf message.
///
/// # Errors
/// As [`read_vector_response`], or the bytes are no protobuf message.
pub(crate) fn decode_vector_response(bytes: Bytes) -> Result<(Response, Vec<Malformed>), Malformed> {
    read_vector_response(proto::SubscribeResponse::decode(bytes)?)
}

/// Reads a response as far as it can be read; beside it stands what was skipped in it.
///
/// # Errors
/// An unknown or empty version arm: nothing of the frame can be used.
pub fn read_vector_response(frame: proto::SubscribeResponse) -> Result<(Response, Vec<Malformed>), Malformed> {
    let name = "SubscribeResponse";
    let told::Version::V1(version) = frame.version.ok_or(Malformed::Version { frame: name })?;
    let mut skipped = Vec::new();
    let response = version.response.ok_or(Malformed::Arm { frame: name })?;
    let told::v1::Response::Envelopes(envelopes) = response else {
        return Response::from_proto(as_v1(response));
    };
    let tag = if envelopes.mutate_id == 0 { Tag::Live } else { Tag::Wave(MutateId(envelopes.mutate_id)) };
    let messages = keep_good(envelopes.envelopes.into_iter().map(read_envelope), &mut skipped);
    Ok((Response::Delivery(DeliveryFrame { tag, messages }), skipped))
}

/// The response as it is sent. What of its messages no originator has numbered is the caller's mistake, and left out.
pub(crate) fn write_vector_response(response: Response) -> proto::SubscribeResponse {
    use v1::subscribe_response::{Version, v1::Response as Frame};
    let arm = match response {
        Response::Delivery(DeliveryFrame { tag, messages }) => {
            let mutate_id = match tag {
                Tag::Live | Tag::Untold => 0,
                Tag::Wave(id) => id.0,
            };
            let envelopes = messages.into_iter().filter_map(write_envelope).collect();
            Some(told::v1::Response::Envelopes(told::v1::Envelopes { envelopes, mutate_id }))
        }
        other @ (Response::Started { .. }
        | Response::TopicsLive(_)
        | Response::CatchupComplete(_)
        | Response::Ping(_)
        | Response::Pong(_)) => match other.into_proto().version.and_then(|Version::V1(v1)| v1.response) {
            Some(Frame::Started(started)) => Some(told::v1::Response::Started(started)),
            Some(Frame::Ping(ping)) => Some(told::v1::Response::Ping(ping)),
            Some(Frame::Pong(pong)) => Some(told::v1::Response::Pong(pong)),
            Some(Frame::TopicsLive(topics)) => Some(told::v1::Response::TopicsLive(topics)),
            Some(Frame::CatchupComplete(done)) => Some(told::v1::Response::CatchupComplete(done)),
            Some(Frame::Messages(_)) | None => None,
        },
    };
    proto::SubscribeResponse { version: Some(told::Version::V1(told::V1 { response: arm })) }
}

/// What is not messages is v1's, with its meaning.
fn as_v1(response: told::v1::Response) -> v1::SubscribeResponse {
    use v1::subscribe_response::{V1, Version, v1::Response as Frame};
    let frame = match response {
        told::v1::Response::Started(started) => Some(Frame::Started(started)),
        told::v1::Response::Ping(ping) => Some(Frame::Ping(ping)),
        told::v1::Response::Pong(pong) => Some(Frame::Pong(pong)),
        told::v1::Response::TopicsLive(topics) => Some(Frame::TopicsLive(topics)),
        told::v1::Response::CatchupComplete(done) => Some(Frame::CatchupComplete(done)),
        told::v1::Response::Envelopes(_) => None,
    };
    v1::SubscribeResponse { version: Some(Version::V1(V1 { response: frame })) }
}

fn read_envelope(envelope: envelopes::OriginatorEnvelope) -> Result<Message, Malformed> {
    let numbered = envelopes::UnsignedOriginatorEnvelope::decode(envelope.unsigned_originator_envelope)?;
    let paid = envelopes::PayerEnvelope::decode(numbered.payer_envelope_bytes)?;
    let client = envelopes::ClientEnvelope::decode(paid.unsigned_client_envelope)?;
    let payload = client.payload.ok_or(Malformed::Arm { frame: "ClientEnvelope" })?;
    let draft = match payload {
        Payload::GroupMessage(input) => Draft::from_group_input(input)?,
        Payload::WelcomeMessage(input) => Draft::from_welcome_input(input)?,
    };
    // The topic that it is subscribed by; the payload must be of it.
    let topic = Topic::parse(client.aad.unwrap_or_default().target_topic)?;
    if topic != draft.topic {
        return Err(Malformed::Target);
    }
    let topic = topic.part(Originator(numbered.originator_node_id));
    Ok(Message {
        id: MessageId(numbered.originator_sequence_id),
        origin: None,
        created_ns: u64::try_from(numbered.originator_ns).unwrap_or_default(),
        draft: Draft { topic, ..draft },
    })
}

fn write_envelope(message: Message) -> Option<envelopes::OriginatorEnvelope> {
    let origin = message.origin?;
    let topic = message.topic().clone();
    let is_commit = message.draft.is_commit();
    let payload = match topic.kind() {
        MessageKind::Group => Payload::GroupMessage(message.draft.into_group_input()),
        MessageKind::Welcome => Payload::WelcomeMessage(message.draft.into_welcome_input()),
    };
    let aad = envelopes::AuthenticatedData { target_topic: topic.bytes().clone(), is_commit };
    let client = envelopes::ClientEnvelope { aad: Some(aad), payload: Some(payload) };
    let paid = envelopes::PayerEnvelope {
        unsigned_client_envelope: client.encode_to_vec().into(),
        target_originator: origin.originator.0,
    };
    let numbered = envelopes::UnsignedOriginatorEnvelope {
        originator_node_id: origin.originator.0,
        originator_sequence_id: origin.sequence.0,
        originator_ns: i64::try_from(message.created_ns).unwrap_or(i64::MAX),
        payer_envelope_bytes: paid.encode_to_vec().into(),
    };
    Some(envelopes::OriginatorEnvelope { unsigned_originator_envelope: numbered.encode_to_vec().into() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::subject::xmtp::wire::{Envelope, OriginatorPlace, application_message};

    fn topic(name: &str) -> Topic {
        Topic::new(MessageKind::Group, name.as_bytes())
    }

    fn vector(known: &[(u32, u64)]) -> VectorCursor {
        known.iter().map(|(originator, sequence)| (Originator(*originator), Cursor(*sequence))).collect()
    }

    fn stored(origin: OriginatorPlace) -> Message {
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: true, is_commit: false };
        let draft = Draft { topic: topic("g"), data: application_message(b"g", b"payload"), envelope };
        Message { id: MessageId(90), origin: Some(origin), created_ns: 5, draft }
    }

    #[test]
    fn requests_survive_the_wire() {
        let adds = vec![
            VectorAdd { topic: topic("new"), cursor: VectorCursor::new() },
            VectorAdd { topic: topic("known"), cursor: vector(&[(2, 9), (4, u64::MAX)]) },
        ];
        let removes = vec![Topic::new(MessageKind::Welcome, b"i")];
        let mutate = VectorMutate { adds, removes, history_only: true, id: MutateId(7) };
        for request in [VectorRequest::Mutate(mutate), VectorRequest::Ping(Nonce(1)), VectorRequest::Pong(Nonce(2))] {
            let bytes = request.clone().into_proto().encode_to_vec();
            assert_eq!(VectorRequest::decode(bytes.into()), Ok(request));
        }
    }

    #[test]
    fn the_parts_of_a_topic_are_one_add_on_the_wire() {
        let add = |topic: Topic, cursor| Add { topic, cursor: Cursor(cursor) };
        let adds = vec![
            add(topic("b"), 0),
            add(topic("b").part(Originator(4)), 3),
            add(topic("b").part(Originator(2)), 8),
            add(topic("a"), 0),
            add(topic("a"), 0),
        ];
        let mutate = Mutate { adds, id: MutateId(1), ..Mutate::default() };
        let sent = VectorRequest::from_proto(write_vector_request(Request::Mutate(mutate))).expect("well formed");
        let adds = vec![
            VectorAdd { topic: topic("b"), cursor: vector(&[(2, 8), (4, 3)]) },
            VectorAdd { topic: topic("a"), cursor: VectorCursor::new() },
            VectorAdd { topic: topic("a"), cursor: VectorCursor::new() },
        ];
        assert_eq!(
            sent,
            VectorRequest::Mutate(VectorMutate { adds, id: MutateId(1), ..VectorMutate::default() }),
            "twice is twice"
        );
    }

    #[test]
    fn a_message_arrives_as_one_of_its_originators_part() {
        let sent = stored(OriginatorPlace { originator: Originator(6), sequence: MessageId(3) });
        let frame = DeliveryFrame { tag: Tag::Wave(MutateId(4)), messages: vec![sent.clone()] };
        let read = read_vector_response(write_vector_response(Response::Delivery(frame))).expect("readable");
        let draft = Draft { topic: topic("g").part(Originator(6)), ..sent.draft };
        let messages = vec![Message { id: MessageId(3), origin: None, created_ns: 5, draft }];
        assert_eq!(read, (Response::Delivery(DeliveryFrame { tag: Tag::Wave(MutateId(4)), messages }), vec![]));
    }

    #[test]
    fn what_is_not_messages_is_as_in_v1() {
        for response in [
            Response::Started { keepalive: Some(Duration::from_secs(30)) },
            Response::Ping(Nonce(1)),
            Response::Pong(Nonce(2)),
            Response::TopicsLive(vec![topic("a")]),
            Response::CatchupComplete(MutateId(8)),
        ] {
            assert_eq!(read_vector_response(write_vector_response(response.clone())), Ok((response, vec![])));
        }
        let silent = proto::SubscribeResponse { version: None };
        assert_eq!(read_vector_response(silent), Err(Malformed::Version { frame: "SubscribeResponse" }));
    }

    #[test]
    fn the_field_numbers_are_the_published_ones() {
        let cursor = envelopes::Cursor { node_id_to_sequence_id: [(2, 9)].into() };
        assert_eq!(cursor.encode_to_vec(), [0x0a, 4, 0x08, 2, 0x10, 9]);
        let numbered = envelopes::UnsignedOriginatorEnvelope {
            originator_node_id: 2,
            originator_sequence_id: 3,
            originator_ns: 4,
            payer_envelope_bytes: Bytes::from_static(b"p"),
        };
        assert_eq!(numbered.encode_to_vec(), [0x08, 2, 0x10, 3, 0x18, 4, 0x22, 1, b'p']);
    }

    #[test]
    fn an_envelope_of_another_topic_is_skipped_and_told() {
        let mut written = write_envelope(stored(OriginatorPlace { originator: Originator(2), sequence: MessageId(1) }));
        let envelope = written.take().expect("numbered");
        let mut numbered =
            envelopes::UnsignedOriginatorEnvelope::decode(envelope.unsigned_originator_envelope).expect("readable");
        let mut paid = envelopes::PayerEnvelope::decode(numbered.payer_envelope_bytes.clone()).expect("readable");
        let mut client = envelopes::ClientEnvelope::decode(paid.unsigned_client_envelope.clone()).expect("readable");
        client.aad = Some(envelopes::AuthenticatedData { target_topic: topic("h").bytes().clone(), is_commit: false });
        paid.unsigned_client_envelope = client.encode_to_vec().into();
        numbered.payer_envelope_bytes = paid.encode_to_vec().into();
        let envelope = envelopes::OriginatorEnvelope { unsigned_originator_envelope: numbered.encode_to_vec().into() };
        let frame = told::v1::Envelopes { envelopes: vec![envelope, Default::default()], mutate_id: 0 };
        let response = told::V1 { response: Some(told::v1::Response::Envelopes(frame)) };
        let frame = proto::SubscribeResponse { version: Some(told::Version::V1(response)) };
        let nothing = DeliveryFrame { tag: Tag::Live, messages: Vec::new() };
        let skipped = vec![Malformed::Target, Malformed::Arm { frame: "ClientEnvelope" }];
        assert_eq!(read_vector_response(frame), Ok((Response::Delivery(nothing), skipped)));
    }
}
