//! What is left of a play to compare it with another one of the same trial, and where two of them part.
//!
//! Refuses to know who played, and where.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::{CHECKPOINT_EVERY, Checkpoint, Digest, History, RawEvent};

/// So many events before the first difference are told with it: enough to see what was going on.
const EVENTS_BEFORE: u64 = 3;

/// The fingerprint of one play, with its checkpoints, and the raw events of a stretch if they were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The digest of all events.
    pub digest: Digest,
    /// How many events there were.
    pub events: u64,
    /// The digests of prefixes.
    pub checkpoints: Vec<Checkpoint>,
    /// The raw events of the stretch that was to be kept.
    pub kept: Vec<RawEvent>,
}

impl Trace {
    /// The trace that a history leaves.
    #[must_use]
    pub fn of(history: &History) -> Self {
        Trace {
            digest: history.digest(),
            events: history.events(),
            checkpoints: history.checkpoints().to_vec(),
            kept: history.kept().to_vec(),
        }
    }

    /// The digest of the first `events` events, if a checkpoint stands there.
    fn digest_after(&self, events: u64) -> Option<Digest> {
        let found = self.checkpoints.binary_search_by_key(&events, |checkpoint| checkpoint.events);
        found.ok().map(|index| self.checkpoints[index].digest)
    }

    /// Whether both begin with the same events, so many.
    fn begins_like(&self, other: &Trace, events: u64) -> bool {
        events == 0 || self.digest_after(events).is_some_and(|digest| other.digest_after(events) == Some(digest))
    }
}

/// Between which checkpoints two traces part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stretch {
    /// So many events are the same in both.
    pub agreed: u64,
    /// The time of the last of them; zero where there is none.
    pub since: Duration,
    /// The number of the last event that may be the first to differ.
    pub last: u64,
    /// When the stretch ends at the latest; none: with the trial.
    pub until: Option<Duration>,
}

impl Stretch {
    /// Where two traces part; `None` if they do not.
    #[must_use]
    pub fn between(one: &Trace, other: &Trace) -> Option<Self> {
        if one.digest == other.digest {
            return None;
        }
        // Bisected: a digest covers everything before it, so that after the first difference no two are equal.
        let same = |checkpoint: &Checkpoint| other.digest_after(checkpoint.events) == Some(checkpoint.digest);
        let index = one.checkpoints.partition_point(same);
        let last_same = index.checked_sub(1).map(|index| one.checkpoints[index]);
        let first_other = [one, other].into_iter().filter_map(|trace| trace.checkpoints.get(index));
        let agreed = last_same.map_or(0, |checkpoint| checkpoint.events);
        let last = one.events.max(other.events).min(agreed.saturating_add(CHECKPOINT_EVERY));
        Some(Stretch {
            agreed,
            last,
            since: last_same.map_or(Duration::ZERO, |checkpoint| checkpoint.at),
            until: first_other.map(|checkpoint| checkpoint.at).max(),
        })
    }
}

/// The numbers of the events to keep raw, in order to see the first difference after `agreed` equal events.
#[must_use]
pub fn numbers_to_keep(agreed: u64) -> Range<u64> {
    let (first, last) = (agreed.saturating_add(1), agreed.saturating_add(CHECKPOINT_EVERY));
    first.saturating_sub(EVENTS_BEFORE).max(1)..last.saturating_add(1)
}

/// The first event in which two plays differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The events right before it, the same in both.
    pub before: Vec<RawEvent>,
    /// What each of the two has there, with the digest of its whole history.
    pub sides: [Side; 2],
}

/// What one play has where it differs from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// The digest of the play's whole history.
    pub digest: Digest,
    /// The event; none: the history has ended.
    pub event: Option<RawEvent>,
}

impl Difference {
    /// The first difference after `agreed` equal events; `None` where they part before, or not in what they kept.
    #[must_use]
    pub fn between(one: &Trace, other: &Trace, agreed: u64) -> Option<Self> {
        if !one.begins_like(other, agreed) {
            return None;
        }
        let same = one.kept.iter().zip(&other.kept).take_while(|(one, other)| one == other).count();
        let side = |trace: &Trace| Side { digest: trace.digest, event: trace.kept.get(same).cloned() };
        let sides = [side(one), side(other)];
        if sides.iter().all(|side| side.event.is_none()) {
            return None;
        }
        let before = same.saturating_sub(usize::try_from(EVENTS_BEFORE).expect("a small number"))..same;
        Some(Difference { before: one.kept[before].to_vec(), sides })
    }
}

/// A digest and how often it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tallied {
    /// The digest.
    pub digest: Digest,
    /// How many events it covers.
    pub events: u64,
    /// So many plays had it.
    pub count: u64,
    /// Whether it is the case's.
    pub expected: bool,
}

/// So many distinct traces are kept whole, to be compared with each other; more are only counted. A stretch of raw
/// events takes up to about a megabyte.
const TRACES: usize = 16;

