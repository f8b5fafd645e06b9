//! The node serves the protocol to a raw tonic client over in-memory pipes: conformance tests T1 to T19.
//!
//! T8, T11, T15 and T17 need a network that lies, a clock that stops or a judge of whole histories; they
//! are sims. The clock is paused: idle time passes at once.

mod authorization;
mod bench;
mod decentralized;
mod draft;
mod hygiene;
mod older_calls;
mod shutdown;

use bench::{Bench, KeptDisk, MOMENT, SECOND, address, limited, mutate, show, topic};
use bytes::Bytes;
use pulseless::append_log::AppendLog;
use pulseless::env::Disk;
use pulseless::subject::xmtp::node::{NodeCloseReason, NodeConfig, NodeLimits, NodeNotice, NodeQuirk, RateLimit};
use pulseless::subject::xmtp::wire::{Mutate, Nonce, Request, Response, Tag, application_message, proto};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};

#[tokio::test(start_paused = true)]
async fn t1_started_comes_at_once_and_before_any_request() {
    let bench = Bench::start(NodeConfig::default()).await;
    let start = Instant::now();
    let mut wire = bench.subscribe_raw().await;
    assert_eq!(wire.frame().await, "started Some(30s)");
    assert!(start.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn t2_an_idle_stream_is_pinged_in_each_interval() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    let start = Instant::now();
    for round in 1..=3 {
        let Ok(Some(Response::Ping(nonce))) = wire.next().await else { panic!("no ping") };
        assert!(start.elapsed().abs_diff(30 * round * SECOND) < SECOND, "{:?}", start.elapsed());
        wire.send(Request::Pong(nonce));
    }
}

#[tokio::test(start_paused = true)]
async fn t3_traffic_puts_the_ping_off() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    wire.until_complete(1).await;
    sleep(20 * SECOND).await;
    bench.publish(&["a"]).await;
    let sent = Instant::now();
    assert_eq!(wire.frame().await, "live: #1");
    assert_eq!(wire.frame().await, "ping");
    assert!(sent.elapsed().abs_diff(30 * SECOND) < SECOND, "{:?}", sent.elapsed());
}

#[tokio::test(start_paused = true)]
async fn t4_a_silent_client_is_reaped_within_the_deadline_and_only_the_right_pong_counts() {
    let config = NodeConfig { pong_deadline: 10 * SECOND, ..NodeConfig::default() };
    let bench = Bench::start(config).await;
    let mut wire = bench.subscribe().await;
    let start = Instant::now();
    let Ok(Some(Response::Ping(nonce))) = wire.next().await else { panic!("no ping") };
    wire.send(Request::Pong(Nonce(nonce.0.wrapping_add(1))));
    wire.send(Request::Ping(Nonce(5)));
    assert_eq!(wire.frame().await, "pong 5");
    assert_eq!(wire.ending().await.code(), Code::DeadlineExceeded);
    assert!(start.elapsed().abs_diff(40 * SECOND) < SECOND, "{:?}", start.elapsed());
    assert_eq!(bench.closings().await, [NodeCloseReason::Reaped]);
}

#[tokio::test(start_paused = true)]
async fn t5_a_client_ping_is_answered() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    wire.send(Request::Ping(Nonce(9)));
    assert_eq!(wire.frame().await, "pong 9");
}

#[tokio::test(start_paused = true)]
async fn t6_an_add_in_mid_stream_delivers_what_is_above_its_cursor() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    bench.publish(&["a", "b", "b"]).await;
    wire.mutate(1, &[("a", 0)], &[]);
    assert_eq!(wire.until_complete(1).await, ["wave 1: #1", "caught up: 1 topics", "complete 1"]);
    wire.mutate(2, &[("b", 2)], &[]);
    assert_eq!(wire.until_complete(2).await, ["wave 2: #3", "caught up: 1 topics", "complete 2"]);
    bench.publish(&["b", "a"]).await;
    assert_eq!(wire.frame().await, "live: #4 #5");
}

