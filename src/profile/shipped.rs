//! The profiles that come with the program: one row each, and nothing about any of them.
//!
//! Refuses to know what they say.

use std::sync::OnceLock;

use crate::grammar::Refusal;
use crate::grammar::refusal::{likely, listed, meant};
use crate::profile::Profile;
use crate::profile::read::Lender;

/// The table, in the order in which they are told. One may inherit from those above it.
macro_rules! profiles {
    ($($name:literal,)+) => {
        const NAMES: &[&str] = &[$($name,)+];
        pub(crate) const TEXTS: &[&str] =
            &[$(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/", $name, ".toml")),)+];
    };
}

profiles! {
    "plain",
    "envoy",
    "istio-sidecar",
    "nginx",
    "ingress-nginx",
    "haproxy-2.6",
    "haproxy-3",
    "pingora",
    "linkerd",
    "traefik",
    "nghttpx",
    "apache",
    "aws-alb",
    "aws-nlb",
    "gcp-lb",
    "cloudflare",
}

/// Each is read when it is first asked for: most trials know one.
static SHIPPED: [OnceLock<Profile>; NAMES.len()] = [const { OnceLock::new() }; NAMES.len()];

/// The profile of that row.
fn shipped(row: usize) -> &'static Profile {
    SHIPPED[row].get_or_init(|| {
        let name = NAMES[row];
        let read = Profile::read_with(name, TEXTS[row], Lender { names: &NAMES[..row], lend: shipped });
        read.unwrap_or_else(|refusal| panic!("profiles/{name}.toml: {refusal}"))
    })
}

/// There is no such profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile `{name}`{}; the profiles are {all}", meant(.near))]
pub struct UnknownProfile {
    name: String,
    near: Vec<&'static str>,
    all: String,
}

impl Profile {
    /// Every profile that comes with the program.
    #[must_use]
    pub fn all() -> Vec<&'static Profile> {
        (0..NAMES.len()).map(shipped).collect()
    }

    /// Their names.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        NAMES
    }

    /// The profile of that name.
    ///
    /// # Errors
    /// There is none: the error names the nearest one, and all.
    pub fn named(name: &str) -> Result<&'static Profile, UnknownProfile> {
        let row = NAMES.iter().position(|known| *known == name);
        let unknown = || UnknownProfile { name: name.to_owned(), near: likely(name, NAMES), all: listed(NAMES) };
        row.map(shipped).ok_or_else(unknown)
    }

    /// Reads a profile from its text; it may inherit from any that comes with the program.
    ///
    /// # Errors
    /// The text is no profile: every independent problem, with its line and what would be right.
    pub fn read(name: &str, text: &str) -> Result<Profile, Refusal> {
        Profile::read_with(name, text, Lender { names: NAMES, lend: shipped })
    }
}
