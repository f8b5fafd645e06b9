//! The page: what broke, how to see it again, the timeline, the story and the verdicts.
//!
//! Refuses to know what the script does with the data: without it, all but the timeline is there.

use std::fmt::Write;

use crate::checker::{Judgement, Verdict};
use crate::grammar::{Naming, Readable, count};
use crate::report::chart::Chart;
use crate::report::harmless::html;
use crate::report::head::ReportHead;
use crate::report::html::data::{RECORDS_MAX, data};
use crate::report::html::frame;
use crate::report::story;
use crate::trial::{Conclusion, Outcome};

const SCRIPT: &str = include_str!("timeline.js");
/// Text takes every line.
const INFALLIBLE: &str = "a string takes all";

/// The page of a trial.
#[must_use]
pub fn page(outcome: &Outcome, head: &ReportHead) -> String {
    let mut text = String::new();
    write_page(&mut text, outcome, head).expect(INFALLIBLE);
    text
}

fn write_page(text: &mut String, outcome: &Outcome, head: &ReportHead) -> std::fmt::Result {
    let sim = &outcome.sim;
    let word = outcome.conclusion.word();
    let title = format!("{word}: {} seed {}", sim.name, outcome.seed);
    text.push_str(&frame::begin(&title, "", &format!("is-{word}")));
    write_head(text, outcome, head)?;
    text.push_str("<main>\n");
    let chart = Chart::of(outcome);
    write_timeline(text, &chart)?;
    text.push_str("<div class=\"columns\">\n");
    write_story(text, outcome)?;
    write_verdicts(text, outcome)?;
    text.push_str("</div>\n</main>\n");
    write!(
        text,
        "<footer>pulseless {} · digest <code>{}</code> · {}</footer>\n\
         <script id=\"data\" type=\"application/json\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        outcome.digest(),
        count(outcome.history.events(), "event"),
        data(outcome, &chart),
    )
}

fn write_head(text: &mut String, outcome: &Outcome, head: &ReportHead) -> std::fmt::Result {
    let sim = &outcome.sim;
    let (word, sentence) = match &outcome.conclusion {
        Conclusion::Pass => ("pass", "The promise was kept.".to_owned()),
        Conclusion::Fail(why) => ("fail", why.clone()),
        Conclusion::Unknown(why) => ("unknown", why.clone()),
    };
    let cast = sim.setup.counts().into_iter().map(|(number, noun)| count(number, &noun)).collect::<Vec<_>>();
    write!(
        text,
        "<header>\n<div class=\"bar\"><span class=\"brand\">pulseless</span>\
         <button id=\"theme\" type=\"button\" aria-label=\"Switch between light and dark\">Theme</button></div>\n\
         <p class=\"eyebrow\"><span class=\"badge {word}\">{word}</span> <span>{}</span> <span>seed <b>{}</b></span></p>\n\
         <h1>{}</h1>\n<p class=\"conclusion\">{}</p>\n<p class=\"facts\">{}, {} simulated on {}",
        html(&sim.name),
        outcome.seed,
        html(&sim.title),
        html(&sentence),
        html(&cast.join(", ")),
        Readable(sim.duration),
        outcome.engine,
    )?;
    for (nth, requirement) in sim.cites.iter().enumerate() {
        let before = if nth == 0 { " · about " } else { " " };
        write!(text, "{before}<abbr title=\"{}\">{}</abbr>", html(requirement.sentence), html(requirement.number))?;
    }
    if let Some(caveat) = &head.caveat {
        write!(text, "</p>\n<p class=\"caveat\" role=\"note\">{}", html(caveat))?;
    }
    write!(
        text,
        "</p>\n<div class=\"again\"><span id=\"again-label\">Play it again</span>\
         <code id=\"again\" aria-labelledby=\"again-label\">{}</code>\
         <button id=\"copy\" type=\"button\">Copy</button></div>\n</header>\n",
        html(&head.again)
    )
}

fn write_timeline(text: &mut String, chart: &Chart<'_>) -> std::fmt::Result {
    text.push_str(TIMELINE);
    if chart.marks.len() > RECORDS_MAX {
        writeln!(
            text,
            "<p class=\"note\">Of {} records the timeline shows {RECORDS_MAX}: those around the break, or the last ones. \
             <code>pulseless run --verbose</code> has all.</p>",
            chart.marks.len()
        )?;
    }
    text.push_str("</section>\n");
    Ok(())
}

