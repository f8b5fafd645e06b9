//! Groups: failures of one cause, so that ten thousand of them are read like eight.
//!
//! Refuses to know how a trial is played: it is handed a play. Failures are of one group where the same checker speaks
//! first, of the same requirement, at a host of the same role, in the same words but for names and numbers, and where
//! what they need does not tell them apart. What a failure needs are families of faults; they are found by plays without the others. Two failures that
//! need different families may still have one cause, such as a bug in what a client does after any loss of its link: they have,
//! if one of them comes as well of what the other needs. Of each cause a few failures are asked, and the others join.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::campaign::player::families_of;
use crate::campaign::{FailureCause, ScheduledTrial, SmallCase, TrialEnd, TrialSchedule};

/// Of each cause so many failures are asked which families they need.
const ASKED_OF_A_CAUSE: usize = 12;
/// So many failures of a group that need other faults must pass with what another needs, before the two are told apart.
const WITNESSES: usize = 3;
/// So many cases are kept of each group.
pub(crate) const CASES_KEPT: usize = 3;

/// Failures of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureGroup {
    /// Eight hexadecimal digits: the same cause has the same in every night.
    pub id: String,
    /// How its trials ended: `fail`, `unknown` or `broken`.
    pub ended: String,
    /// What its failures have in common.
    pub cause: FailureCause,
    /// The families of faults that they need: each of these sets is enough by itself. Empty where no fault is needed.
    pub needs: BTreeSet<BTreeSet<String>>,
    /// Why the first of them did not pass.
    pub why: String,
    /// How many they are.
    pub count: u64,
    /// With which seeds, by sim.
    pub sims: BTreeMap<String, Seeds>,
    /// The case files of the first of them, the one with the fewest events in front; none where nothing could be played.
    pub cases: Vec<String>,
    /// The first of these, made small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<SmallCase>,
    /// Why it could not be made small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_small: Option<String>,
}

impl FailureGroup {
    /// The file of its smallest case, in the report folder; none where nothing could be played.
    #[must_use]
    pub fn smallest_case(&self) -> Option<&String> {
        self.small.as_ref().map(|small| &small.case).or(self.cases.first())
    }
}

/// The seeds of a group's failures in one sim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seeds {
    /// How many.
    pub count: u64,
    /// The lowest.
    pub first: u64,
    /// The highest.
    pub last: u64,
    /// All: `1-3,7,9-12`.
    pub all: String,
}

/// A trial that did not pass.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) trial: ScheduledTrial,
    pub(crate) ended: TrialEnd,
}

/// The groups of failures, which are in the order of the schedule. `play` plays a failure's trial with the faults of some families
/// alone, and says what is then its cause; none where it passes, or where nobody can say.
pub(crate) fn group(
    failures: &[Failure],
    schedule: &TrialSchedule,
    mut play: impl FnMut(ScheduledTrial, &BTreeSet<String>) -> Option<FailureCause>,
) -> Vec<(FailureGroup, Vec<ScheduledTrial>)> {
    let mut causes: BTreeMap<(&'static str, FailureCause), Vec<&Failure>> = BTreeMap::new();
    for failure in failures {
        let cause = failure.ended.cause().unwrap_or_default();
        causes.entry((failure.ended.word(), cause)).or_default().push(failure);
    }
    let mut groups = Vec::new();
    for ((word, cause), failures) in causes {
        let split = split(&failures, &cause, schedule, &mut play);
        let is_alone = split.len() == 1;
        for sketch in split {
            groups.push((sketch.group(word, &cause, is_alone, schedule), sketch.trials()));
        }
    }
    groups.sort_by(|(one, _), (other, _)| (other.count, &one.id).cmp(&(one.count, &other.id)));
    groups
}

/// A group that is being put together.
struct Sketch<'f> {
    /// Each is enough by itself.
    needs: BTreeSet<BTreeSet<String>>,
    members: Vec<&'f Failure>,
}

