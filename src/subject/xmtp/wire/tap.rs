//! Cuts a stream of HTTP/2 DATA bytes into gRPC messages.
//!
//! gRPC over HTTP/2: a message is one flag byte (0: not compressed), its length as four bytes, big
//! endian, then so many bytes. Refuses to know what the messages say.

use bytes::{Buf, Bytes, BytesMut};

use crate::subject::xmtp::wire::Malformed;

/// The largest message that is cut out whole: libxmtp's limit of 25 MiB.
const MESSAGE_MAX: usize = 25 << 20;
const PREFIX: usize = 5;

/// What has arrived of a gRPC body and is not yet a whole message.
#[derive(Debug, Default)]
pub(crate) struct GrpcFrames {
    pending: BytesMut,
}

impl GrpcFrames {
    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, data: &Bytes) {
        self.pending.extend_from_slice(data);
    }

    /// The next whole message, if one has arrived.
    ///
    /// # Errors
    /// The body is compressed, or a message is longer than 25 MiB.
    pub(crate) fn next_message(&mut self) -> Result<Option<Bytes>, Malformed> {
        if self.pending.len() < PREFIX {
            return Ok(None);
        }
        if self.pending[0] != 0 {
            return Err(Malformed::Compressed);
        }
        let length = u32::from_be_bytes([self.pending[1], self.pending[2], self.pending[3], self.pending[4]]) as usize;
        if length > MESSAGE_MAX {
            return Err(Malformed::TooLong { length });
        }
        if self.pending.len() < PREFIX + length {
            return Ok(None);
        }
        self.pending.advance(PREFIX);
        Ok(Some(self.pending.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_wherever_the_body_is_cut() {
        let body = Bytes::from_static(b"\0\0\0\0\x02hi\0\0\0\0\0\0\0\0\0\x01!");
        for cut in 0..body.len() {
            let mut frames = GrpcFrames::default();
            let mut seen = Vec::new();
            for part in [body.slice(..cut), body.slice(cut..)] {
                frames.push(&part);
                while let Some(message) = frames.next_message().expect("well formed") {
                    seen.push(message);
                }
            }
            assert_eq!(seen, [Bytes::from_static(b"hi"), Bytes::new(), Bytes::from_static(b"!")]);
        }
    }

    #[test]
    fn compression_and_absurd_lengths_are_refused() {
        let mut frames = GrpcFrames::default();
        frames.push(&Bytes::from_static(b"\x01\0\0\0\0"));
        assert_eq!(frames.next_message(), Err(Malformed::Compressed));
        let mut frames = GrpcFrames::default();
        frames.push(&Bytes::from_static(b"\0\xff\0\0\0"));
        assert_eq!(frames.next_message(), Err(Malformed::TooLong { length: 0xff00_0000 }));
    }
}
