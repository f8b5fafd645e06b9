//! Promises of the bounded catch-up.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use crate::subject::xmtp::client::tests::script::{ScriptedNode, Visit, ping};
use crate::subject::xmtp::client::tests::subscriber::{Slow, causes, committed, config, stored};
use crate::subject::xmtp::client::tests::{add, message};
use crate::subject::xmtp::client::{CatchUpError, Cause, ClientConfig, catch_up, catch_up_every};
use crate::subject::xmtp::wire::{DeliveryFrame, MutateId, Response, Tag};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3_600);

type Outcome = Result<u64, CatchUpError>;

fn start(script: &ScriptedNode, config: ClientConfig, pace: Duration) -> JoinHandle<Outcome> {
    tokio::spawn(catch_up(script.env(), config, Slow(pace), script.witness.clone(), PATIENCE))
}

async fn end(running: JoinHandle<Outcome>) -> Outcome {
    timeout(HOUR, running).await.expect("it hangs").expect("no panic")
}

/// Takes the call with its waves, to the half-close; tells their cursors.
async fn take_call(script: &mut ScriptedNode, waves: u64) -> (Visit, Vec<u64>) {
    let mut visit = script.visit().await;
    visit.start(10);
    let mut cursors = Vec::new();
    for id in 1..=waves {
        let wave = visit.hear_mutate().await;
        assert!(wave.history_only && wave.id == MutateId(id));
        cursors.extend(wave.adds.iter().map(|add| add.cursor.0));
    }
    assert_eq!(visit.hear().await, None, "half-closed at once");
    (visit, cursors)
}

fn replay(visit: &Visit, id: u64) {
    visit.say(Response::Delivery(DeliveryFrame { tag: Tag::Wave(MutateId(1)), messages: vec![message("a", id)] }));
}

#[tokio::test(start_paused = true)]
async fn a_catch_up_takes_what_is_there_stores_it_and_ends() {
    let mut script = ScriptedNode::new();
    for (from, to) in [(0, 3), (3, 5)] {
        let running = start(&script, config(None), Duration::ZERO);
        let (visit, cursors) = take_call(&mut script, 1).await;
        assert_eq!(cursors, [from], "it goes on from what is stored");
        (from + 1..=to).for_each(|id| replay(&visit, id));
        visit.say(Response::CatchupComplete(MutateId(1)));
        drop(visit);
        assert_eq!(end(running).await.expect("complete"), to - from);
        assert_eq!(stored(&script), (1..=to).collect::<Vec<_>>());
    }
    assert_eq!(causes(&script), [Cause::Finished, Cause::Finished]);
}

#[tokio::test(start_paused = true)]
async fn a_large_set_is_caught_up_in_several_waves_and_each_is_awaited() {
    let mut script = ScriptedNode::new();
    let config = ClientConfig { topics: vec![add("a", 0), add("b", 0)], topics_per_mutate: 1, ..config(None) };
    let running = start(&script, config, Duration::ZERO);
    let (visit, cursors) = take_call(&mut script, 2).await;
    assert_eq!(cursors, [0, 0]);
    visit.say(Response::CatchupComplete(MutateId(2)));
    drop(visit);
    let outcome = end(running).await;
    assert!(matches!(outcome, Err(CatchUpError::Ended(Cause::StreamEnded))), "{outcome:?}");
}

