//! `process-stop`: a process is asked to stop (SIGTERM), and killed where it has not by then.

use std::time::Duration;

use crate::fault::hosts::DRAINING;
use crate::fault::kind::{About, Drawn, Excuse, Hosts, Kind, Step};
use crate::fault::kinds::death::KILLS;
use crate::fault::{Death, Family, Harm, ProcessHarm};
use crate::grammar::spell;

/// Kubernetes waits 30 s (`terminationGracePeriodSeconds`); a node of ours is done within 11 s.
const GRACE: Duration = Duration::from_secs(30);
/// Nobody waits longer for a process to stop.
const GRACE_MAX: Duration = Duration::from_secs(3_600);

/// It ends what it serves in its own way; it starts again when the fault ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStop {
    /// After so long it is killed.
    pub grace: Duration,
}

impl Kind for ProcessStop {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\ngrace = \"20s\"",
        falls_on: |_| DRAINING,
        read: |section, _| {
            let range = Duration::from_millis(1)..=GRACE_MAX;
            let grace = section.optional("grace", GRACE, |entry| entry.duration(range));
            Some(ProcessStop { grace: grace?.value })
        },
        keys: |stop| vec![("grace", spell(stop.grace).into())],
        told: |stop, hosts| format!("{hosts} is asked to stop, and killed after {}", spell(stop.grace)),
        harm: |_, on| Harm::Process { on, harm: ProcessHarm::Stops },
        // Its streams end, and it has none before it is back.
        excuse: |_| Excuse::Nobody,
        hold: |_| KILLS,
        obstacle: |_, _| Some("turmoil 0.7 takes a program that has ended for the end of its host"),
        drawn: Some(Drawn {
            family: Family::Deaths,
            lasts_ms: (5_000, 60_000),
            fault: |draw| {
                let grace = draw.time(100, 30_000);
                ProcessStop { grace }.on(draw.hosts(|member| (DRAINING.can)(member)))
            },
        }),
    };

    fn steps(&self, at: Duration, end: Duration) -> Vec<(Duration, Step)> {
        let killed = at + self.grace;
        if killed < end { vec![(killed, Step::Down(Death::Killed))] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_ends_with_the_fault_at_the_latest() {
        let (at, second) = (Duration::from_secs(60), Duration::from_secs(1));
        let steps = |grace: Duration| ProcessStop { grace }.steps(at, at + 5 * second);
        assert_eq!(steps(2 * second), [(at + 2 * second, Step::Down(Death::Killed))]);
        assert_eq!(steps(5 * second), []);
    }
}
