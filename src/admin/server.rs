//! Serves the API on a listener of the surroundings: on loopback, unless it is told otherwise.
//!
//! Refuses to know what is asked.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::serve::Listener as AxumListener;
use tokio::io::ReadBuf;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use crate::admin::api::router;
use crate::admin::bounds::{ACCEPT_PAUSE, CALLER_LIFE_MAX, CALLERS_MAX};
use crate::admin::fleet::{EnvOfHost, ProxyFleet};
use crate::env::{Address, ByteStream, Listener, Socket, StreamTap, Tapped};

/// Why the API cannot be served; fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadAdmin {
    /// The address cannot be had.
    #[error("listen for the admin API on {address}: {source}")]
    Listen {
        /// The address.
        address: Address,
        /// What the surroundings said.
        source: io::Error,
    },
    /// Others than this machine could reach it.
    #[error(
        "listen for the admin API on {0}: whoever reaches it commands all proxies, so it listens on loopback, such as \
         127.0.0.1:8474, unless it is told otherwise"
    )]
    Open(SocketAddr),
}

/// The API on its port; it answers nobody yet.
pub struct AdminServer {
    callers: Callers,
    fleet: Arc<Mutex<ProxyFleet>>,
}

impl AdminServer {
    /// Listens there; elsewhere than on loopback only if `is_open`.
    ///
    /// # Errors
    /// The address cannot be had, or may not.
    pub async fn bind(
        ground: &EnvOfHost,
        address: &Address,
        is_open: bool,
        fleet: Arc<Mutex<ProxyFleet>>,
    ) -> Result<Self, BadAdmin> {
        let listening = ground(&address.host).listen(address.port).await;
        let listener = listening.map_err(|source| BadAdmin::Listen { address: address.clone(), source })?;
        if !is_open && !listener.local().ip().is_loopback() {
            return Err(BadAdmin::Open(listener.local()));
        }
        let callers = Callers { listener, room: Arc::new(Semaphore::new(CALLERS_MAX)) };
        Ok(AdminServer { callers, fleet })
    }

    /// Where it listens.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.callers.listener.local()
    }

    /// Serves until it is dropped.
    ///
    /// # Errors
    /// None is known: a failed accept is tried again.
    pub async fn run(self) -> io::Result<()> {
        axum::serve(self.callers, router(self.fleet)).await
    }
}

/// Who asks: so many at a time.
struct Callers {
    listener: Listener,
    room: Arc<Semaphore>,
}

/// The place that a connection takes, and until when.
struct CallerPlace {
    _permit: Option<OwnedSemaphorePermit>,
    life: Pin<Box<Sleep>>,
}

impl<S: ByteStream> StreamTap<S> for CallerPlace {
    fn poll_read(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.life.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(stream).poll_read(context, buffer)
    }
}

impl AxumListener for Callers {
    type Io = Tapped<Socket, CallerPlace>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        // Its error is a semaphore that is closed, which this one never is.
        let permit = self.room.clone().acquire_owned().await.ok();
        // Ends: with the first connection.
        loop {
            match self.listener.accept().await {
                Ok(socket) => {
                    let peer = socket.peer();
                    let place = CallerPlace { _permit: permit, life: Box::pin(sleep(CALLER_LIFE_MAX)) };
                    return (Tapped::over(socket, place), peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection to the admin API");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.listener.local())
    }
}
