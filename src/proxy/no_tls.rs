//! In the place of TLS, where it is not compiled in: nobody has any, and the compiler knows.
//!
//! Refuses to know that there is such a thing as TLS.

use std::io;

use crate::env::{Address, ByteStream, Env};
use crate::proxy::control::ConnectionRule;
use crate::proxy::wire::ProxyWire;

/// What a proxy has that speaks TLS: nothing, without the feature `tls`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no TLS")]
#[non_exhaustive]
pub enum NoTls {}

pub(crate) use NoTls as ClientDoor;
pub(crate) use NoTls as ClientTls;
pub(crate) use NoTls as ClientTlsError;
pub(crate) use NoTls as NodeConnector;
pub(crate) use NoTls as NodeTls;

impl NoTls {
    pub(crate) fn door(&self, _: &Env) -> ClientDoor {
        match *self {}
    }

    pub(crate) fn connector(&self, _: &Env) -> io::Result<NodeConnector> {
        match *self {}
    }

    pub(crate) async fn open<S: ByteStream>(&self, _: S, _: &[ConnectionRule]) -> Result<ProxyWire<S>, ClientTlsError> {
        match *self {}
    }

    pub(crate) async fn connect<S: ByteStream>(&self, _: S, _: &Address) -> Result<ProxyWire<S>, String> {
        match *self {}
    }
}

/// An error after the handshake: without TLS it has no other words.
pub(crate) fn in_words(error: io::Error) -> io::Error {
    error
}
