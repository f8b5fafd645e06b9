//! Promises of the task, against a scripted node over pipes in memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::Status;

use crate::subject::xmtp::client::tests::script::{ScriptedNode, Visit, address};
use crate::subject::xmtp::client::tests::{add, message, topic};
use crate::subject::xmtp::gateway::ledger::MUTATES_IN_FLIGHT_MAX;
use crate::subject::xmtp::gateway::{Gateway, GatewayConfig, Lease, LeaseError, LeaseEvent};
use crate::subject::xmtp::wire::{Add, DeliveryFrame, Mutate, MutateId, Response, Tag};

const SECOND: Duration = Duration::from_secs(1);

fn connect(script: &ScriptedNode) -> Gateway {
    let config = GatewayConfig { http2_keepalive: None, ..GatewayConfig::new(address()) };
    Gateway::connect(&script.env(), config, script.witness.clone()).expect("a good address")
}

async fn lease(gateway: &Gateway, adds: Vec<Add>) -> Lease {
    gateway.lease(adds).await.expect("the gateway is there")
}

/// Takes the next call and its first Mutate.
async fn take_call(script: &mut ScriptedNode) -> (Visit, Mutate) {
    let mut visit = script.visit().await;
    visit.start(10);
    let mutate = visit.hear_mutate().await;
    (visit, mutate)
}

fn replay(visit: &Visit, wave: MutateId, ids: impl Iterator<Item = u64>) {
    let messages = ids.map(|id| message("a", id)).collect();
    visit.say(Response::Delivery(DeliveryFrame { tag: Tag::Wave(wave), messages }));
}

async fn assert_gets(lease: &mut Lease, ids: impl Iterator<Item = u64>) {
    for id in ids {
        let event = timeout(SECOND, lease.next()).await.expect("it gets something");
        assert!(matches!(&event, Ok(LeaseEvent::Message(message)) if message.id.0 == id), "#{id}: {event:?}");
    }
}

async fn assert_catches_up(lease: &mut Lease, name: &str) {
    assert_eq!(lease.next().await, Ok(LeaseEvent::Live(topic(name))));
    assert_eq!(lease.next().await, Ok(LeaseEvent::CaughtUp));
}

/// The Mutates that come within a second.
async fn hear_mutates(visit: &mut Visit) -> Vec<Mutate> {
    let mut heard = Vec::new();
    while let Ok(mutate) = timeout(SECOND, visit.hear_mutate()).await {
        heard.push(mutate);
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn who_shares_a_stream_hears_nothing_of_its_end_and_misses_nothing() {
    let mut script = ScriptedNode::new();
    let gateway = connect(&script);
    sleep(60 * SECOND).await;
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 0, "nobody has asked for anything");
    let mut newer = lease(&gateway, vec![add("a", 3)]).await;
    let (mut visit, first) = take_call(&mut script).await;
    assert_eq!(first.adds, [add("a", 3)]);
    let mut older = lease(&gateway, vec![add("a", 0)]).await;
    let lower = visit.hear_mutate().await;
    assert_eq!(lower.adds, [add("a", 0)]);
    replay(&visit, lower.id, 1..=4);
    assert_gets(&mut older, 1..=4).await;
    assert_gets(&mut newer, 4..=4).await;
    visit.fail(Status::unavailable("bye"));
    let (visit, again) = take_call(&mut script).await;
    assert_eq!((again.adds, script.world.dials.load(Ordering::SeqCst)), (vec![add("a", 4)], 2));
    replay(&visit, again.id, 4..=5);
    visit.say(Response::CatchupComplete(again.id));
    for lease in [&mut older, &mut newer] {
        assert_gets(lease, 5..=5).await;
        assert_catches_up(lease, "a").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_node_rejects_ends_the_lease_that_asked_for_it_alone() {
    let mut script = ScriptedNode::new();
    let gateway = connect(&script);
    let mut good = lease(&gateway, vec![add("a", 0)]).await;
    let (mut visit, first) = take_call(&mut script).await;
    visit.say(Response::CatchupComplete(first.id));
    assert_catches_up(&mut good, "a").await;
    let mut bad = lease(&gateway, vec![add("a", 0), add("b", 0)]).await;
    assert_eq!(visit.hear_mutate().await.adds, [add("b", 0)]);
    visit.fail(Status::permission_denied("not yours"));
    assert_eq!(bad.next().await, Ok(LeaseEvent::Live(topic("a"))));
    let error = bad.next().await.expect_err("it is over");
    assert!(matches!(&error, LeaseError::Rejected { why, .. } if why.contains("not yours")), "{error}");
    let (visit, again) = take_call(&mut script).await;
    assert_eq!(again.adds, [add("a", 0)], "the poison is not asked for again");
    replay(&visit, again.id, 1..=1);
    assert_gets(&mut good, 1..=1).await;
}

#[tokio::test(start_paused = true)]
async fn many_leases_at_once_cost_the_node_few_waves() {
    let mut script = ScriptedNode::new();
    let gateway = connect(&script);
    let mut leases = Vec::new();
    for number in 0..200 {
        leases.push(lease(&gateway, vec![add(&format!("{number:03}"), 0)]).await);
    }
    let (mut visit, first) = take_call(&mut script).await;
    let mut mutates = vec![first];
    mutates.extend(hear_mutates(&mut visit).await);
    assert!(mutates.len() <= MUTATES_IN_FLIGHT_MAX, "{}", mutates.len());
    mutates.iter().for_each(|mutate| visit.say(Response::CatchupComplete(mutate.id)));
    mutates.extend(hear_mutates(&mut visit).await);
    assert_eq!(mutates.iter().map(|mutate| mutate.adds.len()).sum::<usize>(), leases.len());
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_cannot_dial_books_leases_meanwhile() {
    let mut script = ScriptedNode::new();
    let gateway = connect(&script);
    script.world.refuses.store(true, Ordering::SeqCst);
    let gone = lease(&gateway, vec![add("a", 0)]).await;
    sleep(60 * SECOND).await;
    let mut kept = lease(&gateway, vec![add("b", 0)]).await;
    drop(gone);
    sleep(SECOND).await;
    script.world.refuses.store(false, Ordering::SeqCst);
    let (visit, mutate) = take_call(&mut script).await;
    assert_eq!((mutate.adds, mutate.removes), (vec![add("b", 0)], vec![]));
    visit.say(Response::CatchupComplete(mutate.id));
    assert_catches_up(&mut kept, "b").await;
    drop(gateway);
    assert_eq!(kept.next().await, Err(LeaseError::GatewayEnded { lease: kept.id() }));
    assert!(kept.mutate(vec![add("c", 0)], Vec::new()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_gateway_whose_last_lease_has_left_dials_no_more() {
    let mut script = ScriptedNode::new();
    let gateway = connect(&script);
    let only = lease(&gateway, vec![add("a", 0)]).await;
    let (mut visit, first) = take_call(&mut script).await;
    visit.say(Response::CatchupComplete(first.id));
    drop(only);
    assert_eq!(visit.hear_mutate().await.removes, [topic("a")]);
    visit.fail(Status::unavailable("bye"));
    sleep(600 * SECOND).await;
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 1);
}
