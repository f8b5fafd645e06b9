//! From a text to a checked sim, or to every reason why it is none.
//!
//! Refuses to know what the words of its vocabulary mean, and how a sim is played.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::de::DeTable;

use crate::env::{TcpKeepalive, TcpOptions};
use crate::fault::{Family, Latency, Storm};
use crate::grammar::quantity::{self, Rate, spell};
use crate::grammar::refusal::{Notes, Problem, Refusal, listed};
use crate::grammar::section::{Entry, Found, Section};
use crate::sim::clause::{Stage, read_plan};
use crate::sim::file::{
    Cast, ClientPart, Link, NodePart, Promise, Promised, ProxyPart, SimFile, Vocabulary, Workload, WorkloadKind,
};
use crate::sim::measure::{read_bandwidth, read_latency, read_percent};
use crate::sim::setting::{Setting, apply};
use crate::sim::storm::{HEALING, SHORTEST_WINDOW};
use crate::subject::xmtp::client::Http2Keepalive;

/// A week: the longest timer in reach is an hour, and a client that stays connected for days has seen it often.
const LONGEST_TRIAL: Duration = Duration::from_secs(7 * 24 * 3_600);
/// The calm of a sim that does not say: time for a watchdog (3 × 30 s) and a backoff (30 s) to run out once (C2).
const CALM: Duration = Duration::from_secs(180);
/// A trial is played by one thread, host after host; with more than these it takes too long to be of use.
const MOST_CLIENTS: u32 = 1_000;
/// Each node holds its own topics and each proxy leads to one node: a fleet of more shows nothing that these do not.
const MOST_NODES: u32 = 100;
const MOST_PROXIES: u32 = 100;
/// Publishers only add up to a rate; more hosts than these add nothing to it.
const MOST_PUBLISHERS: u32 = 100;
/// A link that loses more than every second segment for good carries nothing to be judged.
const MOST_STEADY_LOSS: u32 = 5_000;
/// What Linux takes: `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL`, in seconds, and `MAX_TCP_KEEPCNT` (tcp.h).
const LONGEST_TCP_PROBE: Duration = Duration::from_secs(32_767);
const MOST_TCP_PROBES: u32 = 127;
/// Linux's keepalive where it is switched on and nothing else is said (tcp(7)).
const TCP_KEEPALIVE: TcpKeepalive =
    TcpKeepalive { idle: Duration::from_secs(7_200), interval: Duration::from_secs(75), count: 9 };
/// More clauses of one family than these leave no time between them.
const MOST_INTENSE: u32 = 10;
const INTENSITY: u32 = 3;
/// By then everybody is connected and has received something.
const STORM_BEGINS: Duration = Duration::from_secs(30);
/// Intervals of less than a second are noise against the latencies above.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// Envoy's timeout of a connection without streams, the longest that a proxy has by default.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(3_600);
/// The idle interval that a node advertises at most (S6), and that a client assumes without one (C2).
const KEEPALIVE: Duration = Duration::from_secs(30);
/// N of C2, in a sim and on the command line: with one interval the node's Ping, due after just that, would
/// always come too late (S6); 2 to 3 are recommended; ten are enough to show what waiting longer costs.
pub const WATCHDOG_RANGE: RangeInclusive<u32> = 2..=10;
/// The topics of one `Mutate` of a gateway.
const MOST_TOPICS: u32 = 1_000;
/// A history keeps every delivery in memory, for each client; more messages at once would not fit there.
const MOST_MESSAGES: u32 = 1_000_000;
/// At this rate per second ten seconds publish `MOST_MESSAGES`.
const MOST_PER_PERIOD: u32 = 100_000;
/// A payload far below the client's message limit of 25 MiB, so that a frame of several still passes.
const LARGEST_PAYLOAD_BYTES: u64 = 1 << 20;
/// The profiles of the proxy.
const PROFILES: [&str; 1] = ["plain"];
/// The word for leaving something out.
const OFF: &str = "off";

/// Reads the sim `name`, a file's stem, from its text.
///
/// # Errors
/// The text is not a sim: the refusal tells every independent problem, with its line and what would be right.
pub fn read(name: &str, text: &str, vocabulary: &Vocabulary) -> Result<SimFile, Refusal> {
    let table = DeTable::parse(text).map_err(|error| Refusal::new(name, text, syntax(&error), Vec::new()))?;
    let notes = Notes::default();
    let file = read_file(name, text, Section::root(table.get_ref(), &notes), vocabulary);
    let mut problems = notes.into_problems().into_iter();
    match problems.next() {
        Some(first) => Err(Refusal::new(name, text, first, problems.collect())),
        None => Ok(file.expect("a part is missing only where a problem was noted")),
    }
}

