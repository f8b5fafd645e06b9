//! A sim in words.

use std::fmt::Write;

use crate::checker::{self, Milestone};
use crate::fault::{Bytes, Percent, Storm};
use crate::grammar::spell;
use crate::report::count;
use crate::sim::{Link, Promised, SimFile, WorkloadKind};
use crate::subject::xmtp::spec;

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
    match &sim.storm {
        Some(storm) => write_storm(text, storm)?,
        None if sim.plan.clauses.is_empty() => writeln!(text, "  nothing")?,
        None => {}
    }
    write_promise(text, sim)?;
    writeln!(text, "\nRequirements")?;
    for requirement in sim.cites.iter().filter_map(|number| spec::find(number)) {
        writeln!(text, "  {requirement}")?;
    }
    Ok(())
}

fn write_storm(text: &mut String, storm: &Storm) -> std::fmt::Result {
    writeln!(
        text,
        "  from {} on a storm: the seed draws some of these families, and of each {} in the mean",
        spell(storm.begins),
        count(storm.intensity.into(), "fault")
    )?;
    for family in &storm.families {
        writeln!(text, "    {}: {}", family.name(), family.meaning())?;
    }
    Ok(())
}

fn write_cast(text: &mut String, sim: &SimFile) -> std::fmt::Result {
    let latency = sim.link.latency;
    writeln!(text, "The cast")?;
    let several = |number: u32, one: &str, many: &str| match number {
        1 => format!("one {one}"),
        number => format!("{number} {many}"),
    };
    write!(
        text,
        "  {} and {} reach {} through {} (profile {}); every link takes {latency} one way",
        count(sim.cast.clients.into(), "client"),
        count(sim.cast.publishers.into(), "publisher"),
        several(sim.cast.nodes, "node", "nodes"),
        several(sim.cast.proxies, "proxy", "proxies"),
        sim.cast.proxy.profile
    )?;
    write_limits(text, &sim.link)?;
    writeln!(
        text,
        "  {} pings after {} of silence and waits {} for the Pong (S6)",
        if sim.cast.nodes == 1 { "the node" } else { "each node" },
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
    write_tcp(text, sim)?;
    if !sim.client.consume.is_zero() {
        writeln!(text, "  their application takes {} for each batch", spell(sim.client.consume))?;
    }
    for quirk in [&sim.node.quirk, &sim.client.quirk].into_iter().flatten() {
        writeln!(text, "  planted bug: {quirk}")?;
    }
    Ok(())
}

fn write_limits(text: &mut String, link: &Link) -> std::fmt::Result {
    if let Some(bytes) = link.bandwidth_bytes_per_second {
        write!(text, ", lets {} per second pass", Bytes(bytes))?;
    }
    if let Some(loss) = link.loss_basis_points {
        write!(text, ", loses {} of segments", Percent(loss))?;
    }
    writeln!(text)
}

fn write_tcp(text: &mut String, sim: &SimFile) -> std::fmt::Result {
    for (whose, tcp) in [("the clients'", &sim.client.tcp), ("the proxies'", &sim.cast.proxy.tcp)] {
        if let Some(keepalive) = tcp.keepalive {
            let (idle, interval) = (spell(keepalive.idle), spell(keepalive.interval));
            let probes = count(keepalive.count.into(), "probe");
            writeln!(text, "  {whose} TCP sends {probes} to a peer silent for {idle}, one each {interval}")?;
        }
        if let Some(timeout) = tcp.user_timeout {
            writeln!(text, "  {whose} TCP waits {} for an acknowledgement", spell(timeout))?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{read, vocabulary};

    #[test]
    fn a_fleet_its_links_and_its_storm_are_told() {
        let text = "title = \"x\"\nduration = \"20m\"\n[cast]\nnodes = 2\nproxies = 3\npublishers = 2\n\
                    proxy = { tcp-user-timeout = \"9s\" }\n[link]\nbandwidth = \"10MiB/s\"\nloss = \"0.5%\"\n\
                    [workload]\ntopics = 2\n[storm]\nfamilies = [\"loss\"]\n[promise]\nverdict = \"pass\"\n";
        let told = explain(&read("x", text, &vocabulary()).expect("a good sim"));
        for line in [
            "reach 2 nodes through 3 proxies (profile plain); every link takes 1ms..20ms one way, lets 10 MiB per second \
             pass, loses 0.5 % of segments\n  each node pings",
            "the proxies' TCP waits 9s for an acknowledgement",
            "from 30s on a storm: the seed draws some of these families, and of each 3 faults in the mean\n    loss: ",
        ] {
            assert!(told.contains(line), "no `{line}` in {told}");
        }
        assert!(!told.contains("nothing\n"), "a storm is something: {told}");
    }
}
