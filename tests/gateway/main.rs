//! The gateway as a library, against our own node on real TCP.

#[path = "../served/listening.rs"]
mod served;
mod surroundings;

use std::sync::Arc;

use pulseless::env::{Address, Env};
use pulseless::os::Os;
use pulseless::subject::xmtp::client::{ClientFrame, ClientNotice};
use pulseless::subject::xmtp::gateway::{Gateway, GatewayConfig, LEASE_EVENTS_MAX, Lease, LeaseError, LeaseEvent};
use pulseless::subject::xmtp::wire::{Add, Cursor};
use surroundings::{Cuttable, PATIENCE, RunningNode, Witness, topic};
use tokio::time::timeout;

fn add(name: &str, cursor: u64) -> Add {
    Add { topic: topic(name), cursor: Cursor(cursor) }
}

fn open(node: &Address, env: Option<Arc<Cuttable>>) -> (Gateway, Arc<Witness>) {
    let witness = Arc::new(Witness::default());
    let env: Env = match env {
        Some(env) => env,
        None => Arc::new(Os::default()),
    };
    let gateway = Gateway::connect(&env, GatewayConfig::new(node.clone()), witness.clone());
    (gateway.expect("a good address"), witness)
}

async fn next(lease: &mut Lease) -> Result<LeaseEvent, LeaseError> {
    timeout(PATIENCE, lease.next()).await.expect("the lease gets something")
}

/// The ids that a lease gets until it is caught up.
async fn catch_up(lease: &mut Lease) -> Vec<u64> {
    let mut ids = Vec::new();
    loop {
        match next(lease).await.expect("the lease lives") {
            LeaseEvent::Message(message) => ids.push(message.id.0),
            LeaseEvent::Live(_) => {}
            LeaseEvent::CaughtUp => return ids,
        }
    }
}

/// The next ids of a lease; a marker among them is one too many.
async fn ids(lease: &mut Lease, count: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    while ids.len() < count {
        match next(lease).await.expect("the lease lives") {
            LeaseEvent::Message(message) => ids.push(message.id.0),
            marker @ (LeaseEvent::Live(_) | LeaseEvent::CaughtUp) => panic!("told again: {marker:?}"),
        }
    }
    ids
}

#[tokio::test]
async fn siblings_on_one_topic_each_get_what_lies_above_their_own_cursor() {
    let node = RunningNode::start().await;
    node.publish("news", 10).await;
    let (gateway, witness) = open(&node.address, None);
    let mut first = gateway.lease(vec![add("news", 6)]).await.expect("a lease");
    assert_eq!(catch_up(&mut first).await, [7, 8, 9, 10]);
    let mut older = gateway.lease(vec![add("news", 0)]).await.expect("a lease");
    assert_eq!(catch_up(&mut older).await, (1..=10).collect::<Vec<_>>());
    let mut newer = gateway.lease(vec![add("news", 12)]).await.expect("a lease");
    assert_eq!(catch_up(&mut newer).await, [0; 0]);
    node.publish("news", 4).await;
    assert_eq!(ids(&mut first, 4).await, [11, 12, 13, 14]);
    assert_eq!(ids(&mut older, 4).await, [11, 12, 13, 14]);
    assert_eq!(ids(&mut newer, 2).await, [13, 14]);
    assert_eq!(witness.count(|notice| matches!(notice, ClientNotice::Dialing { .. })), 1, "one wire for all");
}

#[tokio::test]
async fn a_flap_is_invisible_to_leases() {
    let node = RunningNode::start().await;
    node.publish("news", 3).await;
    let env = Arc::new(Cuttable::default());
    let (gateway, witness) = open(&node.address, Some(env.clone()));
    let mut one = gateway.lease(vec![add("news", 0)]).await.expect("a lease");
    let mut two = gateway.lease(vec![add("news", 2), add("other", 0)]).await.expect("a lease");
    assert_eq!((catch_up(&mut one).await, catch_up(&mut two).await), (vec![1, 2, 3], vec![3]));
    for flap in 1..=3 {
        env.cut();
        node.publish("news", 1).await;
        assert_eq!((ids(&mut one, 1).await, ids(&mut two, 1).await), (vec![flap + 3], vec![flap + 3]));
    }
    let started = witness.count(|notice| matches!(notice, ClientNotice::Started { .. }));
    assert_eq!(started, 4, "each flap was one");
}