/// Reads the sim `name` and changes it by settings; the text alone must be a sim already.
///
/// # Errors
/// As for [`read`]; where only the settings are wrong, the refusal names the flag instead of a line.
pub fn read_with(name: &str, text: &str, settings: &[Setting], vocabulary: &Vocabulary) -> Result<SimFile, Refusal> {
    let original = read(name, text, vocabulary)?;
    if settings.is_empty() {
        return Ok(original);
    }
    let edited = apply(text, settings).map_err(|problem| Refusal::new(name, text, problem, Vec::new()))?;
    let blame = |problem: &Problem| flag(problem, settings);
    read(name, &edited, vocabulary).map_err(|refusal| refusal.blame(blame))
}

/// The flag that brought a problem in: the last one on its key, else all of them together.
fn flag(problem: &Problem, settings: &[Setting]) -> String {
    let touching = settings.iter().rev().find(|setting| setting.touches(problem.key()));
    match touching {
        Some(setting) => setting.flag(),
        None => settings.iter().map(Setting::flag).collect::<Vec<_>>().join(" "),
    }
}

/// The problem of a text that is not TOML.
fn syntax(error: &toml::de::Error) -> Problem {
    let problem = Problem::new("", error.span().unwrap_or_default(), error.message());
    problem.advice("a sim is a TOML file; texts, durations, rates and sizes stand in quotes, as in duration = \"20m\"")
}

/// Reads the file as a whole; none where a problem was noted.
fn read_file(name: &str, text: &str, mut root: Section<'_>, vocabulary: &Vocabulary) -> Option<SimFile> {
    const TITLE: &str = "one sentence that says what happens, in quotes";
    let title = root.required("title", "title = \"what happens, in one sentence\"", |entry| entry.text(TITLE));
    let cites = root.optional("cites", Vec::new(), |entry| entry.words("requirement", &vocabulary.requirements));
    let seed = root.optional("seed", None, |entry| entry.seed().map(Some));
    let shortest = Duration::from_millis(1);
    let duration = root.required("duration", "duration = \"20m\"", |entry| entry.duration(shortest..=LONGEST_TRIAL));
    let calm = root.optional("calm", CALM, |entry| entry.duration(shortest..=LONGEST_TRIAL));
    note_calm(&root, duration.as_ref(), calm.as_ref());
    let (cast, sharers) = read_cast(root.section("cast"));
    let link = read_link(root.section("link"));
    let node = read_node(root.section("node"), vocabulary);
    let client = read_client(root.section("client"), vocabulary);
    let workload = read_workload(root.section("workload"));
    let promise = read_promise(root.section("promise"), calm.as_ref(), vocabulary);
    let duration = duration.map(|duration| duration.value);
    let calm = calm.map(|calm| calm.value);
    let calm_begins = duration.zip(calm).and_then(|(duration, calm)| duration.checked_sub(calm));
    // A calm without a time before it is a problem of its own.
    let calm_begins = calm_begins.filter(|begins| !begins.is_zero());
    if let (Some(sharers), Some(workload)) = (&sharers, &workload) {
        note_shares(&root, sharers, workload);
    }
    let stage = Stage { cast, duration, calm_begins, longest: LONGEST_TRIAL };
    let plan = read_plan(&mut root, &stage);
    let storm = read_storm(root.section("storm"), calm_begins);
    root.finish();
    Some(SimFile {
        name: name.into(),
        text: text.into(),
        title: title?.value.into(),
        cites: cites?.value,
        seed: seed?.value,
        duration: duration?,
        calm: calm?,
        cast: stage.cast?,
        link: link?,
        node: node?,
        client: client?,
        workload: workload?,
        plan,
        storm: storm?,
        promise: promise?,
    })
}

/// Notes a calm that leaves no time for anything before it.
fn note_calm(root: &Section<'_>, duration: Option<&Found<Duration>>, calm: Option<&Found<Duration>>) {
    let (Some(duration), Some(calm)) = (duration, calm) else { return };
    if calm.value < duration.value {
        return;
    }
    let (calm_told, duration_told) = (spell(calm.value), spell(duration.value));
    let message = format!("the calm, {calm_told}, is not shorter than the duration, {duration_told}");
    let help = format!("the calm is the last part of the trial, {} unless the file says; shorten it", spell(CALM));
    root.note(contradiction("calm", calm, "too long", duration, message).advice(help));
}

