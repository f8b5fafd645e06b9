//! Frames of HTTP/2 that the proxy makes up, byte by byte.
//!
//! Refuses to know when they are sent.

use bytes::{BufMut, BytesMut};

use crate::http2::FrameHeader;

const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
/// RFC 9113 section 6.5.2.
const CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;

/// What the proxy has told the other side of itself, as far as lies change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrueSettings {
    /// None where it was never told.
    pub(crate) max_concurrent_streams: Option<u32>,
    pub(crate) initial_window: u32,
}

/// The payload of a GOAWAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoAwayFrame {
    pub(crate) last: u32,
    pub(crate) code: u32,
}

/// A SETTINGS frame (RFC 9113 section 6.5).
pub(crate) fn settings(told: TrueSettings) -> BytesMut {
    let parameters = told.max_concurrent_streams.map(|streams| (CONCURRENT_STREAMS, streams));
    let parameters = parameters.into_iter().chain([(INITIAL_WINDOW_SIZE, told.initial_window)]);
    let mut payload = BytesMut::new();
    for (name, value) in parameters {
        payload.put_u16(name);
        payload.put_u32(value);
    }
    frame(SETTINGS, 0, &payload)
}

/// A GOAWAY frame (section 6.8).
pub(crate) fn goaway(told: GoAwayFrame) -> BytesMut {
    let mut payload = BytesMut::new();
    payload.put_u32(told.last);
    payload.put_u32(told.code);
    frame(GOAWAY, 0, &payload)
}

/// A WINDOW_UPDATE frame (section 6.9).
pub(crate) fn window_update(stream: u32, increment: u32) -> BytesMut {
    frame(WINDOW_UPDATE, stream, &increment.to_be_bytes())
}

/// The increment of a WINDOW_UPDATE frame.
pub(crate) fn increment(frame: &[u8]) -> u32 {
    let payload = frame.get(FrameHeader::LENGTH..).and_then(|payload| payload.first_chunk());
    payload.map_or(0, |payload| u32::from_be_bytes(*payload) & (u32::MAX >> 1))
}

/// An answer to a PING with every bit of its data turned.
pub(crate) fn wrong_answer(answer: &[u8]) -> BytesMut {
    let (header, data) = answer.split_at(answer.len().min(FrameHeader::LENGTH));
    header.iter().copied().chain(data.iter().map(|byte| !byte)).collect()
}

/// A GOAWAY of somebody else, by which every stream that runs may go on.
pub(crate) fn disowning_nobody(frame: &[u8]) -> BytesMut {
    let mut kept = BytesMut::from(frame);
    let last = FrameHeader::LENGTH..FrameHeader::LENGTH + 4;
    if let Some(last) = kept.get_mut(last) {
        last.copy_from_slice(&(u32::MAX >> 1).to_be_bytes());
    }
    kept
}

/// Whether a frame that was made up here is SETTINGS.
pub(crate) fn is_settings(frame: &[u8]) -> bool {
    frame.get(3) == Some(&SETTINGS)
}

/// A frame of a stream, or of the connection, without flags.
fn frame(kind: u8, stream: u32, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::with_capacity(FrameHeader::LENGTH + payload.len());
    frame.put_uint(payload.len() as u64, 3);
    frame.put_u8(kind);
    frame.put_u8(0);
    frame.put_u32(stream);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_the_rfc_draws_them() {
        let goaway = goaway(GoAwayFrame { last: 0x7fff_ffff, code: 11 });
        assert_eq!(&goaway[..], b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\x0b");
        let both = settings(TrueSettings { max_concurrent_streams: Some(0), initial_window: 1 });
        assert_eq!(&both[..], b"\0\0\x0c\x04\0\0\0\0\0\0\x03\0\0\0\0\0\x04\0\0\0\x01");
        let window = window_update(3, 70_000);
        assert_eq!(&window[..], b"\0\0\x04\x08\0\0\0\0\x03\0\x01\x11\x70");
        assert_eq!((increment(&window), increment(b"")), (70_000, 0));
        assert!(is_settings(&both) && !is_settings(&goaway) && !is_settings(b""));
    }

    #[test]
    fn a_goaway_that_disowns_nobody_differs_in_its_last_stream_alone() {
        let told = goaway(GoAwayFrame { last: 0, code: 7 });
        assert_eq!(disowning_nobody(&told), goaway(GoAwayFrame { last: u32::MAX >> 1, code: 7 }));
        assert_eq!(disowning_nobody(&told[..9]), told[..9]);
    }

    #[test]
    fn a_wrong_answer_differs_in_its_data_alone() {
        let answer = b"\0\0\x08\x06\x01\0\0\0\0question";
        let wrong = wrong_answer(answer);
        assert_eq!(&wrong[..9], &answer[..9]);
        assert!(wrong[9..].iter().zip(&answer[9..]).all(|(wrong, right)| wrong ^ right == 0xff));
    }
}
