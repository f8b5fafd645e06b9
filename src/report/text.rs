//! What the commands print.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::checker::{self, Judgement, Verdict};
use crate::grammar::quantity::count;
use crate::grammar::{Naming, Readable};
use crate::history::Digest;
use crate::report::ladder::write_ladder;
use crate::report::paint::Paint;
use crate::report::replayed::describe_stretch;
use crate::report::story;
use crate::report::wrap::hang;
use crate::runner::{Case, Stretch};
use crate::sim::{Promised, SimFile};
use crate::trial::{Conclusion, Outcome};
use crate::world::own_frames;

/// Where a long title, a line of the story and what a checker says go on.
const HEAD_COLUMN: usize = 2;
const STORY_COLUMN: usize = 14;
const VERDICT_COLUMN: usize = 20;
/// What begins the line at which a promise broke.
const BREACH: &str = "!!";
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

/// An outcome for people: the sim, the story, who knew when, the verdicts, the digest, and how to play it again.
#[must_use]
pub fn outcome(outcome: &Outcome, reproduction: &Reproduction, naming: Naming, paint: Paint) -> String {
    let mut text = String::new();
    write_head(&mut text, outcome, paint).expect(INFALLIBLE);
    write_story(&mut text, outcome, naming, paint).expect(INFALLIBLE);
    write_ladder(&mut text, &outcome.ladder(), paint).expect(INFALLIBLE);
    write_verdicts(&mut text, outcome, paint).expect(INFALLIBLE);
    write_backtrace(&mut text, outcome, paint).expect(INFALLIBLE);
    write_tail(&mut text, outcome, reproduction, paint).expect(INFALLIBLE);
    text
}

/// Where the program panicked that ended the trial, where `RUST_BACKTRACE` asked for it: its own frames, and none of ours and
/// of tokio's around them.
fn write_backtrace(text: &mut String, outcome: &Outcome, paint: Paint) -> std::fmt::Result {
    let (Some(backtrace), Some(failed)) = (outcome.history.backtrace(), outcome.history.failure()) else {
        return Ok(());
    };
    writeln!(text, "\n{}", paint.heading(&format!("backtrace of {}", failed.host)))?;
    own_frames(&backtrace.to_string()).iter().try_for_each(|line| writeln!(text, "  {line}"))
}

fn write_head(text: &mut String, outcome: &Outcome, paint: Paint) -> std::fmt::Result {
    let sim = &outcome.sim;
    writeln!(text, "{}", hang(&format!("{}: ", paint.heading(&sim.name)), &sim.title, HEAD_COLUMN))?;
    let cast = format!(
        "{}, {} simulated{}{}",
        sim.setup.counts().into_iter().map(|(number, noun)| count(number, &noun)).collect::<Vec<_>>().join(", "),
        Readable(sim.duration),
        if outcome.engine.is_default() { String::new() } else { format!(" on {}", outcome.engine) },
        if sim.cites.is_empty() { String::new() } else { format!(", about {}", numbers(sim)) },
    );
    writeln!(text, "{}", hang("", &cast, HEAD_COLUMN))
}

fn write_story(text: &mut String, outcome: &Outcome, naming: Naming, paint: Paint) -> std::fmt::Result {
    writeln!(text, "\n{}", paint.heading("story"))?;
    for line in story::tell(outcome, naming) {
        let mark = if line.is_breach { paint.fault(BREACH) + " " } else { String::new() };
        let head = format!("{:>12}  {mark}", Readable(line.at));
        writeln!(text, "{}", hang(&head, &line.text, STORY_COLUMN))?;
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
        writeln!(text, "{}", hang(&format!("{checker:>12}  {}  ", paint.verdict(word)), &what, VERDICT_COLUMN))?;
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
        Conclusion::Pass => "the promise was kept".to_owned(),
        Conclusion::Fail(why) => without_evidence(why, outcome),
        Conclusion::Unknown(why) => why.clone(),
    };
    let verdict = format!("verdict  {}: ", paint.verdict(outcome.conclusion.word()));
    writeln!(text, "{}", hang(&verdict, &reason, STORY_COLUMN))?;
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
                    let whose = whose_find(by, this);
                    writeln!(text, "before   {before}: {word}, {whose}")?;
                    writeln!(text, "parted   {}", describe_stretch(stretch))?;
                    writeln!(text, "compare  {again} --times 4 --processes 4")?;
                }
            }
            writeln!(text, "again    {again}")
        }
    }
}

/// By which build a case was found, and what that says of a play that went otherwise.
fn whose_find(by: &str, this: &str) -> String {
    if by == this {
        return format!("though this is the pulseless {this} that found it: are its hosts as they were then?");
    }
    format!("found by pulseless {by}, this is {this}")
}

/// Why a promise is broken, without the sentence that stands among the verdicts already.
fn without_evidence(why: &str, outcome: &Outcome) -> String {
    let first = checker::first_to_speak(&outcome.judgements).map(|judgement| &judgement.verdict);
    let Some(Verdict::Fail(evidence)) = first else { return why.to_owned() };
    match why.strip_suffix(&format!(": {}", evidence.what)) {
        Some(short) if short.contains(", at ") => short.to_owned(),
        Some(short) => format!("{short}, at {} ({})", Readable(evidence.at), evidence.requirement),
        None => why.to_owned(),
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

/// A sim of a folder, for machines.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ListedSim<'s> {
    /// The path of its file.
    path: &'s str,
    /// Its name.
    name: &'s str,
    /// Its title.
    title: &'s str,
    /// The numbers of the requirements that it is about, such as `C3`.
    cites: Vec<&'s str>,
}

/// The sims of a folder for machines.
#[must_use]
pub(crate) fn list_json(sims: &[(String, SimFile)]) -> String {
    let mut entries = Vec::new();
    for (path, sim) in sims {
        let cites = sim.cites.iter().map(|cited| cited.number).collect();
        entries.push(ListedSim { path, name: &sim.name, title: &sim.title, cites });
    }
    serde_json::to_string_pretty(&entries).expect("plain data") + "\n"
}

/// The numbers of the requirements that a sim is about.
fn numbers(sim: &SimFile) -> String {
    sim.cites.iter().map(|requirement| requirement.number).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_of_this_version_that_goes_otherwise_asks_for_its_hosts() {
        assert_eq!(whose_find("0.1.0", "0.2.0"), "found by pulseless 0.1.0, this is 0.2.0");
        assert!(whose_find("0.2.0", "0.2.0").ends_with("are its hosts as they were then?"));
    }
}