/// The problem of two values that exclude each other; a default among them has no place to show.
fn contradiction<A, B>(key: &str, one: &Found<A>, label: &str, other: &Found<B>, message: String) -> Problem {
    match (&one.span, &other.span) {
        (Some(one), Some(other)) => {
            Problem::new(key, one.clone(), message).label(label).also(other.clone(), "the limit")
        }
        (Some(one), None) => Problem::new(key, one.clone(), message).label(label),
        (None, Some(other)) => Problem::new(key, other.clone(), message).label(format!("{key} has its default")),
        (None, None) => Problem::new(key, 0..0, message),
    }
}

/// Those of the cast among whom the workload is shared out.
struct Sharers {
    nodes: Found<u32>,
    publishers: Found<u32>,
}

/// Reads the cast, and where the numbers of its nodes and publishers stand.
fn read_cast(mut section: Section<'_>) -> (Option<Cast>, Option<Sharers>) {
    let nodes = section.optional("nodes", 1, |entry| entry.number(1..=MOST_NODES));
    let proxies = section.optional("proxies", 1, |entry| entry.number(1..=MOST_PROXIES));
    if let (Some(nodes), Some(proxies)) = (&nodes, &proxies)
        && proxies.value < nodes.value
    {
        let message =
            format!("{} nodes are more than {} proxies, and each proxy leads to one node", nodes.value, proxies.value);
        let problem = contradiction("cast.nodes", nodes, "too many", proxies, message);
        section.note(problem.advice(format!("write at most {}, or raise `proxies`", proxies.value)));
    }
    let clients = section.optional("clients", 1, |entry| entry.number(1..=MOST_CLIENTS));
    let publishers = section.optional("publishers", 1, |entry| entry.number(0..=MOST_PUBLISHERS));
    let mut proxy = section.section("proxy");
    let profile = proxy.optional("profile", PROFILES[0], |entry| entry.word("profile", &PROFILES));
    let tcp = read_tcp(&mut proxy);
    proxy.finish();
    section.finish();
    let cast = || {
        let proxy = ProxyPart { profile: profile?.value.into(), tcp: tcp? };
        let (nodes, publishers) = (nodes.as_ref()?.value, publishers.as_ref()?.value);
        Some(Cast { nodes, proxies: proxies?.value, clients: clients?.value, publishers, proxy })
    };
    (cast(), nodes.zip(publishers).map(|(nodes, publishers)| Sharers { nodes, publishers }))
}

fn read_link(mut section: Section<'_>) -> Option<Link> {
    let usual = Latency::uniform(Duration::from_millis(1), Duration::from_millis(20));
    let latency = section.optional("latency", usual, read_latency);
    let bandwidth = section.optional("bandwidth", None, |entry| read_bandwidth(entry).map(Some));
    let loss = section.optional("loss", None, |entry| read_percent(entry, 1..=MOST_STEADY_LOSS).map(Some));
    section.finish();
    Some(Link { latency: latency?.value, bandwidth_bytes_per_second: bandwidth?.value, loss_basis_points: loss?.value })
}

fn read_node(mut section: Section<'_>, vocabulary: &Vocabulary) -> Option<NodePart> {
    let interval = SHORTEST_INTERVAL..=LONGEST_INTERVAL;
    let keepalive = section.optional("keepalive", KEEPALIVE, |entry| entry.duration(interval));
    let usual = keepalive.as_ref().map_or(KEEPALIVE, |keepalive| keepalive.value);
    let shortest = Duration::from_millis(1);
    let deadline = section.optional("pong-deadline", usual, |entry| entry.duration(shortest..=LONGEST_INTERVAL));
    if let (Some(keepalive), Some(deadline)) = (&keepalive, &deadline) {
        note_deadline(&section, keepalive, deadline);
    }
    let quirk = read_quirk(&mut section, "quirk of a node", &vocabulary.node_quirks);
    section.finish();
    Some(NodePart { keepalive: keepalive?.value, pong_deadline: deadline?.value, quirk: quirk? })
}

