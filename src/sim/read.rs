//! From a text to a checked sim, or to every reason why it is none.
//!
//! Refuses to know what the words of its vocabulary mean, and how a sim is played.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use toml::de::DeTable;

use crate::checker::bench;
use crate::fault::{Family, HEALING, PlanFrame, Storm, WINDOW_MIN, read_plan};
use crate::grammar::AskedKey;
use crate::grammar::measure::{read_bandwidth, read_latency, read_percent};
use crate::grammar::quantity::{Latency, spell};
use crate::grammar::refusal::{Notes, Problem, Refusal, listed};
use crate::grammar::section::{Entry, Found, Section, excluded};
use crate::sim::file::{LinkSettings, Promise, Promised, SimFile, TRIAL_MAX};

use crate::sim::setting::{Setting, apply};
use crate::subject::{Reading, Subject, Subjects};

/// The calm of a sim that does not say: time for a watchdog (3 × 30 s) and a backoff (30 s) to run out once (C2).
const CALM: Duration = Duration::from_secs(180);
/// A link that loses more than every second segment for good carries nothing to be judged.
const STEADY_LOSS_MAX: u32 = 5_000;
/// More clauses of one family than these leave no time between them.
const INTENSITY_MAX: u32 = 10;
const INTENSITY: u32 = 3;
/// By then everybody is connected and has received something.
const STORM_BEGINS: Duration = Duration::from_secs(30);
/// Before that nobody has dialed.
const STORM_BEGINS_MIN: Duration = Duration::from_secs(1);

/// Reads the sim `name`, a file's stem, from its text.
///
/// # Errors
/// The text is not a sim: the refusal tells every independent problem, with its line and what would be right.
pub fn read(name: &str, text: &str, subjects: Subjects) -> Result<SimFile, Refusal> {
    let table = DeTable::parse(text).map_err(|error| Refusal::new(name, text, syntax(&error), Vec::new()))?;
    let notes = Notes::default();
    let file = read_file(name, text, Section::root(table.get_ref(), &notes), subjects);
    let mut problems = notes.into_problems().into_iter();
    match problems.next() {
        Some(first) => Err(Refusal::new(name, text, first, problems.collect())),
        None => Ok(file.expect("a part is missing only where a problem was noted")),
    }
}

/// What the reader asks of a text, whatever it answers; nothing of a text that is not TOML.
#[must_use]
pub(crate) fn questions(text: &str, subjects: Subjects) -> Vec<AskedKey> {
    let Ok(table) = DeTable::parse(text) else { return Vec::new() };
    let notes = Notes::listening();
    let _ = read_file("", text, Section::root(table.get_ref(), &notes), subjects);
    notes.into_asked()
}

