//! A night as a page: what broke, since when, why, the line that plays it again, and what was played.
//!
//! Refuses to play anything: it needs no script but those of the timelines that it is handed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use crate::campaign::{FailureGroup, NightReport, Resolved};
use crate::grammar::Readable;
use crate::grammar::quantity::count;
use crate::report::campaign::{
    NO_NIGHT_BEFORE, describe_cause, percent, reproduce_line, small_lines, stopped_in_words, tell_age,
};
use crate::report::coverage;
use crate::report::harmless::{html, page_as_attribute};
use crate::report::html::frame;
use crate::report::paint::Paint;

pub(super) const NIGHT_STYLE: &str = include_str!("night.css");
/// Seeds of a sim that are shown at once.
const SEEDS_SHOWN: usize = 300;

/// The page of a night whose report is in `folder`, with the pages of its groups' smallest cases, by the groups' ids.
#[must_use]
pub fn night_page(night: &NightReport, folder: &str, timelines: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    write_page(&mut text, night, folder, timelines).expect("a string takes all");
    text
}

fn write_page(
    text: &mut String,
    night: &NightReport,
    folder: &str,
    timelines: &BTreeMap<String, String>,
) -> std::fmt::Result {
    let (word, sentence) = verdict(night);
    text.push_str(&frame::begin(&format!("{word}: {sentence}"), NIGHT_STYLE, &format!("night is-{word}")));
    write!(
        text,
        "<header>\n<div class=\"bar\"><span class=\"brand\">pulseless</span></div>\n\
         <p class=\"eyebrow\"><span class=\"badge {word}\">{word}</span> <span>{}</span> <span>{}</span></p>\n\
         <h1>{}</h1>\n",
        html(&night.nights.date),
        html(folder),
        html(&sentence)
    )?;
    write_facts(text, night)?;
    text.push_str("</header>\n<main>\n");
    if !night.summary.groups.is_empty() {
        text.push_str("<section aria-labelledby=\"groups\">\n<h2 id=\"groups\">What did not pass</h2>\n");
        for group in &night.summary.groups {
            let timeline = timelines.get(&group.id).map(String::as_str);
            write_group(text, group, night, folder, timeline)?;
        }
        text.push_str("</section>\n");
    }
    write_sims(text, night)?;
    write_gone(text, "Resolved since the night before", &night.nights.resolved)?;
    write_gone(text, "Not played, so nobody knows", &night.nights.not_played)?;
    coverage::write_html(text, night)?;
    writeln!(text, "</main>\n<footer>pulseless {}</footer>\n</body>\n</html>", html(&night.summary.pulseless))
}

/// One word for the night, and one sentence.
fn verdict(night: &NightReport) -> (&'static str, String) {
    let tally = night.summary.tally;
    match tally.bad() {
        0 if tally.pass == 0 => ("unknown", "Nothing was played".to_owned()),
        0 => ("pass", format!("All {} pass", count(tally.pass, "trial"))),
        bad => {
            let word = if tally.fail + tally.broken > 0 { "fail" } else { "unknown" };
            let groups = count(night.summary.groups.len() as u64, "group");
            (word, format!("{bad} of {} did not pass, in {groups}", count(tally.played(), "trial")))
        }
    }
}

fn write_facts(text: &mut String, night: &NightReport) -> std::fmt::Result {
    let (summary, nights, times) = (&night.summary, &night.nights, &night.times);
    let seeds = match summary.complete_to {
        Some(last) => format!("{} with seeds {} to {last}", count(summary.sims.len() as u64, "sim"), summary.from),
        None => format!("from seed {} on, not every sim", summary.from),
    };
    let stopped = summary.stopped.map(|stopped| format!("; {}", stopped_in_words(stopped))).unwrap_or_default();
    writeln!(
        text,
        "<p class=\"conclusion\">{}: {} in {}.</p>",
        html(&format!("{seeds}{stopped}")),
        count(summary.tally.trials(), "trial"),
        Readable(Duration::try_from_secs_f64(times.seconds.round()).unwrap_or_default())
    )?;
    if nights.against.is_none() {
        writeln!(text, "<p class=\"facts\">{NO_NIGHT_BEFORE}</p>")?;
    }
    if let (Some(folder), Some(date)) = (&nights.against, &nights.against_date) {
        let new = nights.count_new(summary);
        let told = format!(
            "Against {folder} of {date}: {new} new, {} ongoing, {} resolved.",
            nights.ongoing().len(),
            nights.resolved.len()
        );
        writeln!(text, "<p class=\"facts\">{}</p>", html(&told))?;
    }
    Ok(())
}

