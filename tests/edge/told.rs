//! What `profile explain` says that a library of gRPC reports, beside what tonic reports of a proxy with that profile.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use pulseless::env::{Env, Surroundings, TcpOptions};
use pulseless::os::Os;
use pulseless::profile::Profile;
use pulseless::proxy::{Control, Drain, ProxyConfig, ProxyEdge, ProxyHabits, ProxyServer};
use pulseless::report::{Paint, profile_explained};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, Request};

use crate::bench::Deaf;
use crate::process::free_address;

/// Where the proxy listens that has this profile, and leads there.
async fn behind(profile: &Profile, upstream: &str) -> String {
    let upstream = upstream.parse().expect("an address");
    let (tcp, habits) = (TcpOptions::default(), ProxyHabits::of(profile.conduct()));
    let config =
        ProxyConfig { port: 0, upstream, tcp, control: Control::default(), habits, edge: ProxyEdge::default() };
    let env: Env = Arc::new(Os::default());
    let server = ProxyServer::bind(env, config, Arc::new(Deaf)).await.expect("a free port");
    let address = server.local().to_string();
    tokio::spawn(server.run(Drain::default()));
    address
}

/// What tonic reports of a call that is answered with a stream, and whose client has ended its half, or not.
async fn reported(address: &str, is_open: bool) -> Code {
    let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
    let mut client = Grpc::new(channel);
    client.ready().await.expect("it is lazy");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let path = PathAndQuery::from_static("/a.B/C");
    let answer = match is_open {
        false => client.server_streaming(Request::new(()), path, codec).await,
        true => client.streaming(Request::new(tokio_stream::pending::<()>()), path, codec).await,
    };
    let mut stream = match answer {
        Ok(stream) => stream.into_inner(),
        Err(status) => return status.code(),
    };
    // Ends: the node sends one message.
    loop {
        match stream.message().await {
            Ok(Some(())) => {}
            Ok(None) => panic!("a clean end, without a status"),
            Err(status) => return status.code(),
        }
    }
}

/// A node that sends response headers, and is gone.
async fn dies_after_headers() -> String {
    let mut listener = Os::default().listen(0).await.expect("a free port");
    let address = listener.local().to_string();
    tokio::spawn(async move {
        loop {
            let socket = listener.accept().await.expect("a connection");
            let mut connection = h2::server::handshake(socket).await.expect("HTTP/2");
            let (_, mut respond) = connection.accept().await.expect("a request").expect("a request");
            let head = Response::builder().header("content-type", "application/grpc").body(()).expect("a response");
            let mut body = respond.send_response(head, false).expect("the proxy is there");
            // A message without a byte, which has passed when the client has it.
            body.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), false).expect("the proxy is there");
            let driven = std::future::poll_fn(|context| connection.poll_closed(context));
            let _ = tokio::time::timeout(std::time::Duration::from_millis(100), driven).await;
        }
    });
    address
}

/// What `explain` says behind the beginning of a sentence: the status by grpc's documents, or tonic's own where it is
/// another.
fn explained(profile: &Profile, sentence: &str) -> String {
    let words = profile_explained(profile, &[], Paint::Plain).split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, rest) = words.split_once(sentence).unwrap_or_else(|| panic!("no `{sentence}` in {words}"));
    let (statement, _) = rest.split_once("). ").or_else(|| rest.split_once(").")).expect("a status in brackets");
    let (_, status) = statement.rsplit_once('(').expect("a status in brackets");
    let status = status.split_once("tonic: ").map_or(status, |(_, own)| own);
    status.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').next().expect("a word").to_owned()
}

fn word(code: Code) -> String {
    let camel = format!("{code:?}");
    let words = camel.char_indices().map(|(index, letter)| {
        let begins = index > 0 && letter.is_ascii_uppercase();
        format!("{}{}", if begins { "_" } else { "" }, letter.to_ascii_uppercase())
    });
    words.collect()
}

fn with(key: &str, value: &str) -> Profile {
    Profile::named("plain").expect("a profile").with(&[(key, value)]).expect("a right value")
}

const RESETS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

#[tokio::test]
async fn what_explain_says_of_an_end_before_the_headers_tonic_says_too() {
    let nobody = free_address().await;
    let pages = [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504].into_iter().flat_map(|status| {
        ["html", "text", "empty", "empty-data"]
            .map(|body| format!("[\"status {status} {body}\", \"reset NO_ERROR if open\"]"))
    });
    let resets = RESETS.map(|code| format!("[\"reset {code}\"]"));
    for list in pages.chain(resets) {
        let profile = with("node-unreachable", &list);
        let told = explained(&profile, "A new call to a node that is down: ");
        for is_open in [false, true] {
            assert_eq!(told, word(reported(&behind(&profile, &nobody).await, is_open).await), "{list}, {is_open}");
        }
    }
}

#[tokio::test]
async fn what_explain_says_of_an_end_after_the_headers_tonic_says_too() {
    let node = dies_after_headers().await;
    let ends = [
        "[\"end-stream\"]",
        "[\"end-stream\", \"reset CANCEL if open\"]",
        "[\"html end-stream\", \"reset NO_ERROR if open\"]",
    ]
    .map(str::to_owned);
    let resets = RESETS.map(|code| format!("[\"reset {code}\"]"));
    for list in ends.into_iter().chain(resets) {
        let profile = with("node-lost-after-headers", &list);
        let told = explained(&profile, "A node that dies: ");
        for is_open in [false, true] {
            assert_eq!(told, word(reported(&behind(&profile, &node).await, is_open).await), "{list}, {is_open}");
        }
    }
}
