//! The keys of a sim's `[node]`.
//!
//! Refuses to know what a node makes of them.

use std::time::Duration;

use crate::grammar::quantity::spell;
use crate::grammar::section::{Entry, Found, Section, excluded};
use crate::grammar::{Problem, pattern};
use crate::subject::tcp_keys::{INTERVAL_MIN, OFF};
use crate::subject::tls_keys::read_tls;
use crate::subject::xmtp::node::{self, Serves};
use crate::subject::xmtp::settings::limit_keys::read_limits;
use crate::subject::xmtp::settings::read::INTERVAL_MAX;
use crate::subject::xmtp::settings::{NodeSettings, Workload};
use crate::subject::xmtp::wire::Dialect;

/// The idle interval that a node advertises at most (S6), and that a client assumes without one (C2).
const KEEPALIVE: Duration = Duration::from_secs(30);

/// As long as the longest trial.
const UPGRADED_AT_MAX: Duration = Duration::from_secs(168 * 3_600);

/// Reads the rest of `[node]`; what it denies is held against the topics of the workload, where there is one.
pub(crate) fn read_node(
    mut section: Section<'_>,
    workload: Option<&Workload>,
    dialects: Option<&Found<Vec<Dialect>>>,
) -> Option<NodeSettings> {
    let interval = INTERVAL_MIN..=INTERVAL_MAX;
    let mut pings = true;
    let keepalive = section.optional("keepalive", KEEPALIVE, |entry| match entry.is(OFF) {
        true => {
            pings = false;
            Ok(KEEPALIVE)
        }
        false => entry.duration(interval),
    });
    let usual = keepalive.as_ref().map_or(KEEPALIVE, |keepalive| keepalive.value);
    let shortest = Duration::from_millis(1);
    let deadline = section.optional("pong-deadline", usual, |entry| entry.duration(shortest..=INTERVAL_MAX));
    if let (Some(keepalive), Some(deadline)) = (&keepalive, &deadline) {
        note_deadline(&section, keepalive, deadline);
    }
    if let (Some(Found { span: Some(span), .. }), Some(dialects)) = (&deadline, dialects)
        && !dialects.value.is_empty()
        && !dialects.value.iter().any(|dialect| dialect.has_pongs())
    {
        let message = "`node.pong-deadline` is given, but no dialect of the node has a Pong";
        let problem = Problem::new("node.pong-deadline", span.clone(), message).label("without effect");
        section.note(problem.advice("leave it out, or let the node speak v1 as well"));
    }
    let denies = read_denies(&mut section, workload);
    let tls = read_tls(&mut section);
    let limits = read_limits(section.section("limits"));
    let (serves, upgraded_at) = read_serves(&mut section);
    if let (Some(serves), Some(dialects)) = (&serves, dialects) {
        note_older_calls(&section, serves, &dialects.value);
    }
    let quirks = node::NodeQuirk::ALL.iter().map(|quirk| (quirk.name(), *quirk)).collect::<Vec<_>>();
    let quirk = section.optional("quirk", None, |entry| entry.choice("quirk of a node", &quirks).map(Some));
    section.finish();
    Some(NodeSettings {
        keepalive: keepalive?.value,
        pings,
        pong_deadline: deadline?.value,
        serves: serves?.value,
        upgraded_at: upgraded_at?.value,
        dialects: dialects?.value.clone(),
        denies: denies?,
        tls: tls?,
        limits: limits?,
        quirk: quirk?.value,
    })
}

