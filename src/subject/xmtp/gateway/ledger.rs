//! The ledger of leases: which topics are on the wire, which wave serves which lease, and what of each frame each gets.
//!
//! Refuses to know connections, tasks, buffers and clocks: it is told what was asked and what arrived, and says what to
//! ask the node and what to hand to whom.
//!
//! A *share* is one topic of one lease. A *flow* is a topic on the wire of this connection: the newest Mutate that
//! (re)started it, and the floor that the node has reached in it as far as was seen.
//!
//! ```text
//!             below the flow's floor, or no flow
//!          +-------------------------------------> waiting --Mutate--+
//!   added -+                                        ^   ^            v
//!          +-- at or above it --> joined <----------|---|--------- joined
//!                                  |  ^             |   |
//!                                  |  |            flap |
//!                                  |  +--keeps up-- lagging: its buffer is full
//!                                  +--lags------------^          removed: from any
//! ```
//! A joined share is caught up, and its lease is told once, when the Mutate that started the flow is complete. A lease
//! is caught up when all its shares are.
//!
//! Why each lease gets each message above its own floor once and in order:
//! - A share takes a message only from a wave that is not older than the one that it joined, or from the live flow after
//!   that wave or a newer one of its topic (S4). What comes sooner comes again in that wave, because a Mutate that
//!   restarts a topic does so from the lowest floor of all that wait for it (S5), and a share that joins without one is
//!   at or above the flow's floor.
//! - It takes only what is above its floor, and its floor is never below that of a flow that it has joined. So a sibling
//!   that restarts the topic lower rewinds the wire and not the share.
//! - After a flap nothing is joined: the topic is asked for anew from the lowest floor of its shares (C3). A lease that
//!   lagged goes on from its floors in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::subject::xmtp::client::{ADDS_MAX, MutateIds, lowest_cursors};
use crate::subject::xmtp::gateway::GatewayQuirk;
use crate::subject::xmtp::gateway::mutate_room::MutateRoom;
use crate::subject::xmtp::wire::{Add, Cursor, Message, MessageId, Mutate, MutateId, Tag, Topic};

/// How many Mutates may wait for their CatchupComplete. What is asked for meanwhile goes together into the next, so that
/// a thousand leases at once cost a node few waves. Half of what a connection's queue of commands holds: it never fills.
pub(crate) const MUTATES_IN_FLIGHT_MAX: usize = 32;

/// Names a lease of one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseId(pub u64);

impl fmt::Display for LeaseId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "lease {}", self.0)
    }
}

/// What a lease is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseEvent {
    /// A message above the lease's floor of its topic; the floor is now there.
    Message(Arc<Message>),
    /// What the topic had when the node was asked for it is delivered, and whatever another lease had of it. Told once
    /// for each topic that was added.
    Live(Topic),
    /// All topics of the lease are live. Told once after all that was asked for so far.
    CaughtUp,
}

/// What is to be handed to whom, in this order.
pub(crate) type Handouts = Vec<(LeaseId, LeaseEvent)>;

/// The state of one gateway.
#[derive(Debug)]
pub(crate) struct LeaseLedger {
    leases: BTreeMap<LeaseId, Leased>,
    topics: BTreeMap<Topic, SharedTopic>,
    /// Topics with a share that waits.
    wanted: BTreeSet<Topic>,
    /// Topics on the wire whose last lease has left.
    unwanted: BTreeSet<Topic>,
    /// Mutates without their CatchupComplete, and what each added.
    in_flight: BTreeMap<MutateId, BTreeSet<Topic>>,
    ids: MutateIds,
    /// How many topics go into one Mutate, and how many Mutates may wait for their acknowledgment.
    portion: (usize, usize),
    quirk: Option<GatewayQuirk>,
}

#[derive(Debug, Default)]
struct Leased {
    topics: BTreeSet<Topic>,
    /// How many of them are not caught up.
    behind: usize,
    /// It is to be told that it is caught up.
    is_asking: bool,
    /// Its buffer is full.
    lags: bool,
}

/// A topic that somebody leases.
#[derive(Debug, Default)]
struct SharedTopic {
    flow: Option<Flow>,
    shares: BTreeMap<LeaseId, Share>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    wave: MutateId,
    floor: Cursor,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    /// What was asked for.
    asked: Cursor,
    /// What is delivered.
    floor: Cursor,
    standing: ShareStanding,
    caught_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShareStanding {
    /// For a Mutate.
    Waiting,
    /// The flow that this Mutate started, and what came after.
    Joined(MutateId),
    /// Nothing is for it, until its lease keeps up again.
    Lagging,
}

impl LeaseLedger {
    /// Without leases, and not connected.
    pub(crate) fn new(quirk: Option<GatewayQuirk>) -> Self {
        LeaseLedger {
            leases: BTreeMap::new(),
            topics: BTreeMap::new(),
            wanted: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            ids: MutateIds::default(),
            portion: (ADDS_MAX, MUTATES_IN_FLIGHT_MAX),
            quirk,
        }
    }

