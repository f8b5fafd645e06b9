//! What a proxy has done and what is alive in it, kept from its notices.
//!
//! Refuses to know how it is shown, and keeps no payload.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::lie::{Direction, StreamKey};
use crate::proxy::{ProxyFate, ProxyNotice, ProxyObserver, StreamWindows, WayWindow};

/// Hears one proxy, and logs what it hears: connections at info, streams at debug, every notice at trace.
pub(crate) struct ProxyLedger {
    proxy: String,
    state: Mutex<ProxyNumbers>,
}

#[derive(Default)]
struct ProxyNumbers {
    totals: Totals,
    live: BTreeMap<u64, OpenConnection>,
}

/// How much of everything, since the proxy was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) connections: u64,
    pub(crate) streams: u64,
    pub(crate) pings_answered: u64,
    pub(crate) to_node: WayTotals,
    pub(crate) to_client: WayTotals,
}

/// How much of everything that travels one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WayTotals {
    /// Bytes of DATA.
    pub(crate) passed_bytes: u64,
    pub(crate) swallowed_bytes: u64,
    pub(crate) resets: u64,
}

struct OpenConnection {
    peer: SocketAddr,
    opened: Instant,
    is_closed: bool,
    streams: BTreeMap<u32, OpenStream>,
}

struct OpenStream {
    path: String,
    windows: StreamWindows,
    opened: Instant,
    last_byte: Instant,
    bytes_to_node: u64,
    bytes_to_client: u64,
    has_reached_node: bool,
    has_answer: bool,
    has_request_ended: bool,
    has_response_ended: bool,
}

/// A connection of a client, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionJson {
    /// Its serial number in the proxy, from 1.
    pub connection: u64,
    /// The client's address.
    pub peer: String,
    /// `open`, or `closed` where a lie keeps streams at the node.
    pub state: String,
    /// Since it was accepted, in milliseconds.
    pub age_ms: u64,
    /// Its streams, by their ids.
    pub streams: Vec<StreamJson>,
}

/// A stream, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamJson {
    /// Its id on its connection (RFC 9113 section 5.1.1).
    pub stream: u32,
    /// The path of its request.
    pub path: String,
    /// `waiting` (the node does not know it), `requested`, `answered`, `half-closed` (the client has ended) or `ended`.
    pub state: String,
    /// Since it was opened, in milliseconds.
    pub age_ms: u64,
    /// Since the last byte of DATA either way, in milliseconds.
    pub idle_ms: u64,
    /// Bytes of DATA from the client that were passed.
    pub bytes_to_node: u64,
    /// Bytes of DATA from the node that were passed.
    pub bytes_to_client: u64,
    /// What flow control has left from the client to the node; none before anything could pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_to_node: Option<WindowJson>,
    /// The same from the node to the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_to_client: Option<WindowJson>,
}

/// One way of a stream, when the proxy last waited for it (RFC 9113 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowJson {
    /// Bytes that the sender may still send to the proxy; below 0 where its window was made smaller.
    pub left: i64,
    /// Bytes in the proxy for which it has given no window back yet.
    pub taken: u64,
    /// Whether something waits because the receiver gives no window.
    pub stalled: bool,
}

impl ProxyLedger {
    /// Of the proxy of that name.
    pub(crate) fn new(proxy: &str) -> Self {
        ProxyLedger { proxy: proxy.to_owned(), state: Mutex::default() }
    }

    /// How much of everything.
    pub(crate) fn totals(&self) -> Totals {
        self.state().totals
    }

    /// How many connections and streams there are.
    pub(crate) fn live(&self) -> (usize, usize) {
        let state = self.state();
        (state.live.len(), state.live.values().map(|connection| connection.streams.len()).sum())
    }

    /// Every connection and stream that there is.
    pub(crate) fn connections(&self) -> Vec<ConnectionJson> {
        let now = Instant::now();
        self.state().live.iter().map(|(serial, connection)| connection.json(*serial, now)).collect()
    }

    /// The proxy was closed, and told nobody what became of its connections.
    pub(crate) fn clear(&self) {
        self.state().live.clear();
    }

