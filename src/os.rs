//! The real surroundings: the only module that touches real sockets, files, entropy and the wall clock.
//!
//! Refuses to know who asks. Names are resolved by tokio, connections are TCP without Nagle's delay, a store is
//! one file in the data folder, locked while it is open.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the one module that answers with the real sockets, files, entropy and calendar"
)]

use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

use crate::env::{
    Accept, Address, Asked, Dice, Die, Disk, Listener, ResetSwitch, Socket, Storage, Surroundings, TcpKeepalive,
    TcpOptions,
};

/// Where an actor listens unless it is told otherwise: reachable from this machine alone.
const LOOPBACK: &str = "127.0.0.1";

/// This machine, as one process uses it.
#[derive(Clone, Debug)]
pub struct Os {
    folder: Option<PathBuf>,
    host: String,
}

impl Default for Os {
    /// Listens on the loopback address and has no data folder.
    fn default() -> Self {
        Os { folder: None, host: LOOPBACK.into() }
    }
}

impl Os {
    /// Keeps its stores in that folder, which is made when the first store is opened.
    #[must_use]
    pub fn with_folder(self, folder: impl Into<PathBuf>) -> Self {
        Os { folder: Some(folder.into()), ..self }
    }

    /// Listens on that host's address: a name or an IP address of this machine.
    #[must_use]
    pub fn listening_on(self, host: impl Into<String>) -> Self {
        Os { host: host.into(), ..self }
    }
}

impl Surroundings for Os {
    fn dial_with(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        let Address { host, port } = address.clone();
        Box::pin(async move {
            let mut refusal = io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address"));
            // One address after the other, as tokio's own connect does, which knows no options.
            for address in lookup_host((host.as_str(), port)).await? {
                match connect(address, options).await {
                    Ok(stream) => return wrap(stream),
                    Err(error) => refusal = error,
                }
            }
            Err(refusal)
        })
    }

    /// Port 0 is any free port; the listener knows which.
    fn listen(&self, port: u16) -> Asked<Listener> {
        let address = Address::new(self.host.clone(), port);
        Box::pin(async move {
            let bound = TcpListener::bind((address.host.as_str(), port)).await;
            let listener = bound.map_err(|error| name(&address, &error))?;
            Ok(Listener::new(listener.local_addr()?, OsListener(listener)))
        })
    }

    fn dice(&self) -> Dice {
        Dice::named(rand::random(), &Die::System)
    }

    fn disk(&self, name: &str) -> io::Result<Disk> {
        let no_folder = || io::Error::new(io::ErrorKind::InvalidInput, "no data folder was given");
        open_store(self.folder.as_deref().ok_or_else(no_folder)?, name)
    }

