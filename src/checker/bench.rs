//! The bench: who judges a trial, what they say, and which of them spoke first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::judge::Checker;
use crate::checker::stability::until_failure;
use crate::checker::{Evidence, Stability, Verdict};
use crate::history::History;

/// One judge's word on one history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The judge's name.
    pub checker: String,
    /// What it says.
    pub verdict: Verdict,
}

/// Who judges: stability, which judges any subject, and then a subject's own.
pub fn bench<'c>(of_subject: &'c [&'static dyn Checker]) -> impl Iterator<Item = &'static dyn Checker> + 'c {
    let stability: &'static dyn Checker = &Stability;
    std::iter::once(stability).chain(of_subject.iter().copied())
}

/// Lets stability and these judges speak.
#[must_use]
pub fn judge(history: &History, of_subject: &[&'static dyn Checker]) -> Vec<Judgement> {
    let speak = |checker: &'static dyn Checker| {
        let verdict = until_failure(history, checker.judge(history));
        Judgement { checker: checker.name().to_owned(), verdict }
    };
    bench(of_subject).map(speak).collect()
}

/// The failure whose evidence is the earliest; among equals the one that stands first.
#[must_use]
pub fn first_to_speak(judgements: &[Judgement]) -> Option<&Judgement> {
    // `min_by_key` keeps the first of equals.
    judgements
        .iter()
        .filter(|judgement| evidence(judgement).is_some())
        .min_by_key(|judgement| evidence(judgement).map(|found| found.at))
}

fn evidence(judgement: &Judgement) -> Option<&Evidence> {
    match &judgement.verdict {
        Verdict::Fail(evidence) => Some(evidence),
        Verdict::Pass { .. } | Verdict::Unknown { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::checker::script::{STREAM, Script, add, alpha, beta};
    use crate::history::Event;
    use crate::subject::xmtp::checker::ALL;

    fn failed(checker: &str, seconds: u64) -> Judgement {
        let evidence = Evidence {
            at: Duration::from_secs(seconds),
            requirement: "C2".to_owned(),
            host: "client-1".to_owned(),
            topic: Some("group:alpha".to_owned()),
            id: None,
            what: "client-1 slept".to_owned(),
            records: vec![1, 2],
        };
        Judgement { checker: checker.to_owned(), verdict: Verdict::Fail(evidence) }
    }

    /// A lawful trial in which so many messages go live, one each 5 ms, and the client hears a beat each 10 s.
    fn lawful(messages: u64) -> History {
        let script = Script::new().all_begin().at(1.0).dialing(1).opened(1).tap_opened(STREAM).node_starts().started(1);
        let (via, adds, removes) = ("gateway-1".into(), vec![add(alpha(), 0)], Vec::new());
        let script = script.event("identity-1", Event::Leased { via, lease: 1, adds, removes });
        let script = script.event("identity-1", Event::LeaseMarked { channel: Some(alpha()) });
        let script = script.mutate(1, &[(alpha(), 0), (beta(), 0)], &[]).topics_live(&[alpha(), beta()]).complete(1);
        let sent = (1..=messages).fold(script, |script, id| {
            let topic = if id % 2 == 0 { alpha() } else { beta() };
            let script = script
                .at(1.0 + id as f64 * 0.005)
                .produced(topic.clone(), id)
                .stored(topic.clone(), id)
                .acknowledged(topic.clone(), id);
            let came = [(topic, id)];
            script.live(&came).processed(&came).committed(1, &came)
        });
        (1..70).fold(sent, |script, n| script.at(f64::from(n) * 10.0).heard(1)).history()
    }

    #[test]
    fn a_lawful_trial_passes_every_judge_by_its_name() {
        let judgements = judge(&lawful(100), ALL);
        let names: Vec<_> = judgements.iter().map(|judgement| judgement.checker.as_str()).collect();
        assert_eq!(names, bench(ALL).map(Checker::name).collect::<Vec<_>>());
        assert_eq!(first_to_speak(&judgements), None);
        for judgement in judgements {
            let passes = matches!(judgement.verdict, Verdict::Pass { .. });
            assert!(passes, "the trial of this test shows `{}` too little: {:?}", judgement.checker, judgement.verdict);
        }
    }

    #[test]
    fn an_empty_history_is_unknown_to_every_judge() {
        let judgements = judge(&History::default(), ALL);
        assert!(judgements.iter().all(|one| matches!(one.verdict, Verdict::Unknown { .. })), "{judgements:?}");
    }

    #[test]
    fn the_earliest_evidence_speaks_first_and_ties_go_by_order() {
        let unknown = Judgement { checker: "a".to_owned(), verdict: Verdict::unknown("nothing was seen") };
        let judgements = [unknown.clone(), failed("b", 9), failed("c", 3), failed("d", 3)];
        assert_eq!(first_to_speak(&judgements).map(|one| one.checker.as_str()), Some("c"));
        assert_eq!(first_to_speak(&[unknown]), None);
    }

    #[test]
    fn a_judgement_survives_its_file() {
        let pass = Judgement { checker: "a".to_owned(), verdict: Verdict::Pass { seen: "all".to_owned() } };
        for judgement in [failed("b", 9), pass] {
            let text = serde_json::to_string(&judgement).expect("plain data");
            assert_eq!(serde_json::from_str::<Judgement>(&text).expect("what was written"), judgement);
        }
    }
}
