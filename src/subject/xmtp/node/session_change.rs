//! A Mutate that was found good: what a session will do, and what its hub has to know before.
//!
//! Refuses to know whether it is good: the session has planned it on its own state, and applies it to that.

use std::collections::{BTreeMap, BTreeSet};

use crate::subject::xmtp::wire::{Cursor, MutateId, Topic};

/// A Mutate that was found good, ready to be applied.
#[derive(Debug)]
pub(crate) struct SessionChange {
    /// The wave's name.
    pub(crate) id: MutateId,
    /// Nothing is registered (S11).
    pub(crate) history_only: bool,
    /// What leaves, first.
    pub(crate) removes: BTreeSet<Topic>,
    /// What the wave replays, and from where.
    pub(crate) starts: BTreeMap<Topic, Cursor>,
}

impl SessionChange {
    /// Topics whose live registration ends.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = &Topic> {
        self.removes.iter()
    }

    /// Topics whose live registration begins, after the leaves. It must begin before the heads are read,
    /// so that no message falls between wave and live (S4).
    pub(crate) fn joins(&self) -> impl Iterator<Item = &Topic> {
        self.starts.keys().filter(|_| !self.history_only)
    }
}
