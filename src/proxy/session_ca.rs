//! A CA that lives as long as one run of the proxy: clients are to trust it, and nobody has its key.
//!
//! Refuses to know who asks, and where its certificate is written.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::proxy::alpn::Alpn;
use crate::proxy::client_tls::ClientTls;

/// The CA, with its key.
pub struct SessionCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Why the surroundings made no certificate; fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[error("make a certificate for this run: {0}")]
pub struct NoCertificate(String);

impl SessionCa {
    /// A new one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, NoCertificate> {
        let refused = |error: rcgen::Error| NoCertificate(error.to_string());
        let key = KeyPair::generate().map_err(refused)?;
        let mut params = CertificateParams::default();
        // No two runs have one name: a client would take one for the other, and its signature for a wrong one.
        let number = xxh3_64(key.public_key_raw());
        params.distinguished_name = named(&format!("pulseless, run {number:016x}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(refused)?;
        Ok(SessionCa { issuer })
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The same, as DER.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// A certificate for whoever listens on that host, and is called by any name of this machine's loopback.
    ///
    /// # Errors
    /// The host is no name that a certificate can have.
    pub fn certify(&self, host: &str, alpn: Alpn) -> Result<ClientTls, NoCertificate> {
        let refused = |error: rcgen::Error| NoCertificate(error.to_string());
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
        // All addresses of a machine are no name of it.
        let is_named = !host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
        if is_named && !names.iter().any(|name| name == host) {
            names.push(host.to_owned());
        }
        let mut params = CertificateParams::new(names).map_err(refused)?;
        params.distinguished_name = named("pulseless proxy");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(refused)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(refused)?;
        let made = ClientTls::new(certificate.pem().as_bytes(), key.serialize_pem().as_bytes(), alpn);
        made.map_err(|error| NoCertificate(error.to_string()))
    }
}

fn named(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}
