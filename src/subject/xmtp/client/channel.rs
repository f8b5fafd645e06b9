//! One TCP connection to a node with a tonic channel on it: dialed once, never redialed, cut by dropping it.
//!
//! Refuses to know what is asked of the node. tonic's own reconnecting is shut off: who redials, and when,
//! is decided above, and an attempt is one connection.
//!
//! ```text
//!   Dialer --dial--> Link (open) --the peer or a keepalive ended it--> Link (closed)
//!                      |                                                  |
//!                      +---------------------- drop ----------------------+--> the socket is closed at once
//! ```

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::io::ReadBuf;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};

use crate::env::{Address, ByteStream, Env, StreamTap, Tapped, TcpOptions, Waiting};
use crate::grpc::{BytesCodec, explain};
use crate::subject::xmtp::client::half_read::HalfRead;
use crate::subject::xmtp::client::heard_data::HeardData;
use crate::subject::xmtp::client::transport::{Inbound, Opening, Outbound, Transport};
use crate::subject::xmtp::client::{ClientQuirk, Http2Keepalive, Http2Windows};
use crate::subject::xmtp::wire::proto::mls_api_client::MlsApiClient;

/// The longest message in either direction: libxmtp's limit.
const MESSAGE_MAX: usize = 25 << 20;
/// What stands in the headers that tell who calls.
const VERSION: &str = concat!("pulseless/", env!("CARGO_PKG_VERSION"));

/// An address that no request can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the address of node `{node}`: {why}")]
pub struct BadNode {
    /// The address.
    pub node: Address,
    /// What is wrong with it.
    pub why: String,
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Connecting failed.
    #[error("dial {node}: {source}")]
    Connect {
        /// The node.
        node: Address,
        /// What the surroundings said.
        source: io::Error,
    },
    /// Nothing answered in time.
    #[error("dial {node}: no connection within {after:?}")]
    TimedOut {
        /// The node.
        node: Address,
        /// The time given.
        after: Duration,
    },
    /// The connection is there and HTTP/2 cannot be spoken on it.
    #[error("speak HTTP/2 with {node}: {why}")]
    Handshake {
        /// The node.
        node: Address,
        /// What hyper said.
        why: String,
    },
}

/// Makes connections to one node.
#[derive(Clone)]
pub struct Dialer {
    env: Env,
    node: Address,
    endpoint: Endpoint,
    patience: Duration,
    tcp: TcpOptions,
    /// Only where that bug is planted.
    half_read: Option<HalfRead>,
    heard_data: Option<HeardData>,
}

impl Dialer {
    /// Prepares to dial `node`, with `patience` for each connection.
    ///
    /// # Errors
    /// The address cannot stand in a URI.
    pub fn new(
        env: Env,
        node: Address,
        keepalive: Option<Http2Keepalive>,
        patience: Duration,
    ) -> Result<Self, BadNode> {
        let endpoint = match endpoint(&node, keepalive) {
            Ok(endpoint) => endpoint,
            Err(error) => return Err(BadNode { node, why: error.to_string() }),
        };
        let dialer =
            Dialer { env, node, endpoint, patience, tcp: TcpOptions::default(), half_read: None, heard_data: None };
        Ok(dialer.with_windows(Http2Windows::default()))
    }

    /// Dials with these windows of HTTP/2.
    #[must_use]
    pub fn with_windows(self, windows: Http2Windows) -> Self {
        let endpoint = self.endpoint.initial_stream_window_size(windows.stream);
        Dialer { endpoint: endpoint.initial_connection_window_size(windows.connection), ..self }
    }

    /// Dials with these options of TCP.
    #[must_use]
    pub fn with_tcp(self, tcp: TcpOptions) -> Self {
        Dialer { tcp, ..self }
    }

    /// Plants a bug, if it is one of connections.
    #[must_use]
    pub fn plant(mut self, quirk: Option<ClientQuirk>) -> Self {
        self.half_read = (quirk == Some(ClientQuirk::KeepsHalfReadFrame)).then(HalfRead::default);
        self.heard_data = (quirk == Some(ClientQuirk::WatchdogCountsBytes)).then(HeardData::default);
        self
    }

    /// What came on its connections, where the planted bug asks for it.
    pub(crate) fn heard_data(&self) -> Option<HeardData> {
        self.heard_data.clone()
    }

