//! Surroundings for the tests: pipes for sockets, memory for disks, a list for an observer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::env::fake_disk::FakeDisk;
use crate::env::{Address, Asked, Dice, Die, Disk, Listener, Socket, Surroundings, TcpOptions};
use crate::subject::xmtp::client::{ClientNotice, ClientObserver};

/// What a pipe holds in each direction.
const PIPE_BYTES: usize = 64 << 10;

/// Surroundings whose every dial is a new pipe to the scripted node.
pub(crate) struct World {
    pipes: mpsc::UnboundedSender<DuplexStream>,
    /// What `inbox.journal` is.
    pub(crate) disk: FakeDisk,
    /// How often somebody dialed.
    pub(crate) dials: AtomicU64,
    /// Dials are refused.
    pub(crate) refuses: AtomicBool,
    /// Dials are never answered.
    pub(crate) swallows: AtomicBool,
    began: Instant,
    slept_ms: AtomicU64,
}

impl World {
    /// A world whose dials arrive at `pipes`.
    pub(crate) fn new(pipes: mpsc::UnboundedSender<DuplexStream>) -> Arc<Self> {
        Arc::new(World {
            pipes,
            disk: FakeDisk::default(),
            dials: AtomicU64::new(0),
            refuses: AtomicBool::new(false),
            swallows: AtomicBool::new(false),
            began: Instant::now(),
            slept_ms: AtomicU64::new(0),
        })
    }

    /// The machine is suspended for so long: tokio's clock does not notice.
    pub(crate) fn suspend(&self, lasts: Duration) {
        let ms = u64::try_from(lasts.as_millis()).expect("a test is short");
        self.slept_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Surroundings for World {
    fn dial_with(&self, _: &Address, _: TcpOptions) -> Asked<Socket> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        if self.swallows.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        if self.refuses.load(Ordering::SeqCst) {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        }
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        self.pipes.send(far).expect("the node lives as long as the test");
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        Box::pin(async move { Ok(Socket::new(nowhere, nowhere, near)) })
    }

    fn listen(&self, _: u16) -> Asked<Listener> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn dice(&self) -> Dice {
        Dice::named(1, &Die::Test("client"))
    }

    fn disk(&self, _: &str) -> io::Result<Disk> {
        Ok(self.disk.open())
    }

    fn wall_clock(&self) -> Duration {
        Duration::ZERO
    }

    fn boot_clock(&self) -> Duration {
        self.began.elapsed() + Duration::from_millis(self.slept_ms.load(Ordering::SeqCst))
    }
}

/// Remembers what it was told, and when.
#[derive(Default)]
pub(crate) struct Witness(Mutex<Vec<(Instant, ClientNotice)>>);

impl Witness {
    /// Everything so far.
    pub(crate) fn notices(&self) -> Vec<(Instant, ClientNotice)> {
        self.0.lock().expect("no test panics with a lock in hand").clone()
    }

    /// When a notice of some kind was given, for the first time.
    pub(crate) fn when(&self, kind: impl Fn(&ClientNotice) -> bool) -> Option<Instant> {
        self.notices().into_iter().find(|(_, notice)| kind(notice)).map(|(at, _)| at)
    }
}

impl ClientObserver for Witness {
    fn notice(&self, notice: ClientNotice) {
        self.0.lock().expect("no test panics with a lock in hand").push((Instant::now(), notice));
    }
}
