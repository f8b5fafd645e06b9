//! A planted bug: a reader that hands on whole HTTP/2 frames only, and keeps a half-read one for the next connection.
//!
//! Refuses to know what the frames are good for. Only [`Quirk::KeepsHalfReadFrame`](crate::subject::xmtp::client::Quirk) puts it
//! between a socket and HTTP/2: without the bug nothing reads ahead.
//!
//! ```text
//!                 bytes                          a frame is whole
//!   read-ahead empty ──▶ part of a frame ─────────────────────────────▶ handing it on ──▶ read-ahead empty
//!                           │      ▲
//!         the connection    │      │  the next connection's bytes are taken for the rest of the frame
//!         breaks            ▼      │
//!                         kept ────┘  (right would be: dropped)
//! ```

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::env::ByteStream;

/// A frame's head: 24 bits of length, type, flags, stream (RFC 9113, section 4.1).
const HEAD: usize = 9;
/// So much is read at once: a frame of the usual longest payload, 16,384 bytes (RFC 9113, section 6.5.2). What is
/// kept never grows beyond the longest frame that a head can announce, 16 MiB, and this.
const CHUNK: usize = 16_384 + HEAD;

/// What was read and is not yet a whole frame. It outlives the connections that share it, and that is the bug.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadAhead(Arc<Mutex<BytesMut>>);

impl ReadAhead {
    /// Takes bytes, and gives the frames that are whole now.
    fn push(&self, bytes: &[u8]) -> Bytes {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend_from_slice(bytes);
        let whole = whole_frames(&held);
        held.split_to(whole).freeze()
    }
}

/// The length of the whole frames at the front.
fn whole_frames(bytes: &[u8]) -> usize {
    let mut whole = 0;
    while let [high, middle, low, _, _, _, _, _, _, ..] = bytes[whole..] {
        let frame = HEAD + u32::from_be_bytes([0, high, middle, low]) as usize;
        if bytes.len() - whole < frame {
            break;
        }
        whole += frame;
    }
    whole
}

/// A byte stream of which whole frames are read, and to which anything is written.
pub(crate) struct FrameReader<S> {
    stream: S,
    ahead: ReadAhead,
    /// Whole frames that are being handed on.
    frames: Bytes,
    chunk: Box<[u8]>,
}

impl<S: ByteStream> FrameReader<S> {
    pub(crate) fn new(stream: S, ahead: ReadAhead) -> Self {
        FrameReader { stream, ahead, frames: Bytes::new(), chunk: vec![0; CHUNK].into() }
    }

    /// Reads until a frame is whole; `false` at the end of the stream.
    fn poll_frames(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.frames.is_empty() {
            let mut buffer = ReadBuf::new(&mut self.chunk);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.frames = self.ahead.push(buffer.filled());
        }
        Poll::Ready(Ok(true))
    }
}

impl<S: ByteStream> AsyncRead for FrameReader<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if ready!(self.poll_frames(context))? {
            let length = self.frames.len().min(buffer.remaining());
            buffer.put_slice(&self.frames[..length]);
            self.frames.advance(length);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: ByteStream> AsyncWrite for FrameReader<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn frame(payload: &[u8]) -> Vec<u8> {
        let [_, high, middle, low] = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&[high, middle, low, 0, 0, 0, 0, 0, 1], payload].concat()
    }

    /// What a new connection's reader hands on before the end, if the peer sends `bytes`.
    async fn read(ahead: &ReadAhead, bytes: &[u8]) -> Vec<u8> {
        let (mut peer, stream) = duplex(1 << 20);
        peer.write_all(bytes).await.expect("room");
        drop(peer);
        let mut read = Vec::new();
        FrameReader::new(stream, ahead.clone()).read_to_end(&mut read).await.expect("a clean end");
        read
    }

    #[tokio::test]
    async fn whole_frames_pass_unchanged() {
        let frames = [frame(b"one"), frame(b""), frame(&[7; 40_000])].concat();
        assert_eq!(read(&ReadAhead::default(), &frames).await, frames);
    }

    #[tokio::test]
    async fn a_half_read_frame_is_held_back_and_comes_before_the_next_connections_bytes() {
        for cut in [1, HEAD - 1, HEAD, HEAD + 3] {
            let (whole, half) = (frame(b"whole"), frame(b"half-read"));
            let ahead = ReadAhead::default();
            assert_eq!(read(&ahead, &[&whole, &half[..cut]].concat()).await, whole, "cut at {cut}");
            let rest = &half[cut..];
            assert_eq!(read(&ahead, rest).await, half, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_small_buffer_gets_a_frame_in_parts() {
        let (mut peer, stream) = duplex(64);
        let mut reader = FrameReader::new(stream, ReadAhead::default());
        peer.write_all(&frame(b"parts")).await.expect("room");
        let mut read = [0; HEAD];
        reader.read_exact(&mut read).await.expect("a head");
        let mut payload = [0; 5];
        reader.read_exact(&mut payload).await.expect("a payload");
        assert_eq!(&payload, b"parts");
    }
}
