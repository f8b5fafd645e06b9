//! One stream's session under any sequence of Mutates, publishes and sends, beside the simplest model that could be
//! right: each topic is delivered in the order of its log, from its cursor, nothing twice and nothing left out.
//!
//! The planted bugs of the session are played through the same sequences, and each must be found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::subject::xmtp::node::by_kind::Heads;
use crate::subject::xmtp::node::session::Session;
use crate::subject::xmtp::node::wave::{TopicIds, WaveSource};
use crate::subject::xmtp::node::{NodeLimits, NodeQuirk, StoreError};
use crate::subject::xmtp::wire::{
    Add, Cursor, DeliveryFrame, Dialect, Draft, Envelope, Message, MessageId, MessageKind, Mutate, MutateId, Response,
    Tag, Topic,
};

const TOPICS: u8 = 6;

/// Small enough that pages, waves and topics run out within a few steps.
fn limits() -> NodeLimits {
    NodeLimits { adds: 4, subscriptions: 5, waves: 3, frame_messages: 2, ..NodeLimits::default() }
}

/// Why the session differs from the model.
type Difference = String;

fn topic(number: u8) -> Topic {
    let kind = if number % TOPICS == TOPICS - 1 { MessageKind::Welcome } else { MessageKind::Group };
    Topic::new(kind, &[b'a' + number % TOPICS])
}

/// The log as a list.
#[derive(Default)]
struct ListedLog {
    messages: Vec<Arc<Message>>,
    heads: Heads,
}

impl ListedLog {
    fn append(&mut self, topic: Topic) -> Arc<Message> {
        let head = self.heads.of_mut(topic.kind());
        head.0 += 1;
        let envelope = Envelope::Group { sender_hmac: Bytes::new(), should_push: false, is_commit: false };
        let message =
            Message { id: *head, origin: None, created_ns: 0, draft: Draft { topic, data: Bytes::new(), envelope } };
        self.messages.push(Arc::new(message));
        Arc::clone(&self.messages[self.messages.len() - 1])
    }

    /// The ids of the topic above the cursor, up to a bound.
    fn listed(&self, topic: &Topic, above: Cursor, through: MessageId) -> Vec<MessageId> {
        let of_topic = self.messages.iter().filter(|message| message.topic() == topic).map(|message| message.id);
        of_topic.filter(|id| above.is_before(*id) && *id <= through).collect()
    }
}

impl WaveSource for ListedLog {
    fn ids(&self, topic: &Topic, after: Cursor) -> TopicIds<'_> {
        Box::new(self.listed(topic, after, MessageId(u64::MAX)).into_iter())
    }

    fn message(&self, kind: MessageKind, id: MessageId) -> Result<Message, StoreError> {
        let found = self.messages.iter().find(|message| message.topic().kind() == kind && message.id == id);
        Ok(Message::clone(found.expect("a wave reads what it has sought")))
    }
}

/// What the model knows of a topic that is registered.
#[derive(Clone, Copy, Debug)]
struct Registration {
    /// The add's cursor, or the last id that was delivered.
    floor: Cursor,
    /// The wave that it is in; none once it is live.
    wave: Option<MutateId>,
}

/// A Mutate that waits for its `CatchupComplete`.
#[derive(Clone, Copy, Debug)]
struct Pending {
    id: MutateId,
    /// Whether it started a wave; else it is acknowledged and done.
    wave: bool,
    history_only: bool,
    /// The heads when it was applied: what is up to them must come before it is complete.
    through: Heads,
    /// The last id of each kind that its wave has delivered.
    last: Heads,
}

/// What a stream may be sent, by the words of the protocol.
#[derive(Default)]
struct Model {
    places: BTreeMap<Topic, Registration>,
    /// Where floors survive a remove, those of the topics that are gone.
    gone: Option<BTreeMap<Topic, Cursor>>,
    pending: Vec<Pending>,
}

impl Model {
    fn wave(&self, id: MutateId) -> Option<&Pending> {
        self.pending.iter().find(|pending| pending.wave && pending.id == id)
    }

    /// The topics that a Mutate starts, with their cursors; none if it must be refused (S3, S5, S8, S11).
    fn starts(&self, mutate: &Mutate) -> Option<BTreeMap<Topic, Cursor>> {
        let nameless = mutate.id == MutateId(0) && !mutate.adds.is_empty();
        if nameless || self.wave(mutate.id).is_some() || mutate.adds.len() > limits().adds {
            return None;
        }
        let mut starts: BTreeMap<Topic, Cursor> = BTreeMap::new();
        for add in &mutate.adds {
            let lowest = starts.entry(add.topic.clone()).or_insert(add.cursor);
            *lowest = add.cursor.min(*lowest);
        }
        if let Some(gone) = &self.gone {
            let floor = |topic| self.places.get(topic).map(|place| place.floor).or_else(|| gone.get(topic).copied());
            starts.iter_mut().for_each(|(topic, cursor)| *cursor = floor(topic).map_or(*cursor, |it| it.max(*cursor)));
        }
        let kept = |topic: &Topic| self.places.get(topic).filter(|_| !mutate.removes.contains(topic));
        let bounded =
            |place: &Registration| place.wave.and_then(|id| self.wave(id)).is_some_and(|wave| wave.history_only);
        if starts.keys().filter_map(kept).any(|place| mutate.history_only || bounded(place)) {
            return None;
        }
        starts.retain(|topic, cursor| kept(topic).is_none_or(|place| *cursor < place.floor));
        let stays = |topic: &&Topic| self.gone.is_some() || !mutate.removes.contains(topic);
        let gone = || self.gone.iter().flat_map(BTreeMap::keys);
        let mut after: BTreeSet<&Topic> = self.places.keys().filter(stays).chain(gone()).collect();
        let fresh = starts.keys().any(|topic| !self.places.contains_key(topic) && gone().all(|left| left != topic));
        after.extend(starts.keys());
        let waves = self.pending.iter().filter(|pending| pending.wave).count();
        let full = (fresh && after.len() > limits().subscriptions) || (!starts.is_empty() && waves >= limits().waves);
        (!full).then_some(starts)
    }

