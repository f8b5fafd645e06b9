//! Cuts one direction of an HTTP/2 connection into frames, so that some can be taken out, held or put in.
//!
//! Refuses to know which. Where nothing is to be done to frames, it only follows where they end.
//!
//! ```text
//!            24 bytes (of a client)      9 bytes         length of the frame
//! Preface -----------------------> Header -------> Payload -----------------> Header
//! ```

use bytes::BytesMut;

use crate::http2::{END_HEADERS, FrameHeader, FrameKind, PREFACE};

/// Frames that are taken whole: those whose payload is short by their nature, and no longer than this.
const WHOLE_MAX: usize = 256;

/// Where in a frame the direction is.
pub(crate) struct Cutter {
    place: CutPlace,
    /// What of a frame is held back until it can be judged.
    held: BytesMut,
    /// Between HEADERS and its last CONTINUATION, where no other frame may stand (section 6.10).
    is_in_block: bool,
    frames: u64,
}

/// What is shown of a frame.
pub(crate) enum Cut<'f> {
    /// A long one has begun, and goes on by itself.
    Begun(&'f FrameHeader),
    /// A short one, from its first byte to its last.
    Whole(&'f FrameHeader, &'f [u8]),
}

enum CutPlace {
    Preface { left: usize },
    Header { read: usize, bytes: [u8; FrameHeader::LENGTH] },
    Payload { left: usize },
}

const AT_A_BORDER: CutPlace = CutPlace::Header { read: 0, bytes: [0; FrameHeader::LENGTH] };

impl Cutter {
    /// Of what a client sends.
    pub(crate) fn of_client() -> Self {
        Cutter { place: CutPlace::Preface { left: PREFACE.len() }, ..Cutter::of_server() }
    }

    /// Of what a server sends.
    pub(crate) fn of_server() -> Self {
        Cutter { place: AT_A_BORDER, held: BytesMut::new(), is_in_block: false, frames: 0 }
    }

    /// Whether a frame may be put in here; nothing may before the first one, which is SETTINGS (section 3.4).
    pub(crate) fn is_at_a_border(&self) -> bool {
        self.is_between() && !self.is_in_block && self.frames > 0
    }

    /// Whether no frame has begun that has not ended: from here on frames may be judged, or no more.
    pub(crate) fn is_between(&self) -> bool {
        matches!(self.place, CutPlace::Header { read: 0, .. }) && self.held.is_empty()
    }

    /// Whether a part of a frame is held back.
    pub(crate) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// So many bytes can go by before it must be asked again whether it is at a border.
    pub(crate) fn to_border(&self) -> usize {
        match &self.place {
            CutPlace::Preface { left } | CutPlace::Payload { left } => *left,
            CutPlace::Header { read, .. } => FrameHeader::LENGTH - read,
        }
    }

    /// Follows bytes that go by as they are; tells each frame that begins, once its header is there.
    pub(crate) fn follow(&mut self, mut bytes: &[u8], mut begun: impl FnMut(&FrameHeader)) {
        while !bytes.is_empty() {
            let taken = bytes.len().min(self.to_border());
            if let Some(header) = self.advance(&bytes[..taken]) {
                begun(&header);
            }
            bytes = &bytes[taken..];
        }
    }

    /// Takes bytes and puts into `out` what is to go on, as `judge` wants it: it is given each short frame whole, and
    /// puts it into `out` or does not. Of other frames it is told when they begin, and they go on as they come.
    pub(crate) fn cut(&mut self, mut bytes: &[u8], out: &mut BytesMut, mut judge: impl FnMut(Cut<'_>, &mut BytesMut)) {
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(self.to_border()));
            bytes = rest;
            let is_header = matches!(self.place, CutPlace::Header { .. });
            let is_held = is_header || !self.held.is_empty();
            if is_held {
                self.held.extend_from_slice(part);
            } else {
                out.extend_from_slice(part);
            }
            let begun = self.advance(part);
            let is_whole = matches!(self.place, CutPlace::Header { read: 0, .. });
            if !is_held || (begun.is_none() && !is_whole) {
                continue;
            }
            let header = begun.unwrap_or_else(|| header_of(&self.held));
            if !is_short(&header) {
                judge(Cut::Begun(&header), out);
                out.extend_from_slice(&self.held.split());
            } else if is_whole {
                judge(Cut::Whole(&header, &self.held.split()), out);
            }
        }
    }

    /// Moves on by bytes that do not cross a border; the header that they complete.
    fn advance(&mut self, part: &[u8]) -> Option<FrameHeader> {
        match &mut self.place {
            CutPlace::Preface { left } | CutPlace::Payload { left } => {
                *left -= part.len();
                if *left == 0 {
                    self.place = AT_A_BORDER;
                }
                None
            }
            CutPlace::Header { read, bytes } => {
                bytes[*read..*read + part.len()].copy_from_slice(part);
                *read += part.len();
                if *read < FrameHeader::LENGTH {
                    return None;
                }
                let header = FrameHeader::parse(*bytes);
                self.note(&header);
                Some(header)
            }
        }
    }

    fn note(&mut self, header: &FrameHeader) {
        self.frames += 1;
        self.place = match header.length {
            0 => AT_A_BORDER,
            left => CutPlace::Payload { left },
        };
        if let FrameKind::Headers | FrameKind::PushPromise | FrameKind::Continuation = header.kind {
            self.is_in_block = header.flags & END_HEADERS == 0;
        }
    }
}

