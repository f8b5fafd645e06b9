//! What an actor may ask of its surroundings: dial, listen, dice, disk, the wall clock for labels, and how long it slept.
//!
//! Time is tokio's and is not asked for here. This module refuses to know who answers: the real
//! operating system (`os`) or an invented world (`world`). An actor that reaches around this trait
//! to a socket, a file or a source of randomness is caught by `tests/tidy.rs`.

mod die;
mod disconnection;
mod disk;
#[cfg(test)]
pub(crate) mod fake_disk;
mod rerouted;
mod reset;
mod tapped;
mod waiting;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

pub use die::{Dice, Die};
pub use disconnection::Disconnection;
pub use disk::{Disk, MemoryStorage, Storage};
pub(crate) use rerouted::{Rerouted, Wrapped};
pub use reset::ResetSwitch;
pub use tapped::{StreamTap, Tapped};
pub(crate) use waiting::Waiting;

/// A handle on the surroundings, cheap to clone and to hand to tasks.
pub type Env = Arc<dyn Surroundings>;

/// A future that the surroundings hand out.
pub type Asked<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Takes a secret of TLS, as a line of an `SSLKEYLOGFILE` without its end (RFC 9850 section 2).
pub type SecretSink = Arc<dyn Fn(String) + Send + Sync>;

/// What an actor may ask for.
pub trait Surroundings: Send + Sync + 'static {
    /// Connects a byte stream to `address`, with the system's defaults.
    ///
    /// # Errors
    /// What TCP's connect may answer: refused, timed out, host not found.
    fn dial(&self, address: &Address) -> Asked<Socket> {
        self.dial_with(address, TcpOptions::default())
    }

    /// Connects a byte stream to `address`.
    ///
    /// # Errors
    /// What TCP's connect may answer: refused, timed out, host not found.
    fn dial_with(&self, address: &Address, options: TcpOptions) -> Asked<Socket>;

    /// Listens on a port of this host.
    ///
    /// # Errors
    /// The port is taken.
    fn listen(&self, port: u16) -> Asked<Listener>;

    /// A fresh generator of random numbers, different at each call.
    fn dice(&self) -> Dice;

    /// Opens, or creates, the store of that name: it outlives the process that writes to it.
    ///
    /// # Errors
    /// The store cannot be opened, or another process holds it.
    fn disk(&self, name: &str) -> io::Result<Disk>;

    /// The wall clock, as time since the Unix epoch. It labels messages; nothing is decided by it.
    fn wall_clock(&self) -> Duration;

    /// The certificates (DER) whose owners this machine trusts to say who somebody is.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    fn trusted_certificates(&self) -> io::Result<Vec<Vec<u8>>> {
        Err(io::Error::new(io::ErrorKind::NotFound, "this machine trusts no certificate"))
    }

    /// Where the secrets of TLS go, for whoever looks at the bytes that were sent; none where nobody does.
    fn tls_secrets(&self) -> Option<SecretSink> {
        None
    }

    /// A clock that runs on while the machine is suspended (CLOCK_BOOTTIME), from an instant of its own. tokio's stands
    /// still then.
    fn boot_clock(&self) -> Duration;
}

/// `host:port`, as a user writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// A host name or an IP address.
    pub host: String,
    /// A TCP port; 0 where somebody listens on any free one.
    pub port: u16,
}

