//! Promises of the connection actor in the first draft, over a transport that the test holds in its hands.

use std::future::ready;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response};

use crate::subject::xmtp::client::tests::add;
use crate::subject::xmtp::client::tests::script::{ScriptedNode, mutate};
use crate::subject::xmtp::client::{
    Cause, ClientConnection, ClientEvent, Opening, Outbound, ProbeError, StreamSettings, Transport,
};
use crate::subject::xmtp::wire::{Dialect, DraftRequest, DraftResponse, Mutate, MutateId};

/// One stream whose other end is the test.
struct HandHeld {
    /// What the node says; taken when the stream is opened.
    said: Mutex<Option<mpsc::UnboundedReceiver<Bytes>>>,
    /// What the client sent.
    sent: mpsc::UnboundedSender<Bytes>,
}

impl Transport for HandHeld {
    fn bidi_stream(&self, _: Request<()>, path: PathAndQuery, mut outbound: Outbound<Bytes>) -> Opening<Bytes> {
        assert_eq!(path.as_str(), Dialect::Draft.path());
        let sent = self.sent.clone();
        tokio::spawn(async move {
            while let Some(frame) = outbound.next().await {
                if sent.send(frame).is_err() {
                    return;
                }
            }
        });
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).take().expect("one stream is opened");
        Box::pin(ready(Ok(Response::new(Box::pin(UnboundedReceiverStream::new(said).map(Ok)) as _))))
    }
}

/// The node's end.
struct DraftNode {
    says: mpsc::UnboundedSender<Bytes>,
    hears: mpsc::UnboundedReceiver<Bytes>,
}

impl DraftNode {
    fn meet() -> (ClientConnection, Self) {
        let ((says, said), (sent, hears)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let transport = HandHeld { said: Mutex::new(Some(said)), sent };
        let settings = StreamSettings { dialect: Dialect::Draft, ..ScriptedNode::new().settings() };
        let first = Mutate { adds: vec![add("a", 0)], ..mutate(1) };
        (ClientConnection::open(transport, vec![first], settings), DraftNode { says, hears })
    }

    fn say(&self, frame: DraftResponse) {
        self.says.send(frame.into_proto().encode_to_vec().into()).expect("the client listens");
    }

    /// How many changes the client sent; it can send nothing else.
    fn heard(&mut self) -> usize {
        let mut count = 0;
        while let Ok(frame) = self.hears.try_recv() {
            DraftRequest::decode(frame).expect("well formed");
            count += 1;
        }
        count
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_feeds_the_watchdog_and_nobody_answers_or_asks_for_it() {
    let (mut connection, mut node) = DraftNode::meet();
    node.say(DraftResponse::Started { keepalive: None });
    assert_eq!(connection.next().await, Some(ClientEvent::Started { keepalive: None }));
    for _ in 0..5 {
        sleep(Duration::from_secs(80)).await;
        node.say(DraftResponse::Waiting);
    }
    let silent = Instant::now();
    assert_eq!((connection.next().await, connection.ending().await.cause), (None, Cause::Watchdog));
    assert_eq!(silent.elapsed().as_secs(), 90, "three intervals of 30 s, of which nobody told");
    assert_eq!(node.heard(), 1, "the first change, and nothing since");
}

#[tokio::test(start_paused = true)]
async fn an_interval_that_is_told_is_heeded_and_there_is_no_probe() {
    let (mut connection, node) = DraftNode::meet();
    node.say(DraftResponse::Started { keepalive: Some(Duration::from_secs(300)) });
    node.say(DraftResponse::CatchupComplete);
    assert!(matches!(connection.next().await, Some(ClientEvent::Started { .. })));
    assert_eq!(connection.next().await, Some(ClientEvent::CatchupComplete(MutateId(1))));
    assert_eq!(connection.probe().await, Err(ProbeError::Unsupported));
    let silent = Instant::now();
    assert_eq!((connection.next().await, connection.ending().await.cause), (None, Cause::Watchdog));
    assert_eq!(silent.elapsed().as_secs(), 900);
}
