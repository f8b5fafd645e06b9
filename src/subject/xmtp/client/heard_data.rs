//! A planted bug, [`WatchdogCountsBytes`](crate::subject::xmtp::client::ClientQuirk): the watchdog takes any DATA of its
//! connection for a sign of life, whatever it holds.
//!
//! Refuses to stand on any path without the bug.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::env::{ByteStream, StreamTap};
use crate::http2::{FrameKind, FrameScanner};

/// How many DATA frames a client's connections have brought.
#[derive(Clone, Debug, Default)]
pub struct HeardData(Arc<AtomicU64>);

impl HeardData {
    /// The tap for one connection.
    pub(crate) fn tap(&self) -> CountedData {
        CountedData { heard: self.clone(), scanner: FrameScanner::of_server() }
    }

    /// Whether anything came since it was asked for the last time.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) > 0
    }
}

/// Counts what goes by.
pub(crate) struct CountedData {
    heard: HeardData,
    scanner: FrameScanner,
}

impl<S: ByteStream> StreamTap<S> for CountedData {
    fn poll_read(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(context, buffer))?;
        self.scanner.pass(&buffer.filled()[before..], |header| {
            if header.kind == FrameKind::Data {
                self.heard.0.fetch_add(1, Ordering::Relaxed);
            }
        });
        Poll::Ready(Ok(()))
    }
}