/// What the script fills. Without it, a sentence says what is missing.
const TIMELINE: &str = "<section class=\"timeline\" aria-labelledby=\"timeline-title\">\n\
    <div class=\"section-head\"><h2 id=\"timeline-title\">Timeline</h2><p id=\"view\" role=\"status\"></p></div>\n\
    <noscript><p class=\"note\">The timeline is drawn by a script, and scripts are off. The story below tells the same in \
    words.</p></noscript>\n\
    <div class=\"tools\">\n<div class=\"group\" role=\"group\" aria-label=\"Zoom and move\">\
    <button type=\"button\" id=\"zoom-in\" aria-label=\"Zoom in\" title=\"Zoom in (+)\">+</button>\
    <button type=\"button\" id=\"zoom-out\" aria-label=\"Zoom out\" title=\"Zoom out (-)\">−</button>\
    <button type=\"button\" id=\"left\" aria-label=\"Earlier\" title=\"Earlier (←)\">←</button>\
    <button type=\"button\" id=\"right\" aria-label=\"Later\" title=\"Later (→)\">→</button>\
    <button type=\"button\" id=\"all\" title=\"The whole trial (Home)\">All</button></div>\n\
    <button type=\"button\" id=\"jump\" class=\"jump\" hidden>Jump to where it broke</button>\n\
    <label class=\"pick\">Stream <select id=\"stream\"><option value=\"-1\">every stream</option></select></label>\n\
    <details id=\"hosts\" class=\"pick\"><summary>Hosts <span id=\"hosts-count\"></span></summary>\
    <div id=\"hosts-list\" role=\"group\" aria-label=\"Hosts that are shown\"></div></details>\n</div>\n\
    <div id=\"kinds\" class=\"kinds\" role=\"group\" aria-label=\"Kinds of records that are shown\"></div>\n\
    <div id=\"stage\" class=\"stage\" tabindex=\"0\" role=\"application\" aria-label=\"Timeline of the trial\" \
    aria-describedby=\"keys\"><canvas id=\"chart\" aria-hidden=\"true\"></canvas><div id=\"spacer\"></div></div>\n\
    <canvas id=\"overview\" class=\"overview\" aria-hidden=\"true\"></canvas>\n\
    <div id=\"tip\" class=\"tip\" hidden></div>\n\
    <div class=\"record\"><div class=\"group\" role=\"group\" aria-label=\"Step through the records\">\
    <button type=\"button\" id=\"previous\" aria-label=\"Previous record\" title=\"Previous record (↑)\">↑</button>\
    <button type=\"button\" id=\"next\" aria-label=\"Next record\" title=\"Next record (↓)\">↓</button></div>\
    <p id=\"record\" aria-live=\"polite\">Point at the timeline, or step through its records.</p></div>\n\
    <p id=\"keys\" class=\"keys\"><kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>←</kbd> <kbd>→</kbd> move, <kbd>↑</kbd> \
    <kbd>↓</kbd> previous and next record, <kbd>Home</kbd> whole trial, <kbd>b</kbd> where it broke; wheel or pinch zooms, \
    dragging moves</p>\n\
    <details class=\"listing\"><summary>Records in view</summary><ol id=\"listing\"></ol></details>\n";

fn write_story(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    text.push_str(
        "<section class=\"story\" aria-labelledby=\"story-title\">\n<h2 id=\"story-title\">Story</h2>\n<ol>\n",
    );
    for line in story::tell(outcome, Naming::Few) {
        writeln!(
            text,
            "<li><button type=\"button\" class=\"when\" data-at=\"{}\">{}</button><span>{}</span></li>",
            line.at.as_micros(),
            Readable(line.at),
            html(&line.text)
        )?;
    }
    text.push_str("</ol>\n</section>\n");
    Ok(())
}

fn write_verdicts(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    text.push_str(
        "<section class=\"verdicts\" aria-labelledby=\"verdicts-title\">\n<h2 id=\"verdicts-title\">Verdicts</h2>\n<ul>\n",
    );
    let is_pass = |judgement: &&Judgement| matches!(judgement.verdict, Verdict::Pass { .. });
    let (passes, others): (Vec<_>, Vec<_>) = outcome.judgements.iter().partition(is_pass);
    others.iter().try_for_each(|judgement| write_judgement(text, judgement))?;
    text.push_str("</ul>\n");
    // What passed is read by who looks for what was looked at: behind what did not.
    let open = if others.is_empty() { " open" } else { "" };
    let told = match passes.len() {
        1 => "1 checker passes".to_owned(),
        many => format!("{many} checkers pass"),
    };
    writeln!(text, "<details{open}><summary>{told}</summary>\n<ul>")?;
    passes.iter().try_for_each(|judgement| write_judgement(text, judgement))?;
    text.push_str("</ul>\n</details>\n</section>\n");
    Ok(())
}

fn write_judgement(text: &mut String, Judgement { checker, verdict }: &Judgement) -> std::fmt::Result {
    let checker = html(checker);
    match verdict {
        Verdict::Pass { seen } => write_verdict(text, "pass", &checker, &html(seen)),
        Verdict::Unknown { reason } => write_verdict(text, "unknown", &checker, &html(reason)),
        Verdict::Fail(evidence) => {
            let what = format!(
                "<button type=\"button\" class=\"when\" data-at=\"{}\">{}</button> <b>{}</b> on {}: {}",
                evidence.at.as_micros(),
                Readable(evidence.at),
                html(&evidence.requirement),
                html(&evidence.host),
                html(&evidence.what)
            );
            write_verdict(text, "fail", &checker, &what)
        }
    }
}

fn write_verdict(text: &mut String, word: &str, checker: &str, what: &str) -> std::fmt::Result {
    writeln!(
        text,
        "<li class=\"{word}\"><span class=\"badge {word}\">{word}</span><b class=\"checker\">{checker}</b><span>{what}</span></li>"
    )
}
