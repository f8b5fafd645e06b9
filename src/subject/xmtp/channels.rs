//! Topics as channels of a history, each made once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::channel::{Channel, Position};
use crate::subject::xmtp::wire::{Add, Topic};

/// The channels of the topics that one observer has met.
#[derive(Debug, Default)]
pub(crate) struct Channels(Mutex<BTreeMap<Topic, Channel>>);

impl Channels {
    /// The channel of a topic.
    pub(crate) fn of(&self, topic: &Topic) -> Channel {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = known.get(topic) {
            return channel.clone();
        }
        let channel = channel_of(topic);
        known.insert(topic.clone(), channel.clone());
        channel
    }

    /// The channels and cursors of some adds.
    pub(crate) fn positions(&self, adds: &[Add]) -> Vec<Position> {
        adds.iter().map(|add| Position { channel: self.of(&add.topic), cursor: add.cursor }).collect()
    }
}

/// The channel of a topic: its ids come from the sequence of its kind.
pub(crate) fn channel_of(topic: &Topic) -> Channel {
    let told = topic.to_string();
    let name = told.split_once(':').map_or(told.as_str(), |(_, name)| name);
    Channel::new(&topic.kind().to_string(), name)
}
