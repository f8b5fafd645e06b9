//! What a visitor may lawfully ask of its stream next, drawn by dice: pure, no stream and no clock.
//!
//! Refuses to know how requests travel. It keeps to the rules as a client knows them: a wave's id is nonzero and not in
//! flight (S3), and a bounded catch-up meets no subscription and no other catch-up of its topic (S11). Of what its dialect
//! does not have it asks for nothing.
//!
//! ```text
//!   per topic:  absent --add--> subscribed --remove--> absent
//!               absent --bounded--> catching up --its CatchupComplete--> absent
//! ```

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;

use crate::env::Dice;
use crate::subject::xmtp::client::ClientEvent;
use crate::subject::xmtp::wire::{Add, Cursor, Dialect, Message, MessageId, Mutate, MutateId, Topic};

/// Waves in flight, beyond which nothing more is added: enough that they overlap, and far below a node's bound (S8).
const WAVES_MAX: usize = 16;
/// Topics of one Mutate: a few, so that two of them often name the same one.
const TOPICS_PER_MUTATE_MAX: usize = 4;
/// So many ids are in use: few, so that those of completed waves come again (T19).
const IDS: u64 = 40;

/// What is known of one stream, and what else is asked of it.
pub(crate) struct Repertoire {
    topics: Vec<Topic>,
    subscribed: BTreeSet<Topic>,
    /// Whether what was removed may be added again.
    returns: bool,
    /// What was removed on this stream, where it may not.
    left: BTreeSet<Topic>,
    /// The waves in flight; of a bounded one its topics.
    in_flight: BTreeMap<MutateId, BTreeSet<Topic>>,
    /// The highest id that came of each topic, on whichever stream.
    newest: BTreeMap<Topic, MessageId>,
    dialect: Dialect,
    dice: Dice,
}

impl Repertoire {
    /// A stream that nothing was asked of, to ask for some of `topics`; whoever `returns` adds again what it has removed.
    pub(crate) fn new(topics: Vec<Topic>, dialect: Dialect, returns: bool, dice: Dice) -> Self {
        Repertoire {
            topics,
            subscribed: BTreeSet::new(),
            returns,
            left: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            newest: BTreeMap::new(),
            dialect,
            dice,
        }
    }

    /// The stream has ended: a new one begins with nothing.
    pub(crate) fn begin_anew(&mut self) {
        self.subscribed.clear();
        self.left.clear();
        self.in_flight.clear();
    }

    /// Takes note of what the stream brought.
    pub(crate) fn hear(&mut self, events: &[ClientEvent]) {
        for event in events {
            match event {
                ClientEvent::Delivery(delivery) => delivery.messages.iter().for_each(|message| self.note(message)),
                ClientEvent::CatchupComplete(id) => drop(self.in_flight.remove(id)),
                ClientEvent::Started { .. } | ClientEvent::TopicsLive(_) => {}
            }
        }
    }

    fn note(&mut self, message: &Message) {
        let newest = self.newest.entry(message.topic().clone()).or_insert(message.id);
        *newest = message.id.max(*newest);
    }

