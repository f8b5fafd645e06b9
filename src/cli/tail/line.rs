//! A message on one line of output: for people, or as JSON for machines.
//!
//! Refuses to know when it is printed. What a peer wrote must not move the terminal's cursor, so control characters are
//! escaped.

use std::fmt::{self, Write};

use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::subject::xmtp::wire::{Message, Topic, application_message};

/// How a message is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineForm {
    /// Id, topic and payload.
    Text,
    /// One JSON object: [`JsonLine`].
    Json,
}

/// The messages, a line each.
pub(crate) fn lines(form: LineForm, messages: &[Message]) -> String {
    let mut lines = String::new();
    for message in messages {
        let (id, topic, data) = (message.id, message.topic(), &message.draft.data);
        match form {
            LineForm::Text => writeln!(lines, "{id} {topic} {}", Payload { topic, data }),
            LineForm::Json => writeln!(lines, "{}", JsonLine::of(message).spell()),
        }
        .expect("a string takes everything");
    }
    lines
}

/// What programs read, and what stays as it is: `text` where the payload is text that pulseless published, else `data`,
/// the whole payload in hexadecimal.
#[derive(Serialize, JsonSchema)]
pub(crate) struct JsonLine {
    /// The topic, such as `group:news`.
    topic: String,
    /// The message's id.
    id: u64,
    /// When the node stored it, by its own clock (RFC 3339, UTC).
    created: String,
    /// The payload, where it is text that pulseless published.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Any other payload, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

impl JsonLine {
    fn of(message: &Message) -> Self {
        let (topic, data) = (message.topic(), &message.draft.data);
        let created = Timestamp::from_nanosecond(message.created_ns.into()).expect("2^64 ns are in the year 2554");
        let text = published_text(topic, data).map(str::to_owned);
        let hexadecimal = text.is_none().then(|| Hexadecimal(data).to_string());
        JsonLine { topic: topic.to_string(), id: message.id.0, created: created.to_string(), text, data: hexadecimal }
    }

    fn spell(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers are JSON")
    }
}

/// The payload of a group message: as text where it is text that pulseless published, else in hexadecimal.
struct Payload<'a> {
    topic: &'a Topic,
    data: &'a Bytes,
}

impl fmt::Display for Payload<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(text) = published_text(self.topic, self.data) else {
            return write!(formatter, "0x{}", Hexadecimal(self.data));
        };
        text.chars().try_for_each(|c| {
            if c.is_control() { write!(formatter, "{}", c.escape_default()) } else { formatter.write_char(c) }
        })
    }
}

fn published_text<'a>(topic: &Topic, data: &'a Bytes) -> Option<&'a str> {
    let header = application_message(&topic.rest(), b"");
    data.strip_prefix(header.as_ref()).and_then(|payload| std::str::from_utf8(payload).ok())
}

struct Hexadecimal<'a>(&'a Bytes);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::wire::{Draft, Envelope, MessageId, MessageKind};

    fn message(data: Bytes) -> Message {
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
        let draft = Draft { topic: Topic::new(MessageKind::Group, b"news"), data, envelope };
        Message { id: MessageId(7), origin: None, created_ns: 1_700_000_000_123_456_789, draft }
    }

    fn shown(form: LineForm, data: Bytes) -> String {
        lines(form, &[message(data)])
    }

    #[test]
    fn what_was_published_is_shown_on_one_line_and_cannot_move_the_cursor() {
        for (text, line) in [("héllo \"world\"", "héllo \"world\""), ("a\nb\x1b[2J", "a\\nb\\u{1b}[2J"), ("", "")] {
            let data = application_message(b"news", text.as_bytes());
            assert_eq!(shown(LineForm::Text, data), format!("#7 group:news {line}\n"));
        }
    }

    #[test]
    fn what_is_not_text_is_shown_in_hexadecimal() {
        assert!(shown(LineForm::Text, application_message(b"news", b"\xff")).starts_with("#7 group:news 0x0001"));
        assert_eq!(shown(LineForm::Text, Bytes::from_static(b"\x00\x01\xfe")), "#7 group:news 0x0001fe\n");
    }

    #[test]
    fn a_message_is_one_json_object_with_text_or_data() {
        let head = r#"{"topic":"group:news","id":7,"created":"2023-11-14T22:13:20.123456789Z""#;
        let text = shown(LineForm::Json, application_message(b"news", b"a\n\"b\""));
        assert_eq!(text, format!("{head},\"text\":\"a\\n\\\"b\\\"\"}}\n"));
        assert_eq!(shown(LineForm::Json, Bytes::from_static(b"\xfe")), format!("{head},\"data\":\"fe\"}}\n"));
    }
}