    fn apply(&mut self, mutate: &Mutate, starts: BTreeMap<Topic, Cursor>, heads: Heads) {
        for (topic, place) in self.places.extract_if(.., |topic, _| mutate.removes.contains(topic)) {
            self.gone.iter_mut().for_each(|gone| _ = gone.insert(topic.clone(), place.floor));
        }
        self.gone.iter_mut().for_each(|gone| gone.retain(|topic, _| !starts.contains_key(topic)));
        let Mutate { id, history_only, .. } = *mutate;
        let wave = !starts.is_empty();
        self.pending.push(Pending { id, wave, history_only, through: heads, last: Heads::default() });
        let place = |(topic, floor)| (topic, Registration { floor, wave: Some(id) });
        self.places.extend(starts.into_iter().map(place));
    }

    fn frame(&mut self, frame: &Response, log: &ListedLog) -> Result<(), Difference> {
        match frame {
            Response::Delivery(delivery) => self.delivery(delivery, log),
            Response::TopicsLive(topics) => topics.iter().try_for_each(|topic| self.goes_live(topic, log)),
            Response::CatchupComplete(id) => self.completes(*id),
            Response::Started { .. } | Response::Ping(_) | Response::Pong(_) => Err(format!("unasked: {frame:?}")),
        }
    }

    fn delivery(&mut self, delivery: &DeliveryFrame, log: &ListedLog) -> Result<(), Difference> {
        if delivery.messages.is_empty() {
            return Err("a delivery without messages".into());
        }
        if delivery.tag != Tag::Live && delivery.messages.len() > limits().frame_messages {
            return Err(format!("a page of {} messages", delivery.messages.len()));
        }
        delivery.messages.iter().try_for_each(|message| self.message(delivery.tag, message, log))
    }

    fn message(&mut self, tag: Tag, message: &Message, log: &ListedLog) -> Result<(), Difference> {
        let (topic, id) = (message.topic(), message.id);
        let place = self.places.get_mut(topic).ok_or(format!("{topic} {id} without a registration"))?;
        if place.wave.map_or(Tag::Live, Tag::Wave) != tag {
            return Err(format!("{topic} {id} comes as {tag}, and stands at {place:?}"));
        }
        let due = log.listed(topic, place.floor, MessageId(u64::MAX)).first().copied();
        if due != Some(id) {
            return Err(format!("{topic} {id} comes where {due:?} is due"));
        }
        place.floor = Cursor::from(id);
        let Some(wave) = self.pending.iter_mut().find(|pending| Tag::Wave(pending.id) == tag && pending.wave) else {
            return Ok(());
        };
        let kind = topic.kind();
        if wave.history_only && id > *wave.through.of(kind) {
            return Err(format!("{topic} {id} is beyond the bound of its catch-up"));
        }
        let last = std::mem::replace(wave.last.of_mut(kind), id);
        if last >= id { Err(format!("{tag}: {topic} {id} comes after {last}")) } else { Ok(()) }
    }

    fn goes_live(&mut self, topic: &Topic, log: &ListedLog) -> Result<(), Difference> {
        let place = self.places.get_mut(topic).ok_or(format!("{topic} is live and not registered"))?;
        let id = place.wave.take().ok_or(format!("{topic} goes live twice"))?;
        let floor = place.floor;
        let wave = *self.wave(id).ok_or(format!("{topic} is in a wave that has ended"))?;
        let missing = log.listed(topic, floor, *wave.through.of(topic.kind()));
        if !missing.is_empty() {
            return Err(format!("{topic} goes live without {missing:?}"));
        }
        if wave.history_only {
            self.places.remove(topic);
        }
        Ok(())
    }

    fn completes(&mut self, id: MutateId) -> Result<(), Difference> {
        if let Some((topic, _)) = self.places.iter().find(|(_, place)| place.wave == Some(id)) {
            return Err(format!("{} is complete and {topic} is not live", id.0));
        }
        let place = self.pending.iter().position(|pending| pending.id == id);
        self.pending.remove(place.ok_or(format!("{} is complete and nobody waits", id.0))?);
        Ok(())
    }

