//! Accepts clients, speaks HTTP/2 with each, and starts a relay for each of their streams.
//!
//! Refuses to know what a relay does. One client's trouble ends one connection and never the server; dropping the
//! server's future ends everything, as the death of its process would.
//!
//! ```text
//! bound --run--> accepting --asked to drain--> draining (clients are retired) --the last client has gone--> over
//! ```

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::env::{Env, Listener, ResetSwitch, Socket, Tapped};
use crate::lie::{ConnectionSide, Reaction, StreamKey};
use crate::profile::ProxyLayer;
use crate::proxy::alarm::still_for;
use crate::proxy::cancels::{CancelCounter, Cancels};
use crate::proxy::client_reply::{ClientReply, ClientState};
use crate::proxy::client_tls::{ClientDoor, ClientTlsError};
use crate::proxy::config::{
    ACCEPT_PAUSE, CANCELS_MAX, CONNECTIONS_MAX, GOODBYE_MAX, HANDSHAKE_MAX, ProxyConfig, ProxyEdge, RESETS_MAX,
    SEND_BUFFER_MAX,
};
use crate::proxy::control::{ActiveRule, ConnectionFace, Control};
use crate::proxy::cork::{Cork, Corked};
use crate::proxy::drain::Drain;
use crate::proxy::errand::{ErrandEnd, Errands};
use crate::proxy::forged::TrueSettings;
use crate::proxy::forger::Forger;
use crate::proxy::gate::Gate;
use crate::proxy::guard::{Guard, GuardBreach, GuardWatch, PingRecord};
use crate::proxy::habits::{IdleConnections, ProxyHabits};
use crate::proxy::head;
use crate::proxy::node_half::KeptHalf;
use crate::proxy::notice::{ProxyNotice, ProxyObserver};
use crate::proxy::passage::BytePassage;
use crate::proxy::ping_counter::{CountedStream, PingCounter};
use crate::proxy::proxy_header;
use crate::proxy::relay::Relay;
use crate::proxy::retire::{Admission, AnswerCount, RetireStep, Retirement};
use crate::proxy::routes::{ClientRoutes, ProxyRoutes};
use crate::proxy::spoiler::Spoiler;
use crate::proxy::stream_tasks::{StreamTasks, complain};
use crate::proxy::upstream::{UpstreamHabits, UpstreamPlace};
use crate::proxy::wire::ProxyWire;

