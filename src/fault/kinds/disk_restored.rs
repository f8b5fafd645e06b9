//! `disk-restored`: a process is killed and starts again with its disk as it was at an earlier time.

use std::time::Duration;

use crate::fault::hosts::WITH_DISK;
use crate::fault::kind::{About, Drawn, Excuse, Hosts, Kind, Step};
use crate::fault::kinds::death::KILLS;
use crate::fault::scene::Scene;
use crate::fault::{Death, Family, Harm, ProcessHarm};
use crate::grammar::{Found, Problem, Section, spell};

/// A node that loses part of its log gives ids again: a storm draws clients only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskRestored {
    /// That time, since the trial's start.
    pub from: Duration,
}

impl Kind for DiskRestored {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\nfrom = \"1s\"",
        falls_on: |_| WITH_DISK,
        read,
        keys: |restored| vec![("from", spell(restored.from).into())],
        told: |restored, hosts| {
            format!("the process of {hosts} is killed and its disk of {} restored", spell(restored.from))
        },
        harm: |restored, on| {
            let death = Death::DiskRestored { from: restored.from };
            Harm::Process { on, harm: ProcessHarm::Dies { death, point: None } }
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| KILLS,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Disks,
            lasts_ms: (1_000, 60_000),
            fault: |draw| {
                let from = draw.time_before();
                DiskRestored { from }.on(draw.hosts(|host| host.abilities.recovers))
            },
        }),
    };

    fn steps(&self, _at: Duration, _end: Duration) -> Vec<(Duration, Step)> {
        vec![(self.from, Step::BackUp)]
    }
}

fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<DiskRestored> {
    let range = Duration::ZERO..=scene.frame.longest;
    let from = section.required("from", "from = \"2m\"", |entry| entry.duration(range))?;
    if let Some(at) = scene.times.at.as_ref().filter(|at| from.value >= at.value) {
        note_no_backup(section, &from, at);
    }
    Some(DiskRestored { from: from.value })
}

fn note_no_backup(section: &Section<'_>, from: &Found<Duration>, at: &Found<Duration>) {
    let key = section.key();
    let message = format!("`{key}` restores the disk of {}, and begins at {}", spell(from.value), spell(at.value));
    let problem = Problem::new(format!("{key}.from"), from.span.clone().unwrap_or_default(), message);
    let problem = problem.label("not earlier").also(at.span.clone().unwrap_or_default(), "begins here");
    section.note(problem.advice(format!("name a time before {}", spell(at.value))));
}
