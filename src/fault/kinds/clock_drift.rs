//! `clock-drift`: a wall clock runs at another speed, and keeps what it gained.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use crate::cast::HostName;
use crate::fault::hosts::{EVERYBODY, read_on};
use crate::fault::kind::{Drawn, Excuse, Hold, Kind, Target};
use crate::fault::read::Scene;
use crate::fault::words::Hosts;
use crate::fault::{ClockHarm, Family, Harm, write};
use crate::grammar::{Entry, Problem, Section};

/// A tenth of a second per second: real clocks drift by less than a hundred parts per million, broken ones by more.
const DRIFT_MAX: i32 = 100_000;

/// Nothing is timed by a wall clock: it labels messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockDrift {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// Microseconds per second; negative is too slow.
    pub parts_per_million: i32,
}

impl ClockDrift {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"\nppm = -200";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Clocks,
        lasts_min_ms: 10000,
        lasts_max_ms: 240000,
        fault: |draw| {
            // From a warm quartz to a virtual machine whose clock source is wrong.
            let speed = i32::try_from(draw.spread(20, 50_000)).expect("a twentieth fits");
            let parts_per_million = if draw.coin() { speed } else { -speed };
            ClockDrift { on: draw.hosts(|_| true), parts_per_million }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let ppm = section.required("ppm", "ppm = -200", read_ppm);
        let on = read_on(section, scene, &EVERYBODY);
        Some(ClockDrift { on: on?, parts_per_million: ppm?.value })
    }
}

fn read_ppm(entry: &Entry<'_>) -> Result<i32, Problem> {
    match entry.integer(-DRIFT_MAX..=DRIFT_MAX)? {
        0 => {
            let problem = entry.problem(format!("`{}` is 0", entry.key())).label("without effect");
            Err(problem.advice("write how far the clock goes wrong, or leave the fault out"))
        }
        ppm => Ok(ppm),
    }
}

impl Kind for ClockDrift {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        let harm = ClockHarm::Drift { parts_per_million: self.parts_per_million };
        Harm::Clock { on: self.on.clone(), harm }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on)), ("ppm", i64::from(self.parts_per_million).into())]
    }

    fn excuse(&self) -> Excuse {
        Excuse::Nobody
    }

    fn obstacle(&self, _lasts: Duration) -> Option<&'static str> {
        Some("turmoil 0.7 has one clock for all hosts: none can be wrong")
    }

    fn hold(&self) -> Hold<'_> {
        Hold::Clock
    }
}

impl fmt::Display for ClockDrift {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, ppm) = (Hosts(&self.on), self.parts_per_million);
        write!(formatter, "the wall clock of {hosts} drifts by {ppm} parts per million")
    }
}
