//! `disk-restored`: a process is killed and starts again with its disk as it was at an earlier time.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{WITH_DISK, read_on};
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Step, Target};
use crate::fault::kinds::death::KILLS;
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Death, Family, Harm, ProcessHarm, write};
use crate::grammar::{Found, Problem, Section, spell};

/// A node that loses part of its log gives ids again: a storm draws clients only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskRestored {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// That time, since the trial's start.
    pub from: Duration,
}

impl DiskRestored {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"\nfrom = \"1s\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Disks,
        lasts_min_ms: 1000,
        lasts_max_ms: 60000,
        fault: |draw| {
            let from = draw.time_before();
            DiskRestored { on: draw.hosts(|host| host.abilities.recovers), from }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let range = Duration::ZERO..=scene.frame.longest;
        let from = section.required("from", "from = \"2m\"", |entry| entry.duration(range));
        if let (Some(from), Some(at)) = (&from, &scene.times.at)
            && from.value >= at.value
        {
            note_no_backup(section, from, at);
        }
        let on = read_on(section, scene, &WITH_DISK);
        Some(DiskRestored { on: on?, from: from?.value })
    }
}

fn note_no_backup(section: &Section<'_>, from: &Found<Duration>, at: &Found<Duration>) {
    let key = section.key();
    let message = format!("`{key}` restores the disk of {}, and begins at {}", spell(from.value), spell(at.value));
    let problem = Problem::new(format!("{key}.from"), from.span.clone().unwrap_or_default(), message);
    let problem = problem.label("not earlier").also(at.span.clone().unwrap_or_default(), "begins here");
    section.note(problem.advice(format!("name a time before {}", spell(at.value))));
}

impl Kind for DiskRestored {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        let death = Death::DiskRestored { from: self.from };
        Harm::Process { on: self.on.clone(), harm: ProcessHarm::Dies { death, point: None } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on)), ("from", spell(self.from).into())]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        None
    }

    fn hold(&self) -> Hold<'_> {
        KILLS
    }

    fn steps(&self, _at: Duration, _end: Duration) -> Vec<(Duration, Step)> {
        vec![(self.from, Step::BackUp)]
    }
}

impl fmt::Display for DiskRestored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, from) = (Hosts(&self.on), spell(self.from));
        write!(formatter, "the process of {hosts} is killed and its disk of {from} restored")
    }
}
