//! Sockets over turmoil's, which are closed in the order in which they were opened when their process dies.
//!
//! Why: turmoil draws a latency for each FIN, and tokio drops the tasks of a dead process in an order that depends on the
//! whole program (reports/findings/drop-order.md). So a dead process's sockets stay open through its destructors,
//! and its kernel, which is this module, closes them.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use turmoil::net::{TcpListener, TcpStream};

use crate::env::{Accept, Address, Listener, Socket};
use crate::world::process::Process;

/// A dial whose SYN nobody answers ends after 7 SYNs: 1 + 2 + 4 + … + 64 s (tcp(7), `tcp_syn_retries`).
const SYN_PATIENCE: Duration = Duration::from_secs(127);

/// The sockets of one process, by the order in which they were opened.
#[derive(Clone)]
pub(crate) struct Sockets {
    process: Process,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    opened: u64,
    open: BTreeMap<u64, Shared>,
}

/// A stream that its process uses and its kernel closes.
type Shared = Arc<Mutex<Option<TcpStream>>>;

impl Sockets {
    /// No sockets yet.
    pub(crate) fn new(process: Process) -> Self {
        Sockets { process, table: Arc::default() }
    }

    /// Connects to `address`.
    pub(crate) async fn dial(self, address: Address) -> io::Result<Socket> {
        match timeout(SYN_PATIENCE, TcpStream::connect((address.host, address.port))).await {
            Ok(connected) => self.adopt(connected?),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Listens on `port`.
    pub(crate) async fn listen(self, port: u16) -> io::Result<Listener> {
        let listener = TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), port)).await?;
        let local = listener.local_addr()?;
        Ok(Listener::new(local, Accepting { sockets: self, next: Box::pin(accept(listener)) }))
    }

    /// Closes every socket, in order. Must be called where turmoil runs the host.
    pub(crate) fn close(&self) {
        let open = std::mem::take(&mut lock(&self.table).open);
        for stream in open.into_values() {
            // Taken out first: a destructor that is late finds nothing.
            let closed = lock(&stream).take();
            drop(closed);
        }
    }

    fn adopt(self, stream: TcpStream) -> io::Result<Socket> {
        let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
        let shared: Shared = Arc::new(Mutex::new(Some(stream)));
        let mut table = lock(&self.table);
        table.opened += 1;
        let number = table.opened;
        table.open.insert(number, shared.clone());
        drop(table);
        Ok(Socket::new(local, peer, TurmoilStream { sockets: self, number, shared }))
    }
}

/// A process's end of a connection.
struct TurmoilStream {
    sockets: Sockets,
    number: u64,
    shared: Shared,
}

impl TurmoilStream {
    fn with<T>(&self, ask: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut *lock(&self.shared) {
            Some(stream) if self.sockets.process.is_alive() => ask(Pin::new(stream)),
            _ => Poll::Ready(Err(io::Error::new(io::ErrorKind::NotConnected, "the socket's process is dead"))),
        }
    }
}

impl AsyncRead for TurmoilStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for TurmoilStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(context))
    }
}

impl Drop for TurmoilStream {
    /// Closes the socket, unless the process has died: then its kernel does.
    fn drop(&mut self) {
        if self.sockets.process.is_alive() {
            lock(&self.sockets.table).open.remove(&self.number);
            let closed = lock(&self.shared).take();
            drop(closed);
        }
    }
}

/// The next connection, or the wait for it; the listener travels through it.
type NextAccept = Pin<Box<dyn Future<Output = (TcpListener, io::Result<TcpStream>)> + Send>>;

struct Accepting {
    sockets: Sockets,
    next: NextAccept,
}

async fn accept(listener: TcpListener) -> (TcpListener, io::Result<TcpStream>) {
    let accepted = listener.accept().await.map(|(stream, _)| stream);
    (listener, accepted)
}

impl Accept for Accepting {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        let (listener, accepted) = ready!(self.next.as_mut().poll(context));
        self.next = Box::pin(accept(listener));
        Poll::Ready(accepted.and_then(|stream| self.sockets.clone().adopt(stream)))
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
