//! A connection to a node: dialed when needed, with a slot for each stream that the node allows.
//!
//! Refuses to know what the streams carry, and who shares it. It never tries a request twice: only connecting is repeated. A connection is
//! dialed when needed, and dialed again when gone.
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

use crate::env::{Address, Env, Socket, TcpOptions};
use crate::lie::ConnectionSide;
use crate::proxy::config::{
    LINK_TRIES_MAX, NODE_CONNECTION_WINDOW, SEND_BUFFER_MAX, SHARED_STREAMS_MAX, SHARES, SLOT_WAIT_MAX, STREAM_WINDOW,
};
use crate::proxy::control::{ConnectionFace, Control};
use crate::proxy::cork::{Cork, Corked};
use crate::proxy::forged::TrueSettings;
use crate::proxy::forger::Forger;
use crate::proxy::habits::ProxyHabits;
use crate::proxy::node_tls::NodeConnector;
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
    retries: u32,
    retry_pause: Duration,
    dials_for_each: bool,
    response_headers: u32,
}

impl From<&ProxyHabits> for UpstreamHabits {
    fn from(habits: &ProxyHabits) -> Self {
        let ProxyHabits { dial_timeout, retries, retry_pause, dials_for_each, response_headers, .. } = *habits;
        UpstreamHabits { dial_timeout, retries, retry_pause, dials_for_each, response_headers }
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
}

impl UpstreamPlace {
    /// The scheme of requests that go there (RFC 9113 section 8.3.1).
    pub(crate) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }
}

/// The bytes of a connection to a node.
type NodeSocket = ProxyWire<Socket>;

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
    link: Option<UpstreamLink>,
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
}

/// The right to open one stream now.
pub(crate) struct Slot {
    sender: SendRequest<Bytes>,
    permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Opens the stream; the permit is to be kept as long as the stream.
    ///
    /// # Errors
    /// The connection was lost in this very moment, or HTTP/2 cannot express the request.
    pub(crate) fn send(
        mut self,
        request: Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>, OwnedSemaphorePermit), h2::Error> {
        let (reply, body) = self.sender.send_request(request, is_whole)?;
        Ok((reply, body, self.permit))
    }
}

impl UpstreamConnection {
    /// The one that clients share; nothing is dialed yet.
    pub(crate) fn shared(place: UpstreamPlace) -> Self {
        UpstreamConnection::new(place, SHARED_STREAMS_MAX)
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
            let UpstreamLink { sender, slots, limit } = self.link().await?;
            let share = limit.load(Ordering::Relaxed) / SHARES;
            if share == 0 {
                break;
            }
            if streams > share {
                return Ok(None);
            }
            match slots.try_acquire_owned() {
                Ok(permit) if sender.clone().ready().await.is_ok() => return Ok(Some(Slot { sender, permit })),
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
            let UpstreamLink { sender, slots, .. } = self.link().await?;
            let permit = match timeout(SLOT_WAIT_MAX, slots.acquire_owned()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_closed)) => continue,
                Err(_late) => return Err(UpstreamError::Full(self.place.address.clone())),
            };
            // The wait may have outlived the connection's readiness: GOAWAY closes it for new streams.
            if let Ok(sender) = sender.ready().await {
                return Ok(Slot { sender, permit });
            }
        }
        Err(UpstreamError::Lost(self.place.address.clone()))
    }

    async fn link(&self) -> Result<UpstreamLink, UpstreamError> {
        let seen = self.dials.load(Ordering::Relaxed);
        let mut pool = self.pool.lock().await;
        if let Some(link) = &pool.link
            && !self.place.habits.dials_for_each
            && !link.slots.is_closed()
            && link.sender.clone().ready().await.is_ok()
        {
            return Ok(link.clone());
        }
        if let Some(failure) = &pool.failure
            && !self.place.habits.dials_for_each
            && self.dials.load(Ordering::Relaxed) > seen
        {
            return Err(failure.clone());
        }
        while pool.drivers.try_join_next().is_some() {}
        pool.link = None;
        let dialed = self.dial_again().await;
        self.dials.fetch_add(1, Ordering::Relaxed);
        let (sender, driver) = dialed.inspect_err(|error| {
            tracing::warn!("failed to {error}");
            pool.failure = Some(error.clone());
        })?;
        let link = UpstreamLink { sender, slots: driver.slots.clone(), limit: driver.limit.clone() };
        pool.drivers.spawn(driver);
        pool.failure = None;
        pool.link = Some(link.clone());
        Ok(link)
    }

    /// Dials as often as is usual; the last failure counts.
    async fn dial_again(&self) -> Result<(SendRequest<Bytes>, Driver), UpstreamError> {
        let mut dialed = self.dial().await;
        for _ in 0..self.place.habits.retries {
            if dialed.is_ok() {
                break;
            }
            sleep(self.place.habits.retry_pause).await;
            dialed = self.dial().await;
        }
        dialed
    }

    async fn dial(&self) -> Result<(SendRequest<Bytes>, Driver), UpstreamError> {
        let UpstreamPlace { env, address, tcp, control, habits, tls } = &self.place;
        let is_connected = AtomicBool::new(false);
        let connect = async {
            let socket = env.dial_with(address, *tcp).await;
            let socket = socket.map_err(|error| UpstreamError::Dial(address.clone(), Arc::new(error)))?;
            let truth = TrueSettings { max_concurrent_streams: None, initial_window: STREAM_WINDOW };
            let face = ConnectionFace { serial: 0, peer: socket.peer().ip(), side: ConnectionSide::Node };
            let wire = match tls {
                None => ProxyWire::Clear(socket),
                Some(tls) => {
                    is_connected.store(true, Ordering::Relaxed);
                    let shaken = tls.connect(socket, address).await;
                    shaken.map_err(|why| UpstreamError::Tls(address.clone(), why))?
                }
            };
            let (socket, cork) = Corked::over(wire);
            let socket = Forger::new(socket, face, control, Arc::default(), truth);
            let spoken = Builder::new()
                .initial_window_size(STREAM_WINDOW)
                .initial_connection_window_size(NODE_CONNECTION_WINDOW)
                .max_header_list_size(habits.response_headers)
                .max_send_buffer_size(SEND_BUFFER_MAX)
                .enable_push(false)
                .handshake(socket)
                .await;
            let (sender, connection) =
                spoken.map_err(|error| UpstreamError::Handshake(address.clone(), Arc::new(error)))?;
            Ok((sender, Driver::new(connection, cork, self.streams_max)))
        };
        let Some(longest) = habits.dial_timeout else { return connect.await };
        match timeout(longest, connect).await {
            Ok(dialed) => dialed,
            Err(_late) if is_connected.into_inner() => Err(UpstreamError::TlsTimeout(address.clone(), longest)),
            Err(_late) => Err(UpstreamError::DialTimeout(address.clone(), longest)),
        }
    }
}

/// Runs one connection to its end, and keeps its slots at what the node allows.
struct Driver {
    connection: Connection<Forger<Corked<NodeSocket>>>,
    cork: Cork<NodeSocket>,
    slots: Arc<Semaphore>,
    streams_max: usize,
    limit: Arc<AtomicUsize>,
    /// Permits that exist, in use or not.
    granted: usize,
}

impl Driver {
    fn new(connection: Connection<Forger<Corked<NodeSocket>>>, cork: Cork<NodeSocket>, streams_max: usize) -> Self {
        let mut driver = Driver {
            connection,
            cork,
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
