//! The real surroundings of whoever dials in the clear, which say so where a server of TLS answers.
//!
//! Refuses to know who dials, and changes no byte.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::env::{Address, Asked, Rerouted, Socket, Surroundings, TcpOptions};
use crate::os::Os;

/// The first byte of an alert of TLS (RFC 8446 section 5.1). HTTP/2 begins with a length below 2^20 (RFC 9113 section 3.4).
const ALERT: u8 = 0x15;

/// The real surroundings.
pub(crate) struct InTheClear(pub(crate) Os);

impl Rerouted for InTheClear {
    fn inner(&self) -> &dyn Surroundings {
        &self.0
    }

    fn reroute_dial(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        let (dialed, address) = (self.0.dial_with(address, options), address.clone());
        Box::pin(async move {
            let socket = dialed.await?;
            let (local, peer, switch) = (socket.local(), socket.peer(), socket.reset_switch());
            Ok(Socket::new(local, peer, ClearStream { socket, address, has_answered: false, failure: None })
                .with_reset(switch))
        })
    }
}

/// A connection, whose first answer is looked at.
struct ClearStream {
    socket: Socket,
    address: Address,
    has_answered: bool,
    /// A write failed before any answer: who closed at once may have said why, and that is read first.
    failure: Option<io::Error>,
}

impl AsyncRead for ClearStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut this.socket).poll_read(context, buffer));
        let answer = &buffer.filled()[before..];
        let is_first = !std::mem::replace(&mut this.has_answered, true);
        if is_first && answer.first() == Some(&ALERT) {
            let told = format!("it answers in TLS; write https://{}", this.address);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, told)));
        }
        match this.failure.take() {
            Some(failure) if answer.is_empty() => Poll::Ready(Err(failure)),
            Some(_) | None => Poll::Ready(read),
        }
    }
}

impl AsyncWrite for ClearStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.failure.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        match ready!(Pin::new(&mut this.socket).poll_write(context, bytes)) {
            Err(failure) if !this.has_answered => {
                this.failure = Some(failure);
                Poll::Ready(Ok(bytes.len()))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}
