//! `pulseless conform`: judges a node on real TCP by the rows of the conformance suite, and prints a table.
//!
//! Refuses to know what a row does: the suite does.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::Exit;
use crate::cli::arguments::{ConformArguments, Format};
use crate::cli::foreground::{Ended, run};
use crate::cli::output::{complain, paint, print};
use crate::grammar::{Readable, count};
use crate::os::Os;
use crate::report::Paint;
use crate::subject::xmtp::conformance::{self, ConformSettings, Conformance, RowReport, RowResult};

pub(crate) fn conform(arguments: &ConformArguments) -> Exit {
    let ConformArguments { node, only, interval, patience, bounds, refused_topic, format } = arguments;
    let settings = ConformSettings {
        interval: *interval,
        patience: *patience,
        bounds: bounds.clone(),
        refused_topic: refused_topic.as_ref().map(|topic| topic.bytes().to_vec()),
        ..ConformSettings::new(node.clone())
    };
    let judging = async {
        let begun = |rows, interval| complain(&announce(rows, interval));
        match conformance::conform(Arc::new(Os::default()), settings, only, begun).await {
            Ok(judged) => tell(&judged, *format),
            Err(error) => {
                complain(&format!("failed to {error}"));
                Exit::Unknown
            }
        }
    };
    match run(judging) {
        Ended::Alone(exit) => exit,
        Ended::Interrupted => {
            complain("interrupted: nothing is known of the node");
            Exit::Unknown
        }
    }
}

fn announce(rows: usize, interval: Option<Duration>) -> String {
    let rows = count(rows as u64, "row");
    match interval {
        Some(interval) => format!(
            "judging by {rows}; those that wait for the node's interval take a few times {}",
            Readable(interval)
        ),
        None => format!("judging by {rows}; the node advertises no interval: see --interval"),
    }
}

fn tell(judged: &Conformance, format: Format) -> Exit {
    match format {
        Format::Text => print(&table(judged, paint())),
        Format::Json => {
            let json = serde_json::to_string_pretty(judged).expect("strings and numbers are JSON");
            print(&format!("{json}\n"));
        }
    }
    match judged.worst() {
        Some(RowResult::Pass) => Exit::Pass,
        Some(RowResult::Violation) => Exit::Fail,
        Some(RowResult::NotJudged) | None => Exit::Unknown,
    }
}

/// A row each: its requirement, result, time and title, and below it what was seen.
fn table(judged: &Conformance, paint: Paint) -> String {
    let mut text = String::new();
    for row in &judged.rows {
        let took = Readable(Duration::from_millis(row.took_ms)).to_string();
        let RowReport { requirement, title, evidence, .. } = row;
        let word = word(row.result);
        // Padded apart: a color has no width.
        let (painted, padding) = (paint.verdict(word), 9 - word.len());
        writeln!(text, "{requirement:<4}{painted}{:padding$}  {took:>9}  {title}\n{:26}{evidence}", "", "")
            .expect("a string takes everything");
    }
    writeln!(text, "\n{}", sum(judged)).expect("a string takes everything");
    text
}

fn word(result: RowResult) -> &'static str {
    match result {
        RowResult::Pass => "pass",
        RowResult::NotJudged => "unknown",
        RowResult::Violation => "fail",
    }
}

/// What a tired reader needs: how many of what, and which.
fn sum(judged: &Conformance) -> String {
    let of = |result: RowResult| -> Vec<&RowReport> { judged.rows.iter().filter(|row| row.result == result).collect() };
    let named = |rows: Vec<&RowReport>, what: &str| {
        let mut numbers: Vec<&str> = rows.iter().map(|row| row.requirement).collect();
        numbers.dedup();
        if rows.is_empty() { String::new() } else { format!(", {} {what} ({})", rows.len(), numbers.join(" ")) }
    };
    format!(
        "{}: {}: {} pass{}{}",
        judged.node,
        count(judged.rows.len() as u64, "row"),
        of(RowResult::Pass).len(),
        named(of(RowResult::Violation), "violated"),
        named(of(RowResult::NotJudged), "not judged")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(requirement: &'static str, result: RowResult) -> RowReport {
        RowReport { requirement, title: "a title", result, evidence: "what was seen".into(), took_ms: 1_500 }
    }

    #[test]
    fn the_table_names_each_row_and_the_last_line_those_that_matter() {
        let rows = vec![row("T1", RowResult::Pass), row("S8", RowResult::NotJudged), row("T9", RowResult::Violation)];
        let judged = Conformance { node: "host:1".into(), interval_ms: Some(30_000), rows };
        let text = table(&judged, Paint::Plain);
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "T1  pass            1.5s  a title",
                "                          what was seen",
                "S8  unknown         1.5s  a title",
                "                          what was seen",
                "T9  fail            1.5s  a title",
                "                          what was seen",
                "",
                "host:1: 3 rows: 1 pass, 1 violated (T9), 1 not judged (S8)",
            ]
        );
    }
}
