//! Any bytes at all, read as what a peer may send: no panic, and what is accepted is what is sent on.
//!
//! Refuses to know what a frame means. `PROPTEST_CASES` says how many inputs each test plays.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::sample;
use proptest::strategy::Strategy;
use proptest::test_runner::TestCaseError;
use prost::Message as _;

use crate::subject::xmtp::wire::proto::{subscribe_request as request, subscribe_response as response};
use crate::subject::xmtp::wire::{
    DeliveryFrame, Draft, DraftRequest, DraftResponse, Envelope, GroupHeader, GrpcFrames, Message, MessageId,
    MessageKind, Originator, OriginatorPlace, Request, Response, Tag, Topic, VectorRequest, application_message,
    decode_vector_response, draft_proto, envelopes_proto, proto, query_proto, write_vector_request,
    write_vector_response,
};

/// Bytes of a topic or of data.
fn raw() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..80)
}

/// A topic of a kind that exists in two of three cases: chance would write 254 bad ones of 256.
fn topic() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(|topic| {
        let kind = topic.first().map(|byte| byte % 3);
        kind.into_iter().chain(topic.iter().skip(1).copied()).collect()
    })
}

/// Which bytes of a frame are written over, and with what.
fn damage() -> impl Strategy<Value = Vec<(u16, u8)>> {
    vec(any::<(u16, u8)>(), 0..4)
}

fn damaged(frame: &impl prost::Message, damage: &[(u16, u8)]) -> Bytes {
    let mut bytes = frame.encode_to_vec();
    for (place, value) in damage {
        let count = bytes.len();
        if let Some(byte) = bytes.get_mut(usize::from(*place) % count.max(1)) {
            *byte = *value;
        }
    }
    bytes.into()
}

fn check_request(bytes: Bytes) -> Result<(), TestCaseError> {
    let Ok(request) = Request::decode(bytes) else { return Ok(()) };
    let again = Request::decode(request.clone().into_proto().encode_to_vec().into());
    prop_assert_eq!(again, Ok(request));
    Ok(())
}

fn check_response(bytes: Bytes) -> Result<(), TestCaseError> {
    let Ok((response, _passed_over)) = Response::decode(bytes) else { return Ok(()) };
    let again = Response::decode(response.clone().into_proto().encode_to_vec().into());
    prop_assert_eq!(again, Ok((response, Vec::new())), "what was kept has nothing left to pass over");
    Ok(())
}

fn check_draft(bytes: Bytes) -> Result<(), TestCaseError> {
    if let Ok(request) = DraftRequest::decode(bytes.clone()) {
        let again = DraftRequest::decode(request.clone().into_proto().encode_to_vec().into());
        prop_assert_eq!(again, Ok(request));
    }
    if let Ok((response, _passed_over)) = DraftResponse::decode(bytes) {
        let again = DraftResponse::decode(response.clone().into_proto().encode_to_vec().into());
        prop_assert_eq!(again, Ok((response, Vec::new())), "what was kept has nothing left to pass over");
    }
    Ok(())
}

/// What is accepted travels unchanged, also by way of the core's adds: one for each topic and each part of it.
fn check_vector(bytes: Bytes) -> Result<(), TestCaseError> {
    if let Ok(request) = VectorRequest::decode(bytes.clone()) {
        let again = VectorRequest::decode(request.clone().into_proto().encode_to_vec().into());
        prop_assert_eq!(&again, &Ok(request.clone()));
        if let VectorRequest::Mutate(mutate) = request {
            let scattered = write_vector_request(Request::Mutate(mutate.clone().scatter()));
            prop_assert_eq!(VectorRequest::from_proto(scattered), Ok(VectorRequest::Mutate(mutate)));
        }
    }
    if let Ok((Response::Delivery(delivery), _passed_over)) = decode_vector_response(bytes) {
        prop_assert!(delivery.messages.iter().all(|message| message.topic().originator().is_some()));
    }
    Ok(())
}

