//! Promises of the connection actor.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use crate::subject::xmtp::client::tests::script::{ScriptedNode, address, mutate, ping};
use crate::subject::xmtp::client::tests::world::World;
use crate::subject::xmtp::client::tests::{add, message};
use crate::subject::xmtp::client::{
    Cause, ClientConnection, ClientEvent, ClientFrame, ClientNotice, ClientQuirk, Closed, Dialer, ProbeError,
    StreamSettings, TrySubmitError,
};
use crate::subject::xmtp::wire::proto::subscribe_response as response;
use crate::subject::xmtp::wire::{Add, Mutate, MutateId, Nonce, Request, Response, proto};

const SECOND: Duration = Duration::from_secs(1);
/// What the events channel and the parked queue hold together.
pub(super) const ROOM: u64 = 1_024 + 1_024;

pub(super) async fn count_deliveries(connection: &mut ClientConnection) -> u64 {
    let mut count = 0;
    while let Some(event) = connection.next().await {
        count += u64::from(matches!(event, ClientEvent::Delivery(_)));
    }
    count
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_asked_at_two_intervals_and_given_up_at_three() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = script.meet(script.settings()).await;
    visit.start(10);
    assert_eq!(connection.next().await, Some(ClientEvent::Started { keepalive: Some(10 * SECOND) }));
    let start = Instant::now();
    assert!(matches!(visit.hear().await, Some(Request::Ping(_))));
    assert_eq!(start.elapsed(), 20 * SECOND);
    assert_eq!(connection.next().await, None);
    assert_eq!(start.elapsed(), 30 * SECOND);
    let ending = connection.ending().await;
    assert_eq!((ending.cause, ending.uptime), (Cause::Watchdog, Duration::ZERO));
    let tripped = ClientNotice::WatchdogTripped { attempt: 1, silent_for: 30 * SECOND };
    assert_eq!(script.witness.when(|notice| *notice == tripped), Some(start + 30 * SECOND));
    let pinged = ClientNotice::WatchdogPinged { attempt: 1 };
    assert_eq!(script.witness.when(|notice| *notice == pinged), Some(start + 20 * SECOND));
    visit.until_gone().await;
}

