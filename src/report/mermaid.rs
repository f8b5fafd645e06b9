//! A trial as a Mermaid sequence diagram for a bug report: what happened around the break, in some forty lines.
//!
//! Refuses to know how it is drawn, and tells no more than a reader of a bug report reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use crate::checker::{Evidence, Verdict};
use crate::grammar::Readable;
use crate::history::Event;
use crate::report::chart::{Chart, ChartMark, MarkKind};
use crate::report::harmless::harmless;
use crate::report::head::ReportHead;
use crate::trial::Outcome;

/// A longer diagram does not fit a screen. With the hosts and the head it stays within sixty lines.
const LINES_MAX: usize = 40;
/// More hosts are not told apart on a screen.
const HOSTS_MAX: usize = 12;
/// Longer words are cut: an arrow is as long as its words.
const LETTERS_MAX: usize = 90;
/// So many arrows between two that are alike are counted.
const ALIKE_MIN: usize = 2;
/// Text takes every line.
const INFALLIBLE: &str = "a string takes all";

/// The sequence diagram of a trial.
#[must_use]
pub fn mermaid(outcome: &Outcome, head: &ReportHead) -> String {
    let chart = Chart::of(outcome);
    let mut told = choose(outcome, &chart);
    let lanes = shown_lanes(&chart, &told);
    told.retain(|line| line.lanes().iter().all(|lane| lanes.contains(lane)));
    let mut text = String::new();
    write_diagram(&mut text, outcome, head, &chart, &lanes, &told).expect(INFALLIBLE);
    text
}

