//! The one connection to the node that all streams share: dialed when needed, dialed again when gone.
//!
//! Refuses to know what the streams carry. It never tries a request twice: only connecting is repeated.
//!
//! ```text
//! none --slot asked for--> dialing --ok--> live --lost, or GOAWAY--> none (streams that run on keep the old one)
//!   ^_______________________ failed _/
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use http::Request;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::env::{Address, Env, Socket, TcpOptions};
use crate::lie::ConnectionSide;
use crate::proxy::config::{
    DIAL_MAX, LINK_TRIES_MAX, NODE_CONNECTION_WINDOW, RESPONSE_HEADERS_MAX, SEND_BUFFER_MAX, SLOT_WAIT_MAX,
    STREAM_WINDOW,
};
use crate::proxy::control::{ConnectionFace, Control};
use crate::proxy::forged::TrueSettings;
use crate::proxy::forger::Forger;

/// Why there is no slot for a stream at the node.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// TCP says no.
    #[error("connect to {0}: {1}")]
    Dial(Address, Arc<io::Error>),
    /// TCP, or the other side's HTTP/2, says nothing.
    #[error("connect to {0} within {DIAL_MAX:?}")]
    DialTimeout(Address),
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

/// The ways to the proxy's own node, and to those to which a lie sends streams instead.
pub(crate) struct Routes {
    env: Env,
    tcp: TcpOptions,
    control: Control,
    own: Arc<Upstream>,
    /// As many as rules have ever named.
    others: std::sync::Mutex<BTreeMap<(String, u16), Arc<Upstream>>>,
}

impl Routes {
    /// The ways from a proxy that leads to that address.
    pub(crate) fn new(env: Env, address: Address, tcp: TcpOptions, control: Control) -> Self {
        let own = Arc::new(Upstream::new(env.clone(), address, tcp, control.clone()));
        Routes { env, tcp, control, own, others: std::sync::Mutex::default() }
    }

    /// The way to the proxy's own node, or to another; without a port, to the same one there.
    pub(crate) fn upstream(&self, other: Option<(String, Option<u16>)>) -> Arc<Upstream> {
        let Some((host, port)) = other else { return self.own.clone() };
        let port = port.unwrap_or(self.own.address.port);
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let way = others.entry((host.clone(), port)).or_insert_with(|| {
            Arc::new(Upstream::new(self.env.clone(), Address::new(host, port), self.tcp, self.control.clone()))
        });
        way.clone()
    }
}

/// The way to one node.
pub(crate) struct Upstream {
    env: Env,
    address: Address,
    tcp: TcpOptions,
    control: Control,
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

impl Upstream {
    /// A way to the node; nothing is dialed yet.
    pub(crate) fn new(env: Env, address: Address, tcp: TcpOptions, control: Control) -> Self {
        Upstream { env, address, tcp, control, pool: Mutex::default(), dials: AtomicU64::new(0) }
    }

    /// The node's address.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for room for one more stream.
    ///
    /// # Errors
    /// The node cannot be reached, or has no room in time.
    pub(crate) async fn slot(&self) -> Result<Slot, UpstreamError> {
        for _ in 0..LINK_TRIES_MAX {
            let UpstreamLink { sender, slots } = self.link().await?;
            let permit = match timeout(SLOT_WAIT_MAX, slots.acquire_owned()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_closed)) => continue,
                Err(_late) => return Err(UpstreamError::Full(self.address.clone())),
            };
            // The wait may have outlived the connection's readiness: GOAWAY closes it for new streams.
            if let Ok(sender) = sender.ready().await {
                return Ok(Slot { sender, permit });
            }
        }
        Err(UpstreamError::Lost(self.address.clone()))
    }

    async fn link(&self) -> Result<UpstreamLink, UpstreamError> {
        let seen = self.dials.load(Ordering::Relaxed);
        let mut pool = self.pool.lock().await;
        if let Some(link) = &pool.link
            && !link.slots.is_closed()
            && link.sender.clone().ready().await.is_ok()
        {
            return Ok(link.clone());
        }
        if let Some(failure) = &pool.failure
            && self.dials.load(Ordering::Relaxed) > seen
        {
            return Err(failure.clone());
        }
        while pool.drivers.try_join_next().is_some() {}
        pool.link = None;
        let dialed = self.dial().await;
        self.dials.fetch_add(1, Ordering::Relaxed);
        let (sender, connection) = dialed.inspect_err(|error| pool.failure = Some(error.clone()))?;
        let driver = Driver::new(connection);
        let link = UpstreamLink { sender, slots: driver.slots.clone() };
        pool.drivers.spawn(driver);
        pool.failure = None;
        pool.link = Some(link.clone());
        Ok(link)
    }

    async fn dial(&self) -> Result<(SendRequest<Bytes>, Connection<Forger<Socket>>), UpstreamError> {
        let connect = async {
            let socket = self.env.dial_with(&self.address, self.tcp).await;
            let socket = socket.map_err(|error| UpstreamError::Dial(self.address.clone(), Arc::new(error)))?;
            let truth = TrueSettings { max_concurrent_streams: None, initial_window: STREAM_WINDOW };
            let face = ConnectionFace { serial: 0, peer: socket.peer().ip(), side: ConnectionSide::Node };
            let socket = Forger::new(socket, face, &self.control, truth);
            let spoken = Builder::new()
                .initial_window_size(STREAM_WINDOW)
                .initial_connection_window_size(NODE_CONNECTION_WINDOW)
                .max_header_list_size(RESPONSE_HEADERS_MAX)
                .max_send_buffer_size(SEND_BUFFER_MAX)
                .enable_push(false)
                .handshake(socket)
                .await;
            spoken.map_err(|error| UpstreamError::Handshake(self.address.clone(), Arc::new(error)))
        };
        match timeout(DIAL_MAX, connect).await {
            Ok(dialed) => dialed,
            Err(_late) => Err(UpstreamError::DialTimeout(self.address.clone())),
        }
    }
}

/// Runs one connection to its end, and keeps its slots at what the node allows.
struct Driver {
    connection: Connection<Forger<Socket>>,
    slots: Arc<Semaphore>,
    /// Permits that exist, in use or not.
    granted: usize,
}

impl Driver {
    fn new(connection: Connection<Forger<Socket>>) -> Self {
        let mut driver = Driver { connection, slots: Arc::new(Semaphore::new(0)), granted: 0 };
        driver.follow_limit();
        driver
    }

    /// The node may change its limit with any SETTINGS frame. h2 queues what exceeds it, without a limit of time; the
    /// semaphore gives the wait one.
    fn follow_limit(&mut self) {
        let limit = self.connection.max_concurrent_send_streams().min(Semaphore::MAX_PERMITS);
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