/// Notes a deadline above the interval, which S6 forbids.
fn note_deadline(section: &Section<'_>, keepalive: &Found<Duration>, deadline: &Found<Duration>) {
    if deadline.value <= keepalive.value {
        return;
    }
    let (deadline_told, keepalive_told) = (spell(deadline.value), spell(keepalive.value));
    let message =
        format!("the pong deadline, {deadline_told}, is longer than the keepalive interval, {keepalive_told}");
    let problem = contradiction("node.pong-deadline", deadline, "too long", keepalive, message);
    section.note(problem.advice(format!("the deadline is at most the interval (S6): write at most {keepalive_told}")));
}

fn read_quirk(section: &mut Section<'_>, what: &str, quirks: &[&'static str]) -> Option<Option<String>> {
    let quirk = section.optional("quirk", None, |entry| entry.word(what, quirks).map(Some));
    Some(quirk?.value.map(str::to_string))
}

fn read_client(mut section: Section<'_>, vocabulary: &Vocabulary) -> Option<ClientPart> {
    let watchdog = section.optional("watchdog", Some(3), |entry| match entry.is(OFF) {
        true => Ok(None),
        false => entry.number_or(WATCHDOG_RANGE, ", or \"off\"").map(Some),
    });
    let http2_keepalive = read_http2_keepalive(&mut section);
    let tcp = read_tcp(&mut section);
    let consume =
        section.optional("consume", Duration::ZERO, |entry| entry.duration(Duration::ZERO..=LONGEST_INTERVAL));
    let topics_per_mutate = section.optional("topics-per-mutate", MOST_TOPICS, |entry| entry.number(1..=MOST_TOPICS));
    let quirk = read_quirk(&mut section, "quirk of a client", &vocabulary.client_quirks);
    section.finish();
    Some(ClientPart {
        watchdog: watchdog?.value,
        http2_keepalive: http2_keepalive?,
        tcp: tcp?,
        topics_per_mutate: topics_per_mutate?.value,
        consume: consume?.value,
        quirk: quirk?,
    })
}

/// Reads `{ interval, timeout }` or "off".
fn read_http2_keepalive(section: &mut Section<'_>) -> Option<Option<Http2Keepalive>> {
    const FORM: &str = "{ interval = \"10s\", timeout = \"5s\" }, or \"off\"";
    let usual = Http2Keepalive { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };
    let Some(entry) = section.entry("http2-keepalive") else { return Some(Some(usual)) };
    if entry.is(OFF) {
        return Some(None);
    }
    let mut keepalive = section.keep(entry.section().map_err(|problem| problem.advice(format!("write {FORM}"))))?;
    let range = SHORTEST_INTERVAL..=LONGEST_INTERVAL;
    let interval = keepalive.optional("interval", usual.interval, |entry| entry.duration(range.clone()));
    let timeout = keepalive.optional("timeout", usual.timeout, |entry| entry.duration(range));
    keepalive.finish();
    Some(Some(Http2Keepalive { interval: interval?.value, timeout: timeout?.value }))
}

/// Reads `tcp-keepalive` and `tcp-user-timeout`.
fn read_tcp(section: &mut Section<'_>) -> Option<TcpOptions> {
    let keepalive = read_tcp_keepalive(section);
    let user_timeout = section.optional("tcp-user-timeout", None, |entry| match entry.is(OFF) {
        true => Ok(None),
        false => entry.duration(SHORTEST_INTERVAL..=LONGEST_INTERVAL).map(Some),
    });
    Some(TcpOptions { keepalive: keepalive?, user_timeout: user_timeout?.value })
}

/// Reads `{ idle, interval, count }` or "off".
fn read_tcp_keepalive(section: &mut Section<'_>) -> Option<Option<TcpKeepalive>> {
    const FORM: &str = "{ idle = \"5s\", interval = \"2s\", count = 2 }, or \"off\"";
    let Some(entry) = section.entry("tcp-keepalive") else { return Some(None) };
    if entry.is(OFF) {
        return Some(None);
    }
    let mut keepalive = section.keep(entry.section().map_err(|problem| problem.advice(format!("write {FORM}"))))?;
    let idle = keepalive.optional("idle", TCP_KEEPALIVE.idle, read_whole_seconds);
    let interval = keepalive.optional("interval", TCP_KEEPALIVE.interval, read_whole_seconds);
    let count = keepalive.optional("count", TCP_KEEPALIVE.count, |entry| entry.number(1..=MOST_TCP_PROBES));
    keepalive.finish();
    Some(Some(TcpKeepalive { idle: idle?.value, interval: interval?.value, count: count?.value }))
}

