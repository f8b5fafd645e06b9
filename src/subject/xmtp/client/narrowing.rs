//! Narrowing: a node that has no room for what it is asked for (RESOURCE_EXHAUSTED, S8) is asked for less, and not for
//! ever: the same Mutate would be refused again.
//!
//! Refuses to know connections and topics: it says how much to ask for, and in which order.
//!
//! ```text
//!   all at once --refused--> one Mutate after the other, half as large --refused--> ... of one topic --refused 8 times--> never fits
//!                               |
//!                               +--everything stands--> stays so: a smaller Mutate costs next to nothing
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::subject::xmtp::client::ClientEvent;
use crate::subject::xmtp::wire::{Mutate, MutateId};

/// So often in a row a node may refuse what can be no smaller: by then the backoff has waited for a quarter of a minute,
/// longer than a node needs that was short of room for a moment.
const REFUSALS_MAX: u32 = 8;
/// The first pause between two Mutates of a narrowed client, because it may be their rate that was refused.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest: no bound on the rate is below one Mutate a second.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How much a client asks for, and what of it is granted.
#[derive(Debug)]
pub(crate) struct Narrowing {
    /// How many topics one Mutate may add.
    topics: usize,
    /// Between two Mutates of one stream; where there is none, all are sent at once.
    pause: Option<Duration>,
    /// Refusals of what can be no smaller, in a row.
    refusals: u32,
    /// The most topics that a Mutate of this stream adds.
    asked: usize,
    /// What this stream is still to be asked for.
    waiting: VecDeque<Mutate>,
    /// When the next of it is sent.
    due: Option<Instant>,
    /// What is asked for and not acknowledged.
    in_flight: BTreeSet<MutateId>,
}

impl Narrowing {
    /// As much as `topics` in each Mutate, until a node refuses it.
    pub(crate) fn new(topics: usize) -> Self {
        let (waiting, in_flight) = (VecDeque::new(), BTreeSet::new());
        Narrowing { topics, pause: None, refusals: 0, asked: 0, waiting, due: None, in_flight }
    }

    /// How many topics one Mutate may add.
    pub(crate) fn topics(&self) -> usize {
        self.topics
    }

