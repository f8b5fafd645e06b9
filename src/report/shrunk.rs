//! What a shrinking left, for people and for machines.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::campaign::shrink::{Extent, Proof, ShrinkEnding, Shrunk, Without};
use crate::grammar::quantity::count;
use crate::grammar::spell;
use crate::report::paint::Paint;
use crate::report::shell::{program_name, shell_word};
use crate::trial::Conclusion;

/// What is left of a case: the plan in words, why each fault is needed, what it cost, the files, and how to play it.
/// `sim` and `case` are the paths of the files that were written.
#[must_use]
pub fn shrunk(shrunk: &Shrunk, sim: &str, case: &str, paint: Paint) -> String {
    let mut text = String::new();
    write_shrunk(&mut text, shrunk, sim, case, paint).expect("a string takes all");
    text
}

fn write_shrunk(text: &mut String, shrunk: &Shrunk, sim: &str, case: &str, paint: Paint) -> std::fmt::Result {
    let Shrunk { failure, before, after, proofs, plays, ending, case: left } = shrunk;
    let how = match &left.conclusion {
        Conclusion::Fail(why) | Conclusion::Unknown(why) => why.clone(),
        Conclusion::Pass => "it passes".to_owned(),
    };
    writeln!(text, "{}: {} ({}): {how}", paint.heading(&left.sim), paint.verdict("fail"), failure.requirement)?;
    writeln!(text, "left: {}", left_of(before, after))?;
    writeln!(text, "\n{}", paint.heading("what goes wrong"))?;
    for proof in proofs {
        writeln!(text, "  at {} for {}: {}", spell(proof.at), spell(proof.lasts), proof.fault)?;
    }
    if proofs.is_empty() {
        writeln!(text, "  nothing: no fault is needed")?;
    }
    if !proofs.is_empty() {
        writeln!(text, "\n{}", paint.heading("what is needed"))?;
    }
    for proof in proofs {
        writeln!(text, "  {}", twin(proof, paint))?;
    }
    let ended = match ending {
        ShrinkEnding::Exhausted => "",
        ShrinkEnding::PlaysSpent => ", which were not enough to try everything; grant more with --plays",
        ShrinkEnding::Interrupted => ", then interrupted before everything was tried",
    };
    writeln!(text, "\n{}{ended}", count((*plays).into(), "play"))?;
    writeln!(text, "sim      {sim}\ncase     {case}\nagain    {} replay {}", program_name(), shell_word(case))
}

/// What is left of a trial: `1 fault of 6, 4 hosts, 8m of 1h`.
pub(crate) fn left_of(before: &Extent, after: &Extent) -> String {
    let of = |now: String, same: bool, then: String| if same { now } else { format!("{now} of {then}") };
    let counted = |now: usize, then: usize, noun| of(count(now as u64, noun), now == then, then.to_string());
    format!(
        "{}, {}, {}",
        counted(after.faults, before.faults, "fault"),
        counted(after.hosts, before.hosts, "host"),
        of(spell(after.lasts), after.lasts == before.lasts, spell(before.lasts)),
    )
}

/// A fault's proof: `without the pause of 2m: passes`.
pub(crate) fn twin(proof: &Proof, paint: Paint) -> String {
    format!("without the {} of {}: {}", proof.kind, spell(proof.lasts), without(proof, paint))
}

fn without(proof: &Proof, paint: Paint) -> String {
    match &proof.without {
        Without::Passes => paint.verdict("passes"),
        Without::Unknown(why) => format!("does not fail ({}: {why})", paint.verdict("unknown")),
        Without::FailsOtherwise(why) => format!("fails otherwise: {why}"),
        Without::Unplayable(why) => format!("cannot be played: {why}"),
        Without::NotPlayed => "not played any more, so it may not be needed".to_owned(),
    }
}

/// What a shrinking left, for machines.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ShrunkJson<'s> {
    #[serde(flatten)]
    shrunk: &'s Shrunk,
    /// The files that were written.
    files: ShrunkFiles<'s>,
}

#[derive(Serialize, JsonSchema)]
struct ShrunkFiles<'s> {
    /// The path of the sim.
    sim: &'s str,
    /// The path of the case file.
    case: &'s str,
}

/// The same for machines.
#[must_use]
pub(crate) fn shrunk_json(shrunk: &Shrunk, sim: &str, case: &str) -> String {
    let json = ShrunkJson { shrunk, files: ShrunkFiles { sim, case } };
    serde_json::to_string_pretty(&json).expect("plain data") + "\n"
}
