//! Texts that flags, or the file of proxies, name by their paths.
//!
//! Refuses to know what is in them.

use std::path::Path;

/// Far more than two hundred proxies, or the certificates of a CA bundle, need.
const TEXT_MAX: u64 = 1 << 20;

/// The text of a file.
///
/// # Errors
/// In words, with the file's name.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    read(path, "it is no text")
}

/// The text of a file of certificates, or of a key.
///
/// # Errors
/// In words, with the file's name; of a binary one, how to make a text of it.
pub(crate) fn read_pem(path: &Path) -> Result<String, String> {
    let file = path.display();
    let advice = format!(
        "it is no text, and PEM is wanted, which is made of DER by `openssl x509 -inform der -in {file}`, of a key by \
         `openssl pkey -inform der -in {file}`, and of PKCS #12 by `openssl pkcs12 -nodes -in {file}`"
    );
    read(path, &advice)
}

fn read(path: &Path, binary: &str) -> Result<String, String> {
    let file = path.display();
    let failed = |error: std::io::Error| format!("failed to read {file}: {error}");
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > TEXT_MAX {
        return Err(format!("failed to read {file}: it has {length} bytes, and {TEXT_MAX} are enough"));
    }
    String::from_utf8(std::fs::read(path).map_err(failed)?).map_err(|_| format!("{file}: {binary}"))
}
