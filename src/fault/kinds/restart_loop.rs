//! `restart-loop`: a process is killed again and again.

use std::time::Duration;

use crate::fault::hosts::EVERYBODY;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind, Step};
use crate::fault::scene::Scene;
use crate::fault::{Death, Family, Harm, ProcessHarm};
use crate::grammar::{Found, Problem, Section, spell};

/// Each round of a restart loop is two steps of the play, and a line of a report.
const ROUNDS_MAX: u128 = 10_000;
/// Slower starts than this are a kill.
const PART_MAX: Duration = Duration::from_secs(3_600);

/// It begins with a death and ends with a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartLoop {
    /// How long each process lives.
    pub up: Duration,
    /// How long it takes to start the next one.
    pub down: Duration,
}

impl Kind for RestartLoop {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\nup = \"2s\"\ndown = \"1s\"",
        falls_on: |_| EVERYBODY,
        read,
        keys: |round| vec![("up", spell(round.up).into()), ("down", spell(round.down).into())],
        told: |round, hosts| {
            let (up, down) = (spell(round.up), spell(round.down));
            format!("the process of {hosts} is killed again and again, {up} up, {down} down")
        },
        harm: |_, on| Harm::Process { on, harm: ProcessHarm::RestartLoop },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Life { deed: "restarts", state: "restarted again and again" },
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Deaths,
            lasts_ms: (10_000, 120_000),
            fault: |draw| {
                let (up, down) = (draw.time(500, 30_000), draw.time(100, 10_000));
                RestartLoop { up, down }.on(draw.hosts(|_| true))
            },
        }),
    };

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

fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<RestartLoop> {
    let range = Duration::from_millis(1)..=PART_MAX;
    let up = section.required("up", "up = \"10s\"", |entry| entry.duration(range.clone()));
    let down = section.required("down", "down = \"1s\"", |entry| entry.duration(range));
    let (up, down) = (up?, down?);
    if let Some(lasts) = &scene.times.lasts {
        note_rounds(section, &up, down.value, lasts.value);
    }
    Some(RestartLoop { up: up.value, down: down.value })
}

fn note_rounds(section: &Section<'_>, up: &Found<Duration>, down: Duration, lasts: Duration) {
    let rounds = lasts.as_nanos().div_ceil((up.value + down).as_nanos());
    if rounds > ROUNDS_MAX {
        let key = section.key();
        let message = format!("`{key}` goes round {rounds} times in {}", spell(lasts));
        let problem = Problem::new(format!("{key}.up"), up.span.clone().unwrap_or_default(), message);
        let help = format!("lengthen `up` or `down`, or shorten `for`, to at most {ROUNDS_MAX} rounds");
        section.note(problem.label("too short").advice(help));
    }
}
