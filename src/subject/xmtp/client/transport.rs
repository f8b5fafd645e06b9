//! What a connection must be able to do: one stream of bytes in each direction, on which the typed Subscribe stands.
//!
//! Refuses to know which protocol carries the bytes, and what they mean: [`Transport`] moves messages, and only
//! [`SubscribeTransport`] reads them.
//!
//! ```text
//!   SubscribeTransport::subscribe_bidi    requests and responses
//!   Transport::bidi_stream                bytes of messages        CountedTransport counts here
//!   ClientLink (gRPC), or another
//! ```

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use crate::subject::xmtp::wire::Dialect;
use crate::subject::xmtp::wire::proto::{SubscribeRequest, SubscribeResponse};

/// Messages on their way out.
pub type Outbound<T> = Pin<Box<dyn Stream<Item = T> + Send>>;
/// Messages on their way in; nothing follows an error.
pub type Inbound<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
/// A stream that is being opened: it resolves with the peer's headers.
pub type Opening<T> = Pin<Box<dyn Future<Output = Result<Response<Inbound<T>>, TransportError>> + Send>>;

/// Why no stream was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The transport has no such streams.
    #[error("open a stream to {path}: bidirectional streams are not supported by this transport")]
    Unsupported {
        /// What was called.
        path: String,
    },
    /// The peer, or the way to it, refused.
    #[error("open a stream: {0}")]
    Refused(#[from] Status),
}

/// Carries messages of bytes, whatever they mean. The connection lives as long as the transport does.
pub trait Transport: Send + Sync + 'static {
    /// Opens a stream in both directions; `request` brings its headers. What is sent and received is each message's
    /// bytes, unchanged.
    fn bidi_stream(&self, request: Request<()>, path: PathAndQuery, outbound: Outbound<Bytes>) -> Opening<Bytes> {
        drop((request, outbound));
        Box::pin(ready(Err(TransportError::Unsupported { path: path.to_string() })))
    }
}

/// Subscribe, over any transport.
pub trait SubscribeTransport: Transport {
    /// Opens a Subscribe stream; `request` brings its headers.
    fn subscribe_bidi(&self, request: Request<()>, requests: Outbound<SubscribeRequest>) -> Opening<SubscribeResponse> {
        self.subscribe_in(Dialect::V1, request, requests)
    }

    /// Opens a Subscribe stream in that dialect, whose frames these are.
    fn subscribe_in<S, H>(&self, dialect: Dialect, request: Request<()>, requests: Outbound<S>) -> Opening<H>
    where
        S: prost::Message + 'static,
        H: prost::Message + Default + 'static,
    {
        let outbound = Box::pin(requests.map(|request| Bytes::from(request.encode_to_vec())));
        let opening = self.bidi_stream(request, PathAndQuery::from_static(dialect.path()), outbound);
        Box::pin(async move { Ok(opening.await?.map(read)) })
    }
}

impl<T: Transport + ?Sized> SubscribeTransport for T {}

fn read<H: prost::Message + Default + 'static>(inbound: Inbound<Bytes>) -> Inbound<H> {
    let decode = |bytes: Bytes| H::decode(bytes).map_err(|error| Status::internal(error.to_string()));
    Box::pin(inbound.map(move |message| message.and_then(decode)))
}

/// Counts the streams that are opened through it, by path, and forwards everything.
#[derive(Clone, Debug)]
pub struct CountedTransport<T> {
    inner: T,
    calls: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl<T: Transport> CountedTransport<T> {
    /// Counts what is opened through `inner`.
    #[must_use]
    pub fn over(inner: T) -> Self {
        CountedTransport { inner, calls: Arc::default() }
    }

    /// The counts so far, which go on when the transport is handed away.
    #[must_use]
    pub fn calls(&self) -> CallCounts {
        CallCounts(Arc::clone(&self.calls))
    }
}

impl<T: Transport> Transport for CountedTransport<T> {
    fn bidi_stream(&self, request: Request<()>, path: PathAndQuery, outbound: Outbound<Bytes>) -> Opening<Bytes> {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(path.to_string()).or_default() += 1;
        self.inner.bidi_stream(request, path, outbound)
    }
}

/// How often what was called, through one [`CountedTransport`].
#[derive(Clone, Debug)]
pub struct CallCounts(Arc<Mutex<BTreeMap<String, u64>>>);

impl CallCounts {
    /// How many streams to that path were asked for.
    #[must_use]
    pub fn of(&self, path: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied().unwrap_or(0)
    }
}
