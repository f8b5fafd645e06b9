//! tonic and hyper over an [`Env`](crate::env::Env): the connections of a client and of a server.
//!
//! Refuses to know any protocol, and who is right.
//!
//! # Two doors into a world
//!
//! Code gets into a simulated world by one of two doors, and on both sides of either is the same network.
//!
//! - **As it is.** On a host of the leap engine `tokio::net` itself is simulated, below libc: tonic's default `Channel` and
//!   `Server`, hyper-util's `HttpConnector`, any crate that dials by tokio. Take it for what you cannot or will not
//!   change. It needs Linux with glibc.
//! - **By an `Env`.** The program gets a handle, and dials and listens by it: with an [`EnvConnector`] and an
//!   [`EnvIncoming`] where tonic or hyper speaks, and as a byte stream, a [`Socket`](crate::env::Socket), where anybody
//!   else does. No call is interposed for it, it goes on any engine, turmoil's network among them, and on real TCP by
//!   [`Os`](crate::os::Os). Take it for code of your own.
//!
//! # tonic
//!
//! ```
//! use std::sync::Arc;
//!
//! use pulseless::env::Env;
//! use pulseless::grpc::{EnvConnector, EnvIncoming};
//! use pulseless::os::Os;
//! use tonic::service::Routes;
//! use tonic::transport::{Endpoint, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Real TCP; a host of a world gets its own.
//! let env: Env = Arc::new(Os::default());
//!
//! let incoming = EnvIncoming::new(env.listen(0).await?);
//! let address = incoming.local();
//! tokio::spawn(Server::builder().add_routes(Routes::default()).serve_with_incoming(incoming));
//!
//! let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
//! let channel = endpoint.connect_with_connector(EnvConnector::new(env)).await?;
//! # let mut grpc = tonic::client::Grpc::new(channel);
//! # grpc.ready().await?;
//! # let (path, codec) = ("/a.Service/Call".parse()?, tonic_prost::ProstCodec::<(), ()>::default());
//! # let status = grpc.unary(tonic::Request::new(()), path, codec).await.expect_err("nothing is served");
//! # assert_eq!(status.code(), tonic::Code::Unimplemented);
//! # Ok(())
//! # }
//! ```
//!
//! # hyper
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::Arc;
//!
//! use hyper::body::Incoming;
//! use hyper::server::conn::http1;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::{TokioExecutor, TokioIo};
//! use pulseless::env::Env;
//! use pulseless::grpc::EnvConnector;
//! use pulseless::os::Os;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let env: Env = Arc::new(Os::default());
//!
//! let mut listener = env.listen(0).await?;
//! let address = listener.local();
//! tokio::spawn(async move {
//!     let greet = service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new("hello".to_owned())));
//!     while let Ok(socket) = listener.accept().await {
//!         tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), greet));
//!     }
//! });
//!
//! let client = Client::builder(TokioExecutor::new()).build::<_, String>(EnvConnector::new(env));
//! let response = client.get(format!("http://{address}/").parse()?).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```

mod connector;
mod incoming;

use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

pub use connector::EnvConnector;
pub use incoming::{EnvIncoming, ServedConnection, ServerEnd};

/// An error with its causes, each told once: tonic's own text is "transport error" and no more, and its status repeats
/// what its causes say.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    explain_after(String::new(), error)
}

/// What a peer said, as text that moves no terminal's cursor and begins no line of its own.
pub(crate) fn printable(told: &str) -> String {
    let mut text = String::with_capacity(told.len());
    for letter in told.chars() {
        match letter.is_control() {
            true => text.extend(letter.escape_default()),
            false => text.push(letter),
        }
    }
    text
}

/// What was said so far, and then an error with its causes.
pub(crate) fn explain_after(mut text: String, error: &dyn std::error::Error) -> String {
    const THEN: &str = ": ";
    let mut next = Some(error);
    while let Some(cause) = next {
        let told = cause.to_string();
        if !format!("{THEN}{text}{THEN}").contains(&format!("{THEN}{told}{THEN}")) {
            text.push_str(if text.is_empty() { "" } else { THEN });
            text.push_str(&told);
        }
        next = cause.source();
    }
    text
}

/// gRPC messages as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = BytesCodec;

    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }

    fn decoder(&mut self) -> BytesCodec {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_moves_no_cursor_and_begins_no_line() {
        assert_eq!(printable("we are \u{1b}[31mred\nconnection 2: fine"), "we are \\u{1b}[31mred\\nconnection 2: fine");
        assert_eq!(printable("naïve — plain"), "naïve — plain");
    }

    /// An error with a cause, as libraries nest them.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Nested(&'static str, #[source] Option<Box<Nested>>);

    fn chain(parts: &[&'static str]) -> Nested {
        let (last, others) = parts.split_last().expect("an error says something");
        others.iter().rev().fold(Nested(last, None), |cause, part| Nested(part, Some(Box::new(cause))))
    }

    #[test]
    fn a_cause_is_told_once() {
        assert_eq!(
            explain(&chain(&["http2 error", "transport error", "http2 error", "timed out"])),
            "http2 error: transport error: timed out"
        );
        let told = "Unknown: h2 error: reading a body".to_owned();
        let text = explain_after(told, &chain(&["h2 error: reading a body", "reading a body", "body", "reset"]));
        assert_eq!(text, "Unknown: h2 error: reading a body: body: reset");
    }
}
