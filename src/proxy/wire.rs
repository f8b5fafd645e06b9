//! A connection as the proxy reads and writes it: in the clear, or through TLS.
//!
//! Refuses to know which side of TLS it is, and what the bytes mean.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::env::ByteStream;
use crate::proxy::tls_words::in_words;

/// The connection. What TLS keeps is far larger than a socket, and its kind is nobody else's business.
pub(crate) enum ProxyWire<S> {
    Clear(S),
    Tls(Box<dyn ByteStream>),
}

impl<S: ByteStream> AsyncRead for ProxyWire<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ProxyWire::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            ProxyWire::Tls(stream) => Pin::new(stream).poll_read(context, buffer).map_err(in_words),
        }
    }
}

impl<S: ByteStream> AsyncWrite for ProxyWire<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ProxyWire::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            ProxyWire::Tls(stream) => Pin::new(stream).poll_write(context, bytes).map_err(in_words),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ProxyWire::Clear(stream) => Pin::new(stream).poll_flush(context),
            ProxyWire::Tls(stream) => Pin::new(stream).poll_flush(context).map_err(in_words),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ProxyWire::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            ProxyWire::Tls(stream) => Pin::new(stream).poll_shutdown(context).map_err(in_words),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ProxyWire::Clear(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            ProxyWire::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices).map_err(in_words),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            ProxyWire::Clear(stream) => stream.is_write_vectored(),
            ProxyWire::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
