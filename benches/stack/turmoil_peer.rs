//! The same client, proxy and node on the turmoil crate, for comparison.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use pulseless::client::{self, ClientConfig};
use pulseless::env::{Accept, Address, Asked, Dice, Disk, Env, Listener, Socket, Surroundings, TcpOptions};
use pulseless::node::{self, NodeConfig};
use pulseless::proxy::{self, Control, ProxyConfig};
use pulseless::wire::{Add, Cursor, Kind, Topic};
use pulseless::workload::Consumer;
use redb::backends::InMemoryBackend;
use tokio::sync::mpsc;
use turmoil::net::{TcpListener, TcpStream};

const TICK: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);
const NODE_PORT: u16 = 5556;
const PROXY_PORT: u16 = 5555;
/// Accepted connections that wait for the actor.
const ACCEPTED: usize = 16;

#[derive(Default)]
struct Turmoil {
    dice: AtomicU64,
}

struct Accepted(mpsc::Receiver<io::Result<Socket>>);

impl Accept for Accepted {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        self.0.poll_recv(context).map(|socket| socket.unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into())))
    }
}

fn socket(stream: TcpStream) -> io::Result<Socket> {
    Ok(Socket::new(stream.local_addr()?, stream.peer_addr()?, stream))
}

impl Surroundings for Turmoil {
    fn dial_with(&self, address: &Address, _: TcpOptions) -> Asked<Socket> {
        let Address { host, port } = address.clone();
        Box::pin(async move { socket(TcpStream::connect((host, port)).await?) })
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        Box::pin(async move {
            let listener = TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), port)).await?;
            let local = listener.local_addr()?;
            let (sender, accepted) = mpsc::channel(ACCEPTED);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await
                    && sender.send(socket(stream)).await.is_ok()
                {}
            });
            Ok(Listener::new(local, Accepted(accepted)))
        })
    }

    fn dice(&self) -> Dice {
        Dice::named(7, &self.dice.fetch_add(1, Ordering::Relaxed).to_string())
    }

    fn disk(&self, _name: &str) -> io::Result<Disk> {
        Ok(Disk::new(InMemoryBackend::new()))
    }

    fn wall_clock(&self) -> Duration {
        turmoil::sim_elapsed().unwrap_or_default()
    }
}

struct Heard(AtomicU64);

impl client::Observer for Heard {
    fn notice(&self, notice: client::Notice) {
        if let client::Notice::Heard { .. } = notice {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Nobody;

impl node::Observer for Nobody {
    fn notice(&self, _: node::Notice) {}
}

impl proxy::Observer for Nobody {
    fn notice(&self, _: proxy::Notice) {}
}

/// The hour of [`crate::trials::quiet_hour`].
pub(crate) fn quiet_hour() {
    let mut world = turmoil::Builder::new()
        .tick_duration(TICK)
        .simulation_duration(HOUR * 2)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(20))
        .rng_seed(7)
        .build();
    world.host("node", || async {
        let env: Env = Arc::new(Turmoil::default());
        let config = NodeConfig { port: NODE_PORT, ..NodeConfig::default() };
        Ok(node::serve(env, config, Arc::new(Nobody)).await?)
    });
    world.host("proxy", || async {
        let env: Env = Arc::new(Turmoil::default());
        let upstream = Address::new("node", NODE_PORT);
        let config =
            ProxyConfig { port: PROXY_PORT, upstream, tcp: TcpOptions::default(), control: Control::default() };
        Ok(proxy::serve(env, config, Arc::new(Nobody)).await?)
    });
    let heard = Arc::new(Heard(AtomicU64::new(0)));
    let observer = heard.clone();
    world.client("client", async move {
        let env: Env = Arc::new(Turmoil::default());
        let adds = vec![Add { topic: Topic::new(Kind::Group, b"topic-1"), cursor: Cursor(0) }];
        let config = ClientConfig::new(Address::new("proxy", PROXY_PORT), adds);
        let subscribing = client::subscribe(env, config, Consumer { time: Duration::ZERO }, observer);
        match tokio::time::timeout(HOUR, subscribing).await {
            Err(_) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(never)) => match never {},
        }
    });
    world.run().expect("turmoil plays the hour");
    let pings = HOUR.as_secs() / NodeConfig::default().keepalive.as_secs();
    let heard = heard.0.load(Ordering::Relaxed);
    assert!(heard >= pings - 1, "the client heard {heard} frames in an hour of {pings} pings");
}
