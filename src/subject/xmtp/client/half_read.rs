//! A planted bug, [`KeepsHalfReadFrame`](crate::subject::xmtp::client::ClientQuirk): what was read of a frame when its
//! connection broke is put before the next connection's bytes.
//!
//! Refuses to stand on any path without the bug.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::ReadBuf;

use crate::env::{ByteStream, StreamTap};
use crate::http2::{FrameHeader, FrameScanner};

/// So much is read at once: a frame of the usual longest payload, 16,384 bytes (RFC 9113 section 6.5.2). What is
/// kept never grows beyond the longest frame that a header can announce, 16 MiB, and this.
const CHUNK: usize = 16_384 + FrameHeader::LENGTH;

/// What was read and is not yet a whole frame. It outlives the connections that share it, and that is the bug.
#[derive(Clone)]
pub(crate) struct HalfRead(Arc<Mutex<(FrameScanner, BytesMut)>>);

impl Default for HalfRead {
    fn default() -> Self {
        HalfRead(Arc::new(Mutex::new((FrameScanner::of_server(), BytesMut::new()))))
    }
}

impl HalfRead {
    /// The tap for one connection.
    pub(crate) fn tap(&self) -> WholeFrames {
        WholeFrames { half_read: self.clone(), whole: Bytes::new() }
    }

    /// Takes bytes, and gives the frames that are whole now.
    fn push(&self, bytes: &[u8]) -> Bytes {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (scanner, held) = &mut *shared;
        held.extend_from_slice(bytes);
        let mut whole = 0;
        scanner.pass(bytes, |frame| whole += frame.frame_length());
        held.split_to(whole).freeze()
    }
}

/// Hands on whole frames only.
pub(crate) struct WholeFrames {
    half_read: HalfRead,
    /// What is being handed on.
    whole: Bytes,
}

impl<S: ByteStream> StreamTap<S> for WholeFrames {
    fn poll_read(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.whole.is_empty() {
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.whole = self.half_read.push(read.filled());
        }
        let length = self.whole.len().min(buffer.remaining());
        buffer.put_slice(&self.whole[..length]);
        self.whole.advance(length);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Tapped;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const SETTINGS: u8 = 0x4;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let [_, high, middle, low] = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&[high, middle, low, SETTINGS, 0, 0, 0, 0, 0], payload].concat()
    }

    /// What a new connection hands on before the end, if the peer sends `bytes`.
    async fn read(half_read: &HalfRead, bytes: &[u8]) -> Vec<u8> {
        let (mut peer, stream) = duplex(1 << 20);
        peer.write_all(bytes).await.expect("room");
        drop(peer);
        let mut read = Vec::new();
        Tapped::over(stream, half_read.tap()).read_to_end(&mut read).await.expect("a clean end");
        read
    }

    #[tokio::test]
    async fn whole_frames_pass_unchanged() {
        let frames = [frame(b"one"), frame(b""), frame(&[7; 40_000])].concat();
        assert_eq!(read(&HalfRead::default(), &frames).await, frames);
    }

    #[tokio::test]
    async fn a_half_read_frame_is_held_back_and_comes_before_the_next_connections_bytes() {
        for cut in [1, 8, 9, 12] {
            let (whole, half) = (frame(b"whole"), frame(b"half-read"));
            let half_read = HalfRead::default();
            assert_eq!(read(&half_read, &[&whole, &half[..cut]].concat()).await, whole, "cut at {cut}");
            assert_eq!(read(&half_read, &half[cut..]).await, half, "cut at {cut}");
        }
    }
}
