//! Accepts clients, speaks HTTP/2 with each, and starts a relay for each of their streams.
//!
//! Refuses to know what a relay does. One client's trouble ends one connection and never the server; dropping the
//! server's future ends everything, as the death of its process would.
//!
//! ```text
//! bound --run--> accepting --asked to drain--> draining (GOAWAY, streams run on) --the last client has gone--> over
//! ```

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::env::{Env, Listener, Socket, Tapped};
use crate::lie::{ConnectionSide, StreamKey};
use crate::proxy::cancels::{CancelCounter, Cancels};
use crate::proxy::client_tls::{ClientDoor, ClientTlsError};
use crate::proxy::config::{
    ACCEPT_PAUSE, CONNECTIONS_MAX, GOODBYE_MAX, HANDSHAKE_MAX, ProxyConfig, ProxyEdge, SEND_BUFFER_MAX,
};
use crate::proxy::control::{ActiveRule, ConnectionFace, Control};
use crate::proxy::cork::{Cork, Corked};
use crate::proxy::drain::Drain;
use crate::proxy::forged::TrueSettings;
use crate::proxy::forger::Forger;
use crate::proxy::gate::Gate;
use crate::proxy::guard::{Guard, GuardBreach, GuardWatch};
use crate::proxy::habits::{IdleConnections, ProxyHabits};
use crate::proxy::head;
use crate::proxy::notice::{ProxyNotice, ProxyObserver};
use crate::proxy::ping_counter::{CountedStream, PingCounter};
use crate::proxy::proxy_header;
use crate::proxy::relay::{KeptHalf, Relay};
use crate::proxy::routes::{ClientRoutes, ProxyRoutes};
use crate::proxy::spoiler::Spoiler;
use crate::proxy::upstream::{UpstreamHabits, UpstreamPlace};
use crate::proxy::wire::ProxyWire;

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
    /// There is nobody whom TLS with the node could trust.
    #[error("speak TLS with the server")]
    Trust {
        /// Why.
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
    routes: Arc<ProxyRoutes>,
    habits: Arc<ProxyHabits>,
    standing: Arc<[Arc<ActiveRule>]>,
    entrance: Arc<ClientEntrance>,
}

/// What a client passes before HTTP/2.
struct ClientEntrance {
    takes_proxy_header: bool,
    door: Option<ClientDoor>,
}

impl ProxyServer {
    /// Listens.
    ///
    /// # Errors
    /// The port cannot be had, or nobody is to be trusted who is the node.
    pub async fn bind(env: Env, config: ProxyConfig, observer: Arc<dyn ProxyObserver>) -> Result<Self, ProxyError> {
        let ProxyConfig { port, upstream, tcp, control, habits, edge } = config;
        let ProxyEdge { client_tls, node_tls, takes_proxy_header } = edge;
        let tls = node_tls.map(|tls| tls.connector(&env).map(Arc::new)).transpose();
        let tls = tls.map_err(|source| ProxyError::Trust { source })?;
        let door = client_tls.map(|tls| tls.door(&env));
        let (standing, habits) = (Arc::from(habits.standing()), Arc::new(habits));
        let listener = env.listen(port).await.map_err(|source| ProxyError::Listen { port, source })?;
        let ways = UpstreamHabits::from(&*habits);
        let place = UpstreamPlace { env, address: upstream, tcp, control: control.clone(), habits: ways, tls };
        let routes = Arc::new(ProxyRoutes::new(place));
        let entrance = Arc::new(ClientEntrance { takes_proxy_header, door });
        Ok(ProxyServer { listener, port, control, observer, routes, habits, standing, entrance })
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
                        clients.spawn(client.run(socket, self.entrance.clone()));
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
        let (habits, standing, cancels) = (self.habits.clone(), self.standing.clone(), Arc::new(Cancels::new()));
        let routes = ClientRoutes::new(self.routes.clone(), cancels.clone());
        let (control, observer) = (self.control.clone(), self.observer.clone());
        let face = ConnectionFace { serial, peer: socket.peer().ip(), side: ConnectionSide::Clients };
        ProxyClient { face, control, observer, cancels, routes, habits, standing, drain }
    }
}

