//! The two calls before Subscribe: the same log, the same live flow and the same bounds; and a node that has only them.

use bytes::Bytes;
use pulseless::subject::xmtp::node::{NodeCloseReason, NodeConfig, NodeLimits, Serves};
use pulseless::subject::xmtp::wire::{Message, proto};
use tokio::time::sleep;
use tonic::{Code, Status, Streaming};

use crate::authorization::denying;
use crate::bench::{Bench, KeptDisk, MOMENT, SECOND, limited};

type Groups = Streaming<proto::GroupMessage>;

impl Bench {
    /// A stream of these groups, each after its cursor.
    async fn groups(&self, filters: &[(&str, u64)]) -> Result<Groups, Status> {
        let filter = |(name, id_cursor): &(&str, u64)| proto::subscribe_group_messages_request::Filter {
            group_id: Bytes::copy_from_slice(name.as_bytes()),
            id_cursor: *id_cursor,
        };
        let request = proto::SubscribeGroupMessagesRequest { filters: filters.iter().map(filter).collect() };
        self.client.clone().subscribe_group_messages(request).await.map(tonic::Response::into_inner)
    }

    async fn welcomes(&self, name: &str) -> Streaming<proto::WelcomeMessage> {
        let installation_key = Bytes::copy_from_slice(name.as_bytes());
        let filter = proto::subscribe_welcome_messages_request::Filter { installation_key, id_cursor: 0 };
        let request = proto::SubscribeWelcomeMessagesRequest { filters: vec![filter] };
        self.client.clone().subscribe_welcome_messages(request).await.expect("headers").into_inner()
    }
}

async fn ids(groups: &mut Groups, count: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let message = groups.message().await.expect("an open stream").expect("a message");
        ids.push(Message::from_group(message).expect("well formed").id.0);
    }
    ids
}

