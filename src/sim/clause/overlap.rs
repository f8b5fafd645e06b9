//! Two faults of one file that cannot both be meant, told.
//!
//! Refuses to know when that is so.

use crate::fault::{Death, Fault, HostHarm};
use crate::grammar::quantity::spell;
use crate::grammar::refusal::Problem;
use crate::grammar::section::Section;
use crate::sim::clause::plan::Draft;
use crate::sim::contradiction::{Contradiction, Direction, contradiction};

/// Notes every fault that contradicts one before it; the drafts are in the order in which they begin.
pub(crate) fn note_contradictions(root: &Section<'_>, drafts: &[Draft]) {
    for (index, later) in drafts.iter().enumerate() {
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

fn tell(earlier: &Draft, later: &Draft, contradiction: Contradiction<'_>) -> Problem {
    let (does, is, label) = match contradiction {
        Contradiction::SecondUnfelt => return unfelt(later, earlier),
        Contradiction::FirstUnfelt => return unfelt(earlier, later),
        Contradiction::Life { host } => {
            let state = state(&earlier.clause.fault);
            (format!("{} {host}", deed(&later.clause.fault)), format!("it is {state}"), format!("already {state}"))
        }
        Contradiction::Clock { host } => {
            let label = "already wrong".to_string();
            (format!("bends the clock of {host}"), "it is bent".into(), label)
        }
        Contradiction::Name { host, name } => {
            (format!("answers {host} who asks for `{name}`"), "it is answered".into(), "already answered".into())
        }
        Contradiction::Latency(Direction { from, to }) => {
            (format!("sets the latency from {from} to {to}"), "it is set".into(), "already set".into())
        }
        Contradiction::Bandwidth(Direction { from, to }) => {
            (format!("sets the bandwidth from {from} to {to}"), "it is set".into(), "already set".into())
        }
    };
    let (at, until) = (spell(later.clause.at), spell(earlier.clause.end()));
    let message = format!("`{}` {does} at {at}, where {is} until {until} by `{}`", later.key, earlier.key);
    let problem = Problem::new(format!("{}.at", later.key), later.span.clone(), message).label(label);
    problem.also(earlier.span.clone(), "the other begins here").advice(format!("begin it at {until} or later"))
}

/// The problem of a fault whose whole time and links a partition covers.
fn unfelt(hidden: &Draft, partition: &Draft) -> Problem {
    let until = spell(partition.clause.end());
    let message =
        format!("`{}` can never be felt: nothing passes there until {until} by `{}`", hidden.key, partition.key);
    let problem = Problem::new(format!("{}.at", hidden.key), hidden.span.clone(), message).label("never felt");
    let help = format!("let it end after {until}, begin it before the partition, or name other links");
    problem.also(partition.span.clone(), "the partition begins here").advice(help)
}

/// What a fault of a host's life does to the host.
fn deed(fault: &Fault) -> &'static str {
    let Fault::Host { harm, .. } = fault else { return "harms" };
    match harm {
        HostHarm::Dies { death: Death::Killed | Death::DiskLost | Death::DiskRestored { .. }, .. } => "kills",
        HostHarm::Dies { death: Death::PoweredOff(_), .. } => "powers off",
        HostHarm::RestartLoop { .. } => "restarts",
        HostHarm::Paused => "pauses",
        HostHarm::Suspended => "suspends",
        HostHarm::ClockStep { .. } | HostHarm::ClockDrift { .. } | HostHarm::BacklogFull | HostHarm::Name { .. } => {
            "harms"
        }
    }
}

/// What a host is, which that does not leave free.
fn state(fault: &Fault) -> &'static str {
    let Fault::Host { harm, .. } = fault else { return "harmed" };
    match harm {
        HostHarm::Dies { .. } => "dead",
        HostHarm::RestartLoop { .. } => "restarted again and again",
        HostHarm::Paused => "paused",
        HostHarm::Suspended => "suspended",
        HostHarm::ClockStep { .. } | HostHarm::ClockDrift { .. } | HostHarm::BacklogFull | HostHarm::Name { .. } => {
            "harmed"
        }
    }
}