    /// What is spoken.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u32) -> u32 {
        self.dice.random_range(0..sides)
    }

    /// The next change: topics that come, go, come again from further back, or do several of it at once.
    pub(crate) fn mutate(&mut self) -> Mutate {
        let removes = self.draw_topics();
        if !self.returns {
            self.left.extend(removes.iter().cloned());
        }
        let barred: BTreeSet<Topic> = self.in_flight.values().flatten().chain(&self.left).cloned().collect();
        let mut adds = Vec::new();
        if self.in_flight.len() < WAVES_MAX {
            for topic in self.draw_topics().into_iter().filter(|topic| !barred.contains(topic)) {
                adds.extend(self.draw_add(topic));
            }
        }
        for topic in &removes {
            self.subscribed.remove(topic);
        }
        self.subscribed.extend(adds.iter().map(|add| add.topic.whole()));
        self.with_id(Mutate { adds, removes, ..Mutate::default() })
    }

    /// A bounded catch-up of topics that are not subscribed; none where every one is, or too much is in flight.
    pub(crate) fn catch_up(&mut self) -> Option<Mutate> {
        if !self.dialect.has_bounded_catch_up() {
            return None;
        }
        let busy: BTreeSet<Topic> = self.subscribed.iter().chain(self.in_flight.values().flatten()).cloned().collect();
        let topics: BTreeSet<Topic> = self.draw_topics().into_iter().filter(|topic| !busy.contains(topic)).collect();
        if topics.is_empty() || self.in_flight.len() >= WAVES_MAX {
            return None;
        }
        let mut adds = Vec::new();
        for topic in &topics {
            adds.extend(self.draw_add(topic.clone()));
        }
        let mutate = self.with_id(Mutate { adds, history_only: true, ..Mutate::default() });
        self.in_flight.insert(mutate.id, topics);
        Some(mutate)
    }

    /// Names the wave: by an id that none in flight has, or sometimes by 0 where there is nothing to replay.
    fn with_id(&mut self, mutate: Mutate) -> Mutate {
        if mutate.adds.is_empty() && !self.dialect.answers_removes() {
            return mutate; // it would be in flight for ever
        }
        if mutate.adds.is_empty() && (self.roll(2) == 0 || self.in_flight.len() >= WAVES_MAX) {
            return mutate;
        }
        let first = self.dice.random_range(1..=IDS);
        let free = |offset| MutateId((first + offset) % IDS + 1);
        let id = (0..IDS).map(free).find(|id| !self.in_flight.contains_key(id));
        let id = id.expect("more ids are in use than waves may be in flight");
        self.in_flight.insert(id, BTreeSet::new());
        Mutate { id, ..mutate }
    }

    /// Topics, some of them perhaps twice.
    fn draw_topics(&mut self) -> Vec<Topic> {
        let count = self.dice.random_range(0..=TOPICS_PER_MUTATE_MAX);
        (0..count).map(|_| self.topics[self.dice.random_range(0..self.topics.len())].clone()).collect()
    }

    /// A topic, and each part of it that was met, where the dialect counts by originator.
    fn draw_add(&mut self, topic: Topic) -> Vec<Add> {
        if !self.dialect.counts_by_originator() {
            let cursor = self.draw_cursor(&topic);
            return vec![Add { topic, cursor }];
        }
        let met: Vec<Topic> = self.newest.keys().filter(|part| part.bytes() == topic.bytes()).cloned().collect();
        let mut adds = vec![Add { topic, cursor: Cursor(0) }];
        for part in met {
            let cursor = self.draw_cursor(&part);
            adds.push(Add { topic: part, cursor });
        }
        adds
    }

    /// From the beginning, from where it is, or from somewhere between.
    fn draw_cursor(&mut self, topic: &Topic) -> Cursor {
        let newest = self.newest.get(topic).map_or(0, |id| id.0);
        match self.roll(3) {
            0 => Cursor(0),
            1 => Cursor(newest),
            _ => Cursor(self.dice.random_range(0..=newest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Die;
    use crate::subject::xmtp::wire::MessageKind;

    fn repertoire(seed: u64) -> Repertoire {
        let topics = ["a", "b", "c"].map(|name| Topic::new(MessageKind::Group, name.as_bytes())).into();
        Repertoire::new(topics, Dialect::V1, true, Dice::named(seed, &Die::Test("visitor")))
    }

    /// The rules of a node, in the plainest form.
    #[derive(Default)]
    struct Rules {
        subscribed: BTreeSet<Topic>,
        in_flight: BTreeMap<MutateId, BTreeSet<Topic>>,
    }

    impl Rules {
        fn check(&mut self, mutate: &Mutate) {
            assert!(mutate.adds.is_empty() || mutate.id != MutateId(0), "S3: {mutate:?}");
            assert!(!self.in_flight.contains_key(&mutate.id), "S3: {mutate:?}");
            let catching_up: BTreeSet<&Topic> = self.in_flight.values().flatten().collect();
            let topics: BTreeSet<Topic> = mutate.adds.iter().map(|add| add.topic.clone()).collect();
            assert!(topics.iter().all(|topic| !catching_up.contains(topic)), "S11: {mutate:?}");
            assert!(!mutate.history_only || topics.is_disjoint(&self.subscribed), "S11: {mutate:?}");
            self.subscribed.retain(|topic| !mutate.removes.contains(topic));
            let (subscribed, bounded) = match mutate.history_only {
                true => (BTreeSet::new(), topics),
                false => (topics, BTreeSet::new()),
            };
            self.subscribed.extend(subscribed);
            if mutate.id != MutateId(0) {
                self.in_flight.insert(mutate.id, bounded);
            }
        }
    }

    #[test]
    fn whatever_is_drawn_is_lawful_and_every_kind_is_drawn() {
        let mut kinds = BTreeSet::new();
        for seed in 0..20 {
            let (mut repertoire, mut rules) = (repertoire(seed), Rules::default());
            for _ in 0..200 {
                let drawn = match repertoire.roll(3) {
                    0 => repertoire.catch_up(),
                    _ => Some(repertoire.mutate()),
                };
                let Some(mutate) = drawn else { continue };
                rules.check(&mutate);
                let adds: BTreeSet<&Topic> = mutate.adds.iter().map(|add| &add.topic).collect();
                kinds.insert(match &mutate {
                    Mutate { history_only: true, .. } => "bounded",
                    Mutate { id: MutateId(0), .. } => "without a name",
                    Mutate { adds: twice, .. } if twice.len() > adds.len() => "twice",
                    Mutate { removes, .. } if removes.iter().any(|topic| adds.contains(topic)) => "reset",
                    Mutate { .. } => "plain",
                });
                if repertoire.roll(4) == 0 {
                    let done = rules.in_flight.keys().next().copied();
                    let done = done.into_iter().collect::<Vec<_>>();
                    rules.in_flight.retain(|id, _| !done.contains(id));
                    repertoire.hear(&done.into_iter().map(ClientEvent::CatchupComplete).collect::<Vec<_>>());
                }
            }
        }
        assert_eq!(Vec::from_iter(kinds), ["bounded", "plain", "reset", "twice", "without a name"]);
    }

    #[test]
    fn of_the_draft_nothing_is_asked_that_it_does_not_have_or_never_answers() {
        let topics = ["a", "b", "c"].map(|name| Topic::new(MessageKind::Group, name.as_bytes())).into();
        let mut repertoire = Repertoire::new(topics, Dialect::Draft, true, Dice::named(7, &Die::Test("visitor")));
        for _ in 0..500 {
            assert_eq!(repertoire.catch_up(), None);
            let mutate = repertoire.mutate();
            assert_eq!(mutate.id == MutateId(0), mutate.adds.is_empty(), "{mutate:?}");
            let waits = if mutate.adds.is_empty() { Vec::new() } else { vec![mutate.id] };
            assert_eq!(repertoire.in_flight.keys().copied().collect::<Vec<_>>(), waits);
            repertoire.hear(&waits.into_iter().map(ClientEvent::CatchupComplete).collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_does_not_return_adds_nothing_again_that_it_has_removed() {
        let mut repertoire = Repertoire { returns: false, ..repertoire(7) };
        let mut removed = BTreeSet::new();
        for _ in 0..100 {
            let mutate = repertoire.mutate();
            removed.extend(mutate.removes);
            assert!(mutate.adds.iter().all(|add| !removed.contains(&add.topic)));
        }
        let asks_again = |_| {
            repertoire.begin_anew();
            !repertoire.mutate().adds.is_empty()
        };
        assert!((0..20).any(asks_again));
    }

    #[test]
    fn a_new_stream_may_be_asked_for_anything() {
        let mut repertoire = repertoire(7);
        while repertoire.in_flight.len() < WAVES_MAX {
            repertoire.mutate();
        }
        assert_eq!(repertoire.catch_up(), None);
        repertoire.begin_anew();
        assert!((0..20).any(|_| repertoire.catch_up().is_some()));
    }
}
