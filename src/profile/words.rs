//! The words that a value of a profile may be, each with what it means.
//!
//! Refuses to know which key has which.

use crate::grammar::{Entry, Problem};
use crate::profile::spoken::{Spelled, Spoken};

/// Makes an enum whose variants are words of a file.
macro_rules! words {
    ($(#[doc = $about:literal])+ $name:ident, $what:literal, $takes:literal, $example:literal:
        $($(#[doc = $means:literal])+ $word:literal => $variant:ident,)+) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $means])+ $variant,)+
        }

        impl $name {
            /// Every one, with its word.
            const WORDS: &'static [(&'static str, $name)] = &[$(($word, $name::$variant),)+];

            /// The word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// Reads one.
            pub(crate) fn read_word(entry: &Entry<'_>) -> Result<Self, Problem> {
                entry.choice($what, $name::WORDS)
            }
        }

        impl Spoken for $name {
            const TAKES: &'static str = $takes;
            const EXAMPLE: &'static str = $example;

            fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
                $name::read_word(entry)
            }

            fn spelled(&self) -> Spelled {
                Spelled::Text(self.word().to_owned())
            }
        }
    };
}

words! {
    /// What a proxy understands of a connection.
    ProxyLayer, "layer", "`http2` or `tcp`", "\"http2\"":
    /// It ends HTTP/2 on both sides, and answers PING itself.
    "http2" => Http2,
    /// It passes bytes: frames are the client's and the node's own, and a PING reaches the node.
    "tcp" => Tcp,
}

words! {
    /// When a connection that has grown old, or is drained, gets its first GOAWAY.
    GoawayMoment, "moment", "`at-once`, `next-request` or `next-response`", "\"at-once\"":
    /// At that time.
    "at-once" => AtOnce,
    /// With the next request on that connection.
    "next-request" => NextRequest,
    /// With the next response headers on that connection: one that only has long streams gets none.
    "next-response" => NextResponse,
}

words! {
    /// What a client is told when its connection is to be drained.
    GoawayForm, "form", "`none`, `open`, `last` or `double`", "\"double\"":
    /// No GOAWAY.
    "none" => Silent,
    /// One GOAWAY whose last stream id is 2^31-1.
    "open" => Open,
    /// One GOAWAY with the id of the last stream that was seen.
    "last" => Last,
    /// One whose last stream id is 2^31-1, and later one with the id of the last stream that was seen.
    "double" => Double,
}

words! {
    /// What becomes of a stream that a client opens after the GOAWAY that should have kept it from doing so.
    LaterStreams, "fate of later streams", "`served`, `ignored` or `break-connection`", "\"served\"":
    /// It is served.
    "served" => Served,
    /// Its HEADERS are never answered.
    "ignored" => Ignored,
    /// The whole connection ends, with an error.
    "break-connection" => BreakConnection,
}

words! {
    /// How streams are spread over connections to the node.
    NodePool, "kind of pool", "`shared`, `per-client` or `per-request`", "\"shared\"":
    /// Streams of all clients share connections.
    "shared" => Shared,
    /// Each client's connection has one of its own.
    "per-client" => PerClient,
    /// Each request has one of its own.
    "per-request" => PerRequest,
}

words! {
    /// What a request waits for before the node hears of it.
    RequestHold, "hold", "`none`, `first-message` or `whole`", "\"none\"":
    /// Nothing.
    "none" => Nothing,
    /// The client's first message.
    "first-message" => FirstMessage,
    /// The end of the request: a stream that stays open never reaches the node.
    "whole" => Whole,
}

words! {
    /// What a response waits for before the client hears of it.
    ResponseHold, "hold", "`none` or `whole`", "\"none\"":
    /// Nothing.
    "none" => Nothing,
    /// The end of the response: a stream that stays open never shows the client anything.
    "whole" => Whole,
}

words! {
    /// Why a request is sent to the node once more, before any of its response has passed.
    RetryCause, "reason to try again", "a reason", "\"connect-failure\"":
    /// The node could not be reached.
    "connect-failure" => ConnectFailure,
    /// The node reset the stream with REFUSED_STREAM.
    "refused-stream" => RefusedStream,
    /// The node had said GOAWAY(NO_ERROR).
    "goaway" => Goaway,
    /// A connection that had been used before was found dead.
    "reused-connection" => ReusedConnection,
    /// The node reset the stream, or its connection ended.
    "reset" => Reset,
    /// The node answered UNAVAILABLE.
    "unavailable" => Unavailable,
    /// The node answered CANCELLED.
    "cancelled" => Cancelled,
    /// The node answered RESOURCE_EXHAUSTED.
    "resource-exhausted" => ResourceExhausted,
    /// The node answered DEADLINE_EXCEEDED.
    "deadline-exceeded" => DeadlineExceeded,
    /// The node answered INTERNAL.
    "internal" => Internal,
    /// The node answered with a status of HTTP from 500 on.
    "http-5xx" => Http5xx,
    /// A time ran out before the response headers.
    "timeout" => Timeout,
}
