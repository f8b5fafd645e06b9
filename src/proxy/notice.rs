//! What an observer is told: each thing that happened in the proxy, in the order in which it happened.
//!
//! Refuses to know what the observer makes of it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderMap;

use crate::lie::{Direction, StreamKey};
use crate::proxy::windows::StreamWindows;

/// Hears every notice; called inside the proxy's tasks, so it must not block.
pub trait ProxyObserver: Send + Sync + 'static {
    /// Something happened.
    fn notice(&self, notice: ProxyNotice);
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyFate {
    /// It was handed on.
    Passed,
    /// It went no further: a rule of [`Control`](crate::proxy::Control) swallowed it, or there was nobody left to
    /// take it.
    Swallowed,
}

/// Something that happened in the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyNotice {
    /// A client's connection was accepted.
    ConnectionOpened {
        /// Its serial number, from 1.
        connection: u64,
        /// The client's address.
        peer: SocketAddr,
    },
    /// A client's connection is gone, and its streams with it, but for those whose node half a rule keeps open.
    ConnectionClosed {
        /// Its serial number.
        connection: u64,
    },
    /// A client's connection came to no HTTP/2, though the proxy speaks it: something else came, or nothing in time.
    NoHttp {
        /// The connection's serial number.
        connection: u64,
    },
    /// The proxy itself wrote an HTTP/2 PING with the ACK flag to the client.
    PingAnswered {
        /// The connection's serial number.
        connection: u64,
    },
    /// A client opened a stream.
    StreamOpened {
        /// The stream.
        stream: StreamKey,
        /// The path of its request, such as `/package.Service/Method`.
        path: String,
        /// What flow control has left of it, from now on.
        windows: StreamWindows,
    },
    /// The headers of a request or of a response, also of a response that the proxy made up itself.
    Headers {
        /// The stream.
        stream: StreamKey,
        /// The way they travel.
        direction: Direction,
        /// What became of them.
        fate: ProxyFate,
    },
    /// A piece of payload, as it was handed on or swallowed; its borders mean nothing.
    Data {
        /// The stream.
        stream: StreamKey,
        /// The way it travels.
        direction: Direction,
        /// The bytes.
        data: Bytes,
        /// What became of them.
        fate: ProxyFate,
    },
    /// The orderly end of one direction: trailers, or a bare END_STREAM on whichever frame it rode.
    Trailers {
        /// The stream.
        stream: StreamKey,
        /// The way they travel.
        direction: Direction,
        /// The trailers; none with a bare END_STREAM.
        trailers: HeaderMap,
        /// What became of them.
        fate: ProxyFate,
    },
    /// The abrupt end of a stream: a reset, or the loss of a connection, which travels on as a reset.
    Reset {
        /// The stream.
        stream: StreamKey,
        /// The way it travels.
        direction: Direction,
        /// What became of it.
        fate: ProxyFate,
    },
    /// The proxy has let go of both halves of a stream; the last notice of the stream.
    StreamClosed {
        /// The stream.
        stream: StreamKey,
    },
}
