//! Which two clauses of a plan cannot both be meant: one rule for the reader of a sim and for its storm.
//!
//! Refuses to know where clauses come from, and how a contradiction is told.

use std::collections::BTreeSet;

use crate::fault::{Between, Clause, Fault, HostHarm, LinkHarm};

/// Why two clauses that overlap in time cannot both be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contradiction<'c> {
    /// A host dies, loops or stands still, one at a time: who is dead cannot be paused, who is paused not killed.
    Life {
        /// The host.
        host: &'c str,
    },
    /// A host has one wall clock, which goes wrong in one way at a time.
    Clock {
        /// The host.
        host: &'c str,
    },
    /// A name leads a host to one place at a time.
    Name {
        /// The host.
        host: &'c str,
        /// The name that it looks up.
        name: &'c str,
    },
    /// Bytes take one time.
    Latency(Direction<'c>),
    /// A link has one width.
    Bandwidth(Direction<'c>),
    /// The first passes nothing wherever and whenever the second would do harm.
    SecondUnfelt,
    /// The second passes nothing wherever and whenever the first would do harm.
    FirstUnfelt,
}

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Direction<'c> {
    /// Who sends.
    pub(crate) from: &'c str,
    /// Who receives.
    pub(crate) to: &'c str,
}

/// Why these two cannot both be meant, if so.
pub(crate) fn contradiction<'c>(first: &'c Clause, second: &'c Clause) -> Option<Contradiction<'c>> {
    if first.end() <= second.at || second.end() <= first.at {
        return None;
    }
    if let (Fault::Host { on, harm }, Fault::Host { on: others, harm: other }) = (&first.fault, &second.fault) {
        return of_hosts(on, harm, others, other);
    }
    if let (Fault::Link { between, harm }, Fault::Link { between: others, harm: other }) = (&first.fault, &second.fault)
    {
        return shadowed(first, second).or_else(|| of_links(between, harm, others, other));
    }
    None
}

/// What a harm takes hold of: of each, a host has one.
#[derive(PartialEq, Eq)]
enum Hold<'c> {
    Life,
    Clock,
    Name(&'c str),
}

fn hold(harm: &HostHarm) -> Option<Hold<'_>> {
    match harm {
        HostHarm::Dies { .. } | HostHarm::RestartLoop { .. } | HostHarm::Paused | HostHarm::Suspended => {
            Some(Hold::Life)
        }
        HostHarm::ClockStep { .. } | HostHarm::ClockDrift { .. } => Some(Hold::Clock),
        HostHarm::BacklogFull => None,
        HostHarm::Name { name, answer: _ } => Some(Hold::Name(name)),
    }
}

fn of_hosts<'c>(
    on: &'c BTreeSet<String>,
    harm: &'c HostHarm,
    others: &'c BTreeSet<String>,
    other: &'c HostHarm,
) -> Option<Contradiction<'c>> {
    let held = hold(harm).filter(|held| hold(other).as_ref() == Some(held))?;
    let host = on.intersection(others).next()?.as_str();
    Some(match held {
        Hold::Life => Contradiction::Life { host },
        Hold::Clock => Contradiction::Clock { host },
        Hold::Name(name) => Contradiction::Name { host, name },
    })
}

fn of_links<'c>(
    between: &'c Between,
    harm: &LinkHarm,
    others: &'c Between,
    other: &LinkHarm,
) -> Option<Contradiction<'c>> {
    match harm {
        LinkHarm::Latency(_) if matches!(other, LinkHarm::Latency(_)) => {
            shared(between, others).map(Contradiction::Latency)
        }
        LinkHarm::Bandwidth { .. } if matches!(other, LinkHarm::Bandwidth { .. }) => {
            shared(between, others).map(Contradiction::Bandwidth)
        }
        // Losses add up, and of two limits the narrower is felt.
        LinkHarm::Partition
        | LinkHarm::Latency(_)
        | LinkHarm::Bandwidth { .. }
        | LinkHarm::Loss { .. }
        | LinkHarm::SynLoss { .. }
        | LinkHarm::MtuBlackHole { .. }
        | LinkHarm::IdleDrop { .. } => None,
    }
}

/// A partition that covers all of the other's time and links: what never passes cannot be harmed.
fn shadowed<'c>(first: &Clause, second: &Clause) -> Option<Contradiction<'c>> {
    if hides(first, second) {
        Some(Contradiction::SecondUnfelt)
    } else if hides(second, first) {
        Some(Contradiction::FirstUnfelt)
    } else {
        None
    }
}

fn hides(partition: &Clause, other: &Clause) -> bool {
    let Fault::Link { between: cut, harm: LinkHarm::Partition } = &partition.fault else { return false };
    let Fault::Link { between, harm: _ } = &other.fault else { return false };
    partition.at <= other.at && other.end() <= partition.end() && covers(cut, between)
}

/// The hosts that send and the hosts that receive, once for each way that is harmed.
fn ways(between: &Between) -> impl Iterator<Item = (&BTreeSet<String>, &BTreeSet<String>)> {
    let back = (!between.one_way).then_some((&between.to, &between.from));
    std::iter::once((&between.from, &between.to)).chain(back)
}

fn covers(cut: &Between, between: &Between) -> bool {
    ways(between).all(|(from, to)| ways(cut).any(|(senders, others)| from.is_subset(senders) && to.is_subset(others)))
}