#[tokio::test(start_paused = true)]
async fn t7_a_remove_is_acknowledged_at_once_and_stops_delivery() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0), ("b", 0)], &[]);
    wire.until_complete(1).await;
    wire.mutate(2, &[], &["a"]);
    assert_eq!(wire.frame().await, "complete 2");
    bench.publish(&["a", "b"]).await;
    assert_eq!(wire.frame().await, "live: #2");
}

#[tokio::test(start_paused = true)]
async fn t9_markers_stand_at_the_boundary_of_each_wave() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    bench.publish(&["a", "b"]).await;
    wire.mutate(1, &[("a", 0)], &[]);
    wire.mutate(2, &[("b", 0), ("c", 0)], &[]);
    let mut frames = wire.until_complete(2).await;
    frames.sort_by_key(|frame| !(frame == "wave 1: #1" || frame == "complete 1"));
    assert_eq!(frames[..2], ["wave 1: #1", "complete 1"]);
    assert!(frames.ends_with(&["complete 2".into()]));
    assert!(frames.contains(&"caught up: 2 topics".into()) && frames.contains(&"caught up: 1 topics".into()));
}

#[tokio::test(start_paused = true)]
async fn t10_a_bounded_catchup_ends_in_ok_with_nothing_after_its_marker() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    bench.publish(&["a", "a"]).await;
    wire.send(Request::Mutate(Mutate { history_only: true, ..mutate(1, &[("a", 1)], &[]) }));
    wire.mutate(2, &[], &["never added"]);
    wire.half_close();
    let mut frames = Vec::new();
    while let Some(frame) = wire.next().await.expect("ends in OK") {
        frames.push(show(&frame));
    }
    assert_eq!(frames, ["complete 2", "wave 1: #2", "caught up: 1 topics", "complete 1"]);
    assert_eq!(bench.closings().await, [NodeCloseReason::Finished]);
}

#[tokio::test(start_paused = true)]
async fn t12_remove_and_add_from_zero_replay_all_with_acknowledgments_in_order() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    bench.publish(&["a", "a"]).await;
    wire.mutate(1, &[("a", 0)], &[]);
    wire.mutate(2, &[], &["a"]);
    wire.mutate(3, &[("a", 0)], &[]);
    let frames = wire.until_complete(3).await;
    let acknowledgments: Vec<_> = frames.iter().filter(|frame| frame.starts_with("complete")).collect();
    assert_eq!(acknowledgments, ["complete 1", "complete 2", "complete 3"]);
    assert!(frames.contains(&"wave 3: #1 #2".into()), "{frames:?}");
}

#[tokio::test(start_paused = true)]
async fn t13_duplicate_adds_coalesce_to_the_lowest_cursor() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    bench.publish(&["a", "a", "a"]).await;
    wire.mutate(1, &[("a", 2), ("a", 1)], &[]);
    assert_eq!(wire.until_complete(1).await, ["wave 1: #2 #3", "caught up: 1 topics", "complete 1"]);
}

#[tokio::test(start_paused = true)]
async fn t14_an_unknown_version_and_a_malformed_topic_are_invalid() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    wire.send_raw(proto::SubscribeRequest { version: None });
    assert_eq!(wire.ending().await.code(), Code::InvalidArgument);
    let mut wire = bench.subscribe().await;
    let mut frame = Request::Mutate(mutate(1, &[], &["a"])).into_proto();
    let Some(proto::subscribe_request::Version::V1(v1)) = &mut frame.version else { panic!("v1") };
    let Some(proto::subscribe_request::v1::Request::Mutate(bad)) = &mut v1.request else { panic!("a Mutate") };
    bad.removes.push(Bytes::from_static(&[9]));
    wire.send_raw(frame);
    assert_eq!(wire.ending().await.code(), Code::InvalidArgument);
    assert!(matches!(bench.closings().await[..], [NodeCloseReason::Refused(_), NodeCloseReason::Refused(_)]));
}

#[tokio::test(start_paused = true)]
async fn t16_a_replay_is_merged_by_id_over_its_topics_for_each_kind() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    bench.publish(&["a", "b"]).await;
    bench.publish_welcome("welcome").await;
    bench.publish(&["b", "a"]).await;
    wire.mutate(1, &[("b", 0), ("welcome", 0), ("a", 0)], &[]);
    assert_eq!(wire.frame().await, "wave 1: #1 #2 #3 #4 #1");
}