/// The traces of many plays of one trial.
pub(crate) struct Traces {
    expected: Digest,
    tallied: BTreeMap<Digest, Tallied>,
    whole: Vec<Trace>,
}

impl Traces {
    pub(crate) fn new(expected: Digest) -> Self {
        Traces { expected, tallied: BTreeMap::new(), whole: Vec::new() }
    }

    /// Takes what a play left.
    pub(crate) fn take(&mut self, trace: Trace) {
        if self.count(trace.digest) {
            return;
        }
        let expected = trace.digest == self.expected;
        let tallied = Tallied { digest: trace.digest, events: trace.events, count: 1, expected };
        self.tallied.insert(trace.digest, tallied);
        // The case's own is never left out: it is what all others are compared with.
        if self.whole.len() < TRACES || expected {
            self.whole.push(trace);
        }
    }

    /// Counts a play whose digest came before; whether it did.
    pub(crate) fn count(&mut self, digest: Digest) -> bool {
        self.tallied.get_mut(&digest).map(|tallied| tallied.count += 1).is_some()
    }

    /// How many plays.
    pub(crate) fn plays(&self) -> u64 {
        self.tallied.values().map(|tallied| tallied.count).sum()
    }

    /// The digests: the case's first, then the most frequent ones.
    pub(crate) fn tallied(&self) -> Vec<Tallied> {
        let mut tallied: Vec<Tallied> = self.tallied.values().copied().collect();
        tallied.sort_by(by_rank);
        tallied
    }

    /// The traces that are whole, in the same order.
    fn ranked(&self) -> Vec<&Trace> {
        let ranks = self.tallied();
        let rank = |trace: &&Trace| ranks.iter().position(|tallied| tallied.digest == trace.digest);
        let mut whole: Vec<&Trace> = self.whole.iter().collect();
        whole.sort_by_key(rank);
        whole
    }

    /// Where the first of them parts from the reference: that is the case, unless it never came and the plays
    /// differ among themselves, so that both sides can be played again.
    pub(crate) fn first_parting(&self, case: &Trace) -> Option<(Stretch, [Digest; 2])> {
        let ranked = self.ranked();
        let reference = match ranked.as_slice() {
            [first, _, ..] if first.digest != case.digest => first,
            _ => case,
        };
        let partings = ranked.iter().filter_map(|trace| {
            Stretch::between(reference, trace).map(|stretch| (stretch, [reference.digest, trace.digest]))
        });
        partings.min_by_key(|(stretch, _)| stretch.agreed)
    }

    /// The first difference between any of them and the first of them, after `agreed` equal events.
    pub(crate) fn first_difference(&self, agreed: u64) -> Option<Difference> {
        let ranked = self.ranked();
        let (first, others) = ranked.split_first()?;
        let differences = others.iter().filter_map(|other| Difference::between(first, other, agreed));
        differences
            .min_by_key(|difference| difference.sides.iter().flat_map(|side| &side.event).map(|e| e.number).min())
    }
}

