//! A connection to a node: dialed when needed, with a slot for each stream that the node allows.
//!
//! Refuses to know what the streams carry, and who shares it. It never tries a request twice: only connecting is repeated. A connection is
//! dialed when needed, and dialed again when gone. One more is dialed where those that there are have no room, or each stream has its own.
//!
//! ```text
//! none --slot asked for--> dialing --ok--> live --lost, or GOAWAY--> none (streams that run on keep the old one)
//!   ^_______________________ failed _/
//! ```

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use http::Request;
use http::uri::Scheme;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::env::{Address, Env, ResetSwitch, TcpOptions};
use crate::lie::ConnectionSide;
use crate::profile::NodePool;
use crate::proxy::config::{
    LINK_TRIES_MAX, NODE_CONNECTION_WINDOW, SEND_BUFFER_MAX, SHARED_WINDOWS, SHARES, SLOT_WAIT_MAX, WINDOW_MAX,
};
use crate::proxy::control::{ConnectionFace, Control};
use crate::proxy::cork::{Cork, Corked};
use crate::proxy::errand::{ErrandEnd, Errands};
use crate::proxy::forged::TrueSettings;
use crate::proxy::forger::{Forger, FrameHabits};
use crate::proxy::habits::{PingHabits, PoolHabits, ProxyHabits};
use crate::proxy::node_pinger::NodePinger;
use crate::proxy::node_tls::NodeConnector;
use crate::proxy::spoiler::Spoiler;
use crate::proxy::wire::ProxyWire;

/// Why there is no slot for a stream at the node.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// TCP says no.
    #[error("connect to {0}: {1}")]
    Dial(Address, Arc<io::Error>),
    /// TCP, or the other side's HTTP/2, says nothing.
    #[error("connect to {0} within {1:?}")]
    DialTimeout(Address, Duration),
    /// There is a connection, and the other side says nothing on it.
    #[error("speak TLS with the server {0} within {1:?}: it says nothing")]
    TlsTimeout(Address, Duration),
    /// There is a connection, but no TLS on it.
    #[error("speak TLS with the server {0}: {1}")]
    Tls(Address, String),
    /// There is a connection, but no HTTP/2 on it.
    #[error("speak HTTP/2 to {0}: {1}")]
    Handshake(Address, Arc<h2::Error>),
    /// The node's limit of concurrent streams is reached.
    #[error("open a stream to {0} within {SLOT_WAIT_MAX:?}: the node's limit of concurrent streams is reached")]
    Full(Address),
    /// Connections die faster than a stream can be opened.
    #[error("open a stream to {0}: the connection was lost")]
    Lost(Address),
}

/// How the node is dialed.
#[derive(Clone, Copy)]
pub(crate) struct UpstreamHabits {
    dial_timeout: Option<Duration>,
    dial_retries: u32,
    retry_pause: Duration,
    response_headers: u32,
    pub(crate) pool: PoolHabits,
    window: u32,
    pings: Option<PingHabits>,
    frames: FrameHabits,
}

impl From<&ProxyHabits> for UpstreamHabits {
    fn from(habits: &ProxyHabits) -> Self {
        let ProxyHabits { dial_timeout, retry_pause, pool, node_window: window, pings, node_frames: frames, .. } =
            *habits;
        let (dial_retries, response_headers) = (habits.dial_retries(), habits.response_header_limit());
        UpstreamHabits { dial_timeout, dial_retries, retry_pause, response_headers, pool, window, pings, frames }
    }
}

impl UpstreamHabits {
    /// What the node may send ahead on all streams of a connection: as much as on as many of them as plain bears, that one stalled
    /// stream stops no other.
    fn connection_window(&self) -> u32 {
        self.window.saturating_mul(SHARED_WINDOWS).clamp(NODE_CONNECTION_WINDOW, WINDOW_MAX)
    }

    /// Streams of all clients on one connection to the node: no more than its window has room for, so that it never lacks room
    /// however many of them are stalled.
    fn streams_max(&self) -> usize {
        let windows = self.connection_window() / self.window.max(1);
        windows.min(self.pool.streams.unwrap_or(u32::MAX)).max(1) as usize
    }
}

/// Where a node is, and how it is dialed.
#[derive(Clone)]
pub(crate) struct UpstreamPlace {
    pub(crate) env: Env,
    pub(crate) address: Address,
    pub(crate) tcp: TcpOptions,
    pub(crate) control: Control,
    pub(crate) habits: UpstreamHabits,
    pub(crate) tls: Option<Arc<NodeConnector>>,
    /// So many connections were made to all places of the proxy.
    pub(crate) dialed: Arc<AtomicU64>,
}

impl UpstreamPlace {
    /// The scheme of requests that go there (RFC 9113 section 8.3.1).
    pub(crate) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }
}

