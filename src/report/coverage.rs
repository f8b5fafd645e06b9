//! What a night put to the test, and what of it never came, for a terminal, a page and Markdown.
//!
//! Refuses to know how it is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::campaign::{Coverage, NightReport};
use crate::grammar::quantity::count;
use crate::report::harmless::html;
use crate::report::ladder::{tally_head, tally_rows, write_tally};
use crate::report::paint::Paint;
use crate::report::wrap::hang;

/// So many names of what never came are told on a terminal.
const NAMES_SHOWN: usize = 12;
/// And so many in Markdown: pairs of faults can be hundreds.
const NAMES_IN_MARKDOWN: usize = 60;

/// One sort of thing that a night may show.
struct Sight<'c> {
    /// In the plural.
    what: &'static str,
    /// In how many trials each was seen.
    seen: BTreeMap<&'c str, u64>,
    never: &'c BTreeSet<String>,
}

impl Sight<'_> {
    fn told(&self) -> String {
        format!("{} of {} {}", self.seen.len(), self.seen.len() + self.never.len(), self.what)
    }

    /// The names of those that never came, as many as are wanted.
    fn never(&self, names_max: usize) -> String {
        let names: Vec<&str> = self.never.iter().take(names_max).map(String::as_str).collect();
        let more = self.never.len().saturating_sub(names_max);
        let more = if more > 0 { format!(", and {more} more in coverage.json") } else { String::new() };
        format!("{}{more}", names.join(", "))
    }
}

fn sights(coverage: &Coverage) -> [Sight<'_>; 4] {
    fn counted(counts: &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
        counts.iter().map(|(name, count)| (name.as_str(), *count)).collect()
    }
    let never = &coverage.never;
    let felt = coverage.faults.iter().filter(|(_, count)| count.felt > 0);
    let felt = felt.map(|(kind, count)| (kind.as_str(), count.felt)).collect();
    [
        Sight { what: "kinds of faults", seen: felt, never: &never.faults },
        Sight { what: "pairs of them", seen: counted(&coverage.pairs), never: &never.pairs },
        Sight { what: "milestones", seen: counted(&coverage.milestones), never: &never.milestones },
        Sight { what: "transitions", seen: counted(&coverage.transitions), never: &never.transitions },
    ]
}

/// A line on what was counted where that is not what was played; nothing where it is.
fn gap(night: &NightReport) -> Option<String> {
    let (counted, tally) = (night.coverage.trials, night.summary.tally);
    let ended = tally.pass + tally.fail + tally.unknown;
    let why = match counted.cmp(&ended) {
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Less => "the others were played by a version, or by a share, that did not count",
        std::cmp::Ordering::Greater => "trials that two shares had played are counted twice",
    };
    Some(format!("counted in {}, and {ended} were played: {why}", count(counted, "trial")))
}

/// For a terminal: who knew when, then how much was seen, and which faults did nothing.
pub(crate) fn write_coverage(text: &mut String, night: &NightReport, paint: Paint) -> std::fmt::Result {
    let coverage = &night.coverage;
    if coverage.trials == 0 {
        return Ok(());
    }
    if coverage.ladder.count() > 0 {
        text.push('\n');
        write_tally(text, &coverage.ladder, paint)?;
    }
    let sights = sights(coverage);
    let told: Vec<String> = sights.iter().map(Sight::told).collect();
    writeln!(text, "\n{}", hang("put to the test: ", &told.join(", "), 2))?;
    let [faults, ..] = &sights;
    if !faults.never.is_empty() {
        writeln!(text, "{}", hang("  never felt: ", &faults.never(NAMES_SHOWN), 4))?;
    }
    gap(night).map_or(Ok(()), |gap| writeln!(text, "{}", hang("  ", &gap, 2)))
}

/// For a step summary.
pub(crate) fn write_markdown(text: &mut String, night: &NightReport) -> std::fmt::Result {
    let coverage = &night.coverage;
    if coverage.trials == 0 {
        return Ok(());
    }
    if !tally_rows(&coverage.ladder).is_empty() {
        writeln!(text, "\n### Who knew when, of {}\n", count(coverage.ladder.count(), "dead stream"))?;
        writeln!(text, "| {} |\n|---|---:|---:|---:|---:|", tally_head().join(" | "))?;
        for row in tally_rows(&coverage.ladder) {
            writeln!(text, "| {} |", row.join(" | "))?;
        }
    }
    writeln!(text, "\n### Put to the test\n")?;
    for sight in sights(coverage) {
        let never = sight.never(NAMES_IN_MARKDOWN);
        let never = if never.is_empty() { String::new() } else { format!("; never: {never}") };
        writeln!(text, "- {}{never}", sight.told())?;
    }
    gap(night).map_or(Ok(()), |gap| writeln!(text, "\n{gap}."))
}

/// For the page of a night.
pub(crate) fn write_html(text: &mut String, night: &NightReport) -> std::fmt::Result {
    let coverage = &night.coverage;
    if coverage.trials == 0 {
        return Ok(());
    }
    if !tally_rows(&coverage.ladder).is_empty() {
        let windows = count(coverage.ladder.count(), "dead stream");
        writeln!(text, "<section aria-labelledby=\"ladder\">\n<h2 id=\"ladder\">Who knew when, of {windows}</h2>")?;
        text.push_str("<div class=\"wide\"><table>\n<thead><tr>");
        tally_head().iter().try_for_each(|head| write!(text, "<th>{}</th>", html(head)))?;
        text.push_str("</tr></thead>\n<tbody>\n");
        for [layer, rest @ ..] in tally_rows(&coverage.ladder) {
            write!(text, "<tr><th scope=\"row\">{}</th>", html(&layer))?;
            rest.iter().try_for_each(|cell| write!(text, "<td>{}</td>", html(cell)))?;
            text.push_str("</tr>\n");
        }
        text.push_str("</tbody>\n</table></div>\n</section>\n");
    }
    text.push_str("<section aria-labelledby=\"seen\">\n<h2 id=\"seen\">Put to the test</h2>\n");
    sights(coverage).iter().try_for_each(|sight| write_sight(text, sight))?;
    if let Some(gap) = gap(night) {
        writeln!(text, "<p class=\"facts\">{}.</p>", html(&gap))?;
    }
    text.push_str("</section>\n");
    Ok(())
}

/// One sort, folded: what never came in front, then what was seen, the rarest first.
fn write_sight(text: &mut String, sight: &Sight<'_>) -> std::fmt::Result {
    writeln!(text, "<details>\n<summary>{}</summary>", html(&sight.told()))?;
    if !sight.never.is_empty() {
        writeln!(text, "<p class=\"never\"><b>Never</b> {}</p>", html(&sight.never(usize::MAX)))?;
    }
    let mut seen: Vec<(&&str, &u64)> = sight.seen.iter().collect();
    seen.sort_by_key(|(name, count)| (**count, **name));
    let seen: Vec<String> = seen.iter().map(|(name, count)| format!("<b>{}</b>&nbsp;{count}", html(name))).collect();
    if !seen.is_empty() {
        writeln!(text, "<p class=\"seeds\">{}</p>", seen.join(" · "))?;
    }
    text.push_str("</details>\n");
    Ok(())
}
