//! The node serves the first published draft to a raw tonic client: what it says, and what it cannot say.

use pulseless::subject::xmtp::node::{NodeCloseReason, NodeConfig, NodeLimits};
use pulseless::subject::xmtp::wire::{Cursor, Dialect, DraftAdd, DraftRequest, DraftResponse, draft_proto};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::bench::{Bench, MOMENT, SECOND, topic};

/// A node that speaks the draft alone.
fn config() -> NodeConfig {
    NodeConfig { dialects: vec![Dialect::Draft], ..NodeConfig::default() }
}

struct DraftWire {
    requests: Option<mpsc::Sender<draft_proto::SubscribeRequest>>,
    responses: Streaming<draft_proto::SubscribeResponse>,
}

impl DraftWire {
    async fn open(bench: &Bench) -> Result<Self, Status> {
        let (requests, outbound) = mpsc::channel(100);
        let mut client = draft_proto::mls_api_client::MlsApiClient::new(bench.channel.clone());
        let responses = client.subscribe(ReceiverStream::new(outbound)).await?.into_inner();
        Ok(DraftWire { requests: Some(requests), responses })
    }

    /// A stream whose STARTED was read.
    async fn started(bench: &Bench) -> Self {
        let mut wire = DraftWire::open(bench).await.expect("headers");
        assert_eq!(wire.frame().await, "started None");
        wire
    }

    /// Adds topics, 0 is from the live edge, and removes some.
    fn change(&self, adds: &[(&str, u64)], removes: &[&str]) {
        let after = |cursor: u64| (cursor > 0).then_some(Cursor(cursor));
        let adds = adds.iter().map(|(name, cursor)| DraftAdd { topic: topic(name), after: after(*cursor) });
        let removes = removes.iter().map(|name| topic(name)).collect();
        let request = DraftRequest { adds: adds.collect(), removes };
        self.requests.as_ref().expect("not half-closed").try_send(request.into_proto()).expect("room");
    }

    async fn next(&mut self) -> Result<Option<DraftResponse>, Status> {
        let frame = self.responses.message().await?;
        Ok(frame.map(|frame| DraftResponse::from_proto(frame).expect("well formed").0))
    }

