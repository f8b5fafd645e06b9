//! One thing that a proxy does to a stream or a connection of its own accord, in a small closed vocabulary.
//!
//! Refuses to know when it is done, and who asks for it.

use std::fmt;

/// Makes the codes of RFC 9113 section 7, which are its own words.
macro_rules! reset_codes {
    ($($word:literal = $number:literal => $code:ident,)+) => {
        /// An error code of RST_STREAM and GOAWAY (RFC 9113 section 7).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ResetCode {
            $(#[doc = concat!($word, ", ", $number, ".")] $code,)+
        }

        impl ResetCode {
            /// Every code, with its word.
            pub const WORDS: &'static [(&'static str, ResetCode)] = &[$(($word, ResetCode::$code),)+];

            /// Its name in the RFC.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(ResetCode::$code => $word,)+
                }
            }

            /// Its number on the wire.
            #[must_use]
            pub fn number(self) -> u32 {
                match self {
                    $(ResetCode::$code => $number,)+
                }
            }
        }
    };
}

reset_codes! {
    "NO_ERROR" = 0x0 => NoError,
    "PROTOCOL_ERROR" = 0x1 => ProtocolError,
    "INTERNAL_ERROR" = 0x2 => InternalError,
    "FLOW_CONTROL_ERROR" = 0x3 => FlowControlError,
    "SETTINGS_TIMEOUT" = 0x4 => SettingsTimeout,
    "STREAM_CLOSED" = 0x5 => StreamClosed,
    "FRAME_SIZE_ERROR" = 0x6 => FrameSizeError,
    "REFUSED_STREAM" = 0x7 => RefusedStream,
    "CANCEL" = 0x8 => Cancel,
    "COMPRESSION_ERROR" = 0x9 => CompressionError,
    "CONNECT_ERROR" = 0xa => ConnectError,
    "ENHANCE_YOUR_CALM" = 0xb => EnhanceYourCalm,
    "INADEQUATE_SECURITY" = 0xc => InadequateSecurity,
    "HTTP_1_1_REQUIRED" = 0xd => Http11Required,
}

/// The code of a RST_STREAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetWith {
    /// This one.
    Code(ResetCode),
    /// The one that the node gave.
    Same,
}

/// What a made-up response has for a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageBody {
    /// A page of HTML.
    Html,
    /// A line of text.
    Text,
    /// Nothing: the headers end the stream.
    Empty,
    /// An empty DATA frame, which ends the stream.
    EmptyData,
}

/// One thing that a proxy does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing at all: the stream stays as it is.
    Nothing,
    /// Waits until the client has ended its half of the stream; what follows is done then.
    AwaitClientEnd,
    /// An empty DATA frame with END_STREAM: an end without trailers.
    EndStream,
    /// The trailers of the node, with END_STREAM.
    Trailers,
    /// A page of HTML as DATA with END_STREAM, in the midst of what else came.
    HtmlEndStream,
    /// RST_STREAM.
    Reset {
        /// Its code.
        with: ResetWith,
        /// Only if the client has not ended its half of the stream.
        if_open: bool,
    },
    /// A response of the proxy's own: HEADERS with a status of HTTP, and the end of the stream.
    Status {
        /// The status.
        status: u16,
        /// What follows the headers.
        body: PageBody,
    },
    /// A response of the proxy's own in gRPC's words: HEADERS with status 200 and `grpc-status`, and END_STREAM.
    GrpcStatus {
        /// gRPC's code.
        code: u8,
        /// What `grpc-message` says; empty for none.
        message: String,
    },
    /// GOAWAY on the connection, with the id of the last stream that was seen.
    Goaway(ResetCode),
    /// The connection is drained: it gets its GOAWAY, and is closed after that.
    Drain,
    /// The connection is closed: FIN.
    Close,
    /// The connection is reset: RST of TCP.
    TcpReset,
    /// The connection is forgotten: nothing is sent now, and the next packet is answered with RST of TCP.
    Forget,
}

impl Reaction {
    /// A client that has more to say after the end of its response is told that nobody listens (RFC 9113 section 8.1).
    pub(crate) const LET_GO: Reaction = Reaction::Reset { with: ResetWith::Code(ResetCode::NoError), if_open: true };
}

impl fmt::Display for Reaction {
    /// As a file has it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reaction::Nothing => formatter.write_str("nothing"),
            Reaction::AwaitClientEnd => formatter.write_str("await-client-end"),
            Reaction::EndStream => formatter.write_str("end-stream"),
            Reaction::Trailers => formatter.write_str("trailers"),
            Reaction::HtmlEndStream => formatter.write_str("html end-stream"),
            Reaction::Reset { with, if_open } => {
                let code = match with {
                    ResetWith::Code(code) => code.word(),
                    ResetWith::Same => SAME,
                };
                write!(formatter, "reset {code}{}", if *if_open { IF_OPEN } else { "" })
            }
            Reaction::Status { status, body: PageBody::Html } => write!(formatter, "status {status} html"),
            Reaction::Status { status, body: PageBody::Text } => write!(formatter, "status {status} text"),
            Reaction::Status { status, body: PageBody::Empty } => write!(formatter, "status {status} empty"),
            Reaction::Status { status, body: PageBody::EmptyData } => write!(formatter, "status {status} empty-data"),
            Reaction::GrpcStatus { code, message } if message.is_empty() => write!(formatter, "grpc-status {code}"),
            Reaction::GrpcStatus { code, message } => write!(formatter, "grpc-status {code} {message}"),
            Reaction::Goaway(code) => write!(formatter, "goaway {}", code.word()),
            Reaction::Drain => formatter.write_str("drain"),
            Reaction::Close => formatter.write_str("close"),
            Reaction::TcpReset => formatter.write_str("tcp-reset"),
            Reaction::Forget => formatter.write_str("forget"),
        }
    }
}

/// The word for the node's own code.
pub(crate) const SAME: &str = "same";
/// What limits a reset to clients that have more to say.
pub(crate) const IF_OPEN: &str = " if open";

/// How the proxy ends a stream, one thing after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Where the client has no response headers yet.
    pub before: Vec<Reaction>,
    /// Where it has.
    pub after: Vec<Reaction>,
}

impl Ending {
    /// RST_STREAM.
    #[must_use]
    pub fn reset(code: ResetCode) -> Self {
        Ending::alike(vec![Reaction::Reset { with: ResetWith::Code(code), if_open: false }])
    }

    /// END_STREAM without trailers, which gRPC has no meaning for.
    #[must_use]
    pub fn end_stream() -> Self {
        Ending::alike(vec![Reaction::EndStream, Reaction::LET_GO])
    }

    /// A page of HTML, with that status of HTTP where there are no headers yet.
    #[must_use]
    pub fn html(status: u16) -> Self {
        let before = vec![Reaction::Status { status, body: PageBody::Html }, Reaction::LET_GO];
        Ending { before, after: vec![Reaction::HtmlEndStream, Reaction::LET_GO] }
    }

    /// That status of gRPC: alone, or in trailers.
    #[must_use]
    pub fn status(code: u8) -> Self {
        Ending::alike(vec![Reaction::GrpcStatus { code, message: String::new() }, Reaction::LET_GO])
    }

    fn alike(reactions: Vec<Reaction>) -> Self {
        Ending { before: reactions.clone(), after: reactions }
    }
}