/// The bytes of a connection to a node.
type NodeSocket = ProxyWire<Spoiler>;

/// HTTP/2 with a node.
type NodeHttp = Connection<Forger<Corked<NodeSocket>>>;

/// A connection to the node.
pub(crate) struct UpstreamConnection {
    place: UpstreamPlace,
    /// What we allow, whatever the node does.
    streams_max: usize,
    pool: Mutex<Pool>,
    /// Dials that are over, so that whoever waited for one that failed shares the failure instead of dialing in turn.
    dials: AtomicU64,
}

#[derive(Default)]
struct Pool {
    links: Vec<UpstreamLink>,
    failure: Option<UpstreamError>,
    /// One task per connection; more than one while streams run on after GOAWAY.
    drivers: JoinSet<()>,
}

#[derive(Clone)]
struct UpstreamLink {
    sender: SendRequest<Bytes>,
    /// As many permits as the node allows concurrent streams; closed when the connection is gone.
    slots: Arc<Semaphore>,
    /// Those that there are, in use or not.
    limit: Arc<AtomicUsize>,
    errands: Errands,
    /// A stream has been opened on it before.
    is_used: Arc<AtomicBool>,
}

/// The right to open one stream now.
pub(crate) struct Slot {
    sender: SendRequest<Bytes>,
    lease: SlotLease,
}

/// What of a connection is a stream's, as long as the stream lives.
pub(crate) struct SlotLease {
    errands: Errands,
    /// The connection is this stream's own, and ends with it.
    is_own: bool,
    is_reused: bool,
    _permit: OwnedSemaphorePermit,
}

impl SlotLease {
    /// What may be asked of the connection.
    pub(crate) fn errands(&self) -> &Errands {
        &self.errands
    }

    /// Whether the connection had been used before.
    pub(crate) fn is_reused(&self) -> bool {
        self.is_reused
    }
}

impl Drop for SlotLease {
    fn drop(&mut self) {
        if self.is_own {
            self.errands.end(ErrandEnd::Close);
        }
    }
}

impl Slot {
    /// Opens the stream; the lease is to be kept as long as the stream.
    ///
    /// # Errors
    /// The connection was lost in this very moment, or HTTP/2 cannot express the request.
    pub(crate) fn send(
        mut self,
        request: Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>, SlotLease), h2::Error> {
        let (reply, body) = self.sender.send_request(request, is_whole)?;
        Ok((reply, body, self.lease))
    }
}

impl UpstreamLink {
    fn slot(&self, permit: OwnedSemaphorePermit, is_own: bool) -> Slot {
        let is_reused = self.is_used.swap(true, Ordering::Relaxed);
        let lease = SlotLease { errands: self.errands.clone(), is_own, is_reused, _permit: permit };
        Slot { sender: self.sender.clone(), lease }
    }

    /// Room for one more stream, if it has any now.
    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        let permit = self.slots.clone().try_acquire_owned().ok()?;
        // GOAWAY closes a connection for new streams.
        self.sender.clone().ready().await.is_ok().then_some(permit)
    }
}

impl UpstreamConnection {
    /// The one that clients share; nothing is dialed yet.
    pub(crate) fn shared(place: UpstreamPlace) -> Self {
        let streams_max = place.habits.streams_max();
        UpstreamConnection::new(place, streams_max)
    }

    /// One of a single client's own.
    pub(crate) fn own(place: UpstreamPlace) -> Self {
        UpstreamConnection::new(place, Semaphore::MAX_PERMITS)
    }

    fn new(place: UpstreamPlace, streams_max: usize) -> Self {
        UpstreamConnection { place, streams_max, pool: Mutex::default(), dials: AtomicU64::new(0) }
    }

    /// Where it leads.
    pub(crate) fn place(&self) -> &UpstreamPlace {
        &self.place
    }

    /// Room for one more stream of a client that has so many; none where it is to go over a connection of its own.
    ///
    /// # Errors
    /// The node cannot be reached, or has no room in time.
    pub(crate) async fn shared_slot(&self, streams: usize) -> Result<Option<Slot>, UpstreamError> {
        for _ in 0..LINK_TRIES_MAX {
            let link = self.link().await?;
            let share = link.limit.load(Ordering::Relaxed) / SHARES;
            if share == 0 {
                break;
            }
            if streams > share {
                return Ok(None);
            }
            match link.slots.clone().try_acquire_owned() {
                Ok(permit) if link.sender.clone().ready().await.is_ok() => return Ok(Some(link.slot(permit, false))),
                Ok(_) | Err(TryAcquireError::Closed) => {}
                Err(TryAcquireError::NoPermits) => return Ok(None),
            }
        }
        // A node that allows so few leaves nothing to share out: each waits for its turn.
        self.slot().await.map(Some)
    }

