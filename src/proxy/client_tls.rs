//! TLS with clients: a certificate, and what is offered in ALPN.
//!
//! Refuses to know where the certificate comes from. HTTP/2 over TLS is negotiated by ALPN (RFC 9113 section 3.3): with a
//! client that has agreed on something else, or on nothing, HTTP/2 is not spoken.
//!
//! ```text
//! connected --ClientHello--> chosen --h2 agreed on--> HTTP/2
//!      |                       |  '--something else, or nothing--> told by HTTP/1.1, and closed
//!      '--an alert, no TLS-----'--> closed
//! ```

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, ServerConfig};

use crate::env::{ByteStream, Env};
use crate::lie::ConnectionLie;
use crate::proxy::alpn::{Alpn, H2};
use crate::proxy::certificate::{BadCertificate, read_certified};
use crate::proxy::config::READ_STEP;
use crate::proxy::control::ConnectionRule;
use crate::proxy::tls_words::{NO_H2, TlsClock, listed_protocols, provider, told_failure};
use crate::proxy::wire::ProxyWire;

/// What a client is told with whom HTTP/2 was not agreed on.
const DECLINED: &str = "HTTP/2 was not agreed on by ALPN, and nothing else is spoken here.\n";

/// How a proxy speaks TLS with its clients.
#[derive(Clone)]
pub struct ClientTls {
    key: Arc<CertifiedKey>,
    alpn: Alpn,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientTls").field("alpn", &self.alpn).finish_non_exhaustive()
    }
}

/// Why a client gets no HTTP/2; fits after "turned away:".
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientTlsError {
    #[error("TLS with the client failed: {0}")]
    Failed(String),
    #[error("{NO_H2}: the client offers {offered}, and this proxy {served}")]
    NoH2 { offered: String, served: String },
}

impl ClientTls {
    /// With that certificate, those above it after it, and its key, both PEM.
    ///
    /// # Errors
    /// The texts are no certificate and its key.
    pub fn new(certificates: &[u8], key: &[u8], alpn: Alpn) -> Result<Self, BadCertificate> {
        Ok(ClientTls { key: Arc::new(read_certified(certificates, key)?), alpn })
    }

    /// Whoever takes up TLS with clients, in these surroundings.
    pub(crate) fn door(&self, env: &Env) -> ClientDoor {
        ClientDoor { config: self.config(env) }
    }

    /// What is served, in these surroundings.
    pub(crate) fn config(&self, env: &Env) -> Arc<ServerConfig> {
        let resolver = SingleCertAndKey::from(CertifiedKey::clone(&self.key));
        let builder = ServerConfig::builder_with_details(provider(), Arc::new(TlsClock(env.clone())))
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3");
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = as_protocols(self.alpn.names());
        Arc::new(config)
    }
}

/// Takes up TLS with clients.
pub(crate) struct ClientDoor {
    config: Arc<ServerConfig>,
}

impl ClientDoor {
    /// Shakes hands, under the rules about that connection.
    ///
    /// # Errors
    /// It failed, or HTTP/2 was not agreed on; the client was told.
    pub(crate) async fn open<S: ByteStream + 'static>(
        &self,
        stream: S,
        rules: &[ConnectionRule],
    ) -> Result<ProxyWire<S>, ClientTlsError> {
        let failed = |error: io::Error| ClientTlsError::Failed(told_failure(&error));
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(failed)?;
        let offered = listed_protocols(start.client_hello().alpn().into_iter().flatten());
        let config = self.config_under(rules);
        let served = listed_protocols(&config.alpn_protocols);
        let no_h2 = ClientTlsError::NoH2 { offered, served };
        let stream = match start.into_stream(config).await {
            Ok(stream) => stream,
            // rustls has sent the alert of that name (RFC 7301 section 3.2).
            Err(error) if is_no_protocol(&error) => return Err(no_h2),
            Err(error) => return Err(failed(error)),
        };
        if stream.get_ref().1.alpn_protocol() == Some(H2.as_bytes()) {
            return Ok(ProxyWire::Tls(Box::new(stream)));
        }
        decline(stream).await;
        Err(no_h2)
    }
}

impl ClientDoor {
    /// What is served where these rules are in force: the last lie about ALPN is told.
    fn config_under(&self, rules: &[ConnectionRule]) -> Arc<ServerConfig> {
        let mut lies = rules.iter().filter_map(|rule| match rule.lie() {
            ConnectionLie::Alpn(names) => Some((rule, names)),
            ConnectionLie::GoAway { .. }
            | ConnectionLie::PingAnswers(_)
            | ConnectionLie::SettingsUnanswered
            | ConnectionLie::Settings { .. }
            | ConnectionLie::WindowUpdatesWithheld(_) => None,
        });
        let Some((rule, names)) = lies.next_back() else { return self.config.clone() };
        rule.feel();
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = as_protocols(names);
        Arc::new(config)
    }
}

/// Names as TLS takes them.
fn as_protocols(names: &[String]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.clone().into_bytes()).collect()
}

fn is_no_protocol(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::NoApplicationProtocol))
}

/// Waits for the first that a client says, and answers in HTTP/1.1, which is what it speaks if it is anything
/// (RFC 9110 section 15.6.6).
async fn decline(mut stream: impl ByteStream) {
    let mut said = [0; READ_STEP];
    let answer = format!(
        "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{DECLINED}",
        DECLINED.len()
    );
    if matches!(stream.read(&mut said).await, Ok(1..)) && stream.write_all(answer.as_bytes()).await.is_ok() {
        // It fails only if the client is gone.
        let _ = stream.shutdown().await;
    }
}
