//! The keys of this subject in a sim file: `[cast]`, `[node]`, `[client]`, `[visitor]`, `[gateway]` and `[workload]`.
//!
//! Refuses to know the keys that every sim has.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::grammar::quantity::{self, Rate, spell_size};
use crate::grammar::refusal::Problem;
use crate::grammar::section::{Entry, Found, Section, excluded};
use crate::subject::proxy_keys::{ProxyKeys, read_proxy};
use crate::subject::xmtp::gateway::{GatewayQuirk, LEASE_EVENTS_MAX};
use crate::subject::xmtp::settings::client_keys::read_client;
use crate::subject::xmtp::settings::dialect_keys::{note_strangers, read_client_dialect, read_node_dialects};
use crate::subject::xmtp::settings::node_keys::read_node;
use crate::subject::xmtp::settings::{Fleet, GatewaySettings, VisitorSettings, Workload, WorkloadKind, XmtpSettings};
use crate::subject::xmtp::wire::Dialect;

/// A trial is played by one thread, host after host; with more than these it takes too long to be of use.
const CLIENTS_MAX: u32 = 1_000;
/// Each node holds its own topics and each proxy leads to one node: a fleet of more shows nothing that these do not.
const NODES_MAX: u32 = 100;
const PROXIES_MAX: u32 = 100;
/// Publishers only add up to a rate; more hosts than these add nothing to it.
const PUBLISHERS_MAX: u32 = 100;
/// Each has a stream that changes all the time: a few show what many would.
const VISITORS_MAX: u32 = 100;
/// Each asks for everything once; a second one finds what the first did.
const EXAMINERS_MAX: u32 = 100;
/// A stream that changes so often has waves in flight most of the time, and stays below a node's rates (S8).
const VISITS_EVERY: Duration = Duration::from_secs(5);
/// Three changes at once, so often, stay below the hundred a second that a node allows (S8).
const VISITS_EVERY_MIN: Duration = Duration::from_millis(100);
/// Twenty times what the quickest proxy ends a connection for; each is a stream that the tap tells of.
const CANCELS_MAX: u32 = 10_000;
/// Each shares its stream among as many identities as are asked for: a few gateways show what many would.
const GATEWAYS_MAX: u32 = 10;
/// What a node's bound of topics is made for (S8).
const IDENTITIES_MAX: u32 = 1_000;
/// Several, so that topics are shared, and few, so that a trial is quick.
const IDENTITIES: u32 = 10;
/// Enough that the leases of two identities differ and overlap.
const TOPICS_EACH: u32 = 4;
/// Seldom enough that an identity mostly takes what comes.
const LEASES_CHANGE_EVERY: Duration = Duration::from_secs(30);
/// Envoy's timeout of a connection without streams, the longest that a proxy has by default.
pub(crate) const INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// N of C2, in a sim and on the command line: with one interval the node's Ping, due after just that, would
/// always come too late (S6); 2 to 3 are recommended; ten are enough to show what waiting longer costs.
pub(crate) const WATCHDOG_RANGE: RangeInclusive<u32> = 2..=10;
/// More often than this nobody hangs up in between.
pub(crate) const WINDOWS_EVERY_MIN: Duration = Duration::from_secs(1);
/// The topics of one `Mutate` of a gateway.
pub(crate) const TOPICS_MAX: u32 = 1_000;
/// A history keeps every delivery in memory, for each client; more messages at once would not fit there.
const MESSAGES_MAX: u32 = 1_000_000;
/// Node, clients and what travels hold a message several times over: so much at once still fits into memory.
const BYTES_AT_ONCE_MAX: u64 = 1 << 30;
/// Each topic of a client has a floor for each: a few show what many would.
const ORIGINATORS_MAX: u32 = 100;
/// At this rate per second ten seconds publish `MESSAGES_MAX`.
const PER_PERIOD_MAX: u32 = 100_000;
/// A payload far below the client's message limit of 25 MiB, so that a frame of several still passes.
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;

