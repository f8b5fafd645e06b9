//! Accepts clients, speaks HTTP/2 with each, and starts a relay for each of their streams.
//!
//! Refuses to know what a relay does. One client's trouble ends one connection and never the server; dropping the
//! server's future ends everything, as the death of its process would.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, Connection, SendResponse};
use http::Request;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::env::{Env, Socket, Tapped};
use crate::lie::StreamKey;
use crate::proxy::config::{ACCEPT_PAUSE, CONNECTIONS_MAX, HANDSHAKE_MAX, ProxyConfig, SEND_BUFFER_MAX};
use crate::proxy::control::{ActiveRule, Control};
use crate::proxy::forged::TrueSettings;
use crate::proxy::forger::Forger;
use crate::proxy::gate::Gate;
use crate::proxy::habits::{IdleConnections, ProxyHabits};
use crate::proxy::notice::{ProxyNotice, ProxyObserver};
use crate::proxy::ping_counter::{CountedStream, PingCounter};
use crate::proxy::relay::{KeptHalf, Relay};
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
    let ProxyConfig { port, upstream, tcp, control, habits } = config;
    let (standing, habits) = (Arc::from(habits.standing()), Arc::new(habits));
    let mut listener = env.listen(port).await.map_err(|source| ProxyError::Listen { port, source })?;
    let routes = Arc::new(Routes::new(env, upstream, tcp, control.clone(), &habits));
    let mut clients = JoinSet::new();
    let mut serial = 0;
    loop {
        tokio::select! {
            biased;
            // First, and it starves nobody: no more can end than were accepted.
            Some(ended) = clients.join_next() => complain(ended.err()),
            accepted = listener.accept(), if clients.len() < CONNECTIONS_MAX => match accepted {
                Ok(socket) => {
                    serial += 1;
                    let (habits, standing) = (Arc::clone(&habits), Arc::clone(&standing));
                    let (control, observer, routes) = (control.clone(), observer.clone(), routes.clone());
                    let client = ProxyClient { serial, peer: socket.peer().ip(), control, observer, routes, habits, standing };
                    clients.spawn(client.run(socket));
                }
                Err(error) => {
                    tracing::warn!(%error, port, "failed to accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// One client connection.
struct ProxyClient {
    serial: u64,
    peer: IpAddr,
    control: Control,
    observer: Arc<dyn ProxyObserver>,
    routes: Arc<Routes>,
    habits: Arc<ProxyHabits>,
    standing: Arc<[Arc<ActiveRule>]>,
}

impl ProxyClient {
    async fn run(self, socket: Socket) {
        let connection = self.serial;
        self.observer.notice(ProxyNotice::ConnectionOpened { connection, peer: socket.peer() });
        let socket = Tapped::over(socket, PingCounter::new(connection, self.observer.clone()));
        let truth = TrueSettings {
            max_concurrent_streams: Some(self.habits.streams),
            initial_window: self.habits.stream_window,
        };
        let socket = Forger::of_server(socket, self.peer, &self.control, self.standing.clone(), truth);
        let handshake = Builder::new()
            .initial_window_size(self.habits.stream_window)
            .initial_connection_window_size(self.habits.connection_window)
            .max_concurrent_streams(self.habits.streams)
            .max_header_list_size(self.habits.request_headers)
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
    async fn serve_streams(&self, mut http: Connection<Forger<CountedStream<Socket>>, Bytes>, kept: &mut JoinSet<()>) {
        let mut relays = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                // First, and they starve nobody: no more can end than were accepted.
                Some(ended) = relays.join_next() => adopt(ended, kept),
                Some(ended) = kept.join_next() => complain(ended.err()),
                () = idle_for(self.habits.idle_connections), if relays.is_empty() => {
                    if let Some(code) = self.habits.idle_connections.and_then(|idle| idle.goaway) {
                        http.abrupt_shutdown(code.number().into());
                        // It is over as soon as that is written.
                        while http.accept().await.is_some_and(|arrived| arrived.is_ok()) {}
                    }
                    break;
                }
                arrived = http.accept() => match arrived {
                    Some(Ok((request, respond))) => self.start(request, respond, &mut relays),
                    Some(Err(error)) => {
                        tracing::debug!(%error, connection = self.serial, "the client's connection is lost");
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
        let stream = StreamKey { connection: self.serial, stream: respond.stream_id().as_u32() };
        let (head, body) = request.into_parts();
        let gate = Gate::new(&self.control, self.standing.clone(), self.observer.clone(), stream, self.peer, &head);
        let (relay, routes) = (Relay::new(gate, &head, body, respond, self.habits.clone()), self.routes.clone());
        relays.spawn(async move { relay.run(head, &routes).await });
    }
}

/// Ready when a connection without a stream has lived for long enough.
async fn idle_for(habit: Option<IdleConnections>) {
    match habit {
        Some(idle) => sleep(idle.after).await,
        None => std::future::pending().await,
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