fn by_rank(one: &Tallied, other: &Tallied) -> Ordering {
    other.expected.cmp(&one.expected).then(other.count.cmp(&one.count)).then(one.digest.cmp(&other.digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Event, HostName};

    /// A history of so many events, one each second, that differs from the others in one event.
    fn trace(events: u64, odd: Option<u64>, agreed: u64) -> Trace {
        let mut history = History::default();
        history.keep(numbers_to_keep(agreed));
        let host = HostName::from("client-1");
        for number in 1..=events {
            let event = if odd == Some(number) { Event::ProcessKilled } else { Event::Dialing { attempt: number } };
            history.append(Duration::from_secs(number), &host, event);
        }
        Trace::of(&history)
    }

    #[test]
    fn equal_traces_do_not_part() {
        assert_eq!(Stretch::between(&trace(5000, None, 0), &trace(5000, None, 0)), None);
    }

    #[test]
    fn the_stretch_is_the_first_between_two_checkpoints_that_differs() {
        let (whole, seconds) = (trace(5000, None, 0), Duration::from_secs);
        for (events, odd, agreed, last, until) in [
            (5000, Some(1), 0, 1024, Some(1024)),
            (5000, Some(1024), 0, 1024, Some(1024)),
            (5000, Some(1025), 1024, 2048, Some(2048)),
            (5000, Some(4096), 3072, 4096, Some(4096)),
            (5000, Some(5000), 4096, 5000, None),
            // What ended early: the other one's checkpoint still bounds it.
            (2100, None, 2048, 3072, Some(3072)),
            (4999, None, 4096, 5000, None),
        ] {
            let expected = Stretch { agreed, since: seconds(agreed), last, until: until.map(seconds) };
            let other = trace(events, odd, 0);
            assert_eq!(Stretch::between(&whole, &other), Some(expected), "{events} events, odd {odd:?}");
            assert_eq!(Stretch::between(&other, &whole), Some(expected), "{events} events, odd {odd:?}");
            assert!((agreed + 1..=last).contains(&odd.unwrap_or(events + 1)));
        }
    }

    #[test]
    fn checkpoints_that_no_play_can_have_are_no_panic() {
        let whole = trace(5000, None, 0);
        let mut edited = Trace { digest: trace(1, None, 0).digest, ..whole.clone() };
        for checkpoint in &mut edited.checkpoints {
            checkpoint.events = u64::MAX - checkpoint.events;
        }
        let parted = Stretch::between(&edited, &whole).expect("parted");
        assert_eq!(parted.agreed, 0);
        edited.checkpoints.reverse();
        assert_eq!(Stretch::between(&whole, &edited).expect("parted").agreed, 0);
    }

    #[test]
    fn the_first_differing_event_of_both_sides_is_found_with_three_before_it() {
        for odd in [1, 2, 1024, 1025, 2000, 4999] {
            let agreed = Stretch::between(&trace(5000, None, 0), &trace(5000, Some(odd), 0)).expect("parted").agreed;
            let (one, other) = (trace(5000, None, agreed), trace(5000, Some(odd), agreed));
            let found = Difference::between(&one, &other, agreed).expect("a difference");
            let before: Vec<u64> = found.before.iter().map(|event| event.number).collect();
            assert_eq!(before, (odd.saturating_sub(3).max(1)..odd).collect::<Vec<_>>());
            let [one, other] = found.sides.map(|side| side.event.expect("an event"));
            assert_eq!((one.number, one.what), (odd, Event::Dialing { attempt: odd }.to_string()));
            assert_eq!((other.number, other.what), (odd, Event::ProcessKilled.to_string()));
        }
    }

    #[test]
    fn a_history_that_ends_early_has_no_event_on_its_side() {
        let (one, other) = (trace(1500, None, 1024), trace(1499, None, 1024));
        let found = Difference::between(&one, &other, 1024).expect("a difference");
        assert_eq!(found.sides[0].event.as_ref().map(|event| event.number), Some(1500));
        assert_eq!((found.sides[1].event.as_ref(), found.sides[1].digest), (None, other.digest));
    }

    #[test]
    fn a_difference_elsewhere_is_not_taken_for_the_first() {
        let whole = trace(5000, None, 1024);
        assert_eq!(Difference::between(&whole, &trace(5000, Some(7), 1024), 1024), None);
        assert_eq!(Difference::between(&whole, &trace(5000, Some(3000), 1024), 1024), None);
    }

    fn traces(case: &Trace, plays: &[&Trace]) -> Traces {
        let mut traces = Traces::new(case.digest);
        plays.iter().for_each(|play| traces.take((*play).clone()));
        traces
    }

    #[test]
    fn digests_are_counted_the_cases_first() {
        let (case, one, other) = (trace(9, None, 0), trace(9, Some(1), 0), trace(9, Some(2), 0));
        let traces = traces(&case, &[&one, &other, &other, &case]);
        let counts: Vec<_> = traces.tallied().iter().map(|tallied| (tallied.digest, tallied.count)).collect();
        assert_eq!(counts, [(case.digest, 1), (other.digest, 2), (one.digest, 1)]);
        assert_eq!(traces.plays(), 4);
    }

    #[test]
    fn the_earliest_parting_is_looked_at() {
        let (case, late, early) = (trace(5000, None, 0), trace(5000, Some(4000), 0), trace(5000, Some(2000), 0));
        let (stretch, sides) = traces(&case, &[&late, &late, &case, &early]).first_parting(&case).expect("parted");
        assert_eq!((stretch.agreed, sides), (1024, [case.digest, early.digest]));
        assert!(traces(&case, &[&case, &case]).first_parting(&case).is_none());
    }

    #[test]
    fn plays_that_differ_among_themselves_are_compared_where_the_case_never_came() {
        let (case, one, other) = (trace(5000, Some(1), 0), trace(5000, None, 0), trace(5000, Some(2000), 0));
        let (stretch, sides) = traces(&case, &[&one, &other, &one]).first_parting(&case).expect("parted");
        assert_eq!((stretch.agreed, sides), (1024, [one.digest, other.digest]));
        let (stretch, sides) = traces(&case, &[&other]).first_parting(&case).expect("parted");
        assert_eq!((stretch.agreed, sides), (0, [case.digest, other.digest]));
    }

    #[test]
    fn more_digests_than_are_kept_are_still_counted() {
        let case = trace(100, None, 0);
        let odd: Vec<Trace> = (1..=40).map(|odd| trace(100, Some(odd), 0)).collect();
        let plays: Vec<&Trace> = odd.iter().chain([&case]).collect();
        let traces = traces(&case, &plays);
        assert_eq!((traces.tallied().len(), traces.whole.len()), (41, TRACES + 1));
        let first = traces.first_difference(0).expect("a difference").sides[0].digest;
        assert_eq!(first, case.digest);
    }
}
