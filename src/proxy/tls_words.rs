//! What went wrong with TLS, in words that fit after "TLS with ...:", and what both sides of TLS share.
//!
//! Refuses to know which side says it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use crate::env::Env;

/// How it is told that HTTP/2 was not agreed on.
pub(crate) const NO_H2: &str = "no h2 in ALPN";

/// Whose ciphers and keys are used.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The clock of the surroundings: it says whether a certificate has expired.
pub(crate) struct TlsClock(pub(crate) Env);

impl std::fmt::Debug for TlsClock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TlsClock")
    }
}

impl TimeProvider for TlsClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.wall_clock()))
    }
}

/// The protocols of ALPN, as people read them.
pub(crate) fn listed_protocols<P: AsRef<[u8]>>(protocols: impl IntoIterator<Item = P>) -> String {
    let names: Vec<String> =
        protocols.into_iter().map(|name| String::from_utf8_lossy(name.as_ref()).escape_debug().to_string()).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// Why a handshake failed. "It" is the other side.
pub(crate) fn told_failure(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(error) => told_error(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection in the handshake".into(),
        None => error.to_string(),
    }
}

/// The same error in words, where TLS has a reason of its own for it, after the handshake.
pub(crate) fn in_words(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let told = match inner {
        Some(error) => told_error(error),
        // RFC 8446 section 6.1: whoever ends in order says close_notify before.
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection without close_notify".into(),
        None => return error,
    };
    io::Error::new(error.kind(), format!("TLS: {told}"))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate says that it may grow, and each of the others names itself"
)]
fn told_error(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => format!("it sent the alert {}", alert_name(*alert)),
        Error::InvalidCertificate(why) => format!("its certificate {}", fault_of_certificate(why)),
        Error::InvalidMessage(_) => format!("what it sends is not TLS ({error})"),
        Error::PeerIncompatible(_) => format!("there is nothing that both can do ({error})"),
        Error::NoCertificatesPresented => "it shows no certificate".into(),
        other => other.to_string(),
    }
}

/// What is wrong with a certificate, and what would be right; fits after "its certificate".
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate says that it may grow, revocation is not asked for, and each of the others names itself"
)]
#[expect(deprecated, reason = "webpki still says one of them")]
pub(crate) fn fault_of_certificate(error: &CertificateError) -> String {
    let told = match error {
        CertificateError::BadEncoding => "is no X.509; was it cut off, or changed?",
        CertificateError::Expired => "has expired; have it renewed",
        CertificateError::ExpiredContext { time, not_after } => {
            return format!("has expired, {} ago; have it renewed", days(not_after, time));
        }
        CertificateError::NotValidYet => "is not valid yet",
        CertificateError::NotValidYetContext { time, not_before } => {
            return format!("is not valid yet, but in {}; is a clock wrong?", days(time, not_before));
        }
        CertificateError::UnknownIssuer => {
            "is of nobody who is trusted; trust the CA that has signed it, or have those between them sent as well"
        }
        CertificateError::NotValidForName => "has another name",
        CertificateError::NotValidForNameContext { expected, presented } => {
            let asked = expected.to_str();
            return match presented.as_slice() {
                [] => {
                    format!("has another name: it is for nobody (it has no subjectAltName), and {asked} is asked for")
                }
                names => format!("has another name: it is for {}, and {asked} is asked for", listed_names(names)),
            };
        }
        CertificateError::UnhandledCriticalExtension => CRITICAL,
        CertificateError::BadSignature => {
            "is not signed by the CA that is trusted, which has the name of the one that has signed it; was the CA made anew?"
        }
        CertificateError::UnsupportedSignatureAlgorithm
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed in a way that is not taken; have it signed with RSA and SHA-256 or more, ECDSA on P-256 or P-384, or \
             Ed25519"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is for another purpose; have it made with extendedKeyUsage serverAuth, or without"
        }
        CertificateError::Other(other) => return fault_by_webpki(&other.to_string()),
        other => return format!("is refused: {other}"),
    };
    told.into()
}

const CRITICAL: &str = "has a critical extension that is not understood; have it made without";