impl Address {
    /// The address of `port` on `host`.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Address { host: host.into(), port }
    }

    /// Reads where somebody listens: unlike where somebody dials, its port may be 0, which is any free one.
    ///
    /// # Errors
    /// What is wrong with the text, and what would be right.
    pub fn listening(text: &str) -> Result<Self, BadAddress> {
        match text.strip_suffix(":0") {
            // The host is read as any other, beside a port that is one.
            Some(host) => format!("{host}:1").parse().map(|address: Address| Address::new(address.host, 0)),
            None => text.parse(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// What TCP does about a peer that has fallen silent. By default nothing: an idle connection lives for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Asks an idle peer for a sign of life (tcp(7), SO_KEEPALIVE).
    pub keepalive: Option<TcpKeepalive>,
    /// How long sent data may stay unacknowledged until the connection is lost (tcp(7), TCP_USER_TIMEOUT).
    pub user_timeout: Option<Duration>,
}

/// Linux's three numbers of keepalive (tcp(7)); the times are in whole seconds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// The first probe after so long without anything received.
    pub idle: Duration,
    /// The time between two probes.
    pub interval: Duration,
    /// After so many probes without an answer the connection is lost.
    pub count: u32,
}

/// Why a text is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadAddress {
    /// There is no colon.
    #[error("`{0}` has no port; write host:port, such as 127.0.0.1:5556")]
    NoPort(String),
    /// It is a URI.
    #[error("`{0}` is a URI; write host:port alone, such as 127.0.0.1:5556")]
    Uri(String),
    /// It names a user. A password may be in it, so that nobody is shown the text.
    #[error("a user or a password has no place before the host; write host:port, such as 127.0.0.1:5556")]
    User,
    /// The host part is empty.
    #[error("`{0}` has no host; write host:port, such as 127.0.0.1:5556")]
    NoHost(String),
    /// The port part is not a port.
    #[error("`{port}` in `{text}` is not a port; a port is a number from 1 to 65535")]
    Port {
        /// The whole text.
        text: String,
        /// Its port part.
        port: String,
    },
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text.contains("://") && !text.contains('@') {
            return Err(BadAddress::Uri(text.into()));
        }
        if text.contains('@') {
            return Err(BadAddress::User);
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| BadAddress::NoPort(text.into()))?;
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(BadAddress::NoHost(text.into()));
        }
        match port.parse::<u16>() {
            Ok(number) if number > 0 => Ok(Address::new(host, number)),
            _ => Err(BadAddress::Port { text: text.into(), port: port.into() }),
        }
    }
}

/// Bytes in both directions: what TCP gives an application.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// One end of a connection: bytes, and the addresses that they travel between.
pub type Socket = Tapped<Box<dyn ByteStream>, Ends>;

/// The addresses of a connection, as one end sees them.
#[derive(Clone, Debug)]
pub struct Ends {
    local: SocketAddr,
    peer: SocketAddr,
    reset: Option<ResetSwitch>,
}

impl<S: ByteStream> StreamTap<S> for Ends {}

impl Socket {
    /// Wraps a connected byte stream.
    pub fn new(local: SocketAddr, peer: SocketAddr, stream: impl ByteStream + 'static) -> Self {
        Tapped::over(Box::new(stream), Ends { local, peer, reset: None })
    }

    /// The same, whose maker looks at that switch when it is closed.
    #[must_use]
    pub fn with_reset(mut self, switch: ResetSwitch) -> Self {
        self.tap.reset = Some(switch);
        self
    }

    /// The switch that makes its end a reset; where its maker has none, it ends in order all the same.
    #[must_use]
    pub fn reset_switch(&self) -> ResetSwitch {
        self.tap.reset.clone().unwrap_or_default()
    }

    /// This end's address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.tap.local
    }

    /// The other end's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.tap.peer
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Socket({} -> {})", self.local(), self.peer())
    }
}

/// Accepts connections.
pub trait Accept: Send + Unpin {
    /// The next accepted connection. One whose peer is gone is passed over: a failure is the listener's, or of what the
    /// system lacks, and comes again at once.
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>>;
}

/// A listening port.
pub struct Listener {
    local: SocketAddr,
    inner: Box<dyn Accept>,
}

impl Listener {
    /// Wraps what accepts on `local`.
    pub fn new(local: SocketAddr, inner: impl Accept + 'static) -> Self {
        Listener { local, inner: Box::new(inner) }
    }

    /// The address that it listens on.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// The listener is gone, or the system has no room for a connection.
    pub async fn accept(&mut self) -> io::Result<Socket> {
        std::future::poll_fn(|context| self.inner.poll_accept(context)).await
    }

    /// [`Listener::accept`], for streams.
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        self.inner.poll_accept(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        assert_eq!("node:5556".parse(), Ok(Address::new("node", 5556)));
        assert_eq!("[::1]:80".parse(), Ok(Address::new("::1", 80)));
        assert_eq!(Address::new("::1", 80).to_string(), "[::1]:80");
    }

    #[test]
    fn a_bad_address_says_what_would_be_right() {
        for bad in ["node", ":5556", "node:0", "node:65536", "node:http"] {
            let error = bad.parse::<Address>().expect_err("a bad address").to_string();
            assert!(error.contains(bad), "{error}");
        }
    }
}