    /// A panic under the lock leaves numbers behind, and no promise about them.
    fn state(&self) -> MutexGuard<'_, ProxyNumbers> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, notice: &ProxyNotice) {
        let proxy = self.proxy.as_str();
        match notice {
            ProxyNotice::ConnectionOpened { connection, peer } => {
                tracing::info!(proxy, connection, %peer, "connection opened");
            }
            ProxyNotice::ConnectionClosed { connection } => tracing::info!(proxy, connection, "connection closed"),
            ProxyNotice::StreamOpened { stream, path, .. } => tracing::debug!(proxy, %stream, path, "stream opened"),
            ProxyNotice::StreamClosed { stream } => tracing::debug!(proxy, %stream, "stream closed"),
            ProxyNotice::Reset { stream, direction, fate } => {
                tracing::debug!(proxy, %stream, %direction, ?fate, "stream reset");
            }
            ProxyNotice::PingAnswered { connection } => tracing::debug!(proxy, connection, "PING answered"),
            ProxyNotice::NoHttp { .. }
            | ProxyNotice::Headers { .. }
            | ProxyNotice::Data { .. }
            | ProxyNotice::Trailers { .. } => {}
        }
        tracing::trace!(proxy, ?notice);
    }
}

impl ProxyObserver for ProxyLedger {
    fn notice(&self, notice: ProxyNotice) {
        self.log(&notice);
        self.state().take(notice, Instant::now());
    }
}

impl ProxyNumbers {
    fn take(&mut self, notice: ProxyNotice, now: Instant) {
        match notice {
            ProxyNotice::ConnectionOpened { connection, peer } => {
                self.totals.connections += 1;
                let live = OpenConnection { peer, opened: now, is_closed: false, streams: BTreeMap::new() };
                self.live.insert(connection, live);
            }
            ProxyNotice::ConnectionClosed { connection } => {
                self.live.entry(connection).and_modify(|live| live.is_closed = true);
                self.forget(connection);
            }
            ProxyNotice::PingAnswered { .. } => self.totals.pings_answered += 1,
            ProxyNotice::StreamOpened { stream, path, windows } => {
                self.totals.streams += 1;
                if let Some(live) = self.live.get_mut(&stream.connection) {
                    live.streams.insert(stream.stream, OpenStream::new(path, windows, now));
                }
            }
            ProxyNotice::Headers { stream, direction, fate: ProxyFate::Passed } => {
                self.with(stream, |live| match direction {
                    Direction::ToNode => live.has_reached_node = true,
                    Direction::ToClient => live.has_answer = true,
                });
            }
            ProxyNotice::Data { stream, direction, data, fate } => self.count(stream, direction, data.len(), fate, now),
            ProxyNotice::Trailers { stream, direction, fate, .. } => self.with(stream, |live| match direction {
                // What the client has ended is ended, wherever it went.
                Direction::ToNode => live.has_request_ended = true,
                Direction::ToClient => live.has_response_ended |= fate == ProxyFate::Passed,
            }),
            ProxyNotice::Reset { stream, direction, .. } => {
                self.way(direction).resets += 1;
                self.with(stream, |live| live.has_response_ended = true);
            }
            ProxyNotice::StreamClosed { stream } => {
                if let Some(live) = self.live.get_mut(&stream.connection) {
                    live.streams.remove(&stream.stream);
                }
                self.forget(stream.connection);
            }
            ProxyNotice::NoHttp { .. } | ProxyNotice::Headers { fate: ProxyFate::Swallowed, .. } => {}
        }
    }

    fn count(&mut self, stream: StreamKey, direction: Direction, bytes: usize, fate: ProxyFate, now: Instant) {
        let (bytes, way) = (bytes as u64, self.way(direction));
        match fate {
            ProxyFate::Passed => way.passed_bytes += bytes,
            ProxyFate::Swallowed => way.swallowed_bytes += bytes,
        }
        self.with(stream, |live| {
            live.last_byte = now;
            match (direction, fate) {
                (Direction::ToNode, ProxyFate::Passed) => live.bytes_to_node += bytes,
                (Direction::ToClient, ProxyFate::Passed) => live.bytes_to_client += bytes,
                (Direction::ToNode | Direction::ToClient, ProxyFate::Swallowed) => {}
            }
        });
    }

    fn way(&mut self, direction: Direction) -> &mut WayTotals {
        match direction {
            Direction::ToNode => &mut self.totals.to_node,
            Direction::ToClient => &mut self.totals.to_client,
        }
    }

    fn with(&mut self, stream: StreamKey, change: impl FnOnce(&mut OpenStream)) {
        let live = self.live.get_mut(&stream.connection).and_then(|live| live.streams.get_mut(&stream.stream));
        if let Some(live) = live {
            change(live);
        }
    }

    /// Forgets a connection that is closed and has no stream left.
    fn forget(&mut self, connection: u64) {
        if self.live.get(&connection).is_some_and(|live| live.is_closed && live.streams.is_empty()) {
            self.live.remove(&connection);
        }
    }
}

