//! The same client, proxy and node, joined by in-memory pipes on one plain tokio runtime.
//!
//! The clock is tokio's own paused one, so that the workload has the same pauses as in a trial and no time is
//! spent waiting. Nothing is observed and nothing judged.

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
use pulseless::history::Recorder;
use pulseless::proxy::{self, Control, ProxyConfig, ProxyEdge, ProxyHabits};
use pulseless::sim::SimFile;
use pulseless::subject::xmtp::XmtpSetup;
use pulseless::subject::xmtp::client::{self, ClientConfig, Publisher, PublisherConfig};
use pulseless::subject::xmtp::node::{self, NodeConfig};
use pulseless::subject::xmtp::wire::{Add, Cursor};
use pulseless::subject::xmtp::workload::{Consumer, Pace, Payloads, Schedule, publish};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// As much as the simulated TCP holds in one direction.
const PIPE_BYTES: usize = 256 << 10;
const NODE_PORT: u16 = 5556;
const PROXY_PORT: u16 = 5555;

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

struct Nobody;

impl client::ClientObserver for Nobody {
    fn notice(&self, _: client::ClientNotice) {}
}

impl node::NodeObserver for Nobody {
    fn notice(&self, _: node::NodeNotice) {}
}

impl proxy::ProxyObserver for Nobody {
    fn notice(&self, _: proxy::ProxyNotice) {}
}

/// Counts what reaches the applications.
struct Counter(Arc<AtomicU64>);

impl client::ClientObserver for Counter {
    fn notice(&self, notice: client::ClientNotice) {
        if let client::ClientNotice::Committed { messages, .. } = notice {
            self.0.fetch_add(messages.len() as u64, Ordering::Relaxed);
        }
    }
}

/// The workload of a sim's clients and first publisher.
pub(crate) fn busy_minute(sim: &SimFile) {
    let settings = XmtpSetup::settings(&*sim.setup).expect("our own subject");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    let delivered = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let env: Env = Arc::new(Pipes::default());
        let topics = settings.topics();
        let proxy_address = Address::new("proxy", PROXY_PORT);
        tokio::spawn(node::serve(
            env.clone(),
            NodeConfig { port: NODE_PORT, ..NodeConfig::default() },
            Arc::new(Nobody),
        ));
        let upstream = Address::new("node", NODE_PORT);
        let config = ProxyConfig {
            port: PROXY_PORT,
            upstream,
            tcp: TcpOptions::default(),
            control: Control::default(),
            habits: ProxyHabits::default(),
            edge: ProxyEdge::default(),
        };
        tokio::spawn(proxy::serve(env.clone(), config, Arc::new(Nobody)));
        tokio::task::yield_now().await;
        for _ in 0..settings.fleet.clients {
            let adds = topics.iter().map(|topic| Add { topic: topic.clone(), cursor: Cursor(0) }).collect();
            let config = ClientConfig::new(proxy_address.clone(), adds);
            let consumer = Consumer { time: Duration::ZERO };
            tokio::spawn(client::subscribe(env.clone(), config, consumer, Arc::new(Counter(delivered.clone()))));
        }
        let begun = Instant::now();
        let recorder = Recorder::new(Arc::new(move || begun.elapsed()));
        let publisher = Publisher::new(env.clone(), proxy_address, PublisherConfig::default());
        let payloads = Payloads::new("publisher-1", topics, settings.workload.size_bytes.clone(), env.dice());
        let pace = Pace::Steady { every: settings.workload.rate.gap() };
        let schedule = Schedule::new(pace, Duration::ZERO, sim.calm_begins(), env.dice());
        publish(publisher, payloads, schedule, 0, || (), recorder).await;
        tokio::time::sleep(sim.calm).await;
    });
    let expected = sim.calm_begins().as_secs() * 200 * u64::from(settings.fleet.clients);
    let delivered = delivered.load(Ordering::Relaxed);
    assert!(delivered * 10 > expected * 9, "only {delivered} of about {expected} messages were delivered");
}
