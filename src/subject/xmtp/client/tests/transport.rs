//! Promises of the transport traits.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message as _;
use tokio_stream::StreamExt;
use tonic::Request;

use crate::subject::xmtp::client::tests::script::{ScriptedNode, address, mutate};
use crate::subject::xmtp::client::{
    Cause, ClientConnection, ClientEvent, ClientLink, CountedTransport, Dialer, SubscribeTransport, Transport,
    TransportError,
};
use crate::subject::xmtp::wire::proto::{SubscribeRequest, SubscribeResponse};
use crate::subject::xmtp::wire::{Request as Frame, Response, SUBSCRIBE_PATH};

struct NoStreams;

impl Transport for NoStreams {}

async fn link(script: &ScriptedNode) -> ClientLink {
    let dialer = Dialer::new(script.env(), address(), None, Duration::from_secs(10)).expect("a good address");
    dialer.dial().await.expect("the pipe is open")
}

fn frame() -> SubscribeRequest {
    Frame::Mutate(mutate(1)).into_proto()
}

#[tokio::test(start_paused = true)]
async fn bytes_travel_as_they_are() {
    let mut script = ScriptedNode::new();
    let link = link(&script).await;
    // Field 99 is none of the protocol: whoever read and wrote the message anew would lose it.
    let unknown = [0x98, 0x06, 0x07];
    let sent = Bytes::from([frame().encode_to_vec().as_slice(), &unknown].concat());
    let outbound = Box::pin(tokio_stream::iter([sent]));
    let opening = link.bidi_stream(Request::new(()), PathAndQuery::from_static(SUBSCRIBE_PATH), outbound);
    let mut inbound = opening.await.expect("the node answers").into_inner();
    let mut visit = script.visit().await;
    assert_eq!(visit.hear_mutate().await, mutate(1));
    visit.start(10);
    let started = Response::Started { keepalive: Some(Duration::from_secs(10)) }.into_proto();
    let heard = inbound.next().await.expect("a frame").expect("no error");
    assert_eq!(SubscribeResponse::decode(heard).expect("well formed"), started);
}

#[tokio::test(start_paused = true)]
async fn a_transport_without_streams_says_so_and_ends_the_attempt() {
    let outbound = Box::pin(tokio_stream::iter([frame()]));
    let error = NoStreams.subscribe_bidi(Request::new(()), outbound).await.err().expect("it has no streams");
    assert!(matches!(error, TransportError::Unsupported { .. }));
    let words =
        "open a stream to /xmtp.mls.api.v1.MlsApi/Subscribe: bidirectional streams are not supported by this transport";
    assert_eq!(error.to_string(), words);
    let mut connection = ClientConnection::open(NoStreams, vec![mutate(1)], ScriptedNode::new().settings());
    assert_eq!((connection.next().await, connection.ending().await.cause), (None, Cause::Refused(words.into())));
}

#[tokio::test(start_paused = true)]
async fn a_wrapper_that_counts_forwards_the_primitive_and_what_stands_on_it() {
    let mut script = ScriptedNode::new();
    let counted = CountedTransport::over(link(&script).await);
    let calls = counted.calls();
    let primitive = PathAndQuery::from_static(SUBSCRIBE_PATH);
    counted.bidi_stream(Request::new(()), primitive, Box::pin(tokio_stream::empty())).await.expect("forwarded");
    assert_eq!((calls.of(SUBSCRIBE_PATH), calls.of("/other")), (1, 0));
    assert_eq!(script.visit().await.hear().await, None);
    let mut connection = ClientConnection::open(counted, vec![mutate(1)], script.settings());
    let mut visit = script.visit().await;
    assert_eq!(visit.hear_mutate().await, mutate(1));
    visit.start(10);
    assert!(matches!(connection.next().await, Some(ClientEvent::Started { .. })));
    assert_eq!(calls.of(SUBSCRIBE_PATH), 2);
    assert!(
        CountedTransport::over(NoStreams)
            .subscribe_bidi(Request::new(()), Box::pin(tokio_stream::empty()))
            .await
            .is_err()
    );
}
