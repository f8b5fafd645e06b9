//! The tables of `[cast]` in a sim of strangers: hosts of the kinds that the guest brings, and proxies of ours between them.
//!
//! Refuses to know what a host runs.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cast::{Abilities, Cast, HostName, Member};
use crate::env::{Address, TcpOptions};
use crate::grammar::refusal::{Problem, did_you_mean, listed};
use crate::grammar::{Entry, KeyHelp, KeyTable, Section, key};
use crate::profile::Profile;
use crate::subject::Restart;
use crate::subject::proxy_keys::{PROXY_KEYS, ProxyKeys, read_proxy};
use crate::subject::stranger::entry::names_of;
use crate::subject::stranger::registry::HostKind;
use crate::subject::stranger::settings::AnySettings;

/// A trial is played by one thread, host after host; with more than these it takes too long to be of use.
const HOSTS_OF_TABLE_MAX: u32 = 1_000;
/// systemd's, unless it is told.
const RESTART_AFTER: Duration = Duration::from_millis(100);
/// At once would be at the same instant, again and again.
const RESTART_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3_600);
/// The longest label of a name (RFC 1035 section 2.3.4).
const LABEL_MAX: usize = 63;

/// The keys in words.
pub(crate) const TABLES: &[KeyTable] = &[
    KeyTable {
        name: "",
        keys: &[key("waive", "array of [checkers](checkers.md)", "none", "who does not judge this sim")],
    },
    KeyTable { name: "cast.HOST", keys: HOST_KEYS },
    KeyTable { name: "cast.PROXY", keys: TOLD_PROXY_KEYS },
];
const HOST_KEYS: &[KeyHelp] = &[
    key("kind", "the name of a registered kind of host", "the table's own name", "what its processes run"),
    key("count", "1 to 1,000", "1", "how many there are; more than one are called HOST-1, HOST-2 and so on"),
    key(
        "dials",
        "array of names",
        "the proxies, or else who is listed before it",
        "whom it dials, the first one first: for faults of names, and for reports",
    ),
    key("follows", "array of streams", "none", "what it is owed from the beginning, even if it never gets any of it"),
    key(
        "restart",
        "`no`, `on-failure` or `always`",
        "`no`",
        "when its program is begun again that has ended by itself; otherwise its failure ends the trial",
    ),
    key("restart-after", "1ms to 1h", "100ms", "how long after that"),
    key("settings", "table", "none", "what its kind is set by"),
];
const TOLD_PROXY_KEYS: &[KeyHelp] = &[
    key("proxy-to", "`\"HOST:PORT\"`", "required", "where it leads"),
    key("port", "1 to 65535", "that of `proxy-to`", "where it listens"),
    PROXY_KEYS[0],
];

/// Who is cast, and as what.
#[derive(Debug)]
pub(crate) struct StrangerCast {
    pub(crate) hosts: Cast,
    pub(crate) entries: Vec<CastEntry>,
}

/// One table of the cast.
#[derive(Debug)]
pub(crate) enum CastEntry {
    Hosts(CastHosts),
    Proxy(CastProxy),
}

/// Hosts of one kind.
#[derive(Debug)]
pub(crate) struct CastHosts {
    title: String,
    count: u32,
    pub(crate) kind: HostKind,
    pub(crate) settings: AnySettings,
    /// The streams that each follows from the beginning.
    pub(crate) follows: Vec<String>,
    /// Whom each dials, where the sim says.
    dials: Option<Vec<HostName>>,
    /// What is done when its program ends by itself.
    pub(crate) restart: Restart,
}

impl CastHosts {
    pub(crate) fn names(&self) -> Vec<HostName> {
        names_of(&self.title, self.count)
    }
}

/// A proxy of ours.
#[derive(Debug)]
pub(crate) struct CastProxy {
    pub(crate) name: HostName,
    pub(crate) upstream: Address,
    pub(crate) port: u16,
    pub(crate) tcp: TcpOptions,
    pub(crate) profile: Box<Profile>,
}

impl CastEntry {
    /// The name of its table.
    pub(crate) fn title(&self) -> &str {
        match self {
            CastEntry::Hosts(hosts) => &hosts.title,
            CastEntry::Proxy(proxy) => &proxy.name,
        }
    }

    /// The proxy, where it is one.
    pub(crate) fn proxy(&self) -> Option<&CastProxy> {
        match self {
            CastEntry::Hosts(_) => None,
            CastEntry::Proxy(proxy) => Some(proxy),
        }
    }

    pub(crate) fn names(&self) -> Vec<HostName> {
        match self {
            CastEntry::Hosts(hosts) => hosts.names(),
            CastEntry::Proxy(proxy) => vec![proxy.name.clone()],
        }
    }

    /// The TCP options that the sim sets.
    pub(crate) fn tcp(&self) -> Option<TcpOptions> {
        match self {
            CastEntry::Hosts(_) => None,
            CastEntry::Proxy(proxy) => Some(proxy.tcp),
        }
    }

    /// Whether it ends streams by habit.
    pub(crate) fn ends_streams(&self) -> bool {
        match self {
            CastEntry::Hosts(_) => false,
            CastEntry::Proxy(proxy) => proxy.profile.conduct().ends_streams(),
        }
    }
}

