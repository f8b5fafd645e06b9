//! Accepts clients, speaks HTTP/2 with each, and starts a relay for each of their streams.
//!
//! Refuses to know what a relay does. One client's trouble ends one connection and never the server; dropping the
//! server's future ends everything, as the death of its process would.
//!
//! ```text
//! bound --run--> accepting --asked to drain--> draining (GOAWAY, streams run on) --the last client has gone--> over
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, Connection, SendResponse};
use http::Request;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::env::{Env, Listener, Socket, Tapped};
use crate::lie::{ConnectionSide, StreamKey};
use crate::proxy::config::{
    ACCEPT_PAUSE, CLIENT_CONNECTION_WINDOW, CONNECTIONS_MAX, HANDSHAKE_MAX, ProxyConfig, REQUEST_HEADERS_MAX,
    SEND_BUFFER_MAX, STREAM_WINDOW, STREAMS_PER_CONNECTION_MAX,
};
use crate::proxy::control::{ConnectionFace, Control};
use crate::proxy::drain::Drain;
use crate::proxy::forged::TrueSettings;
use crate::proxy::forger::Forger;
use crate::proxy::gate::Gate;
use crate::proxy::notice::{ProxyNotice, ProxyObserver};
use crate::proxy::ping_counter::{CountedStream, PingCounter};
use crate::proxy::relay::{KeptHalf, Relay};
use crate::proxy::spoiler::Spoiler;
use crate::proxy::upstream::Routes;

/// Why a proxy cannot serve; fits after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The port cannot be had.
    #[error("listen on the proxy's port {port}")]
    Listen {
        /// The port.
        port: u16,
        /// What the surroundings said.
        source: io::Error,
    },
}

/// Serves clients until it is dropped.
///
/// # Errors
/// The port cannot be listened on; nothing that happens later ends it.
pub async fn serve(env: Env, config: ProxyConfig, observer: Arc<dyn ProxyObserver>) -> Result<(), ProxyError> {
    ProxyServer::bind(env, config, observer).await?.run(Drain::default()).await;
    Ok(())
}

/// A proxy that has its port, and accepts nobody yet.
pub struct ProxyServer {
    listener: Listener,
    port: u16,
    control: Control,
    observer: Arc<dyn ProxyObserver>,
    routes: Arc<Routes>,
}

impl ProxyServer {
    /// Listens.
    ///
    /// # Errors
    /// The port cannot be had.
    pub async fn bind(env: Env, config: ProxyConfig, observer: Arc<dyn ProxyObserver>) -> Result<Self, ProxyError> {
        let ProxyConfig { port, upstream, tcp, control } = config;
        let listener = env.listen(port).await.map_err(|source| ProxyError::Listen { port, source })?;
        let routes = Arc::new(Routes::new(env, upstream, tcp, control.clone()));
        Ok(ProxyServer { listener, port, control, observer, routes })
    }

