//! What a case was when it was written, and what of it somebody has edited since.
//!
//! Refuses to judge an edit: a plan may be edited by hand, and a sim as well.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{Clause, Plan};
use crate::grammar::spell;
use crate::history::Digest;

/// The seed, and the digests of the texts, of a case as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    /// The seed.
    seed: u64,
    /// The digest of the sim's text.
    text: Digest,
    /// The digest of the plan's lines.
    plan: Digest,
}

impl Seal {
    pub(crate) fn of(seed: u64, text: &str, plan: &[String]) -> Self {
        Seal { seed, text: Digest::of(text.as_bytes()), plan: Digest::of(plan.join("\n").as_bytes()) }
    }

    /// What of a case is not as it was written, but for its plan.
    pub(crate) fn edits(&self, seed: u64, text: &str) -> Vec<Edit> {
        let reseeded = (self.seed != seed).then_some(Edit::Seed { was: self.seed });
        let rewritten = (self.text != Digest::of(text.as_bytes())).then_some(Edit::Text);
        reseeded.into_iter().chain(rewritten).collect()
    }

    /// Whether the plan is as it was written.
    pub(crate) fn has_plan(&self, plan: &[String]) -> bool {
        self.plan == Digest::of(plan.join("\n").as_bytes())
    }
}

/// What differs between a case and the trial that it was written from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The seed is another one.
    Seed {
        /// The one that was played.
        was: u64,
    },
    /// The sim's text is another one.
    Text,
    /// A clause was taken out.
    Removed(Box<Clause>),
    /// A clause was added.
    Added(Box<Clause>),
    /// A clause is another one.
    Changed {
        /// As it was played.
        was: Box<Clause>,
        /// As it is.
        is: Box<Clause>,
    },
    /// The plan is another one, and this version cannot say what it was.
    Plan,
}

impl Edit {
    /// What makes a plan of another one, clause by clause.
    pub(crate) fn between(was: &Plan, is: &Plan) -> Vec<Self> {
        let find = |plan: &Plan, number: u32| plan.clauses.iter().find(|clause| clause.number == number).cloned();
        let numbers: BTreeSet<u32> =
            [was, is].iter().flat_map(|plan| plan.clauses.iter().map(|one| one.number)).collect();
        let edit = |number| match (find(was, number).map(Box::new), find(is, number).map(Box::new)) {
            (Some(was), None) => Some(Edit::Removed(was)),
            (None, Some(is)) => Some(Edit::Added(is)),
            (Some(was), Some(is)) if was != is => Some(Edit::Changed { was, is }),
            (Some(_), Some(_)) | (None, None) => None,
        };
        numbers.into_iter().filter_map(edit).collect()
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edit::Seed { was } => write!(formatter, "the seed was {was}"),
            Edit::Text => formatter.write_str("the sim's text is not the one that was played"),
            Edit::Removed(was) => write!(formatter, "clause {} was taken out: {}", was.number, Told(was)),
            Edit::Added(is) => write!(formatter, "clause {} was added: {}", is.number, Told(is)),
            Edit::Changed { was, is } => {
                write!(formatter, "clause {} was changed from: {} to: {}", is.number, Told(was), Told(is))
            }
            Edit::Plan => formatter.write_str(
                "the plan is not the one that was played, and this version draws another one for that seed, so it cannot \
                 say which clause differs",
            ),
        }
    }
}

/// A clause in words.
struct Told<'c>(&'c Clause);

impl fmt::Display for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Clause { at, lasts, fault, .. } = self.0;
        write!(formatter, "at {} for {}, {fault}", spell(*at), spell(*lasts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::read;
    use crate::subject::xmtp::SUBJECTS;

    fn plan(faults: &[(&str, u32)]) -> Plan {
        let fault = |(at, number): &(&str, u32)| {
            format!("[[fault]]\nat = \"{at}\"\nfor = \"1m\"\nkind = \"pause\"\non = \"node\"\nnumber = {number}\n")
        };
        let faults: String = faults.iter().map(fault).collect();
        let text = format!("title = \"x\"\nduration = \"20m\"\n{faults}[promise]\nverdict = \"pass\"\n");
        read("x", &text, SUBJECTS).expect("a good sim").plan
    }

    #[test]
    fn the_clauses_that_differ_are_told_by_their_numbers() {
        let was = plan(&[("1m", 1), ("3m", 2), ("5m", 3)]);
        let edits = Edit::between(&was, &plan(&[("3m500ms", 2), ("5m", 3), ("7m", 9)]));
        assert_eq!(
            edits.iter().map(Edit::to_string).collect::<Vec<_>>(),
            [
                "clause 1 was taken out: at 1m for 1m, the process of node is paused",
                "clause 2 was changed from: at 3m for 1m, the process of node is paused to: at 3m500ms for 1m, the process of node is paused",
                "clause 9 was added: at 7m for 1m, the process of node is paused",
            ]
        );
        assert_eq!(Edit::between(&was, &was), []);
    }

    #[test]
    fn a_seal_knows_seed_text_and_plan() {
        let plan = ["a".to_owned(), "b".to_owned()];
        let seal = Seal::of(7, "text", &plan);
        assert_eq!((seal.edits(7, "text"), seal.has_plan(&plan)), (vec![], true));
        assert_eq!(seal.edits(8, "texts"), [Edit::Seed { was: 7 }, Edit::Text]);
        assert!(!seal.has_plan(&plan[..1]));
    }
}