    /// Whether nobody leases any topic.
    pub(crate) fn is_idle(&self) -> bool {
        self.topics.is_empty()
    }

    /// How many topics are leased.
    pub(crate) fn topics(&self) -> usize {
        self.topics.len()
    }

    /// Whether all that was asked for is acknowledged, and nothing is left to be asked for.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight.is_empty() && self.wanted.is_empty() && self.unwanted.is_empty()
    }

    /// From now on a Mutate names so many topics at most, and waits for the one before (S8).
    pub(crate) fn narrow(&mut self, topics: usize) {
        self.portion = (topics, 1);
    }

    /// A new lease. Of two cursors for one topic the lower counts, as on the wire (S5).
    ///
    /// # Panics
    /// If a lease of that name is there.
    pub(crate) fn lease(&mut self, id: LeaseId, adds: Vec<Add>) -> Handouts {
        assert!(self.leases.insert(id, Leased::default()).is_none(), "a lease's name is given once");
        self.mutate(id, adds, &[])
    }

    /// A lease changes its topics. Removes come first, and a topic that it has begins anew where it is added again: its
    /// holder says from where.
    pub(crate) fn mutate(&mut self, id: LeaseId, adds: Vec<Add>, removes: &[Topic]) -> Handouts {
        let (adds, mut handouts) = (lowest_cursors(adds), Handouts::new());
        removes.iter().chain(adds.keys()).for_each(|topic| self.release(id, topic));
        let Some(leased) = self.leases.get_mut(&id) else { return handouts };
        leased.topics.extend(adds.keys().cloned());
        leased.behind += adds.len();
        leased.is_asking = true;
        for (topic, cursor) in &adds {
            let share = Share { asked: *cursor, floor: *cursor, standing: ShareStanding::Lagging, caught_up: false };
            self.topics.entry(topic.clone()).or_default().shares.insert(id, share);
        }
        if !leased.lags {
            adds.into_keys().for_each(|topic| self.enlist(id, topic, &mut handouts));
        }
        self.tell(id, &mut handouts);
        handouts
    }

    /// Lets a share join the flow of its topic, or wait for one that begins low enough.
    fn enlist(&mut self, id: LeaseId, topic: Topic, handouts: &mut Handouts) {
        let shared = self.topics.get_mut(&topic).expect("a leased topic is shared");
        let share = shared.shares.get_mut(&id).expect("a leased topic has a share");
        // S5: a re-add at or above the floor would be a no-op.
        let forgets = self.quirk == Some(GatewayQuirk::ForgetsLowerReAdd);
        let Some(flow) = shared.flow.filter(|flow| forgets || share.floor >= flow.floor) else {
            share.standing = ShareStanding::Waiting;
            self.wanted.insert(topic);
            return;
        };
        share.standing = ShareStanding::Joined(flow.wave);
        if !share.caught_up && !self.in_flight.contains_key(&flow.wave) {
            self.catch_up(id, topic, handouts);
        }
    }

    /// The buffer of a lease is full: nothing is for it, until it keeps up again.
    pub(crate) fn lag(&mut self, id: LeaseId) {
        for topic in self.hold(id, true) {
            let shared = self.topics.get_mut(&topic).expect("a leased topic is shared");
            shared.shares.get_mut(&id).expect("a leased topic has a share").standing = ShareStanding::Lagging;
            if !shared.is_awaited() {
                self.wanted.remove(&topic);
            }
        }
    }

    /// A lease that lagged has room again: it goes on from what it has, as if it were new.
    pub(crate) fn keep_up(&mut self, id: LeaseId) -> Handouts {
        let mut handouts = Handouts::new();
        for topic in self.hold(id, false) {
            self.enlist(id, topic, &mut handouts);
        }
        self.tell(id, &mut handouts);
        handouts
    }

    /// Notes whether a lease lags, and returns its topics.
    fn hold(&mut self, id: LeaseId, lags: bool) -> Vec<Topic> {
        let Some(leased) = self.leases.get_mut(&id) else { return Vec::new() };
        leased.lags = lags;
        leased.topics.iter().cloned().collect()
    }

    /// A lease is over.
    pub(crate) fn leave(&mut self, id: LeaseId) {
        for topic in self.hold(id, true) {
            self.release(id, &topic);
        }
        self.leases.remove(&id);
    }