    /// How long to wait between two Mutates of one stream, where the node has refused anything.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.pause
    }

    /// A new stream is to be asked for this: what it begins with. The rest comes by `next`.
    pub(crate) fn ask(&mut self, mutates: Vec<Mutate>) -> Vec<Mutate> {
        let topics = |mutate: &Mutate| mutate.adds.iter().filter(|add| add.topic.originator().is_none()).count();
        self.asked = mutates.iter().map(topics).max().unwrap_or_default();
        self.waiting = mutates.into();
        self.due = None;
        let first = if self.pause.is_some() { 1 } else { self.waiting.len() };
        let initial: Vec<Mutate> = self.waiting.drain(..first.min(self.waiting.len())).collect();
        self.in_flight = initial.iter().map(|mutate| mutate.id).collect();
        initial
    }

    /// A new stream is asked by somebody else, for this many topics at a time or fewer.
    pub(crate) fn ask_elsewhere(&mut self, most: usize) {
        self.asked = most.min(self.topics);
        self.in_flight = BTreeSet::from([MutateId(0)]);
    }

    /// Takes note of what is acknowledged.
    pub(crate) fn hear(&mut self, events: &[ClientEvent]) {
        for event in events {
            if let ClientEvent::CatchupComplete(id) = event
                && self.in_flight.remove(id)
                && self.in_flight.is_empty()
            {
                self.due = Some(Instant::now() + self.pause.unwrap_or_default());
                if self.waiting.is_empty() {
                    self.grant();
                }
            }
        }
    }

    /// Everything that was asked for stands.
    pub(crate) fn grant(&mut self) {
        self.in_flight.clear();
        self.due = None;
        self.refusals = 0;
    }

    /// Whether this stream is still to be asked for something.
    pub(crate) fn has_more(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next Mutate to send, when its time has come; never, where none waits. Cancel safe.
    pub(crate) async fn next(&mut self) -> Mutate {
        let Some(due) = self.due else { return pending().await };
        sleep_until(due).await;
        self.due = None;
        let mutate = self.waiting.pop_front().expect("only what waits is due");
        self.in_flight.insert(mutate.id);
        mutate
    }

    /// The node has no room, and the stream is gone. Whether it makes sense to ask again, for less.
    pub(crate) fn refuse(&mut self) -> bool {
        let was_granted = self.waiting.is_empty() && self.in_flight.is_empty();
        if was_granted {
            return true;
        }
        self.refusals += u32::from(self.asked <= 1 && self.pause.is_some());
        self.topics = (self.topics.min(self.asked) / 2).max(1);
        self.pause = Some(self.pause.map_or(PAUSE_MIN, |pause| (pause * 2).min(PAUSE_MAX)));
        self.refusals < REFUSALS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::xmtp::client::ledger::{ADDS_MAX, MutateIds, split};
    use crate::subject::xmtp::client::tests::add;

    fn mutates(topics: usize, most: usize) -> Vec<Mutate> {
        split((0..topics).map(|number| add(&number.to_string(), 0)).collect(), most, &mut MutateIds::default())
    }

    /// How the refusals narrow what is asked for, until it is given up.
    fn narrowed(topics: usize, most: usize) -> Vec<usize> {
        let mut narrowing = Narrowing::new(most);
        let mut sizes = Vec::new();
        loop {
            narrowing.ask(mutates(topics, narrowing.topics()));
            if !narrowing.refuse() {
                return sizes;
            }
            sizes.push(narrowing.topics());
        }
    }

    #[test]
    fn each_refusal_halves_what_is_asked_for_until_a_single_topic_is_refused_too_often() {
        assert_eq!(narrowed(9, ADDS_MAX), [4, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
        for (topics, most) in [(9, 1), (1, ADDS_MAX), (0, 0)] {
            assert_eq!(narrowed(topics, most), [1; 8], "the first time it may have been too much at once");
        }
    }

    #[test]
    fn what_fits_in_the_end_is_never_given_up() {
        let mut narrowing = Narrowing::new(1);
        for _ in 0..100 {
            narrowing.ask(mutates(1, 1));
            assert!(narrowing.refuse());
            narrowing.grant();
            assert!(narrowing.refuse(), "what is refused later is not what was asked for");
        }
        assert_eq!(narrowing.refusals, 0);
    }

    #[test]
    fn calls_that_cannot_be_split_are_given_up_in_the_end() {
        let mut narrowing = Narrowing::new(ADDS_MAX);
        let refusals = std::iter::repeat_with(|| {
            narrowing.ask_elsewhere(1);
            narrowing.refuse()
        });
        assert_eq!(refusals.take_while(|again| *again).count(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_narrowed_client_sends_one_mutate_after_the_other() {
        let mut narrowing = Narrowing::new(2);
        assert_eq!(narrowing.ask(mutates(5, 2)).len(), 3);
        assert!(narrowing.refuse());
        let initial = narrowing.ask(mutates(3, narrowing.topics()));
        assert_eq!(initial.iter().map(|mutate| mutate.id.0).collect::<Vec<_>>(), [1]);
        let began = Instant::now();
        for id in 1..=3 {
            narrowing.hear(&[ClientEvent::CatchupComplete(MutateId(9)), ClientEvent::CatchupComplete(MutateId(id))]);
            if id < 3 {
                assert_eq!(narrowing.next().await.id, MutateId(id + 1));
                assert_eq!(began.elapsed(), PAUSE_MIN * u32::try_from(id).expect("small"));
            }
        }
        assert!(narrowing.waiting.is_empty() && narrowing.in_flight.is_empty() && narrowing.due.is_none());
    }
}
