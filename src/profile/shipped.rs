//! The profiles that come with the program: one row each, and nothing about any of them.
//!
//! Refuses to know what they say.

use std::sync::LazyLock;

use crate::grammar::Refusal;
use crate::grammar::refusal::{likely, listed, meant};
use crate::profile::Profile;

/// The table, in the order in which they are told. One may inherit from those above it.
macro_rules! profiles {
    ($($name:literal,)+) => {
        pub(crate) const TEXTS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/", $name, ".toml"))),)+];
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

static SHIPPED: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let mut profiles: Vec<Profile> = Vec::with_capacity(TEXTS.len());
    for (name, text) in TEXTS {
        let read = Profile::read_with(name, text, &profiles);
        profiles.push(read.unwrap_or_else(|refusal| panic!("profiles/{name}.toml: {refusal}")));
    }
    profiles
});

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
    pub fn all() -> &'static [Profile] {
        &SHIPPED
    }

    /// The profile of that name.
    ///
    /// # Errors
    /// There is none: the error names the nearest one, and all.
    pub fn named(name: &str) -> Result<&'static Profile, UnknownProfile> {
        let found = Profile::all().iter().find(|profile| profile.name() == name);
        found.ok_or_else(|| {
            let names: Vec<&'static str> = TEXTS.iter().map(|(name, _)| *name).collect();
            UnknownProfile { name: name.to_owned(), near: likely(name, &names), all: listed(&names) }
        })
    }

    /// Reads a profile from its text; it may inherit from any that comes with the program.
    ///
    /// # Errors
    /// The text is no profile: every independent problem, with its line and what would be right.
    pub fn read(name: &str, text: &str) -> Result<Profile, Refusal> {
        Profile::read_with(name, text, Profile::all())
    }
}
