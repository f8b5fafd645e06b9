//! Judges by the word of an examiner: a host that asks a server for what is lawful and what is not, and looks at the
//! answers itself.
//!
//! Refuses to know what it asks. A requirement that it found broken is a breach; one of which it cannot tell is a breach
//! too where nothing was wrong, because a server that serves lets itself be examined.

use std::time::Duration;

use crate::checker::excuse::Excuses;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::history::{Event, Examined, History, Record};

/// The judge by examination, and what of a subject it needs.
pub struct Examination {
    /// Everything that an examiner asks for.
    pub cites: &'static [Requirement],
    /// What stands for all of them: a server answers for what it says that it does.
    pub law: Requirement,
    /// The role of the examiners.
    pub role: &'static str,
}

impl Checker for Examination {
    fn name(&self) -> &'static str {
        "examination"
    }

    fn promises(&self) -> &'static str {
        "Whoever is cast to examine a server finds that it answers what is lawful and refuses what is not, with the \
            status that the requirement names."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let excuses = Excuses::read(history);
        let (mut kept, mut open) = (0_u64, None);
        for (index, record) in history.records().iter().enumerate() {
            let Event::Examined { requirement, found, words } = &record.event else { continue };
            let calm = || excuses.is_calm(Duration::ZERO, record.at);
            match found {
                Examined::Kept => kept += 1,
                Examined::Broken => {
                    return Verdict::Fail(self.breach(index, record, requirement, &format!("is broken: {words}")));
                }
                Examined::Open if calm() => {
                    let what = format!("cannot be judged, though nothing was wrong: {words}");
                    return Verdict::Fail(self.breach(index, record, requirement, &what));
                }
                Examined::Open => {
                    open = open.or(Some(format!("{} cannot tell of {requirement}: {words}", record.host)))
                }
            }
        }
        match (open, terms.cast.of_role(self.role).first()) {
            (Some(open), _) => Verdict::unknown(open),
            (None, None) => Verdict::Pass { seen: "nobody is cast to examine anything".to_owned() },
            (None, Some(_)) if kept > 0 => Verdict::Pass { seen: format!("findings: {kept}, all as it should be") },
            (None, Some(examiner)) => Verdict::unknown(format!("{examiner} told nothing")),
        }
    }
}

impl Examination {
    fn breach(&self, index: usize, record: &Record, requirement: &str, what: &str) -> Evidence {
        let what = format!("{} found that {requirement} {what}", record.host);
        Evidence { requirement: requirement.to_owned(), ..Evidence::new(index, record, self.law, what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{Script, partition};
    use crate::history::Terms;
    use crate::subject::xmtp::checker::EXAMINATION;
    use crate::subject::xmtp::settings::Fleet;

    const EXAMINER: &str = "examiner-1";

    fn found(script: Script, found: Examined) -> Script {
        let event = Event::Examined { requirement: "T5".into(), found, words: "what was seen".into() };
        script.at(60.0).event(EXAMINER, event)
    }

    fn examined() -> Script {
        let fleet = Fleet { nodes: 1, proxies: 1, clients: 1, publishers: 1, visitors: 0, examiners: 1, gateways: 0 };
        let history = Script::new().history();
        Script::on(Terms { cast: fleet.cast(), ..terms(&history).expect("a script has terms").clone() })
    }

    #[test]
    fn what_an_examiner_finds_broken_is_condemned() {
        let evidence = found(examined(), Examined::Broken).condemned_by(&EXAMINATION);
        assert_eq!(evidence.requirement, "T5");
        assert_eq!(evidence.what, "examiner-1 found that T5 is broken: what was seen");
    }

    #[test]
    fn what_cannot_be_judged_needs_a_fault() {
        let evidence = found(examined(), Examined::Open).condemned_by(&EXAMINATION);
        assert!(evidence.what.contains("though nothing was wrong"), "{}", evidence.what);
        let cut = examined().fault_begins(1, partition(EXAMINER, "proxy"));
        assert!(found(cut, Examined::Open).puzzles(&EXAMINATION).contains("cannot tell of T5"));
    }

    #[test]
    fn an_examiner_that_tells_nothing_leaves_it_unknown_and_without_one_nothing_is_asked() {
        assert_eq!(found(examined(), Examined::Kept).acquitted_by(&EXAMINATION), "findings: 1, all as it should be");
        assert_eq!(examined().puzzles(&EXAMINATION), "examiner-1 told nothing");
        assert_eq!(Script::new().acquitted_by(&EXAMINATION), "nobody is cast to examine anything");
        assert_eq!(EXAMINATION.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }
}
