//! Where DATA frames end in what an end of a connection reads, so that a process can die there.
//!
//! Refuses to know what frames mean, and whether anybody counts.

use crate::http2::{FrameKind, FrameScanner};

/// See the module.
#[derive(Debug)]
pub(crate) struct DataFrames(FrameScanner);

impl DataFrames {
    /// Of what a server reads.
    pub(crate) fn of_acceptor() -> Self {
        DataFrames(FrameScanner::of_client())
    }

    /// Of what a client reads.
    pub(crate) fn of_dialer() -> Self {
        DataFrames(FrameScanner::of_server())
    }

    /// So many bytes can be read before the last byte of a DATA frame; 0: it is the next.
    pub(crate) fn before_landmark(&self) -> usize {
        self.0.before_end_of(FrameKind::Data)
    }

    /// Takes notice of bytes that were read.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        self.0.pass(bytes, |_| {});
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2::PREFACE;

    const DATA: u8 = 0x0;
    const SETTINGS: u8 = 0x4;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 1];
        frame.extend(std::iter::repeat_n(7, usize::from(length)));
        frame
    }

    /// Where the last bytes of DATA frames are, reading at most `step` bytes at a time.
    fn landmarks(mut frames: DataFrames, bytes: &[u8], step: usize) -> Vec<usize> {
        let (mut at, mut found) = (0, Vec::new());
        while at < bytes.len() {
            let before = frames.before_landmark();
            if before == 0 {
                found.push(at);
            }
            let next = (at + before.clamp(1, step)).min(bytes.len());
            frames.pass(&bytes[at..next]);
            at = next;
        }
        found
    }

    #[test]
    fn the_last_byte_of_each_data_frame_is_found_however_it_is_read() {
        let frames = [frame(SETTINGS, 6), frame(DATA, 10), frame(1, 3), frame(DATA, 0), frame(DATA, 1)].concat();
        let expected = [15 + 18, 15 + 19 + 12 + 8, 15 + 19 + 12 + 9 + 9];
        for step in [1, 2, 5, 9, 1_000] {
            assert_eq!(landmarks(DataFrames::of_dialer(), &frames, step), expected);
            let accepted = [PREFACE.as_ref(), &frames].concat();
            assert_eq!(landmarks(DataFrames::of_acceptor(), &accepted, step), expected.map(|at| at + 24));
        }
    }

    #[test]
    fn what_was_passed_at_once_leaves_the_same_place_as_byte_by_byte() {
        let bytes = [frame(SETTINGS, 0), frame(DATA, 100), frame(DATA, 50)].concat();
        let mut frames = DataFrames::of_dialer();
        frames.pass(&bytes[..60]);
        assert_eq!(frames.before_landmark(), 9 + 109 - 60 - 1);
    }

    #[test]
    fn what_is_not_http2_has_no_frames() {
        let mut other = DataFrames::of_acceptor();
        other.pass(b"GET / HTTP/1.1\r\n");
        assert_eq!(other.before_landmark(), usize::MAX);
        let mut other = DataFrames::of_dialer();
        other.pass(&frame(DATA, 4));
        assert_eq!(other.before_landmark(), usize::MAX);
    }
}
