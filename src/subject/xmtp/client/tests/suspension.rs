//! Promises to whoever was suspended (C5).

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::subject::xmtp::client::tests::script::{ScriptedNode, Visit, mutate, ping};
use crate::subject::xmtp::client::tests::subscriber::{causes, committed, config, start};
use crate::subject::xmtp::client::tests::{add, message};
use crate::subject::xmtp::client::{
    BackoffConfig, Cause, ClientConfig, ClientConnection, ClientEvent, ClientNotice, ClientQuirk, Opening, Outbound,
    PROBE_WITHIN, StreamSettings, Transport,
};
use crate::subject::xmtp::wire::{Nonce, Request, Response, proto};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
/// The clocks are looked at so often.
const LOOK: Duration = Duration::from_secs(10);

/// A stream of a node with an interval of 30 s.
async fn meet(script: &mut ScriptedNode) -> (ClientConnection, Visit) {
    let (mut connection, visit) = script.meet(script.settings()).await;
    visit.start(30);
    assert!(matches!(connection.next().await, Some(ClientEvent::Started { .. })));
    (connection, visit)
}

/// The question that follows a suspension, and how long it took.
async fn hear_question(visit: &mut Visit) -> (Nonce, Duration) {
    let start = Instant::now();
    match visit.hear().await {
        Some(Request::Ping(nonce)) => (nonce, start.elapsed()),
        other => panic!("no question: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspended_client_asks_soon_and_keeps_a_stream_that_answers() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = meet(&mut script).await;
    sleep(3 * SECOND).await;
    script.world.suspend(8 * HOUR);
    let (nonce, took) = hear_question(&mut visit).await;
    assert!(took <= LOOK, "{took:?}");
    visit.say(Response::Pong(nonce));
    sleep(SECOND).await;
    let told: Vec<_> = script.witness.notices().into_iter().map(|(_, notice)| notice).collect();
    let suspended = ClientNotice::Suspended { attempt: 1, lasted: 8 * HOUR };
    let at = told.iter().position(|notice| *notice == suspended).expect("it is told");
    assert_eq!(told[at + 1], ClientNotice::Probed { attempt: 1 });
    assert!(told[at..].contains(&ClientNotice::ProbeAnswered { attempt: 1 }), "{told:?}");
    assert!(timeout(20 * SECOND, connection.next()).await.is_err(), "and asks nothing more");
    assert!(timeout(SECOND, visit.hear()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_arrives_is_no_answer_but_the_pong_is() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = meet(&mut script).await;
    script.world.suspend(HOUR);
    let (nonce, _) = hear_question(&mut visit).await;
    // All of this may have been under way before the suspension.
    visit.deliver([message("a", 1)]);
    visit.say(ping(9));
    visit.say(Response::Pong(Nonce(nonce.0 + 1)));
    let start = Instant::now();
    assert!(matches!(connection.next().await, Some(ClientEvent::Delivery(_))), "it is delivered all the same");
    assert_eq!(connection.next().await, None);
    assert_eq!((start.elapsed(), connection.ending().await.cause), (PROBE_WITHIN, Cause::Stale));
}

#[tokio::test(start_paused = true)]
async fn silence_before_a_suspension_is_not_held_against_the_stream() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = meet(&mut script).await;
    sleep(61 * SECOND).await;
    assert!(matches!(visit.hear().await, Some(Request::Ping(Nonce(u64::MAX)))), "the watchdog's own");
    sleep(26 * SECOND).await;
    script.world.suspend(HOUR);
    let (nonce, _) = hear_question(&mut visit).await;
    visit.say(Response::Pong(nonce));
    assert!(timeout(30 * SECOND, connection.next()).await.is_err(), "the watchdog would have tripped 3 s later");
}

/// Both clocks run on; the alarm rings late.
#[tokio::test(start_paused = true)]
async fn a_stopped_process_asks_before_its_watchdog_judges() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = meet(&mut script).await;
    sleep(SECOND).await;
    advance(8 * HOUR).await;
    let (nonce, took) = hear_question(&mut visit).await;
    assert_eq!(took, Duration::ZERO);
    visit.say(Response::Pong(nonce));
    assert!(timeout(50 * SECOND, connection.next()).await.is_err(), "the stream lives on");
}

/// A transport on which a frame has arrived as soon as it is sent, whoever has had a turn since.
struct Doorstep {
    arrives: Mutex<Option<mpsc::UnboundedReceiver<Bytes>>>,
    sent: mpsc::UnboundedSender<Bytes>,
}

impl Transport for Doorstep {
    fn bidi_stream(&self, _: tonic::Request<()>, _: PathAndQuery, mut outbound: Outbound<Bytes>) -> Opening<Bytes> {
        let arrives = self.arrives.lock().expect("no panic").take().expect("one stream is opened");
        let sent = self.sent.clone();
        tokio::spawn(async move {
            while let Some(frame) = outbound.next().await {
                sent.send(frame).expect("the test listens");
            }
        });
        let inbound = UnboundedReceiverStream::new(arrives).map(Ok);
        Box::pin(async move { Ok(tonic::Response::new(Box::pin(inbound) as _)) })
    }
}

/// Who resumes finds what came meanwhile, and reads it before it looks at its alarm.
#[tokio::test(start_paused = true)]
async fn a_stopped_process_asks_also_where_a_frame_waits_for_it() {
    let script = ScriptedNode::new();
    let (door, arrives) = mpsc::unbounded_channel();
    let (sent, mut heard) = mpsc::unbounded_channel();
    let say = |response: Response| door.send(response.into_proto().encode_to_vec().into()).expect("the client reads");
    let transport = Doorstep { arrives: Mutex::new(Some(arrives)), sent };
    let mut connection = ClientConnection::open(transport, vec![mutate(1)], script.settings());
    say(Response::Started { keepalive: Some(30 * SECOND) });
    assert!(matches!(connection.next().await, Some(ClientEvent::Started { .. })));
    sleep(SECOND).await;
    say(ping(9));
    advance(HOUR).await;
    sleep(SECOND).await;
    let mut next = || {
        let frame = proto::SubscribeRequest::decode(heard.try_recv().expect("a frame")).expect("well formed");
        Request::from_proto(frame).expect("well formed")
    };
    assert_eq!((next(), next()), (Request::Mutate(mutate(1)), Request::Pong(Nonce(9))));
    assert!(matches!(next(), Request::Ping(_)), "the question");
    let suspended = script.witness.when(|notice| matches!(notice, ClientNotice::Suspended { .. }));
    let probed = script.witness.when(|notice| matches!(notice, ClientNotice::Probed { .. }));
    assert!(suspended.is_some() && suspended == probed, "at once");
}

#[tokio::test(start_paused = true)]
async fn a_stale_stream_is_replaced_at_once_and_what_was_missed_comes() {
    let mut script = ScriptedNode::new();
    let slow = BackoffConfig { floor: HOUR, ceiling: HOUR, ..BackoffConfig::default() };
    let _running = start(&script, ClientConfig { backoff: slow, ..config(None) }, Duration::ZERO);
    let mut visit = script.visit().await;
    visit.start(30);
    visit.hear_mutate().await;
    visit.deliver([message("a", 1)]);
    sleep(20 * SECOND).await;
    script.world.suspend(HOUR);
    hear_question(&mut visit).await;
    let start = Instant::now();
    let mut next = script.visit().await;
    assert_eq!((start.elapsed(), causes(&script)), (PROBE_WITHIN, vec![Cause::Stale]), "no wait");
    next.start(30);
    assert_eq!(next.hear_mutate().await.adds, [add("a", 1)]);
    next.deliver([message("a", 2)]);
    sleep(SECOND).await;
    assert_eq!(committed(&script), [1, 2]);
    assert_eq!(script.witness.when(|notice| matches!(notice, ClientNotice::BackingOff { .. })), None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_told_not_to_ask_trusts_its_stream() {
    let trusting = ClientConfig { probe_within: None, ..config(None) };
    for config in [trusting, config(Some(ClientQuirk::NoProbeAtResume))] {
        let mut script = ScriptedNode::new();
        let _running = start(&script, config, Duration::ZERO);
        let mut visit = script.visit().await;
        visit.start(30);
        visit.hear_mutate().await;
        script.world.suspend(HOUR);
        assert!(timeout(59 * SECOND, visit.hear()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_stream_is_not_asked() {
    let mut script = ScriptedNode::new();
    let (mut connection, mut visit) = meet(&mut script).await;
    connection.finish().await.expect("open");
    assert_eq!(visit.hear().await, None);
    script.world.suspend(HOUR);
    assert!(timeout(HOUR, connection.next()).await.is_err(), "it is the node's to end it");
}

/// It cannot hear the answer, and lets go of the stream for its own reason.
#[tokio::test(start_paused = true)]
async fn a_client_whose_application_is_behind_is_not_stale() {
    let mut script = ScriptedNode::new();
    let settings = StreamSettings { quirk: Some(ClientQuirk::StandsStill), ..script.settings() };
    let (mut connection, mut visit) = script.meet(settings).await;
    visit.start(30);
    for id in 1..=3_000 {
        visit.deliver([message("a", id)]);
    }
    sleep(SECOND).await;
    script.world.suspend(HOUR);
    assert!(timeout(60 * SECOND, visit.hear()).await.is_err(), "nothing is asked while nothing is read");
    let mut taken = 0;
    while taken < 3_001 {
        taken += connection.next_batch(256).await.len();
    }
    let (nonce, _) = hear_question(&mut visit).await;
    visit.say(Response::Pong(nonce));
    assert!(timeout(30 * SECOND, connection.next()).await.is_err(), "the stream lives on");
}
