//! Promises of the subscriber.

use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use crate::env::Address;
use crate::subject::xmtp::client::tests::script::{ScriptedNode, Visit, address};
use crate::subject::xmtp::client::tests::{add, message};
use crate::subject::xmtp::client::{
    Application, Cause, ClientConfig, ClientError, ClientNotice, ClientQuirk, Inbox, subscribe,
};
use crate::subject::xmtp::wire::{Message, MutateId};

const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Slow(pub(super) Duration);

impl Application for Slow {
    fn process(&mut self, _: &[Message]) -> impl Future<Output = ()> + Send {
        sleep(self.0)
    }
}

pub(super) fn config(quirk: Option<ClientQuirk>) -> ClientConfig {
    let topics = vec![add("a", 0)];
    ClientConfig { http2_keepalive: None, quirk, ..ClientConfig::new(address(), topics) }
}

/// Dropping it kills the subscriber as a crash would.
pub(super) struct RunningSubscriber(pub(super) JoinHandle<Result<Infallible, ClientError>>);

impl Drop for RunningSubscriber {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn start(script: &ScriptedNode, config: ClientConfig, pace: Duration) -> RunningSubscriber {
    RunningSubscriber(tokio::spawn(subscribe(script.env(), config, Slow(pace), script.witness.clone())))
}

/// Takes the next call and its first Mutate, and tells from which cursor it resumes.
async fn take_call(script: &mut ScriptedNode) -> (Visit, u64, MutateId) {
    let mut visit = script.visit().await;
    visit.start(10);
    let mutate = visit.hear_mutate().await;
    assert_eq!(mutate.adds.len(), 1);
    (visit, mutate.adds[0].cursor.0, mutate.id)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
pub(super) fn committed(script: &ScriptedNode) -> Vec<u64> {
    let told = script.witness.notices().into_iter().filter_map(|(_, notice)| match notice {
        ClientNotice::Committed { messages, .. } => Some(messages),
        _ => None,
    });
    told.flatten().map(|message| message.id.0).collect()
}

pub(super) fn stored(script: &ScriptedNode) -> Vec<u64> {
    let inbox = Inbox::open(&script.env(), None).expect("the inbox opens");
    inbox.journal_from(0, usize::MAX).expect("readable").iter().map(|entry| entry.id.0).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
pub(super) fn causes(script: &ScriptedNode) -> Vec<Cause> {
    let told = script.witness.notices().into_iter().filter_map(|(_, notice)| match notice {
        ClientNotice::Ended { cause, .. } => Some(cause),
        _ => None,
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_resumes_from_the_floor_and_discards_duplicates() {
    let mut script = ScriptedNode::new();
    let running = start(&script, config(None), Duration::ZERO);
    let (visit, cursor, first) = take_call(&mut script).await;
    assert_eq!(cursor, 0);
    visit.deliver([message("a", 1), message("b", 2), message("a", 3)]);
    sleep(SECOND).await;
    visit.fail(Status::unavailable("bye"));
    let (visit, cursor, second) = take_call(&mut script).await;
    assert_eq!(cursor, 3);
    assert!(first != second && second != MutateId(0), "each wave has a fresh name");
    visit.deliver([message("a", 3), message("a", 4)]);
    sleep(SECOND).await;
    assert_eq!(committed(&script), [1, 3, 4]);
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 2, "each attempt is a connection");
    drop(running);
    sleep(SECOND).await;
    assert_eq!(stored(&script), [1, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_resumes_from_the_inbox() {
    for (quirk, resumed) in
        [(None, 2), (Some(ClientQuirk::CursorInMemoryOnly), 0), (Some(ClientQuirk::ResumesAhead), 3)]
    {
        let mut script = ScriptedNode::new();
        let running = start(&script, config(quirk), Duration::ZERO);
        let (visit, ..) = take_call(&mut script).await;
        visit.deliver([message("a", 1), message("a", 2)]);
        sleep(SECOND).await;
        drop(running);
        sleep(SECOND).await;
        let _running = start(&script, config(quirk), Duration::ZERO);
        let (_visit, cursor, _) = take_call(&mut script).await;
        assert_eq!(cursor, resumed, "{quirk:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_processed_and_not_committed_comes_again() {
    let mut script = ScriptedNode::new();
    let running = start(&script, config(None), 60 * SECOND);
    let (visit, ..) = take_call(&mut script).await;
    visit.deliver([message("a", 1)]);
    sleep(SECOND).await;
    drop(running);
    sleep(SECOND).await;
    let _running = start(&script, config(None), Duration::ZERO);
    let (_visit, cursor, _) = take_call(&mut script).await;
    assert_eq!((cursor, committed(&script)), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn forgotten_floors_take_everything_again() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(Some(ClientQuirk::FloorForgotten)), Duration::ZERO);
    for _ in 0..2 {
        let (visit, cursor, _) = take_call(&mut script).await;
        assert_eq!(cursor, 0);
        visit.deliver([message("a", 1)]);
        sleep(SECOND).await;
    }
    assert_eq!(committed(&script), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_costs_one_batch_per_round_and_no_message() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), 40 * SECOND);
    let (visit, ..) = take_call(&mut script).await;
    for id in 1..=100 {
        visit.deliver([message("a", id)]);
        sleep(SECOND).await;
    }
    sleep(100 * SECOND).await;
    assert_eq!(committed(&script), (1..=100).collect::<Vec<_>>());
    let batches = script.witness.notices().iter().filter(|(_, n)| matches!(n, ClientNotice::Committed { .. })).count();
    assert!(batches <= 5, "{batches} batches");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_and_the_next_attempt_comes() {
    let mut script = ScriptedNode::new();
    script.world.refuses.store(true, Ordering::SeqCst);
    let _running = start(&script, config(None), Duration::ZERO);
    while script.witness.when(|notice| matches!(notice, ClientNotice::Dialing { attempt: 5 })).is_none() {
        sleep(SECOND).await;
    }
    script.world.refuses.store(false, Ordering::SeqCst);
    let (visit, ..) = take_call(&mut script).await;
    drop(visit);
    let (_visit, ..) = take_call(&mut script).await;
    let causes = causes(&script);
    let (last, dials) = causes.split_last().expect("some ended");
    assert!(dials.len() >= 4 && dials.iter().all(|cause| matches!(cause, Cause::DialFailed(_))), "{causes:?}");
    assert_eq!(*last, Cause::StreamEnded);
    let notices = script.witness.notices();
    let count = |kind: fn(&ClientNotice) -> bool| notices.iter().filter(|(_, notice)| kind(notice)).count();
    let ended = count(|notice| matches!(notice, ClientNotice::Ended { .. }));
    assert_eq!(count(|notice| matches!(notice, ClientNotice::Dialing { .. })), ended + 1);
    assert_eq!(count(|notice| matches!(notice, ClientNotice::BackingOff { .. })), ended);
}

/// Else the client sends the same poison for ever.
#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_rejected_ends_and_one_that_is_refused_for_now_does_not() {
    for status in [Status::invalid_argument("no"), Status::permission_denied("no"), Status::unauthenticated("no")] {
        let script = ScriptedNode::refusing(Some(status));
        let mut running = start(&script, config(None), Duration::ZERO);
        let ended = timeout(100 * SECOND, &mut running.0).await.expect("it ends").expect("no panic");
        assert!(matches!(ended, Err(ClientError::Rejected { why }) if why.ends_with("no")), "{:?}", causes(&script));
        assert_eq!(causes(&script).len(), 1);
    }
    let script = ScriptedNode::refusing(Some(Status::unavailable("no")));
    let mut running = start(&script, config(None), Duration::ZERO);
    assert!(timeout(100 * SECOND, &mut running.0).await.is_err(), "it gave up");
    assert!(causes(&script).len() > 3);
    // In mid-stream it is the same.
    let mut script = ScriptedNode::new();
    let mut running = start(&script, config(None), Duration::ZERO);
    let (visit, ..) = take_call(&mut script).await;
    visit.fail(Status::permission_denied("not yours any more"));
    let ended = timeout(100 * SECOND, &mut running.0).await.expect("it ends").expect("no panic");
    assert!(matches!(ended, Err(ClientError::Rejected { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_nobody_answers_ends_after_the_connect_timeout() {
    let script = ScriptedNode::new();
    script.world.swallows.store(true, Ordering::SeqCst);
    let begun = tokio::time::Instant::now();
    let _running = start(&script, config(None), Duration::ZERO);
    sleep(15 * SECOND).await;
    let ended = script.witness.when(|notice| matches!(notice, ClientNotice::Ended { .. }));
    assert_eq!(ended, Some(begun + 10 * SECOND));
    assert!(matches!(&causes(&script)[0], Cause::DialFailed(why) if why.contains("node:5556")));
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_is_left_by_the_watchdog_and_nothing_is_missed() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    let (visit, ..) = take_call(&mut script).await;
    visit.deliver([message("a", 1)]);
    let (replay, cursor, _) = take_call(&mut script).await;
    assert_eq!((cursor, causes(&script)), (1, vec![Cause::Watchdog]));
    assert_eq!(timeout(SECOND, visit.until_gone()).await, Ok(()), "the dead connection is closed");
    replay.deliver([message("a", 2), message("a", 3)]);
    sleep(SECOND).await;
    assert_eq!(committed(&script), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn only_a_malformed_address_ends_a_subscriber() {
    let script = ScriptedNode::new();
    let nowhere = ClientConfig::new(Address::new("no host", 1), Vec::new());
    let ended = subscribe(script.env(), nowhere, Slow(SECOND), script.witness.clone()).await;
    assert!(matches!(ended, Err(ClientError::Node(_))));
}

/// The reasons, and when each was told.
#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
fn failures(script: &ScriptedNode) -> Vec<String> {
    let told = script.witness.notices().into_iter().filter_map(|(_, notice)| match notice {
        ClientNotice::StoreFailed { why } => Some(why),
        _ => None,
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
async fn an_inbox_that_fails_ends_the_attempt_and_is_opened_again_with_what_is_durable() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    let (visit, ..) = take_call(&mut script).await;
    visit.deliver([message("a", 1)]);
    sleep(SECOND).await;
    script.world.disk.fail_after(0);
    visit.deliver([message("a", 2)]);
    sleep(10 * SECOND).await;
    script.world.disk.heal();
    let (visit, cursor, _) = take_call(&mut script).await;
    assert_eq!((cursor, committed(&script)), (1, vec![1]), "what is not durable is not told, and comes again");
    visit.deliver([message("a", 2)]);
    sleep(SECOND).await;
    assert_eq!(committed(&script), [1, 2]);
    assert!(failures(&script).len() > 2, "it was told once for each attempt");
    assert!(causes(&script).iter().all(|cause| matches!(cause, Cause::Inbox(why) if why.contains("inbox.journal"))));
    let opened = script.witness.notices().into_iter().filter_map(|(_, notice)| match notice {
        ClientNotice::InboxOpened { cursors } => Some(cursors.into_iter().map(|add| add.cursor.0).collect()),
        _ => None,
    });
    assert_eq!(opened.collect::<Vec<Vec<u64>>>(), [vec![], vec![1]]);
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_inbox_is_told_and_never_replaced_by_an_empty_one() {
    let script = ScriptedNode::new();
    let mut inbox = Inbox::open(&script.env(), None).expect("a new inbox");
    inbox.commit(&[message("a", 1)]).expect("stored");
    drop(inbox);
    assert!(script.world.disk.scribble(b"payload of message 1") > 0);
    let _running = start(&script, config(None), Duration::ZERO);
    sleep(100 * SECOND).await;
    let failures = failures(&script);
    assert!((4..=20).contains(&failures.len()), "{} attempts, with backoff", failures.len());
    assert!(
        failures.iter().all(|why| why.contains("the store `inbox.journal` is corrupt: its sector ")),
        "{failures:?}"
    );
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 0, "nobody is asked for what cannot be kept");
}

#[tokio::test(start_paused = true)]
async fn an_application_that_is_behind_is_waited_for_and_the_next_stream_begins_where_it_is() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), 40 * SECOND);
    let (visit, _, _) = take_call(&mut script).await;
    for id in 1..=3_000 {
        visit.deliver([message("a", id)]);
    }
    let begun = Instant::now();
    let (visit, cursor, _) = timeout(3_600 * SECOND, take_call(&mut script)).await.expect("it resumes");
    let held = committed(&script);
    assert_eq!(held, (1..=cursor).collect::<Vec<_>>(), "what had arrived was taken first");
    assert!((2_047..2_310).contains(&cursor), "the room, and the batch in work: {cursor}");
    let batches = u32::try_from(cursor.div_ceil(256)).expect("few");
    assert!(
        begun.elapsed().abs_diff(batches * 40 * SECOND) < 41 * SECOND,
        "no wait beyond that: {:?}",
        begun.elapsed()
    );
    assert_eq!(causes(&script), [Cause::ConsumerBehind]);
    visit.deliver([message("a", cursor + 1)]);
    sleep(41 * SECOND).await;
    assert_eq!(committed(&script).last(), Some(&(cursor + 1)));
}