    /// Nothing is left to send: everything that was asked for has come.
    fn settled(&self, log: &ListedLog) -> Result<(), Difference> {
        if let Some(pending) = self.pending.first() {
            return Err(format!("never complete: {pending:?}"));
        }
        let missing = |(topic, place): (&Topic, &Registration)| {
            let ids = log.listed(topic, place.floor, MessageId(u64::MAX));
            if ids.is_empty() { Ok(()) } else { Err(format!("{topic} is quiet, and {ids:?} are stored")) }
        };
        self.places.iter().try_for_each(missing)
    }
}

/// A session, the queue that the hub would keep for it, and the model of both.
struct Bench {
    log: ListedLog,
    session: Session,
    joined: BTreeSet<Topic>,
    queue: Vec<Arc<Message>>,
    model: Model,
}

impl Bench {
    fn new(quirk: Option<NodeQuirk>, dialect: Dialect) -> Self {
        Bench {
            log: ListedLog::default(),
            session: Session::new(limits(), quirk).in_dialect(dialect),
            joined: BTreeSet::new(),
            queue: Vec::new(),
            model: Model { gone: dialect.keeps_floors().then(BTreeMap::new), ..Model::default() },
        }
    }

    fn publish(&mut self, topic: Topic) {
        let joined = self.joined.contains(&topic);
        let message = self.log.append(topic);
        self.queue.extend(joined.then_some(message));
    }

    fn mutate(&mut self, mutate: Mutate) -> Result<(), Difference> {
        let expected = self.model.starts(&mutate);
        let (planned, expected) = match (self.session.plan(mutate.clone()), expected) {
            (Ok(planned), Some(expected)) => (planned, expected),
            (Err(_), None) => return Ok(()),
            (planned, expected) => return Err(format!("{mutate:?}: {planned:?}, expected {expected:?}")),
        };
        for topic in planned.leaves() {
            self.joined.remove(topic);
        }
        self.joined.extend(planned.joins().cloned());
        self.session.apply(planned, self.log.heads);
        self.model.apply(&mutate, expected, self.log.heads);
        self.controls()
    }

    fn controls(&mut self) -> Result<(), Difference> {
        std::iter::from_fn(|| self.session.control()).try_for_each(|frame| self.model.frame(&frame, &self.log))
    }

    fn replay(&mut self) -> Result<(), Difference> {
        let frame = self.session.replay(&self.log).map_err(|error| error.to_string())?;
        frame.iter().try_for_each(|frame| self.model.frame(frame, &self.log))?;
        self.controls()
    }

    fn live(&mut self) -> Result<(), Difference> {
        let fresh = std::mem::take(&mut self.queue);
        self.session.live(&fresh).iter().try_for_each(|frame| self.model.frame(frame, &self.log))
    }

    fn settle(&mut self) -> Result<(), Difference> {
        self.live()?;
        while self.session.has_output() {
            self.replay()?;
        }
        self.model.settled(&self.log)
    }
}

/// Reads steps from bytes, and plays them to their end.
fn play(steps: &[u8], quirk: Option<NodeQuirk>, dialect: Dialect) -> Result<(), Difference> {
    let mut bench = Bench::new(quirk, dialect);
    let mut steps = steps.iter().copied();
    while let Some(step) = steps.next() {
        let mut next = || steps.next().unwrap_or_default();
        match step % 6 {
            0 | 1 => bench.publish(topic(next())),
            2 => {
                let shape = next();
                let mut add = || Add { topic: topic(next()), cursor: Cursor(u64::from(next() % 16)) };
                let adds = (0..shape % 6).map(|_| add()).collect();
                let removes = (0..(shape >> 3) % 4).map(|_| topic(next())).collect();
                let history_only = shape >> 5 == 0 && dialect.has_bounded_catch_up();
                bench.mutate(Mutate { adds, removes, history_only, id: MutateId(u64::from(next() % 8)) })?;
            }
            3 | 4 => bench.replay()?,
            _ => bench.live()?,
        }
    }
    bench.settle()
}

proptest! {
    #[test]
    fn a_session_delivers_what_the_simplest_model_delivers(steps in vec(any::<u8>(), 0..400)) {
        for dialect in Dialect::ALL {
            prop_assert_eq!(play(&steps, None, dialect), Ok(()), "{}", dialect);
        }
    }
}

#[test]
fn the_model_finds_each_planted_bug_of_a_session() {
    for quirk in [
        NodeQuirk::BoundedGoesLive,
        NodeQuirk::CompletesTwice,
        NodeQuirk::KeepsRemovedTopics,
        NodeQuirk::LiveBeforeCatchup,
        NodeQuirk::ResetIgnored,
        NodeQuirk::SkipsMidWave,
        NodeQuirk::StaysInWave,
        NodeQuirk::UnsortedReplay,
    ] {
        let mut dice = ChaCha8Rng::seed_from_u64(7);
        let mut steps = [0; 200];
        let found = (0..2_000).any(|_| {
            dice.fill_bytes(&mut steps);
            play(&steps, Some(quirk), Dialect::V1).is_err()
        });
        assert!(found, "{quirk} is as good as no bug");
    }
}
