//! A sim's part of this subject in words.

use crate::env::{Address, TcpOptions};
use crate::grammar::quantity::{count, spell, spell_size};
use crate::profile::Profile;
use crate::proxy::Alpn;
use crate::subject::xmtp::channels::Originators;
use crate::subject::xmtp::client::{BackoffConfig, ClientConfig};
use crate::subject::xmtp::node::Serves;
use crate::subject::xmtp::settings::{ClientSettings, NodeSettings, WorkloadKind, XmtpSettings, told_limits};
use crate::subject::xmtp::wire::Dialect;
use crate::subject::{Explanation, TrialTimes};

/// Who is cast, how they behave, and what the applications do.
pub(crate) fn explain(settings: &XmtpSettings, times: TrialTimes) -> Explanation {
    Explanation { cast: cast(settings), workload: workload(settings, times) }
}

fn cast(settings: &XmtpSettings) -> Vec<String> {
    let (fleet, node, client) = (settings.fleet, &settings.node, &settings.client);
    let several = |number: u32, noun: &str| match number {
        1 => format!("one {noun}"),
        number => count(number.into(), noun),
    };
    let (clients, publishers) = (count(fleet.clients.into(), "client"), count(fleet.publishers.into(), "publisher"));
    let proxies = if fleet.proxies == 1 { "one proxy".into() } else { format!("{} proxies", fleet.proxies) };
    let mut told = vec![
        format!("{clients} and {publishers} reach {} through {proxies}", several(fleet.nodes, "node")),
        heartbeat(if fleet.nodes == 1 { "the node" } else { "each node" }, node),
        match client.watchdog {
            Some(intervals) => format!("a client gives its stream up after {intervals} silent intervals (C2)"),
            None => "the clients have no watchdog, against C2".into(),
        },
        match client.http2_keepalive {
            Some(keepalive) => format!(
                "their HTTP/2 keepalive is on: PING each {}, answer within {}",
                spell(keepalive.interval),
                spell(keepalive.timeout)
            ),
            None => "their HTTP/2 keepalive is off".into(),
        },
    ];
    told.extend(dialing(client));
    told.extend(tcp("the clients'", client.tcp));
    told.extend(tcp("the proxies'", settings.proxy_tcp));
    told.extend(profile(&settings.proxy_profile));
    told.extend(tls("whoever dials a proxy speaks TLS with it", settings.proxy_tls.as_ref()));
    told.extend(tls("a proxy speaks TLS with its node", node.tls.as_ref()));
    if !client.consume.is_zero() {
        told.push(format!("their application takes {} for each batch", spell(client.consume)));
    }
    if !node.denies.is_empty() {
        told.push(format!("nobody may follow {}: PERMISSION_DENIED (S7)", node.denies.join(", ")));
    }
    told.extend(old_node(node));
    told.extend(dialects(settings));
    let limits = told_limits(&node.limits);
    if !limits.is_empty() {
        told.push(format!("limits that are not the usual ones (S8): {}", limits.join(", ")));
    }
    let gateway = &settings.gateway;
    if fleet.gateways > 0 {
        let (whose, each) = (several(fleet.gateways, "gateway"), count(gateway.topics_each.into(), "topic"));
        let shared = format!("each stream of {whose} is shared by identities, {} with {each} each", gateway.identities);
        told.push(format!("{shared}, which change their leases every {} on average", spell(gateway.every)));
    }
    if fleet.visitors > 0 {
        let visitors = count(fleet.visitors.into(), "visitor");
        told.push(format!("{visitors} changing topics in mid-stream, and keeping nothing"));
    }
    let quirks = [
        node.quirk.map(|quirk| quirk.to_string()),
        client.quirk.map(|quirk| quirk.to_string()),
        gateway.quirk.map(|quirk| quirk.to_string()),
    ];
    told.extend(quirks.into_iter().flatten().map(|quirk| format!("planted bug: {quirk}")));
    told
}

/// What an old node answers (C6), and until when it is one.
fn old_node(node: &NodeSettings) -> Option<String> {
    let answer = match node.serves {
        Serves::Everything => return None,
        Serves::OlderCalls => "answers Subscribe with UNIMPLEMENTED",
        Serves::OlderCallsLate => "answers Subscribe with headers and then UNIMPLEMENTED",
    };
    let until = node.upgraded_at.map(|at| format!(", unless its process began at {} or later", spell(at)));
    Some(format!("an old node {answer}{}", until.unwrap_or_default()))
}

