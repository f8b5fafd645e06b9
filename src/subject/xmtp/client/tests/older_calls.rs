//! Promises of the fallback to the older calls (C6).

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use crate::subject::xmtp::client::tests::script::{OlderVisit, ScriptedNode};
use crate::subject::xmtp::client::tests::subscriber::{Slow, causes, committed, config, start, stored};
use crate::subject::xmtp::client::tests::{add, message, welcome};
use crate::subject::xmtp::client::{Cause, ClientConfig, ClientError, ClientNotice, catch_up};
use crate::subject::xmtp::wire::proto::GroupMessage;
use crate::subject::xmtp::wire::{Add, Cursor};

const SECOND: Duration = Duration::from_secs(1);

/// The next call of the older kind, and its cursor.
async fn take_older(script: &mut ScriptedNode) -> (OlderVisit<GroupMessage>, u64) {
    let visit = timeout(900 * SECOND, script.older.recv()).await.expect("it falls back").expect("the node lives");
    assert_eq!(visit.adds.len(), 1);
    let cursor = visit.adds[0].1;
    (visit, cursor)
}

async fn say(visit: &OlderVisit<GroupMessage>, id: u64) {
    visit.replies.try_send(Ok(message("a", id).into_group())).expect("room for replies");
    sleep(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_without_subscribe_is_followed_by_the_older_calls_from_the_cursor() {
    let mut script = ScriptedNode::refusing(Some(Status::unimplemented("no such call")));
    let _running = start(&script, config(None), Duration::ZERO);
    let (visit, cursor) = take_older(&mut script).await;
    assert_eq!(cursor, 0);
    say(&visit, 1).await;
    say(&visit, 2).await;
    visit.replies.try_send(Err(Status::unavailable("bye"))).expect("room for replies");
    drop(visit);
    let (visit, cursor) = take_older(&mut script).await;
    assert_eq!(cursor, 2, "it resumes");
    say(&visit, 2).await;
    say(&visit, 3).await;
    assert_eq!(committed(&script), [1, 2, 3]);
    assert!(matches!(causes(&script).as_slice(), [Cause::Unimplemented(_), Cause::StreamFailed(_)]));
}

#[tokio::test(start_paused = true)]
async fn unimplemented_in_trailers_after_the_headers_falls_back_too_and_keeps_the_cursor() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    let mut visit = script.visit().await;
    visit.hear_mutate().await;
    visit.start(10);
    visit.deliver([message("a", 4)]);
    sleep(SECOND).await;
    visit.fail(Status::unavailable("an older node takes over"));
    let mut visit = script.visit().await;
    assert_eq!(visit.hear_mutate().await.adds[0].cursor.0, 4);
    visit.fail(Status::unimplemented("no such call"));
    let (_visit, cursor) = take_older(&mut script).await;
    assert_eq!(cursor, 4);
}

/// Each attempt is told with the wait before it, as any other.
#[tokio::test(start_paused = true)]
async fn the_fallback_waits_between_attempts_is_remembered_and_ends_after_a_time() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    script.visit().await.fail(Status::unimplemented("no such call"));
    let begun = Instant::now();
    while begun.elapsed() < 300 * SECOND {
        let (visit, _) = take_older(&mut script).await;
        visit.replies.send(Err(Status::unavailable("bye"))).await.expect("the client listens");
    }
    let (held, _) = take_older(&mut script).await;
    let mut visit = timeout(900 * SECOND, script.visit()).await.expect("Subscribe is tried again");
    assert!(begun.elapsed().abs_diff(600 * SECOND) < 3 * SECOND, "{:?}", begun.elapsed());
    assert_eq!((held.replies.is_closed(), causes(&script).pop()), (true, Some(Cause::FallbackOver)));
    visit.hear_mutate().await;
    visit.start(10);
    let count = |is: fn(&ClientNotice) -> bool| script.witness.notices().iter().filter(|(_, told)| is(told)).count();
    let dialed = count(|told| matches!(told, ClientNotice::Dialing { .. }));
    let waited = count(|told| matches!(told, ClientNotice::BackingOff { .. }));
    assert_eq!(dialed, waited + 1, "no attempt without a wait");
    assert!((12..60).contains(&dialed), "the waits grow: {dialed}");
}

