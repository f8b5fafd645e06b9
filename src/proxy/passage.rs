//! Passes the bytes of one client's connection to the node and back, where a proxy understands no more of it.
//!
//! Refuses to know HTTP/2: frames, streams and PINGs are the client's and the node's own.
//!
//! ```text
//! accepted --dialed--> passing --both have ended, or one is gone--> over
//!    |                    '--no byte for so long--> closed, reset, or forgotten --the next packet--> reset
//!    '--no node--> over
//! ```

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncReadExt, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, timeout};

use crate::env::{Address, ByteStream, Env, ResetSwitch, Socket, StreamTap, Tapped, TcpOptions};
use crate::lie::ConnectionSide;
use crate::proxy::alarm::still_for;
use crate::proxy::control::{ConnectionFace, Control};
use crate::proxy::drain::Drain;
use crate::proxy::errand::ErrandEnd;
use crate::proxy::habits::ProxyHabits;
use crate::proxy::spoiler::Spoiler;

/// Where the bytes of clients go.
#[derive(Clone)]
pub(crate) struct BytePassage {
    pub(crate) env: Env,
    pub(crate) node: Address,
    pub(crate) tcp: TcpOptions,
    pub(crate) control: Control,
    pub(crate) habits: Arc<ProxyHabits>,
}

/// One side, and how its end is made a reset.
struct PassageSide<S> {
    socket: Tapped<S, LastByte>,
    reset: ResetSwitch,
}

impl BytePassage {
    /// Passes what comes, until there is no more.
    pub(crate) async fn pass(&self, client: Socket, face: ConnectionFace, drain: Drain) {
        let node = match self.dial().await {
            Ok(node) => node,
            Err(why) => {
                tracing::debug!(connection = face.serial, "failed to connect to {}: {why}", self.node);
                return;
            }
        };
        let last = LastByte(Arc::new(Mutex::new(Instant::now())));
        let reset = client.reset_switch();
        let socket = Tapped::over(Spoiler::of_bytes(client, face, &self.control), last.clone());
        let mut client = PassageSide { socket, reset };
        let (reset, at) = (node.reset_switch(), node.peer().ip());
        let face = ConnectionFace { peer: at, side: ConnectionSide::Node, ..face };
        let socket = Tapped::over(Spoiler::new(node, face, &self.control), last.clone());
        let mut node = PassageSide { socket, reset };
        let end = tokio::select! {
            biased;
            passed = copy_bidirectional(&mut client.socket, &mut node.socket) => {
                if let Err(error) = passed {
                    tracing::debug!(%error, connection = face.serial, "a connection is lost");
                }
                // A lie has reset one of them, and with Toxiproxy both are.
                match client.reset.is_thrown() || node.reset.is_thrown() {
                    true => ErrandEnd::Reset,
                    false => ErrandEnd::Close,
                }
            }
            end = self.idle(&last) => end,
            () = self.drained(drain) => ErrandEnd::Close,
        };
        match end {
            ErrandEnd::Close => {}
            ErrandEnd::Reset => {
                client.reset.throw();
                node.reset.throw();
            }
            ErrandEnd::Forget => {
                tokio::join!(client.forget(), node.forget());
            }
        }
    }

    async fn dial(&self) -> std::io::Result<Socket> {
        let dialed = self.env.dial_with(&self.node, self.tcp);
        let Some(longest) = self.habits.dial_timeout else { return dialed.await };
        timeout(longest, dialed).await.unwrap_or_else(|_late| Err(std::io::ErrorKind::TimedOut.into()))
    }

    /// Waits until the proxy has drained for as long as connections may go on.
    async fn drained(&self, mut drain: Drain) {
        drain.asked().await;
        let out_of_time = drain.out_of_time();
        match self.habits.retiring.at_drain.grace {
            // Its error is that it was sooner.
            Some(grace) => drop(timeout(grace, out_of_time).await),
            None => out_of_time.await,
        }
    }

    /// Waits until no byte has come for long enough; how the connection ends then.
    async fn idle(&self, last: &LastByte) -> ErrandEnd {
        let Some(idle) = &self.habits.idle_connections else { return std::future::pending().await };
        still_for(idle.after, || last.at()).await;
        idle.then.iter().find_map(ErrandEnd::of).unwrap_or(ErrandEnd::Close)
    }
}

impl<S: ByteStream> PassageSide<S> {
    /// Waits for the next packet, and answers it by RST.
    async fn forget(mut self) {
        // Bytes, an end or an error: each is a packet.
        let _ = self.socket.read(&mut [0]).await;
        self.reset.throw();
    }
}

/// When the last byte came from either side.
#[derive(Clone)]
struct LastByte(Arc<Mutex<Instant>>);

impl LastByte {
    fn at(&self) -> Instant {
        *self.0.lock().expect("no panic while it was held")
    }
}

impl<S: ByteStream> StreamTap<S> for LastByte {
    fn poll_read(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(std::pin::Pin::new(stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            *self.0.lock().expect("no panic while it was held") = Instant::now();
        }
        Poll::Ready(Ok(()))
    }
}
