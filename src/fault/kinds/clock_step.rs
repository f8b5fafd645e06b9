//! `clock-step`: a wall clock jumps, and jumps back when the fault ends.

use std::time::Duration;

use crate::fault::hosts::EVERYBODY;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Kind};
use crate::fault::{ClockHarm, Family, Harm};
use crate::grammar::quantity::{STEP_FORM, step};
use crate::grammar::{Entry, Problem, spell, spell_step};

/// A year: further off, no certificate and no token is valid, which nothing here has.
const STEP_MAX_MS: i64 = 365 * 24 * 3_600 * 1_000;

/// Nothing is timed by a wall clock: it labels messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// How far, in milliseconds; negative is into the past.
    pub by_ms: i64,
}

impl Kind for ClockStep {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"node\"\nby = \"-5m\"",
        falls_on: |_| EVERYBODY,
        read: |section, _| {
            let by = section.required("by", "by = \"+5m\"", read_by);
            Some(ClockStep { by_ms: by?.value })
        },
        keys: |step| vec![("by", spell_step(step.by_ms).into())],
        told: |step, hosts| {
            let direction = if step.by_ms < 0 { "back" } else { "ahead" };
            let by = Duration::from_millis(step.by_ms.unsigned_abs());
            format!("the wall clock of {hosts} jumps {} {direction}", spell(by))
        },
        harm: |step, on| Harm::Clock { on, harm: ClockHarm::Step { by_ms: step.by_ms } },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Clock,
        obstacle: |_, _| Some("turmoil 0.7 has one clock for all hosts: none can be wrong"),
        drawn: Some(Drawn {
            family: Family::Clocks,
            lasts_ms: (1_000, 240_000),
            fault: |draw| {
                const HOUR_MS: u64 = 3_600_000;
                let far = i64::try_from(draw.spread(1_000, HOUR_MS)).expect("an hour fits");
                let by_ms = if draw.coin() { far } else { -far };
                ClockStep { by_ms }.on(draw.hosts(|_| true))
            },
        }),
    };
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
