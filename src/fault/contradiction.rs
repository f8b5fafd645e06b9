//! Which two clauses of a plan cannot both be meant, and how that is told: one rule for texts and for storms.
//!
//! Refuses to know kinds: a fault says what it takes hold of, and of each there is one.

use std::collections::BTreeSet;

use crate::cast::HostName;
use crate::fault::kind::{Hold, Target};
use crate::fault::plan::DraftClause;
use crate::fault::{Between, Clause};
use crate::grammar::{Problem, Section, spell};

/// Why two clauses that overlap in time cannot both be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contradiction<'c> {
    /// Both take hold of the same, on a host or on a link.
    Shared(Hold<'c>, FaultPlace<'c>),
    /// The first passes nothing wherever and whenever the second would do harm.
    SecondUnfelt,
    /// The second passes nothing wherever and whenever the first would do harm.
    FirstUnfelt,
}

/// Where two clauses meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultPlace<'c> {
    /// On a host.
    Host(&'c HostName),
    /// On one direction of a link.
    Way {
        /// Who sends.
        from: &'c HostName,
        /// Who receives.
        to: &'c HostName,
    },
}

/// Why these two cannot both be meant, if so.
pub(crate) fn contradiction<'c>(first: &'c Clause, second: &'c Clause) -> Option<Contradiction<'c>> {
    if first.end() <= second.at || second.end() <= first.at {
        return None;
    }
    if hides(first, second) {
        return Some(Contradiction::SecondUnfelt);
    }
    if hides(second, first) {
        return Some(Contradiction::FirstUnfelt);
    }
    let (hold, other) = (first.fault.hold(), second.fault.hold());
    let place = match (hold, other) {
        (Hold::Nothing | Hold::Link, _) => None,
        (Hold::Life { .. }, Hold::Life { .. }) => meet(first, second),
        _ if hold == other => meet(first, second),
        _ => None,
    };
    place.map(|place| Contradiction::Shared(hold, place))
}

/// A host or a direction that both fall on; a host has no link to itself.
fn meet<'c>(first: &'c Clause, second: &'c Clause) -> Option<FaultPlace<'c>> {
    match (first.fault.target(), second.fault.target()) {
        (Target::Hosts(on), Target::Hosts(others)) => on.intersection(others).next().map(FaultPlace::Host),
        (Target::Links(one), Target::Links(other)) => shared_way(one, other),
        (Target::Hosts(_), Target::Links(_)) | (Target::Links(_), Target::Hosts(_)) => None,
    }
}

/// A partition that covers all of the other's time and links: what never passes cannot be harmed.
fn hides(partition: &Clause, other: &Clause) -> bool {
    let (Target::Links(cut), Target::Links(between)) = (partition.fault.target(), other.fault.target()) else {
        return false;
    };
    let covers_time = partition.at <= other.at && other.end() <= partition.end();
    partition.fault.hold() == Hold::Link && covers_time && covers(cut, between)
}

/// The hosts that send and the hosts that receive, once for each way that is harmed.
fn ways(between: &Between) -> impl Iterator<Item = (&BTreeSet<HostName>, &BTreeSet<HostName>)> {
    let back = (!between.one_way).then_some((&between.to, &between.from));
    std::iter::once((&between.from, &between.to)).chain(back)
}

fn covers(cut: &Between, between: &Between) -> bool {
    ways(between).all(|(from, to)| ways(cut).any(|(senders, others)| from.is_subset(senders) && to.is_subset(others)))
}

fn shared_way<'c>(one: &'c Between, other: &'c Between) -> Option<FaultPlace<'c>> {
    let pairs = ways(one).flat_map(|way| ways(other).map(move |other| (way, other)));
    let mut both = pairs.flat_map(|((from, to), (other_from, other_to))| {
        let senders = from.intersection(other_from);
        senders.flat_map(move |from| to.intersection(other_to).map(move |to| (from, to)))
    });
    both.find(|(from, to)| from != to).map(|(from, to)| FaultPlace::Way { from, to })
}

/// Notes every fault that contradicts one before it; the drafts are in the order in which they begin.
pub(crate) fn note_contradictions(root: &Section<'_>, drafts: &[DraftClause]) {
    for (index, later) in drafts.iter().enumerate() {
        if root.has_enough_problems() {
            return;
        }
        let earlier = drafts[..index].iter().filter_map(|earlier| {
            let contradiction = contradiction(&earlier.clause, &later.clause)?;
            Some((earlier, contradiction))
        });
        // The one that ends last: it says when the later one may begin.
        if let Some((earlier, contradiction)) = earlier.max_by_key(|(earlier, _)| earlier.clause.end()) {
            root.note(tell(earlier, later, contradiction));
        }
    }
}

fn tell(earlier: &DraftClause, later: &DraftClause, contradiction: Contradiction<'_>) -> Problem {
    let (hold, place) = match contradiction {
        Contradiction::SecondUnfelt => return unfelt(later, earlier),
        Contradiction::FirstUnfelt => return unfelt(earlier, later),
        Contradiction::Shared(hold, place) => (hold, place),
    };
    let there = match place {
        FaultPlace::Host(host) => host.to_string(),
        FaultPlace::Way { from, to } => format!("from {from} to {to}"),
    };
    let (does, is, label) = match (hold, later.clause.fault.hold()) {
        (Hold::Life { state, .. }, Hold::Life { deed, .. }) => {
            (format!("{deed} {there}"), format!("it is {state}"), format!("already {state}"))
        }
        (Hold::Clock, _) => (format!("bends the clock of {there}"), "it is bent".into(), "already wrong".into()),
        (Hold::Name(name), _) => {
            (format!("answers {there} who asks for `{name}`"), "it is answered".into(), "already answered".into())
        }
        (Hold::Latency, _) => (format!("sets the latency {there}"), "it is set".into(), "already set".into()),
        (Hold::Bandwidth, _) => (format!("sets the bandwidth {there}"), "it is set".into(), "already set".into()),
        (Hold::Nothing | Hold::Link | Hold::Life { .. }, _) => {
            (format!("harms {there}"), "it is harmed".into(), "already harmed".into())
        }
    };
    let (at, until) = (spell(later.clause.at), spell(earlier.clause.end()));
    let message = format!("`{}` {does} at {at}, where {is} until {until} by `{}`", later.key, earlier.key);
    let problem = Problem::new(format!("{}.at", later.key), later.span.clone(), message).label(label);
    problem.also(earlier.span.clone(), "the other begins here").advice(format!("begin it at {until} or later"))
}

/// The problem of a fault whose whole time and links a partition covers.
fn unfelt(hidden: &DraftClause, partition: &DraftClause) -> Problem {
    let until = spell(partition.clause.end());
    let message =
        format!("`{}` can never be felt: nothing passes there until {until} by `{}`", hidden.key, partition.key);
    let problem = Problem::new(format!("{}.at", hidden.key), hidden.span.clone(), message).label("never felt");
    let help = format!("let it end after {until}, begin it before the partition, or name other links");
    problem.also(partition.span.clone(), "the partition begins here").advice(help)
}