fn read_whole_seconds(entry: &Entry<'_>) -> Result<Duration, Problem> {
    let time = entry.duration(SHORTEST_INTERVAL..=LONGEST_TCP_PROBE)?;
    if time.subsec_nanos() == 0 {
        return Ok(time);
    }
    let problem = entry.problem(format!("`{}` is {}, and TCP counts it in seconds", entry.key(), spell(time)));
    Err(problem
        .label("not whole seconds")
        .advice(format!("write {} or a second more", spell(Duration::from_secs(time.as_secs())))))
}

/// Reads what the seed may draw besides the faults of the file.
fn read_storm(mut section: Section<'_>, calm_begins: Option<Duration>) -> Option<Option<Storm>> {
    if !section.exists() {
        return Some(None);
    }
    let families = section.required("families", "families = \"all\"", read_families);
    let intensity = section.optional("intensity", INTENSITY, |entry| entry.number(1..=MOST_INTENSE));
    let begins = section.optional("begins", STORM_BEGINS, |entry| entry.duration(SHORTEST_INTERVAL..=LONGEST_TRIAL));
    if let (Some(begins), Some(calm_begins)) = (&begins, calm_begins) {
        note_window(&section, begins, calm_begins);
    }
    section.finish();
    Some(Some(Storm { families: families?.value, intensity: intensity?.value, begins: begins?.value }))
}

fn read_families(entry: &Entry<'_>) -> Result<BTreeSet<Family>, Problem> {
    if entry.is("all") {
        return Ok(Family::ALL.into());
    }
    let names = Family::ALL.map(Family::name);
    let words = entry.elements("\"all\", or an array of families")?;
    if words.is_empty() {
        let problem = entry.problem(format!("`{}` names no family", entry.key())).label("empty");
        return Err(problem.advice(format!("write \"all\", or some of {}", listed(&names))));
    }
    let mut families = BTreeSet::new();
    for word in &words {
        let name = word.word("family", &names)?;
        families.extend(Family::ALL.into_iter().find(|family| family.name() == name));
    }
    Ok(families)
}

