//! Sockets and listeners: the handles that a process holds on the fabric.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::MutexGuard;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::env::{Accept, Address, Listener, Socket, TcpOptions};
use crate::fault::{Landmark, Moment};
use crate::world::engine::HostId;
use crate::world::net::connection::TcpConnection;
use crate::world::net::end::{End, TcpPhase};
use crate::world::net::fabric::{Fabric, Net};
use crate::world::net::frames::DataFrames;
use crate::world::net::segment::TcpSide;
use crate::world::net::traffic::ConnectionId;
use crate::world::process::Process;
use crate::world::sandbox::state;

/// connect(2), from a host to an address of the same world.
pub(crate) async fn dial(
    net: Net,
    from: HostId,
    address: Address,
    options: TcpOptions,
    process: Process,
) -> io::Result<Socket> {
    let (destination, takes) = net.fabric().resolve(from, &address.host)?;
    if !takes.is_zero() {
        tokio::time::sleep(takes).await;
    }
    let id = net.fabric().dial(from, destination, address.port, options)?;
    // From here on a cancelled dial closes the socket.
    let stream = TcpSocket::dialed(net, id, process);
    poll_fn(|context| stream.poll_connected(context)).await?;
    let (local, peer) = stream.addresses();
    Ok(Socket::new(local, peer, stream))
}

/// bind(2) and listen(2).
pub(crate) fn listen(net: Net, host: HostId, port: u16, process: Process) -> io::Result<Listener> {
    let local = net.fabric().listen(host, port, Ipv6Addr::UNSPECIFIED.into())?;
    Ok(Listener::new(local, ListeningPort { net, host, port, process }))
}

struct ListeningPort {
    net: Net,
    host: HostId,
    port: u16,
    process: Process,
}

impl Accept for ListeningPort {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        let accepted = self.net.fabric().accept(self.host, self.port, context.waker())?;
        let Some(id) = accepted else { return Poll::Pending };
        let (net, process) = (self.net.clone(), self.process.clone());
        let stream = TcpSocket::accepted(net, id, process);
        let (local, peer) = stream.addresses();
        Poll::Ready(Ok(Socket::new(local, peer, stream)))
    }
}

impl Drop for ListeningPort {
    fn drop(&mut self) {
        self.net.fabric().unlisten(self.host, self.port);
    }
}

/// A socket of TCP that is connected, or about to be.
pub(crate) struct TcpSocket {
    net: Net,
    id: ConnectionId,
    side: TcpSide,
    /// Followed from the first byte, so that counting may begin at any time.
    frames: DataFrames,
    process: Process,
}

/// A held socket's connection is forgotten only after its host's process died.
fn dead_process() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the process that held this socket is dead")
}

impl TcpSocket {
    pub(crate) fn dialed(net: Net, id: ConnectionId, process: Process) -> Self {
        TcpSocket { net, id, side: TcpSide::Dialer, frames: DataFrames::of_dialer(), process }
    }

    pub(crate) fn accepted(net: Net, id: ConnectionId, process: Process) -> Self {
        TcpSocket { net, id, side: TcpSide::Acceptor, frames: DataFrames::of_acceptor(), process }
    }

    /// What its end says, and is told.
    pub(crate) fn with_end<T>(&self, ask: impl FnOnce(&mut End) -> T) -> io::Result<T> {
        let mut fabric = self.alive()?;
        Ok(ask(fabric.connection(self.id).ok_or_else(dead_process)?.end_mut(self.side)))
    }

    /// From here on it is watched with these options.
    pub(crate) fn set_options(&self, options: TcpOptions) -> io::Result<()> {
        self.alive()?.set_options(self.id, self.side, options);
        Ok(())
    }

    /// The fabric, for a process that lives: it may have died in the middle of what it does.
    fn alive(&self) -> io::Result<MutexGuard<'_, Fabric>> {
        if self.process.is_alive() { Ok(self.net.fabric()) } else { Err(dead_process()) }
    }

    /// Its own address, and its peer's.
    pub(crate) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let mut fabric = self.net.fabric();
        let connection = fabric.connection(self.id).expect("a held connection is not forgotten");
        (connection.end(self.side).address, connection.end(self.side.other()).address)
    }

    pub(crate) fn poll_connected(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut fabric = self.alive()?;
        let connection = fabric.connection(self.id).ok_or_else(dead_process)?;
        let end = connection.end_mut(self.side);
        match end.phase() {
            TcpPhase::Open => Poll::Ready(Ok(())),
            TcpPhase::Failed(kind) => Poll::Ready(Err(kind.into())),
            TcpPhase::Listening | TcpPhase::Connecting => {
                end.writer = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl TcpSocket {
    /// Reads what is there, each DATA frame's last byte by itself: the process may die before it and after it, and
    /// with nothing of the fabric locked.
    fn read_by_frames(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        loop {
            let most = buffer.remaining().min(self.frames.before_landmark().max(1));
            let is_landmark = self.frames.before_landmark() == 0;
            let has_unread = |connection: &mut TcpConnection| connection.end(self.side).has_unread();
            if most == 0 || !self.net.fabric().connection(self.id).is_some_and(has_unread) {
                return Ok(());
            }
            if is_landmark {
                self.process.passes(Landmark::Frame, Moment::Before);
                if !self.process.is_alive() {
                    return Err(dead_process());
                }
            }
            if !self.process.is_alive() {
                return Err(dead_process());
            }
            let mut fabric = self.net.fabric();
            let end = fabric.connection(self.id).ok_or_else(dead_process)?.end_mut(self.side);
            end.read(most, |part| {
                self.frames.pass(part);
                buffer.put_slice(part);
            });
            drop(fabric);
            if is_landmark {
                self.process.passes(Landmark::Frame, Moment::After);
                if self.process.doom().is_some() {
                    // It dies of this frame: it reads no other.
                    return Ok(());
                }
            }
        }
    }
}

impl AsyncRead for TcpSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !state::take_steps(1) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if self.process.counts_frames() {
            self.read_by_frames(buffer)?;
        }
        let TcpSocket { net, id, side, frames, process } = &mut *self;
        if !process.is_alive() {
            return Poll::Ready(Err(dead_process()));
        }
        let mut fabric = net.fabric();
        let end = fabric.connection(*id).ok_or_else(dead_process)?.end_mut(*side);
        // What was read frame by frame is everything that was there; an end or an error is told by the next call.
        let space = if buffer.filled().len() > before { 0 } else { buffer.remaining() };
        let outcome = end.read(space, |part| {
            frames.pass(part);
            buffer.put_slice(part);
        });
        match outcome {
            None => {
                end.reader = Some(context.waker().clone());
                Poll::Pending
            }
            Some(outcome) => {
                if end.report_room() {
                    fabric.has_read(*id, *side);
                }
                Poll::Ready(outcome)
            }
        }
    }
}

impl AsyncWrite for TcpSocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !state::take_steps(1) {
            return Poll::Pending;
        }
        let mut fabric = self.alive()?;
        let end = fabric.connection(self.id).ok_or_else(dead_process)?.end_mut(self.side);
        let Some(written) = end.write(slices) else {
            end.writer = Some(context.waker().clone());
            return Poll::Pending;
        };
        let written = written?;
        fabric.has_unsent(self.id, self.side);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut fabric = self.alive()?;
        fabric.connection(self.id).ok_or_else(dead_process)?.end_mut(self.side).finish();
        fabric.has_unsent(self.id, self.side);
        Poll::Ready(Ok(()))
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        self.net.fabric().close(self.id, self.side);
    }
}
