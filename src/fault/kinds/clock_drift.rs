//! `clock-drift`: a wall clock runs at another speed, and keeps what it gained.

use crate::fault::hosts::EVERYBODY;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::{ClockHarm, Family, Harm};
use crate::grammar::{Entry, Problem};

/// A tenth of a second per second: real clocks drift by less than a hundred parts per million, broken ones by more.
const DRIFT_MAX: i32 = 100_000;

/// Nothing is timed by a wall clock: it labels messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockDrift {
    /// Microseconds per second; negative is too slow.
    pub parts_per_million: i32,
}

impl Kind for ClockDrift {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\nppm = -200",
        falls_on: |_| EVERYBODY,
        read: |section, _| {
            let ppm = section.required("ppm", "ppm = -200", read_ppm);
            Some(ClockDrift { parts_per_million: ppm?.value })
        },
        keys: |drift| vec![("ppm", i64::from(drift.parts_per_million).into())],
        told: |drift, hosts| {
            format!("the wall clock of {hosts} drifts by {} parts per million", drift.parts_per_million)
        },
        harm: |drift, on| {
            let harm = ClockHarm::Drift { parts_per_million: drift.parts_per_million };
            Harm::Clock { on, harm }
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Clock,
        obstacle: |_, _| Some("turmoil 0.7 has one clock for all hosts: none can be wrong"),
        drawn: Some(Drawn {
            family: Family::Clocks,
            lasts_ms: (10_000, 240_000),
            fault: |draw| {
                // From a warm quartz to a virtual machine whose clock source is wrong.
                let speed = i32::try_from(draw.spread(20, 50_000)).expect("a twentieth fits");
                let parts_per_million = if draw.coin() { speed } else { -speed };
                ClockDrift { parts_per_million }.on(draw.hosts(|_| true))
            },
        }),
    };
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