    /// A lease gives a topic up, if it has it. Removes are counted: a topic leaves the wire with its last lease.
    fn release(&mut self, id: LeaseId, topic: &Topic) {
        let Some(leased) = self.leases.get_mut(&id).filter(|leased| leased.topics.contains(topic)) else { return };
        leased.topics.remove(topic);
        let shared = self.topics.get_mut(topic).expect("a leased topic is shared");
        let share = shared.shares.remove(&id).expect("a leased topic has a share");
        leased.behind -= usize::from(!share.caught_up);
        if !shared.is_awaited() {
            self.wanted.remove(topic);
        }
        if shared.shares.is_empty() {
            let on_wire = shared.flow.is_some();
            self.topics.remove(topic);
            if on_wire && self.quirk != Some(GatewayQuirk::KeepsUnleasedTopics) {
                self.unwanted.insert(topic.clone());
            }
        }
    }

    /// The next change of the wire, if there is one and not too many are in flight. It counts as sent.
    pub(crate) fn take_mutate(&mut self) -> Option<Mutate> {
        let nothing = self.wanted.is_empty() && self.unwanted.is_empty();
        let (topics, mutates) = self.portion;
        if nothing || self.in_flight.len() >= mutates {
            return None;
        }
        let id = self.ids.fresh();
        let mut room = MutateRoom::of(topics);
        let removes = pop_fitting(&mut self.unwanted, &mut room);
        // A topic that is removed and wanted again is removed first, in this Mutate or an earlier one (S5).
        let fitting = if self.unwanted.is_empty() { pop_fitting(&mut self.wanted, &mut room) } else { Vec::new() };
        let adds: Vec<Add> = fitting.into_iter().map(|topic| self.start(id, topic)).collect();
        self.in_flight.insert(id, adds.iter().map(|add| add.topic.clone()).collect());
        Some(Mutate { adds, removes, history_only: false, id })
    }

    /// Starts a topic anew from the lowest floor of the shares that wait for it.
    fn start(&mut self, wave: MutateId, topic: Topic) -> Add {
        let shared = self.topics.get_mut(&topic).expect("a wanted topic is shared");
        let waiting = shared.shares.values_mut().filter(|share| share.standing == ShareStanding::Waiting);
        let mut cursor = Cursor(u64::MAX);
        for share in waiting {
            share.standing = ShareStanding::Joined(wave);
            cursor = cursor.min(share.floor);
        }
        if self.quirk == Some(GatewayQuirk::SiblingRewinds) {
            shared.shares.values_mut().for_each(|share| share.floor = share.floor.min(cursor));
        }
        shared.flow = Some(Flow { wave, floor: cursor });
        Add { topic, cursor }
    }

    /// A frame of messages arrived.
    pub(crate) fn deliver(&mut self, tag: Tag, messages: Vec<Message>) -> Handouts {
        let mut handouts = Handouts::new();
        for message in messages {
            // S5: what was removed may still arrive.
            let Some(shared) = self.topics.get_mut(message.topic()) else { continue };
            let source = match tag {
                Tag::Live => None,
                // A wave that was not asked for this topic cannot bring it.
                Tag::Wave(id) if self.in_flight.get(&id).is_some_and(|adds| adds.contains(message.topic())) => Some(id),
                Tag::Wave(_) | Tag::Untold => continue,
            };
            let is_complete = |wave: MutateId| !self.in_flight.contains_key(&wave);
            // A topic that left a wave for a newer one is live when that one is complete.
            let is_live = shared.flow.is_some_and(|flow| is_complete(flow.wave));
            let reaches = |joined: MutateId| match source {
                Some(wave) => wave >= joined,
                None => is_live || is_complete(joined),
            };
            if let Some(flow) = shared.flow.as_mut().filter(|flow| reaches(flow.wave)) {
                flow.floor = flow.floor.max(Cursor::from(message.id));
            }
            let early = self.quirk == Some(GatewayQuirk::LiveBeforeWave) && tag == Tag::Live;
            let message = Arc::new(message);
            for (id, share) in &mut shared.shares {
                let is_reached = match share.standing {
                    ShareStanding::Joined(wave) => early || reaches(wave),
                    ShareStanding::Waiting => early,
                    ShareStanding::Lagging => false,
                };
                if is_reached && share.take(message.id) {
                    handouts.push((*id, LeaseEvent::Message(Arc::clone(&message))));
                }
            }
        }
        handouts
    }