#[tokio::test(start_paused = true)]
async fn both_kinds_are_followed_on_one_connection_and_one_end_ends_both() {
    let mut script = ScriptedNode::refusing(Some(Status::unimplemented("no such call")));
    let welcomes = Add { topic: welcome("w", 1).topic().clone(), cursor: Cursor(4) };
    let both = ClientConfig { topics: vec![add("a", 0), welcomes], ..config(None) };
    let _running = start(&script, both, Duration::ZERO);
    let (groups, _) = take_older(&mut script).await;
    let calling = timeout(SECOND, script.older_welcomes.recv()).await;
    let mut installations = calling.expect("both are called").expect("the node lives");
    assert_eq!(installations.adds, [(Bytes::from_static(b"w"), 4)]);
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 2, "one for Subscribe, one for both");
    say(&groups, 1).await;
    for id in [4, 5] {
        installations.replies.try_send(Ok(welcome("w", id).into_welcome())).expect("room for replies");
        sleep(SECOND).await;
    }
    assert_eq!(committed(&script), [1, 5], "a welcome at the cursor is none");
    // Groups that talk on do not hide that the welcomes are dead.
    let begun = Instant::now();
    for id in 2..40 {
        if groups.replies.is_closed() {
            break;
        }
        say(&groups, id).await;
        sleep(9 * SECOND).await;
    }
    assert!(begun.elapsed().abs_diff(300 * SECOND) <= 10 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(causes(&script).pop(), Some(Cause::Watchdog));
    installations = script.older_welcomes.recv().await.expect("the node lives");
    assert_eq!(installations.adds, [(Bytes::from_static(b"w"), 5)]);
}

#[tokio::test(start_paused = true)]
async fn the_clean_end_of_either_stream_ends_both() {
    let mut script = ScriptedNode::refusing(Some(Status::unimplemented("no such call")));
    let welcomes = Add { topic: welcome("w", 1).topic().clone(), cursor: Cursor(4) };
    let both = ClientConfig { topics: vec![add("a", 0), welcomes], ..config(None) };
    let _running = start(&script, both, Duration::ZERO);
    for (ends, ends_groups) in [(1, true), (2, false)] {
        let (groups, _) = take_older(&mut script).await;
        let installations = script.older_welcomes.recv().await.expect("both are called");
        let _other = if ends_groups {
            drop(groups);
            (None, Some(installations))
        } else {
            drop(installations);
            (Some(groups), None)
        };
        sleep(SECOND).await;
        assert_eq!(causes(&script)[1..], vec![Cause::StreamEnded; ends]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_catch_up_without_subscribe_asks_page_by_page_up_to_the_newest() {
    let script = ScriptedNode::refusing(Some(Status::unimplemented("no such call")));
    let welcomes = Add { topic: welcome("w", 1).topic().clone(), cursor: Cursor(0) };
    let both = ClientConfig { topics: vec![add("a", 1), add("b", 0), welcomes], ..config(None) };
    let group = (1..=6).map(|id| message("a", id));
    script.shelf.lock().expect("no panic").extend(group.chain([welcome("w", 1)]));
    for fresh in [6, 0] {
        let told = script.witness.clone();
        let caught = catch_up(script.env(), both.clone(), Slow(Duration::ZERO), told, 20 * SECOND).await;
        assert_eq!(caught.expect("caught up"), fresh);
    }
    assert_eq!(stored(&script), [2, 3, 4, 5, 6, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_older_stream_is_left_after_300_s_and_a_rejected_one_for_good() {
    let mut script = ScriptedNode::refusing(Some(Status::unimplemented("no such call")));
    let mut running = start(&script, config(None), Duration::ZERO);
    let (visit, _) = take_older(&mut script).await;
    let begun = Instant::now();
    let (again, _) = take_older(&mut script).await;
    assert_eq!(begun.elapsed().as_secs(), 300);
    assert!(visit.replies.is_closed() && causes(&script).contains(&Cause::Watchdog));
    again.replies.try_send(Err(Status::permission_denied("not yours"))).expect("room for replies");
    let ended = timeout(60 * SECOND, &mut running.0).await.expect("it ends").expect("no panic");
    assert!(matches!(ended, Err(ClientError::Rejected { .. })), "{ended:?}");
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 3);
}
