//! A night as Markdown, for a step summary or a message, and as GitHub's annotations.
//!
//! Refuses to know where the report is; it is told its folder.

use std::fmt::Write;

use crate::campaign::{FailureGroup, NightReport};
use crate::grammar::quantity::count;
use crate::report::campaign::{
    NO_NIGHT_BEFORE, describe_cause, percent, reproduce_line, small_lines, stopped_in_words, tell_age,
};
use crate::report::coverage;
use crate::report::paint::Paint;

/// GitHub takes a step summary of 1 MiB, and drops a longer one whole (workflow commands, "Job summaries").
const BYTES_MAX: usize = 1 << 20;
/// GitHub shows 10 annotations of a kind for each step (workflow commands, "Annotation limits").
const ANNOTATIONS_MAX: usize = 10;
/// Seeds of a sim that are told.
const SEEDS_SHOWN: usize = 200;
/// `write!` into a string.
const INFALLIBLE: &str = "a string takes all";

/// The summary of a night whose report is in `folder`: what broke, since when, why, and the line that plays it again.
#[must_use]
pub fn markdown(night: &NightReport, folder: &str) -> String {
    let mut text = String::new();
    write_head(&mut text, night).expect(INFALLIBLE);
    let mut left_out = 0;
    for group in &night.summary.groups {
        let section = section(group, night, folder);
        // Room for the end.
        if text.len() + section.len() > BYTES_MAX - BYTES_MAX / 16 {
            left_out += 1;
            continue;
        }
        text.push_str(&section);
    }
    if left_out > 0 {
        writeln!(text, "\n{} more in `{folder}/summary.json`.", count(left_out, "group")).expect(INFALLIBLE);
    }
    write_end(&mut text, night).expect(INFALLIBLE);
    text
}

fn write_head(text: &mut String, night: &NightReport) -> std::fmt::Result {
    let (summary, nights) = (&night.summary, &night.nights);
    let tally = summary.tally;
    let verdict = match tally.bad() {
        0 if tally.pass == 0 => "nothing was played".to_owned(),
        0 => format!("all {} pass", count(tally.pass, "trial")),
        bad => {
            let groups = count(summary.groups.len() as u64, "group");
            format!("{bad} of {} did not pass, in {groups}", count(tally.played(), "trial"))
        }
    };
    writeln!(text, "## pulseless: {verdict}\n")?;
    let seeds = match summary.complete_to {
        Some(last) => format!("{} with seeds {} to {last}", count(summary.sims.len() as u64, "sim"), summary.from),
        None => format!("not every sim, from seed {} on", summary.from),
    };
    let stopped = summary.stopped.map(|stopped| format!("; {}", stopped_in_words(stopped))).unwrap_or_default();
    writeln!(text, "{}: {seeds}{stopped}.", nights.date)?;
    if nights.against.is_none() {
        writeln!(text, "{NO_NIGHT_BEFORE}")?;
    }
    if let (Some(folder), Some(date)) = (&nights.against, &nights.against_date) {
        let new = nights.count_new(summary);
        writeln!(
            text,
            "Against `{folder}` of {date}: {new} new, {} ongoing, {} resolved.",
            nights.ongoing().len(),
            nights.resolved.len()
        )?;
    }
    Ok(())
}

fn section(group: &FailureGroup, night: &NightReport, folder: &str) -> String {
    let mut text = String::new();
    let (cause, age) = (describe_cause(group), tell_age(group, &night.nights));
    writeln!(text, "\n### `{}` {}: {}, {age}\n", group.id, escape(&cause), count(group.count, "trial"))
        .expect(INFALLIBLE);
    writeln!(text, "{}\n", escape(&group.why)).expect(INFALLIBLE);
    for (sim, seeds) in &group.sims {
        writeln!(text, "- {} seeds {}", escape(sim), seeds.shown(SEEDS_SHOWN)).expect(INFALLIBLE);
    }
    for line in small_lines(group, Paint::Plain) {
        writeln!(text, "- {}", escape(&line)).expect(INFALLIBLE);
    }
    if let Some(line) = reproduce_line(group, folder) {
        writeln!(text, "\n```sh\n{line}\n```").expect(INFALLIBLE);
    }
    text
}

fn write_end(text: &mut String, night: &NightReport) -> std::fmt::Result {
    let (summary, nights) = (&night.summary, &night.nights);
    for (title, gone) in [("Resolved", &nights.resolved), ("Not played, so nobody knows", &nights.not_played)] {
        if gone.is_empty() {
            continue;
        }
        writeln!(text, "\n### {title}\n")?;
        for group in gone {
            let what = escape(&format!("{} {}", group.cause.checker, group.cause.requirement));
            writeln!(text, "- `{}` {}: none in {}", group.id, what.trim(), count(group.trials, "trial"))?;
        }
    }
    coverage::write_markdown(text, night)?;
    writeln!(
        text,
        "\n### Every sim\n\n| sim | pass | fail | unknown | broken | if none: fewer than (95 % sure) |\n|---|---:|---:|---:|---:|---:|"
    )?;
    for (sim, tally) in &summary.sims {
        let bound = tally.bound_percent().map_or("-".to_owned(), percent);
        let row = format!(
            "| {} | {} | {} | {} | {} | {bound} |\n",
            escape(sim),
            tally.pass,
            tally.fail,
            tally.unknown,
            tally.broken
        );
        if text.len() + row.len() > BYTES_MAX {
            break;
        }
        text.push_str(&row);
    }
    Ok(())
}

/// A text that Markdown takes for nothing but text.
fn escape(text: &str) -> String {
    let special = |letter: char| "\\`*_{}[]<>#|~".contains(letter);
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_control() => escaped.push(' '),
            letter if special(letter) => escaped.extend(['\\', letter]),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// GitHub's workflow commands: an annotation for each of the first groups, new ones in front.
#[must_use]
pub fn github(night: &NightReport, folder: &str) -> String {
    let mut groups: Vec<&FailureGroup> = night.summary.groups.iter().collect();
    groups.sort_by_key(|group| !night.nights.is_new(group));
    let mut text = String::new();
    let cut = groups.len() > ANNOTATIONS_MAX;
    let shown = if cut { ANNOTATIONS_MAX - 1 } else { groups.len() };
    for group in &groups[..shown] {
        let title = format!("{} {}", group.id, describe_cause(group));
        let line = reproduce_line(group, folder).map(|line| format!("\n{line}")).unwrap_or_default();
        let message =
            format!("{}, {}\n{}{line}", count(group.count, "trial"), tell_age(group, &night.nights), group.why);
        writeln!(text, "::error title={}::{}", property(&title), data(&message)).expect(INFALLIBLE);
    }
    if cut {
        let more = count((groups.len() - shown) as u64, "more group");
        writeln!(text, "::error title=pulseless::{}", data(&format!("{more} in {folder}/summary.json")))
            .expect(INFALLIBLE);
    }
    text
}

/// What stands behind `::` (workflow commands; actions/toolkit, command.ts).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What stands in a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