fn response(arm: response::v1::Response) -> proto::SubscribeResponse {
    proto::SubscribeResponse { version: Some(response::Version::V1(response::V1 { response: Some(arm) })) }
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame_that_travels_unchanged_or_are_refused(bytes in vec(any::<u8>(), 0..300)) {
        check_request(bytes.clone().into())?;
        check_response(bytes.clone().into())?;
        check_draft(bytes.clone().into())?;
        check_vector(bytes.into())?;
    }

    #[test]
    fn any_damaged_frame_of_originators_travels_unchanged_or_is_refused(
        adds in vec((topic(), vec((any::<u32>(), any::<u64>()), 0..4)), 0..8),
        removes in vec(topic(), 0..8),
        (originator, sequence, created) in any::<(u32, u64, u64)>(),
        group in raw(),
        damage in damage(),
    ) {
        let add = |(topic, known): (Bytes, Vec<(u32, u64)>)| {
            let cursor = envelopes_proto::Cursor { node_id_to_sequence_id: known.into_iter().collect() };
            query_proto::subscribe_request::v1::mutate::Subscription { topic, cursor: Some(cursor) }
        };
        use query_proto::subscribe_request as asked;
        let adds = adds.into_iter().map(add).collect();
        let mutate = asked::v1::Mutate { adds, removes, history_only: false, mutate_id: 1 };
        let version = asked::Version::V1(asked::V1 { request: Some(asked::v1::Request::Mutate(mutate)) });
        check_vector(damaged(&query_proto::SubscribeRequest { version: Some(version) }, &damage))?;
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
        let topic = Topic::new(MessageKind::Group, &group);
        let draft = Draft { topic, data: application_message(&group, b"payload"), envelope };
        let origin = Some(OriginatorPlace { originator: Originator(originator), sequence: MessageId(sequence) });
        let messages = vec![Message { id: MessageId(1), origin, created_ns: created, draft }];
        let delivery = Response::Delivery(DeliveryFrame { tag: Tag::Live, messages });
        check_vector(damaged(&write_vector_response(delivery), &damage))?;
    }

    #[test]
    fn any_damaged_frame_of_the_draft_travels_unchanged_or_is_refused(
        adds in vec((topic(), any::<u64>()), 0..8),
        remove in vec(topic(), 0..8),
        status in -1..5_i32,
        keepalive_interval_ms in any::<Option<u32>>(),
        damage in damage(),
    ) {
        let add = |(topic, last_seen_id)| draft_proto::subscribe_request::TopicFilter { topic, last_seen_id };
        let request = draft_proto::SubscribeRequest { add: adds.into_iter().map(add).collect(), remove };
        check_draft(damaged(&request, &damage))?;
        let update = draft_proto::subscribe_response::StatusUpdate { status, keepalive_interval_ms };
        let arm = draft_proto::subscribe_response::Response::StatusUpdate(update);
        check_draft(damaged(&draft_proto::SubscribeResponse { response: Some(arm) }, &damage))?;
    }

    #[test]
    fn any_damaged_mutate_travels_unchanged_or_is_refused(
        adds in vec((topic(), any::<u64>()), 0..8),
        removes in vec(topic(), 0..8),
        history_only in any::<bool>(),
        mutate_id in any::<u64>(),
        damage in damage(),
    ) {
        let add = |(topic, id_cursor)| request::v1::mutate::Subscription { topic, id_cursor };
        let adds = adds.into_iter().map(add).collect();
        let arm = request::v1::Request::Mutate(request::v1::Mutate { adds, removes, history_only, mutate_id });
        let version = Some(request::Version::V1(request::V1 { request: Some(arm) }));
        check_request(damaged(&proto::SubscribeRequest { version }, &damage))?;
    }

    #[test]
    fn any_damaged_delivery_travels_unchanged_or_is_refused(
        groups in vec((any::<u64>(), raw(), raw()), 0..8),
        mutate_id in any::<u64>(),
        damage in damage(),
    ) {
        let message = |(id, group, data): &(u64, Vec<u8>, Vec<u8>)| {
            let v1 = proto::group_message::V1 {
                id: *id,
                group_id: group.clone().into(),
                data: application_message(group, data),
                ..Default::default()
            };
            proto::GroupMessage { version: Some(proto::group_message::Version::V1(v1)) }
        };
        let group_messages = groups.iter().map(message).collect();
        let messages = response::v1::Messages { group_messages, welcome_messages: Vec::new(), mutate_id };
        check_response(damaged(&response(response::v1::Response::Messages(messages)), &damage))?;
    }

    #[test]
    fn any_damaged_marker_travels_unchanged_or_is_refused(topics in vec(topic(), 0..8), damage in damage()) {
        let live = response::v1::TopicsLive { topics };
        check_response(damaged(&response(response::v1::Response::TopicsLive(live)), &damage))?;
    }

    #[test]
    fn any_bytes_are_a_draft_with_a_topic_of_its_own_or_are_refused(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(input) = proto::GroupMessageInput::decode(&bytes[..])
            && let Ok(draft) = Draft::from_group_input(input)
        {
            prop_assert_eq!(Draft::from_group_input(draft.clone().into_group_input()), Ok(draft));
        }
        if let Ok(input) = proto::WelcomeMessageInput::decode(&bytes[..])
            && let Ok(draft) = Draft::from_welcome_input(input)
        {
            prop_assert_eq!(Draft::from_welcome_input(draft.clone().into_welcome_input()), Ok(draft));
        }
    }

    /// Also behind a good version and wire format: chance does not often write four right bytes.
    #[test]
    fn any_bytes_are_an_mls_header_or_are_refused(
        begin in sample::select(vec![&b""[..], b"\0\x01\0\x01", b"\0\x01\0\x02"]),
        bytes in raw(),
    ) {
        let data = Bytes::from([begin, &bytes].concat());
        if let Ok(header) = GroupHeader::read(&data) {
            prop_assert!(header.group_id.len() < data.len());
        }
    }

    #[test]
    fn every_group_id_is_found_in_the_message_that_was_written_for_it(group in raw(), repeat in 1..400_usize) {
        let group = group.repeat(repeat);
        let header = GroupHeader::read(&application_message(&group, b"payload"));
        prop_assert_eq!(header.map(|header| header.group_id), Ok(Bytes::from(group)));
    }

    #[test]
    fn any_bytes_are_a_topic_that_prints_or_are_refused(bytes in raw()) {
        if let Ok(topic) = Topic::parse(bytes.into()) {
            prop_assert_eq!(&Topic::new(topic.kind(), &topic.rest()), &topic);
            prop_assert!(topic.to_string().chars().all(|letter| letter.is_ascii_graphic()));
        }
    }

    #[test]
    fn a_body_is_cut_into_the_same_messages_wherever_it_is_torn(
        messages in vec(raw(), 0..8),
        tears in vec(1..200_usize, 1..8),
    ) {
        let mut body = BytesMut::new();
        for message in &messages {
            body.put_u8(0);
            body.put_u32(u32::try_from(message.len()).expect("short"));
            body.put_slice(message);
        }
        let mut frames = GrpcFrames::default();
        let mut seen = Vec::new();
        for step in tears.iter().cycle() {
            if body.is_empty() {
                break;
            }
            frames.push(&body.split_to((*step).min(body.len())).freeze());
            while let Some(message) = frames.next_message().expect("well formed") {
                seen.push(message);
            }
        }
        prop_assert_eq!(seen, messages);
    }

    #[test]
    fn any_bytes_are_a_body_that_ends_or_is_refused(bytes in vec(any::<u8>(), 0..300)) {
        let mut frames = GrpcFrames::default();
        frames.push(&Bytes::copy_from_slice(&bytes));
        let mut taken = 0;
        while let Ok(Some(message)) = frames.next_message() {
            taken += message.len() + 5;
        }
        prop_assert!(taken <= bytes.len());
    }
}
