//! How one trial of a campaign ended, and what it has in common with others.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cast::HostName;
use crate::checker::{Verdict, first_to_speak};
use crate::history::Digest;
use crate::trial::{Conclusion, Outcome};

/// What trials have in common that the machine had no room for.
pub(crate) const NO_ROOM: &str = "no room on this machine";

/// How one trial ended. The first word of it stands in a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrialEnd {
    /// The promise was kept.
    Pass(Digest),
    /// It was broken.
    Fail(TrialFinding),
    /// The trial shows too little.
    Unknown(TrialFinding),
    /// It could not be played, or took its process with it: why.
    Broken(String),
    /// The machine has no room for it, such as descriptors or processes: what it lacks.
    NoRoom(String),
    /// The engine cannot express it: what of it, and why.
    Skipped(Vec<String>),
}

/// What was found in a trial that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialFinding {
    /// The digest of its history.
    pub digest: Digest,
    /// Why it did not pass, in one sentence.
    pub why: String,
    /// What it has in common with other trials of the same cause.
    pub cause: FailureCause,
}

/// What makes failures one cause, as far as one trial tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct FailureCause {
    /// The checker that spoke first; where none did, what the sim's promise lacks, without names and numbers.
    pub checker: String,
    /// The requirement that was broken; empty where no checker spoke.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub requirement: String,
    /// The kind of the host where it shows, such as client; empty where no checker spoke.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// What happened, without names and numbers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
}

impl TrialEnd {
    /// How an outcome ended.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let found = |why: &str| TrialFinding {
            digest: outcome.digest(),
            why: why.to_owned(),
            cause: FailureCause::of(outcome, why),
        };
        match &outcome.conclusion {
            Conclusion::Pass => TrialEnd::Pass(outcome.digest()),
            Conclusion::Fail(why) => TrialEnd::Fail(found(why)),
            Conclusion::Unknown(why) => TrialEnd::Unknown(found(why)),
        }
    }

    /// The digest; none where nothing could be played.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self {
            TrialEnd::Pass(digest) => Some(*digest),
            TrialEnd::Fail(found) | TrialEnd::Unknown(found) => Some(found.digest),
            TrialEnd::Broken(_) | TrialEnd::NoRoom(_) | TrialEnd::Skipped(_) => None,
        }
    }

    /// Whether nobody has to look at it.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, TrialEnd::Pass(_) | TrialEnd::Skipped(_))
    }

    /// What it has in common with others; none where nobody has to look at it.
    #[must_use]
    pub fn cause(&self) -> Option<FailureCause> {
        match self {
            TrialEnd::Pass(_) | TrialEnd::Skipped(_) => None,
            TrialEnd::Fail(found) | TrialEnd::Unknown(found) => Some(found.cause.clone()),
            TrialEnd::Broken(why) => {
                // What a process said before it died differs from death to death.
                let what = without_names(why.split(';').next().unwrap_or_default(), &BTreeMap::new());
                Some(FailureCause { checker: "our bug".to_owned(), what, ..FailureCause::default() })
            }
            // Which host lacks it is chance.
            TrialEnd::NoRoom(_) => Some(FailureCause { checker: NO_ROOM.to_owned(), ..FailureCause::default() }),
        }
    }

    /// Why it did not pass, in one sentence; empty where nobody has to look at it.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            TrialEnd::Pass(_) | TrialEnd::Skipped(_) => "",
            TrialEnd::Fail(found) | TrialEnd::Unknown(found) => &found.why,
            TrialEnd::Broken(why) | TrialEnd::NoRoom(why) => why,
        }
    }

    /// One word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            TrialEnd::Pass(_) => "pass",
            TrialEnd::Fail(_) => "fail",
            TrialEnd::Unknown(_) => "unknown",
            TrialEnd::Broken(_) | TrialEnd::NoRoom(_) => "broken",
            TrialEnd::Skipped(_) => "skipped",
        }
    }
}

impl FailureCause {
    /// The cause of an outcome that did not pass, because of `why`.
    fn of(outcome: &Outcome, why: &str) -> Self {
        let first = first_to_speak(&outcome.judgements).map(|first| (&first.checker, &first.verdict));
        let cast = outcome.sim.cast();
        let hosts = cast.members().iter().map(|member| (member.name.clone(), cast.kind_of(&member.name))).collect();
        match first {
            Some((checker, Verdict::Fail(evidence))) => FailureCause {
                checker: checker.clone(),
                requirement: evidence.requirement.clone(),
                role: cast.kind_of(&HostName::from(evidence.host.as_str())),
                what: without_names(&evidence.what, &hosts),
            },
            Some((_, Verdict::Pass { .. } | Verdict::Unknown { .. })) | None => {
                FailureCause { checker: without_names(why, &hosts), ..FailureCause::default() }
            }
        }
    }
}

/// A sentence without what differs from trial to trial: hosts become their kinds, and numbers, with what hangs on
/// them, a `#`.
fn without_names(sentence: &str, hosts: &BTreeMap<HostName, String>) -> String {
    let plain = |word: &str| {
        let core = word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '#');
        match hosts.get(core) {
            Some(kind) => word.replace(core, kind),
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
        let kinds = [("client-1", "client"), ("client-12", "client"), ("visitor-2", "client"), ("node", "node")];
        let hosts = BTreeMap::from(kinds.map(|(host, kind)| (HostName::from(host), kind.to_owned())));
        for (sentence, plain) in [
            ("client-12: #7 and #9 of group:topic-3 never came", "client: # and # of # never came"),
            ("the node held stream 1.2.3 for 1m30s, and 2 more", "the node held stream # for #, and # more"),
            ("on stream 1.2.3 of visitor-2, no Pong", "on stream # of client, no Pong"),
            ("no Pong in time", "no Pong in time"),
        ] {
            assert_eq!(without_names(sentence, &hosts), plain);
        }
    }
}
