//! What anybody who speaks gRPC by tonic needs, whatever the messages mean: bytes as they are, errors in full, and the
//! connections of a server.
//!
//! Refuses to know any protocol, and who is right.

mod incoming;

use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

pub(crate) use incoming::Incoming;

/// An error with its causes, each told once: tonic's own text is "transport error" and no more, and its status repeats
/// what its causes say.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    explain_after(String::new(), error)
}

/// What a peer said, as text that moves no terminal's cursor and begins no line of its own.
pub(crate) fn printable(told: &str) -> String {
    let mut text = String::with_capacity(told.len());
    for letter in told.chars() {
        match letter.is_control() {
            true => text.extend(letter.escape_default()),
            false => text.push(letter),
        }
    }
    text
}

/// What was said so far, and then an error with its causes.
pub(crate) fn explain_after(mut text: String, error: &dyn std::error::Error) -> String {
    const THEN: &str = ": ";
    let mut next = Some(error);
    while let Some(cause) = next {
        let told = cause.to_string();
        if !format!("{THEN}{text}{THEN}").contains(&format!("{THEN}{told}{THEN}")) {
            text.push_str(if text.is_empty() { "" } else { THEN });
            text.push_str(&told);
        }
        next = cause.source();
    }
    text
}

/// gRPC messages as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = BytesCodec;

    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }

    fn decoder(&mut self) -> BytesCodec {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_moves_no_cursor_and_begins_no_line() {
        assert_eq!(printable("we are \u{1b}[31mred\nconnection 2: fine"), "we are \\u{1b}[31mred\\nconnection 2: fine");
        assert_eq!(printable("naïve — plain"), "naïve — plain");
    }

    /// An error with a cause, as libraries nest them.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Nested(&'static str, #[source] Option<Box<Nested>>);

    fn chain(parts: &[&'static str]) -> Nested {
        let (last, others) = parts.split_last().expect("an error says something");
        others.iter().rev().fold(Nested(last, None), |cause, part| Nested(part, Some(Box::new(cause))))
    }

    #[test]
    fn a_cause_is_told_once() {
        assert_eq!(
            explain(&chain(&["http2 error", "transport error", "http2 error", "timed out"])),
            "http2 error: transport error: timed out"
        );
        let told = "Unknown: h2 error: reading a body".to_owned();
        let text = explain_after(told, &chain(&["h2 error: reading a body", "reading a body", "body", "reset"]));
        assert_eq!(text, "Unknown: h2 error: reading a body: body: reset");
    }
}
