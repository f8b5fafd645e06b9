//! A sim in words.

use std::fmt::Write;

use crate::checker::{self, Milestone};
use crate::report::count;
use crate::sim::{Promised, SimFile, WorkloadKind, spell};
use crate::spec;

/// What a sim does, what it promises and which requirements it cites.
#[must_use]
pub fn explain(sim: &SimFile) -> String {
    let mut text = String::new();
    write_sim(&mut text, sim).expect("a string takes all");
    text
}

fn write_sim(text: &mut String, sim: &SimFile) -> std::fmt::Result {
    writeln!(text, "{}: {}\n", sim.name, sim.title)?;
    write_cast(text, sim)?;
    write_workload(text, sim)?;
    writeln!(text, "\nWhat goes wrong")?;
    for clause in &sim.plan.clauses {
        writeln!(text, "  at {} for {}: {}", spell(clause.at), spell(clause.lasts), clause.fault)?;
    }
    if sim.plan.clauses.is_empty() {
        writeln!(text, "  nothing")?;
    }
    write_promise(text, sim)?;
    writeln!(text, "\nRequirements")?;
    for requirement in sim.cites.iter().filter_map(|number| spec::find(number)) {
        writeln!(text, "  {requirement}")?;
    }
    Ok(())
}

fn write_cast(text: &mut String, sim: &SimFile) -> std::fmt::Result {
    let latency = sim.link.latency;
    writeln!(text, "The cast")?;
    writeln!(
        text,
        "  {} and {} reach one node through one proxy (profile {}); every link takes {latency} one way",
        count(sim.cast.clients.into(), "client"),
        count(sim.cast.publishers.into(), "publisher"),
        sim.cast.proxy.profile
    )?;
    writeln!(
        text,
        "  the node pings after {} of silence and waits {} for the Pong (S6)",
        spell(sim.node.keepalive),
        spell(sim.node.pong_deadline)
    )?;
    match sim.client.watchdog {
        Some(intervals) => writeln!(text, "  a client gives its stream up after {intervals} silent intervals (C2)")?,
        None => writeln!(text, "  the clients have no watchdog, against C2")?,
    }
    match sim.client.http2_keepalive {
        Some(keepalive) => writeln!(
            text,
            "  their HTTP/2 keepalive is on: PING each {}, answer within {}",
            spell(keepalive.interval),
            spell(keepalive.timeout)
        )?,
        None => writeln!(text, "  their HTTP/2 keepalive is off")?,
    }
    if !sim.client.consume.is_zero() {
        writeln!(text, "  their application takes {} for each batch", spell(sim.client.consume))?;
    }
    for quirk in [&sim.node.quirk, &sim.client.quirk].into_iter().flatten() {
        writeln!(text, "  planted bug: {quirk}")?;
    }
    Ok(())
}

fn write_workload(text: &mut String, sim: &SimFile) -> std::fmt::Result {
    let workload = &sim.workload;
    let welcomes = workload.welcomes;
    let until = spell(sim.calm_begins());
    writeln!(text, "\nThe workload")?;
    match workload.kind {
        WorkloadKind::Quiet => write!(text, "  nothing is published")?,
        WorkloadKind::Steady => write!(text, "  messages at {} until {until}", workload.rate)?,
        WorkloadKind::Burst => {
            write!(text, "  {} messages at once, at {} until {until}", workload.burst, workload.rate)?;
        }
    }
    writeln!(
        text,
        ", on {} topic(s), {welcomes} of them welcomes; {} bytes each",
        workload.topics, workload.size_bytes
    )?;
    if workload.history > 0 {
        writeln!(text, "  {} messages are stored before the clients come", workload.history)?;
    }
    Ok(())
}

fn write_promise(text: &mut String, sim: &SimFile) -> std::fmt::Result {
    writeln!(text, "\nThe promise")?;
    match &sim.promise.verdict {
        Promised::Pass => {
            for checker in checker::all() {
                writeln!(text, "  {}: {}", checker.name(), checker.promises())?;
            }
        }
        Promised::Fail { checker } => {
            writeln!(text, "  the checker `{checker}` catches the planted bug, before any other checker")?;
        }
    }
    writeln!(
        text,
        "  the calm begins at {}; within {} everybody has everything; the trial ends at {}",
        spell(sim.calm_begins()),
        spell(sim.promise.within),
        spell(sim.duration)
    )?;
    for milestone in sim.promise.sometimes.iter().filter_map(|name| Milestone::find(name)) {
        writeln!(text, "  it must happen ({}): {}", milestone.name(), milestone.sentence())?;
    }
    Ok(())
}