    /// A Mutate is acknowledged: its wave has ended, and those of its topics that no later Mutate restarted are live.
    pub(crate) fn complete(&mut self, wave: MutateId) -> Handouts {
        let mut handouts = Handouts::new();
        for topic in self.in_flight.remove(&wave).into_iter().flatten() {
            let Some(shared) = self.topics.get(&topic) else { continue };
            if shared.flow.is_none_or(|flow| flow.wave != wave) {
                continue;
            }
            let has_joined = |share: &Share| matches!(share.standing, ShareStanding::Joined(_));
            let is_new = |(_, share): &(&LeaseId, &Share)| has_joined(share) && !share.caught_up;
            let news: Vec<LeaseId> = shared.shares.iter().filter(is_new).map(|(id, _)| *id).collect();
            if self.quirk == Some(GatewayQuirk::MarksEveryLease) {
                let others = shared.shares.keys().filter(|id| !news.contains(id));
                handouts.extend(others.map(|id| (*id, LeaseEvent::Live(topic.clone()))));
            }
            for id in news {
                self.catch_up(id, topic.clone(), &mut handouts);
                self.tell(id, &mut handouts);
            }
        }
        handouts
    }

    fn catch_up(&mut self, id: LeaseId, topic: Topic, handouts: &mut Handouts) {
        let share = self.topics.get_mut(&topic).and_then(|shared| shared.shares.get_mut(&id));
        share.expect("who catches up has a share").caught_up = true;
        self.leases.get_mut(&id).expect("a share is a lease's").behind -= 1;
        handouts.push((id, LeaseEvent::Live(topic)));
    }

    /// Tells a lease that it is caught up, if it is and is to be told.
    fn tell(&mut self, id: LeaseId, handouts: &mut Handouts) {
        let tells = self.quirk != Some(GatewayQuirk::NeverCaughtUp);
        let caught_up = |leased: &&mut Leased| tells && leased.is_asking && leased.behind == 0 && !leased.lags;
        if let Some(leased) = self.leases.get_mut(&id).filter(caught_up) {
            leased.is_asking = false;
            handouts.push((id, LeaseEvent::CaughtUp));
        }
    }

    /// The connection is gone, and with it all that was on the wire. The next one is asked for everything, from what
    /// each lease has.
    pub(crate) fn disconnect(&mut self) {
        for shared in self.topics.values_mut() {
            shared.flow = None;
            for share in shared.shares.values_mut() {
                if let ShareStanding::Joined(_) = share.standing {
                    share.standing = ShareStanding::Waiting;
                }
                if self.quirk == Some(GatewayQuirk::FlapRedelivers) {
                    share.floor = share.asked;
                }
            }
        }
        self.in_flight.clear();
        self.unwanted.clear();
        let awaited = self.topics.iter().filter(|(_, shared)| shared.is_awaited());
        self.wanted = awaited.map(|(topic, _)| topic.clone()).collect();
    }

    /// The node rejects this connection's requests for good: the leases to blame, which it ends. Those that no node has
    /// served yet are blamed before those that were served, and what was acknowledged before what was not.
    pub(crate) fn reject(&mut self) -> Vec<LeaseId> {
        let asking: BTreeSet<&Topic> = self.in_flight.values().flatten().collect();
        let asks = |leased: &Leased| leased.topics.iter().any(|topic| asking.contains(topic));
        let those = |blame: &dyn Fn(&Leased) -> bool| -> Vec<LeaseId> {
            self.leases.iter().filter(|(_, leased)| blame(leased)).map(|(id, _)| *id).collect()
        };
        let rounds = [
            those(&|leased| leased.behind > 0 && asks(leased)),
            those(&|leased| asks(leased)),
            those(&|leased| !leased.topics.is_empty()),
        ];
        let blamed = rounds.into_iter().find(|blamed| !blamed.is_empty()).unwrap_or_default();
        blamed.iter().for_each(|id| self.leave(*id));
        blamed
    }
}

impl SharedTopic {
    fn is_awaited(&self) -> bool {
        self.shares.values().any(|share| share.standing == ShareStanding::Waiting)
    }
}

impl Share {
    /// Whether the message is above the floor; if so it is now delivered.
    fn take(&mut self, id: MessageId) -> bool {
        let fresh = self.floor.is_before(id);
        if fresh {
            self.floor = Cursor::from(id);
        }
        fresh
    }
}

/// Takes the first topics, as far as there is room.
fn pop_fitting(topics: &mut BTreeSet<Topic>, room: &mut MutateRoom) -> Vec<Topic> {
    let mut taken = Vec::new();
    while topics.first().is_some_and(|topic| room.admit(topic)) {
        taken.extend(topics.pop_first());
    }
    taken
}