/// Notes a storm without time for a fault and for what TCP does after it.
fn note_window(section: &Section<'_>, begins: &Found<Duration>, calm_begins: Duration) {
    let end = calm_begins.saturating_sub(HEALING);
    if begins.value + SHORTEST_WINDOW <= end {
        return;
    }
    let (begins_told, calm_told, healing) = (spell(begins.value), spell(calm_begins), spell(HEALING));
    let message = format!("the storm begins at {begins_told}, and the calm at {calm_told}, which leaves it no room");
    let problem = match &begins.span {
        Some(span) => Problem::new("storm.begins", span.clone(), message),
        None => section.problem(message),
    };
    let help = format!(
        "its faults end {healing} before the calm, when TCP has sent again what they held up; leave it {} before that",
        spell(SHORTEST_WINDOW)
    );
    section.note(problem.label("no room").advice(help));
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

fn read_workload(mut section: Section<'_>) -> Option<Workload> {
    let kind = section.optional("kind", WorkloadKind::Steady, read_workload_kind);
    let topics = section.optional("topics", 1, |entry| entry.number(1..=MOST_TOPICS));
    let welcomes = section.optional("welcomes", 0, |entry| entry.number(0..=MOST_TOPICS));
    if let (Some(topics), Some(welcomes)) = (&topics, &welcomes)
        && welcomes.value > topics.value
    {
        let message = format!("{} welcome topics are more than all {} topics", welcomes.value, topics.value);
        let problem = contradiction("workload.welcomes", welcomes, "too many", topics, message);
        section.note(problem.advice(format!("write at most {}, or raise `topics`", topics.value)));
    }
    let rate = section.optional("rate", Rate { count: 1, period: Duration::from_secs(1) }, read_rate);
    let burst = section.optional("burst", 100, |entry| entry.number(1..=MOST_MESSAGES));
    if let (Some(kind), Some(Found { span: Some(span), .. })) = (&kind, &burst)
        && kind.value != WorkloadKind::Burst
    {
        let problem = Problem::new("workload.burst", span.clone(), "`workload.burst` is given, but nothing bursts");
        let help = format!("leave it out, or write kind = \"{}\"", WorkloadKind::Burst.name());
        section.note(problem.label("without effect").advice(help));
    }
    let size = section.optional("size", 200, read_size);
    let history = section.optional("history", 0, |entry| entry.number(0..=MOST_MESSAGES));
    section.finish();
    Some(Workload {
        kind: kind?.value,
        topics: topics?.value,
        welcomes: welcomes?.value,
        rate: rate?.value,
        burst: burst?.value,
        size_bytes: size?.value,
        history: history?.value,
    })
}

fn read_workload_kind(entry: &Entry<'_>) -> Result<WorkloadKind, Problem> {
    let word = entry.word("kind of workload", &WorkloadKind::ALL.map(WorkloadKind::name))?;
    let kind = WorkloadKind::ALL.into_iter().find(|kind| kind.name() == word);
    Ok(kind.expect("the word is one of these names"))
}

fn read_rate(entry: &Entry<'_>) -> Result<Rate, Problem> {
    let rate: Rate = entry.quantity(quantity::RATE_FORM, str::parse)?;
    if (1..=MOST_PER_PERIOD).contains(&rate.count) {
        return Ok(rate);
    }
    let per = rate.to_string().split_once('/').map(|(_, unit)| unit.to_string()).unwrap_or_default();
    Err(entry.outside(&rate.to_string(), &format!("1/{per}"), &format!("{MOST_PER_PERIOD}/{per}")))
}

fn read_size(entry: &Entry<'_>) -> Result<usize, Problem> {
    let size = entry.quantity(quantity::SIZE_FORM, quantity::size)?;
    let small = (1..=LARGEST_PAYLOAD_BYTES).contains(&size).then(|| usize::try_from(size).ok()).flatten();
    small.ok_or_else(|| entry.outside(&format!("{size}B"), "1B", "1MiB"))
}

fn read_promise(mut section: Section<'_>, calm: Option<&Found<Duration>>, vocabulary: &Vocabulary) -> Option<Promise> {
    if !section.exists() {
        let problem = section.problem("the required table `promise` is missing").label("has no `promise`");
        section.note(problem.advice("add `[promise]` with a line such as `verdict = \"pass\"`"));
        return None;
    }
    let verdict = section.required("verdict", "verdict = \"pass\"", |entry| entry.word("verdict", &["pass", "fail"]));
    let checker = section.optional("checker", None, |entry| entry.word("checker", &vocabulary.checkers).map(Some));
    let shortest = Duration::from_millis(1);
    let minute = Duration::from_secs(60);
    let within = section.optional("within", minute, |entry| entry.duration(shortest..=LONGEST_TRIAL));
    if let (Some(within), Some(calm)) = (&within, calm)
        && within.value > calm.value
    {
        let (within_told, calm_told) = (spell(within.value), spell(calm.value));
        let message = format!("convergence within {within_told} cannot be judged in a calm of {calm_told}");
        let problem = contradiction("promise.within", within, "too long", calm, message);
        section.note(problem.advice(format!("write at most {calm_told}, or lengthen `calm`")));
    }
    let sometimes = section.optional("sometimes", Vec::new(), |entry| entry.words("milestone", &vocabulary.milestones));
    let promised =
        verdict.zip(checker).and_then(|(verdict, checker)| section.keep(promised(&verdict, &checker, vocabulary)));
    section.finish();
    Some(Promise { verdict: promised?, within: within?.value, sometimes: sometimes?.value })
}

/// A checker speaks first where the verdict is "fail", and only there.
fn promised(
    verdict: &Found<&'static str>,
    checker: &Found<Option<&'static str>>,
    vocabulary: &Vocabulary,
) -> Result<Promised, Problem> {
    let span = |span: &Option<Range<usize>>| span.clone().unwrap_or_default();
    match (verdict.value, checker.value) {
        ("pass", None) => Ok(Promised::Pass),
        ("pass", Some(_)) => {
            let message = "`promise.checker` is given, but the verdict is \"pass\"";
            let problem = Problem::new("promise.checker", span(&checker.span), message).label("speaks against nobody");
            Err(problem.advice("leave it out, or write verdict = \"fail\""))
        }
        (_, Some(checker)) => Ok(Promised::Fail { checker: checker.into() }),
        (_, None) => {
            let message = "the verdict is \"fail\", but `promise.checker` is missing";
            let problem = Problem::new("promise.checker", span(&verdict.span), message).label("by whom?");
            Err(problem.advice(format!("add `checker`, one of {}", listed(&vocabulary.checkers))))
        }
    }
}

#[cfg(test)]
mod tests;