async fn ending(groups: &mut Groups) -> Status {
    loop {
        match groups.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Status::ok(""),
            Err(status) => return status,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn history_above_the_cursors_comes_merged_by_id_and_then_what_is_new() {
    let bench = Bench::start(NodeConfig::default()).await;
    bench.publish(&["a", "b", "c", "a", "b"]).await;
    bench.publish_welcome("welcome").await;
    let mut groups = bench.groups(&[("b", 0), ("a", 1), ("b", 2)]).await.expect("headers");
    assert_eq!(ids(&mut groups, 3).await, [2, 4, 5], "the lower cursor of two holds");
    bench.publish(&["c", "b", "a"]).await;
    assert_eq!(ids(&mut groups, 2).await, [7, 8]);
    let mut welcomes = bench.welcomes("welcome").await;
    bench.publish_welcome("welcome").await;
    for id in [1, 2] {
        let welcome = welcomes.message().await.expect("an open stream").expect("a message");
        let Some(proto::welcome_message::Version::V1(v1)) = welcome.version else { panic!("v1") };
        assert_eq!((v1.id, &*v1.installation_key), (id, b"welcome".as_ref()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_seam_under_publishing_loses_nothing_and_doubles_nothing() {
    let limits = NodeLimits { frame_messages: 10, frames: 1, ..NodeLimits::default() };
    let bench = Bench::start(limited(limits)).await;
    for _ in 0..40 {
        bench.publish(&["hot"; 50]).await;
    }
    let mut groups = bench.groups(&[("hot", 0)]).await.expect("headers");
    let mut came = Vec::new();
    while came.len() < 2_200 {
        if came.len() % 100 == 0 && came.len() < 1_000 {
            bench.publish(&["hot"; 20]).await;
        }
        came.extend(ids(&mut groups, 10).await);
    }
    assert_eq!(came, (1..=2_200).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_read_is_too_slow_by_its_queue_or_by_its_stall() {
    let bench = Bench::start(limited(NodeLimits { pending_messages: 100, ..NodeLimits::default() })).await;
    let mut by_queue = bench.groups(&[("a", 0)]).await.expect("headers");
    sleep(MOMENT).await;
    bench.publish(&["a"; 101]).await;
    assert_eq!(bench.closings().await, [NodeCloseReason::TooSlow]);
    assert_eq!(ending(&mut by_queue).await.code(), Code::Aborted);
    let bench = Bench::start(limited(NodeLimits { stall: 20 * SECOND, ..NodeLimits::default() })).await;
    for _ in 0..40 {
        bench.publish(&["b"; 50]).await;
    }
    // An hour of nothing to take is no stall.
    let mut by_stall = bench.groups(&[("b", 0)]).await.expect("headers");
    ids(&mut by_stall, 2_000).await;
    sleep(3_600 * SECOND).await;
    assert_eq!(bench.closings().await, []);
    for _ in 0..40 {
        bench.publish(&["b"; 50]).await;
        sleep(MOMENT).await;
    }
    sleep(19 * SECOND).await;
    assert_eq!(bench.closings().await, []);
    sleep(2 * SECOND).await;
    assert_eq!(bench.closings().await, [NodeCloseReason::TooSlow]);
    assert_eq!(ending(&mut by_stall).await.code(), Code::Aborted);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_behind_and_takes_on_is_not_too_slow() {
    let limits = NodeLimits { stall: 20 * SECOND, frames: 1, ..NodeLimits::default() };
    let bench = Bench::start(limited(limits)).await;
    for _ in 0..200 {
        bench.publish_sized("a", 10_000).await;
    }
    let mut groups = bench.groups(&[("a", 0)]).await.expect("headers");
    for _ in 0..10 {
        // More than a window.
        ids(&mut groups, 10).await;
        sleep(5 * SECOND).await;
        assert_eq!(bench.closings().await, []);
    }
    sleep(20 * SECOND).await;
    assert_eq!(bench.closings().await, [NodeCloseReason::TooSlow], "it was behind all the time");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_is_refused_before_its_headers() {
    let bench = denying(None).await;
    let refused = |filters: &'static [(&'static str, u64)]| {
        let bench = &bench;
        async move { bench.groups(filters).await.expect_err("refused").code() }
    };
    assert_eq!(refused(&[]).await, Code::InvalidArgument);
    assert_eq!(refused(&[("a", 0), ("secret", 0)]).await, Code::PermissionDenied);
    let small = Bench::start(limited(NodeLimits { adds: 1, subscriptions: 2, ..NodeLimits::default() })).await;
    assert!(small.groups(&[("a", 0), ("b", 0)]).await.is_ok(), "one call names all that it will ever follow");
    let refused = small.groups(&[("a", 0), ("b", 0), ("c", 0)]).await.expect_err("too many");
    assert_eq!(refused.code(), Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_vanishes_and_a_store_that_fails_end_the_stream() {
    let disk = KeptDisk::default();
    let bench = Bench::start_on(disk.clone(), NodeConfig::default()).await;
    drop(bench.groups(&[("a", 0)]).await.expect("headers"));
    assert_eq!(bench.closings().await, [NodeCloseReason::PeerGone]);
    let mut groups = bench.groups(&[("a", 0)]).await.expect("headers");
    disk.fail_after(0);
    bench.try_publish(&["a"]).await.expect_err("the disk does not sync");
    assert_eq!(ending(&mut groups).await.code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn an_old_node_serves_the_older_calls_and_tells_subscribe_at_once_or_in_trailers() {
    for serves in [Serves::OlderCalls, Serves::OlderCallsLate] {
        let bench = Bench::start(NodeConfig { serves, ..NodeConfig::default() }).await;
        bench.publish(&["a"]).await;
        let opened = bench.client.clone().subscribe(tokio_stream::pending()).await;
        let status = match (serves, opened) {
            (Serves::OlderCalls, Err(status)) => status,
            (Serves::OlderCallsLate, Ok(opened)) => opened.into_inner().message().await.expect_err("no frame"),
            (_, opened) => panic!("{serves:?}: {:?}", opened.map(|_| "headers")),
        };
        assert_eq!(status.code(), Code::Unimplemented, "{serves:?}");
        let mut groups = bench.groups(&[("a", 0)]).await.expect("headers");
        assert_eq!(ids(&mut groups, 1).await, [1]);
    }
}