/// One line of the diagram.
enum DiagramLine<'c, 'o> {
    /// An arrow, or a note over one host.
    Mark(&'c ChartMark<'o>),
    /// So many more arrows like the one before.
    More { over: (usize, usize), text: String },
    /// A fault begins or ends, over the hosts that it harms.
    Fault { lanes: &'c [usize], text: String },
    /// A judge saw the promise broken.
    Broke { lane: Option<usize>, text: String },
}

impl DiagramLine<'_, '_> {
    /// The lanes without which it cannot be drawn.
    fn lanes(&self) -> Vec<usize> {
        match self {
            DiagramLine::Mark(mark) if mark.path.len() > 1 => {
                [mark.path.first(), mark.path.last()].into_iter().flatten().copied().collect()
            }
            DiagramLine::Mark(mark) => vec![mark.lane],
            DiagramLine::More { over, .. } => vec![over.0, over.1],
            DiagramLine::Fault { .. } => Vec::new(),
            DiagramLine::Broke { lane, .. } => lane.iter().copied().collect(),
        }
    }
}

/// A line that may be told: the smaller its rank, the sooner, and among equals what is nearer to the break.
struct Candidate<'c, 'o> {
    rank: u8,
    at: Duration,
    line: DiagramLine<'c, 'o>,
}

/// What is told, in the order of time.
fn choose<'c, 'o>(outcome: &'o Outcome, chart: &'c Chart<'o>) -> Vec<DiagramLine<'c, 'o>> {
    let broken = first_failure(outcome);
    let focus = broken.map(|(_, evidence)| evidence.host.as_str());
    let near = broken.map_or(chart.end / 2, |(_, evidence)| evidence.at);
    let proof: BTreeSet<usize> = broken.iter().flat_map(|(_, evidence)| evidence.records.iter().copied()).collect();
    let mut candidates: Vec<Candidate<'c, 'o>> = Vec::new();
    for window in &chart.windows {
        let rank = if window.felt { 0 } else { 4 };
        let (number, fault) = (window.clause.number, &window.clause.fault);
        let mut fault_line =
            |at, text| candidates.push(Candidate { rank, at, line: DiagramLine::Fault { lanes: &window.lanes, text } });
        fault_line(window.clause.at, format!("{} fault {number}: {fault}", Readable(window.clause.at)));
        fault_line(window.until, format!("{} fault {number} ends", Readable(window.until)));
    }
    for (index, mark) in chart.marks.iter().enumerate().filter(|(_, mark)| mark.lane > 0) {
        let is_focus = focus.is_none_or(|host| &*mark.record.host == host);
        let rank = if proof.contains(&index) { 0 } else { rank(mark, is_focus) };
        candidates.push(Candidate { rank, at: mark.record.at, line: DiagramLine::Mark(mark) });
    }
    if let Some((checker, evidence)) = broken {
        let lane = chart.lanes.iter().position(|host| **host == *evidence.host).filter(|lane| *lane > 0);
        let (at, what) = (Readable(evidence.at), &evidence.what);
        let text = format!("{at} {checker} fails ({}): {what}", evidence.requirement);
        candidates.push(Candidate { rank: 0, at: evidence.at, line: DiagramLine::Broke { lane, text } });
    }
    candidates.sort_by_key(|candidate| (candidate.rank, candidate.at.abs_diff(near)));
    candidates.truncate(LINES_MAX);
    candidates.sort_by_key(|candidate| candidate.at);
    fold(candidates.into_iter().map(|candidate| candidate.line).collect())
}

/// The same arrow again and again is told by its first, its last, and how many there are between them.
fn fold<'c, 'o>(lines: Vec<DiagramLine<'c, 'o>>) -> Vec<DiagramLine<'c, 'o>> {
    let alike = |one: &DiagramLine<'c, 'o>, other: &DiagramLine<'c, 'o>| match (one, other) {
        (DiagramLine::Mark(one), DiagramLine::Mark(other)) => {
            one.path.len() > 1 && (&one.path, one.swallowed, one.kind) == (&other.path, other.swallowed, other.kind)
        }
        (
            DiagramLine::Mark(_) | DiagramLine::More { .. } | DiagramLine::Fault { .. } | DiagramLine::Broke { .. },
            _,
        ) => false,
    };
    let mut folded: Vec<DiagramLine<'c, 'o>> = Vec::new();
    let mut run: Vec<DiagramLine<'c, 'o>> = Vec::new();
    for line in lines {
        if run.last().is_some_and(|last| !alike(last, &line)) {
            end_run(&mut folded, &mut run);
        }
        run.push(line);
    }
    end_run(&mut folded, &mut run);
    folded
}

/// Moves a run of arrows that are alike to the lines, shortened.
fn end_run<'c, 'o>(folded: &mut Vec<DiagramLine<'c, 'o>>, run: &mut Vec<DiagramLine<'c, 'o>>) {
    let more = run.len().saturating_sub(2);
    if more < ALIKE_MIN {
        return folded.append(run);
    }
    let lanes = run.first().map(DiagramLine::lanes).unwrap_or_default();
    let over = (lanes.iter().min().copied(), lanes.iter().max().copied());
    let last = run.pop();
    folded.extend(run.drain(..).next());
    if let (Some(one), Some(other)) = over {
        folded.push(DiagramLine::More { over: (one, other), text: format!("{more} more such frames") });
    }
    folded.extend(last);
}

/// The failure that was seen first.
fn first_failure(outcome: &Outcome) -> Option<(&str, &Evidence)> {
    let failures = outcome.judgements.iter().filter_map(|judgement| match &judgement.verdict {
        Verdict::Fail(evidence) => Some((judgement.checker.as_str(), evidence)),
        Verdict::Pass { .. } | Verdict::Unknown { .. } => None,
    });
    failures.min_by_key(|(_, evidence)| evidence.at)
}

fn rank(mark: &ChartMark<'_>, is_focus: bool) -> u8 {
    let is_start = matches!(mark.record.event, Event::ProcessBegan { incarnation: 1 });
    match (mark.kind, is_focus) {
        (MarkKind::Belief, true) => 1,
        (MarkKind::Link, true) | (MarkKind::Life, _) if !is_start => 2,
        (MarkKind::Frame | MarkKind::Delivery, true) => 3,
        (MarkKind::Beat, true) => 4,
        (MarkKind::Belief, false) => 5,
        (MarkKind::Link | MarkKind::Frame | MarkKind::Delivery | MarkKind::Store, _) => 6,
        (MarkKind::Beat | MarkKind::Publish | MarkKind::Life | MarkKind::Other, _) => 7,
    }
}

/// The lanes of what is told, those that are told most of first where there are too many.
fn shown_lanes(chart: &Chart<'_>, told: &[DiagramLine<'_, '_>]) -> BTreeSet<usize> {
    let mut times: BTreeMap<usize, usize> = BTreeMap::new();
    for lane in told.iter().flat_map(DiagramLine::lanes) {
        *times.entry(lane).or_default() += 1;
    }
    let mut lanes: Vec<usize> = times.keys().copied().collect();
    lanes.sort_by_key(|lane| (std::cmp::Reverse(times[lane]), *lane));
    lanes.truncate(HOSTS_MAX);
    if lanes.is_empty() {
        lanes.extend((1..chart.lanes.len()).take(HOSTS_MAX));
    }
    lanes.into_iter().collect()
}

fn write_diagram(
    text: &mut String,
    outcome: &Outcome,
    head: &ReportHead,
    chart: &Chart<'_>,
    lanes: &BTreeSet<usize>,
    told: &[DiagramLine<'_, '_>],
) -> std::fmt::Result {
    writeln!(text, "%% {}, seed {}: {}", harmless(&outcome.sim.name), outcome.seed, harmless(&head.again))?;
    if let Some(caveat) = &head.caveat {
        writeln!(text, "%% {}", harmless(caveat))?;
    }
    writeln!(text, "sequenceDiagram")?;
    for lane in lanes {
        writeln!(text, "    participant h{lane} as {}", words(&chart.lanes[*lane]))?;
    }
    let whole = || Some((*lanes.first()?, *lanes.last()?));
    for line in told {
        match line {
            DiagramLine::Mark(mark) => write_mark(text, mark)?,
            DiagramLine::More { over, text: said } => write_note(text, Some(*over), said)?,
            DiagramLine::Fault { lanes: harmed, text: said } => {
                let shown: Vec<usize> = harmed.iter().copied().filter(|lane| lanes.contains(lane)).collect();
                write_note(text, span(&shown).or_else(whole), said)?;
            }
            DiagramLine::Broke { lane, text: said } => {
                let over = lane.map(|lane| (lane, lane));
                write_note(text, over.or_else(whole), said)?;
            }
        }
    }
    Ok(())
}

/// The outermost of some lanes.
fn span(lanes: &[usize]) -> Option<(usize, usize)> {
    Some((*lanes.first()?, *lanes.last()?))
}

fn write_note(text: &mut String, over: Option<(usize, usize)>, said: &str) -> std::fmt::Result {
    match over {
        Some((one, other)) if one != other => writeln!(text, "    Note over h{one},h{other}: {}", words(said)),
        Some((one, _)) => writeln!(text, "    Note over h{one}: {}", words(said)),
        None => Ok(()),
    }
}

fn write_mark(text: &mut String, mark: &ChartMark<'_>) -> std::fmt::Result {
    let record = mark.record;
    let run = if record.count > 1 { format!(" ({} times)", record.count) } else { String::new() };
    let said = format!("{} {}{run}", Readable(record.at), record.event);
    match (mark.path.first(), mark.path.last()) {
        (Some(from), Some(to)) if from != to => {
            let arrow = if mark.swallowed { "--x" } else { "->>" };
            writeln!(text, "    h{from}{arrow}h{to}: {}", words(&said))
        }
        _ => writeln!(text, "    Note over h{}: {}", mark.lane, words(&said)),
    }
}

/// A text as the words of an arrow: cut, and without what ends a line, begins a comment or is an entity there.
fn words(text: &str) -> String {
    let text = harmless(text);
    let cut: String = match text.char_indices().nth(LETTERS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    };
    let mut escaped = String::with_capacity(cut.len());
    for word in cut.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let (letters, rest) = word.split_at(word.trim_end_matches(|letter: char| !letter.is_alphanumeric()).len());
        // Mermaid ends a block at this word, wherever it stands.
        if letters.eq_ignore_ascii_case("end") {
            write!(escaped, "#{};{}", u32::from(letters.as_bytes()[0]), &letters[1..]).expect(INFALLIBLE);
        } else {
            escaped.push_str(letters);
        }
        for letter in rest.chars() {
            match letter {
                '#' | ';' | '%' | '<' | '>' | '"' | '&' | '`' | '{' | '}' => {
                    write!(escaped, "#{};", u32::from(letter)).expect(INFALLIBLE);
                }
                other => escaped.push(other),
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_end_a_line_or_a_block() {
        assert_eq!(words("a; b #1 <i> %% \"x\"\n"), "a#59; b #35;1 #60;i#62; #37;#37; #34;x#34;\\u#123;a#125;");
        assert_eq!(words("the end. End, ends"), "the #101;nd. #69;nd, ends");
    }

    #[test]
    fn long_words_are_cut_between_letters() {
        let cut = words(&"é".repeat(200));
        assert_eq!(cut.chars().count(), LETTERS_MAX + 1);
        assert!(cut.ends_with('…'));
    }
}
