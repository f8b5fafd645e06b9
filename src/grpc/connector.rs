//! Connections that tonic and hyper dial by the surroundings.
//!
//! Refuses to know names and TLS: the host and the port of a URI go to the surroundings as they are.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tower::Service;

use crate::env::{Address, Env, Socket, TcpOptions};

/// Dials whom a URI names, by the surroundings: for tonic's `Endpoint::connect_with_connector`, which redials by it as by its
/// own, and for hyper-util's `Client`. A URI without a port has its scheme's, 80 or 443; bytes go in the clear either way.
#[derive(Clone)]
pub struct EnvConnector {
    env: Env,
    tcp: TcpOptions,
}

impl EnvConnector {
    /// Dials by those surroundings, with the system's defaults of TCP.
    #[must_use]
    pub fn new(env: Env) -> Self {
        EnvConnector { env, tcp: TcpOptions::default() }
    }

    /// Dials with these options of TCP.
    #[must_use]
    pub fn with_tcp(self, tcp: TcpOptions) -> Self {
        EnvConnector { tcp, ..self }
    }
}

impl Service<Uri> for EnvConnector {
    type Response = TokioIo<Socket>;
    /// What TCP's connect answered, or a URI without a host.
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Socket>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (env, tcp) = (self.env.clone(), self.tcp);
        Box::pin(async move { Ok(TokioIo::new(env.dial_with(&whom(&uri)?, tcp).await?)) })
    }
}

/// Whom a URI names.
fn whom(uri: &Uri) -> io::Result<Address> {
    let named = uri.host().map(|host| host.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(host));
    let host = named.filter(|host| !host.is_empty()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("`{uri}` names no host; write http://host:port"))
    })?;
    let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    Ok(Address::new(host, uri.port_u16().unwrap_or(usual)))
}

/// A socket of the surroundings as hyper-util's client takes it: nothing was agreed on beforehand.
impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_host_and_a_port() {
        for (uri, host, port) in [
            ("http://server:50051", "server", 50_051),
            ("http://server", "server", 80),
            ("https://server/path", "server", 443),
            ("http://[::1]:80", "::1", 80),
        ] {
            assert_eq!(whom(&Uri::from_static(uri)).ok(), Some(Address::new(host, port)), "{uri}");
        }
        let refusal = whom(&Uri::from_static("/path")).expect_err("nobody").to_string();
        assert_eq!(refusal, "`/path` names no host; write http://host:port");
    }
}