/// What the subject makes of a sim file, and who is cast even where another part has a problem.
pub(crate) fn read_settings(file: &mut Section<'_>) -> (Option<Fleet>, Option<XmtpSettings>) {
    let cast = read_fleet(file.section("cast"));
    let (mut node, mut client) = (file.section("node"), file.section("client"));
    let (spoken, asked) = (read_node_dialects(&mut node), read_client_dialect(&mut client));
    let by_originator = spoken.as_ref().map(|spoken| Dialect::any_counts_by_originator(&spoken.value));
    let workload = read_workload(file.section("workload"), by_originator);
    let node = read_node(node, workload.as_ref(), spoken.as_ref());
    let client = read_client(client, asked.as_ref());
    let (fleet, proxy, sharers) = cast;
    if let (Some(spoken), Some(asked)) = (&spoken, &asked) {
        note_strangers(file, fleet, spoken, asked);
    }
    let visitor = read_visitor(file.section("visitor"), fleet);
    let gateway = read_gateway(file.section("gateway"), fleet);
    if let (Some(sharers), Some(workload)) = (&sharers, &workload) {
        note_shares(file, sharers, workload);
    }
    let settings = || {
        let (fleet, proxy) = (fleet?, proxy?);
        Some(XmtpSettings {
            fleet,
            cast: fleet.cast(),
            proxy_tcp: proxy.tcp,
            proxy_profile: proxy.profile,
            proxy_tls: proxy.tls,
            node: node?,
            client: client?,
            visitor: visitor?,
            gateway: gateway?,
            workload: workload?,
        })
    };
    (fleet, settings())
}

/// Those of the cast among whom the workload is shared out.
struct Sharers {
    nodes: Found<u32>,
    publishers: Found<u32>,
}

/// Reads the cast, and where the numbers of its nodes and publishers stand.
fn read_fleet(mut section: Section<'_>) -> (Option<Fleet>, Option<ProxyKeys>, Option<Sharers>) {
    let nodes = section.optional("nodes", 1, |entry| entry.number(1..=NODES_MAX));
    let proxies = section.optional("proxies", 1, |entry| entry.number(1..=PROXIES_MAX));
    if let (Some(nodes), Some(proxies)) = (&nodes, &proxies)
        && proxies.value < nodes.value
    {
        let message =
            format!("{} nodes are more than {} proxies, and each proxy leads to one node", nodes.value, proxies.value);
        let problem = excluded("cast.nodes", nodes, "too many", proxies, message);
        section.note(problem.advice(format!("write at most {}, or raise `proxies`", proxies.value)));
    }
    let clients = section.optional("clients", 1, |entry| entry.number(1..=CLIENTS_MAX));
    let publishers = section.optional("publishers", 1, |entry| entry.number(0..=PUBLISHERS_MAX));
    let visitors = section.optional("visitors", 0, |entry| entry.number(0..=VISITORS_MAX));
    let examiners = section.optional("examiners", 0, |entry| entry.number(0..=EXAMINERS_MAX));
    let gateways = section.optional("gateways", 0, |entry| entry.number(0..=GATEWAYS_MAX));
    let mut proxy_section = section.section("proxy");
    let proxy = read_proxy(&mut proxy_section);
    proxy_section.finish();
    section.finish();
    let fleet = || {
        let (nodes, publishers) = (nodes.as_ref()?.value, publishers.as_ref()?.value);
        let (proxies, clients) = (proxies?.value, clients?.value);
        let (visitors, examiners, gateways) = (visitors?.value, examiners?.value, gateways?.value);
        Some(Fleet { nodes, proxies, clients, publishers, visitors, examiners, gateways })
    };
    (fleet(), proxy, nodes.zip(publishers).map(|(nodes, publishers)| Sharers { nodes, publishers }))
}

/// How visitors behave; a key of nobody's is a problem.
fn read_visitor(mut section: Section<'_>, fleet: Option<Fleet>) -> Option<VisitorSettings> {
    let every = section.optional("every", VISITS_EVERY, |entry| entry.duration(VISITS_EVERY_MIN..=INTERVAL_MAX));
    let returns = section.optional("returns", true, Entry::boolean);
    let cancels = section.optional("cancels", 0, |entry| entry.number(0..=CANCELS_MAX));
    if fleet.is_some_and(|fleet| fleet.visitors == 0) {
        note_idle(&section, "visitor.every", every.as_ref(), "nobody visits", "visitors");
        note_idle(&section, "visitor.returns", returns.as_ref(), "nobody visits", "visitors");
        note_idle(&section, "visitor.cancels", cancels.as_ref(), "nobody visits", "visitors");
    }
    section.finish();
    Some(VisitorSettings { every: every?.value, returns: returns?.value, cancels: cancels?.value })
}