/// Reads the sim `name` and changes it by settings; the text alone must be a sim already.
///
/// # Errors
/// As for [`read`]; where only the settings are wrong, the refusal names the flag instead of a line.
pub(crate) fn read_with(name: &str, text: &str, settings: &[Setting], subjects: Subjects) -> Result<SimFile, Refusal> {
    let original = read(name, text, subjects)?;
    if settings.is_empty() {
        return Ok(original);
    }
    let edited = apply(text, settings).map_err(|problem| Refusal::new(name, text, problem, Vec::new()))?;
    let blame = |problem: &Problem| flag(problem, settings);
    read(name, &edited, subjects).map_err(|refusal| refusal.blame(blame))
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
fn read_file(name: &str, text: &str, mut root: Section<'_>, subjects: Subjects) -> Option<SimFile> {
    const TITLE: &str = "one sentence that says what happens, in quotes";
    let title = root.required("title", "title = \"what happens, in one sentence\"", |entry| entry.text(TITLE));
    let subject = read_subject(&mut root, subjects)?;
    let requirements: Vec<_> =
        subject.requirements().iter().map(|requirement| (requirement.number, requirement)).collect();
    let cites = root.optional("cites", Vec::new(), |entry| entry.choices("requirement", &requirements));
    let seed = root.optional("seed", None, |entry| entry.seed().map(Some));
    let once = root.optional("once", false, Entry::boolean);
    let shortest = Duration::from_millis(1);
    let duration = root.required("duration", "duration = \"20m\"", |entry| entry.duration(shortest..=TRIAL_MAX));
    let calm = root.optional("calm", CALM, |entry| entry.duration(shortest..=TRIAL_MAX));
    note_calm(&root, duration.as_ref(), calm.as_ref());
    let Reading { cast, setup } = subject.read(&mut root);
    let link = read_link(root.section("link"));
    let promise = read_promise(root.section("promise"), calm.as_ref(), subject);
    let duration = duration.map(|duration| duration.value);
    let calm = calm.map(|calm| calm.value);
    let calm_begins = duration.zip(calm).and_then(|(duration, calm)| duration.checked_sub(calm));
    // A calm without a time before it is a problem of its own.
    let calm_begins = calm_begins.filter(|begins| !begins.is_zero());
    let frame = PlanFrame { cast, duration, calm_begins, longest: TRIAL_MAX };
    let plan = read_plan(&mut root, &frame);
    let storm = read_storm(root.section("storm"), calm_begins);
    note_once(&root, once.as_ref(), seed.as_ref(), storm.as_ref());
    root.finish();
    Some(SimFile {
        name: name.into(),
        text: text.into(),
        title: title?.value.into(),
        cites: cites?.value,
        seed: seed?.value,
        once: once?.value,
        duration: duration?,
        calm: calm?,
        link: link?,
        subject,
        setup: setup?,
        plan,
        storm: storm?,
        promise: promise?,
    })
}

/// The subject that the file names, or the first; a wrong one leaves nobody who could read the rest.
fn read_subject(root: &mut Section<'_>, subjects: Subjects) -> Option<&'static dyn Subject> {
    let name = root.optional("subject", subjects.first().name(), |entry| entry.word("subject", &subjects.names()))?;
    subjects.find(name.value)
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
    root.note(excluded("calm", calm, "too long", duration, message).advice(help));
}

/// Notes a sim that is to be played once, and does not say as which trial.
fn note_once(
    root: &Section<'_>,
    once: Option<&Found<bool>>,
    seed: Option<&Found<Option<u64>>>,
    storm: Option<&Option<Storm>>,
) {
    let (Some(Found { value: true, span }), Some(seed), Some(storm)) = (once, seed, storm) else { return };
    let problem = |message| Problem::new("once", span.clone().unwrap_or_default(), message);
    if seed.value.is_none() {
        let problem = problem("`once` is true, and the file names no `seed` to be played with");
        root.note(problem.label("as which trial?").advice("add a line such as `seed = 7`, or leave `once` out"));
    }
    if storm.is_some() {
        let problem = problem("`once` is true, and a storm draws otherwise as soon as there is a new kind of fault");
        let advice = "write what the storm drew as `[[fault]]` tables, as `pulseless keep` does, or leave `once` out";
        root.note(problem.label("not one trial for good").advice(advice));
    }
}

fn read_link(mut section: Section<'_>) -> Option<LinkSettings> {
    let usual = Latency::uniform(Duration::from_millis(1), Duration::from_millis(20));
    let latency = section.optional("latency", usual, read_latency);
    let bandwidth = section.optional("bandwidth", None, |entry| read_bandwidth(entry).map(Some));
    let loss = section.optional("loss", None, |entry| read_percent(entry, 1..=STEADY_LOSS_MAX).map(Some));
    section.finish();
    Some(LinkSettings {
        latency: latency?.value,
        bandwidth_bytes_per_second: bandwidth?.value,
        loss_basis_points: loss?.value,
    })
}

/// Reads what the seed may draw besides the faults of the file.
fn read_storm(mut section: Section<'_>, calm_begins: Option<Duration>) -> Option<Option<Storm>> {
    if !section.exists() {
        return Some(None);
    }
    let families = section.required("families", "families = \"all\"", read_families);
    let intensity = section.optional("intensity", INTENSITY, |entry| entry.number(1..=INTENSITY_MAX));
    let begins = section.optional("begins", STORM_BEGINS, |entry| entry.duration(STORM_BEGINS_MIN..=TRIAL_MAX));
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
    if begins.value + WINDOW_MIN <= end {
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
        spell(WINDOW_MIN)
    );
    section.note(problem.label("no room").advice(help));
}

fn read_promise(
    mut section: Section<'_>,
    calm: Option<&Found<Duration>>,
    subject: &'static dyn Subject,
) -> Option<Promise> {
    let checkers: Vec<&'static str> = bench(subject.checkers()).map(|checker| checker.name()).collect();
    let milestones: Vec<_> = subject.milestones().iter().map(|milestone| (milestone.name, *milestone)).collect();
    if !section.exists() {
        let problem = section.problem("the required table `promise` is missing").label("has no `promise`");
        section.note(problem.advice("add `[promise]` with a line such as `verdict = \"pass\"`"));
        return None;
    }
    let verdict = section.required("verdict", "verdict = \"pass\"", |entry| entry.word("verdict", &["pass", "fail"]));
    let checker = section.optional("checker", None, |entry| entry.word("checker", &checkers).map(Some));
    let shortest = Duration::from_millis(1);
    let minute = Duration::from_secs(60);
    let within = section.optional("within", minute, |entry| entry.duration(shortest..=TRIAL_MAX));
    if let (Some(within), Some(calm)) = (&within, calm)
        && within.value > calm.value
    {
        let (within_told, calm_told) = (spell(within.value), spell(calm.value));
        let message = format!("convergence within {within_told} cannot be judged in a calm of {calm_told}");
        let problem = excluded("promise.within", within, "too long", calm, message);
        section.note(problem.advice(format!("write at most {calm_told}, or lengthen `calm`")));
    }
    let sometimes = section.optional("sometimes", Vec::new(), |entry| entry.choices("milestone", &milestones));
    let promised =
        verdict.zip(checker).and_then(|(verdict, checker)| section.keep(promised(&verdict, &checker, &checkers)));
    section.finish();
    Some(Promise { verdict: promised?, within: within?.value, sometimes: sometimes?.value })
}

/// A checker speaks first where the verdict is "fail", and only there.
fn promised(
    verdict: &Found<&'static str>,
    checker: &Found<Option<&'static str>>,
    checkers: &[&str],
) -> Result<Promised, Problem> {
    let span = |span: &Option<Range<usize>>| span.clone().unwrap_or_default();
    match (verdict.value, checker.value) {
        ("pass", None) => Ok(Promised::Pass),
        ("pass", Some(_)) => {
            let message = "`promise.checker` is given, but the verdict is \"pass\"";
            let problem = Problem::new("promise.checker", span(&checker.span), message).label("speaks against nobody");
            Err(problem.advice("leave it out, or write verdict = \"fail\""))
        }
        (_, Some(checker)) => Ok(Promised::Fail { checker }),
        (_, None) => {
            let message = "the verdict is \"fail\", but `promise.checker` is missing";
            let problem = Problem::new("promise.checker", span(&verdict.span), message).label("by whom?");
            Err(problem.advice(format!("add `checker`, one of {}", listed(checkers))))
        }
    }
}
