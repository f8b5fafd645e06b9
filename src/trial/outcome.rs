//! What came of one trial, and whether the sim's promise was kept.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::{self, Judgement, Verdict};
use crate::fault::{Origin, Plan};
use crate::grammar::Readable;
use crate::history::{Digest, Event, History};
use crate::ladder::Ladder;
use crate::sim::{Promised, SimFile};
use crate::trial::EngineKind;

/// Seed, plan, verdicts, digest and history of one trial.
pub struct Outcome {
    /// The sim that was played.
    pub sim: SimFile,
    /// The seed that it was played with.
    pub seed: u64,
    /// The engine that played it.
    pub engine: EngineKind,
    /// What the seed made of the sim's faults.
    pub plan: Plan,
    /// What observers saw.
    pub history: History,
    /// What the judges say.
    pub judgements: Vec<Judgement>,
    /// Whether the sim's promise was kept.
    pub conclusion: Conclusion,
}

/// Whether a trial kept its sim's promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "reason")]
pub enum Conclusion {
    /// It did.
    Pass,
    /// It did not: why.
    Fail(String),
    /// The trial does not show it: why.
    Unknown(String),
}

impl Conclusion {
    /// One word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Conclusion::Pass => "pass",
            Conclusion::Fail(_) => "fail",
            Conclusion::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Conclusion::Pass => formatter.write_str("pass"),
            Conclusion::Fail(why) => write!(formatter, "fail: {why}"),
            Conclusion::Unknown(why) => write!(formatter, "unknown: {why}"),
        }
    }
}

impl Outcome {
    /// Judges a history by the checkers and by the sim's promise.
    #[must_use]
    pub fn judge(sim: SimFile, seed: u64, engine: EngineKind, plan: Plan, history: History) -> Self {
        let judgements = checker::judge(&history, &sim.setup.judges(sim.subject.checkers()));
        let conclusion = conclude(&sim, &plan, &history, &judgements);
        Outcome { sim, seed, engine, plan, history, judgements, conclusion }
    }

    /// Who knew when that a stream was dead.
    #[must_use]
    pub fn ladder(&self) -> Ladder {
        Ladder::of(&self.history, &self.sim.setup.layers())
    }

    /// The trial's fingerprint.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.history.digest()
    }
}

/// A broken promise outweighs a trial that shows too little.
fn conclude(sim: &SimFile, plan: &Plan, history: &History, judgements: &[Judgement]) -> Conclusion {
    let broken = match &sim.promise.verdict {
        Promised::Pass => broken_pass(judgements),
        Promised::Fail { checker } => broken_fail(checker, judgements),
    };
    if let Some(why) = broken {
        return Conclusion::Fail(why);
    }
    match shows_too_little(sim, plan, history, judgements) {
        Some(why) => Conclusion::Unknown(why),
        None => Conclusion::Pass,
    }
}

fn broken_pass(judgements: &[Judgement]) -> Option<String> {
    let first = checker::first_to_speak(judgements)?;
    let Verdict::Fail(evidence) = &first.verdict else { return None };
    Some(format!("{} failed: {}", first.checker, evidence.what))
}

fn broken_fail(promised: &str, judgements: &[Judgement]) -> Option<String> {
    match checker::first_to_speak(judgements) {
        None => Some(format!("nothing was caught: {promised} was promised to fail, and no checker did")),
        Some(first) if first.checker != promised => Some(match &first.verdict {
            Verdict::Fail(evidence) => format!(
                "{promised} was promised to speak first, and {} did, at {}: {}",
                first.checker,
                Readable(evidence.at),
                evidence.what
            ),
            Verdict::Pass { .. } | Verdict::Unknown { .. } => format!("{} spoke without a failure", first.checker),
        }),
        Some(_) => None,
    }
}

fn shows_too_little(sim: &SimFile, plan: &Plan, history: &History, judgements: &[Judgement]) -> Option<String> {
    // Where a program failed the trial ended there, and the rest never had its time.
    if history.failure().is_some() {
        return None;
    }
    // What a storm draws may find nobody to harm; what the file names must be felt.
    let mut named = plan.clauses.iter().filter(|clause| clause.origin == Origin::File);
    let unfelt = named.find(|clause| !was_felt(history, clause.number)).map(|clause| {
        let numb = sim.setup.numbness(&clause.fault).map(|numb| format!("; {}", numb.why())).unwrap_or_default();
        format!(
            "fault {} never fired ({}, at {}): nothing was there to harm{numb}",
            clause.number,
            clause.fault.name(),
            Readable(clause.at)
        )
    });
    let absent = || {
        let missing = sim.promise.sometimes.iter().find(|milestone| !(milestone.happened)(history))?;
        Some(format!("`{}` was promised to happen and did not: {}", missing.name, missing.sentence))
    };
    let unsure = || match &sim.promise.verdict {
        Promised::Fail { .. } => None,
        Promised::Pass => judgements.iter().find_map(|judgement| match &judgement.verdict {
            Verdict::Unknown { reason } => Some(format!("{} cannot tell: {reason}", judgement.checker)),
            Verdict::Pass { .. } | Verdict::Fail(_) => None,
        }),
    };
    unfelt.or_else(absent).or_else(unsure)
}

fn was_felt(history: &History, number: u32) -> bool {
    let ended = |event: &Event| matches!(event, Event::FaultEnded { clause, felt: true } if *clause == number);
    history.records().iter().any(|record| ended(&record.event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::read;
    use crate::subject::xmtp::SUBJECTS;

    const SIM: &str = "title = \"x\"\nduration = \"20m\"\n[[fault]]\nat = \"5m\"\nfor = \"1m\"\nkind = \"pause\"\n\
                       on = \"node\"\n[promise]\nverdict = \"pass\"\n";

    fn too_little(origin: Origin, felt: bool) -> Option<String> {
        let sim = read("x", SIM, SUBJECTS).expect("a good sim");
        let mut plan = sim.plan.clone();
        plan.clauses.iter_mut().for_each(|clause| clause.origin = origin);
        let mut history = History::default();
        history.append(plan.clauses[0].end(), &"world".into(), Event::FaultEnded { clause: 1, felt });
        shows_too_little(&sim, &plan, &history, &[])
    }

    #[test]
    fn a_fault_that_the_file_names_must_be_felt_and_one_that_a_storm_drew_need_not() {
        let why = too_little(Origin::File, false).expect("it shows too little");
        assert!(why.starts_with("fault 1 never fired (pause, at 5m"), "{why}");
        for (origin, felt) in [(Origin::File, true), (Origin::Storm, true), (Origin::Storm, false)] {
            assert_eq!(too_little(origin, felt), None, "{origin:?}, felt: {felt}");
        }
    }
}