/// A direction that both harm; a host has no link to itself.
fn shared<'c>(one: &'c Between, other: &'c Between) -> Option<Direction<'c>> {
    let pairs = ways(one).flat_map(|way| ways(other).map(move |other| (way, other)));
    let mut both = pairs.flat_map(|((from, to), (other_from, other_to))| {
        let senders = from.intersection(other_from);
        senders.flat_map(move |from| to.intersection(other_to).map(move |to| Direction { from, to }))
    });
    both.find(|direction| direction.from != direction.to)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::{Answer, Death, Latency, Origin};

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_string()).collect()
    }

    fn clause(at: u64, end: u64, fault: Fault) -> Clause {
        let (at, end) = (Duration::from_secs(at), Duration::from_secs(end));
        Clause { number: 0, at, lasts: end - at, fault, origin: Origin::Storm }
    }

    fn host(at: u64, end: u64, on: &[&str], harm: HostHarm) -> Clause {
        clause(at, end, Fault::Host { on: names(on), harm })
    }

    fn link(at: u64, end: u64, from: &[&str], to: &[&str], harm: LinkHarm) -> Clause {
        let between = Between { from: names(from), to: names(to), one_way: false };
        clause(at, end, Fault::Link { between, harm })
    }

    fn one_way(clause: Clause) -> Clause {
        let Fault::Link { between, harm } = clause.fault else { panic!("a link's clause") };
        Clause { fault: Fault::Link { between: Between { one_way: true, ..between }, harm }, ..clause }
    }

    fn dies() -> HostHarm {
        HostHarm::Dies { death: Death::Killed, point: None }
    }

    fn slow() -> LinkHarm {
        LinkHarm::Latency(Latency::uniform(Duration::ZERO, Duration::from_secs(1)))
    }

    #[test]
    fn a_host_has_one_life_at_a_time() {
        let death = host(10, 20, &["a", "b"], dies());
        let life = Some(Contradiction::Life { host: "b" });
        for harm in [dies(), HostHarm::Paused, HostHarm::Suspended] {
            assert_eq!(contradiction(&death, &host(19, 30, &["b", "c"], harm.clone())), life);
            assert_eq!(contradiction(&death, &host(20, 30, &["b"], harm.clone())), None, "it is up again");
            assert_eq!(contradiction(&death, &host(10, 20, &["c"], harm)), None, "another host");
        }
        let second = Duration::from_secs(1);
        let restarts = host(5, 11, &["b"], HostHarm::RestartLoop { up: second, down: second });
        assert_eq!(contradiction(&death, &restarts), life);
        assert_eq!(contradiction(&death, &host(10, 20, &["a"], HostHarm::BacklogFull)), None);
    }

    #[test]
    fn a_host_has_one_clock_and_one_answer_for_each_name() {
        let step = host(0, 10, &["a"], HostHarm::ClockStep { by_ms: 5 });
        let drift = host(9, 10, &["a"], HostHarm::ClockDrift { parts_per_million: 5 });
        assert_eq!(contradiction(&step, &drift), Some(Contradiction::Clock { host: "a" }));
        let ask = |name: &str, answer| host(0, 10, &["a"], HostHarm::Name { name: name.into(), answer });
        let (fails, dead) = (ask("n", Answer::Fails), ask("n", Answer::Dead));
        assert_eq!(contradiction(&fails, &dead), Some(Contradiction::Name { host: "a", name: "n" }));
        assert_eq!(contradiction(&fails, &ask("m", Answer::Dead)), None);
        assert_eq!(contradiction(&fails, &step), None);
    }

    #[test]
    fn a_link_has_one_latency_and_one_bandwidth() {
        let there = link(0, 10, &["a"], &["b", "c"], slow());
        let back = link(5, 15, &["c"], &["a"], slow());
        let shared = contradiction(&there, &back);
        assert_eq!(shared, Some(Contradiction::Latency(Direction { from: "a", to: "c" })));
        assert_eq!(contradiction(&one_way(there.clone()), &one_way(back)), None, "opposite ways");
        assert_eq!(contradiction(&there, &link(0, 10, &["b"], &["c"], slow())), None, "another link");
        let narrow = |from: &[&str], to: &[&str]| link(0, 10, from, to, LinkHarm::Bandwidth { bytes_per_second: 9 });
        let (wide, few) = (narrow(&["a", "b"], &["a", "b"]), narrow(&["a"], &["a", "b"]));
        assert_eq!(contradiction(&wide, &few), Some(Contradiction::Bandwidth(Direction { from: "a", to: "b" })));
        assert_eq!(contradiction(&there, &narrow(&["a"], &["b"])), None);
        assert_eq!(contradiction(&narrow(&["a"], &["a"]), &narrow(&["a"], &["a"])), None, "no link to oneself");
    }

    #[test]
    fn what_a_partition_covers_is_never_felt() {
        let cut = link(10, 20, &["a"], &["b", "c"], LinkHarm::Partition);
        let within = link(10, 20, &["b"], &["a"], slow());
        assert_eq!(contradiction(&cut, &within), Some(Contradiction::SecondUnfelt));
        assert_eq!(contradiction(&within, &cut), Some(Contradiction::FirstUnfelt));
        assert_eq!(contradiction(&cut, &cut), Some(Contradiction::SecondUnfelt));
        assert_eq!(contradiction(&one_way(cut.clone()), &within), None, "the way back is open");
        assert_eq!(contradiction(&cut, &link(10, 21, &["b"], &["a"], slow())), None, "a second is left");
        assert_eq!(contradiction(&cut, &link(10, 20, &["b"], &["c"], slow())), None, "another link");
        assert_eq!(contradiction(&cut, &host(10, 20, &["a"], dies())), None);
    }
}