fn is_short(header: &FrameHeader) -> bool {
    let is_kind =
        matches!(header.kind, FrameKind::Ping | FrameKind::Settings | FrameKind::WindowUpdate | FrameKind::GoAway);
    is_kind && header.length <= WHOLE_MAX
}

/// The header at the start of a frame that is held back.
fn header_of(frame: &[u8]) -> FrameHeader {
    let bytes = frame.first_chunk().expect("a frame is held from its first byte, and its header was read");
    FrameHeader::parse(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2::ACK;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, stream];
        [&head[..], payload].concat()
    }

    /// SETTINGS, its answer, HEADERS in two frames, a PING, a long DATA and a WINDOW_UPDATE.
    fn frames() -> Vec<Vec<u8>> {
        vec![
            frame(4, 0, 0, &[0; 6]),
            frame(4, ACK, 0, b""),
            frame(1, 0, 1, b"head"),
            frame(9, END_HEADERS, 1, b"tail"),
            frame(6, 0, 0, b"question"),
            frame(0, 0, 1, &[6; 70_000]),
            frame(8, 0, 1, &[0, 0, 0, 1]),
        ]
    }

    #[test]
    fn what_is_judged_whole_and_what_goes_by_is_the_same_wherever_it_is_cut() {
        let all = frames().concat();
        for step in [1, 2, 5, 9, 10, 17, 4096, 1_000_000] {
            let (mut cutter, mut out, mut whole, mut begun) = (Cutter::of_server(), BytesMut::new(), vec![], vec![]);
            for part in all.chunks(step) {
                cutter.cut(part, &mut out, |cut, out| match cut {
                    Cut::Begun(header) => begun.push(header.length),
                    Cut::Whole(_, frame) => {
                        whole.push(frame.len());
                        out.extend_from_slice(frame);
                    }
                });
            }
            assert_eq!(out, all, "{step}");
            assert_eq!((whole, begun), (vec![15, 9, 17, 13], vec![4, 4, 70_000]), "{step}");
            assert!(cutter.is_at_a_border());
        }
    }

    #[test]
    fn a_frame_that_is_not_put_into_the_rest_is_gone() {
        let (mut cutter, mut out) = (Cutter::of_client(), BytesMut::new());
        let all = [PREFACE.as_slice(), &frames().concat()].concat();
        for part in all.chunks(3) {
            cutter.cut(part, &mut out, |cut, out| match cut {
                Cut::Whole(header, frame) if header.kind != FrameKind::Ping => out.extend_from_slice(frame),
                Cut::Whole(..) | Cut::Begun(_) => {}
            });
        }
        let left = [PREFACE.as_slice(), &frames()[..4].concat(), &frames()[5..].concat()].concat();
        assert_eq!(out, left);
    }

    #[test]
    fn nothing_may_stand_before_the_first_frame_in_one_or_in_a_block_of_headers() {
        let mut cutter = Cutter::of_server();
        assert!(!cutter.is_at_a_border());
        let (frames, mut begun) = (frames(), Vec::new());
        let borders: Vec<bool> = frames
            .iter()
            .map(|frame| {
                cutter.follow(&frame[..4], |_| ());
                assert!(!cutter.is_at_a_border());
                cutter.follow(&frame[4..], |header| begun.push(header.length));
                cutter.is_at_a_border()
            })
            .collect();
        assert_eq!(borders, [true, true, false, true, true, true, true]);
        assert_eq!(begun, [6, 0, 4, 4, 8, 70_000, 4]);
    }
}