/// One client connection.
struct ProxyClient {
    face: ConnectionFace,
    control: Control,
    observer: Arc<dyn ProxyObserver>,
    cancels: Arc<Cancels>,
    routes: ClientRoutes,
    habits: Arc<ProxyHabits>,
    standing: Arc<[Arc<ActiveRule>]>,
    drain: Drain,
}

/// Why the proxy ends a client's connection.
enum ConnectionEnd {
    Breach(GuardBreach),
    /// It has had no stream for so long.
    Idle,
}

/// The bytes of a client below HTTP/2.
type ClientWire = ProxyWire<Spoiler>;

/// The bytes of a client, as h2 reads and writes them.
type ClientSocket = Forger<CountedStream<Tapped<Corked<ClientWire>, Guard>>>;

/// A connection on which HTTP/2 is spoken.
type ClientHttp = (Connection<ClientSocket, Bytes>, Cork<ClientWire>, GuardWatch);

/// Why a client gets no HTTP/2.
#[derive(Debug, thiserror::Error)]
enum NoHttp {
    #[error("{0}")]
    Tls(#[from] ClientTlsError),
    #[error("{0}")]
    Http(#[from] h2::Error),
}

impl ProxyClient {
    async fn run(mut self, mut socket: Socket, entrance: Arc<ClientEntrance>) {
        let (connection, until) = (self.face.serial, Instant::now() + HANDSHAKE_MAX);
        let Some(peer) = self.find_peer(&mut socket, &entrance, until).await else { return };
        self.face.peer = peer.ip();
        self.observer.notice(ProxyNotice::ConnectionOpened { connection, peer });
        let mut kept = JoinSet::new();
        match timeout_at(until, self.shake_hands(socket, &entrance)).await {
            Ok(Ok((http, cork, watch))) => self.serve_streams(http, &cork, watch, &mut kept).await,
            Ok(Err(NoHttp::Http(error))) => tracing::debug!(%error, connection, "no HTTP/2 from the client"),
            Ok(Err(NoHttp::Tls(why))) => tracing::warn!(connection, peer = %self.face.peer, "turned away: {why}"),
            Err(_late) => tracing::warn!(connection, peer = %self.face.peer, "no HTTP/2 from the client in time"),
        }
        self.observer.notice(ProxyNotice::ConnectionClosed { connection });
        while let Some(ended) = kept.join_next().await {
            complain(ended.err());
        }
    }

    /// The client's address, by its header where there is to be one; none where that is not to be believed.
    async fn find_peer(&self, socket: &mut Socket, entrance: &ClientEntrance, until: Instant) -> Option<SocketAddr> {
        let (connection, peer) = (self.face.serial, socket.peer());
        if !entrance.takes_proxy_header {
            return Some(peer);
        }
        match timeout_at(until, proxy_header::read_client(socket)).await {
            Ok(Ok(told)) => {
                tracing::debug!(connection, %peer, client = ?told, "PROXY header");
                return Some(told.unwrap_or(peer));
            }
            Ok(Err(why)) => tracing::warn!(connection, %peer, "turned away: PROXY header: {why}"),
            Err(_late) => tracing::warn!(connection, %peer, "turned away: PROXY header: it is not whole in time"),
        }
        None
    }

    /// From TCP to HTTP/2: byte toxics harm what TCP carries, all other lies what TLS carries.
    async fn shake_hands(&self, socket: Socket, entrance: &ClientEntrance) -> Result<ClientHttp, NoHttp> {
        let spoiler = Spoiler::new(socket, self.face, &self.control);
        let wire = match &entrance.door {
            None => ProxyWire::Clear(spoiler),
            Some(door) => door.open(spoiler).await?,
        };
        let (guard, watch) = Guard::new();
        let counter = PingCounter::new(self.face.serial, self.observer.clone());
        let (socket, cork) = Corked::over(wire);
        let socket = Tapped::over(Tapped::over(socket, guard), counter);
        let truth = TrueSettings {
            max_concurrent_streams: Some(self.habits.streams),
            initial_window: self.habits.stream_window,
        };
        let socket = Forger::new(socket, self.face, &self.control, self.standing.clone(), truth);
        let handshake = Builder::new()
            .initial_window_size(self.habits.stream_window)
            .initial_connection_window_size(self.habits.connection_window)
            .max_concurrent_streams(self.habits.streams)
            .max_header_list_size(self.habits.request_headers)
            .max_send_buffer_size(SEND_BUFFER_MAX)
            .handshake(socket);
        let mut handshake = pin!(handshake);
        let http = poll_fn(|context| {
            let polled = handshake.as_mut().poll(context);
            cork.flush(context);
            polled
        });
        Ok((http.await?, cork, watch))
    }

    /// Relays the connection's streams until it ends, and them with it.
    async fn serve_streams(
        &self,
        mut http: Connection<ClientSocket, Bytes>,
        cork: &Cork<ClientWire>,
        mut watch: GuardWatch,
        kept: &mut JoinSet<()>,
    ) {
        let (mut relays, mut drain, mut is_draining) = (JoinSet::new(), self.drain.clone(), false);
        let end = loop {
            if self.cancels.are_too_many() {
                break Some(ConnectionEnd::Breach(GuardBreach::Cancels));
            }
            tokio::select! {
                biased;
                // First, and they starve nobody: no more can end than were accepted.
                Some(ended) = relays.join_next() => adopt(ended, kept),
                Some(ended) = kept.join_next() => complain(ended.err()),
                () = drain.asked(), if !is_draining => {
                    is_draining = true;
                    http.graceful_shutdown();
                }
                () = idle_for(self.habits.idle_connections), if relays.is_empty() => break Some(ConnectionEnd::Idle),
                arrived = http.accept() => match arrived {
                    Some(Ok((request, respond))) => self.start(request, respond, &mut relays),
                    Some(Err(error)) => {
                        self.tell_lost(&error);
                        break None;
                    }
                    None => break None,
                },
                // After h2 has written all that it has. It never ends.
                () = flush_after_each_turn(cork) => {}
                // Last, and not starved: after a breach nothing more is read, and so nothing arrives.
                breach = watch.breach() => break Some(ConnectionEnd::Breach(breach)),
            }
        };
        if let Some(code) = end.and_then(|end| self.farewell(end)) {
            http.abrupt_shutdown(code);
            // What it still asks for is dropped. h2 shuts the socket down, and so needs no flush.
            let farewell = async { while let Some(Ok(_)) = http.accept().await {} };
            // One that does not even read is cut off.
            let _ = timeout(GOODBYE_MAX, farewell).await;
        }
        // Its streams are told by h2, which ends their relays.
        drop(http);
        while let Some(ended) = relays.join_next().await {
            adopt(ended, kept);
        }
    }

    /// The code of the last GOAWAY, where there is one.
    fn farewell(&self, end: ConnectionEnd) -> Option<Reason> {
        match end {
            ConnectionEnd::Breach(breach) => {
                tracing::warn!(connection = self.face.serial, peer = %self.face.peer, "turned away: the client {breach}");
                Some(breach.reason())
            }
            ConnectionEnd::Idle => self.habits.idle_connections?.goaway.map(|code| code.number().into()),
        }
    }

    /// What h2 itself does not bear, it names.
    fn tell_lost(&self, error: &h2::Error) {
        if error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
            tracing::warn!(connection = self.face.serial, peer = %self.face.peer, "turned away: the client floods: {error}");
        } else {
            tracing::debug!(%error, connection = self.face.serial, "the client's connection is lost");
        }
    }

    fn start(
        &self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        relays: &mut JoinSet<Option<KeptHalf>>,
    ) {
        if head::is_malformed(&request) {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return;
        }
        let stream = StreamKey { connection: self.face.serial, stream: respond.stream_id().as_u32() };
        let (head, body) = request.into_parts();
        let observer = Arc::new(CancelCounter::new(self.cancels.clone(), self.observer.clone()));
        let gate = Gate::new(&self.control, self.standing.clone(), observer, stream, self.face.peer, &head);
        let relay = Relay::new(gate, &head, body, respond, self.habits.clone());
        let (routes, seat) = (self.routes.clone(), self.routes.sit());
        relays.spawn(async move {
            let kept = relay.run(head, &routes).await;
            drop(seat);
            kept
        });
    }
}

/// Ready when a connection without a stream has lived for long enough.
async fn idle_for(habit: Option<IdleConnections>) {
    match habit {
        Some(idle) => sleep(idle.after).await,
        None => std::future::pending().await,
    }
}

async fn flush_after_each_turn(cork: &Cork<ClientWire>) {
    poll_fn(|context| {
        cork.flush(context);
        Poll::Pending
    })
    .await
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