#[tokio::test(start_paused = true)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
async fn t18_the_seam_loses_nothing_doubles_nothing_and_does_not_hold_up_other_topics() {
    let bench = Bench::start(limited(NodeLimits { frame_messages: 10, frames: 1, ..NodeLimits::default() })).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("other", 0)], &[]);
    wire.until_complete(1).await;
    for _ in 0..40 {
        bench.publish(&["hot"; 50]).await;
    }
    wire.mutate(2, &[("hot", 0)], &[]);
    let (mut replayed, mut live_inside, mut completed) = (Vec::new(), 0, false);
    let mut live_after = Vec::new();
    while replayed.len() + live_after.len() < 2_000 + 20 {
        let Ok(Some(frame)) = wire.next().await else { panic!("the stream ended") };
        if replayed.len() < 200 && replayed.len() % 20 == 0 {
            bench.publish(&["hot", "hot", "other"]).await;
        }
        match frame {
            Response::Delivery(delivery) => {
                let hot = delivery.messages.iter().filter(|message| *message.topic() == topic("hot"));
                match delivery.tag {
                    Tag::Wave(_) => replayed.extend(hot.map(|message| message.id)),
                    Tag::Live if completed => live_after.extend(hot.map(|message| message.id)),
                    Tag::Live => {
                        assert_eq!(hot.count(), 0, "live before its CatchupComplete");
                        live_inside += 1;
                    }
                    Tag::Untold => panic!("v1 tells"),
                }
            }
            Response::CatchupComplete(_) => completed = true,
            _ => {}
        }
    }
    assert!(live_inside > 0, "the other topic was held up");
    replayed.extend(live_after);
    assert!(replayed.is_sorted_by(|earlier, later| earlier < later), "out of order or twice");
}

