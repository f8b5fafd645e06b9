//! What one stream is registered for: its session, with the hook, the hub and the log behind it.
//!
//! Refuses to know when anything is sent, and what travels besides messages and their markers.

use std::sync::Arc;

use tokio::time::Instant;

use crate::subject::xmtp::node::NodeConfig;
use crate::subject::xmtp::node::authorization::CallerGate;
use crate::subject::xmtp::node::binding::Places;
use crate::subject::xmtp::node::budget::Budget;
use crate::subject::xmtp::node::by_kind::Heads;
use crate::subject::xmtp::node::hub::{Interest, QueueState};
use crate::subject::xmtp::node::reopening_log::ReopeningLog;
use crate::subject::xmtp::node::response::NodeEnding;
use crate::subject::xmtp::node::session::Session;
use crate::subject::xmtp::node::{NodeLimits, NodeQuirk, StoreError};
use crate::subject::xmtp::wire::{Cursor, Dialect, MessageKind, Mutate, Response, Topic, VectorCursor};

/// What of its node a stream is registered with.
pub(crate) struct Registrar {
    /// The message log.
    pub(crate) log: Arc<ReopeningLog>,
    /// The stream's queue of fresh messages.
    pub(crate) interest: Interest,
    /// Whether the caller may have what it asks for (S7).
    pub(crate) gate: CallerGate,
}

impl Places for Registrations {
    fn heads(&self) -> Result<Heads, StoreError> {
        self.registrar.log.with(|log| Ok(log.heads()))
    }

    fn beyond(&self, known: &[(MessageKind, &VectorCursor)]) -> Result<Vec<Cursor>, StoreError> {
        self.registrar.log.with(|log| Ok(log.beyond(known)))
    }

    fn adds_max(&self) -> usize {
        self.adds_max
    }
}

/// The registrations of one stream.
pub(crate) struct Registrations {
    /// What it is registered for.
    pub(crate) session: Session,
    registrar: Registrar,
    frame: Budget,
    adds_max: usize,
    quirk: Option<NodeQuirk>,
}

impl Registrations {
    /// None yet.
    pub(crate) fn new(registrar: Registrar, limits: NodeLimits, config: &NodeConfig) -> Self {
        let frame = Budget::new(limits.frame_messages, limits.frame_bytes);
        let adds_max = limits.adds;
        Registrations { session: Session::new(limits, config.quirk), registrar, frame, adds_max, quirk: config.quirk }
    }

    /// The same in that dialect.
    #[must_use]
    pub(crate) fn in_dialect(mut self, dialect: Dialect) -> Self {
        self.session = self.session.in_dialect(dialect);
        self
    }

    /// Applies a Mutate, whole or not at all (S5).
    ///
    /// # Errors
    /// It breaks a rule or a bound, asks for what is denied (S7), or the log fails.
    pub(crate) fn mutate(&mut self, mutate: Mutate) -> Result<(), NodeEnding> {
        let asked: Vec<Topic> = mutate.adds.iter().map(|add| add.topic.clone()).collect();
        let change = self.session.plan(mutate)?;
        // Once the plan has found that they are not too many (S8), and before anything of it is applied (S7).
        self.registrar.gate.check(&asked)?;
        change.leaves().for_each(|topic| self.registrar.interest.leave(topic));
        change.joins().for_each(|topic| self.registrar.interest.join(topic));
        // After the joins: a message stored from here on reaches the queue, and all before is below the
        // heads (S4).
        let heads = self.registrar.log.with(|log| Ok(log.heads()))?;
        self.session.apply(change, heads);
        Ok(())
    }

    /// Whether fresh messages wait.
    ///
    /// # Errors
    /// More waited than the queue holds (S8), or messages may have been stored that nobody was told.
    pub(crate) fn has_fresh(&self) -> Result<bool, NodeEnding> {
        match self.registrar.interest.backlog() {
            QueueState::Overflowed => Err(NodeEnding::TooSlow),
            QueueState::Interrupted => Err(NodeEnding::Failed(StoreError::Interrupted)),
            QueueState::Empty => Ok(false),
            QueueState::Waiting => {
                Ok(self.quirk != Some(NodeQuirk::HoldsBackLive) || !self.registrar.interest.has_one())
            }
        }
    }

    /// Waits until something came since the last wait.
    pub(crate) async fn changed(&self) {
        self.registrar.interest.changed().await;
    }

    /// Until when the stream is to have ended, where the node is shutting down.
    pub(crate) fn ends_by(&self) -> Option<Instant> {
        self.registrar.interest.ends_by()
    }

    /// The frame of those fresh messages that are live here, of as many as one frame takes.
    pub(crate) fn live(&mut self) -> Option<Response> {
        let fresh = self.registrar.interest.take(self.frame);
        self.session.live(&fresh)
    }

    /// The next frame of a wave, if one is in flight: a page, or a marker.
    ///
    /// # Errors
    /// The log fails.
    pub(crate) fn replay(&mut self) -> Result<Option<Response>, NodeEnding> {
        if !self.session.has_output() {
            return Ok(None);
        }
        Ok(self.registrar.log.with(|log| self.session.replay(log))?)
    }
}
