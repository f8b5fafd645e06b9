//! Promises of the publisher.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use crate::subject::xmtp::client::tests::message;
use crate::subject::xmtp::client::tests::script::{CONNECTION_AGE, Letter, ScriptedNode, address};
use crate::subject::xmtp::client::{PublishError, Publisher, PublisherConfig};
use crate::subject::xmtp::wire::{Draft, Envelope, MessageKind, Topic, application_message};

fn group_draft() -> Draft {
    Draft { data: application_message(b"a", b"hello"), ..message("a", 1).draft }
}

fn welcome_draft() -> Draft {
    let envelope = Envelope::Welcome {
        hpke_public_key: Bytes::from_static(b"k"),
        wrapper_algorithm: 1,
        welcome_metadata: Bytes::new(),
    };
    Draft { topic: Topic::new(MessageKind::Welcome, b"i"), data: Bytes::from_static(b"w"), envelope }
}

fn publisher(script: &ScriptedNode) -> Publisher {
    Publisher::new(script.env(), address(), PublisherConfig { http2_keepalive: None, ..PublisherConfig::default() })
}

async fn answer(script: &mut ScriptedNode, outcome: Result<(), Status>) -> Vec<Draft> {
    let letter = timeout(Duration::from_secs(60), script.letters.recv()).await.expect("the client publishes");
    let Letter { drafts, answer } = letter.expect("the node lives as long as the test");
    answer.send(outcome).expect("the client waits");
    drafts
}

#[tokio::test(start_paused = true)]
async fn what_the_node_stored_is_published_over_one_connection() {
    let mut script = ScriptedNode::new();
    let mut publisher = publisher(&script);
    for _ in 0..2 {
        let (outcome, (groups, welcomes)) =
            tokio::join!(publisher.publish(vec![welcome_draft(), group_draft()]), async {
                (answer(&mut script, Ok(())).await, answer(&mut script, Ok(())).await)
            });
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!((groups, welcomes), (vec![group_draft()], vec![welcome_draft()]));
    }
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_apart_from_an_unknown_outcome() {
    let mut script = ScriptedNode::new();
    let mut publisher = publisher(&script);
    let bad = Status::invalid_argument("no such thing");
    let (refused, _) = tokio::join!(publisher.publish(vec![group_draft()]), answer(&mut script, Err(bad)));
    let refused = refused.expect_err("refused");
    assert!(matches!(refused, PublishError::Refused { .. }) && !refused.may_be_stored(), "{refused:?}");

    let lost = Status::unavailable("no upstream");
    let (unknown, _) = tokio::join!(publisher.publish(vec![group_draft()]), answer(&mut script, Err(lost)));
    let unknown = unknown.expect_err("unknown");
    assert!(matches!(unknown, PublishError::Unknown { .. }) && unknown.may_be_stored(), "{unknown:?}");
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 1, "a refusal breaks no connection");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_second_half_is_no_refusal_of_the_whole() {
    let mut script = ScriptedNode::new();
    let mut publisher = publisher(&script);
    let (outcome, ()) = tokio::join!(publisher.publish(vec![group_draft(), welcome_draft()]), async {
        answer(&mut script, Ok(())).await;
        answer(&mut script, Err(Status::invalid_argument("no such thing"))).await;
    });
    assert!(outcome.expect_err("half stored").may_be_stored());
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_an_unknown_outcome_and_the_next_attempt_dials_anew() {
    let mut script = ScriptedNode::new();
    let mut publisher = publisher(&script);
    let start = Instant::now();
    let unknown = publisher.publish(vec![group_draft()]).await.expect_err("nobody answers");
    assert_eq!((start.elapsed(), unknown.may_be_stored()), (Duration::from_secs(10), true));
    drop(script.letters.recv().await);
    let (outcome, _) = tokio::join!(publisher.publish(vec![group_draft()]), answer(&mut script, Ok(())));
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ended_in_idleness_costs_no_message() {
    let mut script = ScriptedNode::new();
    let mut publisher = publisher(&script);
    for _ in 0..2 {
        let (outcome, _) = tokio::join!(publisher.publish(vec![group_draft()]), answer(&mut script, Ok(())));
        assert!(outcome.is_ok(), "{outcome:?}");
        sleep(CONNECTION_AGE * 2).await;
    }
    assert_eq!(script.world.dials.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_where_nobody_can_be_reached() {
    let script = ScriptedNode::new();
    for (flag, words) in [(&script.world.refuses, "dial node:5556"), (&script.world.swallows, "within 10s")] {
        flag.store(true, Ordering::SeqCst);
        let error = publisher(&script).publish(vec![group_draft()]).await.expect_err("nobody there");
        assert!(matches!(error, PublishError::Unsent(_)) && !error.may_be_stored(), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