/// How gateways and their identities behave; a key of nobody's is a problem.
fn read_gateway(mut section: Section<'_>, fleet: Option<Fleet>) -> Option<GatewaySettings> {
    let identities = section.optional("identities", IDENTITIES, |entry| entry.number(1..=IDENTITIES_MAX));
    let topics_each = section.optional("topics-each", TOPICS_EACH, |entry| entry.number(1..=TOPICS_MAX));
    let range = VISITS_EVERY_MIN..=INTERVAL_MAX;
    let every = section.optional("every", LEASES_CHANGE_EVERY, |entry| entry.duration(range));
    let quirks = GatewayQuirk::ALL.iter().map(|quirk| (quirk.name(), *quirk)).collect::<Vec<_>>();
    let rests = section.optional("rests", Duration::ZERO, |entry| entry.duration(Duration::ZERO..=INTERVAL_MAX));
    let events = section.optional("lease-events", LEASE_EVENTS_MAX, |entry| {
        entry.number(1..=MESSAGES_MAX).map(|events| events as usize)
    });
    let quirk = section.optional("quirk", None, |entry| entry.choice("quirk of a gateway", &quirks).map(Some));
    if fleet.is_some_and(|fleet| fleet.gateways == 0) {
        let (nobody, key) = ("there is no gateway", "gateways");
        note_idle(&section, "gateway.identities", identities.as_ref(), nobody, key);
        note_idle(&section, "gateway.topics-each", topics_each.as_ref(), nobody, key);
        note_idle(&section, "gateway.every", every.as_ref(), nobody, key);
        note_idle(&section, "gateway.rests", rests.as_ref(), nobody, key);
        note_idle(&section, "gateway.lease-events", events.as_ref(), nobody, key);
        note_idle(&section, "gateway.quirk", quirk.as_ref(), nobody, key);
    }
    section.finish();
    let (identities, topics_each) = (identities?.value, topics_each?.value);
    let (every, rests, lease_events) = (every?.value, rests?.value, events?.value);
    Some(GatewaySettings { identities, topics_each, every, rests, lease_events, quirk: quirk?.value })
}

/// Notes a key that concerns nobody, because the cast has none of `role`.
fn note_idle<T>(section: &Section<'_>, key: &str, found: Option<&Found<T>>, nobody: &str, role: &str) {
    let Some(span) = found.and_then(|found| found.span.clone()) else { return };
    let problem = Problem::new(key, span, format!("`{key}` is given, but {nobody}"));
    section.note(problem.label("without effect").advice(format!("leave it out, or write `cast.{role}`")));
}

/// Notes messages that nobody publishes, and nodes that have no publisher or topic of their own.
fn note_shares(root: &Section<'_>, sharers: &Sharers, workload: &Workload) {
    let Sharers { nodes, publishers } = sharers;
    let messages = workload.kind != WorkloadKind::Quiet || workload.history > 0;
    let note = |key: &str, found: &Found<u32>, message: String, label: &str, help: &str| {
        let place = found.span.clone().or_else(|| nodes.span.clone()).unwrap_or_default();
        root.note(Problem::new(key, place, message).label(label).advice(help));
    };
    let (count, key) = (nodes.value, "cast.publishers");
    if messages && publishers.value == 0 {
        let help = "give the cast a publisher, or make the workload quiet (kind = \"quiet\", no history)";
        let message = "`cast.publishers` is 0, and the workload has messages".to_string();
        note(key, publishers, message, "too few", help);
    } else if messages && publishers.value < count {
        let message = format!("`cast.publishers` is {}, and each of {count} nodes needs its own", publishers.value);
        note(key, publishers, message, "too few", "write at least as many publishers as nodes");
    }
    if workload.topics < count {
        let message = format!("`cast.nodes` is {count}, and `workload.topics`, which they share, {}", workload.topics);
        note("cast.nodes", nodes, message, "too many", "write at least as many topics as nodes");
    }
}

