//! What the rows of a conformance suite found: a table for people, JSON for machines, and an exit code.
//!
//! Refuses to know whether a node or a client was judged.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::cli::Exit;
use crate::cli::arguments::Format;
use crate::cli::output::{paint, print};
use crate::grammar::{Readable, count};
use crate::report::Paint;
use crate::subject::xmtp::conformance::{RowReport, RowResult};

/// Prints the rows, with `json` for machines, and says what they are worth.
pub(crate) fn tell(judged: &str, rows: &[RowReport], json: &impl Serialize, format: Format) -> Exit {
    match format {
        Format::Text => print(&table(judged, rows, paint())),
        Format::Json => {
            let json = serde_json::to_string_pretty(json).expect("strings and numbers are JSON");
            print(&format!("{json}\n"));
        }
    }
    match rows.iter().map(|row| row.result).max() {
        Some(RowResult::Pass) => Exit::Pass,
        Some(RowResult::Violation) => Exit::Fail,
        Some(RowResult::NotJudged) | None => Exit::Unknown,
    }
}

/// A row each: its requirement, result, time and title, and below it what was seen.
fn table(judged: &str, rows: &[RowReport], paint: Paint) -> String {
    let mut text = String::new();
    for row in rows {
        let took = Readable(Duration::from_millis(row.took_ms)).to_string();
        let RowReport { requirement, title, evidence, .. } = row;
        let word = word(row.result);
        // Padded apart: a color has no width.
        let (painted, padding) = (paint.verdict(word), 9 - word.len());
        writeln!(text, "{requirement:<4}{painted}{:padding$}  {took:>9}  {title}\n{:26}{evidence}", "", "")
            .expect("a string takes everything");
    }
    writeln!(text, "\n{}", sum(judged, rows)).expect("a string takes everything");
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
fn sum(judged: &str, rows: &[RowReport]) -> String {
    let of = |result: RowResult| -> Vec<&RowReport> { rows.iter().filter(|row| row.result == result).collect() };
    let named = |rows: Vec<&RowReport>, what: &str| {
        let mut numbers: Vec<&str> = rows.iter().map(|row| row.requirement).collect();
        numbers.dedup();
        if rows.is_empty() { String::new() } else { format!(", {} {what} ({})", rows.len(), numbers.join(" ")) }
    };
    format!(
        "{}: {}: {} pass{}{}",
        judged,
        count(rows.len() as u64, "row"),
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
        let text = table("host:1", &rows, Paint::Plain);
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
