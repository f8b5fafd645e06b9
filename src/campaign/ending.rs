//! How one trial of a campaign ended, and what it has in common with others.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cast::HostName;
use crate::checker::{Verdict, first_to_speak};
use crate::history::Digest;
use crate::trial::{Conclusion, Outcome};

/// How one trial ended. The first word of it stands in a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The promise was kept.
    Pass(Digest),
    /// It was broken.
    Fail(Found),
    /// The trial shows too little.
    Unknown(Found),
    /// It could not be played, or took its process with it: why.
    Broken(String),
    /// The engine cannot express it: what of it, and why.
    Skipped(Vec<String>),
}

/// What was found in a trial that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The digest of its history.
    pub digest: Digest,
    /// Why it did not pass, in one sentence.
    pub why: String,
    /// What it has in common with other trials of the same cause.
    pub cause: Cause,
}

/// What makes failures one cause, as far as one trial tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause {
    /// The checker that spoke first; where none did, what the sim's promise lacks, without names and numbers.
    pub checker: String,
    /// The requirement that was broken; empty where no checker spoke.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub requirement: String,
    /// The role of the host where it shows; empty where no checker spoke.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// What happened, without names and numbers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
}

impl Ended {
    /// How an outcome ended.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let found = |why: &str| Found { digest: outcome.digest(), why: why.to_owned(), cause: Cause::of(outcome, why) };
        match &outcome.conclusion {
            Conclusion::Pass => Ended::Pass(outcome.digest()),
            Conclusion::Fail(why) => Ended::Fail(found(why)),
            Conclusion::Unknown(why) => Ended::Unknown(found(why)),
        }
    }

    /// The digest; none where nothing could be played.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Ended::Pass(digest) => Some(*digest),
            Ended::Fail(found) | Ended::Unknown(found) => Some(found.digest),
            Ended::Broken(_) | Ended::Skipped(_) => None,
        }
    }

    /// Whether nobody has to look at it.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Ended::Pass(_) | Ended::Skipped(_))
    }

    /// What it has in common with others; none where nobody has to look at it.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Ended::Pass(_) | Ended::Skipped(_) => None,
            Ended::Fail(found) | Ended::Unknown(found) => Some(found.cause.clone()),
            Ended::Broken(why) => {
                let what = without_names(why, &BTreeSet::new());
                Some(Cause { checker: "our bug".to_owned(), what, ..Cause::default() })
            }
        }
    }

    /// Why it did not pass, in one sentence; empty where nobody has to look at it.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Ended::Pass(_) | Ended::Skipped(_) => "",
            Ended::Fail(found) | Ended::Unknown(found) => &found.why,
            Ended::Broken(why) => why,
        }
    }

    /// One word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Ended::Pass(_) => "pass",
            Ended::Fail(_) => "fail",
            Ended::Unknown(_) => "unknown",
            Ended::Broken(_) => "broken",
            Ended::Skipped(_) => "skipped",
        }
    }
}

impl Cause {
    /// The cause of an outcome that did not pass, because of `why`.
    fn of(outcome: &Outcome, why: &str) -> Self {
        let first = first_to_speak(&outcome.judgements).map(|first| (&first.checker, &first.verdict));
        let hosts = outcome.sim.cast().members().iter().map(|member| member.name.clone()).collect();
        match first {
            Some((checker, Verdict::Fail(evidence))) => Cause {
                checker: checker.clone(),
                requirement: evidence.requirement.clone(),
                role: HostName::from(evidence.host.as_str()).role().to_owned(),
                what: without_names(&evidence.what, &hosts),
            },
            Some((_, Verdict::Pass { .. } | Verdict::Unknown { .. })) | None => {
                Cause { checker: without_names(why, &hosts), ..Cause::default() }
            }
        }
    }
}

/// A sentence without what differs from trial to trial: hosts become their roles, and numbers, with what hangs on
/// them, a `#`.
fn without_names(sentence: &str, hosts: &BTreeSet<HostName>) -> String {
    let plain = |word: &str| {
        let core = word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '#');
        match hosts.get(core) {
            Some(host) => word.replace(core, host.role()),
            None if core.contains(|letter: char| letter.is_ascii_digit()) => word.replace(core, "#"),
            None => word.to_owned(),
        }
    };
    let mut words: Vec<String> = sentence.split_whitespace().map(plain).collect();
    words.dedup();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_trial_to_trial_is_left_out() {
        let hosts = BTreeSet::from(["client-1", "client-12", "node"].map(HostName::from));
        for (sentence, plain) in [
            ("client-12: #7 and #9 of group:topic-3 never came", "client: # and # of # never came"),
            ("the node held stream 1.2.3 for 1m30s, and 2 more", "the node held stream # for #, and # more"),
            ("no Pong in time", "no Pong in time"),
        ] {
            assert_eq!(without_names(sentence, &hosts), plain);
        }
    }
}