/// What webpki says, which rustls hands on by its name alone.
fn fault_by_webpki(name: &str) -> String {
    let told = match name {
        "CaUsedAsEndEntity" => {
            "is that of a CA, which no server may show; make one with basicConstraints CA:FALSE, as by openssl req -x509 \
             -addext basicConstraints=CA:FALSE"
        }
        "EndEntityUsedAsCa" => "is signed by one who is no CA; have it signed by one with basicConstraints CA:TRUE",
        "UnsupportedCertVersion" => {
            "is of X.509 version 1; make one of version 3, as openssl does where it is given an extension (-addext, -extfile)"
        }
        "PathLenConstraintViolated" => "stands below more CAs than one of them allows by its pathlen",
        "NameConstraintViolation" => "has a name that its CA may not certify, by its nameConstraints",
        "UnsupportedCriticalExtension" => CRITICAL,
        "MaximumPathDepthExceeded"
        | "MaximumPathBuildCallsExceeded"
        | "MaximumSignatureChecksExceeded"
        | "MaximumNameConstraintComparisonsExceeded" => {
            "leads to no CA that is trusted in a few steps; have it sent with those alone that stand between them"
        }
        _ => return format!("has a part that is not allowed, or not understood ({name}); have it made anew"),
    };
    told.into()
}

/// The time from one to the other, in days.
fn days(from: &UnixTime, to: &UnixTime) -> String {
    let days = Duration::from_secs(to.as_secs().saturating_sub(from.as_secs())).as_secs() / 86_400;
    format!("{days} days")
}

/// The names in a certificate as they are called: rustls shows `DnsName("localhost")`.
fn listed_names(names: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    names.iter().map(bare).collect::<Vec<_>>().join(", ")
}

/// As RFC 8446 section 6 spells it: `UnknownCA` is `unknown_ca`.
fn alert_name(alert: AlertDescription) -> String {
    let camel = format!("{alert:?}");
    let letters: Vec<char> = camel.chars().collect();
    let mut name = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let begins_word = index > 0
            && letter.is_ascii_uppercase()
            && (letters[index - 1].is_ascii_lowercase()
                || letters.get(index + 1).is_some_and(char::is_ascii_lowercase));
        if begins_word {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    // RFC 6066 section 3 spells one of them in the other way.
    name.replace("gnised", "gnized")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_has_the_name_that_the_rfc_gives_it() {
        for (alert, name) in [
            (AlertDescription::HandshakeFailure, "handshake_failure"),
            (AlertDescription::UnknownCA, "unknown_ca"),
            (AlertDescription::UnknownPSKIdentity, "unknown_psk_identity"),
            (AlertDescription::from(112), "unrecognized_name"),
            (AlertDescription::NoApplicationProtocol, "no_application_protocol"),
            (AlertDescription::BadRecordMac, "bad_record_mac"),
        ] {
            assert_eq!(alert_name(alert), name);
        }
    }

    #[test]
    fn a_break_of_tls_is_told_in_its_words_and_any_other_as_it_is() {
        let told = |error: io::Error| in_words(error).to_string();
        let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "peer closed connection: see https://docs.rs");
        assert_eq!(in_words(cut).kind(), io::ErrorKind::UnexpectedEof);
        let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "peer closed connection: see https://docs.rs");
        assert_eq!(told(cut), "TLS: it closed the connection without close_notify");
        let alert = Error::AlertReceived(AlertDescription::BadRecordMac);
        assert_eq!(told(io::Error::new(io::ErrorKind::InvalidData, alert)), "TLS: it sent the alert bad_record_mac");
        assert_eq!(told(io::ErrorKind::ConnectionReset.into()), "connection reset");
    }

    #[test]
    fn protocols_are_listed_whatever_their_bytes() {
        assert_eq!(listed_protocols([&b"h2"[..], b"http/1.1"]), "h2, http/1.1");
        assert_eq!(listed_protocols([&b"\x00"[..]]), "\\0");
        assert_eq!(listed_protocols([&b""[..]; 0]), "none");
    }
}
