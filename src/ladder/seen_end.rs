//! How the end of a stream looked to the client that held it.
//!
//! Refuses to know who ended it, and whether that was right: it goes by what the client was told by its own HTTP/2, in
//! the words of tonic, hyper and h2.

use std::borrow::Cow;
use std::fmt;

use h2::Reason;
use schemars::JsonSchema;
use serde::Serialize;

use crate::history::EndCause;
use crate::ladder::held::{gave_up_on_ping, is_of_the_connection};

/// h2 says so of RST_STREAM, before what the code means.
const OF_A_STREAM: &str = "stream error received: ";
/// h2 says so of GOAWAY, before what the code means.
const OF_A_CONNECTION: &str = "connection error received: ";
/// tonic says so of a response that is HTTP's own, before its status.
const OF_HTTP: &str = "while receiving response with status: ";
/// tonic says so of an end without trailers, and of one in the middle of a message.
const WITHOUT_TRAILERS: [&str; 2] = ["missing grpc-status trailer", "Unexpected EOF decoding stream"];
/// The codes of RFC 9113 section 7.
const CODES: std::ops::RangeInclusive<u32> = 0..=13;

/// What told a client that its stream is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "saw", content = "what")]
pub enum SeenEnd {
    /// Nothing: the client gave up what it heard nothing from.
    Nothing,
    /// No connection came about.
    NoConnection,
    /// RST_STREAM, with that code.
    Reset(String),
    /// GOAWAY, with that code.
    Goaway(String),
    /// END_STREAM, and no trailers: some clients take it for a clean end.
    EndWithoutTrailers,
    /// A response of HTTP, and none of gRPC.
    Http(String),
    /// A status of gRPC, by name.
    Status(String),
    /// A status of gRPC that says that all is well.
    CleanEnd,
    /// The connection ended.
    ConnectionEnded,
    /// A PING of HTTP/2 was not answered.
    PingUnanswered,
}

impl SeenEnd {
    /// What an attempt's end was to its client; none where the client ended it for reasons of its own.
    #[must_use]
    pub fn of(cause: EndCause, words: &str) -> Option<SeenEnd> {
        match cause {
            EndCause::Watchdog | EndCause::Stale => Some(SeenEnd::Nothing),
            EndCause::DialFailed => Some(SeenEnd::NoConnection),
            EndCause::StreamEnded => Some(SeenEnd::CleanEnd),
            EndCause::Refused | EndCause::StreamFailed | EndCause::Rejected | EndCause::Exhausted => {
                Some(SeenEnd::told_by(words))
            }
            EndCause::StoreFailed
            | EndCause::BacklogFull
            | EndCause::Finished
            | EndCause::FallbackOver
            | EndCause::ConsumerBehind => None,
        }
    }

    fn told_by(words: &str) -> SeenEnd {
        if let Some(code) = code_after(words, OF_A_STREAM) {
            return SeenEnd::Reset(code);
        }
        if let Some(code) = code_after(words, OF_A_CONNECTION) {
            return SeenEnd::Goaway(code);
        }
        if let Some((_, status)) = words.split_once(OF_HTTP).filter(|(_, status)| *status != "200 OK") {
            return SeenEnd::Http(status.to_owned());
        }
        if WITHOUT_TRAILERS.iter().any(|part| words.contains(part)) {
            return SeenEnd::EndWithoutTrailers;
        }
        if gave_up_on_ping(words) {
            return SeenEnd::PingUnanswered;
        }
        if is_of_the_connection(words) {
            return SeenEnd::ConnectionEnded;
        }
        let name = words.split(':').find(|part| STATUSES.contains(&part.trim())).map_or(words, str::trim);
        SeenEnd::Status(name.to_owned())
    }

    /// In words, for a column.
    #[must_use]
    pub fn words(&self) -> Cow<'static, str> {
        match self {
            SeenEnd::Nothing => "nothing".into(),
            SeenEnd::NoConnection => "no connection".into(),
            SeenEnd::Reset(code) => format!("RST_STREAM {code}").into(),
            SeenEnd::Goaway(code) => format!("GOAWAY {code}").into(),
            SeenEnd::EndWithoutTrailers => "END_STREAM, no trailers".into(),
            SeenEnd::Http(status) => format!("HTTP {status}").into(),
            SeenEnd::Status(name) => format!("status {name}").into(),
            SeenEnd::CleanEnd => "status Ok".into(),
            SeenEnd::ConnectionEnded => "the connection ended".into(),
            SeenEnd::PingUnanswered => "a PING unanswered".into(),
        }
    }
}

impl fmt::Display for SeenEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words())
    }
}

/// The code of HTTP/2 that is meant by what stands behind `mark`.
fn code_after(words: &str, mark: &str) -> Option<String> {
    let (_, told) = words.split_once(mark)?;
    let meant = |code: &Reason| told.starts_with(code.description());
    // The longest: one description may begin as another does.
    let codes = CODES.map(Reason::from).filter(meant);
    codes.max_by_key(|code| code.description().len()).map(|code| format!("{code:?}"))
}

/// The statuses of gRPC by their numbers, as tonic writes them.
const STATUSES: [&str; 17] = [
    "Ok",
    "Cancelled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_written_as_tonic_writes_them() {
        for (number, status) in (0..).zip(STATUSES) {
            assert_eq!(format!("{:?}", tonic::Code::from_i32(number)), status);
        }
    }

    fn told(words: &str) -> String {
        SeenEnd::of(EndCause::StreamFailed, words).expect("it was told").to_string()
    }

    #[test]
    fn what_h2_tonic_and_hyper_say_is_told_in_the_words_of_their_protocols() {
        let reset = |number: u32| {
            let code = Reason::from(number);
            let meaning = code.description();
            told(&format!("stream failed: Internal: h2 protocol error: error reading a body: {OF_A_STREAM}{meaning}"))
        };
        for code in CODES {
            assert_eq!(reset(code), format!("RST_STREAM {:?}", Reason::from(code)));
        }
        for (words, seen) in [
            (
                "refused: ResourceExhausted: h2 protocol error: http2 error: transport error: connection error received: \
                 detected excessive load generating behavior",
                "GOAWAY ENHANCE_YOUR_CALM",
            ),
            (
                "refused: Internal: protocol error: received message with invalid compression flag: 60 (valid flags are 0 \
                 and 1) while receiving response with status: 504 Gateway Timeout",
                "HTTP 504 Gateway Timeout",
            ),
            (
                "stream failed: Unknown: protocol error: missing grpc-status trailer, stream was terminated",
                "END_STREAM, no trailers",
            ),
            ("stream failed: Internal: Unexpected EOF decoding stream.", "END_STREAM, no trailers"),
            (
                "stream failed: Unknown: h2 protocol error: error reading a body from connection: stream closed because of a \
                 broken pipe",
                "the connection ended",
            ),
            ("stream failed: DeadlineExceeded: no matching Pong arrived in time", "status DeadlineExceeded"),
            ("Unavailable: the node is shutting down", "status Unavailable"),
        ] {
            assert_eq!(told(words), seen, "{words}");
        }
    }

    #[test]
    fn what_a_client_ends_for_itself_it_was_not_told() {
        assert_eq!(SeenEnd::of(EndCause::ConsumerBehind, "the application is behind"), None);
        assert_eq!(SeenEnd::of(EndCause::Watchdog, "watchdog"), Some(SeenEnd::Nothing));
        assert_eq!(SeenEnd::of(EndCause::StreamEnded, "stream ended"), Some(SeenEnd::CleanEnd));
    }
}