#[tokio::test(start_paused = true)]
async fn any_frame_keeps_the_watchdog_quiet() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = script.meet(script.settings()).await;
    visit.start(10);
    for nonce in 0..20 {
        sleep(19 * SECOND).await;
        visit.say(ping(nonce));
        assert_eq!(visit.hear().await, Some(Request::Pong(Nonce(nonce))));
    }
    assert!(connection.next().await.is_some(), "started");
    assert!(timeout(SECOND, connection.next()).await.is_err(), "pings do not surface");
    assert_eq!(script.witness.when(|notice| matches!(notice, ClientNotice::WatchdogPinged { .. })), None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_headers_never_arrive_is_given_up() {
    let script = ScriptedNode::new();
    script.mute();
    let start = Instant::now();
    let mut connection = script.open(script.settings()).await;
    assert_eq!(connection.next().await, None);
    assert_eq!((start.elapsed(), connection.ending().await.cause), (90 * SECOND, Cause::Watchdog));
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_watchdog_is_never_given_up() {
    let script = ScriptedNode::new();
    script.mute();
    let mut connection = script.open(StreamSettings { watchdog: None, ..script.settings() }).await;
    assert!(timeout(86_400 * SECOND, connection.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_while_the_consumer_is_stuck() {
    let mut script = ScriptedNode::new();
    let (connection, mut visit) = script.meet(script.settings()).await;
    visit.start(30);
    for id in 1..1_500 {
        visit.deliver([message("a", id)]);
    }
    visit.say(ping(7));
    assert_eq!(timeout(SECOND, visit.hear()).await, Ok(Some(Request::Pong(Nonce(7)))));
    drop(connection);
}

/// It cannot read the Ping behind the messages, so it does not wait until the node reaps it.
#[tokio::test(start_paused = true)]
async fn a_consumer_stuck_past_every_bound_ends_the_stream_soon_and_loses_nothing_that_had_arrived() {
    let mut script = ScriptedNode::new();
    let (mut connection, visit) = script.meet(script.settings()).await;
    visit.start(30);
    for id in 1..=2 * ROOM {
        visit.deliver([message("a", id)]);
    }
    visit.say(ping(7));
    let (start, handle) = (Instant::now(), connection.handle());
    let probe = tokio::spawn(async move { handle.probe_within(60 * SECOND).await });
    visit.until_gone().await;
    assert_eq!(start.elapsed().as_secs(), 3, "a tenth of the interval");
    assert_eq!(probe.await.expect("no panic"), Err(ProbeError::Closed), "it is no timeout");
    let told = ClientNotice::LetGo { attempt: 1, cause: Cause::ConsumerBehind };
    assert!(script.witness.when(|notice| *notice == told).is_some(), "before the application has taken anything");
    sleep(3_600 * SECOND).await;
    assert_eq!(count_deliveries(&mut connection).await, ROOM - 1, "with Started, that is all the room");
    let ending = connection.ending().await;
    assert_eq!((ending.cause, ending.uptime.as_secs()), (Cause::ConsumerBehind, 3));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_makes_room_in_time_keeps_its_stream() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = script.meet(script.settings()).await;
    visit.start(30);
    for id in 1..=2 * ROOM {
        visit.deliver([message("a", id)]);
    }
    visit.say(ping(7));
    for _ in 0..4 {
        sleep(2 * SECOND).await;
        for _ in 0..ROOM / 2 {
            assert!(connection.next().await.is_some(), "the stream lives");
        }
    }
    assert_eq!(timeout(SECOND, visit.hear()).await, Ok(Some(Request::Pong(Nonce(7)))));
    assert_eq!(script.witness.when(|notice| matches!(notice, ClientNotice::LetGo { .. })), None);
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_unread_during_a_standstill_and_times_out_again_after_it() {
    let mut script = ScriptedNode::new();
    let (mut connection, visit) = script.meet(StreamSettings { watchdog: None, ..script.settings() }).await;
    visit.start(30);
    for id in 1..=2 * ROOM {
        visit.deliver([message("a", id)]);
    }
    assert_eq!(connection.probe_within(SECOND).await, Err(ProbeError::Unread));
    let (begun, handle) = (Instant::now(), connection.handle());
    let standing = tokio::spawn(async move { handle.probe_within(5 * SECOND).await });
    sleep(SECOND).await;
    for _ in 0..=2 * ROOM {
        assert!(connection.next().await.is_some(), "the stream lives");
    }
    assert_eq!(standing.await.expect("no panic"), Err(ProbeError::TimedOut));
    assert_eq!(begun.elapsed().as_secs(), 6, "the whole allowance again");
    assert_eq!(connection.probe_within(SECOND).await, Err(ProbeError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_stream_waits_for_its_consumer_as_long_as_it_takes() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = script.meet(script.settings()).await;
    visit.start(30);
    assert_eq!(connection.finish().await, Ok(()));
    assert_eq!(visit.hear().await, None);
    for id in 1..=2 * ROOM {
        visit.deliver([message("a", id)]);
    }
    drop(visit);
    sleep(3_600 * SECOND).await;
    assert_eq!(count_deliveries(&mut connection).await, 2 * ROOM);
    assert_eq!(connection.ending().await.cause, Cause::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_that_counts_the_consumer_is_tripped_by_a_slow_one() {
    for (quirk, trips) in [(None, false), (Some(ClientQuirk::WatchdogCountsConsumer), true)] {
        let mut script = ScriptedNode::new();
        let (connection, visit) = script.meet(StreamSettings { quirk, ..script.settings() }).await;
        visit.start(10);
        for id in 1..30 {
            visit.deliver([message("a", id)]);
            sleep(SECOND).await;
        }
        sleep(2 * SECOND).await;
        let tripped = script.witness.when(|notice| matches!(notice, ClientNotice::WatchdogTripped { .. }));
        assert_eq!(tripped.is_some(), trips, "{quirk:?}");
        drop(connection);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_that_counts_the_consumer_bears_an_idle_node() {
    let mut script = ScriptedNode::new();
    let settings = StreamSettings { quirk: Some(ClientQuirk::WatchdogCountsConsumer), ..script.settings() };
    let (mut connection, mut visit) = script.meet(settings).await;
    visit.start(10);
    assert!(connection.next().await.is_some());
    for nonce in 0..20 {
        sleep(10 * SECOND).await;
        visit.say(ping(nonce));
        assert_eq!(visit.hear().await, Some(Request::Pong(Nonce(nonce))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_withheld_pong_is_never_sent() {
    let mut script = ScriptedNode::new();
    let (_connection, mut visit) = script
        .meet(StreamSettings { quirk: Some(ClientQuirk::PongWithheld), watchdog: None, ..script.settings() })
        .await;
    visit.start(10);
    visit.say(ping(7));
    assert!(timeout(60 * SECOND, visit.hear()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_answered_times_out_or_is_closed() {
    let mut script = ScriptedNode::new();
    let (connection, mut visit) = script.meet(StreamSettings { watchdog: None, ..script.settings() }).await;
    visit.start(10);
    let handle = connection.handle();
    let probe = tokio::spawn(async move { handle.probe().await });
    let Some(Request::Ping(nonce)) = visit.hear().await else { panic!("not a ping") };
    visit.say(Response::Pong(Nonce(nonce.0 + 1)));
    visit.say(Response::Pong(nonce));
    assert_eq!(probe.await.expect("no panic"), Ok(()));

    let start = Instant::now();
    assert_eq!(connection.probe_within(2 * SECOND).await, Err(ProbeError::TimedOut));
    assert_eq!(start.elapsed(), 2 * SECOND);
    let start = Instant::now();
    assert_eq!(connection.probe().await, Err(ProbeError::TimedOut));
    assert_eq!(start.elapsed(), 30 * SECOND, "three advertised intervals");

    let handle = connection.handle();
    let probe = tokio::spawn(async move { handle.probe_within(3_600 * SECOND).await });
    sleep(SECOND).await;
    visit.fail(Status::unavailable("bye"));
    assert_eq!(probe.await.expect("no panic"), Err(ProbeError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_wire_that_takes_nothing_ends_the_stream_past_the_backlog() {
    let mut script = ScriptedNode::new();
    let (mut connection, visit) = script.meet(script.settings()).await;
    visit.start(10);
    let name = "n".repeat(16 << 10);
    let mut submitted = 0;
    while connection.mutate(Mutate { adds: vec![add(&name, 0)], ..mutate(2) }).await == Ok(()) {
        submitted += 1;
        assert!(submitted < 1_000, "never full");
        tokio::task::yield_now().await;
    }
    assert!(submitted > 64 + 128, "full below its bounds: {submitted}");
    assert_eq!(connection.ending().await.cause, Cause::BacklogFull);
    drop(visit);
}

/// Submits so much that a part of it waits behind the wire of a node that reads nothing, and half-closes.
async fn finish_behind_a_full_wire(connection: &ClientConnection) {
    let name = "n".repeat(16 << 10);
    for id in 2..202 {
        let bulky = Mutate { adds: vec![add(&name, 0)], ..mutate(id) };
        assert_eq!(connection.mutate(bulky).await, Ok(()));
        tokio::task::yield_now().await;
    }
    assert_eq!(connection.finish().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_finish_flushes_what_waits_behind_a_full_wire() {
    let mut script = ScriptedNode::new();
    let (connection, mut visit) = script.meet(script.settings()).await;
    finish_behind_a_full_wire(&connection).await;
    for id in 2..202 {
        assert_eq!(visit.hear_mutate().await.id, MutateId(id));
    }
    assert_eq!(visit.hear().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_finish_whose_backlog_does_not_move_gives_up_after_a_second() {
    let mut script = ScriptedNode::new();
    let (connection, mut visit) = script.meet(script.settings()).await;
    finish_behind_a_full_wire(&connection).await;
    sleep(2 * SECOND).await;
    let mut heard = 0;
    while visit.hear().await.is_some() {
        heard += 1;
    }
    assert!((64..200).contains(&heard), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn the_nodes_end_closes_everything() {
    let mut script = ScriptedNode::new();
    let (mut connection, visit) = script.meet(script.settings()).await;
    visit.start(10);
    sleep(7 * SECOND).await;
    drop(visit);
    assert!(connection.next().await.is_some(), "what had arrived");
    assert_eq!((connection.next().await, connection.next().await), (None, None));
    assert_eq!(connection.mutate(mutate(2)).await, Err(Closed));
    assert_eq!(connection.try_mutate(mutate(2)), Err(TrySubmitError::Closed));
    assert_eq!(connection.probe().await, Err(ProbeError::Closed));
    assert_eq!(connection.finish().await, Err(Closed));
    let ending = connection.ending().await;
    assert_eq!((ending.cause, ending.uptime), (Cause::StreamEnded, 7 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn everything_that_arrived_before_the_end_is_delivered() {
    let mut script = ScriptedNode::new();
    let (mut connection, visit) = script.meet(script.settings()).await;
    visit.start(10);
    for id in 1..=1_500 {
        visit.deliver([message("a", id)]);
    }
    visit.fail(Status::unavailable("bye"));
    sleep(SECOND).await;
    assert_eq!(connection.mutate(mutate(2)).await, Err(Closed), "closed before it is drained");
    assert_eq!(count_deliveries(&mut connection).await, 1_500);
    assert!(matches!(connection.ending().await.cause, Cause::StreamFailed(why) if why.contains("bye")));
}

#[tokio::test(start_paused = true)]
async fn a_status_before_started_is_a_refusal_and_after_it_a_failure() {
    let script = ScriptedNode::refusing(Some(Status::unavailable("not here")));
    let mut connection = script.open(script.settings()).await;
    assert_eq!(connection.next().await, None);
    assert!(matches!(connection.ending().await.cause, Cause::Refused(why) if why.contains("not here")));

    let mut script = ScriptedNode::new();
    let (mut connection, visit) = script.meet(script.settings()).await;
    visit.start(10);
    visit.fail(Status::aborted("too slow"));
    assert!(connection.next().await.is_some());
    assert_eq!(connection.next().await, None);
    assert!(matches!(connection.ending().await.cause, Cause::StreamFailed(why) if why.contains("too slow")));
}

#[tokio::test(start_paused = true)]
async fn what_is_malformed_is_skipped_and_what_is_unknown_ignored() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = script.meet(script.settings()).await;
    let frame = |arm| proto::SubscribeResponse { version: Some(response::Version::V1(response::V1 { response: arm })) };
    visit.say_raw(proto::SubscribeResponse { version: None });
    visit.say_raw(frame(None));
    let topics = vec![Bytes::new(), Bytes::from_static(&[9]), Bytes::from_static(b"\0a")];
    visit.say_raw(frame(Some(response::v1::Response::TopicsLive(response::v1::TopicsLive { topics }))));
    let group_messages = vec![proto::GroupMessage { version: None }, message("a", 1).into_group()];
    let messages = response::v1::Messages { group_messages, ..Default::default() };
    visit.say_raw(frame(Some(response::v1::Response::Messages(messages))));
    assert_eq!(connection.next().await, Some(ClientEvent::TopicsLive(vec![add("a", 0).topic])));
    let Some(ClientEvent::Delivery(delivery)) = connection.next().await else { panic!("not a delivery") };
    assert_eq!(delivery.messages, [message("a", 1)]);
    visit.say(ping(1));
    assert_eq!(visit.hear().await, Some(Request::Pong(Nonce(1))), "the stream lives");
}

#[tokio::test(start_paused = true)]
async fn the_first_frames_are_the_initial_mutates_and_are_told() {
    let mut script = ScriptedNode::new();
    let (_connection, visit) = script.meet(script.settings()).await;
    visit.say(Response::CatchupComplete(MutateId(1)));
    sleep(SECOND).await;
    let told: Vec<ClientNotice> = script.witness.notices().into_iter().map(|(_, notice)| notice).collect();
    let resume: Vec<Add> = Vec::new();
    let heard = ClientNotice::Heard { attempt: 1, frame: ClientFrame::CatchupComplete };
    assert_eq!(told, [ClientNotice::Opened { attempt: 1, resume }, heard]);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_connection_cuts_it_at_once() {
    let mut script = ScriptedNode::new();
    let (connection, visit) = script.meet(script.settings()).await;
    let handle = connection.handle();
    drop(connection);
    assert_eq!(timeout(SECOND, visit.until_gone()).await, Ok(()));
    assert_eq!(handle.mutate(mutate(2)).await, Err(Closed));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_does_not_keep_a_dropped_connection() {
    let (pipes, mut incoming) = mpsc::unbounded_channel();
    let dialer = Dialer::new(World::new(pipes), address(), None, 10 * SECOND).expect("a good address");
    let link = dialer.dial().await.expect("the pipe is open");
    let mut far = incoming.recv().await.expect("dialed");
    let name = "n".repeat(128 << 10); // more than the pipe holds
    let initial = vec![Mutate { adds: vec![add(&name, 0)], ..mutate(1) }];
    let connection = ClientConnection::open(link, initial, ScriptedNode::new().settings());
    sleep(SECOND).await;
    assert!(far.write_all(b"").await.is_ok());
    drop(connection);
    sleep(SECOND).await;
    assert!(far.write_all(b"too late").await.is_err(), "the socket is still there");
}
