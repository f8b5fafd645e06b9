//! Surroundings for the tests: pipes for sockets, memory for disks, a list for an observer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::StorageBackend;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::env::{Address, Asked, Dice, Disk, Listener, Socket, Surroundings, TcpOptions};
use crate::subject::xmtp::client::{Notice, Observer};

/// What a pipe holds in each direction.
const PIPE_BYTES: usize = 64 << 10;

/// A disk in memory that outlives those who open it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedDisk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    bytes: Vec<u8>,
    writes_left: Option<u32>,
}

impl Platter {
    fn write(&mut self) -> io::Result<()> {
        match &mut self.writes_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the disk is dead")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl SharedDisk {
    /// One more opening.
    pub(crate) fn open(&self) -> Disk {
        Disk::new(self.clone())
    }

    /// From now on so many writes succeed, and then none.
    pub(crate) fn fail_after(&self, writes: u32) {
        self.platter().writes_left = Some(writes);
    }

    /// Every write succeeds again.
    pub(crate) fn heal(&self) {
        self.platter().writes_left = None;
    }

    /// Flips the bits of each place where `pattern` is stored, and tells how many there were.
    pub(crate) fn scribble(&self, pattern: &[u8]) -> usize {
        let mut platter = self.platter();
        let bytes = &platter.bytes;
        let found: Vec<usize> =
            (0..bytes.len() - pattern.len()).filter(|&at| bytes[at..].starts_with(pattern)).collect();
        for &at in &found {
            platter.bytes[at] ^= 0xff;
        }
        found.len()
    }

    fn platter(&self) -> std::sync::MutexGuard<'_, Platter> {
        self.0.lock().expect("no test panics with a lock in hand")
    }
}

impl StorageBackend for SharedDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).expect("a small disk");
        out.copy_from_slice(&self.platter().bytes[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.platter();
        platter.write()?;
        platter.bytes.resize(usize::try_from(len).expect("a small disk"), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.platter().write()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        platter.write()?;
        let start = usize::try_from(offset).expect("a small disk");
        platter.bytes[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// Surroundings whose every dial is a new pipe to the scripted node.
pub(super) struct World {
    pipes: mpsc::UnboundedSender<DuplexStream>,
    /// What `inbox.redb` is.
    pub(super) disk: SharedDisk,
    /// How often somebody dialed.
    pub(super) dials: AtomicU64,
    /// Dials are refused.
    pub(super) refuses: AtomicBool,
    /// Dials are never answered.
    pub(super) swallows: AtomicBool,
}

impl World {
    /// A world whose dials arrive at `pipes`.
    pub(super) fn new(pipes: mpsc::UnboundedSender<DuplexStream>) -> Arc<Self> {
        Arc::new(World {
            pipes,
            disk: SharedDisk::default(),
            dials: AtomicU64::new(0),
            refuses: AtomicBool::new(false),
            swallows: AtomicBool::new(false),
        })
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
        Dice::named(1, "client")
    }

    fn disk(&self, _: &str) -> io::Result<Disk> {
        Ok(self.disk.open())
    }

    fn wall_clock(&self) -> Duration {
        Duration::ZERO
    }
}

/// Remembers what it was told, and when.
#[derive(Default)]
pub(super) struct Witness(Mutex<Vec<(Instant, Notice)>>);

impl Witness {
    /// Everything so far.
    pub(super) fn notices(&self) -> Vec<(Instant, Notice)> {
        self.0.lock().expect("no test panics with a lock in hand").clone()
    }

    /// When a notice of some kind was given, for the first time.
    pub(super) fn when(&self, kind: impl Fn(&Notice) -> bool) -> Option<Instant> {
        self.notices().into_iter().find(|(_, notice)| kind(notice)).map(|(at, _)| at)
    }
}

impl Observer for Witness {
    fn notice(&self, notice: Notice) {
        self.0.lock().expect("no test panics with a lock in hand").push((Instant::now(), notice));
    }
}
