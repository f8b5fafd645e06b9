//! Gathers what h2 writes, so that the frames of one turn go to the socket together.
//!
//! Refuses to know frames. h2 writes and flushes each DATA frame of 256 bytes or more by itself, which was half of the CPU of a
//! stream of small messages. Whoever polls h2 flushes after it; what the socket has no room for then holds h2 back.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;

use crate::env::ByteStream;
use crate::proxy::config::CORK_MAX;
use crate::proxy::wire::ProxyWire;

/// The socket as h2 sees it.
pub(crate) struct Corked<S>(Arc<Mutex<CorkedStream<S>>>);

/// The socket as whoever polls h2 sees it.
pub(crate) struct Cork<S>(Arc<Mutex<CorkedStream<S>>>);

struct CorkedStream<S> {
    stream: S,
    gathered: BytesMut,
    /// The socket had no room: nothing more is taken before it has.
    is_full: bool,
    /// Found by a flush that h2 did not see.
    failure: Option<io::ErrorKind>,
}

impl<S: ByteStream> Corked<S> {
    /// Gathers what is written from now on.
    pub(crate) fn over(stream: S) -> (Self, Cork<S>) {
        let corked = CorkedStream { stream, gathered: BytesMut::new(), is_full: false, failure: None };
        let shared = Arc::new(Mutex::new(corked));
        (Corked(shared.clone()), Cork(shared))
    }
}

impl<S: ByteStream> Cork<S> {
    /// Hands on what was gathered; the task is woken when the socket has room for what is left.
    pub(crate) fn flush(&self, context: &mut Context<'_>) {
        let mut corked = lock(&self.0);
        // h2 may have used up the turn's budget by reading; what it has written goes out all the same.
        let drain = pin!(unconstrained(poll_fn(|context| corked.poll_drain(context))));
        if let Poll::Ready(Err(error)) = drain.poll(context) {
            corked.failure = Some(error.kind());
        }
    }
}

impl<S: ByteStream> Cork<ProxyWire<S>> {
    /// Hands on what was gathered and ends TLS in order (RFC 8446 section 6.1), where there is TLS.
    pub(crate) async fn say_goodbye(&self) {
        poll_fn(|context| {
            let mut corked = lock(&self.0);
            if let ProxyWire::Clear(_) = corked.stream {
                return Poll::Ready(());
            }
            // It fails only if the client is gone.
            let _ = ready!(corked.poll_drain(context));
            Pin::new(&mut corked.stream).poll_shutdown(context).map(drop)
        })
        .await
    }
}

impl<S: ByteStream> CorkedStream<S> {
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Ends: each turn takes bytes off, or the socket has no room.
        while !self.gathered.is_empty() {
            self.is_full = true;
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.gathered))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(written);
        }
        self.is_full = false;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_gather(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(failure) = self.failure {
            return Poll::Ready(Err(failure.into()));
        }
        if self.is_full || self.gathered.len() >= CORK_MAX {
            ready!(self.poll_drain(context))?;
        }
        slices.iter().for_each(|slice| self.gathered.extend_from_slice(slice));
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }
}

impl<S: ByteStream> AsyncRead for Corked<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).stream).poll_read(context, buffer)
    }
}

impl<S: ByteStream> AsyncWrite for Corked<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_gather(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_gather(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Later, by [`Cork::flush`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut corked = lock(&self.0);
        ready!(corked.poll_drain(context))?;
        Pin::new(&mut corked.stream).poll_shutdown(context)
    }
}

fn lock<S>(shared: &Mutex<CorkedStream<S>>) -> MutexGuard<'_, CorkedStream<S>> {
    shared.lock().expect("no panic while it was held")
}
