//! A lease, as its holder has it, and its other end, into which the gateway puts what the lease gets.
//!
//! Refuses to know the wire. Between the two ends lies a buffer with a bound; the gateway never waits for room there.
//!
//! ```text
//!            past a bound                    nothing taken for 60 s
//!   open ---------------------> lagging --------------------------------+
//!    ^ |                           |                                    v
//!    | | a rejection,              |                                draining --next--> over
//!    | | the gateway's end         |                                    ^   (what was put is got, then the error)
//!    | +---------------------------|------------------------------------+
//!    +---- half of it is free -----+               drop: from any; the lease leaves the ledger
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::subject::xmtp::gateway::{LeaseEvent, LeaseId};
use crate::subject::xmtp::wire::{Add, Topic};

/// How many events may wait for a lease's holder by default, and one frame more: minutes of a busy lease, as many as a node lets
/// wait for a stream.
pub const LEASE_EVENTS_MAX: usize = 16_384;
/// How many bytes of messages may wait, and one frame more: 32 MiB, as a node lets wait for a stream.
pub const LEASE_BYTES_MAX: usize = 32 << 20;
/// How long a full buffer may stay as it is before the lease is dropped: as long as a node bears a consumer that takes
/// nothing.
pub const LEASE_STALL_MAX: Duration = Duration::from_secs(60);

/// Why a lease is over. Failures of networks and nodes are not among it: those pass, and no lease hears of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Its holder took nothing for [`LEASE_STALL_MAX`] while the buffer was full. It goes on from what it has by another
    /// lease.
    #[error("follow the topics of {lease}: {events} events with {bytes} bytes wait, and nobody takes them")]
    Stalled {
        /// The lease.
        lease: LeaseId,
        /// How many wait.
        events: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// The node rejects what it is asked for: asking again for the same would go on for ever.
    #[error("follow the topics of {lease}: the node rejects them for good: {why}")]
    Rejected {
        /// The lease.
        lease: LeaseId,
        /// The status, and what it says.
        why: String,
    },
    /// The gateway is gone.
    #[error("follow the topics of {lease}: the gateway has ended")]
    GatewayEnded {
        /// The lease.
        lease: LeaseId,
    },
}

/// What both ends know.
#[derive(Debug, Default)]
struct LeaseGauge {
    /// How many events may wait.
    events_max: usize,
    events: AtomicUsize,
    bytes: AtomicUsize,
    /// How many events were ever taken.
    taken: AtomicU64,
    lagging: AtomicBool,
    error: OnceLock<LeaseError>,
}

impl LeaseGauge {
    /// Whether more waits than so many parts of the bounds.
    fn exceeds(&self, part: usize) -> bool {
        self.events.load(Ordering::SeqCst) > self.events_max / part
            || self.bytes.load(Ordering::SeqCst) > LEASE_BYTES_MAX / part
    }
}

/// An event on its way to the holder, and how many changes of the lease had been booked before it.
type Stamped = (u64, LeaseEvent);

/// Some topics, each followed from a cursor. Dropping it gives them up.
#[derive(Debug)]
pub struct Lease {
    id: LeaseId,
    events: mpsc::UnboundedReceiver<Stamped>,
    gauge: Arc<LeaseGauge>,
    requests: mpsc::Sender<LeaseRequest>,
    bell: Arc<LeaseBell>,
    /// How many changes were asked for.
    changes: u64,
    /// The topics of changes that the events have not come to yet, and the last change of each: what comes of them until
    /// then is of the time before.
    changing: BTreeMap<Topic, u64>,
}

/// The gateway's end of a lease.
#[derive(Debug)]
pub(crate) struct Outlet {
    id: LeaseId,
    /// Its bounds are counted beside it, because one frame may go past them and must be put whole.
    events: mpsc::UnboundedSender<Stamped>,
    gauge: Arc<LeaseGauge>,
    changes: u64,
}

/// What leases ask of their gateway.
#[derive(Debug)]
pub(crate) enum LeaseRequest {
    /// A new lease.
    Join {
        /// Where it takes what it gets.
        outlet: Outlet,
        /// What it asks for.
        adds: Vec<Add>,
    },
    /// A lease changes its topics.
    Mutate {
        /// The lease.
        id: LeaseId,
        /// What it asks for.
        adds: Vec<Add>,
        /// What it gives up, before that.
        removes: Vec<Topic>,
    },
}

/// A lease that nobody knows of yet, for whose holder so many events may wait, and its other end.
pub(crate) fn lease(
    id: LeaseId,
    events_max: usize,
    requests: mpsc::Sender<LeaseRequest>,
    bell: Arc<LeaseBell>,
) -> (Outlet, Lease) {
    let (sender, events) = mpsc::unbounded_channel();
    let gauge = Arc::new(LeaseGauge { events_max, ..LeaseGauge::default() });
    let outlet = Outlet { id, events: sender, gauge: Arc::clone(&gauge), changes: 0 };
    (outlet, Lease { id, events, gauge, requests, bell, changes: 0, changing: BTreeMap::new() })
}

