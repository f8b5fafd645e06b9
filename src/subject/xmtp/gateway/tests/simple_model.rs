//! The simplest model of a gateway that could be right: each lease is alone with the log.
//!
//! Refuses to know the wire: a lease gets what its topics hold above its cursors, one id after the other, and its
//! markers once, when it has what was there before.

use std::collections::{BTreeMap, BTreeSet};

use crate::subject::xmtp::gateway::tests::right_node::PublishedLog;
use crate::subject::xmtp::gateway::{LeaseEvent, LeaseId};
use crate::subject::xmtp::wire::{Add, Cursor, Topic};

/// One topic of a lease.
#[derive(Debug)]
struct LoneTopic {
    cursor: Cursor,
    got: usize,
    live: bool,
    /// Before the topic is told to be live, everything up to here is to be delivered: all that was published when it was
    /// added, where nobody else had the topic, or else all that others had got of it.
    due: u64,
}

#[derive(Debug, Default)]
struct LoneLease {
    topics: BTreeMap<Topic, LoneTopic>,
    /// It was told that it is caught up, after all that it asked for.
    caught_up: bool,
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
        self.leases.insert(id, LoneLease::default());
        self.mutate(id, adds, &[], log);
    }

    /// A lease changes its topics.
    pub(super) fn mutate(&mut self, id: LeaseId, adds: &[Add], removes: &[Topic], log: &PublishedLog) {
        let lease = self.leases.get_mut(&id).expect("it is there");
        lease.caught_up = false;
        lease.topics.retain(|topic, _| !removes.contains(topic) && adds.iter().all(|add| add.topic != *topic));
        let shared: BTreeSet<Topic> = self.topics().into_iter().cloned().collect();
        for add in adds {
            let due = match shared.contains(&add.topic) {
                true => self.newest.get(&add.topic).copied().unwrap_or_default(),
                false => log.len(),
            };
            let topics = &mut self.leases.get_mut(&id).expect("it is there").topics;
            let lower = topics.get(&add.topic).map_or(add.cursor, |topic| topic.cursor.min(add.cursor));
            topics.insert(add.topic.clone(), LoneTopic { cursor: lower, got: 0, live: false, due });
        }
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
        self.leases.values().flat_map(|lease| lease.topics.keys()).collect()
    }

    /// A lease is handed something: what is wrong with it.
    pub(super) fn take(&mut self, id: LeaseId, event: &LeaseEvent, log: &PublishedLog) -> Result<(), String> {
        let lease = self.leases.get_mut(&id).ok_or_else(|| format!("{id} is over, and gets {event:?}"))?;
        match event {
            LeaseEvent::Message(message) => {
                let topic =
                    lease.topics.get_mut(message.topic()).ok_or_else(|| format!("{id} does not lease {message:?}"))?;
                let next = log.ids(message.topic(), topic.cursor).nth(topic.got);
                if next != Some(message.id.0) {
                    return Err(format!("{id} gets {} of {}, and is owed {next:?}", message.id, message.topic()));
                }
                topic.got += 1;
                let newest = self.newest.entry(message.topic().clone()).or_default();
                *newest = message.id.0.max(*newest);
            }
            LeaseEvent::Live(name) => {
                let topic =
                    lease.topics.get_mut(name).ok_or_else(|| format!("{id} is told of {name}, which it has not"))?;
                let owed = log.ids(name, topic.cursor).filter(|id| *id <= topic.due).count();
                if topic.got < owed || std::mem::replace(&mut topic.live, true) {
                    return Err(format!("{id} is told too early, or twice, that {name} is live"));
                }
            }
            LeaseEvent::CaughtUp => {
                let all = lease.topics.values().all(|topic| topic.live);
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
            for (name, LoneTopic { cursor, got, .. }) in &lease.topics {
                let owed = log.ids(name, *cursor).count();
                if owed != *got {
                    return Err(format!("{id} got {got} of the {owed} messages of {name} after {cursor}"));
                }
            }
        }
        Ok(())
    }
}
