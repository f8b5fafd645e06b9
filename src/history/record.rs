//! The records of a history and how they are appended.

use std::backtrace::Backtrace;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cast::HostName;
use crate::history::digest::Roll;
use crate::history::{Aside, Beat, Checkpoint, Digest, Event};

/// One event, or a run of equal [`Beat`]s with nothing but beats between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was seen first, since the trial's start.
    pub at: Duration,
    /// When it was seen last; equal to `at` unless it is a run of beats.
    pub until: Duration,
    /// How often it was seen.
    pub count: u64,
    /// Where.
    pub host: HostName,
    /// What.
    pub event: Event,
}

/// One event as it was appended, before any run of beats was folded, in words: what one process tells another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RawEvent {
    /// Its place in the history, from 1.
    pub number: u64,
    /// When it was seen, since the trial's start.
    pub at: Duration,
    /// Where.
    #[schemars(with = "String")]
    pub host: HostName,
    /// What, in words.
    pub what: String,
    /// The same with every particular: two events that differ have other particulars.
    pub particulars: String,
}

impl RawEvent {
    /// The event of that number.
    #[must_use]
    pub fn of(number: u64, at: Duration, host: &HostName, event: &Event) -> Self {
        RawEvent { number, at, host: host.clone(), what: event.to_string(), particulars: format!("{event:?}") }
    }
}

/// What observers saw, in order.
pub struct History {
    records: Vec<Record>,
    /// The numbers of the events that are kept raw as well.
    keeping: Range<u64>,
    kept: Vec<RawEvent>,
    roll: Roll,
    /// The records that later beats may still be folded into, found without looking at those of other hosts.
    open_runs: BTreeMap<(HostName, Beat), usize>,
    scratch: Vec<u8>,
    /// Where the program panicked that ended the trial, if somebody asked for it: of no digest.
    backtrace: Option<Arc<Backtrace>>,
    /// What was noticed besides: of no digest.
    asides: Vec<Aside>,
}

impl Default for History {
    fn default() -> Self {
        History {
            records: Vec::new(),
            keeping: 0..0,
            kept: Vec::new(),
            roll: Roll::new(),
            open_runs: BTreeMap::new(),
            scratch: Vec::new(),
            backtrace: None,
            asides: Vec::new(),
        }
    }
}

impl History {
    /// Appends what was seen at `at` on `host`.
    ///
    /// # Panics
    /// If `at` lies before the last record: an observer with a wrong clock is our bug.
    pub(crate) fn append(&mut self, at: Duration, host: &HostName, event: Event) {
        let last = self.records.last().map_or(Duration::ZERO, |record| record.at);
        assert!(at >= last, "history runs backwards: {event:?} at {at:?} comes after {last:?}");
        self.scratch.clear();
        let scratch = std::mem::take(&mut self.scratch);
        let canonical = postcard::to_extend(&(at, host, &event), scratch).expect("events are plain data");
        self.roll.take(at, &canonical);
        self.scratch = canonical;
        let number = self.roll.events();
        if self.keeping.contains(&number) {
            self.kept.push(RawEvent::of(number, at, host, &event));
        }
        let next = self.records.len();
        if let Event::Beat { beat, .. } = &event {
            match self.open_runs.entry((host.clone(), *beat)) {
                Entry::Occupied(run) => {
                    let record = &mut self.records[*run.get()];
                    record.until = at;
                    record.count += 1;
                    return;
                }
                Entry::Vacant(run) => _ = run.insert(next),
            }
        } else {
            self.open_runs.clear();
        }
        self.records.push(Record { at, until: at, count: 1, host: host.clone(), event });
    }

    /// From here on the events of these numbers, counted from 1, are kept raw as well: to look closely at a stretch in
    /// which two histories part.
    pub fn keep(&mut self, numbers: Range<u64>) {
        self.keeping = numbers;
    }

    /// The events that were to be kept raw, as far as they happened.
    #[must_use]
    pub fn kept(&self) -> &[RawEvent] {
        &self.kept
    }

    /// The records, by the time they were first seen.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The record of a program's failure: it ends a history.
    #[must_use]
    pub fn failure(&self) -> Option<&Record> {
        self.records.last().filter(|last| matches!(last.event, Event::ProgramFailed { .. }))
    }

    /// The program that failed has panicked there.
    pub(crate) fn trace_failure(&mut self, backtrace: Option<Arc<Backtrace>>) {
        self.backtrace = backtrace;
    }

    /// Where the program panicked that ended the trial; none where none did, or `RUST_BACKTRACE` did not ask for it.
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace.as_deref()
    }

    /// Something was noticed that is no event.
    pub(crate) fn note(&mut self, aside: Aside) {
        aside.add_to(&mut self.asides);
    }

    /// What was noticed besides: of no record, and of no digest.
    #[must_use]
    pub fn asides(&self) -> &[Aside] {
        &self.asides
    }

    /// The fingerprint of everything that was appended, each beat by itself.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.roll.digest()
    }

    /// How many events were appended, each beat by itself.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.roll.events()
    }

    /// Digests of prefixes, to find where two histories part.
    #[must_use]
    pub fn checkpoints(&self) -> &[Checkpoint] {
        self.roll.checkpoints()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(nonce: u64) -> Event {
        Event::Beat { beat: Beat::Heard { attempt: 1 }, nonce: Some(nonce) }
    }

    fn history(events: &[(u64, Event)]) -> History {
        let mut history = History::default();
        let host = HostName::from("client-1");
        events.iter().for_each(|(at, event)| history.append(Duration::from_secs(*at), &host, event.clone()));
        history
    }

    #[test]
    fn a_quiet_day_takes_one_record() {
        let beats: Vec<_> = (0..2880).map(|n| (n * 30, beat(n))).collect();
        let history = history(&beats);
        assert_eq!(history.records().len(), 1);
        let record = &history.records()[0];
        assert_eq!((record.count, record.until), (2880, Duration::from_secs(2879 * 30)));
        assert_eq!(history.events(), 2880);
    }

    #[test]
    fn a_run_of_beats_ends_at_any_other_event() {
        let history = history(&[(1, beat(1)), (2, Event::ProcessKilled), (3, beat(2))]);
        assert_eq!(history.records().len(), 3);
    }

    #[test]
    fn each_beat_counts_in_the_digest() {
        let (one, two) = (history(&[(1, beat(1)), (2, beat(2))]), history(&[(1, beat(1)), (2, beat(3))]));
        assert_eq!(one.records().len(), two.records().len());
        assert_ne!(one.digest(), two.digest());
    }

    #[test]
    fn a_stretch_that_is_kept_has_every_beat_and_changes_no_digest() {
        let beats: Vec<_> = (0..10).map(|n| (n, beat(n))).collect();
        let folded = history(&beats);
        let mut kept = History::default();
        kept.keep(3..6);
        let host = HostName::from("client-1");
        beats.iter().for_each(|(at, event)| kept.append(Duration::from_secs(*at), &host, event.clone()));
        let expected: Vec<_> = (3..6)
            .map(|number| {
                let at = Duration::from_secs(number - 1);
                RawEvent::of(number, at, &host, &beat(number - 1))
            })
            .collect();
        assert_eq!(kept.kept(), expected);
        assert_eq!((kept.digest(), kept.records()), (folded.digest(), folded.records()));
        assert_eq!(folded.kept(), []);
    }

    #[test]
    #[should_panic(expected = "history runs backwards")]
    fn a_history_that_runs_backwards_is_our_bug() {
        history(&[(2, Event::ProcessKilled), (1, Event::ProcessKilled)]);
    }
}
