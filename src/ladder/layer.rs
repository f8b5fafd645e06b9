//! The layers that can notice a dead stream, and which of them were there to do so.
//!
//! Refuses to know when any of them did.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can notice that a stream is dead, from the wire upwards. A stream that is meant to last has no deadline of its
/// call, so that there is no such rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// TCP by itself: an end, a reset, or retransmissions given up; at the client, or at the proxy, which tells it.
    Tcp,
    /// TCP keepalive and the user timeout, on either side of the proxy.
    TcpKeepalive,
    /// The proxy, by a time of its own: it ends what it has heard nothing from for too long, or what is too old.
    Proxy,
    /// The client's PING of HTTP/2.
    Http2Ping,
    /// The server's Ping of the protocol, whose Pong did not come (S6): it is the server that knows.
    Heartbeat,
    /// The client's question after a suspension (C5).
    Probe,
    /// The client's watchdog (C2).
    Watchdog,
    /// A program that is not ours, by whatever it has: HTTP/2 keepalive, heartbeats of its own, a watchdog. It closed its
    /// connection, and its kernel had known of nothing.
    Program,
}

impl Layer {
    /// Every layer, from the wire upwards.
    pub const ALL: [Layer; 8] = [
        Layer::Tcp,
        Layer::TcpKeepalive,
        Layer::Proxy,
        Layer::Http2Ping,
        Layer::Heartbeat,
        Layer::Probe,
        Layer::Watchdog,
        Layer::Program,
    ];

    /// Its name in full.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Layer::Tcp => "TCP",
            Layer::TcpKeepalive => "TCP keepalive and user timeout",
            Layer::Proxy => "the proxy's own times",
            Layer::Http2Ping => "HTTP/2 PING",
            Layer::Heartbeat => "the node's heartbeat",
            Layer::Probe => "the question after a suspension",
            Layer::Watchdog => "the watchdog",
            Layer::Program => "the program itself",
        }
    }

    /// Its name at the head of a narrow column.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        match self {
            Layer::Tcp => "TCP",
            Layer::TcpKeepalive => "keepalive",
            Layer::Proxy => "proxy",
            Layer::Http2Ping => "PING",
            Layer::Heartbeat => "heartbeat",
            Layer::Probe => "probe",
            Layer::Watchdog => "watchdog",
            Layer::Program => "program",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Which layers of a trial are switched on. TCP always is, and whoever was suspended tells of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// Clients have TCP keepalive or a user timeout towards their proxy.
    pub client_tcp: bool,
    /// Proxies have TCP keepalive or a user timeout towards their server.
    pub proxy_tcp: bool,
    /// Proxies end streams by times of their own.
    pub proxy_times: bool,
    /// Clients have HTTP/2 keepalive.
    pub http2_ping: bool,
    /// Servers close a stream whose client does not answer.
    pub heartbeat: bool,
    /// Clients have a watchdog.
    pub watchdog: bool,
    /// Clients are programs that say nothing of their streams: what they have beside their kernel cannot be told apart.
    pub program: bool,
}

impl Layers {
    /// Who can be told of in this trial, whether switched on or not.
    pub(crate) fn rungs(&self) -> impl Iterator<Item = Layer> {
        let program = self.program;
        let is_rung = move |layer: &Layer| match layer {
            Layer::Tcp => true,
            Layer::Program => program,
            Layer::TcpKeepalive
            | Layer::Proxy
            | Layer::Http2Ping
            | Layer::Heartbeat
            | Layer::Probe
            | Layer::Watchdog => !program,
        };
        Layer::ALL.into_iter().filter(is_rung)
    }
}

/// What one layer knew in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knowledge {
    /// It is switched off, or not there.
    NotAsked,
    /// It had not noticed when the window ended.
    Never,
    /// It noticed so long after the window began.
    After(Duration),
}

impl Knowledge {
    /// Of each of these layers: those that are asked know what `knew` says.
    pub(crate) fn of_all(
        rungs: impl Iterator<Item = Layer>,
        asked: impl Fn(Layer) -> bool,
        knew: &BTreeMap<Layer, Duration>,
    ) -> BTreeMap<Layer, Self> {
        let of = |layer| match knew.get(&layer) {
            Some(delay) => Knowledge::After(*delay),
            None if asked(layer) => Knowledge::Never,
            None => Knowledge::NotAsked,
        };
        rungs.map(|layer| (layer, of(layer))).collect()
    }
}
