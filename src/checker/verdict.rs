//! What a judge says: pass, fail with evidence, or unknown with a reason.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, MessageId};
use crate::checker::Requirement;
use crate::history::Record;

/// What a judge says of one history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// The promise was kept.
    Pass {
        /// What was checked, with counts, for people.
        seen: String,
    },
    /// The promise was broken.
    Fail(Evidence),
    /// The history does not tell.
    Unknown {
        /// Why not.
        reason: String,
    },
}

impl Verdict {
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Verdict::Unknown { reason: reason.into() }
    }
}

/// The proof of a failure: the first breach that the judge found, by time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// When the promise was broken, since the trial's start.
    pub at: Duration,
    /// The number of the requirement that was broken, such as `C2`.
    pub requirement: String,
    /// Where it shows.
    pub host: String,
    /// The topic, where there is one.
    pub topic: Option<String>,
    /// The message, where there is one.
    pub id: Option<MessageId>,
    /// What happened, in one sentence that needs no other context.
    pub what: String,
    /// The proof: indices into the history's records, ascending.
    pub records: Vec<usize>,
}

impl Evidence {
    /// Evidence that shows in one record, whose index is `index`.
    pub(crate) fn new(index: usize, record: &Record, requirement: Requirement, what: String) -> Self {
        Evidence::at(record.at, &record.host, requirement, what).with([index])
    }

    /// Evidence that shows in what did not happen by then.
    pub(crate) fn at(at: Duration, host: &str, requirement: Requirement, what: String) -> Self {
        let (requirement, host) = (requirement.number.to_owned(), host.to_owned());
        Evidence { at, requirement, host, topic: None, id: None, what, records: Vec::new() }
    }

    pub(crate) fn about(mut self, topic: &Channel, id: Option<MessageId>) -> Self {
        self.topic = Some(topic.to_string());
        self.id = id;
        self
    }

    pub(crate) fn with(mut self, proof: impl IntoIterator<Item = usize>) -> Self {
        self.records.extend(proof);
        self.records.sort_unstable();
        self.records.dedup();
        self
    }
}
