//! Lies about one connection: told among its frames, below HTTP/2, or as its TLS begins.
//!
//! Refuses to know how frames are forged.

use std::time::Duration;

/// What is done to a connection, by the frames that the proxy sends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionLie {
    /// GOAWAY (RFC 9113 section 6.8).
    GoAway {
        /// Its error code.
        code: u32,
        /// Its last stream.
        last: LastStream,
        /// A second one follows so long after the first, with the last stream that was seen.
        twice: Option<Duration>,
        /// The connection is closed so long after the first; `None`: it goes on.
        closes_after: Option<Duration>,
        /// Again so long after it was sent, as long as the connection lives.
        every: Option<Duration>,
    },
    /// What becomes of the answers to PING (section 6.7).
    PingAnswers(PingAnswer),
    /// SETTINGS are never acknowledged (section 6.5.3).
    SettingsUnanswered,
    /// A SETTINGS frame in the middle of the connection (section 6.5).
    Settings {
        /// SETTINGS_MAX_CONCURRENT_STREAMS.
        max_concurrent_streams: Option<u32>,
        /// SETTINGS_INITIAL_WINDOW_SIZE, in bytes, at most 2,147,483,647.
        initial_window: Option<u32>,
    },
    /// WINDOW_UPDATE (section 6.9) is never sent.
    WindowUpdatesWithheld(WindowKind),
    /// What is offered in ALPN (RFC 7301) instead of the truth, the dearest first; empty: it is not answered. Only where a
    /// client begins TLS.
    Alpn(Vec<String>),
}

/// The last stream that a GOAWAY tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastStream {
    /// 2,147,483,647: more may come.
    All,
    /// The highest that was opened.
    Seen,
    /// 0: none was processed, which is untrue where some were.
    None,
}

/// What becomes of the answer to a PING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingAnswer {
    /// It is not sent.
    Missing,
    /// It is sent so much later.
    Late(Duration),
    /// It is sent twice.
    Doubled,
    /// It is sent with other data than the PING's.
    Wrong,
}

/// Whose window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// The connection's.
    Connection,
    /// The streams'.
    Streams,
    /// Both.
    Both,
}
