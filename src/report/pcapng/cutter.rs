//! Of what an end of an HTTP/2 connection sent before a stretch, the frames without which the rest cannot be decoded. Of TLS
//! that is all of it: each record is told by how many came before (RFC 8446 section 5.3).
//!
//! Refuses to know what they say: the preface, SETTINGS, and whatever carries or continues a block of headers, because
//! HPACK's table is made of all of them (RFC 7541 section 2.3.2).

use std::ops::RangeInclusive;

use crate::http2::{FrameHeader, FrameKind, PREFACE};

/// See the module.
pub(super) struct FrameCutter {
    /// What belongs to a frame that is not whole yet.
    rest: Vec<u8>,
    /// The preface is still to come.
    preface: bool,
    /// The first byte has come, and it was TLS's.
    is_tls: Option<bool>,
}

/// The content types of TLS (RFC 8446 section 5.1). HTTP/2 begins with a letter, or with the length of SETTINGS.
const TLS_TYPES: RangeInclusive<u8> = 20..=23;

impl FrameCutter {
    /// Of the end that connected, which begins with the preface, or of the one that accepted.
    pub(super) fn new(by_dialer: bool) -> Self {
        FrameCutter { rest: Vec::new(), preface: by_dialer, is_tls: None }
    }

    /// The bytes of those frames that end here and are needed.
    pub(super) fn cut(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.is_tls = self.is_tls.or(bytes.first().map(|first| TLS_TYPES.contains(first)));
        if self.is_tls == Some(true) {
            return bytes.to_vec();
        }
        self.rest.extend_from_slice(bytes);
        let mut needed = Vec::new();
        while let Some((length, keeps)) = self.next().filter(|(length, _)| *length <= self.rest.len()) {
            let frame: Vec<u8> = self.rest.drain(..length).collect();
            self.preface = false;
            if keeps {
                needed.extend(frame);
            }
        }
        needed
    }

    /// What is left of a frame whose end is still to come: from here on nothing is cut.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    /// How long the next frame is, as far as it is known, and whether it is needed.
    fn next(&self) -> Option<(usize, bool)> {
        if self.preface {
            return Some((PREFACE.len(), true));
        }
        let header = FrameHeader::parse(*self.rest.first_chunk()?);
        let keeps = match header.kind {
            FrameKind::Headers | FrameKind::Settings | FrameKind::PushPromise | FrameKind::Continuation => true,
            FrameKind::Data
            | FrameKind::Priority
            | FrameKind::RstStream
            | FrameKind::Ping
            | FrameKind::GoAway
            | FrameKind::WindowUpdate
            | FrameKind::Extension(_) => false,
        };
        Some((header.frame_length(), keeps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 1];
        frame.extend(std::iter::repeat_n(kind, usize::from(length)));
        frame
    }

    #[test]
    fn what_decodes_the_rest_is_kept_however_it_is_cut() {
        let (settings, headers, data, ping) = (frame(4, 6), frame(1, 30), frame(0, 50), frame(6, 8));
        let sent = [PREFACE.as_ref(), &settings, &headers, &data, &ping, &headers, &data[..20]].concat();
        let needed = [PREFACE.as_ref(), &settings, &headers, &headers].concat();
        for step in [1, 2, 7, 40, 1_000] {
            let mut cutter = FrameCutter::new(true);
            let kept: Vec<u8> = sent.chunks(step).flat_map(|bytes| cutter.cut(bytes)).collect();
            assert_eq!(kept, needed, "in steps of {step}");
            assert_eq!(cutter.take_rest(), data[..20]);
        }
    }

    #[test]
    fn of_tls_everything_is_kept() {
        let record = [&[22, 3, 3, 0, 4][..], &[1, 0, 0, 0], &[23, 3, 3, 0, 2, 7, 7]].concat();
        for (by_dialer, step) in [(true, 1), (false, 3), (true, 100)] {
            let mut cutter = FrameCutter::new(by_dialer);
            let kept: Vec<u8> = record.chunks(step).flat_map(|bytes| cutter.cut(bytes)).collect();
            assert_eq!((kept, cutter.take_rest()), (record.clone(), Vec::new()));
        }
    }
}
