//! TLS with the node: whom the proxy trusts, and by which name it calls the node.
//!
//! Refuses to know HTTP/2, and where the node is.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error, KeyLog, RootCertStore, SignatureScheme,
};

use crate::env::{Address, ByteStream, Env, SecretSink};
use crate::proxy::alpn::H2;
use crate::proxy::tls_words::{NO_H2, TlsClock, listed_protocols, provider, told_failure};
use crate::proxy::wire::ProxyWire;

/// How a proxy speaks TLS with its node.
#[derive(Clone, Debug, Default)]
pub struct NodeTls {
    /// Whom it trusts.
    pub trust: NodeTrust,
    /// The name that the node must prove, and that it is asked for (SNI); its host unless given.
    pub name: Option<NodeName>,
}

/// Whom a proxy trusts to be its node.
#[derive(Clone, Debug, Default)]
pub enum NodeTrust {
    /// Whoever has a certificate of those that the machine trusts.
    #[default]
    Machine,
    /// Whoever has a certificate of one of these.
    Only(Vec<Vec<u8>>),
    /// Anybody.
    Anybody,
}

/// A name that can stand in a certificate: of DNS, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName(ServerName<'static>);

impl std::str::FromStr for NodeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = ServerName::try_from(text.to_owned());
        name.map(NodeName)
            .map_err(|_| format!("`{text}` is no name of a certificate; write a DNS name or an IP address"))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.to_str())
    }
}

impl NodeTls {
    /// Whoever takes up TLS with nodes, in these surroundings.
    ///
    /// # Errors
    /// The machine trusts nobody, or one of the certificates is none.
    pub(crate) fn connector(&self, env: &Env) -> io::Result<NodeConnector> {
        let clock = Arc::new(TlsClock(env.clone()));
        let builder = ClientConfig::builder_with_details(provider(), clock)
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3");
        let roots = match &self.trust {
            NodeTrust::Machine => Some(env.trusted_certificates()?),
            NodeTrust::Only(certificates) => Some(certificates.clone()),
            NodeTrust::Anybody => None,
        };
        let builder = match roots {
            Some(roots) => builder.with_root_certificates(store(roots)?),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyNode(provider()))),
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![H2.into()];
        if let Some(sink) = env.tls_secrets() {
            config.key_log = Arc::new(SecretLog(sink));
        }
        Ok(NodeConnector { connector: TlsConnector::from(Arc::new(config)), name: self.name.clone() })
    }
}

/// Hands secrets to whoever looks at the bytes.
struct SecretLog(SecretSink);

impl fmt::Debug for SecretLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretLog")
    }
}

impl KeyLog for SecretLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        (self.0)(format!("{label} {} {}", hex(client_random), hex(secret)));
    }
}

fn store(certificates: Vec<Vec<u8>>) -> io::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let count = certificates.len();
    // A machine's list may have some that are not understood.
    let (taken, _) = store.add_parsable_certificates(certificates.into_iter().map(CertificateDer::from));
    if taken == 0 {
        let told = format!("none of the {count} certificates that are to be trusted is understood");
        return Err(io::Error::new(io::ErrorKind::InvalidData, told));
    }
    Ok(store)
}

/// Takes up TLS with nodes.
pub(crate) struct NodeConnector {
    connector: TlsConnector,
    name: Option<NodeName>,
}

impl NodeConnector {
    /// Shakes hands with the node at that address.
    ///
    /// # Errors
    /// In words, what "it", the node, did.
    pub(crate) async fn connect<S: ByteStream + 'static>(
        &self,
        stream: S,
        address: &Address,
    ) -> Result<ProxyWire<S>, String> {
        let NodeName(name) = self.name.clone().map_or_else(|| address.host.parse(), Ok)?;
        let stream = self.connector.connect(name, stream).await.map_err(|error| told(&error))?;
        match stream.get_ref().1.alpn_protocol() {
            Some(chosen) if chosen == H2.as_bytes() => Ok(ProxyWire::Tls(Box::new(stream))),
            chosen => Err(format!("{NO_H2}: it chose {}", listed_protocols(chosen))),
        }
    }
}

fn told(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let words = told_failure(error);
    match inner {
        Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => format!("{NO_H2}: {words}"),
        _ => words,
    }
}

/// Takes anybody for the node who has the key of the certificate that it shows.
#[derive(Debug)]
struct AnyNode(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyNode {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
