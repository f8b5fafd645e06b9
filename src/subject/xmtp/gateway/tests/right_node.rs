//! A model of a right node on one stream: what the protocol allows it to do, one small step at a time.
//!
//! Refuses to know leases, and our real node. It complains of whatever it is asked that it would refuse, or that is of
//! no use.

use std::collections::{BTreeMap, VecDeque};

use crate::subject::xmtp::client::tests::message;
use crate::subject::xmtp::wire::{Cursor, DeliveryFrame, Message, MessageId, Mutate, MutateId, Response, Tag, Topic};

/// Everything that was ever published, in order; ids are places, from 1. It survives each stream.
#[derive(Debug, Default)]
pub(super) struct PublishedLog(Vec<Message>);

impl PublishedLog {
    /// Publishes to the topic of that name.
    pub(super) fn publish(&mut self, name: &str) -> MessageId {
        let id = self.0.len() as u64 + 1;
        self.0.push(message(name, id));
        MessageId(id)
    }

    /// How many were published.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// The ids of a topic above a cursor, ascending.
    pub(super) fn ids(&self, topic: &Topic, after: Cursor) -> impl Iterator<Item = u64> {
        let owed = self.0.iter().filter(move |message| message.topic() == topic && message.id.0 > after.0);
        owed.map(|message| message.id.0)
    }

    fn get(&self, id: u64) -> &Message {
        &self.0[id as usize - 1]
    }
}

#[derive(Clone, Copy, Debug)]
enum Registered {
    Live { floor: Cursor, covered: u64 },
    InWave(MutateId),
}

#[derive(Debug, Default)]
struct ModelWave {
    floors: BTreeMap<Topic, Cursor>,
    /// It reads up to here.
    through: u64,
}

/// One stream.
#[derive(Debug, Default)]
pub(super) struct RightNode {
    registered: BTreeMap<Topic, Registered>,
    waves: BTreeMap<MutateId, ModelWave>,
    /// Ids that were published and not looked at yet.
    fresh: VecDeque<u64>,
    /// Frames on their way to the gateway.
    pub(super) sent: VecDeque<Response>,
}

impl RightNode {
    /// Something was published.
    pub(super) fn announce(&mut self, id: MessageId) {
        self.fresh.push_back(id.0);
    }

    /// What is registered.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.registered.keys()
    }

    /// Whether nothing is left to do without a request.
    pub(super) fn is_done(&self) -> bool {
        self.waves.is_empty() && self.fresh.is_empty() && self.sent.is_empty()
    }

    /// Applies a Mutate (S3, S5).
    pub(super) fn apply(&mut self, mutate: Mutate, log: &PublishedLog) -> Result<(), String> {
        self.check(&mutate)?;
        let Mutate { adds, removes, id, .. } = mutate;
        for topic in removes.iter().chain(adds.iter().map(|add| &add.topic)) {
            if let Some(Registered::InWave(older)) = self.registered.remove(topic) {
                let wave = self.waves.get_mut(&older).expect("both change together");
                wave.floors.remove(topic);
            }
        }
        let emptied: Vec<MutateId> =
            self.waves.iter().filter(|(_, wave)| wave.floors.is_empty()).map(|(id, _)| *id).collect();
        emptied.into_iter().for_each(|id| self.finish(id));
        self.registered.extend(adds.iter().map(|add| (add.topic.clone(), Registered::InWave(id))));
        let floors = adds.into_iter().map(|add| (add.topic, add.cursor)).collect();
        self.waves.insert(id, ModelWave { floors, through: log.len() });
        if self.waves[&id].floors.is_empty() {
            self.finish(id);
        }
        Ok(())
    }

    fn check(&self, mutate: &Mutate) -> Result<(), String> {
        let Mutate { adds, removes, id, history_only } = mutate;
        if id.0 == 0 || self.waves.contains_key(id) {
            return Err(format!("S3: {id} is zero or in flight"));
        }
        if *history_only || (adds.is_empty() && removes.is_empty()) || adds.len() + removes.len() > 1_000 {
            return Err(format!("{id} asks for {} adds and {} removes", adds.len(), removes.len()));
        }
        if let Some(topic) = removes.iter().find(|topic| !self.registered.contains_key(*topic)) {
            return Err(format!("{id} removes {topic}, which is not there"));
        }
        for add in adds.iter().filter(|add| !removes.contains(&add.topic)) {
            let floor = match self.registered.get(&add.topic) {
                None => continue,
                Some(Registered::Live { floor, .. }) => *floor,
                Some(Registered::InWave(wave)) => self.waves[wave].floors[&add.topic],
            };
            if add.cursor >= floor {
                return Err(format!("S5: {id} adds {} {}, a no-op at {floor}", add.topic, add.cursor));
            }
        }
        Ok(())
    }

    /// Sends the next page of one of the waves, of so many messages at most; at its end the markers (S4, S9).
    pub(super) fn replay(&mut self, which: usize, page: usize, log: &PublishedLog) {
        let Some(id) = self.waves.keys().nth(which % self.waves.len().max(1)).copied() else { return };
        let wave = self.waves.get_mut(&id).expect("just found");
        let mut messages = Vec::new();
        while messages.len() < page
            && let Some(next) = wave.next(log)
        {
            let message = log.get(next).clone();
            wave.floors.insert(message.topic().clone(), Cursor(next));
            messages.push(message);
        }
        let done = wave.next(log).is_none();
        if !messages.is_empty() {
            self.sent.push_back(Response::Delivery(DeliveryFrame { tag: Tag::Wave(id), messages }));
        }
        if done {
            self.finish(id);
        }
    }

    fn finish(&mut self, id: MutateId) {
        let wave = self.waves.remove(&id).expect("a wave ends once");
        if !wave.floors.is_empty() {
            self.sent.push_back(Response::TopicsLive(wave.floors.keys().cloned().collect()));
        }
        for (topic, floor) in wave.floors {
            self.registered.insert(topic, Registered::Live { floor, covered: floor.0.max(wave.through) });
        }
        self.sent.push_back(Response::CatchupComplete(id));
    }

    /// Looks at fresh messages, so many at most: live, folded into a wave, or of no concern (S4).
    pub(super) fn flow(&mut self, most: usize, log: &PublishedLog) {
        let mut messages = Vec::new();
        for _ in 0..most.min(self.fresh.len()) {
            let id = self.fresh.pop_front().expect("counted");
            let message = log.get(id);
            match self.registered.get_mut(message.topic()) {
                None => {}
                Some(Registered::Live { covered, .. }) if id <= *covered => {}
                Some(Registered::Live { floor, covered }) => {
                    (*floor, *covered) = (Cursor(id), id);
                    messages.push(message.clone());
                }
                Some(Registered::InWave(wave)) => {
                    let wave = self.waves.get_mut(wave).expect("both change together");
                    if wave.floors[message.topic()].0 < id {
                        wave.through = wave.through.max(id);
                    }
                }
            }
        }
        if !messages.is_empty() {
            self.sent.push_back(Response::Delivery(DeliveryFrame { tag: Tag::Live, messages }));
        }
    }
}

impl ModelWave {
    /// The lowest id that one of its topics still has to get.
    fn next(&self, log: &PublishedLog) -> Option<u64> {
        let firsts = self.floors.iter().filter_map(|(topic, floor)| log.ids(topic, *floor).next());
        firsts.min().filter(|id| *id <= self.through)
    }
}