/// Why a proxy cannot serve; fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// Where its bytes go, if no more of them is understood.
    passage: Option<BytePassage>,
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
        let passage = (habits.layer == ProxyLayer::Tcp).then(|| BytePassage {
            env: env.clone(),
            node: upstream.clone(),
            tcp,
            control: control.clone(),
            habits: habits.clone(),
        });
        let ways = UpstreamHabits::from(&*habits);
        let dialed = Arc::default();
        let place = UpstreamPlace { env, address: upstream, tcp, control: control.clone(), habits: ways, tls, dialed };
        let routes = Arc::new(ProxyRoutes::new(place));
        let entrance = Arc::new(ClientEntrance { takes_proxy_header, passage, door });
        Ok(ProxyServer { listener, port, control, observer, routes, habits, standing, entrance })
    }

    /// Where it listens.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.listener.local()
    }

    /// Serves clients until it is dropped, or asked to drain and done with it.
    pub async fn run(mut self, mut drain: Drain) {
        let (mut clients, mut serial, mut is_draining) = (JoinSet::new(), 0, false);
        while !is_draining || (self.habits.retiring.accepts && !clients.is_empty()) {
            tokio::select! {
                biased;
                // First, and they starve nobody: a drain is asked for once, and no more can end than were accepted.
                () = drain.asked(), if !is_draining => is_draining = true,
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
        let (habits, standing) = (self.habits.clone(), self.standing.clone());
        let cancels = Arc::new(Cancels::new(habits.reset_flood.most));
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
    /// It asked for a stream with headers that are too large.
    Headers,
    /// It opened a stream after GOAWAY.
    TooLate,
    /// It was retired, and is done.
    Retired,
    /// What is done about one of its streams ends it.
    Asked(ErrandEnd),
}

/// How a connection is left.
struct Farewell {
    goaway: Option<Reason>,
    end: ErrandEnd,
}

/// The bytes of a client below HTTP/2.
type ClientWire = ProxyWire<Spoiler>;

/// The bytes of a client, as h2 reads and writes them.
type ClientSocket = Forger<CountedStream<Tapped<Corked<ClientWire>, Guard>>>;

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
        if let Some(passage) = &entrance.passage {
            passage.pass(socket, self.face, self.drain.clone()).await;
            self.observer.notice(ProxyNotice::ConnectionClosed { connection });
            return;
        }
        let mut kept = JoinSet::new();
        // Boxed: it is done once, and its state is not to be part of a connection that rests.
        match timeout_at(until, Box::pin(self.shake_hands(socket, &entrance))).await {
            Ok(Ok(line)) => self.serve_streams(line, &mut kept).await,
            Ok(Err(NoHttp::Http(error))) => {
                tracing::debug!(%error, connection, "no HTTP/2 from the client");
                // Whoever has gone before it began may have wanted to.
                if !error.is_io() {
                    self.observer.notice(ProxyNotice::NoHttp { connection });
                }
            }
            Ok(Err(NoHttp::Tls(why))) => tracing::warn!(connection, peer = %self.face.peer, "turned away: {why}"),
            Err(_late) => {
                tracing::warn!(connection, peer = %self.face.peer, "no HTTP/2 from the client in time");
                self.observer.notice(ProxyNotice::NoHttp { connection });
            }
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
    async fn shake_hands(&self, socket: Socket, entrance: &ClientEntrance) -> Result<Box<ClientLine>, NoHttp> {
        let (errands, reset) = (Errands::default(), socket.reset_switch());
        let spoiler = Spoiler::new(socket, self.face, &self.control);
        let wire = match &entrance.door {
            None => ProxyWire::Clear(spoiler),
            Some(door) => {
                let rules = self.control.subscribe().borrow().about_connection(self.face);
                Box::pin(door.open(spoiler, &rules)).await?
            }
        };
        let (guard, watch) = Guard::new(self.habits.ping_flood.most);
        let counter = PingCounter::new(self.face.serial, self.observer.clone());
        let (socket, cork) = Corked::over(wire);
        let socket = Tapped::over(Tapped::over(socket, guard), counter);
        let truth = TrueSettings {
            max_concurrent_streams: Some(self.habits.streams),
            initial_window: self.habits.stream_window,
        };
        let socket = Forger::new(socket, self.face, &self.control, truth)
            .with_habits(self.habits.client_frames, errands.clone());
        let handshake = self.builder().handshake(socket);
        let mut handshake = pin!(handshake);
        let http = poll_fn(|context| {
            let polled = handshake.as_mut().poll(context);
            cork.flush(context);
            polled
        });
        Ok(Box::new(ClientLine { http: http.await?, cork, watch, errands, reset }))
    }

    fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        builder
            .initial_window_size(self.habits.stream_window)
            .initial_connection_window_size(self.habits.connection_window)
            .max_concurrent_streams(self.habits.streams)
            .max_header_list_size(self.habits.request_header_limit())
            .max_send_buffer_size(SEND_BUFFER_MAX);
        // Where the profile bears more, or less, than h2 does by itself.
        if self.habits.reset_flood.most != Some(CANCELS_MAX) {
            let most = self.habits.reset_flood.most.unwrap_or(RESETS_MAX);
            builder.max_pending_accept_reset_streams(most as usize);
        }
        builder
    }

    /// Relays the connection's streams until it ends, and them with it.
    async fn serve_streams(&self, mut line: Box<ClientLine>, kept: &mut JoinSet<()>) {
        let mut tasks = StreamTasks::new(kept);
        if let Some(end) = self.drive(&mut line, &mut tasks).await {
            line.leave(self.farewell(&end), self.habits.retiring.close_delay).await;
        }
        // Its streams are told by h2, which ends their relays.
        drop(line);
        tasks.ended_all().await;
    }

    /// Serves the connection until it ends; why, where that is the proxy's doing.
    async fn drive(&self, line: &mut ClientLine, tasks: &mut StreamTasks<'_>) -> Option<ConnectionEnd> {
        let (mut drain, mut is_draining) = (self.drain.clone(), false);
        let mut deadline = self.drain.clone();
        let mut retirement = Retirement::new(self.habits.retiring, line.errands.clone());
        let (answers, pings) = (retirement.answers(), line.watch.pings());
        loop {
            if self.cancels.are_too_many() {
                return Some(ConnectionEnd::Breach(GuardBreach::Cancels));
            }
            let ClientLine { http, cork, watch, errands, .. } = &mut *line;
            let (has_streams, empty_since) = (!tasks.relays.is_empty(), tasks.empty_since);
            let may_idle = !has_streams && !retirement.has_begun();
            tokio::select! {
                biased;
                // First, and they starve nobody: no more can end than were accepted.
                () = tasks.ended() => {}
                () = drain.asked(), if !is_draining => {
                    is_draining = true;
                    retirement.drain();
                }
                () = deadline.out_of_time() => return Some(ConnectionEnd::Retired),
                step = retirement.next(has_streams) => match step {
                    RetireStep::ByHttp => http.graceful_shutdown(),
                    RetireStep::Close if retirement.is_out_of_time() => return Some(ConnectionEnd::Retired),
                    // Nothing waits for the socket, but for streams that nobody serves.
                    RetireStep::Close if !http.has_streams() || !tasks.ignored.is_empty() => {
                        return Some(ConnectionEnd::Retired);
                    }
                    RetireStep::Close => {}
                },
                () = idle_for(self.habits.idle_connections.as_ref(), empty_since, &pings), if may_idle => {
                    if !self.drains_idle() {
                        return Some(ConnectionEnd::Idle);
                    }
                    retirement.go_idle();
                }
                arrived = http.accept() => match arrived {
                    Some(Ok((request, respond))) => match retirement.admit() {
                        Admission::Served => {
                            let ways = (answers.clone(), errands.clone());
                            if let Some(end) = self.start(request, respond, ways, &mut tasks.relays) {
                                return Some(end);
                            }
                        }
                        Admission::Ignored => tasks.ignored.push((request, respond)),
                        Admission::Fatal => return Some(ConnectionEnd::TooLate),
                    },
                    Some(Err(error)) => {
                        self.tell_lost(&error);
                        return None;
                    }
                    None => return None,
                },
                // After h2 has written all that it has. It never ends.
                () = flush_after_each_turn(cork) => {}
                end = poll_fn(|context| errands.poll_end(context)) => return Some(ConnectionEnd::Asked(end)),
                // Last, and not starved: after a breach nothing more is read, and so nothing arrives.
                breach = watch.breach() => return Some(ConnectionEnd::Breach(breach)),
            }
        }
    }

    fn drains_idle(&self) -> bool {
        self.habits.idle_connections.as_ref().is_some_and(|idle| idle.then == [Reaction::Drain])
    }

    /// How the connection is left.
    fn farewell(&self, end: &ConnectionEnd) -> Farewell {
        if let ConnectionEnd::Breach(breach) = end {
            tracing::warn!(connection = self.face.serial, peer = %self.face.peer, "turned away: the client {breach}");
        }
        let habits = &self.habits;
        match end {
            ConnectionEnd::Breach(GuardBreach::Pings) => Farewell::of(&habits.ping_flood.beyond),
            ConnectionEnd::Breach(GuardBreach::Cancels) => Farewell::of(&habits.reset_flood.beyond),
            ConnectionEnd::Breach(breach) => Farewell { goaway: Some(breach.reason()), end: ErrandEnd::Close },
            ConnectionEnd::Headers => Farewell::of(&habits.request_headers.beyond),
            ConnectionEnd::Idle => {
                Farewell::of(habits.idle_connections.as_ref().map_or(&[][..], |idle| idle.then.as_slice()))
            }
            ConnectionEnd::TooLate => Farewell { goaway: Some(Reason::INTERNAL_ERROR), end: ErrandEnd::Close },
            ConnectionEnd::Asked(end) => Farewell { goaway: None, end: *end },
            ConnectionEnd::Retired => Farewell { goaway: None, end: ErrandEnd::Close },
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

    /// Starts the relay of a stream; why the whole connection ends instead, where it does.
    fn start(
        &self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        (answers, errands): (Arc<AnswerCount>, Errands),
        relays: &mut JoinSet<Option<KeptHalf>>,
    ) -> Option<ConnectionEnd> {
        if head::is_malformed(&request) {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return None;
        }
        if self.habits.request_headers.is_below(head::list_size_of_request(&request)) {
            return self.refuse_headers(&request, respond, relays);
        }
        let stream = StreamKey { connection: self.face.serial, stream: respond.stream_id().as_u32() };
        let (head, body) = request.into_parts();
        let observer = Arc::new(CancelCounter::new(self.cancels.clone(), answers, self.observer.clone()));
        let standing = (self.standing.clone(), self.habits.timer_slack);
        let gate = Gate::new(&self.control, standing, observer, stream, self.face.peer, &head);
        let relay = Relay::new(gate, &head, body, respond, (self.habits.clone(), errands));
        let (routes, seat) = (self.routes.clone(), self.routes.sit());
        relays.spawn(async move {
            let kept = relay.run(head, &routes).await;
            drop(seat);
            kept
        });
        None
    }

    /// Does to a stream what is done about its headers, where nothing is done to its connection.
    fn refuse_headers(
        &self,
        request: &Request<RecvStream>,
        respond: SendResponse<Bytes>,
        relays: &mut JoinSet<Option<KeptHalf>>,
    ) -> Option<ConnectionEnd> {
        let habits = self.habits.clone();
        let steps = &habits.request_headers.beyond;
        if steps.iter().any(|step| matches!(step, Reaction::Goaway(_)) || ErrandEnd::of(step).is_some()) {
            return Some(ConnectionEnd::Headers);
        }
        let (is_grpc, is_open) = (head::is_grpc(request.headers()), !request.body().is_end_stream());
        relays.spawn(async move {
            let client = ClientState { is_grpc, is_open, cause: None, why: "the headers are too large" };
            let mut answer = ClientReply::Awaited(respond);
            for step in &habits.request_headers.beyond {
                // h2 forgets what waits for the socket when a stream is reset.
                tokio::task::yield_now().await;
                // It fails only if the client is gone.
                let _ = answer.react(step, client);
            }
            None
        });
        None
    }
}

/// One client's connection, as its server drives it.
struct ClientLine {
    http: Connection<ClientSocket, Bytes>,
    cork: Cork<ClientWire>,
    watch: GuardWatch,
    errands: Errands,
    reset: ResetSwitch,
}

impl ClientLine {
    /// Ends the connection in that way.
    async fn leave(&mut self, farewell: Farewell, delay: Duration) {
        let Farewell { goaway, end } = farewell;
        match (goaway, end) {
            (_, ErrandEnd::Forget) => {
                self.errands.end(ErrandEnd::Forget);
                self.drop_requests().await;
            }
            (Some(code), _) => {
                self.http.abrupt_shutdown(code);
                // h2 shuts the socket down, and so needs no flush. One that does not even read is cut off.
                let _ = timeout(GOODBYE_MAX + delay, self.drop_requests()).await;
            }
            // One that does not even read is cut off.
            (None, ErrandEnd::Close) => drop(timeout(GOODBYE_MAX, self.cork.say_goodbye()).await),
            (None, ErrandEnd::Reset) => {}
        }
        if end != ErrandEnd::Close {
            self.reset.throw();
        }
    }

    /// Drops what is still asked for, until the connection ends.
    async fn drop_requests(&mut self) {
        let ClientLine { http, cork, .. } = self;
        tokio::select! {
            biased;
            () = async { while let Some(Ok(_)) = http.accept().await {} } => {}
            // It never ends.
            () = flush_after_each_turn(cork) => {}
        }
    }
}

impl Farewell {
    /// What of a list is done to a connection.
    fn of(steps: &[Reaction]) -> Self {
        let code = |step: &Reaction| if let Reaction::Goaway(code) = step { Some(code.number().into()) } else { None };
        let end = steps.iter().find_map(ErrandEnd::of).unwrap_or(ErrandEnd::Close);
        Farewell { goaway: steps.iter().find_map(code), end }
    }
}

/// Ready when a connection has had no stream for long enough.
async fn idle_for(habit: Option<&IdleConnections>, empty_since: Instant, pings: &PingRecord) {
    let Some(idle) = habit else { return std::future::pending().await };
    let pinged = || pings.last().filter(|_| idle.ping_refreshes);
    still_for(idle.after, || pinged().map_or(empty_since, |pinged| pinged.max(empty_since))).await;
}

async fn flush_after_each_turn(cork: &Cork<ClientWire>) {
    poll_fn(|context| {
        cork.flush(context);
        Poll::Pending
    })
    .await
}
