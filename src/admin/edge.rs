//! What lies between TCP and HTTP/2 on both sides of a proxy, as JSON says it: TLS with clients, TLS with the server.
//!
//! Refuses to know which proxy it is about, and reads no file: whoever may read some puts their text in its place.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::admin::error::AdminError;
use crate::proxy::{Alpn, BadCertificate, ClientTls, NodeTls, NodeTrust, SessionCa, read_certificates};

/// Reads the file of that name, or says why not.
pub type ReadFile<'r> = &'r dyn Fn(&str) -> Result<String, String>;

/// `true`, `false`, or an object, which is a `true` with more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Switched<T> {
    Off,
    On(T),
}

impl<T> Switched<T> {
    pub(crate) fn on(&self) -> Option<&T> {
        if let Switched::On(more) = self { Some(more) } else { None }
    }

    pub(crate) fn on_mut(&mut self) -> Option<&mut T> {
        if let Switched::On(more) = self { Some(more) } else { None }
    }
}

impl<'d, T: Default + Deserialize<'d>> Deserialize<'d> for Switched<T> {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(std::marker::PhantomData<T>);

        impl<'d, T: Default + Deserialize<'d>> Visitor<'d> for Reader<T> {
            type Value = Switched<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("true, false, or an object")
            }

            fn visit_bool<E: Error>(self, is_on: bool) -> Result<Switched<T>, E> {
                Ok(if is_on { Switched::On(T::default()) } else { Switched::Off })
            }

            fn visit_map<A: MapAccess<'d>>(self, map: A) -> Result<Switched<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Switched::On)
            }
        }

        deserializer.deserialize_any(Reader(std::marker::PhantomData))
    }
}

/// TLS with clients. Without a certificate it is one made for this run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsDraft {
    certificate: Option<String>,
    certificate_file: Option<String>,
    key: Option<String>,
    key_file: Option<String>,
    alpn: Option<Vec<String>>,
    /// What the API shows, which may be sent back.
    ca: Option<IgnoredText>,
}

/// TLS with the server. Without a CA whomever this machine trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UpstreamTlsDraft {
    ca: Option<String>,
    ca_file: Option<String>,
    name: Option<String>,
    insecure: bool,
}

/// Anything, of which nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "IgnoredAny")]
struct IgnoredText;

impl From<IgnoredAny> for IgnoredText {
    fn from(_: IgnoredAny) -> Self {
        IgnoredText
    }
}

/// TLS with clients, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsJson {
    /// What is offered in ALPN, the dearest first.
    pub alpn: Vec<String>,
    /// The certificate that was given, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The CA of this run, as PEM, where none was given: clients are to trust it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// TLS with the server, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamTlsJson {
    /// The certificates whose owners are trusted, as PEM; those that this machine trusts where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The name that the server must prove; its host unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether anybody is taken for the server.
    pub insecure: bool,
}

fn wrong(key: &str, why: impl fmt::Display) -> AdminError {
    AdminError::Body(format!("`{key}`: {why}"))
}

/// Puts the text of a file where it was named.
fn fill(
    section: &str,
    (key, text): (&str, &mut Option<String>),
    file: &mut Option<String>,
    read: ReadFile<'_>,
) -> Result<(), AdminError> {
    let Some(path) = file.take() else { return Ok(()) };
    if text.is_some() {
        return Err(wrong(
            &format!("{section}.{key}_file"),
            format!("`{section}.{key}` is there as well; write one of them"),
        ));
    }
    *text = Some(read(&path).map_err(|why| wrong(&format!("{section}.{key}_file"), why))?);
    Ok(())
}

/// No file was read for it, because a request names it.
fn refuse_file(section: &str, key: &str, file: Option<&String>) -> Result<(), AdminError> {
    match file {
        None => Ok(()),
        Some(_) => {
            let told = format!("a request reads no file; write its text in `{section}.{key}`");
            Err(wrong(&format!("{section}.{key}_file"), told))
        }
    }
}

