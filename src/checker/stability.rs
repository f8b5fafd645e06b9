//! Judges stability: a program runs until the trial halts it.
//!
//! Refuses to know what it runs. It judges any subject: a trial whose program has failed ends there, and what the other
//! judges would have seen later nobody knows.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::checker::judge::{Checker, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::grammar::Readable;
use crate::history::{Event, History, Record};

/// What any program must do, whatever it speaks.
const RUNS: Requirement = Requirement {
    number: "R1",
    sentence: "A program runs until it is halted: it does not panic, end with an error, or loop without waiting.",
};
/// The last words of a program that failed: so many different ones are told.
const LAST_WORDS: usize = 3;

/// See the module.
pub struct Stability;

impl Checker for Stability {
    fn name(&self) -> &'static str {
        "stability"
    }

    fn promises(&self) -> &'static str {
        "Every program runs until the trial halts it: none panics, ends with an error, or loops without waiting."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[RUNS]
    }

    fn judge(&self, history: &History) -> Verdict {
        let records = history.records();
        if let Some(failed) = history.failure() {
            let index = records.len() - 1;
            let mut what = format!("{} {}", failed.host, failed.event);
            let last = last_words(&records[..index], failed);
            if !last.is_empty() {
                what += &format!("; the last that it did: {}", last.join(", then "));
            }
            return Verdict::Fail(Evidence::new(index, failed, RUNS, what));
        }
        let began = || records.iter().filter(|record| matches!(record.event, Event::ProcessBegan { .. }));
        let hosts: BTreeSet<&str> = began().map(|record| &*record.host).collect();
        let cast = terms(history).map(|terms| &terms.cast);
        let absent = cast.and_then(|cast| cast.those(|member| !hosts.contains(&*member.name)).next());
        match (began().count(), absent) {
            (0, _) => Verdict::unknown("no process began"),
            (_, Some(absent)) => Verdict::unknown(format!("no process began on {}", absent.name)),
            (began, None) => Verdict::Pass { seen: format!("processes: {began}; each ran until it was halted") },
        }
    }
}

/// What the host did last, in order; what it did again and again is told once.
fn last_words(records: &[Record], failed: &Record) -> Vec<String> {
    let mut told: Vec<(std::mem::Discriminant<Event>, String)> = Vec::new();
    // To be counted is no deed.
    let deeds = records.iter().filter(|record| !matches!(record.event, Event::Holds { .. }));
    for record in deeds.rev().filter(|record| record.host == failed.host) {
        let kind = std::mem::discriminant(&record.event);
        if told.len() == LAST_WORDS || told.iter().any(|(other, _)| *other == kind) {
            break;
        }
        told.push((kind, record.event.to_string()));
    }
    told.into_iter().rev().map(|(_, words)| words).collect()
}

/// What another judge can say of a trial that a program's failure has ended: what it has seen broken until then.
pub(crate) fn until_failure(history: &History, verdict: Verdict) -> Verdict {
    let Some(failed) = history.failure() else { return verdict };
    let seen = |at: Duration| at <= failed.at;
    match verdict {
        Verdict::Fail(evidence) if seen(evidence.at) => Verdict::Fail(evidence),
        Verdict::Fail(_) | Verdict::Pass { .. } | Verdict::Unknown { .. } => {
            Verdict::unknown(format!("the trial ended at {}, when {} failed", Readable(failed.at), failed.host))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::bench::judge;
    use crate::checker::script::{CLIENT, Script, alpha};
    use crate::history::ProgramFailure;
    use crate::subject::xmtp::checker::ALL;

    fn failed(script: Script, how: ProgramFailure, words: &str) -> Script {
        script.event(CLIENT, Event::ProgramFailed { how, words: words.into() })
    }

    fn began() -> Script {
        Script::new().event(CLIENT, Event::ProcessBegan { incarnation: 1 })
    }

    #[test]
    fn programs_that_ran_until_they_were_halted_are_acquitted() {
        let all = Script::new().all_begin();
        assert_eq!(all.acquitted_by(&Stability), "processes: 14; each ran until it was halted");
        Script::new().all_begin().event(CLIENT, Event::ProcessKilled).acquitted_by(&Stability);
    }

    #[test]
    fn a_history_without_a_process_is_unknown() {
        assert_eq!(Script::new().puzzles(&Stability), "no process began");
        assert_eq!(began().puzzles(&Stability), "no process began on node");
    }

    #[test]
    fn a_failure_is_told_with_its_host_and_with_what_the_host_did_last() {
        let dials = |script: Script, attempt| script.event(CLIENT, Event::Dialing { attempt });
        let script = dials(began().at(3.0), 1).event(CLIENT, Event::StoreFailed { words: "no".into() });
        let script = dials(script, 2).event(CLIENT, Event::StoreFailed { words: "no".into() });
        let evidence = failed(script, ProgramFailure::Looped, "loops").condemned_by(&Stability);
        let last = "the last that it did: dials, attempt 2, then reports that its store failed: no";
        assert_eq!(evidence.what, format!("{CLIENT} loops; {last}"));
        assert_eq!((evidence.at, evidence.requirement.as_str()), (Duration::from_secs(3), "R1"));
    }

    #[test]
    fn every_kind_of_failure_is_condemned() {
        for how in [ProgramFailure::Panicked, ProgramFailure::Exited, ProgramFailure::Looped] {
            failed(Script::new(), how, "failed").condemned_by(&Stability);
        }
    }

    #[test]
    fn of_a_trial_that_ended_so_the_others_say_only_what_was_broken_before() {
        let good = || Script::new().at(1.0).stored(alpha(), 1).at(2.0);
        let spoken = |script: Script| {
            let judgements = judge(&failed(script, ProgramFailure::Panicked, "panicked").history(), ALL);
            let failed = judgements.into_iter().filter(|one| matches!(one.verdict, Verdict::Fail(_)));
            failed.map(|one| one.checker).collect::<Vec<_>>()
        };
        assert_eq!(spoken(good()), ["stability"]);
        assert_eq!(spoken(good().stored(alpha(), 1)), ["stability", "delivery", "durability"]);
    }
}
