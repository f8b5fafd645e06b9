//! Which connection a stream takes: the one to the proxy's node that all clients share, one of its own for a client that
//! wants more than its share, or one to another node to which a lie sends it.
//!
//! Refuses to know how connections are made.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::env::Address;
use crate::profile::NodePool;
use crate::proxy::cancels::Cancels;
use crate::proxy::upstream::{Slot, UpstreamConnection, UpstreamError, UpstreamPlace};

/// The shared connections of a proxy.
pub(crate) struct ProxyRoutes {
    node: Arc<UpstreamConnection>,
    /// As many as rules have ever named.
    others: Mutex<BTreeMap<(String, u16), Arc<UpstreamConnection>>>,
}

impl ProxyRoutes {
    /// Those of a proxy that leads there.
    pub(crate) fn new(place: UpstreamPlace) -> Self {
        ProxyRoutes { node: Arc::new(UpstreamConnection::shared(place)), others: Mutex::default() }
    }

    fn other(&self, host: String, port: Option<u16>) -> Arc<UpstreamConnection> {
        let place = self.node.place();
        let port = port.unwrap_or(place.address.port);
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = others.entry((host.clone(), port)).or_insert_with(|| {
            let place = UpstreamPlace { address: Address::new(host, port), ..place.clone() };
            Arc::new(UpstreamConnection::shared(place))
        });
        connection.clone()
    }
}

/// One client's routes.
#[derive(Clone)]
pub(crate) struct ClientRoutes {
    routes: Arc<ProxyRoutes>,
    cancels: Arc<Cancels>,
    node: Arc<Upstream>,
}

impl ClientRoutes {
    /// The routes of a new client.
    pub(crate) fn new(routes: Arc<ProxyRoutes>, cancels: Arc<Cancels>) -> Self {
        let node = Arc::new(Upstream::new(routes.node.clone(), cancels.clone()));
        ClientRoutes { routes, cancels, node }
    }

    /// The way to the proxy's node, or to another; without a port, to the same one there.
    pub(crate) fn upstream(&self, other: Option<(String, Option<u16>)>) -> Arc<Upstream> {
        match other {
            None => self.node.clone(),
            Some((host, port)) => Arc::new(Upstream::new(self.routes.other(host, port), self.cancels.clone())),
        }
    }

    /// Counts one more stream of the client.
    pub(crate) fn sit(&self) -> UpstreamSeat {
        self.node.streams.fetch_add(1, Ordering::Relaxed);
        UpstreamSeat(self.node.clone())
    }
}

/// One client's ways to one node.
pub(crate) struct Upstream {
    shared: Arc<UpstreamConnection>,
    own: UpstreamConnection,
    cancels: Arc<Cancels>,
    /// The client's streams now.
    streams: AtomicUsize,
}

/// One stream of a client, while it lasts.
pub(crate) struct UpstreamSeat(Arc<Upstream>);

impl Drop for UpstreamSeat {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    fn new(shared: Arc<UpstreamConnection>, cancels: Arc<Cancels>) -> Self {
        let own = UpstreamConnection::own(shared.place().clone());
        Upstream { shared, own, cancels, streams: AtomicUsize::new(0) }
    }

    /// Where the node is.
    pub(crate) fn place(&self) -> &UpstreamPlace {
        self.shared.place()
    }

    /// Waits for room for one more stream.
    ///
    /// # Errors
    /// The node cannot be reached, or has no room in time.
    pub(crate) async fn slot(&self) -> Result<Slot, UpstreamError> {
        let pool = self.shared.place().habits.pool;
        match pool.kind {
            NodePool::PerClient => return self.own.slot().await,
            NodePool::PerRequest => return self.shared.pooled_slot().await,
            NodePool::Shared if pool.connections != Some(1) => return self.shared.pooled_slot().await,
            NodePool::Shared => {}
        }
        if !self.cancels.are_hasty() {
            let streams = self.streams.load(Ordering::Relaxed);
            if let Some(slot) = self.shared.shared_slot(streams).await? {
                return Ok(slot);
            }
        }
        self.own.slot().await
    }
}