    async fn frame(&mut self) -> String {
        match self.next().await.expect("an open stream").expect("a frame") {
            DraftResponse::Messages(messages) => {
                messages.iter().map(|message| message.id.to_string()).collect::<Vec<_>>().join(" ")
            }
            DraftResponse::Started { keepalive } => format!("started {keepalive:?}"),
            DraftResponse::CatchupComplete => "complete".into(),
            DraftResponse::Waiting => "waiting".into(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn topics_are_caught_up_and_go_live_and_nothing_names_the_wave() {
    let bench = Bench::start(config()).await;
    bench.publish(&["a", "b", "a"]).await;
    let mut wire = DraftWire::started(&bench).await;
    wire.change(&[("a", 1)], &[]);
    assert_eq!((wire.frame().await, wire.frame().await), ("#3".into(), "complete".into()));
    bench.publish(&["a", "b", "a"]).await;
    assert_eq!(wire.frame().await, "#4 #6");
}

#[tokio::test(start_paused = true)]
async fn zero_is_the_live_edge_at_which_nothing_is_lost_or_repeated() {
    let bench = Bench::start(config()).await;
    bench.publish(&["a", "welcome-free", "a"]).await;
    bench.publish_welcome("welcome").await;
    let mut wire = DraftWire::started(&bench).await;
    wire.change(&[("a", 0), ("welcome", 0)], &[]);
    assert_eq!(wire.frame().await, "complete");
    bench.publish(&["a"]).await;
    assert_eq!(wire.frame().await, "#4");
    bench.publish_welcome("welcome").await;
    assert_eq!(wire.frame().await, "#2");
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_hears_waiting_in_each_interval_and_nobody_is_reaped_for_silence() {
    let bench = Bench::start(config()).await;
    let mut wire = DraftWire::started(&bench).await;
    let start = Instant::now();
    for round in 1..=10 {
        assert_eq!(wire.frame().await, "waiting");
        assert!(start.elapsed().abs_diff(30 * round * SECOND) < SECOND, "{:?}", start.elapsed());
    }
    assert_eq!(bench.closings().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_remove_takes_effect_and_nothing_says_so() {
    let bench = Bench::start(config()).await;
    let mut wire = DraftWire::started(&bench).await;
    wire.change(&[("a", 0)], &[]);
    assert_eq!(wire.frame().await, "complete");
    wire.change(&[], &["a"]);
    sleep(MOMENT).await;
    bench.publish(&["a"]).await;
    assert_eq!(wire.frame().await, "waiting");
    wire.change(&[("b", 0)], &[]);
    assert_eq!(wire.frame().await, "complete");
}

#[tokio::test(start_paused = true)]
async fn a_floor_survives_a_remove_for_as_long_as_the_stream_lives() {
    let bench = Bench::start(config()).await;
    bench.publish(&["a", "a", "a"]).await;
    let mut wire = DraftWire::started(&bench).await;
    wire.change(&[("a", 1)], &[]);
    assert_eq!((wire.frame().await, wire.frame().await), ("#2 #3".into(), "complete".into()));
    wire.change(&[], &["a"]);
    sleep(MOMENT).await;
    bench.publish(&["a"]).await;
    wire.change(&[("a", 1)], &[]);
    assert_eq!((wire.frame().await, wire.frame().await), ("#4".into(), "complete".into()));
    let mut other = DraftWire::started(&bench).await;
    other.change(&[("a", 1)], &[]);
    assert_eq!((other.frame().await, other.frame().await), ("#2 #3 #4".into(), "complete".into()));
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_stream_is_finished_and_ends_with_ok() {
    let bench = Bench::start(config()).await;
    bench.publish(&["a", "a"]).await;
    let mut wire = DraftWire::started(&bench).await;
    wire.change(&[("a", 1)], &[]);
    wire.requests = None;
    assert_eq!((wire.frame().await, wire.frame().await), ("#2".into(), "complete".into()));
    assert_eq!(wire.next().await.expect("no error"), None);
    assert_eq!(bench.closings().await, [NodeCloseReason::Finished]);
}

#[tokio::test(start_paused = true)]
async fn what_is_malformed_or_over_a_bound_ends_the_stream() {
    let limits = NodeLimits { subscriptions: 2, ..NodeLimits::default() };
    let bench = Bench::start(NodeConfig { limits, ..config() }).await;
    let ending = async |wire: &mut DraftWire| loop {
        match wire.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no status"),
            Err(status) => return status.code(),
        }
    };
    let mut wire = DraftWire::started(&bench).await;
    let filter = draft_proto::subscribe_request::TopicFilter { topic: vec![9].into(), last_seen_id: 0 };
    let bad = draft_proto::SubscribeRequest { add: vec![filter], remove: Vec::new() };
    wire.requests.as_ref().expect("open").try_send(bad).expect("room");
    assert_eq!(ending(&mut wire).await, Code::InvalidArgument);
    // A floor that is left behind takes the place of its topic.
    let mut wire = DraftWire::started(&bench).await;
    wire.change(&[("a", 0), ("b", 0)], &[]);
    wire.change(&[], &["a", "b"]);
    wire.change(&[("a", 0)], &[]);
    assert_eq!((wire.frame().await, wire.frame().await), ("complete".into(), "complete".into()));
    wire.change(&[("c", 0)], &[]);
    assert_eq!(ending(&mut wire).await, Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_node_serves_the_dialects_that_it_is_told_to_and_no_other() {
    let opens = async |dialects: Vec<Dialect>| {
        let bench = Bench::start(NodeConfig { dialects, ..NodeConfig::default() }).await;
        let code = |opened: Result<(), Status>| opened.map_or_else(|status| status.code(), |()| Code::Ok);
        let v1 = bench.client.clone().subscribe(tokio_stream::pending()).await.map(drop);
        (code(v1), code(DraftWire::open(&bench).await.map(drop)))
    };
    assert_eq!(opens(vec![Dialect::V1]).await, (Code::Ok, Code::Unimplemented));
    assert_eq!(opens(vec![Dialect::Draft]).await, (Code::Unimplemented, Code::Ok));
    assert_eq!(opens(Dialect::ALL.to_vec()).await, (Code::Ok, Code::Ok));
}