/// A lease that is slower than its siblings costs them nothing, and gets everything all the same.
#[tokio::test]
async fn a_lease_that_lags_goes_on_from_what_it_has() {
    let node = RunningNode::start().await;
    let count = 2 * LEASE_EVENTS_MAX;
    let (gateway, witness) = open(&node.address, None);
    let mut slow = gateway.lease(vec![add("news", 0)]).await.expect("a lease");
    let mut alive = gateway.lease(vec![add("news", 0)]).await.expect("a lease");
    assert_eq!((catch_up(&mut slow).await, catch_up(&mut alive).await), (vec![], vec![]));
    let all: Vec<u64> = (1..=count as u64).collect();
    let (got, ()) = tokio::join!(ids(&mut alive, count), node.publish("news", count as u64));
    assert_eq!(got, all);
    assert_eq!(ids(&mut slow, count).await, all);
    node.publish("news", 1).await;
    assert_eq!((ids(&mut alive, 1).await, ids(&mut slow, 1).await), (vec![count as u64 + 1], vec![count as u64 + 1]));
    assert_eq!(witness.count(|notice| matches!(notice, ClientNotice::Dialing { .. })), 1);
}

#[tokio::test]
async fn a_topic_leaves_the_wire_with_its_last_lease() {
    let node = RunningNode::start().await;
    let (gateway, witness) = open(&node.address, None);
    let deliveries = || {
        let kind =
            |notice: &ClientNotice| matches!(notice, ClientNotice::Heard { frame: ClientFrame::Delivery { .. }, .. });
        witness.count(kind)
    };
    let mut one = gateway.lease(vec![add("news", 0)]).await.expect("a lease");
    let mut two = gateway.lease(vec![add("news", 0)]).await.expect("a lease");
    assert_eq!((catch_up(&mut one).await, catch_up(&mut two).await), (vec![], vec![]));
    drop(one);
    node.publish("news", 1).await;
    assert_eq!((ids(&mut two, 1).await, deliveries()), (vec![1], 1));
    drop(two);
    // The remove is sent before this lease's add, and so applied before it is acknowledged.
    let mut other = gateway.lease(vec![add("other", 0)]).await.expect("a lease");
    assert_eq!(catch_up(&mut other).await, [0; 0]);
    node.publish("news", 1).await;
    node.publish("other", 1).await;
    assert_eq!((ids(&mut other, 1).await, deliveries()), (vec![3], 2), "of news nothing came any more");
}

#[tokio::test]
async fn a_lease_changes_its_topics_on_the_stream_that_it_shares() {
    let node = RunningNode::start().await;
    node.publish("news", 3).await;
    node.publish("other", 2).await;
    let (gateway, witness) = open(&node.address, None);
    let mut lease = gateway.lease(vec![add("news", 0)]).await.expect("a lease");
    let mut sibling = gateway.lease(vec![add("news", 3)]).await.expect("a lease");
    assert_eq!((catch_up(&mut lease).await, catch_up(&mut sibling).await), (vec![1, 2, 3], vec![]));
    lease.mutate(vec![add("other", 0)], vec![topic("news")]).await.expect("the gateway is there");
    assert_eq!(catch_up(&mut lease).await, [4, 5]);
    node.publish("news", 1).await;
    assert_eq!(ids(&mut sibling, 1).await, [6]);
    lease.mutate(vec![add("news", 2)], Vec::new()).await.expect("the gateway is there");
    assert_eq!(catch_up(&mut lease).await, [3, 6], "and nothing of what it had given up came before");
    assert_eq!(witness.count(|notice| matches!(notice, ClientNotice::Dialing { .. })), 1);
}

#[tokio::test]
async fn leases_end_with_their_gateway() {
    let node = RunningNode::start().await;
    let (gateway, _) = open(&node.address, None);
    let mut lease = gateway.lease(vec![add("news", 0)]).await.expect("a lease");
    assert_eq!(catch_up(&mut lease).await, [0; 0]);
    drop(gateway);
    assert_eq!(next(&mut lease).await, Err(LeaseError::GatewayEnded { lease: lease.id() }));
}

#[tokio::test]
async fn a_thousand_and_one_topics_are_leased_by_one_call() {
    let node = RunningNode::start().await;
    node.publish("0007", 1).await;
    let (gateway, _) = open(&node.address, None);
    let adds = (0..1_001).map(|number| add(&format!("{number:04}"), 0)).collect();
    let mut lease = gateway.lease(adds).await.expect("a lease");
    assert_eq!(catch_up(&mut lease).await, [1]);
}
