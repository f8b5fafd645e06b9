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

/// HTTP/2's name in ALPN (RFC 9113 section 3.2).
pub(crate) const H2: &str = "h2";

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
        Error::InvalidCertificate(why) => told_certificate(why),
        Error::InvalidMessage(_) => format!("what it sends is not TLS ({error})"),
        Error::PeerIncompatible(_) => format!("there is nothing that both can do ({error})"),
        other => other.to_string(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate says that it may grow, and each of the others names itself"
)]
fn told_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "its certificate has expired".into(),
        CertificateError::ExpiredContext { time, not_after } => {
            let since = Duration::from_secs(time.as_secs().saturating_sub(not_after.as_secs()));
            format!("its certificate has expired, {} days ago", since.as_secs() / 86_400)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".into()
        }
        CertificateError::UnknownIssuer => "its certificate is of nobody who is trusted".into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate has another name: {error}")
        }
        other => format!("its certificate is refused: {other}"),
    }
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
