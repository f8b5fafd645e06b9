//! What the commands print.

use std::fmt::Write;

use crate::checker::{Judgement, Verdict};
use crate::grammar::Readable;
use crate::grammar::quantity::count;
use crate::history::Digest;
use crate::report::paint::Paint;
use crate::report::replayed::describe_stretch;
use crate::report::shell::shell_word;
use crate::report::story;
use crate::runner::{Case, Deviation, Ending, Progress, Stretch, Summary};
use crate::sim::{Promised, SimFile};
use crate::trial::{Conclusion, Outcome};

/// Failures that are printed one by one; the report folder has them all.
const FAILURES_SHOWN: usize = 20;
/// Text takes every line.
const INFALLIBLE: &str = "a string takes all";

/// How a trial is played again.
pub enum Reproduction {
    /// By this command.
    Again(String),
    /// It was played with a difference, and compared with nothing.
    Changed {
        /// The command.
        again: String,
        /// What differs from the trial that was recorded.
        changes: Vec<String>,
    },
    /// It was just played again.
    Compared {
        /// The command.
        again: String,
        /// The digest of the first time.
        before: Digest,
        /// The version that found it.
        by: String,
        /// Where it parts from what was played before; none if it does not.
        parting: Option<Stretch>,
    },
}

/// An outcome for people: the sim, the story, the verdicts, the digest, and how to play it again.
#[must_use]
pub fn outcome(outcome: &Outcome, reproduction: &Reproduction, paint: Paint) -> String {
    let mut text = String::new();
    write_head(&mut text, outcome, paint).expect(INFALLIBLE);
    write_story(&mut text, outcome, paint).expect(INFALLIBLE);
    write_verdicts(&mut text, outcome, paint).expect(INFALLIBLE);
    write_tail(&mut text, outcome, reproduction, paint).expect(INFALLIBLE);
    text
}

fn write_head(text: &mut String, outcome: &Outcome, paint: Paint) -> std::fmt::Result {
    let sim = &outcome.sim;
    writeln!(text, "{}: {}", paint.heading(&sim.name), sim.title)?;
    writeln!(
        text,
        "{}, {} simulated{}{}",
        sim.setup.counts().into_iter().map(|(number, noun)| count(number, &noun)).collect::<Vec<_>>().join(", "),
        Readable(sim.duration),
        if outcome.engine.is_default() { String::new() } else { format!(" on {}", outcome.engine) },
        if sim.cites.is_empty() { String::new() } else { format!(", about {}", numbers(sim)) },
    )
}

fn write_story(text: &mut String, outcome: &Outcome, paint: Paint) -> std::fmt::Result {
    writeln!(text, "\n{}", paint.heading("story"))?;
    for line in story::tell(outcome) {
        writeln!(text, "{:>12}  {}", Readable(line.at), line.text)?;
    }
    Ok(())
}

fn write_verdicts(text: &mut String, outcome: &Outcome, paint: Paint) -> std::fmt::Result {
    writeln!(text, "\n{}", paint.heading("verdicts"))?;
    for Judgement { checker, verdict } in &outcome.judgements {
        let (word, what) = match verdict {
            Verdict::Pass { seen } => ("pass", seen.clone()),
            Verdict::Unknown { reason } => ("unknown", reason.clone()),
            Verdict::Fail(evidence) => {
                let requirement = &evidence.requirement;
                ("fail", format!("at {} ({requirement}): {}", Readable(evidence.at), evidence.what))
            }
        };
        writeln!(text, "{checker:>12}  {}  {what}", paint.verdict(word))?;
    }
    Ok(())
}

fn write_tail(text: &mut String, outcome: &Outcome, reproduction: &Reproduction, paint: Paint) -> std::fmt::Result {
    let promise = match &outcome.sim.promise.verdict {
        Promised::Pass => "every checker passes".to_owned(),
        Promised::Fail { checker } => format!("{checker} fails, before any other checker"),
    };
    writeln!(text, "\npromise  {promise}")?;
    let reason = match &outcome.conclusion {
        Conclusion::Pass => ": the promise was kept".to_owned(),
        Conclusion::Fail(why) | Conclusion::Unknown(why) => format!(": {why}"),
    };
    writeln!(text, "verdict  {}{reason}", paint.verdict(outcome.conclusion.word()))?;
    writeln!(text, "digest   {} ({} events)", outcome.digest(), outcome.history.events())?;
    match reproduction {
        Reproduction::Again(command) => writeln!(text, "again    {command}"),
        Reproduction::Changed { again, changes } => {
            changes.iter().try_for_each(|change| writeln!(text, "changed  {change}"))?;
            writeln!(text, "again    {again}")
        }
        Reproduction::Compared { again, before, by, parting } => {
            match parting {
                None => writeln!(text, "before   {before}: reproduced bit for bit")?,
                Some(stretch) => {
                    let (word, this) = (paint.verdict("not reproducible"), env!("CARGO_PKG_VERSION"));
                    writeln!(text, "before   {before}: {word}, found by pulseless {by}, this is {this}")?;
                    writeln!(text, "parted   {}", describe_stretch(stretch))?;
                    writeln!(text, "compare  {again} --times 4 --processes 4")?;
                }
            }
            writeln!(text, "again    {again}")
        }
    }
}