    /// Waits for room for one more stream.
    ///
    /// # Errors
    /// The node cannot be reached, or has no room in time.
    pub(crate) async fn slot(&self) -> Result<Slot, UpstreamError> {
        for _ in 0..LINK_TRIES_MAX {
            let link = self.link().await?;
            let permit = match timeout(SLOT_WAIT_MAX, link.slots.clone().acquire_owned()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_closed)) => continue,
                Err(_late) => return Err(UpstreamError::Full(self.place.address.clone())),
            };
            // The wait may have outlived the connection's readiness: GOAWAY closes it for new streams.
            if link.sender.clone().ready().await.is_ok() {
                return Ok(link.slot(permit, false));
            }
        }
        Err(UpstreamError::Lost(self.place.address.clone()))
    }

    /// Room for one more stream on any of several connections, of which one more is dialed where there is none.
    ///
    /// # Errors
    /// The node cannot be reached, or has no room in time.
    pub(crate) async fn pooled_slot(&self) -> Result<Slot, UpstreamError> {
        if self.place.habits.pool.kind == NodePool::PerRequest {
            let dialed = self.dial_again().await;
            let link = self.take_up(&mut *self.pool.lock().await, dialed)?;
            return self.slot_of(&link, true).await;
        }
        let seen = self.dials.load(Ordering::Relaxed);
        let mut pool = self.pool.lock().await;
        pool.links.retain(|link| !link.slots.is_closed());
        for link in &pool.links {
            if let Some(permit) = link.room().await {
                return Ok(link.slot(permit, false));
            }
        }
        if let Some(failure) = self.fresh_failure(&pool, seen) {
            return Err(failure);
        }
        let most = self.place.habits.pool.connections.unwrap_or(u32::MAX) as usize;
        if pool.links.len() >= most {
            drop(pool);
            return self.slot().await;
        }
        let dialed = self.dial_again().await;
        let link = self.take_up(&mut pool, dialed)?;
        self.slot_of(&link, false).await
    }

    /// Room on a connection that was just dialed.
    async fn slot_of(&self, link: &UpstreamLink, is_own: bool) -> Result<Slot, UpstreamError> {
        let permit = link.room().await.ok_or_else(|| UpstreamError::Lost(self.place.address.clone()))?;
        Ok(link.slot(permit, is_own))
    }

    /// How a dial has failed that was over while this one waited for its turn.
    fn fresh_failure(&self, pool: &Pool, seen: u64) -> Option<UpstreamError> {
        pool.failure.clone().filter(|_| self.dials.load(Ordering::Relaxed) > seen)
    }

    /// The connection that there is, or a new one.
    async fn link(&self) -> Result<UpstreamLink, UpstreamError> {
        let seen = self.dials.load(Ordering::Relaxed);
        let mut pool = self.pool.lock().await;
        if let Some(link) = pool.links.last()
            && !link.slots.is_closed()
            && link.sender.clone().ready().await.is_ok()
        {
            return Ok(link.clone());
        }
        if let Some(failure) = self.fresh_failure(&pool, seen) {
            return Err(failure);
        }
        pool.links.clear();
        while pool.drivers.try_join_next().is_some() {}
        let dialed = self.dial_again().await;
        self.take_up(&mut pool, dialed)
    }

    /// Takes up what came of a dial.
    fn take_up(&self, pool: &mut Pool, dialed: Dialed) -> Result<UpstreamLink, UpstreamError> {
        while pool.drivers.try_join_next().is_some() {}
        self.dials.fetch_add(1, Ordering::Relaxed);
        let (sender, driver) = dialed.inspect_err(|error| {
            tracing::warn!("failed to {error}");
            pool.failure = Some(error.clone());
        })?;
        let (slots, limit, errands) = (driver.slots.clone(), driver.limit.clone(), driver.errands.clone());
        let link = UpstreamLink { sender, slots, limit, errands, is_used: Arc::default() };
        pool.drivers.spawn(driver);
        pool.failure = None;
        if self.place.habits.pool.kind != NodePool::PerRequest {
            pool.links.push(link.clone());
        }
        Ok(link)
    }

    /// Dials as often as is usual; the last failure counts.
    ///
    /// Boxed, both the work and what comes of it: it is done once for a connection, and its state is not to be part of every
    /// stream's.
    fn dial_again(&self) -> Pin<Box<dyn Future<Output = Dialed> + Send + '_>> {
        Box::pin(async {
            let mut dialed = self.dial().await;
            for _ in 0..self.place.habits.dial_retries {
                if dialed.is_ok() {
                    break;
                }
                sleep(self.place.habits.retry_pause).await;
                dialed = self.dial().await;
            }
            dialed
        })
    }

    async fn dial(&self) -> Dialed {
        let UpstreamPlace { env, address, tcp, control, habits, tls, dialed } = &self.place;
        let is_connected = AtomicBool::new(false);
        let connect = async {
            let socket = env.dial_with(address, *tcp).await;
            let socket = socket.map_err(|error| UpstreamError::Dial(address.clone(), Arc::new(error)))?;
            let truth = TrueSettings { max_concurrent_streams: None, initial_window: habits.window };
            let (errands, reset) = (Errands::default(), socket.reset_switch().clone());
            let serial = dialed.fetch_add(1, Ordering::Relaxed) + 1;
            let face = ConnectionFace { serial, peer: socket.peer().ip(), side: ConnectionSide::Node };
            let socket = Spoiler::new(socket, face, control);
            let wire = match tls {
                None => ProxyWire::Clear(socket),
                Some(tls) => {
                    is_connected.store(true, Ordering::Relaxed);
                    let shaken = tls.connect(socket, address).await;
                    shaken.map_err(|why| UpstreamError::Tls(address.clone(), why))?
                }
            };
            let (socket, cork) = Corked::over(wire);
            let socket = Forger::new(socket, face, control, truth).with_habits(habits.frames, errands.clone());
            let spoken = Builder::new()
                .initial_window_size(habits.window)
                .initial_connection_window_size(habits.connection_window())
                .max_header_list_size(habits.response_headers)
                .max_send_buffer_size(SEND_BUFFER_MAX)
                .enable_push(false)
                .handshake(socket)
                .await;
            let (sender, connection) =
                spoken.map_err(|error| UpstreamError::Handshake(address.clone(), Arc::new(error)))?;
            let pinger = habits.pings.map(NodePinger::new);
            Ok((sender, Box::new(Driver::new((connection, cork, errands, reset), pinger, self.streams_max))))
        };
        let Some(longest) = habits.dial_timeout else { return connect.await };
        match timeout(longest, connect).await {
            Ok(dialed) => dialed,
            Err(_late) if is_connected.into_inner() => Err(UpstreamError::TlsTimeout(address.clone(), longest)),
            Err(_late) => Err(UpstreamError::DialTimeout(address.clone(), longest)),
        }
    }
}

