//! What the page's script draws: the chart as JSON, short, because a trial has tens of thousands of records.
//!
//! Refuses to know what it looks like. `timeline.js` reads it by the same names.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::checker::{Judgement, Verdict};
use crate::history::Event;
use crate::report::chart::{Chart, ChartMark, MarkKind};
use crate::report::harmless::{harmless, script_json};
use crate::trial::Outcome;

/// A page of more records is slow to open, and nobody reads them: of a longer trial it shows those around the break, or
/// the last ones.
pub(super) const RECORDS_MAX: usize = 100_000;
/// So much of the page's share is kept for what follows the break.
const AFTER_THE_BREAK: usize = RECORDS_MAX / 10;

/// All times are microseconds since the trial's start.
#[derive(Serialize)]
struct Data {
    end: u64,
    /// The first is the world's.
    lanes: Vec<String>,
    /// Streams by their client: its lane, and the stream's name.
    streams: Vec<(usize, String)>,
    faults: Vec<FaultRow>,
    evidence: Vec<EvidenceRow>,
    /// The index in the history of the first record that is here.
    first: usize,
    /// How many records the history has.
    total: usize,
    records: Vec<RecordRow>,
}

#[derive(Serialize)]
struct FaultRow {
    number: u32,
    at: u64,
    until: u64,
    lanes: Vec<usize>,
    felt: bool,
    text: String,
}

#[derive(Serialize)]
struct EvidenceRow {
    checker: String,
    at: u64,
    lane: Option<usize>,
    what: String,
    /// Indices into the history.
    records: Vec<usize>,
}

/// A record: when, until when, how often, lane, kind, stream (none: -1), path, bits, words.
#[derive(Serialize)]
struct RecordRow(u64, u64, u64, usize, u8, isize, Vec<usize>, u8, String);

/// The proxy took it and did not pass it on.
const SWALLOWED: u8 = 1;
/// From here on the host is up, or holds a stream.
const BEGINS: u8 = 2;
/// From here on it is not.
const ENDS: u8 = 4;

/// The JSON of a chart, fit to stand in a script element.
pub(super) fn data(outcome: &Outcome, chart: &Chart<'_>) -> String {
    let streams: Vec<_> = chart.streams().into_iter().collect();
    let shown = shown(chart.marks.len(), first_break(outcome));
    let places: BTreeMap<_, _> = streams.iter().copied().zip(0..).collect();
    let place = |mark: &ChartMark<'_>| places.get(&(mark.lane, mark.stream?)).copied();
    let data = Data {
        end: micros(chart.end),
        lanes: chart.lanes.iter().map(|host| harmless(host)).collect(),
        streams: streams.iter().map(|(lane, stream)| (*lane, stream.to_string())).collect(),
        faults: chart
            .windows
            .iter()
            .map(|window| FaultRow {
                number: window.clause.number,
                at: micros(window.clause.at),
                until: micros(window.until),
                lanes: window.lanes.clone(),
                felt: window.felt,
                text: harmless(&window.clause.fault.to_string()),
            })
            .collect(),
        evidence: outcome.judgements.iter().filter_map(|judgement| evidence(judgement, chart)).collect(),
        first: shown.start,
        total: chart.marks.len(),
        records: chart.marks[shown].iter().map(|mark| row(mark, place(mark))).collect(),
    };
    script_json(&serde_json::to_string(&data).expect("a chart is plain data"))
}

/// The record at which the first judge saw the promise broken.
fn first_break(outcome: &Outcome) -> Option<usize> {
    let firsts = outcome.judgements.iter().filter_map(|judgement| match &judgement.verdict {
        Verdict::Fail(evidence) => evidence.records.last().copied(),
        Verdict::Pass { .. } | Verdict::Unknown { .. } => None,
    });
    firsts.min()
}

/// Which records are shown.
fn shown(total: usize, broken: Option<usize>) -> std::ops::Range<usize> {
    let end = broken.map_or(total, |index| (index + AFTER_THE_BREAK).clamp(RECORDS_MAX.min(total), total));
    end.saturating_sub(RECORDS_MAX)..end
}

fn evidence(judgement: &Judgement, chart: &Chart<'_>) -> Option<EvidenceRow> {
    let Verdict::Fail(evidence) = &judgement.verdict else { return None };
    Some(EvidenceRow {
        checker: judgement.checker.to_string(),
        at: micros(evidence.at),
        lane: chart.lanes.iter().position(|host| **host == *evidence.host),
        what: harmless(&evidence.what),
        records: evidence.records.clone(),
    })
}

fn row(mark: &ChartMark<'_>, stream: Option<isize>) -> RecordRow {
    let record = mark.record;
    let stream = stream.unwrap_or(-1);
    let bits = (u8::from(mark.swallowed) * SWALLOWED) | bits(&record.event);
    let words = harmless(&record.event.to_string());
    let (at, until) = (micros(record.at), micros(record.until));
    RecordRow(at, until, record.count, mark.lane, code(mark.kind), stream, mark.path.clone(), bits, words)
}

/// Processes begin and end on any host; a client's stream does between its welcome and its loss.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others begin and end nothing that a lane shows")]
fn bits(event: &Event) -> u8 {
    match event {
        Event::ProcessBegan { .. } | Event::Started { .. } => BEGINS,
        Event::ProcessKilled
        | Event::ProgramFailed { .. }
        | Event::WatchdogTripped { .. }
        | Event::LetGo { .. }
        | Event::Ended { .. } => ENDS,
        _ => 0,
    }
}

/// The kinds by number, in the order of the script's legend.
fn code(kind: MarkKind) -> u8 {
    match kind {
        MarkKind::Frame => 0,
        MarkKind::Beat => 1,
        MarkKind::Link => 2,
        MarkKind::Belief => 3,
        MarkKind::Delivery => 4,
        MarkKind::Publish => 5,
        MarkKind::Store => 6,
        MarkKind::Life => 7,
        MarkKind::Other => 8,
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a trial is shorter than 584 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_trial_the_records_around_the_break_are_shown_or_the_last_ones() {
        assert_eq!(shown(10, None), 0..10);
        assert_eq!(shown(10, Some(3)), 0..10);
        assert_eq!(shown(250_000, None), 150_000..250_000);
        assert_eq!(shown(250_000, Some(5)), 0..100_000);
        assert_eq!(shown(250_000, Some(150_000)), 60_000..160_000);
        assert_eq!(shown(250_000, Some(249_999)), 150_000..250_000);
    }
}
