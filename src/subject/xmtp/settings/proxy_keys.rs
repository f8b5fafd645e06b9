//! The keys of `[cast.proxy]`: whose habits the proxies have, which of its values are to be others, their TCP and their TLS.
//!
//! Refuses to know what a value of a profile means.

use crate::env::TcpOptions;
use crate::grammar::{Entry, Found, KeyHelp, Problem, Section, key};
use crate::profile::{Conduct, Profile, ProxyLayer};
use crate::proxy::{Alpn, ProxyHabits};
use crate::subject::tcp_keys::read_tcp;

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
/// The keys of its TLS.
pub(crate) const TLS_KEYS: &[KeyHelp] = &[key(
    "alpn",
    "an array of names, at most 16",
    "`[\"h2\"]`",
    "what it offers in ALPN, the dearest first; `[]` is no answer. Without `h2` nobody gets through",
)];

/// Reads whose habits the proxies have, with the values that are to be others, and their TCP.
pub(crate) fn read_proxy(mut section: Section<'_>) -> Option<ProxyKeys> {
    let names: Vec<(&str, &Profile)> = Profile::all().iter().map(|profile| (profile.name(), profile)).collect();
    let plain = names.iter().find(|(name, _)| *name == PLAIN).map(|(_, profile)| *profile)?;
    let named = section.optional("profile", plain, |entry| entry.choice("profile", &names));
    let says_tcp = section.entry("tcp-keepalive").is_some() || section.entry("tcp-user-timeout").is_some();
    let tcp = read_tcp(&mut section);
    let tls = section.optional("tls", None, |entry| read_tls(entry));
    let profile = named.and_then(|named| named.value.overridden(&mut section, "a sim"));
    if let (Some(Found { value: Some(_), span: Some(span) }), Some(profile)) = (&tls, &profile)
        && profile.conduct().layer == ProxyLayer::Tcp
    {
        let problem = Problem::new("cast.proxy.tls", span.clone(), "`cast.proxy.tls`: a proxy of bytes speaks no TLS");
        section.note(problem.label("it only passes bytes").advice("leave it out, or write layer = \"http2\""));
    }
    section.finish();
    let (profile, tls) = (profile?, tls?.value);
    let tcp = if says_tcp { tcp? } else { ProxyHabits::of(profile.conduct()).tcp };
    Some(ProxyKeys { tcp, profile: Box::new(profile), tls })
}

/// Reads true, false, or a table of its keys.
fn read_tls(entry: &Entry<'_>) -> Result<Option<Alpn>, Problem> {
    if let Ok(is_on) = entry.boolean() {
        return Ok(is_on.then(Alpn::default));
    }
    let form = "write true, false, or { alpn = [\"h2\", \"http/1.1\"] }";
    let mut section = entry.section().map_err(|problem| problem.advice(form))?;
    let alpn = section.optional("alpn", Alpn::default(), read_alpn);
    section.finish();
    Ok(Some(alpn.map(|alpn| alpn.value).unwrap_or_default()))
}

fn read_alpn(entry: &Entry<'_>) -> Result<Alpn, Problem> {
    let form = "an array of names such as [\"h2\", \"http/1.1\"]";
    let names: Result<_, _> = entry.elements(form)?.iter().map(|name| name.text("a name such as \"h2\"")).collect();
    let names: Vec<&str> = names?;
    Alpn::new(names.iter().map(|name| (*name).to_owned()).collect()).map_err(|why| {
        entry.problem(format!("`{}`: {why}", entry.key())).label("not for ALPN").advice(format!("write {form}"))
    })
}
