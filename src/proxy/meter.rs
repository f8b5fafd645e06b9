//! Watches the bytes written to a client for answered PINGs, by reading frame headers as they go by.
//!
//! Refuses to know any frame but PING: payloads are skipped by their length, nothing is copied or held back.
//!
//! ```text
//! header (9 bytes) --complete--> payload (length bytes) --complete--> header ...
//! ```

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::notice::{Notice, Observer};

/// Length (3), type (1), flags (1), stream id (4): RFC 9113 section 4.1.
const HEADER_LENGTH: usize = 9;
/// RFC 9113 section 6.7.
const PING_TYPE: u8 = 0x6;
/// RFC 9113 section 6.7.
const ACK_FLAG: u8 = 0x1;

/// Finds whole PING frames with the ACK flag in a stream of frames, however it is cut.
#[derive(Default)]
struct Scanner {
    header: [u8; HEADER_LENGTH],
    /// Bytes of the header seen so far.
    seen: usize,
    /// Bytes of the payload still to come.
    rest: usize,
}

impl Scanner {
    /// Reads on; answers how many PING ACKs were completed by these bytes.
    fn scan(&mut self, mut bytes: &[u8]) -> usize {
        let mut answered = 0;
        while !bytes.is_empty() {
            if self.seen < HEADER_LENGTH {
                let taken = bytes.len().min(HEADER_LENGTH - self.seen);
                self.header[self.seen..self.seen + taken].copy_from_slice(&bytes[..taken]);
                self.seen += taken;
                bytes = &bytes[taken..];
                self.rest = self.length();
            } else {
                let taken = bytes.len().min(self.rest);
                self.rest -= taken;
                bytes = &bytes[taken..];
            }
            if self.seen == HEADER_LENGTH && self.rest == 0 {
                answered += usize::from(self.is_answer());
                self.seen = 0;
            }
        }
        answered
    }

    fn length(&self) -> usize {
        let [high, middle, low, ..] = self.header;
        usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
    }

    fn is_answer(&self) -> bool {
        self.header[3] == PING_TYPE && self.header[4] & ACK_FLAG != 0
    }
}

/// A byte stream to a client, whose answered PINGs are told to the observer.
pub(crate) struct Meter<S> {
    inner: S,
    scanner: Scanner,
    connection: u64,
    observer: Arc<dyn Observer>,
}

impl<S> Meter<S> {
    /// Meters the client connection of that serial number.
    pub(crate) fn new(inner: S, connection: u64, observer: Arc<dyn Observer>) -> Self {
        Meter { inner, scanner: Scanner::default(), connection, observer }
    }

    fn count(&mut self, bytes: &[u8]) {
        for _ in 0..self.scanner.scan(bytes) {
            self.observer.notice(Notice::PingAnswered { connection: self.connection });
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.count(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, slices))?;
        let mut left = written;
        for slice in slices {
            let taken = slice.len().min(left);
            self.count(&slice[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::AsyncWriteExt;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 0];
        [&head[..], payload].concat()
    }

    /// Two answers, among frames that look like answers in one respect each, or whose payload does.
    fn traffic() -> Vec<u8> {
        [
            frame(0x4, 0x0, &[0; 12]),
            frame(PING_TYPE, ACK_FLAG, b"answer 1"),
            frame(0x4, ACK_FLAG, b""),
            frame(PING_TYPE, 0x0, b"question"),
            frame(0x0, ACK_FLAG, &frame(PING_TYPE, ACK_FLAG, b"impostor")),
            frame(0x0, 0x0, &[PING_TYPE; 70_000]),
            frame(PING_TYPE, ACK_FLAG, b"answer 2"),
            frame(0x8, 0x0, &[0; 4]),
        ]
        .concat()
    }

    #[test]
    fn answers_are_found_wherever_the_stream_is_cut() {
        let traffic = traffic();
        for cut in 0..=traffic.len() {
            let mut scanner = Scanner::default();
            let found = scanner.scan(&traffic[..cut]) + scanner.scan(&traffic[cut..]);
            assert_eq!(found, 2, "cut at {cut}");
        }
        let mut scanner = Scanner::default();
        assert_eq!(traffic.chunks(1).map(|byte| scanner.scan(byte)).sum::<usize>(), 2);
    }

    #[test]
    fn an_answer_counts_when_its_last_byte_is_written() {
        let ping = frame(PING_TYPE, ACK_FLAG, b"answer 1");
        let mut scanner = Scanner::default();
        assert_eq!(scanner.scan(&ping[..ping.len() - 1]), 0);
        assert_eq!(scanner.scan(&ping[ping.len() - 1..]), 1);
    }

    struct Counter(AtomicUsize);

    impl Observer for Counter {
        fn notice(&self, notice: Notice) {
            assert_eq!(notice, Notice::PingAnswered { connection: 7 });
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_write_that_takes_only_a_part_is_counted_once() {
        let counter = Arc::new(Counter(AtomicUsize::new(0)));
        let (near, mut far) = tokio::io::duplex(11);
        let mut meter = Meter::new(near, 7, counter.clone());
        let reader = tokio::spawn(async move { tokio::io::copy(&mut far, &mut tokio::io::sink()).await });
        let traffic = traffic();
        meter.write_all(&traffic).await.expect("the reader lives");
        let (first, second) = traffic.split_at(30);
        let mut written = 0;
        while written < traffic.len() {
            let mut slices = &mut [IoSlice::new(first), IoSlice::new(second)][..];
            IoSlice::advance_slices(&mut slices, written);
            written += meter.write_vectored(slices).await.expect("the reader lives");
        }
        drop(meter);
        reader.await.expect("the reader ends").expect("the pipe is whole");
        assert_eq!(counter.0.load(Ordering::Relaxed), 4);
    }
}
