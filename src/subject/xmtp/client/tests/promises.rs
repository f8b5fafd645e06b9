//! The findings behind this protocol, each as the promise that it cannot happen here.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};

use crate::subject::xmtp::client::tests::connection::{ROOM, count_deliveries};
use crate::subject::xmtp::client::tests::script::{ScriptedNode, address, mutate, ping};
use crate::subject::xmtp::client::tests::subscriber::Slow;
use crate::subject::xmtp::client::tests::{add, message};
use crate::subject::xmtp::client::{
    Cause, ClientConfig, ClientError, ClientEvent, Closed, ProbeError, StreamSettings, TrySubmitError, subscribe,
};
use crate::subject::xmtp::wire::proto::subscribe_response as response;
use crate::subject::xmtp::wire::{Nonce, Request, Response, proto};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Also where the end cannot be read yet, because the application leaves its events untaken.
#[tokio::test(start_paused = true)]
async fn a_mutate_is_not_accepted_into_a_dead_request_stream() {
    let mut script = ScriptedNode::new();
    let (mut connection, visit) = script.meet(script.settings()).await;
    visit.start(10);
    for id in 1..=2 * ROOM {
        visit.deliver([message("a", id)]);
    }
    visit.fail(Status::unavailable("bye"));
    sleep(SECOND / 2).await;
    assert_eq!(connection.mutate(mutate(2)).await, Err(Closed));
    assert_eq!(connection.try_mutate(mutate(2)), Err(TrySubmitError::Closed));
    assert_eq!(connection.probe().await, Err(ProbeError::Closed));
    assert_eq!(count_deliveries(&mut connection).await, 2 * ROOM, "what was sent before is delivered");
    assert!(matches!(connection.ending().await.cause, Cause::StreamFailed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_topics_live_topic_does_not_panic() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = script.meet(script.settings()).await;
    let topics = vec![
        Bytes::new(),
        Bytes::from_static(&[9]),
        Bytes::from_static(&[0xff; 300]),
        add("a", 0).topic.bytes().clone(),
    ];
    let arm = response::v1::Response::TopicsLive(response::v1::TopicsLive { topics });
    let version = response::Version::V1(response::V1 { response: Some(arm) });
    visit.say_raw(proto::SubscribeResponse { version: Some(version) });
    assert_eq!(connection.next().await, Some(ClientEvent::TopicsLive(vec![add("a", 0).topic])));
    visit.say(ping(1));
    assert_eq!(visit.hear().await, Some(Request::Pong(Nonce(1))), "the stream lives");
}

#[tokio::test(start_paused = true)]
async fn a_full_event_buffer_does_not_make_a_probe_time_out_on_a_healthy_link() {
    for (events, outcome) in [(1_500, Ok(())), (2 * ROOM, Err(ProbeError::Unread))] {
        let mut script = ScriptedNode::new();
        let (mut connection, mut visit) = script.meet(StreamSettings { watchdog: None, ..script.settings() }).await;
        visit.start(30);
        for id in 1..=events {
            visit.deliver([message("a", id)]);
        }
        sleep(SECOND / 2).await;
        let handle = connection.handle();
        let probe = tokio::spawn(async move { handle.probe_within(SECOND).await });
        let Some(Request::Ping(nonce)) = visit.hear().await else { panic!("not a ping") };
        visit.say(Response::Pong(nonce));
        assert_eq!(probe.await.expect("no panic"), outcome, "{events} events");
        drop(visit);
        assert_eq!(count_deliveries(&mut connection).await, events);
    }
}

#[tokio::test(start_paused = true)]
async fn an_accepted_frame_is_not_lost_by_finish() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = script.meet(script.settings()).await;
    visit.start(10);
    for id in 2..60 {
        assert_eq!(connection.try_mutate(mutate(id)), Ok(()));
    }
    assert_eq!(connection.finish().await, Ok(()));
    for id in 2..60 {
        assert_eq!(visit.hear_mutate().await, mutate(id));
    }
    assert_eq!(visit.hear().await, None, "half-closed");
    sleep(HOUR).await; // C4: no watchdog on a half-closed stream
    visit.deliver([message("a", 1)]);
    visit.deliver([message("a", 2)]);
    drop(visit);
    assert_eq!(count_deliveries(&mut connection).await, 2);
    assert_eq!(connection.ending().await.cause, Cause::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_canceled_finish_does_not_wedge_the_handle() {
    let mut script = ScriptedNode::new();
    let (connection, mut visit) = script.meet(script.settings()).await;
    for id in 2..66 {
        assert_eq!(connection.try_mutate(mutate(id)), Ok(()));
    }
    assert_eq!(connection.try_mutate(mutate(66)), Err(TrySubmitError::Full));
    tokio::select! {
        biased;
        outcome = connection.finish() => panic!("there was no room for it: {outcome:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(connection.mutate(mutate(66)).await, Ok(()));
    for id in 2..67 {
        assert_eq!(visit.hear_mutate().await, mutate(id));
    }
    assert_eq!(connection.finish().await, Ok(()), "a second one finishes");
    assert_eq!(visit.hear().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_mutate_after_finish_does_not_report_success() {
    let mut script = ScriptedNode::new();
    let (connection, mut visit) = script.meet(script.settings()).await;
    let other = connection.handle();
    assert_eq!(connection.finish().await, Ok(()));
    for handle in [connection.handle(), other] {
        assert_eq!(handle.mutate(mutate(2)).await, Err(Closed));
        assert_eq!(handle.try_mutate(mutate(2)), Err(TrySubmitError::Closed));
        assert_eq!(handle.probe().await, Err(ProbeError::Closed));
        assert_eq!(handle.finish().await, Err(Closed));
    }
    assert_eq!(visit.hear().await, None, "and nothing of it is sent");
}

#[tokio::test(start_paused = true)]
async fn a_probe_in_flight_does_not_hang_across_finish() {
    for (answered, outcome, after) in
        [(Some(true), Ok(()), 1), (Some(false), Err(ProbeError::Closed), 1), (None, Err(ProbeError::TimedOut), 7)]
    {
        let mut script = ScriptedNode::new();
        let (connection, mut visit) = script.meet(script.settings()).await;
        let (handle, start) = (connection.handle(), Instant::now());
        let probe = tokio::spawn(async move { handle.probe_within(7 * SECOND).await });
        let Some(Request::Ping(nonce)) = visit.hear().await else { panic!("not a ping") };
        assert_eq!(connection.finish().await, Ok(()));
        assert_eq!(visit.hear().await, None);
        sleep(SECOND).await;
        let mut visit = Some(visit);
        match answered {
            Some(true) => visit.iter().for_each(|visit| visit.say(Response::Pong(nonce))),
            Some(false) => drop(visit.take()),
            None => {}
        }
        assert_eq!(timeout(HOUR, probe).await.expect("it hangs").expect("no panic"), outcome);
        assert_eq!(start.elapsed(), after * SECOND);
    }
}

/// The node is silent for far longer than 30 s at a time, and says nothing of it.
/// Neither what a node refuses for good nor what it never has room for.
#[tokio::test(start_paused = true)]
async fn a_poison_mutate_is_not_resent_for_ever() {
    let topics = || (0..5).map(|number| add(&number.to_string(), 0)).collect();
    let never = [
        (Status::invalid_argument("no such kind"), vec![5]),
        (Status::permission_denied("not yours"), vec![5]),
        (Status::unauthenticated("who are you"), vec![5]),
        // Halved until it is a single topic, which is tried a few times more.
        (Status::resource_exhausted("too many adds"), vec![5, 2, 1, 1, 1, 1, 1, 1, 1, 1]),
    ];
    for (status, asked) in never {
        let mut script = ScriptedNode::new();
        let config = ClientConfig::new(address(), topics());
        let running = tokio::spawn(subscribe(script.env(), config, Slow(Duration::ZERO), script.witness.clone()));
        for count in asked {
            let mut visit = script.visit().await;
            visit.start(10);
            assert_eq!(visit.hear_mutate().await.adds.len(), count, "{status}");
            visit.fail(status.clone());
        }
        let ended = timeout(HOUR, running).await.expect("it does not go on").expect("no panic");
        let is_typed = if status.code() == Code::ResourceExhausted {
            matches!(ended, Err(ClientError::NeverFits { .. }))
        } else {
            matches!(ended, Err(ClientError::Rejected { .. }))
        };
        assert!(is_typed, "{status}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unadvertised_interval_does_not_reconnect_for_ever() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = script.meet(script.settings()).await;
    visit.say(Response::Started { keepalive: None });
    assert_eq!(connection.next().await, Some(ClientEvent::Started { keepalive: None }));
    let answering = async {
        while let Some(Request::Ping(nonce)) = visit.hear().await {
            visit.say(Response::Pong(nonce));
        }
    };
    assert!(timeout(24 * HOUR, async { tokio::join!(answering, connection.next()) }).await.is_err(), "given up");
}