fn read_workload(mut section: Section<'_>, by_originator: Option<bool>) -> Option<Workload> {
    let kind = section.optional("kind", WorkloadKind::Steady, read_workload_kind);
    let topics = section.optional("topics", 1, |entry| entry.number(1..=TOPICS_MAX));
    let welcomes = section.optional("welcomes", 0, |entry| entry.number(0..=TOPICS_MAX));
    if let (Some(topics), Some(welcomes)) = (&topics, &welcomes)
        && welcomes.value > topics.value
    {
        let message = format!("{} welcome topics are more than all {} topics", welcomes.value, topics.value);
        let problem = excluded("workload.welcomes", welcomes, "too many", topics, message);
        section.note(problem.advice(format!("write at most {}, or raise `topics`", topics.value)));
    }
    let originators = section.optional("originators", 1, |entry| entry.number(1..=ORIGINATORS_MAX));
    if let (Some(false), Some(Found { span: Some(span), .. })) = (by_originator, &originators) {
        let message = "`workload.originators` is given, but no node counts by originator";
        let problem = Problem::new("workload.originators", span.clone(), message).label("without effect");
        let help = format!("leave it out, or let nodes and clients speak \"{}\"", Dialect::Decentralized);
        section.note(problem.advice(help));
    }
    let rate = section.optional("rate", Rate { count: 1, period: Duration::from_secs(1) }, read_rate);
    let burst = section.optional("burst", 100, |entry| entry.number(1..=MESSAGES_MAX));
    if let (Some(kind), Some(Found { span: Some(span), .. })) = (&kind, &burst)
        && kind.value != WorkloadKind::Burst
    {
        let problem = Problem::new("workload.burst", span.clone(), "`workload.burst` is given, but nothing bursts");
        let help = format!("leave it out, or write kind = \"{}\"", WorkloadKind::Burst.name());
        section.note(problem.label("without effect").advice(help));
    }
    let size = section.optional("size", 200, read_size);
    let least = size.as_ref().map_or(1, |size| size.value);
    let size_to = section.optional("size-to", least, |entry| read_size_from(least, entry));
    let history = section.optional("history", 0, |entry| entry.number(0..=MESSAGES_MAX));
    for (key, messages) in [("history", &history), ("burst", &burst)] {
        if let (Some(messages), Some(most)) = (messages, &size_to) {
            note_bytes(&section, key, messages, most.value);
        }
    }
    section.finish();
    Some(Workload {
        kind: kind?.value,
        topics: topics?.value,
        welcomes: welcomes?.value,
        originators: originators?.value,
        rate: rate?.value,
        burst: burst?.value,
        size_bytes: size?.value..=size_to?.value,
        history: history?.value,
    })
}

/// Notes messages that together would not fit into a trial's memory.
fn note_bytes(section: &Section<'_>, key: &str, messages: &Found<u32>, size: usize) {
    let bytes = u64::from(messages.value) * size as u64;
    if let Some(span) = messages.span.clone().filter(|_| bytes > BYTES_AT_ONCE_MAX) {
        let message = format!(
            "`workload.{key}` is {}, and each message has {size} bytes: {} MiB at once",
            messages.value,
            bytes >> 20
        );
        let most = BYTES_AT_ONCE_MAX / size as u64;
        let problem = Problem::new(format!("workload.{key}"), span, message).label("too much for a trial's memory");
        section.note(problem.advice(format!("write at most {most}, or a smaller `size`")));
    }
}

fn read_workload_kind(entry: &Entry<'_>) -> Result<WorkloadKind, Problem> {
    entry.choice("kind of workload", &WorkloadKind::ALL.map(|kind| (kind.name(), kind)))
}

fn read_rate(entry: &Entry<'_>) -> Result<Rate, Problem> {
    let rate: Rate = entry.quantity(quantity::RATE_FORM, str::parse)?;
    if (1..=PER_PERIOD_MAX).contains(&rate.count) {
        return Ok(rate);
    }
    let per = rate.to_string().split_once('/').map(|(_, unit)| unit.to_string()).unwrap_or_default();
    Err(entry.outside(&rate.to_string(), &format!("1/{per}"), &format!("{PER_PERIOD_MAX}/{per}")))
}

fn read_size(entry: &Entry<'_>) -> Result<usize, Problem> {
    read_size_from(1, entry)
}

fn read_size_from(least: usize, entry: &Entry<'_>) -> Result<usize, Problem> {
    let size = entry.quantity(quantity::SIZE_FORM, quantity::size)?;
    let fits = (least as u64..=PAYLOAD_BYTES_MAX).contains(&size).then(|| usize::try_from(size).ok()).flatten();
    fits.ok_or_else(|| entry.outside(&spell_size(size), &spell_size(least as u64), "1MiB"))
}
