//! Certificates and private keys as PEM texts, and what is wrong with a text that is none.
//!
//! Refuses to know who shows them to whom.

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};

use crate::proxy::tls_words::{fault_of_certificate, provider};

/// The kinds of private keys that are read, as their first lines name them (RFC 7468 sections 10 and 13).
const KEY_LABELS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/// Why a certificate and its key are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCertificate {
    /// The text has no certificate.
    #[error("there is no certificate in it; it is PEM, with a line -----BEGIN CERTIFICATE-----")]
    Absent,
    /// A part of it is not PEM.
    #[error("it is no PEM: {0}")]
    Pem(String),
    /// What it has is none.
    #[error("certificate {number} in it {fault}")]
    Faulty {
        /// Which one, from 1.
        number: usize,
        /// What it is, or has.
        fault: String,
    },
    /// It is the key that is wrong.
    #[error("{0}")]
    Key(#[from] BadKey),
}

/// Why a private key is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadKey {
    /// The text has no key.
    #[error("there is no private key in it; it is PEM, with a line such as -----BEGIN PRIVATE KEY-----")]
    Absent,
    /// A part of it is not PEM.
    #[error("it is no PEM: {0}")]
    Pem(String),
    /// There is a passphrase.
    #[error(
        "the private key is encrypted, and nobody is asked for a passphrase; `openssl pkey -in KEY -out PLAIN` writes it \
         without one"
    )]
    Encrypted,
    /// It is in another form than TLS has.
    #[error("`{0}` is no form that is read; write the key as PKCS #8, with a line -----BEGIN PRIVATE KEY-----")]
    Form(String),
    /// It is of another kind than TLS has.
    #[error(
        "the private key is none that TLS can use here; take one of RSA with 2048 to 4096 bits, of ECDSA on P-256 or \
         P-384, or of Ed25519"
    )]
    Unusable,
    /// It is another one's.
    #[error("the private key is not that of the first certificate, behind which stand those of its CAs")]
    Mismatch,
}

/// The certificates of a PEM text, each of which is understood.
///
/// # Errors
/// It has none, or is no PEM, or one of them is no certificate.
pub fn read_certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, BadCertificate> {
    let read: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = read.map_err(|error| BadCertificate::Pem(told_pem(&error)))?;
    if chain.is_empty() {
        return Err(BadCertificate::Absent);
    }
    for (index, certificate) in chain.iter().enumerate() {
        RootCertStore::empty().add(certificate.clone()).map_err(|error| faulty(index + 1, &error))?;
    }
    Ok(chain.iter().map(|certificate| certificate.to_vec()).collect())
}

/// A certificate with those above it after it, and its key, both PEM.
///
/// # Errors
/// The texts are no certificate and its key.
pub(super) fn read_certified(certificates: &[u8], key: &[u8]) -> Result<CertifiedKey, BadCertificate> {
    let chain = read_certificates(certificates)?.into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| bad_key(key, &error))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
        if error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            return BadKey::Mismatch.into();
        }
        // Of a key rustls says no more than that it could not be read.
        if let Error::InvalidCertificate(_) = error { faulty(1, &error) } else { BadKey::Unusable.into() }
    })
}

fn faulty(number: usize, error: &Error) -> BadCertificate {
    let fault = if let Error::InvalidCertificate(why) = error {
        fault_of_certificate(why)
    } else {
        fault_of_certificate(&CertificateError::BadEncoding)
    };
    BadCertificate::Faulty { number, fault }
}

fn bad_key(text: &[u8], error: &pem::Error) -> BadKey {
    let text = String::from_utf8_lossy(text);
    let label = text.lines().find_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("PRIVATE KEY-----"));
    let label = label.map(|kind| format!("{kind}PRIVATE KEY"));
    // RFC 1421 section 4.6.1.1 has the one, RFC 7468 section 11 the other.
    let is_encrypted = text.contains("Proc-Type: 4,ENCRYPTED") || label.as_deref() == Some("ENCRYPTED PRIVATE KEY");
    match (label, error) {
        _ if is_encrypted => BadKey::Encrypted,
        (Some(label), _) if !KEY_LABELS.contains(&label.as_str()) => BadKey::Form(label),
        (_, pem::Error::NoItemsFound) => BadKey::Absent,
        _ => BadKey::Pem(told_pem(error)),
    }
}

