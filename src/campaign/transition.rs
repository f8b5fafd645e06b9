//! Transitions: from which state clients, and the streams of servers, went into which.
//!
//! Refuses to know whether a transition is right: checkers judge. It is a pure function of a history.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Event, History};

/// Between the two states of a transition's name.
const ARROW: &str = " -> ";
/// From which states a client, and a server's stream, may go into which; a test plays all sims and meets no other.
const POSSIBLE: [(&str, &[&str]); 24] = [
    ("new", &["dialing"]),
    ("killed", &["began"]),
    ("began", &["dialing", "killed"]),
    ("waiting", &["dialing", "killed"]),
    (
        "dialing",
        &[
            "opened",
            // The calls of older nodes have no first frame.
            "live",
            "killed",
            "ended by dial-failed",
            "ended by finished",
            "ended by refused",
            "ended by store-failed",
            "ended by stream-failed",
            // Nor have those of older nodes a first frame when they hang without their headers.
            "ended by watchdog",
        ],
    ),
    (
        "opened",
        &[
            "live",
            "asking",
            "suspended",
            "killed",
            "ended by consumer-behind",
            "ended by exhausted",
            "ended by finished",
            "ended by refused",
            "ended by rejected",
            "ended by store-failed",
            "ended by stream-ended",
            "ended by stream-failed",
            "ended by watchdog",
        ],
    ),
    (
        "live",
        &[
            "asking",
            "suspended",
            "killed",
            "ended by backlog-full",
            "ended by consumer-behind",
            "ended by exhausted",
            "ended by fallback-over",
            "ended by finished",
            "ended by refused",
            "ended by rejected",
            "ended by store-failed",
            "ended by stream-ended",
            "ended by stream-failed",
            "ended by watchdog",
        ],
    ),
    (
        "asking",
        &[
            "asking",
            "live",
            "suspended",
            "killed",
            "ended by backlog-full",
            "ended by consumer-behind",
            "ended by exhausted",
            "ended by finished",
            "ended by refused",
            "ended by rejected",
            "ended by store-failed",
            "ended by stream-ended",
            "ended by stream-failed",
            "ended by watchdog",
        ],
    ),
    (
        "suspended",
        &["probing", "suspended", "killed", "ended by refused", "ended by stream-ended", "ended by stream-failed"],
    ),
    (
        "probing",
        &[
            "live",
            "suspended",
            "killed",
            "ended by refused",
            "ended by stale",
            "ended by stream-ended",
            "ended by stream-failed",
        ],
    ),
    ("ended by backlog-full", &["waiting", "killed"]),
    ("ended by consumer-behind", &["waiting", "killed"]),
    ("ended by dial-failed", &["waiting", "killed"]),
    ("ended by exhausted", &["waiting", "killed"]),
    ("ended by fallback-over", &["waiting", "killed"]),
    ("ended by finished", &["dialing", "killed"]),
    ("ended by refused", &["waiting", "killed"]),
    ("ended by rejected", &["killed"]),
    ("ended by stale", &["dialing", "killed"]),
    ("ended by store-failed", &["dialing", "waiting", "killed"]),
    ("ended by stream-ended", &["waiting", "killed"]),
    ("ended by stream-failed", &["waiting", "killed"]),
    ("ended by watchdog", &["waiting", "killed"]),
    (
        "stream",
        &[
            "closed: denied",
            "closed: failed",
            "closed: finished",
            "closed: peer-gone",
            "closed: reaped",
            "closed: refused",
            "closed: too-slow",
        ],
    ),
];

/// The transitions of a trial, such as `asking -> ended by watchdog`, and `stream -> closed: reaped`.
pub(crate) fn transitions(history: &History) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut states: BTreeMap<&str, String> = BTreeMap::new();
    for record in history.records() {
        if let Event::StreamClosed { reason, .. } = &record.event {
            seen.insert(closed(reason.into()));
        }
        let Some(to) = state(&record.event) else { continue };
        let from = states.get(&*record.host);
        // What never dials is no client, and its process is nobody's state.
        if from.is_none() && !matches!(record.event, Event::Dialing { .. }) {
            continue;
        }
        seen.insert(named(from.map_or("new", String::as_str), &to));
        states.insert(&record.host, to);
    }
    seen
}

/// Those that there are.
pub(crate) fn possible() -> BTreeSet<String> {
    POSSIBLE.iter().flat_map(|(from, to)| to.iter().map(|to| named(from, to))).collect()
}

fn named(from: &str, to: &str) -> String {
    format!("{from}{ARROW}{to}")
}

fn closed(reason: &str) -> String {
    named("stream", &format!("closed: {reason}"))
}

fn ended(cause: &str) -> String {
    format!("ended by {cause}")
}

/// The state that an event leads to; none where it leads to none.
#[expect(clippy::wildcard_enum_match_arm, reason = "few events are a client's way from state to state")]
fn state(event: &Event) -> Option<String> {
    Some(match event {
        Event::ProcessBegan { .. } => "began".to_owned(),
        Event::ProcessKilled => "killed".to_owned(),
        Event::Dialing { .. } => "dialing".to_owned(),
        Event::Opened { .. } => "opened".to_owned(),
        Event::Started { .. } | Event::ProbeAnswered { .. } => "live".to_owned(),
        Event::WatchdogPinged { .. } => "asking".to_owned(),
        Event::Suspended { .. } => "suspended".to_owned(),
        Event::Probed { .. } => "probing".to_owned(),
        Event::Ended { cause, .. } => ended(cause.into()),
        Event::BackingOff { .. } => "waiting".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use strum::VariantNames;

    use super::*;
    use crate::history::{CloseReason, EndCause};

    #[test]
    fn every_cause_and_every_reason_is_possible() {
        let possible = possible();
        for cause in EndCause::VARIANTS {
            assert!(possible.iter().any(|name| name.ends_with(&format!("{ARROW}{}", ended(cause)))), "{cause}");
            assert!(possible.iter().any(|name| name.starts_with(&format!("{}{ARROW}", ended(cause)))), "{cause}");
        }
        assert!(CloseReason::VARIANTS.iter().all(|reason| possible.contains(&closed(reason))));
    }
}
