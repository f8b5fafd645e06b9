//! `restart-loop`: a process is killed again and again.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{EVERYBODY, read_on};
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Step, Target};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{Death, Family, Harm, ProcessHarm, write};
use crate::grammar::{Problem, Section, spell};

/// Each round of a restart loop is two steps of the play, and a line of a report.
const ROUNDS_MAX: u128 = 10_000;
/// Slower starts than this are a kill.
const PART_MAX: Duration = Duration::from_secs(3_600);

/// It begins with a death and ends with a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartLoop {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// How long each process lives.
    pub up: Duration,
    /// How long it takes to start the next one.
    pub down: Duration,
}

impl RestartLoop {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"\nup = \"2s\"\ndown = \"1s\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Deaths,
        lasts_min_ms: 10_000,
        lasts_max_ms: 120_000,
        fault: |draw| {
            let (up, down) = (draw.time(500, 30_000), draw.time(100, 10_000));
            RestartLoop { on: draw.hosts(|_| true), up, down }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let range = Duration::from_millis(1)..=PART_MAX;
        let up = section.required("up", "up = \"10s\"", |entry| entry.duration(range.clone()));
        let down = section.required("down", "down = \"1s\"", |entry| entry.duration(range));
        let parts = up.as_ref().zip(down.as_ref());
        if let (Some((up, down)), Some(lasts)) = (parts, &scene.times.lasts) {
            let rounds = lasts.value.as_nanos().div_ceil((up.value + down.value).as_nanos());
            if rounds > ROUNDS_MAX {
                let key = section.key();
                let message = format!("`{key}` goes round {rounds} times in {}", spell(lasts.value));
                let problem = Problem::new(format!("{key}.up"), up.span.clone().unwrap_or_default(), message);
                let help = format!("lengthen `up` or `down`, or shorten `for`, to at most {ROUNDS_MAX} rounds");
                section.note(problem.label("too short").advice(help));
            }
        }
        let on = read_on(section, scene, &EVERYBODY);
        Some(RestartLoop { on: on?, up: up?.value, down: down?.value })
    }
}

impl Kind for RestartLoop {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Process { on: self.on.clone(), harm: ProcessHarm::RestartLoop }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on)), ("up", spell(self.up).into()), ("down", spell(self.down).into())]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        None
    }

    fn hold(&self) -> Hold<'_> {
        Hold::Life { deed: "restarts", state: "restarted again and again" }
    }

    fn steps(&self, at: Duration, end: Duration) -> Vec<(Duration, Step)> {
        let mut steps = Vec::new();
        let mut next = at;
        // Ends: `up` and `down` are at least a millisecond.
        while next < end {
            steps.push((next, Step::Down(Death::Killed)));
            steps.push(((next + self.down).min(end), Step::Up));
            next += self.down + self.up;
        }
        steps
    }
}

impl fmt::Display for RestartLoop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, up, down) = (Hosts(&self.on), spell(self.up), spell(self.down));
        write!(formatter, "the process of {hosts} is killed again and again, {up} up, {down} down")
    }
}