/// What is wrong with a PEM text.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate says that it may grow, and each of the others names itself"
)]
fn told_pem(error: &pem::Error) -> String {
    let shown = |line: &[u8]| String::from_utf8_lossy(line).escape_debug().to_string();
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("it breaks off, without a line -----END {}-----", shown(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => {
            format!("`{}` is no line such as -----BEGIN CERTIFICATE-----", shown(line))
        }
        pem::Error::Base64Decode(_) => "between its lines BEGIN and END stands something that is no base64".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `openssl x509 -req` without an extension.
    const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBEjCBuQIUUtf6PjTHjd0rKuhWNl3tjTZT5p0wCgYIKoZIzj0EAwIwDDEKMAgG
A1UEAwwBeDAeFw0yNjExMjkxMzQ2NDdaFw0yNjEyMDgxMzQ2NDdaMAwxCjAIBgNV
BAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASfCDR0mKDW1Sn+uU7l2ba8
5i39OyfrHmLSsEm0FaSH+OJZU8Hn3GUwJsSZyV88jIzBraQkkpThhsafa85NnDeH
MAoGCCqGSM49BAMCA0gAMEUCIEhpn/ZVXQw1qOdPywI21o+R019J8vycecSskjD9
GkOZAiEA6mNYW8O23lCe2HOV2zzxtrkWArjqLo5a9fVkEUn+dxM=
-----END CERTIFICATE-----
";

    fn made(certificate: &str, key: &str) -> Result<(), BadCertificate> {
        read_certified(certificate.as_bytes(), key.as_bytes()).map(drop)
    }

    #[test]
    fn a_certificate_without_its_key_is_refused_with_what_is_missing() {
        let [one, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["a".to_owned()]).expect("made"));
        let [certificate, key] = [one.cert.pem(), one.signing_key.serialize_pem()];
        assert_eq!(made(&certificate, &key), Ok(()));
        assert_eq!(made(&key, &key), Err(BadCertificate::Absent));
        assert_eq!(made(&certificate, &certificate), Err(BadKey::Absent.into()));
        assert_eq!(made(&certificate, &other.signing_key.serialize_pem()), Err(BadKey::Mismatch.into()));
        let cut = &certificate[..certificate.len() / 2];
        assert_eq!(
            made(cut, &key),
            Err(BadCertificate::Pem("it breaks off, without a line -----END CERTIFICATE-----".into()))
        );
    }

    /// Whose fault it is, and a part of what is said.
    #[test]
    fn what_is_no_certificate_and_what_is_no_key_are_told_from_each_other() {
        let one = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("made");
        let [certificate, key] = [one.cert.pem(), one.signing_key.serialize_pem()];
        let pem = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        for (bad, part) in [
            (pem("CERTIFICATE", "AAAA"), "certificate 1 in it is no X.509"),
            (certificate.clone() + &pem("CERTIFICATE", "AAAA"), "certificate 2 in it is no X.509"),
            (VERSION_1.into(), "certificate 1 in it is of X.509 version 1"),
            (pem("CERTIFICATE", "A*AA"), "no base64"),
            ("-----BEGIN \n".into(), "`-----BEGIN ` is no line such as"),
        ] {
            let told = made(&bad, &key).expect_err("no certificate");
            assert!(!matches!(told, BadCertificate::Key(_)) && told.to_string().contains(part), "{part}: {told}");
        }
        for (bad, part) in [
            (pem("PRIVATE KEY", "AAAA"), "RSA with 2048 to 4096 bits"),
            (pem("ENCRYPTED PRIVATE KEY", "AAAA"), "`openssl pkey -in KEY -out PLAIN`"),
            (pem("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA"), "is encrypted"),
            (pem("OPENSSH PRIVATE KEY", "AAAA"), "`OPENSSH PRIVATE KEY` is no form that is read"),
            (pem("PRIVATE KEY", "A*AA"), "no base64"),
        ] {
            let told = made(&certificate, &bad).expect_err("no key");
            assert!(matches!(told, BadCertificate::Key(_)) && told.to_string().contains(part), "{part}: {told}");
        }
    }
}
