//! Watches the bytes written to a client for answered PINGs, by reading frame headers as they go by.
//!
//! Refuses to know any frame but PING: nothing is copied or held back.

use std::sync::Arc;

use crate::env::{ByteStream, StreamTap, Tapped};
use crate::http2::{ACK, FrameHeader, FrameKind, FrameScanner};
use crate::proxy::notice::{ProxyNotice, ProxyObserver};

/// A byte stream to a client, whose answered PINGs are told to the observer.
pub(crate) type CountedStream<S> = Tapped<S, PingCounter>;

/// Tells whole PING frames with the ACK flag.
pub(crate) struct PingCounter {
    scanner: FrameScanner,
    connection: u64,
    observer: Arc<dyn ProxyObserver>,
}

impl PingCounter {
    /// Counts on the client connection of that serial number.
    pub(crate) fn new(connection: u64, observer: Arc<dyn ProxyObserver>) -> Self {
        PingCounter { scanner: FrameScanner::of_server(), connection, observer }
    }
}

impl<S: ByteStream> StreamTap<S> for PingCounter {
    fn wrote(&mut self, bytes: &[u8]) {
        let PingCounter { scanner, connection, observer } = self;
        scanner.pass(bytes, |header| {
            if is_answer(header) {
                observer.notice(ProxyNotice::PingAnswered { connection: *connection });
            }
        });
    }
}

fn is_answer(header: &FrameHeader) -> bool {
    header.kind == FrameKind::Ping && header.flags & ACK != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::IoSlice;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::AsyncWriteExt;

    const PING: u8 = 0x6;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 0];
        [&head[..], payload].concat()
    }

    /// Two answers, among frames that look like answers in one respect each, or whose payload does.
    fn traffic() -> Vec<u8> {
        [
            frame(0x4, 0x0, &[0; 12]),
            frame(PING, ACK, b"answer 1"),
            frame(0x4, ACK, b""),
            frame(PING, 0x0, b"question"),
            frame(0x0, ACK, &frame(PING, ACK, b"impostor")),
            frame(0x0, 0x0, &[PING; 70_000]),
            frame(PING, ACK, b"answer 2"),
            frame(0x8, 0x0, &[0; 4]),
        ]
        .concat()
    }

    struct Counter(AtomicUsize);

    impl ProxyObserver for Counter {
        fn notice(&self, notice: ProxyNotice) {
            assert_eq!(notice, ProxyNotice::PingAnswered { connection: 7 });
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_write_that_takes_only_a_part_is_counted_once() {
        let counter = Arc::new(Counter(AtomicUsize::new(0)));
        let (near, mut far) = tokio::io::duplex(11);
        let mut counted = Tapped::over(near, PingCounter::new(7, counter.clone()));
        let reader = tokio::spawn(async move { tokio::io::copy(&mut far, &mut tokio::io::sink()).await });
        let traffic = traffic();
        counted.write_all(&traffic).await.expect("the reader lives");
        let (first, second) = traffic.split_at(30);
        let mut written = 0;
        while written < traffic.len() {
            let mut slices = &mut [IoSlice::new(first), IoSlice::new(second)][..];
            IoSlice::advance_slices(&mut slices, written);
            written += counted.write_vectored(slices).await.expect("the reader lives");
        }
        drop(counted);
        reader.await.expect("the reader ends").expect("the pipe is whole");
        assert_eq!(counter.0.load(Ordering::Relaxed), 4);
    }
}