/// Splits the failures of a cause where what they need tells them apart.
fn split<'f>(
    failures: &[&'f Failure],
    cause: &FailureCause,
    schedule: &TrialSchedule,
    play: &mut impl FnMut(ScheduledTrial, &BTreeSet<String>) -> Option<FailureCause>,
) -> Vec<Sketch<'f>> {
    let mut sketches: Vec<Sketch<'f>> = Vec::new();
    let families = |trial: ScheduledTrial| families_of(&schedule.sims[trial.sim], trial.seed);
    for (index, failure) in failures.iter().enumerate() {
        // What could not be played tells nothing of faults, and later ones join the first group that they may be of.
        let is_asked = index < ASKED_OF_A_CAUSE && failure.ended.digest().is_some();
        let there = families(failure.trial);
        let mut fails_with = |trial: ScheduledTrial, kept: &BTreeSet<String>| play(trial, kept).as_ref() == Some(cause);
        let known = sketches.iter().position(|sketch| {
            let mut possible = sketch.needs.iter().filter(|needs| needs.is_subset(&there));
            possible.any(|needs| !is_asked || fails_with(failure.trial, needs))
        });
        if let Some(known) = known {
            sketches[known].members.push(failure);
            continue;
        }
        let needs = if is_asked { needed(&there, |kept| fails_with(failure.trial, kept)) } else { BTreeSet::new() };
        let same = sketches.iter().position(|sketch| {
            !is_asked || sketch.may_need(&needs, |trial| needs.is_subset(&families(trial)), &mut fails_with)
        });
        match same {
            Some(same) => {
                sketches[same].members.push(failure);
                if is_asked {
                    sketches[same].needs.insert(needs);
                }
            }
            None => sketches.push(Sketch { needs: BTreeSet::from([needs]), members: vec![failure] }),
        }
    }
    sketches
}

impl Sketch<'_> {
    /// Whether what another failure needs may be enough for these as well: it is for one of them, or too few can tell.
    fn may_need(
        &self,
        needs: &BTreeSet<String>,
        can_tell: impl Fn(ScheduledTrial) -> bool,
        mut fails_with: impl FnMut(ScheduledTrial, &BTreeSet<String>) -> bool,
    ) -> bool {
        // A fault is needed by all of a cause, or by none.
        let needs_none = |needs: &BTreeSet<String>| needs.is_empty();
        if needs_none(needs) != self.needs.iter().any(needs_none) {
            return false;
        }
        let witnesses = self.members.iter().map(|member| member.trial).filter(|trial| can_tell(*trial));
        let mut asked = 0;
        for trial in witnesses.take(WITNESSES) {
            if fails_with(trial, needs) {
                return true;
            }
            asked += 1;
        }
        asked < WITNESSES
    }

    fn trials(&self) -> Vec<ScheduledTrial> {
        self.members.iter().map(|member| member.trial).collect()
    }

    /// The group; `is_alone` in its cause, it has the cause's id, and else one that knows what it needs.
    fn group(&self, word: &str, cause: &FailureCause, is_alone: bool, schedule: &TrialSchedule) -> FailureGroup {
        let mut sims: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for member in &self.members {
            sims.entry(schedule.sims[member.trial.sim].name.clone()).or_default().push(member.trial.seed);
        }
        let needs: BTreeSet<BTreeSet<String>> = self.needs.iter().filter(|needs| !needs.is_empty()).cloned().collect();
        let tells_apart = if is_alone { None } else { needs.first() };
        // In words of its own, so that no name in the code changes an id.
        let FailureCause { checker, requirement, role, what } = cause;
        let needed: Vec<&str> = tells_apart.into_iter().flatten().map(String::as_str).collect();
        let key = [word, checker, requirement, role, what, &needed.join(" ")].join("\n");
        FailureGroup {
            id: format!("{:08x}", xxh3_64(key.as_bytes()) >> 32),
            ended: word.to_owned(),
            cause: cause.clone(),
            needs,
            why: self.members.first().map(|first| first.ended.why().to_owned()).unwrap_or_default(),
            count: self.members.len() as u64,
            sims: sims.into_iter().map(|(sim, seeds)| (sim, Seeds::of(seeds))).collect(),
            cases: Vec::new(),
            small: None,
            not_small: None,
        }
    }
}