impl Switched<TlsDraft> {
    /// With the text of the files that it names.
    pub(crate) fn read_files(&mut self, read: ReadFile<'_>) -> Result<(), AdminError> {
        let Some(TlsDraft { certificate, certificate_file, key, key_file, .. }) = self.on_mut() else { return Ok(()) };
        fill("tls", ("certificate", certificate), certificate_file, read)?;
        fill("tls", ("key", key), key_file, read)
    }
}

impl Switched<UpstreamTlsDraft> {
    /// With the text of the files that it names.
    pub(crate) fn read_files(&mut self, read: ReadFile<'_>) -> Result<(), AdminError> {
        let Some(UpstreamTlsDraft { ca, ca_file, .. }) = self.on_mut() else { return Ok(()) };
        fill("upstream_tls", ("ca", ca), ca_file, read)
    }
}

impl TlsDraft {
    /// The key of a certificate is shown to nobody: where the certificate is sent back, its key is the one that there is.
    pub(crate) fn keep_key(&mut self, before: &TlsDraft) {
        let is_sent_back = self.certificate.is_some() && self.certificate == before.certificate;
        if is_sent_back && self.key.is_none() && self.key_file.is_none() {
            self.key.clone_from(&before.key);
        }
    }

    /// What it asks for, of a proxy that listens on that host, and how that is shown.
    pub(crate) fn make(&self, host: &str, ca: &SessionCa) -> Result<(ClientTls, TlsJson), AdminError> {
        refuse_file("tls", "certificate", self.certificate_file.as_ref())?;
        refuse_file("tls", "key", self.key_file.as_ref())?;
        let alpn = self.alpn.clone().map_or_else(|| Ok(Alpn::default()), Alpn::new);
        let alpn = alpn.map_err(|why| wrong("tls.alpn", why))?;
        let names = alpn.names().to_vec();
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let made = ClientTls::new(certificate.as_bytes(), key.as_bytes(), alpn);
                let tls = made.map_err(|why| match why {
                    BadCertificate::Key(why) => wrong("tls.key", why),
                    BadCertificate::Absent | BadCertificate::Pem(_) | BadCertificate::Faulty { .. } => {
                        wrong("tls.certificate", why)
                    }
                })?;
                Ok((tls, TlsJson { alpn: names, certificate: Some(certificate.clone()), ca: None }))
            }
            (None, None) => {
                let tls = ca.certify(host, alpn).map_err(|why| AdminError::System(why.to_string()))?;
                Ok((tls, TlsJson { alpn: names, certificate: None, ca: Some(ca.pem()) }))
            }
            (Some(_), None) => Err(wrong(
                "tls.key",
                "it is missing beside `tls.certificate`; write it as PEM: a key that was given is shown to nobody",
            )),
            (None, Some(_)) => Err(wrong("tls.certificate", "it is missing beside `tls.key`; write it as PEM")),
        }
    }
}

impl UpstreamTlsDraft {
    /// What it asks for, and how that is shown.
    pub(crate) fn make(&self) -> Result<(NodeTls, UpstreamTlsJson), AdminError> {
        let UpstreamTlsDraft { ca, ca_file, name, insecure } = self;
        refuse_file("upstream_tls", "ca", ca_file.as_ref())?;
        let trust = match (ca, insecure) {
            (Some(_), true) => {
                return Err(wrong("upstream_tls.insecure", "`upstream_tls.ca` is there as well; write one of them"));
            }
            (None, true) => NodeTrust::Anybody,
            (None, false) => NodeTrust::Machine,
            (Some(pem), false) => {
                let read = read_certificates(pem.as_bytes());
                NodeTrust::Only(read.map_err(|why| wrong("upstream_tls.ca", why))?)
            }
        };
        let called = name.as_deref().map(str::parse).transpose().map_err(|why| wrong("upstream_tls.name", why))?;
        let shown = UpstreamTlsJson { ca: ca.clone(), name: name.clone(), insecure: *insecure };
        Ok((NodeTls { trust, name: called }, shown))
    }
}