    /// One connection, new.
    ///
    /// # Errors
    /// Each of [`DialError`].
    pub async fn dial(&self) -> Result<ClientLink, DialError> {
        let connecting = async {
            let dialed = self.env.dial_with(&self.node, self.tcp).await;
            let socket = dialed.map_err(|source| DialError::Connect { node: self.node.clone(), source })?;
            let link = match (&self.half_read, &self.heard_data) {
                (None, None) => ClientLink::over(socket, &self.endpoint).await,
                (Some(half_read), _) => ClientLink::over(Tapped::over(socket, half_read.tap()), &self.endpoint).await,
                (None, Some(heard)) => ClientLink::over(Tapped::over(socket, heard.tap()), &self.endpoint).await,
            };
            link.map_err(|error| DialError::Handshake { node: self.node.clone(), why: explain(&error) })
        };
        let in_time = timeout(self.patience, connecting).await;
        in_time.unwrap_or_else(|_| Err(DialError::TimedOut { node: self.node.clone(), after: self.patience }))
    }
}

fn endpoint(node: &Address, keepalive: Option<Http2Keepalive>) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{node}"))?;
    Ok(match keepalive {
        None => endpoint,
        Some(keepalive) => endpoint
            .http2_keep_alive_interval(keepalive.interval)
            .keep_alive_timeout(keepalive.timeout)
            .keep_alive_while_idle(true),
    })
}

/// One connection. Dropping it closes the socket, whatever is still to be written there: a peer that no
/// longer reads must not keep a dead connection alive.
#[derive(Debug)]
pub struct ClientLink {
    channel: Channel,
    lifeline: oneshot::Sender<Infallible>,
}

impl ClientLink {
    /// Speaks HTTP/2 over `stream`.
    ///
    /// # Errors
    /// The preface cannot be written.
    pub async fn over(stream: impl ByteStream + 'static, endpoint: &Endpoint) -> Result<Self, tonic::transport::Error> {
        let (lifeline, severed) = oneshot::channel();
        let mut once = Some(Tapped::over(stream, Severable { severed, waiting: Waiting::default() }));
        let connector = tower::service_fn(move |_: Uri| {
            let used_up = || io::Error::new(io::ErrorKind::NotConnected, "the connection has ended");
            ready(once.take().map(TokioIo::new).ok_or_else(used_up))
        });
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(ClientLink { channel, lifeline })
    }

    /// A client of the node's service on this connection.
    #[must_use]
    pub fn client(&self) -> MlsApiClient<Channel> {
        MlsApiClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_MAX)
            .max_encoding_message_size(MESSAGE_MAX)
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lifeline.is_closed()
    }
}

impl Transport for ClientLink {
    fn bidi_stream(&self, request: Request<()>, path: PathAndQuery, outbound: Outbound<Bytes>) -> Opening<Bytes> {
        let mut grpc = Grpc::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_MAX)
            .max_encoding_message_size(MESSAGE_MAX);
        Box::pin(async move {
            grpc.ready().await.map_err(|error| Status::unavailable(explain(&error)))?;
            let response = grpc.streaming(request.map(|()| outbound), path, BytesCodec).await?;
            Ok(response.map(|streaming| Box::pin(streaming) as Inbound<Bytes>))
        })
    }
}

/// A request with the headers of a libxmtp client.
pub(crate) fn request<T>(body: T) -> Request<T> {
    let mut request = Request::new(body);
    for name in ["x-app-version", "x-libxmtp-version"] {
        request.metadata_mut().insert(name, MetadataValue::from_static(VERSION));
    }
    request
}

/// Fails a byte stream as soon as its [`ClientLink`] is gone, which ends the task of hyper that owns it.
struct Severable {
    severed: oneshot::Receiver<Infallible>,
    waiting: Waiting,
}

impl Severable {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        // At every read and write, and it happens once: to ask again is to look.
        let is_severed = self.severed.try_recv() == Err(TryRecvError::Closed)
            || !self.waiting.is_woken(context)
                && self.waiting.poll(context, |context| Pin::new(&mut self.severed).poll(context)).is_ready();
        if is_severed {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client hung up"));
        }
        Ok(())
    }
}

impl<S: ByteStream> StreamTap<S> for Severable {
    fn poll_read(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(stream).poll_read(context, buffer)
    }

    fn before_write(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.check(context)
    }
}
