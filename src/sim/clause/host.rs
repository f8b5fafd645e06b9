//! The keys of faults that harm hosts: processes, power, clocks, names, and what the proxy passes for them.
//!
//! Refuses to know whether two faults go together.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cast::Member;
use crate::fault::{Answer, Death, Fault, HostHarm, Landmark, Moment, Point, Unsynced, Way};
use crate::grammar::quantity::{self, spell};
use crate::grammar::refusal::{Problem, listed};
use crate::grammar::section::{Entry, Found, Section};
use crate::sim::clause::pattern::{ACCEPTING, DIALING, EVERYBODY, Reach, STREAMING, WITH_DISK, compile, read_hosts};
use crate::sim::clause::plan::Scene;

/// What a point of a process's life looks like; goes after "write".
const POINT_FORM: &str = "a point such as \"before durable-write 3\" or \"after frame 10\"";
/// Nobody counts further, and no trial lasts so long.
const LAST_EVENT: u32 = 1_000_000;
/// Each round of a restart loop is two steps of the play, and a line of a report.
const MOST_ROUNDS: u128 = 10_000;
/// Slower starts than this are a kill.
const LONGEST_PART: Duration = Duration::from_secs(3_600);
/// A year: further off, no certificate and no token is valid, which nothing here has.
const LARGEST_STEP_MS: i64 = 365 * 24 * 3_600 * 1_000;
/// A tenth of a second per second: real clocks drift by less than a hundred parts per million, broken ones by more.
const LARGEST_DRIFT: i32 = 100_000;

/// A silence of the proxy falls on those whose streams pass it.
pub(crate) fn read_silence(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let on = read_hosts(section, "on", scene.stage, &STREAMING);
    let way = section.optional("direction", None, |entry| read_way(entry).map(Some));
    let path = section.optional("path", None, |entry| read_path(entry).map(Some));
    Some(Fault::ProxySilenceUpstream { on: on?, way: way?.value, path: path?.value })
}

fn read_way(entry: &Entry<'_>) -> Result<Way, Problem> {
    choose(entry, "direction", [("to-node", Way::ToNode), ("to-client", Way::ToClient)])
}

fn read_path(entry: &Entry<'_>) -> Result<String, Problem> {
    let text = entry.text("a pattern over paths, such as \"*/Subscribe\"")?;
    compile(entry, text)?;
    Ok(text.into())
}

/// One of some words, and what it stands for.
fn choose<T: Copy, const N: usize>(entry: &Entry<'_>, what: &str, choices: [(&str, T); N]) -> Result<T, Problem> {
    let word = entry.word(what, &choices.map(|(word, _)| word))?;
    let (_, chosen) = choices.iter().find(|(name, _)| *name == word).expect("the word is one of these names");
    Ok(*chosen)
}

pub(crate) fn read_kill(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let (on, point) = read_mortals(section, scene)?;
    Some(Fault::Host { on, harm: HostHarm::Dies { death: Death::Killed, point } })
}

pub(crate) fn read_power_off(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let fates = [("lost", Unsynced::Lost), ("torn", Unsynced::Torn), ("reordered", Unsynced::Reordered)];
    let unsynced =
        section.optional("unsynced", Unsynced::Lost, |entry| choose(entry, "fate of unsynced writes", fates));
    let (on, point) = read_mortals(section, scene)?;
    Some(Fault::Host { on, harm: HostHarm::Dies { death: Death::PoweredOff(unsynced?.value), point } })
}

