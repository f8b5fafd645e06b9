//! Group commit: what waits while the log is synced goes into the next append, all of it with one sync.
//!
//! Refuses to answer a publisher before its messages are durable, and to know what a publisher asked beside that.
//!
//! ```text
//!   publish --+                          +--> publishers: stored, or why not
//!   publish --+--> waiting --> append ---+--> observer
//!   publish --+    (a group)  (one sync) +--> hub, in the order of ids
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::env::Env;
use crate::subject::xmtp::node::budget::weight;
use crate::subject::xmtp::node::hub::Hub;
use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::reopening_log::ReopeningLog;
use crate::subject::xmtp::node::response::{stopping, unavailable};
use crate::subject::xmtp::node::{NodeNotice, NodeObserver, StoreError};
use crate::subject::xmtp::wire::{Draft, Message, Originator, OriginatorPlace};

/// How many bytes of messages begin no larger group: a frame of the log is laid out in memory.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// What one call wants to be stored, all or none.
struct WaitingPublish {
    target: Option<Originator>,
    drafts: Vec<Draft>,
    done: oneshot::Sender<Result<(), Status>>,
}

/// Where calls wait for their messages to be durable.
pub(crate) struct PublishQueue(mpsc::UnboundedSender<WaitingPublish>);

impl PublishQueue {
    /// The queue, and who takes from it. As long as the queue is, there may be calls.
    pub(crate) fn new() -> (Self, PublishGroups) {
        let (queue, waiting) = mpsc::unbounded_channel();
        (PublishQueue(queue), PublishGroups(waiting))
    }

    /// Stores all drafts or none. `target` is who numbers them; none is the node itself.
    ///
    /// # Errors
    /// The log fails, or has no room for the originator, or the node is ending.
    pub(crate) async fn store(&self, target: Option<Originator>, drafts: Vec<Draft>) -> Result<(), Status> {
        let (done, answer) = oneshot::channel();
        self.0.send(WaitingPublish { target, drafts, done }).map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }
}

/// The calls that wait, group by group.
pub(crate) struct PublishGroups(mpsc::UnboundedReceiver<WaitingPublish>);

impl PublishGroups {
    /// The calls that wait now, at least one, as far as a group goes; none once the queue is gone.
    async fn next(&mut self) -> Option<Vec<WaitingPublish>> {
        let mut group = vec![self.0.recv().await?];
        let mut bytes = 0;
        loop {
            bytes += group.last().map_or(0, |last| last.drafts.iter().map(weight).sum());
            if bytes >= GROUP_BYTES_MAX {
                return Some(group);
            }
            match self.0.try_recv() {
                Ok(next) => group.push(next),
                Err(_) => return Some(group),
            }
        }
    }
}

/// Who stores what waits.
pub(crate) struct GroupCommit {
    pub(crate) env: Env,
    pub(crate) log: Arc<ReopeningLog>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) observer: Arc<dyn NodeObserver>,
    /// Where nothing was stored, streams go on; one of its quirks ends them.
    pub(crate) spares_streams: bool,
}

impl GroupCommit {
    /// Stores group after group, until the queue is gone.
    pub(crate) async fn run(self, mut groups: PublishGroups) {
        while let Some(group) = groups.next().await {
            self.commit(group);
        }
    }

    fn commit(&self, mut group: Vec<WaitingPublish>) {
        let created_ns = u64::try_from(self.env.wall_clock().as_nanos()).unwrap_or(u64::MAX);
        let appended = self.log.with(|log| {
            let (mut drafts, mut joining, mut refused) = (Vec::new(), BTreeSet::new(), Vec::with_capacity(group.len()));
            for waiting in &mut group {
                let without_room = waiting.target.filter(|target| !log.has_room_for(*target, &joining));
                refused.push(without_room);
                if without_room.is_none() {
                    joining.extend(waiting.target);
                    drafts.append(&mut waiting.drafts);
                }
            }
            let stored = if drafts.is_empty() { Vec::new() } else { log.append(drafts, created_ns)? };
            Ok((stored, refused))
        });
        let (answer, refused) = match appended {
            Ok((stored, refused)) => {
                self.tell(&stored);
                (Ok(()), refused)
            }
            Err(error) => {
                let is_spared = self.spares_streams && matches!(error, StoreError::NotStored(_));
                if !is_spared && !matches!(error, StoreError::Resting(_)) {
                    // S4: a message that got an id all the same would be a gap in every stream that goes on.
                    self.hub.interrupt();
                }
                (Err(unavailable(&error)), vec![None; group.len()])
            }
        };
        for (waiting, refused) in group.into_iter().zip(refused) {
            let refusal = refused.map(|originator| Err(Status::from(&NodeRefusal::TooManyOriginators(originator))));
            // A caller that has gone away asks no more.
            waiting.done.send(refusal.unwrap_or_else(|| answer.clone())).ok();
        }
    }

    fn tell(&self, stored: &[Arc<Message>]) {
        for message in stored {
            let (topic, id) = match message.origin {
                Some(OriginatorPlace { originator, sequence }) => (message.topic().part(originator), sequence),
                None => (message.topic().clone(), message.id),
            };
            self.observer.notice(NodeNotice::Stored { topic, id, draft: message.draft.clone() });
        }
        stored.iter().for_each(|message| self.hub.publish(message));
    }
}
