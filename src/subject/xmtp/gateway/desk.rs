//! The desk: books leases in the ledger, and puts what they get into their buffers.
//!
//! Refuses to know whether there is a connection. It never waits for a lease's holder.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::subject::xmtp::client::ClientEvent;
use crate::subject::xmtp::gateway::lease::{LeaseBell, LeaseNews, LeaseRequest, Outlet};
use crate::subject::xmtp::gateway::ledger::{Handouts, LeaseLedger};
use crate::subject::xmtp::gateway::{GatewayQuirk, LEASE_STALL_MAX, LeaseError, LeaseId};
use crate::subject::xmtp::wire::Mutate;

/// The leases of one gateway.
pub(crate) struct LeaseDesk {
    ledger: LeaseLedger,
    outlets: BTreeMap<LeaseId, Outlet>,
    requests: mpsc::Receiver<LeaseRequest>,
    bell: Arc<LeaseBell>,
    /// Leases whose buffer is full.
    lagging: BTreeMap<LeaseId, LeasePatience>,
}

/// When a lease that lags is looked at next, and how much it had taken when it was looked at last.
#[derive(Clone, Copy)]
struct LeasePatience {
    until: Instant,
    taken: u64,
}

impl LeaseDesk {
    /// Without leases.
    pub(crate) fn new(
        requests: mpsc::Receiver<LeaseRequest>,
        bell: Arc<LeaseBell>,
        quirk: Option<GatewayQuirk>,
    ) -> Self {
        let (outlets, lagging) = (BTreeMap::new(), BTreeMap::new());
        LeaseDesk { ledger: LeaseLedger::new(quirk), outlets, requests, bell, lagging }
    }

    /// Whether nobody leases any topic.
    pub(crate) fn is_idle(&self) -> bool {
        self.ledger.is_idle()
    }

    /// How many topics are leased.
    pub(crate) fn topics(&self) -> usize {
        self.ledger.topics()
    }

    /// Whether the wire is as the leases want it.
    pub(crate) fn is_settled(&self) -> bool {
        self.ledger.is_settled()
    }

    /// Whether the buffer of any lease is full.
    pub(crate) fn lags(&self) -> bool {
        !self.lagging.is_empty()
    }

    /// The wire is changed by smaller steps from now on.
    pub(crate) fn narrow(&mut self, topics: usize) {
        self.ledger.narrow(topics);
    }

    /// Waits until a lease comes, changes, goes, drains or stalls, and books it. Cancel safe.
    pub(crate) async fn change(&mut self) {
        let patience = self.lagging.values().map(|patience| patience.until).min();
        let stalled = async {
            match patience {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            news = self.bell.next() => news.into_iter().for_each(|(id, news)| self.hear(id, news)),
            Some(request) = self.requests.recv() => self.book(request),
            () = stalled => self.drop_stalled(Instant::now()),
        }
    }

    fn hear(&mut self, id: LeaseId, news: LeaseNews) {
        match news {
            LeaseNews::Dropped => self.leave(id),
            LeaseNews::Drained => {
                if self.lagging.remove(&id).is_some() {
                    let handouts = self.ledger.keep_up(id);
                    self.hand_out(handouts);
                }
            }
        }
    }

    /// Drops those of the leases that lag which took nothing in their time.
    fn drop_stalled(&mut self, now: Instant) {
        let due: Vec<_> =
            self.lagging.iter().filter(|(_, patience)| patience.until <= now).map(|(id, _)| *id).collect();
        for id in due {
            let Some(outlet) = self.outlets.get(&id) else { continue };
            let (taken, error) = (outlet.taken(), outlet.stalled());
            if self.lagging.get(&id).is_some_and(|patience| patience.taken < taken) {
                self.lagging.insert(id, LeasePatience { until: now + LEASE_STALL_MAX, taken });
                continue;
            }
            tracing::warn!(%error, "a lease is dropped");
            self.ledger.leave(id);
            self.end(id, error);
        }
    }

    /// Waits for something else, and books what comes and goes meanwhile.
    pub(crate) async fn change_until<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        loop {
            // A flood of leases must not keep the other from being seen.
            tokio::select! {
                biased;
                done = &mut done => return done,
                () = self.change() => {}
            }
        }
    }

    fn book(&mut self, request: LeaseRequest) {
        let handouts = match request {
            // Dropped on its way here: its departure came before it.
            LeaseRequest::Join { outlet, .. } if outlet.is_abandoned() => return,
            LeaseRequest::Join { outlet, adds } => {
                let id = outlet.id();
                self.outlets.insert(id, outlet);
                self.ledger.lease(id, adds)
            }
            LeaseRequest::Mutate { id, adds, removes } => {
                // Over meanwhile: its holder finds out when it takes the next event.
                let Some(outlet) = self.outlets.get_mut(&id) else { return };
                outlet.change();
                self.ledger.mutate(id, adds, &removes)
            }
        };
        self.hand_out(handouts);
    }

    fn leave(&mut self, id: LeaseId) {
        self.ledger.leave(id);
        self.outlets.remove(&id);
        self.lagging.remove(&id);
    }

    /// The next change of the wire.
    pub(crate) fn take_mutate(&mut self) -> Option<Mutate> {
        self.ledger.take_mutate()
    }

    /// The connection brought something.
    pub(crate) fn take(&mut self, event: ClientEvent) {
        let handouts = match event {
            ClientEvent::Delivery(delivery) => self.ledger.deliver(delivery.tag, delivery.messages),
            ClientEvent::CatchupComplete(id) => self.ledger.complete(id),
            // S9: informational, and without the wave's name; the ledger goes by CatchupComplete.
            ClientEvent::TopicsLive(_) | ClientEvent::Started { .. } => return,
        };
        self.hand_out(handouts);
    }

    fn hand_out(&mut self, handouts: Handouts) {
        let mut filled = BTreeSet::new();
        for (id, event) in handouts {
            let outlet = self.outlets.get(&id).expect("the ledger knows only leases that have a buffer");
            outlet.put(event);
            if outlet.lags() {
                filled.insert((id, outlet.taken()));
            }
        }
        let until = Instant::now() + LEASE_STALL_MAX;
        for (id, taken) in filled {
            self.ledger.lag(id);
            self.lagging.insert(id, LeasePatience { until, taken });
        }
    }

    /// The connection is gone.
    pub(crate) fn disconnect(&mut self) {
        self.ledger.disconnect();
    }

    /// The node rejects what this connection asked for: who is to blame is told, and ends.
    pub(crate) fn reject(&mut self, why: &str) {
        for lease in self.ledger.reject() {
            self.end(lease, LeaseError::Rejected { lease, why: why.to_owned() });
        }
    }

    fn end(&mut self, id: LeaseId, error: LeaseError) {
        self.lagging.remove(&id);
        if let Some(outlet) = self.outlets.remove(&id) {
            outlet.end(error);
        }
    }
}
