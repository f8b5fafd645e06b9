//! What matters to one fault of the text around it: the rest of the file, and when the fault begins and how long it
//! lasts.
//!
//! Refuses to know what the fault is.

use std::time::Duration;

use crate::cast::Cast;
use crate::grammar::quantity::spell;
use crate::grammar::refusal::Problem;
use crate::grammar::section::{Found, Section};

/// What the rest of the file says that matters to faults; none where that part has a problem of its own.
pub(crate) struct PlanFrame {
    /// Who takes part.
    pub(crate) cast: Option<Cast>,
    /// How long the trial lasts.
    pub(crate) duration: Option<Duration>,
    /// When the calm begins, since the trial's start.
    pub(crate) calm_begins: Option<Duration>,
    /// The longest duration that makes sense.
    pub(crate) longest: Duration,
}

/// What matters to one fault: the rest of the file, and the fault's times.
pub struct Scene<'s> {
    /// The rest of the file.
    pub(crate) frame: &'s PlanFrame,
    /// The fault's times.
    pub(crate) times: &'s ClauseTimes,
}

/// When a fault begins and how long it lasts; none where the file does not say so properly.
pub(crate) struct ClauseTimes {
    /// Since the trial's start.
    pub(crate) at: Option<Found<Duration>>,
    /// How long.
    pub(crate) lasts: Option<Found<Duration>>,
}

impl ClauseTimes {
    /// Reads `at` and `for`.
    pub(crate) fn read(section: &mut Section<'_>, frame: &PlanFrame) -> Self {
        let shortest = Duration::from_millis(1);
        let at = section.required("at", "at = \"2m\"", |entry| entry.duration(Duration::ZERO..=frame.longest));
        let lasts = section.required("for", "for = \"10m\"", |entry| entry.duration(shortest..=frame.longest));
        if let (Some(at), Some(lasts)) = (&at, &lasts) {
            note_times(section, at, lasts, frame);
        }
        ClauseTimes { at, lasts }
    }
}

/// Notes a fault that comes too late, or that has not healed when the calm begins.
fn note_times(section: &Section<'_>, at: &Found<Duration>, lasts: &Found<Duration>, frame: &PlanFrame) {
    let (Some(duration), Some(calm_begins)) = (frame.duration, frame.calm_begins) else { return };
    let key = section.key();
    let at_span = at.span.clone().unwrap_or_default();
    if at.value >= duration {
        let message = format!("`{key}` begins at {}, and the trial ends at {}", spell(at.value), spell(duration));
        let help = format!("begin it so that it ends by {}, when the calm begins", spell(calm_begins));
        section.note(Problem::new(format!("{key}.at"), at_span, message).label("after the end").advice(help));
        return;
    }
    let end = at.value.saturating_add(lasts.value);
    if end > calm_begins {
        let message = format!("`{key}` ends at {}, and the calm begins at {}", spell(end), spell(calm_begins));
        let for_span = lasts.span.clone().unwrap_or_default();
        let problem = Problem::new(format!("{key}.for"), for_span, message).label("ends in the calm");
        section.note(problem.also(at_span, "begins here").advice(sooner(at.value, calm_begins)));
    }
}

/// What would be right for a fault that ends too late.
fn sooner(at: Duration, calm_begins: Duration) -> String {
    match calm_begins.checked_sub(at).filter(|left| !left.is_zero()) {
        Some(left) => format!("let it last at most {}, begin it earlier, or lengthen the trial", spell(left)),
        None => "begin it earlier, or lengthen the trial".into(),
    }
}