    /// Where it listens.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.listener.local()
    }

    /// Serves clients until it is dropped, or asked to drain and done with it.
    pub async fn run(mut self, mut drain: Drain) {
        let mut clients = JoinSet::new();
        let mut serial = 0;
        loop {
            tokio::select! {
                biased;
                // First, and they starve nobody: a drain is asked for once, and no more can end than were accepted.
                () = drain.asked() => break,
                Some(ended) = clients.join_next() => complain(ended.err()),
                accepted = self.listener.accept(), if clients.len() < CONNECTIONS_MAX => match accepted {
                    Ok(socket) => {
                        serial += 1;
                        let client = self.client(serial, &socket, drain.clone());
                        clients.spawn(client.run(socket));
                    }
                    Err(error) => {
                        tracing::warn!(%error, port = self.port, "failed to accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.listener);
        while let Some(ended) = clients.join_next().await {
            complain(ended.err());
        }
    }

    fn client(&self, serial: u64, socket: &Socket, drain: Drain) -> ProxyClient {
        let (control, observer, routes) = (self.control.clone(), self.observer.clone(), self.routes.clone());
        let face = ConnectionFace { serial, peer: socket.peer().ip(), side: ConnectionSide::Clients };
        ProxyClient { face, control, observer, routes, drain }
    }
}

/// One client connection.
struct ProxyClient {
    face: ConnectionFace,
    control: Control,
    observer: Arc<dyn ProxyObserver>,
    routes: Arc<Routes>,
    drain: Drain,
}

impl ProxyClient {
    async fn run(mut self, socket: Socket) {
        let connection = self.face.serial;
        self.observer.notice(ProxyNotice::ConnectionOpened { connection, peer: socket.peer() });
        let socket = Spoiler::new(socket, self.face, &self.control);
        let socket = Tapped::over(socket, PingCounter::new(connection, self.observer.clone()));
        let truth =
            TrueSettings { max_concurrent_streams: Some(STREAMS_PER_CONNECTION_MAX), initial_window: STREAM_WINDOW };
        let socket = Forger::new(socket, self.face, &self.control, truth);
        let handshake = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CLIENT_CONNECTION_WINDOW)
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .max_header_list_size(REQUEST_HEADERS_MAX)
            .max_send_buffer_size(SEND_BUFFER_MAX)
            .handshake(socket);
        let mut kept = JoinSet::new();
        match timeout(HANDSHAKE_MAX, handshake).await {
            Ok(Ok(http)) => self.serve_streams(http, &mut kept).await,
            Ok(Err(error)) => tracing::debug!(%error, connection, "no HTTP/2 from the client"),
            Err(_late) => tracing::debug!(connection, "no HTTP/2 from the client in time"),
        }
        self.observer.notice(ProxyNotice::ConnectionClosed { connection });
        while let Some(ended) = kept.join_next().await {
            complain(ended.err());
        }
    }

    /// Relays the connection's streams until it ends, and them with it.
    async fn serve_streams(
        &mut self,
        mut http: Connection<Forger<CountedStream<Spoiler>>, Bytes>,
        kept: &mut JoinSet<()>,
    ) {
        let (mut relays, mut drain, mut is_draining) = (JoinSet::new(), self.drain.clone(), false);
        loop {
            tokio::select! {
                biased;
                // First, and they starve nobody: no more can end than were accepted.
                Some(ended) = relays.join_next() => adopt(ended, kept),
                Some(ended) = kept.join_next() => complain(ended.err()),
                () = drain.asked(), if !is_draining => {
                    is_draining = true;
                    http.graceful_shutdown();
                }
                arrived = http.accept() => match arrived {
                    Some(Ok((request, respond))) => self.start(request, respond, &mut relays),
                    Some(Err(error)) => {
                        tracing::debug!(%error, connection = self.face.serial, "the client's connection is lost");
                        break;
                    }
                    None => break,
                },
            }
        }
        // Its streams are told by h2, which ends their relays.
        drop(http);
        while let Some(ended) = relays.join_next().await {
            adopt(ended, kept);
        }
    }

    fn start(
        &self,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        relays: &mut JoinSet<Option<KeptHalf>>,
    ) {
        let stream = StreamKey { connection: self.face.serial, stream: respond.stream_id().as_u32() };
        let (head, body) = request.into_parts();
        let gate = Gate::new(&self.control, self.observer.clone(), stream, self.face.peer, &head);
        let (relay, routes) = (Relay::new(gate, &head, body, respond), self.routes.clone());
        relays.spawn(async move { relay.run(head, &routes).await });
    }
}

/// Takes over the node half that a relay left behind.
fn adopt(ended: Result<Option<KeptHalf>, JoinError>, kept: &mut JoinSet<()>) {
    match ended {
        Ok(Some(half)) => drop(kept.spawn(half.run())),
        Ok(None) => {}
        Err(error) => complain(Some(error)),
    }
}

/// A task that ended by a panic is a bug of ours or of h2; it costs one connection, not the server.
fn complain(error: Option<JoinError>) {
    if let Some(error) = error {
        tracing::error!(%error, "a task of the proxy panicked");
    }
}
