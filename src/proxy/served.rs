//! Surroundings in which every connection that is accepted goes on by TLS, for whoever serves HTTP/2 and knows nothing of
//! TLS.
//!
//! Refuses to know who serves. A connection is handed on at once, and shakes hands when it is read or written: whoever dials and
//! says nothing keeps nobody else waiting.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::{Accept as Handshake, TlsAcceptor};

use crate::env::{Accept, Asked, Env, Listener, Rerouted, Socket, Surroundings, Wrapped};
use crate::proxy::client_tls::ClientTls;
use crate::proxy::wire::ProxyWire;

struct ServedEnv {
    env: Env,
    config: Arc<ServerConfig>,
}

/// The same surroundings, whose listeners speak TLS.
#[must_use]
pub fn served(env: Env, tls: &ClientTls) -> Env {
    let config = tls.config(&env);
    Arc::new(Wrapped(ServedEnv { env, config }))
}

impl Rerouted for ServedEnv {
    fn inner(&self) -> &dyn Surroundings {
        &*self.env
    }

    fn reroute_listen(&self, port: u16) -> Asked<Listener> {
        let (listening, acceptor) = (self.env.listen(port), TlsAcceptor::from(self.config.clone()));
        Box::pin(async move {
            let listener = listening.await?;
            Ok(Listener::new(listener.local(), TlsListener { listener, acceptor }))
        })
    }
}

struct TlsListener {
    listener: Listener,
    acceptor: TlsAcceptor,
}

impl Accept for TlsListener {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        let socket = ready!(self.listener.poll_accept(context))?;
        let (local, peer, switch) = (socket.local(), socket.peer(), socket.reset_switch());
        let stream = ShakingStream::Shaking(Box::new(self.acceptor.accept(socket)));
        Poll::Ready(Ok(Socket::new(local, peer, stream).with_reset(switch)))
    }
}

/// ```text
/// Shaking --the handshake is done--> Open
///    '--it fails--> Failed
/// ```
enum ShakingStream {
    Shaking(Box<Handshake<Socket>>),
    Open(ProxyWire<Socket>),
    Failed,
}

impl ShakingStream {
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Pin<&mut ProxyWire<Socket>>>> {
        if let ShakingStream::Shaking(handshake) = self {
            *self = match ready!(Pin::new(handshake).poll(context)) {
                Ok(stream) => ShakingStream::Open(ProxyWire::Tls(Box::new(stream))),
                Err(error) => {
                    *self = ShakingStream::Failed;
                    return Poll::Ready(Err(error));
                }
            };
        }
        match self {
            ShakingStream::Open(stream) => Poll::Ready(Ok(Pin::new(stream))),
            ShakingStream::Shaking(_) | ShakingStream::Failed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for ShakingStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_open(context))?.poll_read(context, buffer)
    }
}

impl AsyncWrite for ShakingStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.get_mut().poll_open(context))?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_open(context))?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_open(context))?.poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.get_mut().poll_open(context))?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
