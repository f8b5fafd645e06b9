//! Promises of the desk: who stops draining is dropped alone, and who only lags is not.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::subject::xmtp::client::ClientEvent;
use crate::subject::xmtp::client::tests::{add, message, topic};
use crate::subject::xmtp::gateway::desk::LeaseDesk;
use crate::subject::xmtp::gateway::lease::{LeaseBell, LeaseRequest, lease};
use crate::subject::xmtp::gateway::{
    LEASE_BYTES_MAX, LEASE_EVENTS_MAX, LEASE_STALL_MAX, Lease, LeaseError, LeaseEvent, LeaseId,
};
use crate::subject::xmtp::wire::{DeliveryFrame, Tag};

const SECOND: Duration = Duration::from_secs(1);
const FULL: u64 = LEASE_EVENTS_MAX as u64 + 1;

/// A desk without leases, and what makes one of a topic, to be booked.
fn empty_desk() -> (LeaseDesk, impl Fn(u64) -> Lease) {
    let (requests, requested) = mpsc::channel(2);
    let bell = Arc::<LeaseBell>::default();
    let desk = LeaseDesk::new(requested, Arc::clone(&bell), None);
    let join = move |id| {
        let (outlet, lease) = lease(LeaseId(id), LEASE_EVENTS_MAX, requests.clone(), Arc::clone(&bell));
        let joining = LeaseRequest::Join { outlet, adds: vec![add("a", 0)] };
        assert!(requests.try_send(joining).is_ok(), "room for two");
        lease
    };
    (desk, join)
}

/// A desk with two leases of one topic that is live, both caught up.
async fn desk() -> (LeaseDesk, [Lease; 2]) {
    let (mut desk, join) = empty_desk();
    let mut leases = [join(1), join(2)];
    desk.change().await;
    desk.change().await;
    let mutate = desk.take_mutate().expect("a topic to ask for");
    desk.take(ClientEvent::CatchupComplete(mutate.id));
    for lease in &mut leases {
        assert!(matches!(lease.next().await, Ok(LeaseEvent::Live(_))));
        assert_eq!(lease.next().await, Ok(LeaseEvent::CaughtUp));
    }
    (desk, leases)
}

fn deliver(desk: &mut LeaseDesk, ids: impl Iterator<Item = u64>) {
    for id in ids {
        let delivery = DeliveryFrame { tag: Tag::Live, messages: vec![message("a", id)] };
        desk.take(ClientEvent::Delivery(delivery));
    }
}

async fn drain(lease: &mut Lease, ids: impl Iterator<Item = u64>) {
    for id in ids {
        assert!(matches!(lease.next().await, Ok(LeaseEvent::Message(message)) if message.id.0 == id));
    }
}

/// A desk whose second lease keeps up, while nobody drains the first.
async fn desk_with_a_full_lease() -> (LeaseDesk, [Lease; 2]) {
    let (mut desk, [full, mut alive]) = desk().await;
    deliver(&mut desk, 1..=FULL);
    drain(&mut alive, 1..=FULL).await;
    desk.change().await;
    assert_eq!(desk.take_mutate(), None, "it missed nothing while it lagged");
    deliver(&mut desk, FULL + 1..=FULL + 5);
    drain(&mut alive, FULL + 1..=FULL + 5).await;
    (desk, [full, alive])
}

