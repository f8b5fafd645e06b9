//! Where HTTP/2 frames end in a byte stream: only as much of RFC 9113 as it takes to count DATA frames.
//!
//! Refuses to know what frames mean, and whether anybody counts. A stream that is not HTTP/2 has no frames.
//!
//! ```text
//!            24 bytes (acceptor only)        9 bytes          length of the frame
//! Preface ------------------------> Header ---------> Payload -------------------> Header
//!    | another text                    | the first frame is no SETTINGS (dialer only)
//!    +-----------> Opaque <------------+
//! ```

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame's header: length 24 bits, type, flags, stream (RFC 9113 section 4.1).
const HEADER: usize = 9;
const DATA: u8 = 0x0;
const SETTINGS: u8 = 0x4;

#[derive(Debug)]
enum FrameState {
    Preface { read: usize },
    Header { read: usize, bytes: [u8; HEADER] },
    Payload { left: usize, is_data: bool },
    Opaque,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct DataFrames {
    state: FrameState,
    /// A server begins with SETTINGS (RFC 9113 section 3.4): one that does not speaks something else. A client has shown
    /// by its preface what it speaks.
    is_first: bool,
}

impl DataFrames {
    /// Of what a server reads.
    pub(crate) fn of_acceptor() -> Self {
        DataFrames { state: FrameState::Preface { read: 0 }, is_first: false }
    }

    /// Of what a client reads.
    pub(crate) fn of_dialer() -> Self {
        DataFrames { state: DataFrames::header(), is_first: true }
    }

    fn header() -> FrameState {
        FrameState::Header { read: 0, bytes: [0; HEADER] }
    }

    /// So many bytes can be read before the last byte of a DATA frame; 0: it is the next.
    pub(crate) fn before_landmark(&self) -> usize {
        match &self.state {
            FrameState::Preface { read } => PREFACE.len() - read,
            FrameState::Header { read, .. } if read + 1 < HEADER => HEADER - 1 - read,
            FrameState::Header { bytes, .. } => usize::from(!(self.is_data(bytes) && length(bytes) == 0)),
            FrameState::Payload { left, is_data } => left - usize::from(*is_data),
            FrameState::Opaque => usize::MAX,
        }
    }

    /// Takes notice of bytes that were read.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                FrameState::Preface { read } => {
                    let taken = bytes.len().min(PREFACE.len() - *read);
                    let is_preface = bytes[..taken] == PREFACE[*read..*read + taken];
                    *read += taken;
                    match *read {
                        _ if !is_preface => self.state = FrameState::Opaque,
                        24 => self.state = DataFrames::header(),
                        _ => {}
                    }
                    taken
                }
                FrameState::Header { read, bytes: header } => {
                    let taken = bytes.len().min(HEADER - *read);
                    header[*read..*read + taken].copy_from_slice(&bytes[..taken]);
                    *read += taken;
                    if *read == HEADER {
                        let header = *header;
                        self.state = self.after(&header);
                    }
                    taken
                }
                FrameState::Payload { left, .. } => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    if *left == 0 {
                        self.state = DataFrames::header();
                    }
                    taken
                }
                FrameState::Opaque => return,
            };
            bytes = &bytes[taken..];
        }
    }

    fn after(&mut self, header: &[u8; HEADER]) -> FrameState {
        if std::mem::take(&mut self.is_first) && header[3] != SETTINGS {
            return FrameState::Opaque;
        }
        match length(header) {
            0 => DataFrames::header(),
            left => FrameState::Payload { left, is_data: header[3] == DATA },
        }
    }

    fn is_data(&self, header: &[u8; HEADER]) -> bool {
        !self.is_first && header[3] == DATA
    }
}

fn length(header: &[u8; HEADER]) -> usize {
    usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2])
}

#[cfg(test)]
mod tests {
    use super::*;

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
