//! The node serves the decentralized binding to a raw tonic client: cursors of several originators (protocol, section 7).

use bytes::Bytes;
use pulseless::subject::xmtp::node::{LogHead, NodeCloseReason, NodeConfig, NodeNotice};
use pulseless::subject::xmtp::wire::{
    Cursor, Dialect, MessageId, MessageKind, MutateId, Nonce, Originator, Response, VectorAdd, VectorMutate,
    VectorRequest, application_message, proto, query_proto, read_vector_response,
};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use crate::bench::{Bench, KeptDisk, MOMENT, SECOND, topic};

fn config() -> NodeConfig {
    NodeConfig { dialects: vec![Dialect::Decentralized], ..NodeConfig::default() }
}

/// Publishes a message of the group `name` that an originator is to number, as far as one is named.
async fn publish(bench: &Bench, name: &str, target: Option<&str>) -> Result<(), Status> {
    let data = application_message(name.as_bytes(), b"payload");
    let v1 = proto::group_message_input::V1 { data, ..Default::default() };
    let input = proto::GroupMessageInput { version: Some(proto::group_message_input::Version::V1(v1)) };
    let mut request = Request::new(proto::SendGroupMessagesRequest { messages: vec![input] });
    if let Some(target) = target {
        request.metadata_mut().insert("x-target-originator", target.parse().expect("a header"));
    }
    bench.client.clone().send_group_messages(request).await.map(drop)
}

/// The originators 2 and 4 take turns: each has numbered `count` messages.
async fn take_turns(bench: &Bench, name: &str, count: u32) {
    for _ in 0..count {
        publish(bench, name, Some("2")).await.expect("stored");
        publish(bench, name, Some("4")).await.expect("stored");
    }
}

struct VectorWire {
    requests: Option<mpsc::Sender<query_proto::SubscribeRequest>>,
    responses: Streaming<query_proto::SubscribeResponse>,
}

impl VectorWire {
    /// A stream whose Started was read.
    async fn open(bench: &Bench) -> Self {
        let (requests, outbound) = mpsc::channel(100);
        let mut client = query_proto::query_api_client::QueryApiClient::new(bench.channel.clone());
        let responses = client.subscribe(ReceiverStream::new(outbound)).await.expect("headers").into_inner();
        let mut wire = VectorWire { requests: Some(requests), responses };
        assert_eq!(wire.frame().await, "started Some(30s)");
        wire
    }

    fn send(&self, request: VectorRequest) {
        self.requests.as_ref().expect("not half-closed").try_send(request.into_proto()).expect("room");
    }

    fn mutate(&self, id: u64, adds: &[(&str, &[(u32, u64)])], removes: &[&str], history_only: bool) {
        let add = |(name, known): &(&str, &[(u32, u64)])| VectorAdd {
            topic: topic(name),
            cursor: known.iter().map(|(by, sequence)| (Originator(*by), Cursor(*sequence))).collect(),
        };
        let adds = adds.iter().map(add).collect();
        let removes = removes.iter().map(|name| topic(name)).collect();
        self.send(VectorRequest::Mutate(VectorMutate { adds, removes, history_only, id: MutateId(id) }));
    }

    async fn next(&mut self) -> Result<Option<Response>, Status> {
        let frame = self.responses.message().await?;
        Ok(frame.map(|frame| read_vector_response(frame).expect("well formed").0))
    }

    async fn frame(&mut self) -> String {
        match self.next().await.expect("an open stream").expect("a frame") {
            Response::Delivery(delivery) => {
                let told = |by: Option<Originator>| by.map_or("nobody".to_owned(), |Originator(by)| by.to_string());
                let messages = delivery.messages.iter();
                let messages = messages.map(|message| format!(" {}{}", told(message.topic().originator()), message.id));
                format!("{}:{}", delivery.tag, messages.collect::<String>())
            }
            Response::Started { keepalive } => format!("started {keepalive:?}"),
            Response::CatchupComplete(id) => format!("complete {}", id.0),
            Response::TopicsLive(topics) => format!("topics live: {}", topics.len()),
            Response::Ping(_) => "ping".into(),
            Response::Pong(nonce) => format!("pong {}", nonce.0),
        }
    }

    /// All frames up to the acknowledgment of that Mutate, without markers.
    async fn wave(&mut self, id: u64) -> Vec<String> {
        let mut frames = Vec::new();
        while frames.last() != Some(&format!("complete {id}")) {
            frames.push(self.frame().await);
        }
        frames.retain(|frame| frame.starts_with("wave") || frame.starts_with("live"));
        frames
    }

