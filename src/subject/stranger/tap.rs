//! The tap on a stranger's proxy: it tells which streams pass, and that the proxy answered a PING by itself.
//!
//! Refuses to read what passes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::fault::Direction;
use crate::history::{Beat, Event, HostName, TapStream};
use crate::lie::StreamKey;
use crate::proxy::{ProxyNotice, ProxyObserver};
use crate::subject::TapSeat;

/// Observes one process of a proxy.
pub(crate) struct StrangerTap {
    seat: TapSeat,
    relayed: Mutex<RelayedStreams>,
}

/// What the process relays now.
#[derive(Default)]
struct RelayedStreams {
    /// Who stands behind each connection.
    connections: BTreeMap<u64, HostName>,
    /// The streams, and the status that each ends with.
    streams: BTreeMap<StreamKey, Option<u16>>,
}

impl StrangerTap {
    pub(crate) fn new(seat: TapSeat) -> Self {
        StrangerTap { seat, relayed: Mutex::default() }
    }

    fn name(&self, key: StreamKey) -> TapStream {
        TapStream { incarnation: self.seat.incarnation, connection: key.connection, stream: key.stream }
    }

    fn record(&self, relayed: &RelayedStreams, connection: u64, event: Event) {
        if let Some(host) = relayed.connections.get(&connection) {
            self.seat.recorder.on(host).record(event);
        }
    }
}

impl ProxyObserver for StrangerTap {
    fn notice(&self, notice: ProxyNotice) {
        let mut locked = self.relayed.lock().unwrap_or_else(PoisonError::into_inner);
        let relayed = &mut *locked;
        match notice {
            ProxyNotice::ConnectionOpened { connection, peer } => {
                let host = self.seat.names.get().and_then(|names| names.get(&peer.ip()));
                relayed.connections.extend(host.map(|host| (connection, host.clone())));
            }
            ProxyNotice::ConnectionClosed { connection } => drop(relayed.connections.remove(&connection)),
            ProxyNotice::PingAnswered { connection } => {
                let beat = Beat::KeepaliveAnswered { incarnation: self.seat.incarnation, connection };
                self.record(relayed, connection, Event::Beat { beat, nonce: None });
            }
            ProxyNotice::StreamOpened { stream, path, .. } => {
                relayed.streams.insert(stream, None);
                self.record(relayed, stream.connection, Event::TapOpened { stream: self.name(stream), path });
            }
            ProxyNotice::StreamClosed { stream } => {
                if let Some(status) = relayed.streams.remove(&stream) {
                    self.record(relayed, stream.connection, Event::TapClosed { stream: self.name(stream), status });
                }
            }
            ProxyNotice::Trailers { stream, direction: Direction::ToNode, .. } => {
                if relayed.streams.contains_key(&stream) {
                    self.record(relayed, stream.connection, Event::HalfClosed { stream: self.name(stream) });
                }
            }
            ProxyNotice::Trailers { stream, direction: Direction::ToClient, trailers, .. } => {
                if let Some(status) = relayed.streams.get_mut(&stream) {
                    let told = trailers.get("grpc-status").and_then(|status| status.to_str().ok());
                    *status = told.and_then(|status| status.parse().ok());
                }
            }
            ProxyNotice::Data { .. } | ProxyNotice::Headers { .. } | ProxyNotice::Reset { .. } => {}
        }
    }
}
