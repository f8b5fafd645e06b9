//! The headers of HTTP/2 frames: as much of RFC 9113 as it takes to know where a frame ends and what it is.
//!
//! Refuses to know what payloads mean, and holds nothing back. A stream that is not HTTP/2 has no frames.

/// What a client sends first (RFC 9113 section 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The flag that makes a SETTINGS or a PING an answer (RFC 9113 sections 6.5 and 6.7).
pub(crate) const ACK: u8 = 0x1;
/// The flag that ends a block of headers (RFC 9113 sections 6.2, 6.6 and 6.10).
pub(crate) const END_HEADERS: u8 = 0x4;

/// What a frame is (RFC 9113 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Section 6.1.
    Data,
    /// Section 6.2.
    Headers,
    /// Section 6.3.
    Priority,
    /// Section 6.4.
    RstStream,
    /// Section 6.5.
    Settings,
    /// Section 6.6.
    PushPromise,
    /// Section 6.7.
    Ping,
    /// Section 6.8.
    GoAway,
    /// Section 6.9.
    WindowUpdate,
    /// Section 6.10.
    Continuation,
    /// An extension, to be ignored by who does not know it (section 5.5).
    Extension(u8),
}

impl From<u8> for FrameKind {
    fn from(code: u8) -> Self {
        match code {
            0x0 => FrameKind::Data,
            0x1 => FrameKind::Headers,
            0x2 => FrameKind::Priority,
            0x3 => FrameKind::RstStream,
            0x4 => FrameKind::Settings,
            0x5 => FrameKind::PushPromise,
            0x6 => FrameKind::Ping,
            0x7 => FrameKind::GoAway,
            0x8 => FrameKind::WindowUpdate,
            0x9 => FrameKind::Continuation,
            other => FrameKind::Extension(other),
        }
    }
}

/// A frame's header (RFC 9113 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// The payload's bytes: 24 bits.
    pub length: usize,
    /// What the frame is.
    pub kind: FrameKind,
    /// Its flags; what they mean depends on the kind.
    pub flags: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
}

impl FrameHeader {
    /// The bytes of every header.
    pub(crate) const LENGTH: usize = 9;

    /// Reads a header. The reserved bit before the stream is ignored.
    #[must_use]
    pub fn parse(bytes: [u8; FrameHeader::LENGTH]) -> Self {
        let [high, middle, low, kind, flags, stream @ ..] = bytes;
        FrameHeader {
            length: usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low),
            kind: kind.into(),
            flags,
            stream: u32::from_be_bytes(stream) & !(1 << 31),
        }
    }

    /// The bytes of the whole frame.
    #[must_use]
    pub(crate) fn frame_length(&self) -> usize {
        FrameHeader::LENGTH + self.length
    }
}

/// Finds the frames in one direction of a connection, however it is cut.
///
/// ```text
///            24 bytes (of a client)          9 bytes          length of the frame
/// Preface ------------------------> Header ---------> Payload -------------------> Header
///    | another text                    | the first frame is no SETTINGS (of a server)
///    +-----------> Opaque <------------+
/// ```
#[derive(Debug)]
pub(crate) struct FrameScanner {
    state: ScanState,
    /// A server begins with SETTINGS (RFC 9113 section 3.4): one that does not speaks something else. A client has
    /// shown by its preface what it speaks.
    is_first: bool,
}

#[derive(Debug)]
enum ScanState {
    Preface { read: usize },
    Header { read: usize, bytes: [u8; FrameHeader::LENGTH] },
    Payload { left: usize, header: FrameHeader },
    Opaque,
}

impl ScanState {
    const NEXT: Self = ScanState::Header { read: 0, bytes: [0; FrameHeader::LENGTH] };
}

impl FrameScanner {
    /// Of what a client sends.
    #[must_use]
    pub fn of_client() -> Self {
        FrameScanner { state: ScanState::Preface { read: 0 }, is_first: false }
    }

    /// Of what a server sends.
    #[must_use]
    pub(crate) fn of_server() -> Self {
        FrameScanner { state: ScanState::NEXT, is_first: true }
    }

    /// So many bytes can pass before the last byte of a frame of that kind; 0: it is the next.
    #[must_use]
    pub(crate) fn before_end_of(&self, kind: FrameKind) -> usize {
        match &self.state {
            ScanState::Preface { read } => PREFACE.len() - read,
            ScanState::Header { read, .. } if read + 1 < FrameHeader::LENGTH => FrameHeader::LENGTH - 1 - read,
            // Only the last byte of the stream's number is still to come.
            ScanState::Header { bytes, .. } => {
                let header = FrameHeader::parse(*bytes);
                usize::from(self.is_first || header.kind != kind || header.length > 0)
            }
            ScanState::Payload { left, header } => left - usize::from(header.kind == kind),
            ScanState::Opaque => usize::MAX,
        }
    }

