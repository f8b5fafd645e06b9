//! The `[[fault]]` tables of a sim file, read into the clauses of a plan.
//!
//! Refuses to know who carries a fault out; it knows which keys each kind of fault takes, whom it may
//! harm, and which times make no sense.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use globset::{Glob, GlobSet};

use crate::fault::{Clause, Death, Fault, HostHarm, Plan, Way};
use crate::sim::quantity::spell;
use crate::sim::refusal::{Problem, listed};
use crate::sim::section::{Entry, Found, Section};

/// Far more faults than anybody can follow in a report.
const MOST_FAULTS: usize = 1_000;
/// Far longer than a host name or a path; a pattern's length bounds the size of what it compiles to.
const LONGEST_PATTERN: usize = 200;

/// Reads the keys that one kind of fault takes besides `at`, `for` and `kind`.
type ReadFault = fn(&mut Section<'_>, &Stage) -> Option<Fault>;

/// The kinds of fault, by the name that a sim file uses ([`Fault::kind`]).
const KINDS: [(&str, ReadFault); 2] = [("proxy-silence-upstream", read_silence), ("process-kill", read_kill)];

/// What the rest of the file says that matters to faults; none where that part has a problem of its own.
pub(crate) struct Stage {
    /// The names of the hosts.
    pub(crate) hosts: Option<Vec<String>>,
    /// How long the trial lasts.
    pub(crate) duration: Option<Duration>,
    /// When the calm begins, since the trial's start.
    pub(crate) calm_begins: Option<Duration>,
    /// The longest duration that makes sense.
    pub(crate) longest: Duration,
}

/// A clause that has no number yet, and where the file says when it begins.
struct Draft {
    key: String,
    span: Range<usize>,
    clause: Clause,
}

/// Reads every fault of the file; a wrong one is noted and left out.
pub(crate) fn read_plan(root: &mut Section<'_>, stage: &Stage) -> Plan {
    let Some(entry) = root.entry("fault") else { return Plan::default() };
    let elements = root.keep(entry.elements("one table `[[fault]]` for each fault")).unwrap_or_default();
    if elements.len() > MOST_FAULTS {
        let problem = entry.problem(format!("there are {} faults", elements.len()));
        root.note(problem.label("too many").advice(format!("write at most {MOST_FAULTS} faults")));
        return Plan::default();
    }
    let mut drafts: Vec<Draft> = Vec::with_capacity(elements.len());
    for element in &elements {
        let section = root.keep(element.section());
        drafts.extend(section.and_then(|section| read_fault(section, stage)));
    }
    // Stable: faults that begin together keep the order of the file.
    drafts.sort_by_key(|draft| draft.clause.at);
    note_overlaps(root, &drafts);
    let numbered = (1..).zip(drafts).map(|(number, draft)| Clause { number, ..draft.clause });
    Plan { clauses: numbered.collect() }
}

/// Reads one fault.
fn read_fault(mut section: Section<'_>, stage: &Stage) -> Option<Draft> {
    let shortest = Duration::from_millis(1);
    let names = KINDS.map(|(name, _)| name);
    let at = section.required("at", "at = \"2m\"", |entry| entry.duration(Duration::ZERO..=stage.longest));
    let lasts = section.required("for", "for = \"10m\"", |entry| entry.duration(shortest..=stage.longest));
    let kind = section.required("kind", "kind = \"process-kill\"", |entry| entry.word("kind of fault", &names));
    let times = at.zip(lasts);
    if let Some((at, lasts)) = &times {
        note_times(&section, at, lasts, stage);
    }
    // Without a kind nobody can say which of the other keys are wrong.
    let kind = kind?.value;
    let (_, read) = KINDS.iter().find(|(name, _)| *name == kind).expect("the word is one of these names");
    let fault = read(&mut section, stage);
    let key = section.key().to_string();
    section.finish();
    let (at, lasts) = times?;
    let clause = Clause { number: 0, at: at.value, lasts: lasts.value, fault: fault? };
    Some(Draft { key, span: at.span.unwrap_or_default(), clause })
}

/// Reads a silence of the proxy: it falls on those whose streams pass the proxy.
fn read_silence(section: &mut Section<'_>, stage: &Stage) -> Option<Fault> {
    let on = read_hosts(section, stage, |host| host.starts_with("client-") || host.starts_with("publisher-"));
    let way = section.optional("direction", None, |entry| read_way(entry).map(Some));
    let path = section.optional("path", None, |entry| read_path(entry).map(Some));
    Some(Fault::ProxySilenceUpstream { on: on?, way: way?.value, path: path?.value })
}

/// Reads a kill: every host runs a process.
fn read_kill(section: &mut Section<'_>, stage: &Stage) -> Option<Fault> {
    let harm = HostHarm::Dies { death: Death::Killed, point: None };
    Some(Fault::Host { on: read_hosts(section, stage, |_| true)?, harm })
}

fn read_way(entry: &Entry<'_>) -> Result<Way, Problem> {
    let ways = [("to-node", Way::ToNode), ("to-client", Way::ToClient)];
    let word = entry.word("direction", &ways.map(|(word, _)| word))?;
    let (_, way) = ways.iter().find(|(name, _)| *name == word).expect("the word is one of these names");
    Ok(*way)
}

fn read_path(entry: &Entry<'_>) -> Result<String, Problem> {
    let text = entry.text("a pattern over paths, such as \"*/Subscribe\"")?;
    pattern(entry, text)?;
    Ok(text.into())
}

/// Reads the key `on`, one pattern or several, into the hosts that it matches.
fn read_hosts(section: &mut Section<'_>, stage: &Stage, may_fall_on: fn(&str) -> bool) -> Option<BTreeSet<String>> {
    const FORM: &str = "a pattern over host names or an array of them: \"client-*\", or [\"node\", \"client-1\"]";
    let entries = section.required("on", "on = \"client-*\"", |entry| {
        let entries = if entry.is_string() { vec![entry.clone()] } else { entry.elements(FORM)? };
        let nobody = || entry.problem(format!("`{}` names no host", entry.key())).label("empty");
        if entries.is_empty() { Err(nobody().advice(format!("write {FORM}"))) } else { Ok(entries) }
    });
    let hosts = stage.hosts.as_ref().map(|hosts| hosts.iter().filter(|host| may_fall_on(host)).collect::<Vec<_>>());
    let mut on = BTreeSet::new();
    for entry in entries?.value {
        let text = section.keep(entry.text(FORM))?;
        let matcher = section.keep(pattern(&entry, text))?;
        // Without a cast nobody can say whom a pattern misses.
        let Some(hosts) = &hosts else { continue };
        let mut matched = hosts.iter().filter(|host| matcher.is_match(host.as_str())).peekable();
        if matched.peek().is_none() {
            section.note(no_host(&entry, text, hosts));
        }
        on.extend(matched.map(|host| (*host).clone()));
    }
    Some(on)
}

/// The problem of a pattern that matches nobody.
fn no_host(entry: &Entry<'_>, text: &str, hosts: &[&String]) -> Problem {
    let problem = entry.problem(format!("`{}`: `{text}` matches no host that this fault may fall on", entry.key()));
    let help = match hosts.is_empty() {
        true => "the cast has none".to_string(),
        false => format!("the hosts are {}", listed(hosts)),
    };
    problem.label("matches no host").advice(help)
}

/// Compiles a pattern.
fn pattern(entry: &Entry<'_>, text: &str) -> Result<GlobSet, Problem> {
    if text.len() > LONGEST_PATTERN {
        let problem = entry.problem(format!("`{}` is {} bytes long", entry.key(), text.len()));
        return Err(problem.label("too long").advice(format!("write a pattern of at most {LONGEST_PATTERN} bytes")));
    }
    let compiled = Glob::new(text).and_then(|glob| GlobSet::new([glob]));
    compiled.map_err(|error| {
        let problem = entry.problem(format!("`{}`: {}", entry.key(), error.kind()));
        problem.label("not a pattern").advice("in a pattern, `*` stands for any text, `?` for one character")
    })
}

/// Notes a fault that comes too late, or that has not healed when the calm begins.
fn note_times(section: &Section<'_>, at: &Found<Duration>, lasts: &Found<Duration>, stage: &Stage) {
    let (Some(duration), Some(calm_begins)) = (stage.duration, stage.calm_begins) else { return };
    let key = section.key();
    let at_span = at.span.clone().unwrap_or_default();
    if at.value >= duration {
        let message = format!("`{key}` begins at {}, and the trial ends at {}", spell(at.value), spell(duration));
        let help = format!("begin it so that it ends by {}, when the calm begins", spell(calm_begins));
        section.note(Problem::new(format!("{key}.at"), at_span, message).label("after the end").advice(help));
        return;
    }
    let end = at.value.saturating_add(lasts.value);
    if end > calm_begins {
        let message = format!("`{key}` ends at {}, and the calm begins at {}", spell(end), spell(calm_begins));
        let for_span = lasts.span.clone().unwrap_or_default();
        let problem = Problem::new(format!("{key}.for"), for_span, message).label("ends in the calm");
        section.note(problem.also(at_span, "begins here").advice(sooner(at.value, calm_begins)));
    }
}

/// What would be right for a fault that ends too late.
fn sooner(at: Duration, calm_begins: Duration) -> String {
    match calm_begins.checked_sub(at).filter(|left| !left.is_zero()) {
        Some(left) => format!("let it last at most {}, begin it earlier, or lengthen the trial", spell(left)),
        None => "begin it earlier, or lengthen the trial".into(),
    }
}

/// Notes kills of a host that is dead already; the drafts are in the order in which they begin.
fn note_overlaps(root: &Section<'_>, drafts: &[Draft]) {
    // By host: the kill that ends last so far.
    let mut dead: BTreeMap<&str, &Draft> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| is_kill(&draft.clause.fault)) {
        let Fault::Host { on: hosts, .. } = &draft.clause.fault else { continue };
        let twice = hosts.iter().find_map(|host| {
            let earlier = dead.get(host.as_str()).filter(|earlier| earlier.clause.end() > draft.clause.at)?;
            Some((host, *earlier))
        });
        if let Some((host, earlier)) = twice {
            root.note(killed_twice(host, earlier, draft));
        }
        for host in hosts {
            let last = dead.entry(host).or_insert(draft);
            if last.clause.end() < draft.clause.end() {
                *last = draft;
            }
        }
    }
}

fn is_kill(fault: &Fault) -> bool {
    matches!(fault, Fault::Host { harm: HostHarm::Dies { .. }, .. })
}

fn killed_twice(host: &str, earlier: &Draft, later: &Draft) -> Problem {
    let (at, until) = (spell(later.clause.at), spell(earlier.clause.end()));
    let message = format!("`{}` kills {host} at {at}, where it is dead until {until} by `{}`", later.key, earlier.key);
    let problem = Problem::new(format!("{}.at", later.key), later.span.clone(), message).label("already dead");
    problem.also(earlier.span.clone(), "killed first here").advice(format!("begin it at {until} or later"))
}