/// What is spoken, where it is not v1 alone.
fn dialects(settings: &XmtpSettings) -> Option<String> {
    let (spoken, asked) = (&settings.node.dialects, settings.client.dialect);
    if *spoken == [Dialect::V1] {
        return None;
    }
    let names = spoken.iter().map(|dialect| dialect.name()).collect::<Vec<_>>().join(" and ");
    let whose = if settings.fleet.nodes == 1 { "the node speaks" } else { "the nodes speak" };
    Some(format!("{whose} {names}, the clients {asked}"))
}

/// What a node does on an idle stream, in the dialects that it speaks.
fn heartbeat(who: &str, node: &NodeSettings) -> String {
    let (after, deadline) = (spell(node.keepalive), spell(node.pong_deadline));
    if !node.pings {
        return format!("{who} never pings, and advertises no interval; clients assume {after} (C2)");
    }
    match node.dialects.iter().any(|dialect| dialect.has_pongs()) {
        true => format!("{who} pings after {after} of silence and waits {deadline} for the Pong (S6)"),
        false => format!("{who} says WAITING after {after} of silence, and nobody answers"),
    }
}

/// How clients dial, and what they let come, where it is not the usual.
fn dialing(client: &ClientSettings) -> Vec<String> {
    let (windows, usual) = (client.http2_windows, ClientConfig::new(Address::new("node", 1), Vec::new()));
    let windows = (windows != usual.http2_windows).then(|| {
        let (stream, connection) = (spell_size(windows.stream.into()), spell_size(windows.connection.into()));
        format!("{stream} may be sent ahead of them on a stream, {connection} on a connection")
    });
    let connect = (client.connect_timeout != usual.connect_timeout)
        .then(|| format!("they give a connection {} to come about", spell(client.connect_timeout)));
    let BackoffConfig { floor, ceiling, .. } = client.backoff;
    let backoff = (client.backoff != usual.backoff)
        .then(|| format!("between two attempts they wait up to {}, doubling to {} (C5)", spell(floor), spell(ceiling)));
    [windows, connect, backoff].into_iter().flatten().collect()
}

fn tcp(whose: &str, tcp: TcpOptions) -> impl Iterator<Item = String> {
    let keepalive = tcp.keepalive.map(|keepalive| {
        let (idle, interval) = (spell(keepalive.idle), spell(keepalive.interval));
        let probes = count(keepalive.count.into(), "probe");
        format!("{whose} TCP sends {probes} to a peer silent for {idle}, one each {interval}")
    });
    let timeout = tcp.user_timeout.map(|timeout| format!("{whose} TCP waits {} for an acknowledgment", spell(timeout)));
    keepalive.into_iter().chain(timeout)
}

fn tls(who: &str, alpn: Option<&Alpn>) -> Option<String> {
    let names = alpn?.names();
    let offers = if names.is_empty() { "no ALPN".into() } else { format!("{} in ALPN", names.join(", ")) };
    Some(format!("{who}, which offers {offers}"))
}

fn workload(settings: &XmtpSettings, times: TrialTimes) -> Vec<String> {
    let workload = &settings.workload;
    let until = spell(times.calm);
    let flow = match workload.kind {
        WorkloadKind::Quiet => "nothing is published".to_owned(),
        WorkloadKind::Steady => format!("messages at {} until {until}", workload.rate),
        WorkloadKind::Burst => format!("{} messages at once, at {} until {until}", workload.burst, workload.rate),
    };
    let (topics, welcomes) = (count(workload.topics.into(), "topic"), workload.welcomes);
    let (least, most) = (workload.size_bytes.start(), workload.size_bytes.end());
    let size = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let mut told = vec![format!("{flow}, on {topics}, {welcomes} of them welcomes; {size} bytes each")];
    if let Originators(Some(originators)) = settings.originators() {
        told.push(format!("the messages of each kind are numbered by {}", count(originators.into(), "originator")));
    }
    if workload.history > 0 {
        told.push(format!("{} messages are stored before the clients come", workload.history));
    }
    told
}

/// Whose habits the proxies have, where they are not plain.
fn profile(profile: &Profile) -> Option<String> {
    let shipped = Profile::named(profile.name()).ok()?;
    let values = shipped.conduct().values().into_iter().zip(profile.conduct().values());
    let others = values.filter(|(shipped, own)| shipped != own).map(|(_, (key, value))| format!("{key} = {value}"));
    let others: Vec<String> = others.collect();
    if profile.name() == "plain" && others.is_empty() {
        return None;
    }
    let but = if others.is_empty() { String::new() } else { format!(", but {}", others.join(", ")) };
    Some(format!("the proxies have the habits of {} {}{but}", profile.proxy(), profile.version()))
}
