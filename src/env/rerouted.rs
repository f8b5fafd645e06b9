//! Surroundings that do something of their own where somebody dials or listens, and hand on all else: what every wrapper of
//! surroundings does alike is written here once.
//!
//! Refuses to know what becomes of a connection.

use std::io;
use std::time::Duration;

use crate::env::{Address, Asked, Dice, Disk, Listener, SecretSink, Socket, Surroundings, TcpOptions};

/// What a wrapper of surroundings does, where it does more than to hand on.
pub(crate) trait Rerouted: Send + Sync + 'static {
    /// Whose answers are handed on.
    fn inner(&self) -> &dyn Surroundings;

    /// As [`Surroundings::dial_with`].
    fn reroute_dial(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        self.inner().dial_with(address, options)
    }

    /// As [`Surroundings::listen`].
    fn reroute_listen(&self, port: u16) -> Asked<Listener> {
        self.inner().listen(port)
    }
}

/// The surroundings of a wrapper.
pub(crate) struct Wrapped<R>(pub(crate) R);

impl<R: Rerouted> Surroundings for Wrapped<R> {
    fn dial_with(&self, address: &Address, options: TcpOptions) -> Asked<Socket> {
        self.0.reroute_dial(address, options)
    }

    fn listen(&self, port: u16) -> Asked<Listener> {
        self.0.reroute_listen(port)
    }

    fn dice(&self) -> Dice {
        self.0.inner().dice()
    }

    fn disk(&self, name: &str) -> io::Result<Disk> {
        self.0.inner().disk(name)
    }

    fn wall_clock(&self) -> Duration {
        self.0.inner().wall_clock()
    }

    fn trusted_certificates(&self) -> io::Result<Vec<Vec<u8>>> {
        self.0.inner().trusted_certificates()
    }

    fn tls_secrets(&self) -> Option<SecretSink> {
        self.0.inner().tls_secrets()
    }

    fn boot_clock(&self) -> Duration {
        self.0.inner().boot_clock()
    }
}