/// The families without any of which a failure is another: each is left out in turn.
fn needed(families: &BTreeSet<String>, mut fails_with: impl FnMut(&BTreeSet<String>) -> bool) -> BTreeSet<String> {
    if families.is_empty() || fails_with(&BTreeSet::new()) {
        return BTreeSet::new();
    }
    let mut kept = families.clone();
    for family in families {
        let mut without = kept.clone();
        without.remove(family);
        // Without any was tried before.
        if !without.is_empty() && fails_with(&without) {
            kept = without;
        }
    }
    kept
}

impl Seeds {
    /// All of them, or as far as so many letters go, and the last.
    #[must_use]
    pub fn shown(&self, letters: usize) -> String {
        match self.all.char_indices().nth(letters) {
            Some((end, _)) => format!("{}… to {}", &self.all[..end], self.last),
            None => self.all.clone(),
        }
    }

    fn of(mut seeds: Vec<u64>) -> Self {
        seeds.sort_unstable();
        let mut all = String::new();
        for run in seeds.chunk_by(|one, next| one + 1 == *next) {
            let separator = if all.is_empty() { "" } else { "," };
            let (first, last) = (run[0], run[run.len() - 1]);
            let told = if first == last {
                write!(all, "{separator}{first}")
            } else {
                write!(all, "{separator}{first}-{last}")
            };
            told.expect("a string takes all");
        }
        let (first, last) = (seeds.first().copied(), seeds.last().copied());
        Seeds { count: seeds.len() as u64, first: first.unwrap_or_default(), last: last.unwrap_or_default(), all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::TrialFinding;
    use crate::sim::read;
    use crate::subject::xmtp::SUBJECTS;

    fn schedule() -> TrialSchedule {
        let fault = |kind: &str, at: u32, on: &str| {
            format!("[[fault]]\nat = \"{at}m\"\nfor = \"1m\"\nkind = \"{kind}\"\n{on}\n")
        };
        let text = format!(
            "title = \"Three faults\"\nduration = \"20m\"\n{}{}{}[promise]\nverdict = \"pass\"\n",
            fault("partition", 2, "from = \"client-1\"\nto = \"proxy\""),
            fault("process-kill", 4, "on = \"client-1\""),
            fault("pause", 6, "on = \"client-1\"")
        );
        let sim = read("three", &text, SUBJECTS).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        TrialSchedule::new(vec![sim], 1..101, None)
    }

    fn cause(checker: &str) -> FailureCause {
        FailureCause { checker: checker.to_owned(), ..FailureCause::default() }
    }

    fn failure(schedule: &TrialSchedule, number: u64, checker: &str) -> Failure {
        let digest = "0".repeat(32).parse().expect("a digest");
        let found = TrialFinding { digest, why: format!("{checker} failed"), cause: cause(checker) };
        Failure { trial: schedule.trial(number), ended: TrialEnd::Fail(found) }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    /// Fails as `checker` does where all of `needs` are there.
    fn needing(checker: &str, needs: &[&str]) -> impl FnMut(ScheduledTrial, &BTreeSet<String>) -> Option<FailureCause> {
        let (cause, needs) = (cause(checker), names(needs));
        move |_, kept| needs.is_subset(kept).then(|| cause.clone())
    }

    /// Fails as `delivery` does where any of `enough` is there.
    fn any_of(enough: &[&str]) -> impl FnMut(ScheduledTrial, &BTreeSet<String>) -> Option<FailureCause> {
        let enough = names(enough);
        move |_, kept| (!kept.is_disjoint(&enough)).then(|| cause("delivery"))
    }

    #[test]
    fn a_group_knows_the_families_that_it_needs() {
        let schedule = schedule();
        let failures: Vec<Failure> = (0..30).map(|number| failure(&schedule, number, "delivery")).collect();
        for needs in [&["deaths"][..], &["deaths", "pauses"], &["deaths", "partitions", "pauses"]] {
            let groups = group(&failures, &schedule, needing("delivery", needs));
            assert_eq!(groups.len(), 1);
            assert_eq!((&groups[0].0.needs, groups[0].0.count), (&BTreeSet::from([names(needs)]), 30));
            assert_eq!(groups[0].0.sims["three"].all, "1-30");
        }
        let groups = group(&failures, &schedule, needing("delivery", &[]));
        assert_eq!((groups.len(), &groups[0].0.needs), (1, &BTreeSet::new()), "no fault is needed");
    }

    #[test]
    fn a_bug_that_any_of_two_faults_shows_is_one_group() {
        let schedule = schedule();
        let failures: Vec<Failure> = (0..10).map(|number| failure(&schedule, number, "delivery")).collect();
        // Some lack the one fault, and some the other.
        let play = |trial: ScheduledTrial, kept: &BTreeSet<String>| {
            let enough = if trial.number.is_multiple_of(3) { &["deaths"][..] } else { &["deaths", "partitions"] };
            any_of(enough)(trial, kept)
        };
        let groups = group(&failures, &schedule, play);
        assert_eq!((groups.len(), groups[0].0.count), (1, 10));
    }

    #[test]
    fn what_needs_other_faults_or_another_checker_is_another_group() {
        let schedule = schedule();
        let mut failures: Vec<Failure> = (0..10).map(|number| failure(&schedule, number, "delivery")).collect();
        failures.push(failure(&schedule, 10, "waves"));
        // The first ones need a death, and what came to the later ones does nothing to them.
        let play = |trial: ScheduledTrial, kept: &BTreeSet<String>| match trial.number {
            10 => needing("waves", &["pauses"])(trial, kept),
            0..4 => needing("delivery", &["deaths"])(trial, kept),
            _ => needing("delivery", &["partitions"])(trial, kept),
        };
        let groups = group(&failures, &schedule, play);
        let told: Vec<(u64, &str)> =
            groups.iter().map(|(group, _)| (group.count, group.cause.checker.as_str())).collect();
        assert_eq!(told, [(6, "delivery"), (4, "delivery"), (1, "waves")]);
        assert_ne!(groups[0].0.id, groups[1].0.id);
    }

    #[test]
    fn of_ten_thousand_failures_a_few_are_asked_and_all_are_counted() {
        let mut schedule = schedule();
        schedule.seeds = 1..10_001;
        let failures: Vec<Failure> = (0..10_000).map(|number| failure(&schedule, number, "delivery")).collect();
        let mut plays = 0;
        let groups = group(&failures, &schedule, |trial, kept| {
            plays += 1;
            needing("delivery", &["deaths"])(trial, kept)
        });
        assert!(plays < 60, "{plays}");
        assert_eq!(groups[0].0.count, 10_000);
    }

    #[test]
    fn an_id_stays_and_seeds_are_told_in_runs() {
        let schedule = schedule();
        let failures = [0, 1, 2, 6, 8].map(|number| failure(&schedule, number, "delivery"));
        let ids: Vec<String> = (0..2)
            .map(|skipped| group(&failures[skipped..], &schedule, needing("delivery", &[]))[0].0.id.clone())
            .collect();
        assert_eq!(ids[0], ids[1]);
        let groups = group(&failures, &schedule, needing("delivery", &[]));
        let seeds = &groups[0].0.sims["three"];
        assert_eq!((seeds.all.as_str(), seeds.first, seeds.last, seeds.count), ("1-3,7,9", 1, 9, 5));
    }
}