/// Reads `[cast]`; none where a problem was noted.
pub(crate) fn read_cast(mut section: Section<'_>, kinds: &[HostKind]) -> Option<StrangerCast> {
    // Whoever listens hears of every kind, whether or not the file casts it.
    kinds.iter().for_each(|kind| drop(section.entry(kind.name)));
    let tables = section.entries();
    if tables.is_empty() {
        let names: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
        let help = format!(
            "add a table such as [cast.{}]; the kinds are {}",
            names.first().unwrap_or(&"NAME"),
            listed(&names)
        );
        section.note(section.problem("`cast` has nobody").label("nobody").advice(help));
        return None;
    }
    let read = |(title, entry): &(&str, Entry<'_>)| read_table(&section, title, entry, kinds);
    let read: Vec<Option<CastEntry>> = tables.iter().map(read).collect();
    let entries = read.into_iter().collect::<Option<Vec<_>>>()?;
    let is_right = tables.iter().zip(&entries).map(|((_, entry), read)| note_strays(&section, entry, read, &entries));
    // Counted, because `all` would stop at the first.
    let right = is_right.filter(|right| *right).count();
    let hosts = Cast::new(members(&entries));
    (right == entries.len()).then_some(StrangerCast { hosts, entries })
}

fn read_table(cast: &Section<'_>, title: &str, entry: &Entry<'_>, kinds: &[HostKind]) -> Option<CastEntry> {
    if let Some(why) = bad_title(title) {
        let problem = entry.problem(format!("`{}`: {why}", entry.key())).label("not a name of hosts");
        cast.note(
            problem.advice("write lower-case letters, digits and `-`, and no number at the end: `count` says how many"),
        );
        return None;
    }
    let mut table = cast.keep(entry.section())?;
    let read = match table.entry("proxy-to") {
        Some(to) => read_proxy_table(&mut table, title, &to).map(CastEntry::Proxy),
        None => read_hosts_table(&mut table, title, kinds).map(CastEntry::Hosts),
    };
    // Without a kind nobody can say which keys are wrong.
    if read.is_some() {
        table.finish();
    }
    read
}

/// Why that is no name for hosts.
fn bad_title(title: &str) -> Option<&'static str> {
    let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if title.len() > LABEL_MAX || !title.bytes().all(is_right) || title.starts_with('-') || title.ends_with('-') {
        return Some("the names of hosts are labels of DNS");
    }
    if HostName::from(title).number().is_some() {
        return Some("a name with a number at its end is that of one host of several");
    }
    (title == "world").then_some("the world is no host")
}

fn read_hosts_table(table: &mut Section<'_>, title: &str, kinds: &[HostKind]) -> Option<CastHosts> {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
    let choices: Vec<_> = kinds.iter().enumerate().map(|(index, kind)| (kind.name, index)).collect();
    let own = names.iter().position(|name| *name == title);
    let kind = table.optional("kind", own, |entry| entry.choice("kind of host", &choices).map(Some))?.value;
    let Some(kind) = kind else {
        let problem = table.problem(format!("`{}`: there is no kind of host `{title}`", table.key()));
        let help = format!(
            "{}the kinds are {}; another name says `kind`, and a proxy says `proxy-to`",
            did_you_mean(title, &names),
            listed(&names)
        );
        table.note(problem.label("of which kind?").advice(help));
        return None;
    };
    let kind = kinds[kind].clone();
    let count = table.optional("count", 1, |entry| entry.number(1..=HOSTS_OF_TABLE_MAX));
    let dials = table.optional("dials", None, |entry| read_names(entry, "an array of the names of hosts").map(Some));
    let follows = table.optional("follows", Vec::new(), |entry| read_names(entry, "an array of the names of streams"));
    let restart = read_restart(table);
    let settings = kind.read(table);
    let dials = dials?.value.map(|dials| dials.iter().map(|name| HostName::from(name.as_str())).collect());
    let (count, follows) = (count?.value, follows?.value);
    Some(CastHosts { title: title.to_owned(), count, kind, settings: settings?, follows, dials, restart: restart? })
}

/// Reads `restart` and `restart-after`; the words and the default are systemd's (systemd.service(5), `Restart`, `RestartSec`).
fn read_restart(table: &mut Section<'_>) -> Option<Restart> {
    let words = ["no", "on-failure", "always"];
    let restart = table.optional("restart", words[0], |entry| entry.word("restart", &words));
    let after = table.optional("restart-after", RESTART_AFTER, |entry| entry.duration(RESTART_RANGE));
    let (restart, after) = (restart?.value, after?);
    let restart = match restart {
        "on-failure" => Restart::OnFailure(after.value),
        "always" => Restart::Always(after.value),
        _ => Restart::No,
    };
    if let (Restart::No, Some(span)) = (restart, after.span) {
        let key = format!("{}.restart-after", table.key());
        let problem = Problem::new(key.as_str(), span, format!("`{key}` is given, and nothing begins it again"));
        table.note(problem.label("without effect").advice("leave it out, or write restart = \"on-failure\""));
    }
    Some(restart)
}

