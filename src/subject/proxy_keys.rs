//! The keys of a proxy in a sim file, for every subject that has one: whose habits it has, which of its values are to be others,
//! its TCP and its TLS.
//!
//! Refuses to know what a value of a profile means.

use crate::env::TcpOptions;
use crate::grammar::{KeyHelp, Problem, Section, key};
use crate::profile::{Conduct, Profile, ProxyLayer};
use crate::proxy::{Alpn, ProxyHabits};
use crate::subject::tcp_keys::read_tcp;
use crate::subject::tls_keys::read_tls;

/// How each proxy behaves.
pub(crate) struct ProxyKeys {
    pub(crate) tcp: TcpOptions,
    pub(crate) profile: Box<Profile>,
    /// What is offered in ALPN, where they speak TLS with clients.
    pub(crate) tls: Option<Alpn>,
}

/// Today's proxy without a time of its own.
const PLAIN: &str = "plain";

/// The keys of a proxy: its profile, its TCP, its TLS, and each value of the profile that is to be another.
pub(crate) const PROXY_KEYS: [KeyHelp; OWN_KEYS.len() + Conduct::HELP.len()] = {
    let mut keys = [OWN_KEYS[0]; OWN_KEYS.len() + Conduct::HELP.len()];
    let mut at = 0;
    // Ends: it counts to a length.
    while at < keys.len() {
        keys[at] = if at < OWN_KEYS.len() { OWN_KEYS[at] } else { Conduct::HELP[at - OWN_KEYS.len()] };
        at += 1;
    }
    keys
};
const OWN_KEYS: [KeyHelp; 4] = [
    key("profile", "the name of a [profile](profiles.md)", "`plain`", "whose habits it has"),
    key("tcp-keepalive", "table, or `\"off\"`", "as in its profile", "TCP keepalive on its connections to the node"),
    key(
        "tcp-user-timeout",
        "1s to 1h, or `\"off\"`",
        "as in its profile",
        "how long sent data may stay unacknowledged",
    ),
    key(
        "tls",
        "true, false or a table",
        "false",
        "it speaks TLS with all who dial it, by a certificate of a CA of the trial",
    ),
];

/// Reads whose habits it has, with the values that are to be others, its TCP and its TLS; the table may have more keys.
pub(crate) fn read_proxy(section: &mut Section<'_>) -> Option<ProxyKeys> {
    let named = section.optional("profile", PLAIN, |entry| entry.word("profile", Profile::names()));
    let says_tcp = section.entry("tcp-keepalive").is_some() || section.entry("tcp-user-timeout").is_some();
    let tcp = read_tcp(section);
    let tls_place = section.entry("tls").map(|entry| entry.span());
    let tls = read_tls(section);
    let profile = named.and_then(|named| Profile::named(named.value).ok()?.overridden(section, "a sim"));
    if let (Some(span), Some(Some(_)), Some(profile)) = (tls_place, &tls, &profile)
        && profile.conduct().layer == ProxyLayer::Tcp
    {
        let key = format!("{}.tls", section.key());
        let problem = Problem::new(key.as_str(), span, format!("`{key}`: a proxy of bytes speaks no TLS"));
        section.note(problem.label("it only passes bytes").advice("leave it out, or write layer = \"http2\""));
    }
    let (profile, tls) = (profile?, tls?);
    let tcp = if says_tcp { tcp? } else { ProxyHabits::of(profile.conduct()).tcp };
    Some(ProxyKeys { tcp, profile: Box::new(profile), tls })
}