impl Lease {
    /// Its name within the gateway.
    #[must_use]
    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// Gives topics up, and then asks for topics, each from its cursor: also one that it has, which begins anew there.
    /// When this has returned, nothing comes of the time before. Waits while many requests wait; canceled, it changes
    /// nothing.
    ///
    /// # Errors
    /// [`LeaseError::GatewayEnded`]. A lease that is over for another reason says so at [`Lease::next`].
    pub async fn mutate(&mut self, adds: Vec<Add>, removes: Vec<Topic>) -> Result<(), LeaseError> {
        let permit = self.requests.reserve().await.map_err(|_| LeaseError::GatewayEnded { lease: self.id })?;
        self.changes += 1;
        let topics = adds.iter().map(|add| &add.topic).chain(&removes).cloned();
        self.changing.extend(topics.map(|topic| (topic, self.changes)));
        permit.send(LeaseRequest::Mutate { id: self.id, adds, removes });
        Ok(())
    }

    /// The next event. Within a topic messages ascend by id, each comes once, and none is missing, whoever shares the
    /// topic and however often the connection is made anew. Cancel safe.
    ///
    /// # Errors
    /// The lease is over; what had arrived before was returned before.
    pub async fn next(&mut self) -> Result<LeaseEvent, LeaseError> {
        loop {
            let Some((change, event)) = self.events.recv().await else { return Err(self.over()) };
            self.free(&event);
            self.changing.retain(|_, changed| *changed > change);
            let is_outdated = match &event {
                LeaseEvent::Message(message) => self.changing.contains_key(message.topic()),
                LeaseEvent::Live(topic) => self.changing.contains_key(topic),
                LeaseEvent::CaughtUp => change < self.changes,
            };
            if !is_outdated {
                return Ok(event);
            }
        }
    }

    /// An event was taken out of the buffer.
    fn free(&self, event: &LeaseEvent) {
        self.gauge.events.fetch_sub(1, Ordering::SeqCst);
        self.gauge.bytes.fetch_sub(bytes(event), Ordering::SeqCst);
        self.gauge.taken.fetch_add(1, Ordering::Relaxed);
        // Half of it free, so that a lease does not lag again at once.
        if !self.gauge.exceeds(2) && self.gauge.lagging.swap(false, Ordering::SeqCst) {
            self.bell.ring(self.id, LeaseNews::Drained);
        }
    }

    fn over(&self) -> LeaseError {
        self.gauge.error.get().cloned().unwrap_or(LeaseError::GatewayEnded { lease: self.id })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.bell.ring(self.id, LeaseNews::Dropped);
    }
}

impl Outlet {
    /// Which lease it is of.
    pub(crate) fn id(&self) -> LeaseId {
        self.id
    }

    /// Whether the holder has dropped the lease.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// A change is booked: what is put from here on comes after it.
    pub(crate) fn change(&mut self) {
        self.changes += 1;
    }

    /// Puts an event into the buffer.
    pub(crate) fn put(&self, event: LeaseEvent) {
        // Counted before it can be taken, so that no count falls below zero.
        self.gauge.events.fetch_add(1, Ordering::Relaxed);
        self.gauge.bytes.fetch_add(bytes(&event), Ordering::Relaxed);
        // Who has dropped the lease is about to leave the ledger.
        self.events.send((self.changes, event)).ok();
    }

    /// Whether more waits than may. If so the lease lags from now on, and rings when it does not any more.
    pub(crate) fn lags(&self) -> bool {
        if !self.gauge.exceeds(1) {
            return false;
        }
        self.gauge.lagging.store(true, Ordering::SeqCst);
        // It may have been drained meanwhile, and then nobody rings unless the holder has seen the flag.
        self.gauge.exceeds(2) || !self.gauge.lagging.swap(false, Ordering::SeqCst)
    }

    /// How many events were ever taken.
    pub(crate) fn taken(&self) -> u64 {
        self.gauge.taken.load(Ordering::Relaxed)
    }

    /// The error of a lease that nobody drains.
    pub(crate) fn stalled(&self) -> LeaseError {
        let (events, bytes) = (&self.gauge.events, &self.gauge.bytes);
        let (events, bytes) = (events.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
        LeaseError::Stalled { lease: self.id, events, bytes }
    }

    /// Ends the lease: its holder gets what is in the buffer, and then the error.
    pub(crate) fn end(self, error: LeaseError) {
        self.gauge.error.get_or_init(|| error);
    }
}

/// The bytes that count: of a message its data, of a marker none.
fn bytes(event: &LeaseEvent) -> usize {
    match event {
        LeaseEvent::Message(message) => message.draft.data.len(),
        LeaseEvent::Live(_) | LeaseEvent::CaughtUp => 0,
    }
}

/// What a lease tells its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeaseNews {
    /// It lagged, and has room again.
    Drained,
    /// Its holder has dropped it.
    Dropped,
}

/// What leases tell their gateway: at most two things for each.
#[derive(Debug, Default)]
pub(crate) struct LeaseBell {
    news: Mutex<BTreeSet<(LeaseId, LeaseNews)>>,
    rung: Notify,
}

impl LeaseBell {
    fn ring(&self, id: LeaseId, news: LeaseNews) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).insert((id, news));
        self.rung.notify_one();
    }

    /// Waits for news, and takes all. Cancel safe.
    pub(crate) async fn next(&self) -> BTreeSet<(LeaseId, LeaseNews)> {
        self.rung.notified().await;
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