/// Reads who dies, and at which point.
fn read_mortals(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<(BTreeSet<String>, Option<Point>)> {
    let point = section.optional("point", None, |entry| read_point(entry).map(Some));
    let writes =
        |point: &Found<Option<Point>>| point.value.is_some_and(|point| point.landmark == Landmark::DurableWrite);
    // Who has no disk never writes to it.
    let reach = if point.as_ref().is_some_and(writes) { WITH_DISK } else { EVERYBODY };
    let on = read_hosts(section, "on", scene.stage, &reach);
    Some((on?, point?.value))
}

fn read_point(entry: &Entry<'_>) -> Result<Point, Problem> {
    let text = entry.text(POINT_FORM)?;
    parse_point(text).ok_or_else(|| {
        let problem = entry.problem(format!("`{}`: `{text}` is not a point of a process's life", entry.key()));
        problem.label("not a point").advice(format!("write {POINT_FORM}, counted from 1 to {LAST_EVENT}"))
    })
}

fn parse_point(text: &str) -> Option<Point> {
    let mut words = text.split_whitespace();
    let moment = match words.next()? {
        "before" => Moment::Before,
        "after" => Moment::After,
        _ => return None,
    };
    let landmark = match words.next()? {
        "durable-write" => Landmark::DurableWrite,
        "frame" => Landmark::Frame,
        _ => return None,
    };
    let nth = words.next()?.parse().ok().filter(|nth| (1..=LAST_EVENT).contains(nth))?;
    words.next().is_none().then_some(Point { landmark, nth, moment })
}

pub(crate) fn read_disk_lost(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    on_hosts(section, scene, &WITH_DISK, Some(HostHarm::Dies { death: Death::DiskLost, point: None }))
}

pub(crate) fn read_disk_restored(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let range = Duration::ZERO..=scene.stage.longest;
    let from = section.required("from", "from = \"2m\"", |entry| entry.duration(range));
    if let (Some(from), Some(at)) = (&from, &scene.times.at)
        && from.value >= at.value
    {
        let key = section.key();
        let message = format!("`{key}` restores the disk of {}, and begins at {}", spell(from.value), spell(at.value));
        let problem = Problem::new(format!("{key}.from"), from.span.clone().unwrap_or_default(), message);
        let problem = problem.label("not earlier").also(at.span.clone().unwrap_or_default(), "begins here");
        section.note(problem.advice(format!("name a time before {}", spell(at.value))));
    }
    let death = from.map(|from| Death::DiskRestored { from: from.value });
    on_hosts(section, scene, &WITH_DISK, death.map(|death| HostHarm::Dies { death, point: None }))
}

pub(crate) fn read_restart_loop(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let range = Duration::from_millis(1)..=LONGEST_PART;
    let up = section.required("up", "up = \"10s\"", |entry| entry.duration(range.clone()));
    let down = section.required("down", "down = \"1s\"", |entry| entry.duration(range));
    let parts = up.as_ref().zip(down.as_ref());
    if let (Some((up, down)), Some(lasts)) = (parts, &scene.times.lasts) {
        let rounds = lasts.value.as_nanos().div_ceil((up.value + down.value).as_nanos());
        if rounds > MOST_ROUNDS {
            let key = section.key();
            let message = format!("`{key}` goes round {rounds} times in {}", spell(lasts.value));
            let problem = Problem::new(format!("{key}.up"), up.span.clone().unwrap_or_default(), message);
            let help = format!("lengthen `up` or `down`, or shorten `for`, to at most {MOST_ROUNDS} rounds");
            section.note(problem.label("too short").advice(help));
        }
    }
    let harm = parts.map(|(up, down)| HostHarm::RestartLoop { up: up.value, down: down.value });
    on_hosts(section, scene, &EVERYBODY, harm)
}

pub(crate) fn read_pause(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    on_hosts(section, scene, &EVERYBODY, Some(HostHarm::Paused))
}

pub(crate) fn read_suspend(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    on_hosts(section, scene, &EVERYBODY, Some(HostHarm::Suspended))
}

pub(crate) fn read_clock_step(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let by = section.required("by", "by = \"+5m\"", |entry| {
        let by_ms = entry.quantity(quantity::STEP_FORM, quantity::step)?;
        if by_ms == 0 {
            return Err(without_effect(entry, "0s"));
        }
        if by_ms.abs() > LARGEST_STEP_MS {
            let sign = if by_ms < 0 { '-' } else { '+' };
            let found = format!("{sign}{}", spell(Duration::from_millis(by_ms.unsigned_abs())));
            let most = spell(Duration::from_millis(LARGEST_STEP_MS.unsigned_abs()));
            return Err(entry.outside(&found, &format!("-{most}"), &format!("+{most}")));
        }
        Ok(by_ms)
    });
    on_hosts(section, scene, &EVERYBODY, by.map(|by| HostHarm::ClockStep { by_ms: by.value }))
}

pub(crate) fn read_clock_drift(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let ppm = section.required("ppm", "ppm = -200", |entry| match entry.integer(-LARGEST_DRIFT..=LARGEST_DRIFT)? {
        0 => Err(without_effect(entry, "0")),
        ppm => Ok(ppm),
    });
    on_hosts(section, scene, &EVERYBODY, ppm.map(|ppm| HostHarm::ClockDrift { parts_per_million: ppm.value }))
}

fn without_effect(entry: &Entry<'_>, found: &str) -> Problem {
    let problem = entry.problem(format!("`{}` is {found}", entry.key()));
    problem.label("without effect").advice("write how far the clock goes wrong, or leave the fault out")
}

pub(crate) fn read_backlog_full(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    on_hosts(section, scene, &ACCEPTING, Some(HostHarm::BacklogFull))
}

pub(crate) fn read_name_fails(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let name = read_name(section, scene);
    on_hosts(section, scene, &DIALING, name.map(|name| HostHarm::Name { name, answer: Answer::Fails }))
}

pub(crate) fn read_name_dead(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let name = read_name(section, scene);
    on_hosts(section, scene, &DIALING, name.map(|name| HostHarm::Name { name, answer: Answer::Dead }))
}

pub(crate) fn read_name_moves(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let name = read_name(section, scene);
    let to = section.required("to", "to = \"proxy-2\"", |entry| {
        let to = host_named(entry, scene, |_| true)?;
        if name.as_ref() == Some(&to) {
            let problem = entry.problem(format!("`{}`: `{to}` leads to {to} already", entry.key()));
            return Err(problem.label("the same host").advice("name the host that the name leads to instead"));
        }
        Ok(to)
    });
    let harm = name.zip(to).map(|(name, to)| HostHarm::Name { name, answer: Answer::Moves { to: to.value } });
    on_hosts(section, scene, &DIALING, harm)
}

/// Reads the name that is looked up: somebody listens only on nodes and proxies.
fn read_name(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<String> {
    section
        .required("name", "name = \"proxy\"", |entry| host_named(entry, scene, |host| host.abilities.accepts))
        .map(|name| name.value)
}

/// A host by its name, not by a pattern.
fn host_named(entry: &Entry<'_>, scene: &Scene<'_>, can: fn(&Member) -> bool) -> Result<String, Problem> {
    let text = entry.text("the name of a host, such as \"proxy\"")?;
    let Some(cast) = &scene.stage.cast else { return Ok(text.into()) };
    let hosts: Vec<String> = cast.those(can).map(|member| member.name.to_string()).collect();
    if hosts.iter().any(|host| host == text) {
        return Ok(text.into());
    }
    let problem = entry.problem(format!("`{}`: there is no such host as `{text}` here", entry.key()));
    Err(problem.label("unknown host").advice(format!("write one of {}", listed(&hosts))))
}

fn on_hosts(section: &mut Section<'_>, scene: &Scene<'_>, reach: &Reach, harm: Option<HostHarm>) -> Option<Fault> {
    let on = read_hosts(section, "on", scene.stage, reach);
    Some(Fault::Host { on: on?, harm: harm? })
}
