//! Promises of the fallback to the older calls (C6).

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use crate::subject::xmtp::client::tests::message;
use crate::subject::xmtp::client::tests::script::{OlderVisit, ScriptedNode};
use crate::subject::xmtp::client::tests::subscriber::{causes, committed, config, start};
use crate::subject::xmtp::client::{Cause, ClientError};

const SECOND: Duration = Duration::from_secs(1);

/// The next call of the older kind, and its cursor.
async fn take_older(script: &mut ScriptedNode) -> (OlderVisit, u64) {
    let visit = timeout(900 * SECOND, script.older.recv()).await.expect("it falls back").expect("the node lives");
    assert_eq!(visit.adds.len(), 1);
    let cursor = visit.adds[0].1;
    (visit, cursor)
}

async fn say(visit: &OlderVisit, id: u64) {
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

#[tokio::test(start_paused = true)]
async fn the_fallback_is_remembered_and_subscribe_is_tried_again_after_a_time() {
    let mut script = ScriptedNode::new();
    let _running = start(&script, config(None), Duration::ZERO);
    script.visit().await.fail(Status::unimplemented("no such call"));
    let begun = Instant::now();
    let talking = async {
        let mut calls = 0;
        loop {
            let (visit, _) = take_older(&mut script).await;
            calls += 1;
            visit.replies.send(Err(Status::unavailable("bye"))).await.expect("the client listens");
            if begun.elapsed() > 300 * SECOND {
                return calls;
            }
        }
    };
    assert!(talking.await >= 150, "the older calls are made again and again, a second or two apart");
    let mut visit = timeout(900 * SECOND, script.visit()).await.expect("Subscribe is tried again");
    assert!(begun.elapsed().abs_diff(600 * SECOND) < 3 * SECOND, "{:?}", begun.elapsed());
    visit.hear_mutate().await;
    visit.start(10);
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
