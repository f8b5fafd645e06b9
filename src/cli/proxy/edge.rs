//! What lies between TCP and HTTP/2, as flags say it, in the words of the admin API: the text of files is in it.
//!
//! Refuses to know which proxy it is about.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::arguments::EdgeArguments;
use crate::cli::texts::read_pem;
use crate::proxy::{Alpn, BadCertificate, ClientTls, read_certificates};

/// The keys of a proxy; none without a flag.
///
/// # Errors
/// The flag that is wrong, its file, and what would be right.
pub(super) fn keys(edge: &EdgeArguments) -> Result<Map<String, Value>, String> {
    let mut keys = Map::new();
    if let Some(tls) = client_tls(edge)? {
        keys.insert("tls".into(), tls);
    }
    if edge.upstream_tls {
        keys.insert("upstream_tls".into(), upstream_tls(edge)?);
    }
    if edge.proxy_protocol {
        keys.insert("proxy_protocol".into(), true.into());
    }
    Ok(keys)
}

fn client_tls(edge: &EdgeArguments) -> Result<Option<Value>, String> {
    let EdgeArguments { tls, tls_cert, tls_key, tls_alpn, .. } = edge;
    let alpn = tls_alpn.clone().unwrap_or_default();
    let mut keys = json!({ "alpn": alpn.names() });
    match (tls_cert, tls_key) {
        (Some(certificate), Some(key)) => {
            let (chain, secret) = (read("--tls-cert", certificate)?, read("--tls-key", key)?);
            check(&chain, &secret, certificate, key)?;
            keys["certificate"] = chain.into();
            keys["key"] = secret.into();
        }
        _ if *tls => {}
        _ if tls_alpn.is_some() => {
            return Err("--tls-alpn is about TLS with clients: write --tls or --tls-cert, too".into());
        }
        _ => return Ok(None),
    }
    Ok(Some(keys))
}

fn check(chain: &str, secret: &str, certificate: &Path, key: &Path) -> Result<(), String> {
    let made = ClientTls::new(chain.as_bytes(), secret.as_bytes(), Alpn::default());
    made.map(drop).map_err(|why| match why {
        BadCertificate::Key(why) => format!("--tls-key {}: {why}", key.display()),
        BadCertificate::Absent | BadCertificate::Pem(_) | BadCertificate::Faulty { .. } => {
            format!("--tls-cert {}: {why}", certificate.display())
        }
    })
}

fn upstream_tls(edge: &EdgeArguments) -> Result<Value, String> {
    let EdgeArguments { upstream_ca, upstream_name, upstream_insecure, .. } = edge;
    let mut keys = json!({ "insecure": upstream_insecure });
    if let Some(file) = upstream_ca {
        let pem = read("--upstream-ca", file)?;
        read_certificates(pem.as_bytes()).map_err(|why| format!("--upstream-ca {}: {why}", file.display()))?;
        keys["ca"] = pem.into();
    }
    if let Some(name) = upstream_name {
        keys["name"] = name.to_string().into();
    }
    Ok(keys)
}

/// The text of the file that a flag names.
fn read(flag: &str, file: &Path) -> Result<String, String> {
    read_pem(file).map_err(|why| format!("{flag}: {why}"))
}
