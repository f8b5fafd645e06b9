//! Where a command dials: `host:port` in the clear, or `https://host:port` by TLS.
//!
//! Refuses to know what is said there.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::cli::in_the_clear::InTheClear;
use crate::cli::texts::read_pem;
use crate::env::{Address, BadAddress, Env, Wrapped};
use crate::os::Os;
use crate::proxy::{NodeTls, NodeTrust, read_certificates, secured};

/// Where somebody dials, and how.
#[derive(Clone, Debug)]
pub(crate) struct DialTarget {
    pub(crate) address: Address,
    is_secure: bool,
}

impl FromStr for DialTarget {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let secure = text.strip_prefix("https://");
        let address = secure.map_or(text, |rest| rest.strip_suffix('/').unwrap_or(rest)).parse()?;
        Ok(DialTarget { address, is_secure: secure.is_some() })
    }
}

impl fmt::Display for DialTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", if self.is_secure { "https://" } else { "" }, self.address)
    }
}

impl DialTarget {
    /// The surroundings of whoever dials there, and trusts those of that file, or whom this machine trusts.
    ///
    /// # Errors
    /// The flag that is wrong, its file, and what would be right.
    pub(crate) fn ground(&self, os: Os, ca: Option<&Path>) -> Result<Env, String> {
        if !self.is_secure {
            return match ca {
                None => Ok(Arc::new(Wrapped(InTheClear(os)))),
                Some(_) => Err(format!("--ca is about TLS: write https://{} with it, or leave it out", self.address)),
            };
        }
        let trust = match ca {
            None => NodeTrust::Machine,
            Some(file) => {
                let pem = read_pem(file).map_err(|why| format!("--ca: {why}"))?;
                let read = read_certificates(pem.as_bytes());
                NodeTrust::Only(read.map_err(|why| format!("--ca {}: {why}", file.display()))?)
            }
        };
        let secure = secured(Arc::new(os), &NodeTls { trust, name: None });
        secure.map_err(|error| format!("failed to speak TLS with {}: {error}", self.address))
    }
}