/// What comes of dialing a node: its connection, and what drives it.
type Dialed = Result<(SendRequest<Bytes>, Box<Driver>), UpstreamError>;

/// Runs one connection to its end, and keeps its slots at what the node allows.
struct Driver {
    connection: NodeHttp,
    cork: Cork<NodeSocket>,
    errands: Errands,
    reset: ResetSwitch,
    pinger: Option<NodePinger>,
    slots: Arc<Semaphore>,
    streams_max: usize,
    limit: Arc<AtomicUsize>,
    /// Permits that exist, in use or not.
    granted: usize,
}

impl Driver {
    fn new(
        (mut connection, cork, errands, reset): (NodeHttp, Cork<NodeSocket>, Errands, ResetSwitch),
        mut pinger: Option<NodePinger>,
        streams_max: usize,
    ) -> Self {
        pinger.iter_mut().for_each(|pinger| pinger.ask_over(&mut connection));
        let mut driver = Driver {
            connection,
            cork,
            errands,
            reset,
            pinger,
            slots: Arc::new(Semaphore::new(0)),
            streams_max,
            limit: Arc::default(),
            granted: 0,
        };
        driver.follow_limit();
        driver
    }

    /// The node may change its limit with any SETTINGS frame. h2 queues what exceeds it, without a limit of time; the
    /// semaphore gives the wait one.
    fn follow_limit(&mut self) {
        let limit = self.connection.max_concurrent_send_streams().min(self.streams_max);
        self.limit.store(limit, Ordering::Relaxed);
        if limit > self.granted {
            self.slots.add_permits(limit - self.granted);
            self.granted = limit;
        } else if limit < self.granted {
            // Those in use are taken back at a later turn.
            self.granted -= self.slots.forget_permits(self.granted - limit);
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(end) = self.errands.poll_end(context) {
            if end != ErrandEnd::Close {
                self.reset.throw();
            }
            return Poll::Ready(());
        }
        if self.pinger.as_mut().is_some_and(|pinger| pinger.poll_lost(context).is_ready()) {
            tracing::debug!("the node answers no PING");
            return Poll::Ready(());
        }
        let polled = Pin::new(&mut self.connection).poll(context);
        self.cork.flush(context);
        self.follow_limit();
        polled.map(|ended| {
            if let Err(error) = ended {
                tracing::debug!(%error, "the connection to the node is lost");
            }
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.slots.close();
    }
}
