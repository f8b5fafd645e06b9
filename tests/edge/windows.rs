//! What `inspect` shows of flow control.

use std::future::poll_fn;

use bytes::Bytes;
use http::{Request, Response};
use pulseless::env::Surroundings;
use pulseless::os::Os;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::bench::{Stage, dial};
use crate::process::PATIENCE;

/// Far more than all windows and buffers between a server and a client that reads nothing.
const ANSWER: usize = 16 << 20;

/// A server whose answer is long.
async fn serve_much() -> String {
    let mut listener = Os::default().listen(0).await.expect("a free port");
    let address = listener.local().to_string();
    tokio::spawn(async move {
        let socket = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(socket).await.expect("HTTP/2");
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let mut body = respond.send_response(Response::new(()), false).expect("the client is there");
            tokio::spawn(async move {
                body.reserve_capacity(ANSWER);
                let mut left = ANSWER;
                while let Some(Ok(room)) = poll_fn(|context| body.poll_capacity(context)).await {
                    let piece = vec![7; room.min(left)];
                    left -= piece.len();
                    body.send_data(Bytes::from(piece), left == 0).expect("the client is there");
                }
            });
        }
    });
    address
}

/// The only stream, when `is_right` says that it is as it is to be.
async fn shown(stage: &Stage, is_right: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown: Value = serde_json::from_str(&stage.done(&["inspect", "proxy", "--format", "json"])).expect("JSON");
        let stream = &shown[0]["streams"][0];
        if is_right(stream) {
            return stream.clone();
        }
        assert!(Instant::now() < deadline, "{shown}");
        sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_stalls_its_stream_and_inspect_says_on_which_side() {
    let server = serve_much().await;
    let stage = Stage::start(&["--listen", "127.0.0.1:0", "--upstream", &server]).await;
    let (sender, connection) = h2::client::handshake(dial(&stage.listens()).await).await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::post("http://api.example/a.B/C").body(()).expect("a request");
    let (answer, to_node) = sender.ready().await.expect("HTTP/2").send_request(request, false).expect("sent");
    let mut body = answer.await.expect("an answer").into_body();
    let stalled = shown(&stage, |stream| stream["window_to_client"]["stalled"] == true).await;
    // The client's default window (RFC 9113 section 6.9.2) is used up; the server's, of which the proxy grants 1 MiB, nearly.
    assert!((65_535..=131_070).contains(&stalled["bytes_to_client"].as_u64().expect("a number")), "{stalled}");
    let from_node = &stalled["window_to_client"];
    assert!(from_node["taken"].as_u64().is_some_and(|bytes| bytes > 0), "{stalled}");
    assert!(from_node["left"].as_i64().is_some_and(|bytes| (0..1 << 20).contains(&bytes)), "{stalled}");
    let from_client = &stalled["window_to_node"];
    assert_eq!((&from_client["left"], &from_client["stalled"]), (&(1 << 20).into(), &false.into()), "{stalled}");
    let told = stage.done(&["inspect"]);
    assert!(told.contains(" stalled") && told.contains("1MiB"), "{told}");
    // It reads on.
    let mut read = 0;
    while read < ANSWER {
        let piece = body.data().await.expect("more").expect("the stream is well").len();
        read += piece;
        body.flow_control().release_capacity(piece).expect("it was taken");
    }
    assert_eq!(read, ANSWER);
    // Until here the client's half was open.
    drop(to_node);
}
