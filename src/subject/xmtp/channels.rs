//! Topics as channels of a history, each made once. Where messages are numbered by originators, each part of a topic is a
//! channel.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::channel::{Channel, Position};
use crate::subject::xmtp::wire::{Add, Cursor, Draft, Envelope, MessageKind, Originator, Topic};

/// How many originators number a trial's messages of each kind; none where each kind has one sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Originators(pub Option<u32>);

impl Originators {
    /// The parts of a topic, or the topic where it has none.
    pub(crate) fn parts(self, topic: &Topic) -> Vec<Topic> {
        match self.0 {
            None => vec![topic.clone()],
            Some(count) => (1..=count).map(|number| topic.part(Originator::of(topic.kind(), number))).collect(),
        }
    }
}

/// The channels of the topics that one observer has met.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    originators: Originators,
    known: Mutex<BTreeMap<Topic, Channel>>,
}

impl Channels {
    /// None yet, in a trial with so many originators.
    pub(crate) fn among(originators: Originators) -> Self {
        Channels { originators, known: Mutex::default() }
    }

    /// The channel of a topic, or of a part.
    pub(crate) fn of(&self, topic: &Topic) -> Channel {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = known.get(topic) {
            return channel.clone();
        }
        let channel = channel_of(topic);
        known.insert(topic.clone(), channel.clone());
        channel
    }

    /// The channels of some whole topics.
    pub(crate) fn of_all(&self, topics: &[Topic]) -> Vec<Channel> {
        topics.iter().flat_map(|topic| self.originators.parts(topic)).map(|part| self.of(&part)).collect()
    }

    /// The channels and cursors of some adds: what is not known of an originator begins with its first message.
    pub(crate) fn positions(&self, adds: &[Add]) -> Vec<Position> {
        let position = |topic: &Topic, cursor| Position { channel: self.of(topic), cursor };
        if self.originators.0.is_none() {
            return adds.iter().map(|add| position(&add.topic, add.cursor)).collect();
        }
        let mut positions = Vec::new();
        // Each whole topic comes before its parts.
        for adds in adds.chunk_by(|_, next| next.topic.originator().is_some()) {
            let mut cursors: BTreeMap<Topic, Cursor> = BTreeMap::new();
            for Add { topic, cursor } in adds {
                match topic.originator() {
                    None => cursors.extend(self.originators.parts(topic).into_iter().map(|part| (part, Cursor(0)))),
                    Some(_) => drop(cursors.insert(topic.clone(), *cursor)),
                }
            }
            positions.extend(cursors.iter().map(|(part, cursor)| position(part, *cursor)));
        }
        positions
    }
}

/// The channel of a topic: its ids come from the sequence of its kind, or of its originator.
pub(crate) fn channel_of(topic: &Topic) -> Channel {
    let told = topic.to_string();
    let (sequence, name) = told.split_once(':').expect("a topic is told with its kind");
    Channel::new(sequence, name)
}

/// The short name of a message in a history, by its data and all that goes with it.
pub(crate) fn key_of_draft(draft: &Draft) -> u64 {
    let envelope = match &draft.envelope {
        Envelope::Group { sender_hmac, should_push, is_commit } => {
            xxh3_64_with_seed(sender_hmac, u64::from(*should_push) | u64::from(*is_commit) << 1)
        }
        Envelope::Welcome { hpke_public_key, wrapper_algorithm, welcome_metadata } => {
            let keys = xxh3_64_with_seed(hpke_public_key, u64::from(wrapper_algorithm.cast_unsigned()));
            xxh3_64_with_seed(welcome_metadata, keys)
        }
    };
    xxh3_64_with_seed(&draft.data, envelope)
}

/// The sequence of a kind, or of an originator, as channels name it.
pub(crate) fn sequence_of(kind: MessageKind, originator: Option<Originator>) -> String {
    let topic = Topic::new(kind, b"any");
    channel_of(&originator.map_or(topic.clone(), |originator| topic.part(originator))).sequence().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(positions: &[Position]) -> Vec<String> {
        positions.iter().map(|at| format!("{} {}", at.channel, at.cursor.0)).collect()
    }

    #[test]
    fn without_originators_a_topic_is_a_channel() {
        let topic = Topic::new(MessageKind::Group, b"a");
        let channels = Channels::default();
        assert_eq!(channels.of_all(std::slice::from_ref(&topic)), [Channel::new("group", "a")]);
        assert_eq!(told(&channels.positions(&[Add { topic, cursor: Cursor(4) }])), ["group:a 4"]);
        assert_eq!(sequence_of(MessageKind::Welcome, None), "welcome");
    }

    #[test]
    fn with_originators_each_part_is_one_and_what_is_not_known_begins_at_zero() {
        let [a, b] = [b"a", b"b"].map(|name| Topic::new(MessageKind::Group, name));
        let channels = Channels::among(Originators(Some(2)));
        let second = a.part(Originator(4));
        let foreign = a.part(Originator(8));
        let add = |topic: &Topic, cursor| Add { topic: topic.clone(), cursor: Cursor(cursor) };
        let adds = [add(&a, 0), add(&second, 7), add(&foreign, 2), add(&b, 0)];
        let expected = ["group@2:a 0", "group@4:a 7", "group@8:a 2", "group@2:b 0", "group@4:b 0"];
        assert_eq!(told(&channels.positions(&adds)), expected);
        assert_eq!(channels.of_all(&[a]).len(), 2);
        assert_eq!(sequence_of(MessageKind::Group, Some(Originator(4))), "group@4");
    }
}
