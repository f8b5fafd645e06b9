//! A byte stream with a tap on it: what every wrapper of a stream does alike is written here once.
//!
//! Refuses to know what a tap is for. A tap may look, refuse, or read in its own way; all else goes to the stream.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::env::ByteStream;

/// What a wrapper does at a stream, where it does more than to hand on.
pub trait StreamTap<S: ByteStream> {
    /// Reads from the stream.
    ///
    /// # Errors
    /// The stream's, or the tap's own.
    fn poll_read(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(stream).poll_read(context, buffer)
    }

    /// Asked before each write, flush and shutdown.
    ///
    /// # Errors
    /// The stream is not asked.
    fn before_write(&mut self, _context: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    /// The stream has taken these bytes.
    fn wrote(&mut self, _bytes: &[u8]) {}
}

/// A byte stream and its tap.
pub struct Tapped<S, T> {
    pub(crate) stream: S,
    pub(crate) tap: T,
}

impl<S: ByteStream, T: StreamTap<S>> Tapped<S, T> {
    /// Puts a tap on a stream.
    pub(crate) fn over(stream: S, tap: T) -> Self {
        Tapped { stream, tap }
    }
}

impl<S: ByteStream, T: StreamTap<S> + Unpin> AsyncRead for Tapped<S, T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Tapped { stream, tap } = self.get_mut();
        tap.poll_read(stream, context, buffer)
    }
}

impl<S: ByteStream, T: StreamTap<S> + Unpin> AsyncWrite for Tapped<S, T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.tap.before_write(context)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.tap.wrote(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tap.before_write(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tap.before_write(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tap.before_write(context)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        let mut left = written;
        for slice in slices {
            let taken = slice.len().min(left);
            self.tap.wrote(&slice[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