    async fn ending(&mut self) -> Code {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_originator_goes_on_from_its_own_place() {
    let bench = Bench::start(config()).await;
    take_turns(&bench, "a", 3).await;
    let mut wire = VectorWire::open(&bench).await;
    wire.mutate(1, &[("a", &[(2, 3), (4, 1)])], &[], false);
    assert_eq!(wire.wave(1).await, ["wave of mutate 1: 4#2 4#3"]);
    let mut other = VectorWire::open(&bench).await;
    other.mutate(1, &[("a", &[(4, 2)])], &[], false);
    assert_eq!(other.wave(1).await, ["wave of mutate 1: 2#1 2#2 2#3 4#3"], "who is missing begins at the beginning");
    take_turns(&bench, "a", 1).await;
    publish(&bench, "a", Some("8")).await.expect("stored");
    for wire in [&mut wire, &mut other] {
        let live = [wire.frame().await, wire.frame().await, wire.frame().await].join(" ").replace("live: ", "");
        assert_eq!(live, "2#4 4#4 8#1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_ahead_of_an_originator_holds_back_what_comes_live_as_well() {
    let bench = Bench::start(config()).await;
    let mut wire = VectorWire::open(&bench).await;
    wire.mutate(1, &[("a", &[(2, 2)])], &[], false);
    assert_eq!(wire.wave(1).await, Vec::<String>::new());
    take_turns(&bench, "a", 3).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(wire.frame().await);
    }
    assert_eq!(seen, ["live: 4#1", "live: 4#2", "live: 2#3", "live: 4#3"]);
}

#[tokio::test(start_paused = true)]
async fn a_re_add_is_a_no_op_and_of_two_adds_the_first_counts() {
    let bench = Bench::start(config()).await;
    take_turns(&bench, "a", 2).await;
    let mut wire = VectorWire::open(&bench).await;
    wire.mutate(1, &[("a", &[(2, 1), (4, 1)]), ("a", &[])], &[], false);
    assert_eq!(wire.wave(1).await, ["wave of mutate 1: 2#2 4#2"]);
    wire.mutate(2, &[("a", &[])], &[], false);
    assert_eq!(wire.wave(2).await, Vec::<String>::new(), "also from below the floor, unlike in v1");
    wire.mutate(3, &[("a", &[])], &["a"], false);
    assert_eq!(wire.wave(3).await, ["wave of mutate 3: 2#1 4#1 2#2 4#2"], "a remove comes first");
}

#[tokio::test(start_paused = true)]
async fn a_bounded_catch_up_ends_with_ok_and_its_topic_may_be_added_afterwards() {
    let bench = Bench::start(config()).await;
    take_turns(&bench, "a", 1).await;
    let mut wire = VectorWire::open(&bench).await;
    wire.mutate(1, &[("a", &[])], &[], true);
    assert_eq!(wire.wave(1).await, ["wave of mutate 1: 2#1 4#1"]);
    wire.mutate(2, &[("a", &[(2, 1)])], &[], true);
    assert_eq!(wire.wave(2).await, ["wave of mutate 2: 4#1"]);
    wire.requests = None;
    assert_eq!(wire.ending().await, Code::Ok);
    assert_eq!(bench.closings().await, [NodeCloseReason::Finished]);
}

#[tokio::test(start_paused = true)]
async fn pings_and_refusals_are_as_in_v1() {
    let bench = Bench::start(config()).await;
    let mut wire = VectorWire::open(&bench).await;
    wire.send(VectorRequest::Ping(Nonce(7)));
    assert_eq!(wire.frame().await, "pong 7");
    sleep(30 * SECOND).await;
    assert_eq!(wire.frame().await, "ping");
    wire.mutate(0, &[("a", &[])], &[], false);
    assert_eq!(wire.ending().await, Code::InvalidArgument, "S3");
    let mut wire = VectorWire::open(&bench).await;
    wire.mutate(1, &[("a", &[])], &[], false);
    wire.mutate(2, &[("a", &[])], &[], true);
    assert_eq!(wire.ending().await, Code::InvalidArgument, "S11");
    let wire = VectorWire::open(&bench).await;
    wire.requests.as_ref().expect("open").try_send(Default::default()).expect("room");
    let mut wire = wire;
    assert_eq!(wire.ending().await, Code::InvalidArgument, "S10");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_is_refused_and_nothing_is_stored() {
    let bench = Bench::start(config()).await;
    for (target, word) in [
        ("3", "odd ones welcomes"),
        ("-1", "a number below 2^32"),
        ("two", "a number below 2^32"),
        ("+2", "a number below 2^32"),
    ] {
        let refused = publish(&bench, "a", Some(target)).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(word) && refused.message().contains("x-target-originator"), "{refused}");
    }
    let plain = Bench::start(NodeConfig::default()).await;
    let refused = publish(&plain, "a", Some("2")).await.expect_err("refused");
    assert!(refused.message().contains("does not count by originator"), "{refused}");
    let mut wire = VectorWire::open(&bench).await;
    wire.mutate(1, &[("a", &[])], &[], false);
    assert_eq!(wire.wave(1).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn originators_and_cursors_have_a_bound() {
    let bench = Bench::start(config()).await;
    publish(&bench, "a", None).await.expect("the node has room for itself");
    for number in 1..255 {
        publish(&bench, "a", Some(&(2 * number).to_string())).await.expect("stored");
    }
    let refused = publish(&bench, "a", Some("510")).await.expect_err("one too many");
    assert_eq!((refused.code(), refused.message().contains("originator 510")), (Code::ResourceExhausted, true));
    publish(&bench, "a", Some("508")).await.expect("that one is known");
    let mut wire = VectorWire::open(&bench).await;
    let known: Vec<(u32, u64)> = (0..257).map(|by| (by, 1)).collect();
    wire.mutate(1, &[("a", &known[..256])], &[], false);
    wire.mutate(2, &[("b", &known)], &[], false);
    assert_eq!(wire.ending().await, Code::ResourceExhausted, "S8");
}

/// How far the log was in each sequence, each time that it was opened.
fn heads(bench: &Bench) -> Vec<Vec<LogHead>> {
    let notices = bench.notices.0.lock().expect("not poisoned");
    let opened = notices.iter().filter_map(|notice| match notice {
        NodeNotice::LogOpened { heads } => Some(heads.clone()),
        NodeNotice::Stored { .. }
        | NodeNotice::StreamOpened { .. }
        | NodeNotice::StreamClosed { .. }
        | NodeNotice::StoreFailed { .. } => None,
    });
    opened.collect()
}

#[tokio::test(start_paused = true)]
async fn a_log_of_v1_becomes_the_nodes_own_sequence_and_survives_restarts() {
    let disk = KeptDisk::default();
    let plain = Bench::start_on(disk.clone(), NodeConfig::default()).await;
    plain.publish(&["a", "a"]).await;
    plain.publish_welcome("welcome").await;
    plain.node.abort();
    sleep(MOMENT).await;
    for restart in 0..2 {
        let bench = Bench::start_on(disk.clone(), config()).await;
        let mut wire = VectorWire::open(&bench).await;
        if restart == 0 {
            publish(&bench, "a", Some("2")).await.expect("stored");
            publish(&bench, "a", None).await.expect("stored");
        }
        wire.mutate(1, &[("a", &[(0, 1)]), ("welcome", &[])], &[], false);
        assert_eq!(wire.wave(1).await, ["wave of mutate 1: 0#2 2#1 0#3 1#1"]);
        let own = |originator, id| LogHead {
            kind: if originator == 1 { MessageKind::Welcome } else { MessageKind::Group },
            originator: Some(Originator(originator)),
            id: MessageId(id),
        };
        let known = if restart == 0 { vec![own(0, 2), own(1, 1)] } else { vec![own(0, 3), own(1, 1), own(2, 1)] };
        assert_eq!(heads(&bench), [known]);
        bench.node.abort();
        sleep(MOMENT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_envelope_holds_the_topic_and_the_payload_for_any_reader() {
    use prost::Message as _;
    use pulseless::subject::xmtp::wire::envelopes_proto::{ClientEnvelope, PayerEnvelope, UnsignedOriginatorEnvelope};
    use query_proto::subscribe_response::{Version, v1::Response as Told};

    let bench = Bench::start(config()).await;
    publish(&bench, "a", Some("2")).await.expect("stored");
    let mut wire = VectorWire::open(&bench).await;
    wire.mutate(1, &[("a", &[])], &[], false);
    let frame = wire.responses.message().await.expect("open").expect("a frame");
    let Some(Version::V1(v1)) = frame.version else { panic!("no version") };
    let Some(Told::Envelopes(envelopes)) = v1.response else { panic!("no envelopes") };
    let bytes: Bytes = envelopes.envelopes[0].unsigned_originator_envelope.clone();
    let numbered = UnsignedOriginatorEnvelope::decode(bytes).expect("readable");
    assert_eq!((numbered.originator_node_id, numbered.originator_sequence_id, numbered.originator_ns), (2, 1, 77));
    let paid = PayerEnvelope::decode(numbered.payer_envelope_bytes).expect("readable");
    let client = ClientEnvelope::decode(paid.unsigned_client_envelope).expect("readable");
    assert_eq!(client.aad.expect("data in the open").target_topic.as_ref(), topic("a").bytes().as_ref());
}
