//! The simplest model of a gateway that could be right: each lease is alone with the log.
//!
//! Refuses to know the wire: a lease gets what its topics hold above its cursors, one id after the other, and its
//! markers once, when it has what was there before.

use std::collections::{BTreeMap, BTreeSet};

use crate::subject::xmtp::gateway::tests::right_node::PublishedLog;
use crate::subject::xmtp::gateway::{LeaseEvent, LeaseId};
use crate::subject::xmtp::wire::{Add, Cursor, Topic};

#[derive(Debug)]
struct LoneLease {
    cursors: BTreeMap<Topic, Cursor>,
    got: BTreeMap<Topic, Vec<u64>>,
    live: BTreeSet<Topic>,
    caught_up: bool,
    /// Before a topic is told to be live, everything up to here is to be delivered: all that was published when the
    /// lease was made, where nobody else had the topic, or else all that others had got of it.
    due: BTreeMap<Topic, u64>,
}

/// All leases that there are.
#[derive(Debug, Default)]
pub(super) struct SimpleModel {
    leases: BTreeMap<LeaseId, LoneLease>,
    /// The newest id of each topic that any lease got.
    newest: BTreeMap<Topic, u64>,
}

impl SimpleModel {
    /// A lease is made.
    pub(super) fn lease(&mut self, id: LeaseId, adds: &[Add], log: &PublishedLog) {
        let mut cursors: BTreeMap<Topic, Cursor> = BTreeMap::new();
        for add in adds {
            let cursor = cursors.entry(add.topic.clone()).or_insert(add.cursor);
            *cursor = add.cursor.min(*cursor);
        }
        let shared = self.topics();
        let due = |topic: &Topic| match shared.contains(topic) {
            true => self.newest.get(topic).copied().unwrap_or_default(),
            false => log.len(),
        };
        let due = cursors.keys().map(|topic| (topic.clone(), due(topic))).collect();
        let lease = LoneLease { cursors, got: BTreeMap::new(), live: BTreeSet::new(), caught_up: false, due };
        self.leases.insert(id, lease);
    }

    /// A lease is over.
    pub(super) fn leave(&mut self, id: LeaseId) {
        self.leases.remove(&id);
    }

    /// The lease of that place, counted round.
    pub(super) fn nth(&self, which: usize) -> Option<LeaseId> {
        self.leases.keys().nth(which % self.leases.len().max(1)).copied()
    }

    /// Every topic that somebody leases.
    pub(super) fn topics(&self) -> BTreeSet<&Topic> {
        self.leases.values().flat_map(|lease| lease.cursors.keys()).collect()
    }

    /// A lease is handed something: what is wrong with it.
    pub(super) fn take(&mut self, id: LeaseId, event: &LeaseEvent, log: &PublishedLog) -> Result<(), String> {
        let lease = self.leases.get_mut(&id).ok_or_else(|| format!("{id} is over, and gets {event:?}"))?;
        match event {
            LeaseEvent::Message(message) => {
                let cursor = lease.cursors.get(message.topic());
                let cursor = *cursor.ok_or_else(|| format!("{id} does not lease {}", message.topic()))?;
                let got = lease.got.entry(message.topic().clone()).or_default();
                let next = log.ids(message.topic(), cursor).nth(got.len());
                if next != Some(message.id.0) {
                    return Err(format!("{id} gets {} of {}, and is owed {next:?}", message.id, message.topic()));
                }
                got.push(message.id.0);
                let newest = self.newest.entry(message.topic().clone()).or_default();
                *newest = message.id.0.max(*newest);
            }
            LeaseEvent::Live(topic) => {
                let cursor = lease.cursors.get(topic);
                let cursor = *cursor.ok_or_else(|| format!("{id} is told of {topic}, which it does not lease"))?;
                let owed = log.ids(topic, cursor).filter(|id| *id <= lease.due[topic]).count();
                if lease.got.get(topic).map_or(0, Vec::len) < owed || !lease.live.insert(topic.clone()) {
                    return Err(format!("{id} is told too early, or twice, that {topic} is live"));
                }
            }
            LeaseEvent::CaughtUp => {
                let all = lease.live.len() == lease.cursors.len();
                if !all || std::mem::replace(&mut lease.caught_up, true) {
                    return Err(format!("{id} is told too early, or twice, that it is caught up"));
                }
            }
        }
        Ok(())
    }

    /// Nothing is on its way any more: who lacks what.
    pub(super) fn close(&self, log: &PublishedLog) -> Result<(), String> {
        for (id, lease) in &self.leases {
            if !lease.caught_up {
                return Err(format!("{id} is never told that it is caught up"));
            }
            for (topic, cursor) in &lease.cursors {
                let (owed, got) = (log.ids(topic, *cursor).count(), lease.got.get(topic).map_or(0, Vec::len));
                if owed != got {
                    return Err(format!("{id} got {got} of the {owed} messages of {topic} after {cursor}"));
                }
            }
        }
        Ok(())
    }
}