/// As behind a proxy that answers HTTP/2 PING and passes nothing: the connection stays.
#[tokio::test(start_paused = true)]
async fn a_silence_after_the_half_close_does_not_hang_a_catch_up() {
    let mut script = ScriptedNode::new();
    let running = start(&script, config(None), Duration::ZERO);
    let (visit, _) = take_call(&mut script, 1).await;
    replay(&visit, 1);
    sleep(15 * SECOND).await;
    replay(&visit, 2);
    let last = Instant::now();
    let outcome = end(running).await;
    assert!(matches!(outcome, Err(CatchUpError::Ended(Cause::Stalled { after: PATIENCE }))), "{outcome:?}");
    assert_eq!((last.elapsed(), committed(&script)), (PATIENCE, vec![1, 2]));
    assert_eq!(timeout(SECOND, visit.until_gone()).await, Ok(()), "the connection is closed");

    script.mute();
    let begun = Instant::now();
    let outcome = end(start(&script, config(None), Duration::ZERO)).await;
    assert!(matches!(outcome, Err(CatchUpError::Ended(Cause::Stalled { .. }))), "{outcome:?}");
    assert_eq!(begun.elapsed(), PATIENCE, "also where not even headers come");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_repeats_itself_does_not_hold_a_catch_up() {
    let mut script = ScriptedNode::new();
    let running = start(&script, config(None), Duration::ZERO);
    let (visit, _) = take_call(&mut script, 1).await;
    let talking = async {
        loop {
            replay(&visit, 1);
            visit.say(ping(1));
            visit.say(Response::CatchupComplete(MutateId(7)));
            sleep(SECOND).await;
        }
    };
    let outcome = tokio::select! {
        biased;
        outcome = end(running) => outcome,
        () = talking => unreachable!("it talks without end"),
    };
    assert!(matches!(outcome, Err(CatchUpError::Ended(Cause::Stalled { .. }))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_is_no_stalled_catch_up() {
    let mut script = ScriptedNode::new();
    let running = start(&script, config(None), 10 * PATIENCE);
    let (visit, _) = take_call(&mut script, 1).await;
    for id in 1..=3 {
        replay(&visit, id);
        sleep(SECOND).await;
    }
    visit.say(Response::CatchupComplete(MutateId(1)));
    drop(visit);
    assert_eq!(end(running).await.expect("complete"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_catch_up_says_why_it_is_not_complete() {
    let mut script = ScriptedNode::new();
    let running = start(&script, config(None), Duration::ZERO);
    let (visit, _) = take_call(&mut script, 1).await;
    visit.fail(Status::unavailable("the store failed"));
    let error = end(running).await.expect_err("not acknowledged").to_string();
    assert_eq!(error, "catch up: stream failed: Unavailable: the store failed");
    script.world.refuses.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = end(start(&script, config(None), Duration::ZERO)).await.expect_err("refused").to_string();
    assert!(error.starts_with("catch up: dial failed: dial node:5556: "), "{error}");
    script.world.disk.bytes().push(b'?');
    let error = end(start(&script, config(None), Duration::ZERO)).await.expect_err("no inbox").to_string();
    assert!(error.starts_with("catch up: inbox: failed to "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_ok_never_comes_costs_the_patience_and_nothing_else() {
    let mut script = ScriptedNode::new();
    let running = start(&script, config(None), Duration::ZERO);
    let (visit, _) = take_call(&mut script, 1).await;
    visit.say(Response::CatchupComplete(MutateId(1)));
    let begun = Instant::now();
    assert_eq!((end(running).await.expect("complete"), begun.elapsed()), (0, PATIENCE));
}

#[tokio::test(start_paused = true)]
async fn windows_come_so_often_and_one_that_fails_is_tried_again_after_the_backoff() {
    let mut script = ScriptedNode::new();
    let (env, witness) = (script.env(), script.witness.clone());
    let running = catch_up_every(env, config(None), Slow(Duration::ZERO), witness, PATIENCE, 60 * SECOND);
    let running = tokio::spawn(running);
    let (visit, _) = take_call(&mut script, 1).await;
    replay(&visit, 1);
    visit.say(Response::CatchupComplete(MutateId(1)));
    drop(visit);
    let mut waits = Vec::new();
    for id in [2, 3] {
        let begun = Instant::now();
        let mut visit = script.visit().await;
        waits.push(begun.elapsed());
        visit.start(10);
        let wave = visit.hear_mutate().await;
        assert_eq!((wave.id, wave.adds[0].cursor.0), (MutateId(id), 1), "it goes on from what is stored");
    }
    assert!(waits[0].abs_diff(60 * SECOND) < SECOND && waits[1] < SECOND, "{waits:?}");
    assert!(matches!(causes(&script)[..], [Cause::Finished, Cause::StreamEnded, ..]), "{:?}", causes(&script));
    running.abort();
}