#[tokio::test(start_paused = true)]
async fn who_stops_draining_is_dropped_alone_after_a_minute_and_keeps_what_was_put() {
    let (mut desk, [mut stuck, alive]) = desk_with_a_full_lease().await;
    let begun = Instant::now();
    desk.change().await;
    assert_eq!(begun.elapsed(), LEASE_STALL_MAX);
    drain(&mut stuck, 1..=FULL).await;
    let error = stuck.next().await.expect_err("it is over");
    assert_eq!(stuck.next().await, Err(error.clone()));
    assert!(matches!(error, LeaseError::Stalled { events, .. } if events as u64 == FULL), "{error}");
    drop(stuck);
    desk.change().await;
    assert_eq!((desk.is_idle(), desk.take_mutate()), (false, None), "the sibling has the topic");
    drop(alive);
    desk.change().await;
    assert_eq!(desk.take_mutate().map(|mutate| mutate.removes.len()), Some(1));
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_little_is_not_dropped_and_gets_what_it_missed_when_it_has_room() {
    let (mut desk, [mut slow, _alive]) = desk_with_a_full_lease().await;
    for id in 1..=3 {
        drain(&mut slow, id..=id).await;
        assert!(timeout(LEASE_STALL_MAX + SECOND, desk.change()).await.is_ok());
    }
    assert!(timeout(SECOND, desk.change()).await.is_err());
    drain(&mut slow, 4..=FULL).await;
    desk.change().await;
    let adds = desk.take_mutate().map(|mutate| mutate.adds);
    assert_eq!(adds, Some(vec![add("a", FULL)]));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_time_before_a_change_comes_after_it() {
    let (mut desk, [mut lease, _alive]) = desk().await;
    deliver(&mut desk, 1..=3);
    drain(&mut lease, 1..=1).await;
    lease.mutate(vec![add("a", 1), add("b", 0)], Vec::new()).await.expect("the gateway is there");
    deliver(&mut desk, 4..=4);
    desk.change().await;
    let mutate = desk.take_mutate().expect("a restart");
    assert_eq!((mutate.removes.len(), &mutate.adds), (0, &vec![add("a", 1), add("b", 0)]), "a sibling has the topic");
    let messages = (2..=4).map(|id| message("a", id)).collect();
    desk.take(ClientEvent::Delivery(DeliveryFrame { tag: Tag::Wave(mutate.id), messages }));
    desk.take(ClientEvent::CatchupComplete(mutate.id));
    drain(&mut lease, 2..=4).await;
    for topic in ["a", "b"].map(topic) {
        assert_eq!(lease.next().await, Ok(LeaseEvent::Live(topic)));
    }
    assert_eq!(lease.next().await, Ok(LeaseEvent::CaughtUp));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_given_up_is_silent_at_once() {
    let (mut desk, [mut lease, _alive]) = desk().await;
    deliver(&mut desk, 1..=3);
    lease.mutate(Vec::new(), vec![topic("a")]).await.expect("the gateway is there");
    desk.change().await;
    deliver(&mut desk, 4..=5);
    assert_eq!(lease.next().await, Ok(LeaseEvent::CaughtUp), "the change is booked, and nothing is missing");
    assert!(timeout(SECOND, lease.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_only_changes_and_takes_nothing_fills_its_buffer_no_further_than_its_bound() {
    let (mut desk, [mut lease, _alive]) = desk().await;
    for _ in 0..FULL + 9 {
        lease.mutate(Vec::new(), Vec::new()).await.expect("the gateway is there");
        desk.change().await;
    }
    desk.change().await;
    assert!(matches!(lease.next().await, Err(LeaseError::Stalled { events, .. }) if events as u64 == FULL));
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_little_and_then_rests_is_dropped_after_a_minute_of_rest() {
    let (mut desk, [mut slow, _alive]) = desk_with_a_full_lease().await;
    drain(&mut slow, 1..=1).await;
    desk.change().await;
    let begun = Instant::now();
    desk.change().await;
    assert_eq!(begun.elapsed(), LEASE_STALL_MAX);
    drain(&mut slow, 2..=FULL).await;
    let over = timeout(SECOND, slow.next()).await;
    assert!(matches!(over, Ok(Err(LeaseError::Stalled { .. }))), "{over:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_over_does_not_lag_any_more() {
    let (mut desk, [_stuck, _alive]) = desk_with_a_full_lease().await;
    assert!(desk.lags());
    desk.change().await;
    assert!(!desk.lags(), "it was dropped");
    assert!(timeout(SECOND, desk.change()).await.is_err(), "nobody is looked at again");
    let (mut desk, [full, _alive]) = desk_with_a_full_lease().await;
    drop(full);
    desk.change().await;
    assert!(!desk.lags(), "its holder has dropped it");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_dropped_before_it_is_booked_leaves_nothing() {
    let (mut desk, join) = empty_desk();
    drop(join(1));
    desk.change().await;
    assert!(timeout(SECOND, desk.change()).await.is_ok(), "its departure, and then its arrival");
    assert_eq!((desk.is_idle(), desk.take_mutate()), (true, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_outdated_makes_room_as_well() {
    let (mut desk, [mut lease, _alive]) = desk().await;
    deliver(&mut desk, 1..=FULL);
    lease.mutate(Vec::new(), vec![topic("a")]).await.expect("the gateway is there");
    desk.change().await;
    assert!(timeout(SECOND, lease.next()).await.is_err(), "nothing of the time before");
    desk.change().await;
    assert_eq!(timeout(SECOND, lease.next()).await.ok(), Some(Ok(LeaseEvent::CaughtUp)));
}

#[tokio::test(start_paused = true)]
async fn bytes_fill_a_buffer_as_events_do_and_leave_it_with_them() {
    let (mut desk, [mut lease, _alive]) = desk().await;
    let count = (LEASE_BYTES_MAX >> 20) as u64 + 1;
    for id in 1..=count {
        assert!(!desk.lags(), "#{id}");
        let mut large = message("a", id);
        large.draft.data = vec![7; 1 << 20].into();
        desk.take(ClientEvent::Delivery(DeliveryFrame { tag: Tag::Live, messages: vec![large] }));
    }
    assert!(desk.lags());
    drain(&mut lease, 1..=count).await;
    assert!(timeout(SECOND, desk.change()).await.is_ok(), "it rings that it has room");
    deliver(&mut desk, count + 1..=count + 1);
    drain(&mut lease, count + 1..=count + 1).await;
}