/// An outcome for machines: the case, in one JSON object.
#[must_use]
pub(crate) fn outcome_json(outcome: &Outcome) -> String {
    Case::of(outcome).json()
}

/// The sims of a folder, a line each.
#[must_use]
pub fn list(sims: &[(String, SimFile)]) -> String {
    let width = sims.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (path, sim) in sims {
        let cites = if sim.cites.is_empty() { String::new() } else { format!("  [{}]", numbers(sim)) };
        writeln!(text, "{path:width$}  {}{cites}", sim.title).expect(INFALLIBLE);
    }
    text
}

/// The sims of a folder for machines.
#[must_use]
pub(crate) fn list_json(sims: &[(String, SimFile)]) -> String {
    let entries: Vec<_> = sims
        .iter()
        .map(
            |(path, sim)| serde_json::json!({ "path": path, "name": sim.name, "title": sim.title, "cites": sim.cites.iter().map(|cited| cited.number).collect::<Vec<_>>() }),
        )
        .collect();
    serde_json::to_string_pretty(&entries).expect("plain data") + "\n"
}

/// Where a sweep stands, after its bar.
#[must_use]
pub(crate) fn sweep_progress(progress: &Progress<'_>) -> String {
    let tally = progress.tally;
    match tally.played() - tally.pass {
        0 => format!("{} seed {}", progress.sim, progress.seed),
        bad => format!("{bad} did not pass; {} seed {}", progress.sim, progress.seed),
    }
}

/// What a sweep found, for people.
#[must_use]
pub(crate) fn sweep_summary(summary: &Summary, folder: &str, paint: Paint) -> String {
    let mut text = String::new();
    write_summary(&mut text, summary, folder, paint).expect(INFALLIBLE);
    text
}

/// What a sweep found, for machines.
#[must_use]
pub(crate) fn sweep_json(summary: &Summary) -> String {
    serde_json::to_string_pretty(summary).expect("a summary is plain data") + "\n"
}

fn write_summary(text: &mut String, summary: &Summary, folder: &str, paint: Paint) -> std::fmt::Result {
    let width = summary.sims.keys().map(String::len).max().unwrap_or(0);
    for (sim, tally) in &summary.sims {
        let bad =
            [(tally.fail, "fail"), (tally.unknown, "unknown"), (tally.broken, "broken"), (tally.skipped, "skipped")];
        let bad = bad.iter().filter(|(number, _)| *number > 0);
        let bad: String = bad.map(|(number, word)| format!(", {number} {}", paint.verdict(word))).collect();
        writeln!(text, "{sim:width$}  {} {}{bad}", tally.pass, paint.verdict("pass"))?;
    }
    for (sim, reasons) in &summary.skipped {
        for reason in reasons {
            writeln!(
                text,
                "\n{sim} is {}: {} cannot express it\n  {reason}",
                paint.verdict("skipped"),
                summary.engine
            )?;
        }
    }
    for failure in summary.failures.iter().take(FAILURES_SHOWN) {
        let what = match &failure.ending {
            Ending::Concluded(conclusion) => conclusion.to_string(),
            Ending::Broken(why) => format!("our bug: {why}"),
            Ending::Skipped(reasons) => format!("skipped: {}", reasons.join("; ")),
        };
        writeln!(text, "\n{} seed {}\n  {what}", failure.sim, failure.seed)?;
        if let Some(case) = &failure.case {
            writeln!(text, "  pulseless replay {}", shell_word(&format!("{folder}/{case}")))?;
        }
    }
    if summary.failures.len() > FAILURES_SHOWN {
        writeln!(text, "\nand {} more in {folder}", summary.failures.len() - FAILURES_SHOWN)?;
    }
    if let Some(Deviation { sim, seed, expected, digest }) = &summary.deviation {
        writeln!(text, "\n{sim} seed {seed}\n  {}", paint.verdict("not reproducible"))?;
        writeln!(text, "  expected {expected}\n  got      {digest}")?;
    }
    let asked = count(summary.asked, "trial");
    let played = match summary.stopped_early {
        true => format!("{} of {asked} (stopped early)", summary.tally.trials()),
        false => asked,
    };
    writeln!(
        text,
        "\n{played} in {:.1} s, {:.1} trials per second; report in {folder}",
        summary.seconds, summary.trials_per_second
    )
}

/// The numbers of the requirements that a sim is about.
fn numbers(sim: &SimFile) -> String {
    sim.cites.iter().map(|requirement| requirement.number).collect::<Vec<_>>().join(" ")
}
