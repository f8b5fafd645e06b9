//! The actors of a busy minute, joined by in-memory pipes on one plain tokio runtime.
//!
//! The clock is tokio's own paused one, so that the workload has the same pauses as in a trial and no time is
//! spent waiting.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pulseless::env::{
    Accept, Address, Asked, Dice, Die, Disk, Env, Listener, MemoryStorage, Socket, Surroundings, TcpOptions,
};
use pulseless::sim::SimFile;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::actors::Actors;

/// As much as the simulated TCP holds in one direction.
const PIPE_BYTES: usize = 256 << 10;

type Door = mpsc::UnboundedSender<Socket>;

#[derive(Default)]
struct Pipes {
    doors: Mutex<BTreeMap<u16, Door>>,
    dice: AtomicU64,
}

struct Room(mpsc::UnboundedReceiver<Socket>);

impl Accept for Room {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        Poll::Ready(ready!(self.0.poll_recv(context)).ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl Surroundings for Pipes {
    fn dial_with(&self, to: &Address, _: TcpOptions) -> Asked<Socket> {
        let door = self.doors.lock().expect("not poisoned").get(&to.port).cloned();
        let (local, peer) = (address(1), address(to.port));
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
            door.ok_or_else(refused)?.send(Socket::new(peer, local, theirs)).map_err(|_| refused())?;
            Ok(Socket::new(local, peer, ours))
        })
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        let (door, room) = mpsc::unbounded_channel();
        self.doors.lock().expect("not poisoned").insert(port, door);
        Box::pin(async move { Ok(Listener::new(address(port), Room(room))) })
    }

    fn dice(&self) -> Dice {
        Dice::named(7, &Die::Process { process: "pipes", serial: self.dice.fetch_add(1, Ordering::Relaxed) })
    }

    fn disk(&self, _name: &str) -> io::Result<Disk> {
        Ok(Disk::new(MemoryStorage::default()))
    }

    fn wall_clock(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Nobody is suspended here.
    fn boot_clock(&self) -> Duration {
        Duration::ZERO
    }
}

/// The minute of a sim, on one runtime.
pub(crate) fn busy_minute(sim: &SimFile) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    let actors = Actors::of(sim);
    runtime.block_on(async {
        let env: Env = Arc::new(Pipes::default());
        tokio::spawn(actors.clone().node(env.clone()));
        tokio::spawn(actors.clone().proxy(env.clone()));
        tokio::task::yield_now().await;
        for _ in 0..actors.clients {
            tokio::spawn(actors.clone().client(env.clone()));
        }
        let begun = Instant::now();
        actors.clone().publisher(env, move || begun.elapsed()).await;
        tokio::time::sleep(sim.calm).await;
    });
    actors.check_delivered();
}