impl OpenConnection {
    fn json(&self, connection: u64, now: Instant) -> ConnectionJson {
        ConnectionJson {
            connection,
            peer: self.peer.to_string(),
            state: if self.is_closed { "closed" } else { "open" }.into(),
            age_ms: millis(now - self.opened),
            streams: self.streams.iter().map(|(id, stream)| stream.json(*id, now)).collect(),
        }
    }
}

impl OpenStream {
    fn new(path: String, windows: StreamWindows, now: Instant) -> Self {
        OpenStream {
            path,
            windows,
            opened: now,
            last_byte: now,
            bytes_to_node: 0,
            bytes_to_client: 0,
            has_reached_node: false,
            has_answer: false,
            has_request_ended: false,
            has_response_ended: false,
        }
    }

    fn state(&self) -> &'static str {
        if self.has_response_ended {
            "ended"
        } else if self.has_request_ended && self.has_reached_node {
            "half-closed"
        } else if self.has_answer {
            "answered"
        } else if self.has_reached_node {
            "requested"
        } else {
            "waiting"
        }
    }

    fn window(&self, direction: Direction) -> Option<WindowJson> {
        let WayWindow { left, taken, is_stalled } = self.windows.of(direction)?;
        Some(WindowJson { left, taken, stalled: is_stalled })
    }

    fn json(&self, stream: u32, now: Instant) -> StreamJson {
        StreamJson {
            stream,
            path: self.path.clone(),
            state: self.state().into(),
            age_ms: millis(now - self.opened),
            idle_ms: millis(now - self.last_byte),
            bytes_to_node: self.bytes_to_node,
            bytes_to_client: self.bytes_to_client,
            window_to_node: self.window(Direction::ToNode),
            window_to_client: self.window(Direction::ToClient),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    const STREAM: StreamKey = StreamKey { connection: 1, stream: 3 };

    fn opened() -> ProxyLedger {
        let ledger = ProxyLedger::new("p");
        let peer = "10.0.0.1:40000".parse().expect("an address");
        ledger.notice(ProxyNotice::ConnectionOpened { connection: 1, peer });
        ledger.notice(ProxyNotice::StreamOpened {
            stream: STREAM,
            path: "/a/B".into(),
            windows: StreamWindows::default(),
        });
        ledger
    }

    fn state(ledger: &ProxyLedger) -> String {
        ledger.connections()[0].streams[0].state.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_followed_from_its_opening_to_its_end() {
        let ledger = opened();
        assert_eq!(state(&ledger), "waiting");
        let headers = |direction| ProxyNotice::Headers { stream: STREAM, direction, fate: ProxyFate::Passed };
        ledger.notice(headers(Direction::ToNode));
        assert_eq!(state(&ledger), "requested");
        ledger.notice(headers(Direction::ToClient));
        assert_eq!(state(&ledger), "answered");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let data = |fate| ProxyNotice::Data {
            stream: STREAM,
            direction: Direction::ToClient,
            data: Bytes::from_static(b"12345"),
            fate,
        };
        ledger.notice(data(ProxyFate::Passed));
        ledger.notice(data(ProxyFate::Swallowed));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let stream = ledger.connections()[0].streams[0].clone();
        assert_eq!((stream.age_ms, stream.idle_ms, stream.bytes_to_client), (3000, 1000, 5));
        let (stream, fate, trailers) = (STREAM, ProxyFate::Passed, HeaderMap::new());
        ledger.notice(ProxyNotice::Trailers { stream, direction: Direction::ToNode, trailers, fate });
        assert_eq!(state(&ledger), "half-closed");
        ledger.notice(ProxyNotice::Reset { stream, direction: Direction::ToClient, fate });
        assert_eq!(state(&ledger), "ended");
        let totals = ledger.totals();
        assert_eq!((totals.to_client.passed_bytes, totals.to_client.swallowed_bytes), (5, 5));
        assert_eq!((totals.connections, totals.streams, totals.to_client.resets), (1, 1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_closed_stays_as_long_as_a_stream_of_it() {
        let ledger = opened();
        ledger.notice(ProxyNotice::ConnectionClosed { connection: 1 });
        assert_eq!(ledger.live(), (1, 1));
        assert_eq!(ledger.connections()[0].state, "closed");
        ledger.notice(ProxyNotice::StreamClosed { stream: STREAM });
        assert_eq!(ledger.live(), (0, 0));
    }
}
