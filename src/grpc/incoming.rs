//! A server's connections: what it accepts, and how they end with the server.
//!
//! Refuses to know HTTP/2, and what is served. tonic gives each connection a task of its own that outlives the server's future;
//! these connections fail their next read when the server is dropped, which ends that task.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::env::{ByteStream, Listener, Socket, StreamTap, Tapped};

/// After a failed accept the listener rests for so long. Linux keeps failing while the process has no file
/// descriptor left (accept(2), EMFILE), and without a rest the loop would spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The connections that arrive, without end, for tonic's `Server::serve_with_incoming`: no failed accept ends the server, and
/// its connections end with it.
pub struct EnvIncoming {
    listener: Listener,
    resting: Option<Pin<Box<Sleep>>>,
    /// Dropped with the server, unless somebody holds it; every connection watches it.
    alive: watch::Sender<()>,
}

impl EnvIncoming {
    /// The connections of that listener.
    #[must_use]
    pub fn new(listener: Listener) -> Self {
        EnvIncoming { listener, resting: None, alive: watch::Sender::new(()) }
    }

    /// Where it listens.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.listener.local()
    }

    /// Keeps the connections when the server accepts no more, until it is dropped.
    pub(crate) fn lifeline(&self) -> watch::Sender<()> {
        self.alive.clone()
    }
}

impl Stream for EnvIncoming {
    type Item = Result<ServedConnection, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(rest) = &mut self.resting {
                ready!(rest.as_mut().poll(context));
                self.resting = None;
            }
            match ready!(self.listener.poll_accept(context)) {
                Ok(socket) => {
                    let connection = Tapped::over(socket, ServerEnd::new(self.alive.subscribe()));
                    return Poll::Ready(Some(Ok(connection)));
                }
                Err(error) => {
                    tracing::warn!(listener = %self.listener.local(), %error, "failed to accept a connection");
                    self.resting = Some(Box::pin(sleep(ACCEPT_REST)));
                }
            }
        }
    }
}

/// A connection that ends with the server.
pub type ServedConnection = Tapped<Socket, ServerEnd>;

/// Fails the next read once the server has ended.
pub struct ServerEnd(Pin<Box<dyn Future<Output = ()> + Send>>);

impl ServerEnd {
    fn new(mut alive: watch::Receiver<()>) -> Self {
        // Nothing is ever sent there, so a change is an error and means that the sender was dropped.
        ServerEnd(Box::pin(async move { while alive.changed().await.is_ok() {} }))
    }
}

impl Connected for ServedConnection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        TcpConnectInfo { local_addr: Some(self.stream.local()), remote_addr: Some(self.stream.peer()) }
    }
}

impl<S: ByteStream> StreamTap<S> for ServerEnd {
    fn poll_read(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.as_mut().poll(context).is_ready() {
            // The future is spent; another one that is ready stands in, so that later reads fail, too.
            self.0 = Box::pin(std::future::ready(()));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server was stopped")));
        }
        Pin::new(stream).poll_read(context, buffer)
    }
}