    /// Whether no frame has begun that has not ended.
    #[must_use]
    pub(crate) fn is_between_frames(&self) -> bool {
        matches!(self.state, ScanState::Header { read: 0, .. })
    }

    /// Lets bytes pass, and tells each frame whose last byte is among them.
    pub fn pass(&mut self, mut bytes: &[u8], mut ended: impl FnMut(&FrameHeader)) {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                ScanState::Preface { read } => {
                    let taken = bytes.len().min(PREFACE.len() - *read);
                    let is_preface = bytes[..taken] == PREFACE[*read..*read + taken];
                    *read += taken;
                    if !is_preface {
                        self.state = ScanState::Opaque;
                    } else if *read == PREFACE.len() {
                        self.state = ScanState::NEXT;
                    }
                    taken
                }
                ScanState::Header { read, bytes: header } => {
                    let taken = bytes.len().min(FrameHeader::LENGTH - *read);
                    header[*read..*read + taken].copy_from_slice(&bytes[..taken]);
                    *read += taken;
                    if *read == FrameHeader::LENGTH {
                        let header = FrameHeader::parse(*header);
                        self.begin(header, &mut ended);
                    }
                    taken
                }
                ScanState::Payload { left, header } => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    if *left == 0 {
                        ended(header);
                        self.state = ScanState::NEXT;
                    }
                    taken
                }
                ScanState::Opaque => return,
            };
            bytes = &bytes[taken..];
        }
    }

    fn begin(&mut self, header: FrameHeader, ended: &mut impl FnMut(&FrameHeader)) {
        self.state = if std::mem::take(&mut self.is_first) && header.kind != FrameKind::Settings {
            ScanState::Opaque
        } else if header.length == 0 {
            ended(&header);
            ScanState::NEXT
        } else {
            ScanState::Payload { left: header.length, header }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SETTINGS, an empty DATA, a PING that is an answer, a DATA whose payload looks like one, and a long DATA.
    fn frames() -> Vec<u8> {
        let ping = [0, 0, 8, 6, ACK, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let long = [&[1, 0, 0, 0, 1, 0x80, 0, 0, 5][..], &[6; 1 << 16]].concat();
        [&[0, 0, 0, 4, 0, 0, 0, 0, 0][..], &[0; 8], &[3], &ping, &[0, 0, 17, 0, 0, 0, 0, 0, 3], &ping, &long].concat()
    }

    fn header(length: usize, kind: FrameKind, flags: u8, stream: u32) -> FrameHeader {
        FrameHeader { length, kind, flags, stream }
    }

    fn expected() -> [FrameHeader; 5] {
        [
            header(0, FrameKind::Settings, 0, 0),
            header(0, FrameKind::Data, 0, 3),
            header(8, FrameKind::Ping, ACK, 0),
            header(17, FrameKind::Data, 0, 3),
            header(1 << 16, FrameKind::Data, 1, 5),
        ]
    }

    fn scanned(mut scanner: FrameScanner, bytes: &[u8], step: usize) -> Vec<FrameHeader> {
        let mut found = Vec::new();
        bytes.chunks(step).for_each(|part| scanner.pass(part, |header| found.push(*header)));
        found
    }

    #[test]
    fn frames_are_found_wherever_the_stream_is_cut() {
        let frames = frames();
        for step in [1, 2, 3, 8, 9, 10, 26, 1_000_000] {
            assert_eq!(scanned(FrameScanner::of_server(), &frames, step), expected());
            let with_preface = [PREFACE.as_ref(), &frames].concat();
            assert_eq!(scanned(FrameScanner::of_client(), &with_preface, step), expected());
        }
    }

    #[test]
    fn a_frame_is_told_with_its_last_byte() {
        let frames = frames();
        let mut scanner = FrameScanner::of_server();
        scanner.pass(&frames[..frames.len() - 1], |header| assert_ne!(header.stream, 5));
        assert_eq!((scanner.before_end_of(FrameKind::Data), scanner.before_end_of(FrameKind::Ping)), (0, 1));
        assert_eq!(scanned(scanner, &frames[frames.len() - 1..], 1), [expected()[4]]);
    }

    #[test]
    fn what_is_not_http2_has_no_frames() {
        assert_eq!(scanned(FrameScanner::of_client(), b"GET / HTTP/1.1\r\n", 3), []);
        assert_eq!(scanned(FrameScanner::of_server(), &frames()[9..], 7), []);
    }
}
