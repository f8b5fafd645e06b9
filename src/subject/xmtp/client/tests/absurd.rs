//! What a node may say that makes no sense: each is survived, and costs a bounded amount of work and time.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::subject::xmtp::client::tests::script::{ScriptedNode, ping};
use crate::subject::xmtp::client::tests::subscriber::{causes, committed, config, start};
use crate::subject::xmtp::client::tests::{add, message};
use crate::subject::xmtp::client::{Cause, ClientNotice};
use crate::subject::xmtp::wire::proto::subscribe_response as response;
use crate::subject::xmtp::wire::{DeliveryFrame, MutateId, Nonce, Request, Response, Tag, proto};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// `Started` with an interval that our own types may not be able to express.
fn started(milliseconds: u32) -> proto::SubscribeResponse {
    let started = response::v1::Started { keepalive_interval_ms: milliseconds, ..Default::default() };
    let arm = Some(response::v1::Response::Started(started));
    proto::SubscribeResponse { version: Some(response::Version::V1(response::V1 { response: arm })) }
}

/// How soon a stream that falls silent is given up, and how often it is asked before.
async fn given_up(milliseconds: u32) -> (Duration, usize) {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    let visit = script.visit().await;
    visit.say_raw(started(milliseconds));
    let began = Instant::now();
    timeout(HOUR, visit.until_gone()).await.expect("a silent stream is given up");
    let notices = script.witness.notices();
    let asked = notices.iter().filter(|(_, notice)| matches!(notice, ClientNotice::WatchdogPinged { .. })).count();
    (began.elapsed(), asked)
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_nothing_a_moment_or_weeks_is_bounded_both_ways() {
    for (milliseconds, silence) in
        [(0, 90 * SECOND), (1, 300 * SECOND / 1_000), (u32::MAX, 1_800 * SECOND), (u32::MAX / 2, 1_800 * SECOND)]
    {
        let (took, asked) = given_up(milliseconds).await;
        assert!(took >= silence && took < silence + SECOND, "{milliseconds} ms: after {took:?}");
        assert_eq!(asked, 1, "{milliseconds} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_pings_without_end_is_answered_and_kept() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    let mut visit = script.visit().await;
    visit.say_raw(started(1));
    visit.hear_mutate().await;
    // The same nonce again and again: each is a question of its own.
    for _ in 0..1_000 {
        visit.say(ping(7));
        assert_eq!(visit.hear().await, Some(Request::Pong(Nonce(7))));
    }
    assert_eq!(causes(&script), []);
}

#[tokio::test(start_paused = true)]
async fn ids_that_repeat_go_back_or_end_the_numbers_are_taken_once() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    let mut visit = script.visit().await;
    visit.start(10);
    let wave = visit.hear_mutate().await.id;
    for id in [5, 5, 3, 0, 6, u64::MAX, u64::MAX, 7] {
        visit.say(Response::Delivery(DeliveryFrame { tag: Tag::Wave(wave), messages: vec![message("a", id)] }));
        visit.deliver([message("a", id)]);
    }
    sleep(SECOND).await;
    assert_eq!(committed(&script), [5, 6, u64::MAX]);
    drop(visit);
    let mut again = script.visit().await;
    assert_eq!(again.hear_mutate().await.adds[0].cursor.0, u64::MAX, "there is nothing above it, and no overflow");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_is_dropped() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    let mut visit = script.visit().await;
    visit.start(10);
    visit.hear_mutate().await;
    for id in 1..=1_000 {
        visit.deliver([message(&format!("unknown-{id}"), id)]);
    }
    visit.say(Response::TopicsLive(vec![add("unknown", 0).topic]));
    visit.say(Response::CatchupComplete(MutateId(u64::MAX)));
    visit.say(Response::Pong(Nonce(123)));
    visit.start(10);
    visit.deliver([message("a", 1)]);
    sleep(SECOND).await;
    assert_eq!((committed(&script), causes(&script)), (vec![1], vec![]));
}

/// The first attempt waits for 30 s intervals; a node that goes on like that costs one stream in each.
#[tokio::test(start_paused = true)]
async fn a_started_that_never_comes_ends_the_attempt() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    let visit = script.visit().await;
    let began = Instant::now();
    timeout(HOUR, visit.until_gone()).await.expect("it is given up");
    assert_eq!((began.elapsed().as_secs(), causes(&script)), (90, vec![Cause::Watchdog]));
    // What the node says without Started is taken all the same.
    let visit = script.visit().await;
    visit.deliver([message("a", 1)]);
    sleep(SECOND).await;
    assert_eq!(committed(&script), [1]);
}
