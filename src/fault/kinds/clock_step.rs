//! `clock-step`: a wall clock jumps, and jumps back when the fault ends.

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
use crate::grammar::quantity::{STEP_FORM, step};
use crate::grammar::{Entry, Problem, Section, spell, spell_step};

/// A year: further off, no certificate and no token is valid, which nothing here has.
const STEP_MAX_MS: i64 = 365 * 24 * 3_600 * 1_000;

/// Nothing is timed by a wall clock: it labels messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The hosts.
    pub on: BTreeSet<HostName>,
    /// How far, in milliseconds; negative is into the past.
    pub by_ms: i64,
}

impl ClockStep {
    pub(crate) const EXAMPLE: &'static str = "on = \"node\"\nby = \"-5m\"";
    pub(crate) const DRAWN: Option<Drawn> = Some(Drawn {
        family: Family::Clocks,
        lasts_min_ms: 1000,
        lasts_max_ms: 240000,
        fault: |draw| {
            const HOUR_MS: u64 = 3_600_000;
            let far = i64::try_from(draw.spread(1_000, HOUR_MS)).expect("an hour fits");
            let by_ms = if draw.coin() { far } else { -far };
            ClockStep { on: draw.hosts(|_| true), by_ms }.into()
        },
    });

    pub(crate) fn read(section: &mut Section<'_>, scene: &Scene<'_>) -> Option<Self> {
        let by = section.required("by", "by = \"+5m\"", read_by);
        let on = read_on(section, scene, &EVERYBODY);
        Some(ClockStep { on: on?, by_ms: by?.value })
    }
}

fn read_by(entry: &Entry<'_>) -> Result<i64, Problem> {
    let by_ms = entry.quantity(STEP_FORM, step)?;
    if by_ms == 0 {
        let problem = entry.problem(format!("`{}` is 0s", entry.key())).label("without effect");
        return Err(problem.advice("write how far the clock goes wrong, or leave the fault out"));
    }
    if by_ms.abs() > STEP_MAX_MS {
        return Err(entry.outside(&spell_step(by_ms), &spell_step(-STEP_MAX_MS), &spell_step(STEP_MAX_MS)));
    }
    Ok(by_ms)
}

impl Kind for ClockStep {
    fn target(&self) -> Target<'_> {
        Target::Hosts(&self.on)
    }

    fn harm(&self) -> Harm {
        Harm::Clock { on: self.on.clone(), harm: ClockHarm::Step { by_ms: self.by_ms } }
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![("on", write::hosts(&self.on)), ("by", spell_step(self.by_ms).into())]
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

impl fmt::Display for ClockStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.by_ms < 0 { "back" } else { "ahead" };
        let by = Duration::from_millis(self.by_ms.unsigned_abs());
        write!(formatter, "the wall clock of {} jumps {} {direction}", Hosts(&self.on), spell(by))
    }
}