#[tokio::test(start_paused = true)]
async fn t19_adds_need_an_id_that_is_nonzero_and_not_in_flight() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(0, &[("a", 0)], &[]);
    assert_eq!(wire.ending().await.code(), Code::InvalidArgument);
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    wire.mutate(1, &[("b", 0)], &[]);
    assert_eq!(wire.ending().await.code(), Code::InvalidArgument);
    let mut wire = bench.subscribe().await;
    for name in ["a", "b"] {
        wire.mutate(1, &[(name, 0)], &[]);
        assert_eq!(wire.until_complete(1).await, ["caught up: 1 topics", "complete 1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_mutates_and_pings_are_refused_by_name() {
    let rate = RateLimit { burst: 2, per_second: 1 };
    let bench = Bench::start(limited(NodeLimits { mutates: rate, client_pings: rate, ..NodeLimits::default() })).await;
    for flood in [Request::Ping(Nonce(1)), Request::Pong(Nonce(1)), Request::Mutate(mutate(0, &[], &[]))] {
        let mut wire = bench.subscribe().await;
        for _ in 0..3 {
            wire.send(flood.clone());
        }
        let status = wire.ending().await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_reads_nothing_is_too_slow_and_a_pong_is_heard_all_the_same() {
    let bench = Bench::start(limited(NodeLimits { pending_messages: 10_000, ..NodeLimits::default() })).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    wire.until_complete(1).await;
    let Ok(Some(Response::Ping(nonce))) = wire.next().await else { panic!("no ping") };
    bench.publish(&["a"; 5_000]).await;
    wire.send(Request::Pong(nonce));
    sleep(35 * SECOND).await;
    assert_eq!(bench.closings().await, [], "the Pong was not heard behind what waits");
    for _ in 0..3 {
        bench.publish(&["a"; 5_000]).await;
    }
    assert_eq!(bench.closings().await, [NodeCloseReason::TooSlow]);
    let status = wire.ending().await;
    assert_eq!((status.code(), status.message()), (Code::Aborted, "consumer too slow"));
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_a_frame_travels_alone() {
    let limits = NodeLimits { frame_bytes: 1_000, message_bytes: 100_000, ..NodeLimits::default() };
    let bench = Bench::start(limited(limits)).await;
    let publish = async || {
        bench.publish(&["a", "a"]).await;
        bench.publish_sized("a", 50_000).await;
        bench.publish(&["a", "a"]).await;
    };
    publish().await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    let replayed = ["wave 1: #1 #2", "wave 1: #3", "wave 1: #4 #5", "caught up: 1 topics", "complete 1"];
    assert_eq!(wire.until_complete(1).await, replayed);
    publish().await;
    let mut live = Vec::new();
    while live.last().is_none_or(|frame: &String| !frame.ends_with("#10")) {
        live.push(wire.frame().await);
    }
    assert!(live.contains(&"live: #8".to_owned()), "{live:?}");
    assert_eq!(bench.try_publish_sized("a", 100_001).await.expect_err("too long").code(), Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_as_long_as_its_payload_and_its_envelope_together() {
    let bench = Bench::start(limited(NodeLimits { message_bytes: 1_000, ..NodeLimits::default() })).await;
    let long = Bytes::from(vec![b'x'; 1_000]);
    let data = application_message(b"a", b"x");
    let v1 = proto::group_message_input::V1 { data, sender_hmac: long.clone(), ..Default::default() };
    let input = proto::GroupMessageInput { version: Some(proto::group_message_input::Version::V1(v1)) };
    let request = proto::SendGroupMessagesRequest { messages: vec![input] };
    let refused = bench.client.clone().send_group_messages(request).await.expect_err("too long");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    for (hpke_public_key, welcome_metadata) in [(long.clone(), Bytes::new()), (Bytes::new(), long)] {
        let installation_key = Bytes::from_static(b"welcome");
        let v1 = proto::welcome_message_input::V1 {
            installation_key,
            hpke_public_key,
            welcome_metadata,
            ..Default::default()
        };
        let input = proto::WelcomeMessageInput { version: Some(proto::welcome_message_input::Version::V1(v1)) };
        let request = proto::SendWelcomeMessagesRequest { messages: vec![input] };
        let refused = bench.client.clone().send_welcome_messages(request).await.expect_err("too long");
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_is_told_once_as_gone() {
    let bench = Bench::start(NodeConfig::default()).await;
    let wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    sleep(MOMENT).await;
    drop(wire);
    assert_eq!(bench.closings().await, [NodeCloseReason::PeerGone]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_dropped_ends_its_streams() {
    let bench = Bench::start(NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    bench.node.abort();
    assert_ne!(wire.ending().await.code(), Code::Ok);
    assert_eq!(bench.closings().await, [NodeCloseReason::PeerGone]);
    let opened = NodeNotice::StreamOpened { stream: 1, peer: Some(address(2)) };
    assert_eq!(bench.notices.0.lock().expect("not poisoned")[1], opened);
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_survives_a_restart_and_is_paged_both_ways() {
    let disk = KeptDisk::default();
    let bench = Bench::start_on(disk.clone(), NodeConfig::default()).await;
    bench.publish(&["a", "b", "a"]).await;
    let stored = |notice: &NodeNotice| matches!(notice, NodeNotice::Stored { .. });
    assert_eq!(bench.notices.0.lock().expect("not poisoned").iter().filter(|notice| stored(notice)).count(), 3);
    bench.node.abort();
    sleep(MOMENT).await;
    let bench = Bench::start_on(disk, NodeConfig::default()).await;
    bench.publish(&["a"]).await;
    let ask = |direction: proto::SortDirection, id_cursor| proto::PagingInfo {
        direction: direction.into(),
        limit: 2,
        id_cursor,
    };
    let down = proto::SortDirection::Descending;
    let first = bench.query("a", ask(proto::SortDirection::Unspecified, 0)).await;
    assert_eq!(first, (vec![4, 3], ask(down, 3)));
    assert_eq!(bench.query("a", ask(down, 3)).await, (vec![1], ask(down, 0)));
    let up = proto::SortDirection::Ascending;
    assert_eq!(bench.query("a", ask(up, 0)).await, (vec![1, 3], ask(up, 3)));
}

#[tokio::test(start_paused = true)]
async fn one_bad_message_stores_none_of_its_request() {
    let bench = Bench::start(NodeConfig::default()).await;
    let good = proto::group_message_input::V1 { data: application_message(b"a", b"x"), ..Default::default() };
    let bad = proto::group_message_input::V1 { data: Bytes::from_static(b"no MLS"), ..Default::default() };
    let input = |v1| proto::GroupMessageInput { version: Some(proto::group_message_input::Version::V1(v1)) };
    let request = proto::SendGroupMessagesRequest { messages: vec![input(good), input(bad)] };
    let refused = bench.client.clone().send_group_messages(request).await.expect_err("malformed");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(bench.query("a", proto::PagingInfo::default()).await.0.is_empty());
}

#[tokio::test(start_paused = true)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
async fn the_quirks_of_the_shell_show() {
    let bench = Bench::start(NodeConfig { quirk: Some(NodeQuirk::AcksUnstored), ..NodeConfig::default() }).await;
    for _ in 0..20 {
        bench.publish(&["a"]).await;
    }
    assert_eq!(bench.query("a", proto::PagingInfo::default()).await.0.len(), 18);
    let limits = NodeLimits { frame_messages: 10, frames: 1, ..NodeLimits::default() };
    let bench = Bench::start(NodeConfig { quirk: Some(NodeQuirk::MixedTags), ..limited(limits) }).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("live", 0)], &[]);
    wire.until_complete(1).await;
    bench.publish(&["a"; 5_000]).await;
    wire.mutate(2, &[("a", 0)], &[]);
    let mut mixed = false;
    loop {
        match wire.next().await.expect("open").expect("a frame") {
            Response::CatchupComplete(_) => break,
            Response::Delivery(delivery) => {
                bench.publish(&["live"]).await;
                let live = delivery.messages.iter().any(|message| *message.topic() == topic("live"));
                mixed |= live && delivery.tag != Tag::Live;
            }
            _ => {}
        }
    }
    assert!(mixed);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_costs_the_call_and_ends_the_streams_that_might_miss_a_message() {
    let disk = KeptDisk::default();
    let bench = Bench::start_on(disk.clone(), NodeConfig::default()).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    wire.until_complete(1).await;
    // The write succeeds, and so the message may be there all the same.
    disk.fail_after(0);
    let refused = bench.try_publish(&["a"]).await.expect_err("the disk does not sync");
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("the disk does not sync"), "{refused}");
    assert_eq!(wire.ending().await.code(), Code::Unavailable);
    disk.heal();
    assert_eq!(bench.try_publish(&["a"]).await.expect_err("it rests").code(), Code::Unavailable);
    sleep(SECOND).await;
    bench.publish(&["a"]).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    assert_eq!(wire.until_complete(1).await, ["wave 1: #1 #2", "caught up: 1 topics", "complete 1"]);
    let notices = bench.notices.0.lock().expect("not poisoned");
    let opened = notices.iter().filter(|notice| matches!(notice, NodeNotice::LogOpened { .. })).count();
    let failed = notices.iter().filter(|notice| matches!(notice, NodeNotice::StoreFailed { .. })).count();
    let stored = notices.iter().filter(|notice| matches!(notice, NodeNotice::Stored { .. })).count();
    assert_eq!((opened, failed, stored), (2, 1, 1), "{notices:?}");
}

/// What was not stored has no id: who reads needs not hear of it.
#[tokio::test(start_paused = true)]
async fn a_full_disk_costs_the_call_and_nobody_else_anything() {
    let disk = KeptDisk::default();
    let bench = Bench::start_on(disk.clone(), NodeConfig::default()).await;
    bench.publish(&["a"]).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    assert_eq!(wire.until_complete(1).await, ["wave 1: #1", "caught up: 1 topics", "complete 1"]);
    disk.fill(true);
    for _ in 0..3 {
        let refused = bench.try_publish(&["a"]).await.expect_err("the disk is full");
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.message().contains("which stays as it was: no storage space"), "{refused}");
    }
    assert_eq!(bench.query("a", proto::PagingInfo::default()).await.0.len(), 1);
    disk.fill(false);
    bench.publish(&["a"]).await;
    let heard = wire.next().await.expect("open").expect("a frame");
    let Response::Delivery(delivery) = heard else { panic!("{heard:?}") };
    assert_eq!((delivery.tag, delivery.messages[0].id.0), (Tag::Live, 2));
    let notices = bench.notices.0.lock().expect("not poisoned");
    let opened = notices.iter().filter(|notice| matches!(notice, NodeNotice::LogOpened { .. })).count();
    let failed = notices.iter().filter(|notice| matches!(notice, NodeNotice::StoreFailed { .. })).count();
    assert_eq!((opened, failed), (1, 1), "{notices:?}");
}

/// Group commit: what waits while the log is synced goes into the next append, all of it or nothing.
#[tokio::test(start_paused = true)]
async fn publishers_that_wait_share_a_sync_and_its_failure() {
    const PUBLISHERS: usize = 64;
    let disk = KeptDisk::default();
    let bench = Bench::start_on(disk.clone(), NodeConfig::default()).await;
    let publish_at_once = async || {
        let publishing: JoinSet<Result<(), Status>> = (0..PUBLISHERS)
            .map(|number| {
                let (mut client, name) = (bench.client.clone(), format!("topic-{number}"));
                async move { bench::send(&mut client, &[application_message(name.as_bytes(), b"payload")]).await }
            })
            .collect();
        publishing.join_all().await
    };
    let before = disk.syncs();
    assert!(publish_at_once().await.iter().all(Result::is_ok));
    let syncs = disk.syncs() - before;
    assert!(syncs <= 8, "{syncs} syncs for {PUBLISHERS} messages");
    let is_stored = |notice: &&NodeNotice| matches!(notice, NodeNotice::Stored { .. });
    assert_eq!(bench.notices.0.lock().expect("not poisoned").iter().filter(is_stored).count(), PUBLISHERS);
    disk.fail_after(0);
    let failed = publish_at_once().await;
    assert!(failed.iter().all(|outcome| outcome.as_ref().is_err_and(|status| status.code() == Code::Unavailable)));
    assert_eq!(bench.notices.0.lock().expect("not poisoned").iter().filter(is_stored).count(), PUBLISHERS);
}

/// What is stored is no message: that is a failure of the store (protocol, section 3, status codes), whoever asks.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_stored_malformed_is_unavailable() {
    let disk = KeptDisk::default();
    let bench = Bench::start_on(disk.clone(), NodeConfig::default()).await;
    bench.publish(&["a"]).await;
    bench.node.abort();
    sleep(MOMENT).await;
    let log = AppendLog::open::<std::io::Error>("node.journal", Disk::new(disk.clone()), |_, _| Ok(()));
    log.expect("a good disk").append(&[vec![0xff]]).expect("a good disk");
    let bench = Bench::start_on(disk, NodeConfig::default()).await;
    let told = |status: Status| {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains("the store `node.journal` is corrupt: the record at byte "), "{status}");
    };
    let query = proto::QueryGroupMessagesRequest { group_id: topic("a").rest(), paging_info: None };
    told(bench.client.clone().query_group_messages(query).await.expect_err("malformed"));
    sleep(SECOND).await;
    let mut wire = bench.subscribe().await;
    wire.mutate(1, &[("a", 0)], &[]);
    told(wire.ending().await);
    sleep(SECOND).await;
    let filter = proto::subscribe_group_messages_request::Filter { group_id: topic("a").rest(), id_cursor: 0 };
    let older = proto::SubscribeGroupMessagesRequest { filters: vec![filter] };
    told(bench.client.clone().subscribe_group_messages(older).await.expect_err("malformed"));
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_store_does_not_open_serves_unavailable_until_it_does() {
    let disk = KeptDisk::default();
    disk.fail_after(0);
    let bench = Bench::start_on(disk.clone(), NodeConfig::default()).await;
    for _ in 0..3 {
        assert_eq!(bench.try_publish(&["a"]).await.expect_err("no store").code(), Code::Unavailable);
        let mut wire = bench.subscribe().await;
        wire.mutate(1, &[("a", 0)], &[]);
        assert_eq!(wire.ending().await.code(), Code::Unavailable);
        sleep(SECOND).await;
    }
    disk.heal();
    sleep(SECOND).await;
    bench.publish(&["a"]).await;
}
