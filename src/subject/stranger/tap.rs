//! The tap on a stranger's proxy: it tells which streams pass, and that the proxy answered a PING by itself.
//!
//! Refuses to read what passes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::fault::Direction;
use crate::history::{Aside, AsideKind, Beat, Event, HostName, TapStream};
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
    /// Who has had a stream: they know HTTP/2.
    fluent: BTreeSet<HostName>,
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

impl StrangerTap {
    /// A host that has never had a stream came without HTTP/2.
    fn note_no_http(&self, relayed: &RelayedStreams, connection: u64) {
        let host = relayed.connections.get(&connection).filter(|host| !relayed.fluent.contains(*host));
        let Some(host) = host.cloned() else { return };
        let proxy = self.seat.recorder.host();
        let did = format!("dialed the proxy {proxy} and sent no HTTP/2 preface");
        let so = format!(
            "{proxy} speaks HTTP/2; where another protocol is to pass, have it pass bytes: `.set(\"layer\", \"tcp\")` on \
             the `Proxy`, `layer = \"tcp\"` in a sim"
        );
        self.seat.recorder.note(Aside { at: self.seat.recorder.now(), host, count: 1, kind: AsideKind::Clue, did, so });
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
            ProxyNotice::NoHttp { connection } => self.note_no_http(relayed, connection),
            ProxyNotice::PingAnswered { connection } => {
                let beat = Beat::KeepaliveAnswered { incarnation: self.seat.incarnation, connection };
                self.record(relayed, connection, Event::Beat { beat, nonce: None });
            }
            ProxyNotice::StreamOpened { stream, path, .. } => {
                relayed.streams.insert(stream, None);
                relayed.fluent.extend(relayed.connections.get(&stream.connection).cloned());
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
