//! The keys of faults that harm links.
//!
//! Refuses to know the times of a fault.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fault::{Between, Expired, Fault, LinkHarm};
use crate::grammar::quantity;
use crate::grammar::refusal::Problem;
use crate::grammar::section::{Entry, Section};
use crate::sim::clause::pattern::{EVERYBODY, match_hosts, read_hosts};
use crate::sim::clause::plan::Scene;
use crate::sim::measure::{ANY_PERCENT, read_bandwidth, read_latency, read_percent};

/// Longer runs of lost segments are a partition.
const LONGEST_BURST: u32 = 1_000;
/// The least that IPv4 guarantees to reassemble, 576 bytes (RFC 791), without 40 bytes of headers.
const LEAST_MTU_PAYLOAD: u64 = 536;
/// A jumbo frame; no segment is larger on a wire.
const MOST_MTU_PAYLOAD: u64 = 9_000;
/// Shorter than any middlebox forgets, and as long as a trial may last.
const IDLE_LEAST: Duration = Duration::from_secs(1);

pub(crate) fn read_partition(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    on_links(section, scene, Some(LinkHarm::Partition))
}

pub(crate) fn read_slow(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let latency = section.required("latency", "latency = \"50ms..2s long-tailed\"", read_latency);
    on_links(section, scene, latency.map(|latency| LinkHarm::Latency(latency.value)))
}

pub(crate) fn read_narrow(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let rate = section.required("rate", "rate = \"64KiB/s\"", read_bandwidth);
    on_links(section, scene, rate.map(|rate| LinkHarm::Bandwidth { bytes_per_second: rate.value }))
}

pub(crate) fn read_loss(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let rate = section.required("rate", "rate = \"2.5%\"", |entry| read_percent(entry, ANY_PERCENT));
    let burst = section.optional("burst", 1, |entry| entry.number(1..=LONGEST_BURST));
    let harm = rate.zip(burst).map(|(rate, burst)| LinkHarm::Loss { basis_points: rate.value, burst: burst.value });
    on_links(section, scene, harm)
}

pub(crate) fn read_syn_loss(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let rate = section.required("rate", "rate = \"50%\"", |entry| read_percent(entry, ANY_PERCENT));
    on_links(section, scene, rate.map(|rate| LinkHarm::SynLoss { basis_points: rate.value }))
}

pub(crate) fn read_mtu_black_hole(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let largest = section.required("largest", "largest = \"1200B\"", read_largest);
    on_links(section, scene, largest.map(|largest| LinkHarm::MtuBlackHole { largest: largest.value }))
}

pub(crate) fn read_idle_drop(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Fault> {
    let range = IDLE_LEAST..=scene.stage.longest;
    let after = section.required("after", "after = \"350s\"", |entry| entry.duration(range));
    let then = section.required("then", "then = \"drop\"", read_expired);
    let harm = after.zip(then).map(|(after, then)| LinkHarm::IdleDrop { after: after.value, then: then.value });
    on_links(section, scene, harm)
}

fn read_largest(entry: &Entry<'_>) -> Result<u32, Problem> {
    let size = entry.quantity(quantity::SIZE_FORM, quantity::size)?;
    let sane = (LEAST_MTU_PAYLOAD..=MOST_MTU_PAYLOAD).contains(&size).then(|| u32::try_from(size).ok()).flatten();
    let bounds = (format!("{LEAST_MTU_PAYLOAD}B"), format!("{MOST_MTU_PAYLOAD}B"));
    sane.ok_or_else(|| entry.outside(&format!("{size}B"), &bounds.0, &bounds.1))
}

fn read_expired(entry: &Entry<'_>) -> Result<Expired, Problem> {
    let fates = [("drop", Expired::Drop), ("reset", Expired::Reset)];
    let word = entry.word("fate of later packets", &fates.map(|(word, _)| word))?;
    let (_, fate) = fates.iter().find(|(name, _)| *name == word).expect("the word is one of these names");
    Ok(*fate)
}

fn on_links(section: &mut Section<'_>, scene: &Scene<'_>, harm: Option<LinkHarm>) -> Option<Fault> {
    let between = read_between(section, scene);
    Some(Fault::Link { between: between?, harm: harm? })
}

/// Reads `from`, `to` and `one-way`.
fn read_between(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Between> {
    let from = read_hosts(section, "from", scene.stage, &EVERYBODY);
    let named = section.entry("to");
    let one_way = section.optional("one-way", false, Entry::boolean);
    let from = from?;
    let to = match &named {
        Some(entry) => match_hosts(section, entry, scene.stage, &EVERYBODY)?,
        None => others(scene, &from),
    };
    // Without a cast nobody is at either end yet.
    if scene.stage.cast.is_some() && !from.is_empty() {
        note_no_link(section, named.as_ref(), &from, &to);
    }
    Some(Between { from, to, one_way: one_way?.value })
}

fn others(scene: &Scene<'_>, from: &BTreeSet<String>) -> BTreeSet<String> {
    let hosts = scene.stage.cast.iter().flat_map(|cast| cast.members()).map(|member| member.name.to_string());
    hosts.filter(|host| !from.contains(host)).collect()
}

/// Notes ends between which there is no link: a host has none to itself.
fn note_no_link(section: &Section<'_>, named: Option<&Entry<'_>>, from: &BTreeSet<String>, to: &BTreeSet<String>) {
    let key = section.key();
    match named {
        Some(entry) if from.len() == 1 && from == to => {
            let host = from.first().map(String::as_str).unwrap_or_default();
            let problem = entry.problem(format!("`{key}` is from {host} to {host}, and a host has no link to itself"));
            section.note(problem.label("the same host").advice("name another host, or leave `to` out for all others"));
        }
        None if to.is_empty() => {
            let problem = section.problem(format!("`{key}.from` names every host, and leaves none for the other end"));
            section.note(problem.label("has no other end").advice("name fewer hosts, or say `to` whom"));
        }
        Some(_) | None => {}
    }
}