fn write_group(
    text: &mut String,
    group: &FailureGroup,
    night: &NightReport,
    folder: &str,
    timeline: Option<&str>,
) -> std::fmt::Result {
    let age = tell_age(group, &night.nights);
    let is_new = if night.nights.is_new(group) { " is-new" } else { "" };
    write!(
        text,
        "<article id=\"{id}\">\n<h3><span class=\"badge {word}\">{word}</span> {}</h3>\n\
         <p class=\"facts\"><code>{id}</code> · {} · <span class=\"age{is_new}\">{}</span></p>\n<p>{}</p>\n<ul class=\"seeds\">\n",
        html(&describe_cause(group)),
        count(group.count, "trial"),
        html(&age),
        html(&group.why),
        id = html(&group.id),
        word = html(&group.ended),
    )?;
    for (sim, seeds) in &group.sims {
        let shown = seeds.shown(SEEDS_SHOWN).replace(',', ", ");
        writeln!(text, "<li><b>{}</b> seeds {}</li>", html(sim), html(&shown))?;
    }
    text.push_str("</ul>\n");
    write_small(text, group)?;
    if let Some(line) = reproduce_line(group, folder) {
        writeln!(text, "<div class=\"again\"><span>Play it again</span><code>{}</code></div>", html(&line))?;
    }
    if let Some(page) = timeline {
        writeln!(
            text,
            "<details class=\"timeline\">\n<summary>Its timeline</summary>\n<iframe title=\"Timeline of {}\" loading=\"lazy\" \
             srcdoc=\"{}\"></iframe>\n</details>",
            html(&group.id),
            page_as_attribute(page)
        )?;
    }
    text.push_str("</article>\n");
    Ok(())
}

/// What is left of its smallest case.
fn write_small(text: &mut String, group: &FailureGroup) -> std::fmt::Result {
    let lines = small_lines(group, Paint::Plain);
    if lines.is_empty() {
        return Ok(());
    }
    let lines: String = lines.iter().map(|line| format!("<li>{}</li>", html(line))).collect();
    writeln!(text, "<ul class=\"small\">{lines}</ul>")
}

fn write_gone(text: &mut String, title: &str, gone: &[Resolved]) -> std::fmt::Result {
    if gone.is_empty() {
        return Ok(());
    }
    writeln!(text, "<section>\n<h2>{title}</h2>\n<ul class=\"seeds\">")?;
    for group in gone {
        let what = format!("{} {}", group.cause.checker, group.cause.requirement);
        let trials = count(group.trials, "trial");
        writeln!(text, "<li><code>{}</code> {}: none in {trials}</li>", html(&group.id), html(what.trim()))?;
    }
    text.push_str("</ul>\n</section>\n");
    Ok(())
}

fn write_sims(text: &mut String, night: &NightReport) -> std::fmt::Result {
    text.push_str(
        "<section aria-labelledby=\"sims\">\n<h2 id=\"sims\">Every sim</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>sim</th>\
         <th>pass</th><th>fail</th><th>unknown</th><th>broken</th><th><abbr title=\"None of N failed: fewer than 3/N do, with \
         95 % confidence\">if none: fewer than (95 % sure)</abbr></th></tr></thead>\n<tbody>\n",
    );
    let mut sims: Vec<_> = night.summary.sims.iter().collect();
    sims.sort_by_key(|(_, tally)| tally.bad() == 0);
    for (sim, tally) in sims {
        let bound = tally.bound_percent().map_or("-".to_owned(), percent);
        writeln!(
            text,
            "<tr{}><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{bound}</td></tr>",
            if tally.bad() > 0 { " class=\"is-bad\"" } else { "" },
            html(sim),
            tally.pass,
            tally.fail,
            tally.unknown,
            tally.broken
        )?;
    }
    text.push_str("</tbody>\n</table></div>\n</section>\n");
    Ok(())
}