    /// Before 1970 it is the epoch.
    fn wall_clock(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    #[cfg(feature = "tls")]
    fn trusted_certificates(&self) -> io::Result<Vec<Vec<u8>>> {
        let found = rustls_native_certs::load_native_certs();
        if let (true, Some(error)) = (found.certs.is_empty(), found.errors.first()) {
            return Err(io::Error::other(format!("this machine's trusted certificates cannot be read: {error}")));
        }
        Ok(found.certs.iter().map(|certificate| certificate.to_vec()).collect())
    }

    fn boot_clock(&self) -> Duration {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: clock_gettime writes to the one timespec that it is given.
        let read = unsafe { libc::clock_gettime(BOOT_CLOCK, &mut now) };
        assert_eq!(read, 0, "the system has no clock {BOOT_CLOCK}");
        let nanos = u32::try_from(now.tv_nsec).expect("less than a second");
        Duration::new(u64::try_from(now.tv_sec).expect("a machine boots before it is asked"), nanos)
    }
}

/// Elsewhere the monotonic clock of POSIX itself counts the time asleep, where Rust's does not (macOS).
const BOOT_CLOCK: libc::clockid_t =
    if cfg!(target_os = "linux") { libc::CLOCK_BOOTTIME } else { libc::CLOCK_MONOTONIC };

/// An error of the system, with what it is about.
fn name(what: impl Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Options are set first: a user timeout bounds connecting, too.
async fn connect(address: SocketAddr, options: TcpOptions) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let reference = SockRef::from(&socket);
    if let Some(TcpKeepalive { idle, interval, count }) = options.keepalive {
        let keepalive = socket2::TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(count);
        reference.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    reference.set_tcp_user_timeout(options.user_timeout)?;
    socket.connect(address).await
}

/// Nagle's algorithm would hold a small frame back until the one before it is acknowledged (RFC 896); gRPC stacks
/// switch it off, and a Pong must not wait.
fn wrap(stream: TcpStream) -> io::Result<Socket> {
    stream.set_nodelay(true)?;
    let (local, peer, switch) = (stream.local_addr()?, stream.peer_addr()?, ResetSwitch::default());
    Ok(Socket::new(local, peer, OsStream { stream, switch: switch.clone() }).with_reset(switch))
}

/// A connection whose end may be made a reset.
struct OsStream {
    stream: TcpStream,
    switch: ResetSwitch,
}

impl AsyncRead for OsStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for OsStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Without lingering, the end of a connection is a reset (socket(7), SO_LINGER).
impl Drop for OsStream {
    fn drop(&mut self) {
        if self.switch.is_thrown()
            && let Err(error) = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(%error, "a connection ends in order that was to be reset");
        }
    }
}

struct OsListener(TcpListener);

impl Accept for OsListener {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        loop {
            let accepted = ready!(self.0.poll_accept(context));
            match accepted.map(|(stream, _)| wrap(stream)) {
                Ok(Ok(socket)) => return Poll::Ready(Ok(socket)),
                // Its peer has reset it already; the next one waits behind it.
                Ok(Err(error)) => tracing::debug!(%error, "a connection was gone when it was accepted"),
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was gone when it was to be accepted");
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Whether a failed accept tells of the one connection that it would have been: Linux hands out what has happened to
/// it while it waited (accept(2), error handling). Any other failure is of the listener, or of what the system lacks.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable};
    [ConnectionAborted, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable].contains(&error.kind())
}

fn open_store(folder: &Path, store: &str) -> io::Result<Disk> {
    let made: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    make_folder(folder).map_err(|error| name(folder.display(), &error))?;
    let path = folder.join(store);
    refuse_older(&path)?;
    let file = open_locked(&path).map_err(|error| name(path.display(), &error))?;
    // A file that was made just now is there after a power loss only if its folder is on the disk, too, and that one's.
    for folder in std::iter::once(folder).chain(made.iter().filter_map(|made| made.parent())) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| name(folder.display(), &error))?;
    }
    Ok(Disk::new(StoreFile(file)))
}

/// A store of an earlier build is neither read nor passed over: its messages would seem to be gone.
fn refuse_older(path: &Path) -> io::Result<()> {
    let older = path.with_extension("redb");
    if older.symlink_metadata().is_err() {
        return Ok(());
    }
    let what = "it is a store in redb's format, which pulseless wrote until 2026-11-29, and a build of then reads it; \
                move it elsewhere, or choose another folder";
    Err(name(older.display(), &io::Error::new(io::ErrorKind::Unsupported, what)))
}

/// A store in a file, which ends with its lock.
#[derive(Debug)]
struct StoreFile(File);

impl Storage for StoreFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir_all(folder) {
        // The system's words, "File exists", would leave the user to wonder.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder"))
        }
        made => made,
    }
}