fn read_names(entry: &Entry<'_>, form: &str) -> Result<Vec<String>, Problem> {
    entry.elements(form)?.iter().map(|element| element.text(form).map(str::to_owned)).collect()
}

fn read_proxy_table(table: &mut Section<'_>, title: &str, to: &Entry<'_>) -> Option<CastProxy> {
    let upstream = table.keep(read_upstream(to));
    let port = table.optional("port", None, |entry| entry.number(1..=u16::MAX.into()).map(Some));
    let tls = table.entry("tls");
    let keys = read_proxy(table);
    if let Some(tls) = tls {
        let problem = tls.problem(format!("`{}`: a proxy between strangers speaks no TLS", tls.key()));
        table.note(problem.label("without effect").advice("leave it out"));
        return None;
    }
    let (upstream, ProxyKeys { tcp, profile, tls: _ }) = (upstream?, keys?);
    let port = port?.value.and_then(|port| u16::try_from(port).ok()).unwrap_or(upstream.port);
    Some(CastProxy { name: title.into(), upstream, port, tcp, profile })
}

fn read_upstream(to: &Entry<'_>) -> Result<Address, Problem> {
    const FORM: &str = "the name of a host and its port, such as \"server:50051\"";
    let text = to.text(FORM)?;
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parts.filter(|(host, port)| !host.is_empty() && *port > 0) {
        Some((host, port)) => Ok(Address::new(host, port)),
        None => {
            let problem = to.problem(format!("`{}`: `{text}` is no host with a port", to.key()));
            Err(problem.label("not an address").advice(format!("write {FORM}")))
        }
    }
}

/// Notes names of nobody; whether there were none.
fn note_strays(cast: &Section<'_>, entry: &Entry<'_>, read: &CastEntry, all: &[CastEntry]) -> bool {
    let names: Vec<HostName> = all.iter().flat_map(CastEntry::names).collect();
    let own = read.names();
    let (key, named) = match read {
        CastEntry::Hosts(hosts) => ("dials", hosts.dials.clone().unwrap_or_default()),
        CastEntry::Proxy(proxy) => ("proxy-to", vec![HostName::from(&*proxy.upstream.host)]),
    };
    let strays: Vec<_> = named.iter().filter(|name| !names.contains(name) || own.contains(name)).collect();
    for stray in &strays {
        let others: Vec<&str> = names.iter().filter(|name| !own.contains(name)).map(|name| &**name).collect();
        let place = entry.section().ok().and_then(|mut table| table.entry(key)).unwrap_or_else(|| entry.clone());
        let problem = place.problem(format!("`{}`: there is no other host `{stray}`", place.key()));
        let help = format!("{}the other hosts are {}", did_you_mean(stray, &others), listed(&others));
        cast.note(problem.label("unknown host").advice(help));
    }
    strays.is_empty()
}

/// What each host can do, and whom it dials.
fn members(entries: &[CastEntry]) -> Vec<Member> {
    let proxies: Vec<&CastProxy> = entries.iter().filter_map(CastEntry::proxy).collect();
    let upstreams: BTreeSet<&str> = proxies.iter().map(|proxy| &*proxy.upstream.host).collect();
    let mut members: Vec<Member> = Vec::new();
    for entry in entries {
        match entry {
            CastEntry::Proxy(proxy) => {
                // All that pass it are its own, where a fault names it.
                let abilities = Abilities { accepts: true, carries: true, streams: true, ..Abilities::default() };
                let dials = vec![HostName::from(&*proxy.upstream.host)];
                members.push(Member { name: proxy.name.clone(), abilities, dials });
            }
            CastEntry::Hosts(hosts) => {
                for name in hosts.names() {
                    let is_upstream = upstreams.contains(&*name);
                    let dials = hosts
                        .dials
                        .clone()
                        .unwrap_or_else(|| usual_dials(&name, is_upstream, &proxies, &upstreams, &members));
                    let streams = dials.iter().any(|dialed| proxies.iter().any(|proxy| proxy.name == *dialed));
                    let abilities =
                        Abilities { stores: true, accepts: true, streams, carries: is_upstream, recovers: false };
                    members.push(Member { name, abilities, dials });
                }
            }
        }
    }
    let dialed: BTreeSet<HostName> = members.iter().flat_map(|member| member.dials.clone()).collect();
    members.iter_mut().for_each(|member| member.abilities.carries |= dialed.contains(&member.name));
    members
}

/// Whom a host dials whose table does not say: the proxies that lead to it from outside, or else who is listed before it.
fn usual_dials(
    name: &HostName,
    is_upstream: bool,
    proxies: &[&CastProxy],
    upstreams: &BTreeSet<&str>,
    before: &[Member],
) -> Vec<HostName> {
    if is_upstream {
        return Vec::new();
    }
    if proxies.is_empty() {
        return before.iter().map(|member| &member.name).filter(|other| other.role() != name.role()).cloned().collect();
    }
    proxies.iter().map(|proxy| &proxy.name).filter(|proxy| !upstreams.contains(&***proxy)).cloned().collect()
}