/// Reads which calls a node serves, and when it is upgraded; an upgrade to the same is a problem.
fn read_serves(section: &mut Section<'_>) -> (Option<Found<Serves>>, Option<Found<Option<Duration>>>) {
    let choices = Serves::ALL.map(|serves| (serves.name(), serves));
    let serves = section.optional("serves", Serves::Everything, |entry| entry.choice("set of calls", &choices));
    let times = Duration::from_millis(1)..=UPGRADED_AT_MAX;
    let upgraded_at = section.optional("upgraded-at", None, |entry| entry.duration(times).map(Some));
    if let (Some(Found { value: Serves::Everything, .. }), Some(Found { span: Some(span), .. })) =
        (&serves, &upgraded_at)
    {
        let message = "`node.upgraded-at` is given, but the node serves everything anyway";
        let problem = Problem::new("node.upgraded-at", span.clone(), message).label("without effect");
        let help = format!("leave it out, or write serves = \"{}\"", Serves::OlderCalls.name());
        section.note(problem.advice(help));
    }
    (serves, upgraded_at)
}

/// Notes an old node whose older calls cannot stand in for its dialect.
fn note_older_calls(section: &Section<'_>, serves: &Found<Serves>, dialects: &[Dialect]) {
    let Some(span) = serves.span.clone().filter(|_| serves.value != Serves::Everything) else { return };
    let Some(dialect) = dialects.iter().find(|dialect| !dialect.has_older_calls()) else { return };
    let message =
        format!("`node.serves` is \"{}\", and the older calls have no cursors of {dialect}", serves.value.name());
    let problem = Problem::new("node.serves", span, message).label("its clients would get nothing");
    section.note(problem.advice("leave it out, or let nodes and clients speak v1"));
}

/// Notes a deadline above the interval, which S6 forbids.
fn note_deadline(section: &Section<'_>, keepalive: &Found<Duration>, deadline: &Found<Duration>) {
    if deadline.value <= keepalive.value {
        return;
    }
    let (deadline_told, keepalive_told) = (spell(deadline.value), spell(keepalive.value));
    let message =
        format!("the pong deadline, {deadline_told}, is longer than the keepalive interval, {keepalive_told}");
    let problem = excluded("node.pong-deadline", deadline, "too long", keepalive, message);
    section.note(problem.advice(format!("the deadline is at most the interval (S6): write at most {keepalive_told}")));
}

/// Reads the topics that a node denies (S7): a pattern, or an array of them.
fn read_denies(section: &mut Section<'_>, workload: Option<&Workload>) -> Option<Vec<String>> {
    const FORM: &str = "a pattern over topics or an array of them: \"group:topic-1\", or [\"welcome:*\"]";
    let Some(entry) = section.entry("denies") else { return Some(Vec::new()) };
    let entries = if entry.is_string() { vec![entry] } else { section.keep(entry.elements(FORM))? };
    let topics = workload.map(|workload| workload.all_topics().iter().map(ToString::to_string).collect::<Vec<_>>());
    let read = |entry: &Entry<'_>| section.keep(read_denied(entry, FORM, topics.as_deref()));
    // Each that is wrong is noted.
    let read: Vec<Option<String>> = entries.iter().map(read).collect();
    read.into_iter().collect()
}

fn read_denied(entry: &Entry<'_>, form: &str, topics: Option<&[String]>) -> Result<String, Problem> {
    let text = entry.text(form)?;
    let matcher = pattern(entry, text)?;
    match topics {
        Some(topics) if !topics.iter().any(|topic| matcher.is_match(topic)) => {
            let problem = entry.problem(format!("`{}`: `{text}` matches no topic of the workload", entry.key()));
            Err(problem.label("denies nothing").advice(format!("the topics are {}", span(topics))))
        }
        Some(_) | None => Ok(text.into()),
    }
}

/// The topics, without naming each of many.
fn span(topics: &[String]) -> String {
    let kind = |kind: &str| {
        let mut of_kind = topics.iter().filter(|topic| topic.starts_with(kind));
        let first = of_kind.next()?;
        Some(of_kind.next_back().map_or_else(|| first.clone(), |last| format!("{first} to {last}")))
    };
    ["group:", "welcome:"].into_iter().filter_map(kind).collect::<Vec<_>>().join(", and ")
}