/// The lock ends with the file, so also with the death of the process.
fn open_locked(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    if !file.metadata()?.is_file() {
        // A device has no length, and would be taken for empty.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "it is open already, in this process or another"))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn scratch() -> (tempfile::TempDir, Os) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let os = Os::default().with_folder(folder.path().join("data"));
        (folder, os)
    }

    #[tokio::test]
    async fn bytes_travel_both_ways_and_both_ends_agree_on_the_addresses() {
        let os = Os::default();
        let mut listener = os.listen(0).await.expect("a free port");
        let address = Address::new("localhost", listener.local().port());
        let mut dialed = os.dial(&address).await.expect("somebody listens");
        let mut accepted = listener.accept().await.expect("somebody dialed");
        assert_eq!((dialed.local(), dialed.peer()), (accepted.peer(), accepted.local()));
        let mut heard = [0; 4];
        dialed.write_all(b"ping").await.expect("written");
        accepted.read_exact(&mut heard).await.expect("read");
        accepted.write_all(&heard).await.expect("written");
        dialed.read_exact(&mut heard).await.expect("read");
        assert_eq!(&heard, b"ping");
    }

    #[tokio::test]
    async fn a_connection_whose_switch_is_thrown_ends_by_a_reset() {
        for is_thrown in [false, true] {
            let os = Os::default();
            let mut listener = os.listen(0).await.expect("a free port");
            let address = Address::new("localhost", listener.local().port());
            let mut dialed = os.dial(&address).await.expect("somebody listens");
            let accepted = listener.accept().await.expect("somebody dialed");
            if is_thrown {
                accepted.reset_switch().throw();
            }
            drop(accepted);
            let ended = dialed.read(&mut [0]).await.map_err(|error| error.kind());
            assert_eq!(ended, if is_thrown { Err(io::ErrorKind::ConnectionReset) } else { Ok(0) });
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_it() {
        let os = Os::default();
        let listener = os.listen(0).await.expect("a free port");
        let local = listener.local();
        let error = os.listen(local.port()).await.err().expect("the port is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&local.to_string()), "{error}");
    }

    #[tokio::test]
    async fn a_port_without_a_listener_refuses() {
        // Bound, so that nobody else takes the port, and not listening.
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let address = Address::new(LOOPBACK, socket.local_addr().expect("it is bound").port());
        let error = Os::default().dial(&address).await.expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn connections_that_were_reset_before_they_were_accepted_keep_nobody_out() {
        let os = Os::default();
        let mut listener = os.listen(0).await.expect("a free port");
        for _ in 0..50 {
            let stream = connect(listener.local(), TcpOptions::default()).await.expect("somebody listens");
            // Without lingering, the end of a connection is a reset (socket(7), SO_LINGER).
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option of Linux and others");
        }
        let last = connect(listener.local(), TcpOptions::default()).await.expect("somebody listens");
        let accepted = listener.accept().await.expect("a connection waits");
        assert_eq!(accepted.peer(), last.local_addr().expect("it is connected"));
    }

    #[test]
    fn a_failed_accept_is_the_systems_or_one_connections() {
        let told = |kind: io::ErrorKind| is_of_one_connection(&kind.into());
        assert!(told(io::ErrorKind::ConnectionAborted) && told(io::ErrorKind::ConnectionReset));
        assert!(!told(io::ErrorKind::OutOfMemory) && !told(io::ErrorKind::InvalidInput));
        // EMFILE: the process has no descriptor left.
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(24)));
    }

    #[tokio::test]
    async fn options_of_a_dial_reach_the_kernel() {
        let os = Os::default();
        let listener = os.listen(0).await.expect("a free port");
        let keepalive = TcpKeepalive { idle: Duration::from_secs(7), interval: Duration::from_secs(3), count: 4 };
        let options = TcpOptions { keepalive: Some(keepalive), user_timeout: Some(Duration::from_secs(9)) };
        let stream = connect(listener.local(), options).await.expect("somebody listens");
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().expect("readable"));
        assert_eq!(socket.tcp_keepalive_time().expect("readable"), keepalive.idle);
        assert_eq!(socket.tcp_keepalive_interval().expect("readable"), keepalive.interval);
        assert_eq!(socket.tcp_keepalive_retries().expect("readable"), keepalive.count);
        assert_eq!(socket.tcp_user_timeout().expect("readable"), options.user_timeout);
    }

    #[test]
    fn what_a_store_holds_outlives_it() {
        let (_folder, os) = scratch();
        let disk = os.disk("a.journal").expect("a new store");
        disk.set_len(4).and_then(|()| disk.write(0, b"kept")).and_then(|()| disk.sync()).expect("written");
        drop(disk);
        let disk = os.disk("a.journal").expect("the same store");
        let mut read = [0; 4];
        disk.read(0, &mut read).expect("read");
        assert_eq!((disk.len().expect("a length"), &read), (4, b"kept"));
    }

    #[test]
    fn a_store_has_one_opener_and_a_second_is_told_which_store() {
        let (_folder, os) = scratch();
        let held = os.disk("a.journal").expect("a new store");
        let error = os.disk("a.journal").expect_err("it is held").to_string();
        assert!(error.contains("data/a.journal: it is open already"), "{error}");
        os.disk("b.journal").expect("another store is free");
        drop(held);
        os.disk("a.journal").expect("the store is free again");
    }

    #[test]
    fn a_device_is_no_store() {
        let (_folder, os) = scratch();
        let folder = os.folder.clone().expect("given");
        fs::create_dir(&folder).expect("a scratch folder");
        std::os::unix::fs::symlink("/dev/null", folder.join("node.journal")).expect("a link");
        let error = os.disk("node.journal").expect_err("a device").to_string();
        assert!(error.ends_with("node.journal: it is not a regular file"), "{error}");
    }

    #[test]
    fn a_store_of_an_older_version_is_refused_and_left_as_it_is() {
        let (_folder, os) = scratch();
        let folder = os.folder.clone().expect("given");
        fs::create_dir(&folder).expect("a scratch folder");
        fs::write(folder.join("node.redb"), b"older").expect("written");
        let error = os.disk("node.journal").expect_err("older").to_string();
        assert!(error.contains("node.redb: it is a store in redb's format, which"), "{error}");
        assert!(!folder.join("node.journal").exists());
        os.disk("inbox.journal").expect("another store is free");
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let (folder, _) = scratch();
        let file = folder.path().join("file");
        fs::write(&file, "not a folder").expect("written");
        let error = Os::default().with_folder(&file).disk("a.journal").expect_err("no folder").to_string();
        assert_eq!(error, format!("{}: it is not a folder", file.display()));
        let error = Os::default().disk("a.journal").expect_err("no folder").to_string();
        assert_eq!(error, "no data folder was given");
    }

    #[test]
    fn every_roll_of_fresh_dice_differs() {
        let os = Os::default();
        assert_ne!(os.dice().random::<u128>(), os.dice().random::<u128>());
    }

    #[test]
    fn the_boot_clock_goes_with_the_monotonic_one_while_the_machine_is_awake() {
        let (start, boot) = (std::time::Instant::now(), Os::default().boot_clock());
        while start.elapsed() < Duration::from_millis(20) {}
        let (passed, awake) = (Os::default().boot_clock() - boot, start.elapsed());
        assert!(passed >= Duration::from_millis(19) && passed <= awake, "{passed:?} of {awake:?}");
    }

    #[test]
    fn the_wall_clock_is_past_the_writing_of_this_test() {
        assert!(Os::default().wall_clock() > Duration::from_secs(1_735_689_600), "before 2025");
    }
}
