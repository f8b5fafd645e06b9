//! The identities behind a gateway: each leases its topics, takes what comes and, now and then, hangs up and comes again,
//! gives a topic up for a while, or begins one anew in mid-stream.
//!
//! What an identity has processed is kept where it is, and not with the gateway: it outlives the gateway's process, and
//! says from where each lease goes on. So everything is owed to each, once (protocol, section 4). Refuses to judge.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::env::Dice;
use crate::history::{Event, Recorder, key_of};
use crate::subject::xmtp::channels::Channels;
use crate::subject::xmtp::gateway::{Gateway, Lease, LeaseError, LeaseEvent};
use crate::subject::xmtp::wire::{Add, Cursor, Message, Topic};

/// What an identity keeps.
#[derive(Debug)]
struct IdentityState {
    /// How far it has processed each of its topics.
    cursors: BTreeMap<Topic, Cursor>,
    /// How many leases it has had.
    leases: u64,
}

/// What an identity keeps, shared by those who speak for it, one process after the other.
#[derive(Clone, Debug)]
pub(crate) struct KeptState(Arc<Mutex<IdentityState>>);

impl KeptState {
    /// Of one who has nothing of these topics yet.
    pub(crate) fn new(topics: Vec<Topic>) -> Self {
        let cursors = topics.into_iter().map(|topic| (topic, Cursor(0))).collect();
        KeptState(Arc::new(Mutex::new(IdentityState { cursors, leases: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, IdentityState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn adds(&self) -> Vec<Add> {
        self.lock().cursors.iter().map(|(topic, cursor)| Add { topic: topic.clone(), cursor: *cursor }).collect()
    }
}

/// One identity, as long as the gateway's process lives.
pub(crate) struct Identity {
    /// What it has.
    pub(crate) kept: KeptState,
    /// Writes down what it processes, under its own name.
    pub(crate) recorder: Recorder,
    /// Decides what it does next.
    pub(crate) dice: Dice,
}

/// Lets the identities share a gateway, for ever; until `end` each does something `every` so often on average.
///
/// # Errors
/// A lease ended by itself: everybody takes what comes and asks for what there is, so that is the gateway's doing.
pub(crate) async fn share(
    gateway: Gateway,
    identities: Vec<Identity>,
    every: Duration,
    end: Instant,
) -> Result<(), LeaseError> {
    let gateway = Arc::new(gateway);
    let mut tasks = JoinSet::new();
    for Identity { kept, recorder, dice } in identities {
        let (gateway, channels) = (Arc::clone(&gateway), Channels::default());
        tasks.spawn(Tenancy { gateway, kept, recorder, dice, channels, every, end }.last());
    }
    tasks.join_next().await.map_or(Ok(()), |ended| ended.expect("an identity does not panic, and nobody aborts it"))
}

/// An identity and its gateway.
struct Tenancy {
    gateway: Arc<Gateway>,
    kept: KeptState,
    recorder: Recorder,
    dice: Dice,
    channels: Channels,
    every: Duration,
    end: Instant,
}

impl Tenancy {
    async fn last(mut self) -> Result<(), LeaseError> {
        loop {
            // One after the other: who comes later has less than its siblings.
            sleep_until(self.draw_time()).await;
            self.kept.lock().leases += 1;
            let lease = self.gateway.lease(self.kept.adds()).await?;
            self.hold(lease).await?;
        }
    }

    /// Holds a lease until it hangs up; when the calm has begun, for ever.
    async fn hold(&mut self, mut lease: Lease) -> Result<(), LeaseError> {
        while Instant::now() < self.end {
            self.listen(&mut lease).await?;
            match self.dice.random_range(0..4) {
                0 => return Ok(()),
                1 => {
                    let topic = self.draw_topic();
                    lease.mutate(Vec::new(), vec![topic.clone()]).await?;
                    self.listen(&mut lease).await?;
                    lease.mutate(vec![self.add(topic)], Vec::new()).await?;
                }
                _ => {
                    let topic = self.draw_topic();
                    lease.mutate(vec![self.add(topic)], Vec::new()).await?;
                }
            }
        }
        loop {
            let event = lease.next().await?;
            self.take(event);
        }
    }

    /// Takes what comes, for a while.
    async fn listen(&mut self, lease: &mut Lease) -> Result<(), LeaseError> {
        let until = self.draw_time();
        while let Ok(event) = timeout_at(until, lease.next()).await {
            self.take(event?);
        }
        Ok(())
    }

    fn take(&self, event: LeaseEvent) {
        match event {
            LeaseEvent::Message(message) => self.process(&message),
            LeaseEvent::Live(_) | LeaseEvent::CaughtUp => {}
        }
    }

    /// C3: it is kept as it is processed.
    fn process(&self, message: &Message) {
        let mut kept = self.kept.lock();
        kept.cursors.insert(message.topic().clone(), Cursor::from(message.id));
        let told = (self.channels.of(message.topic()), message.id, key_of(&message.draft.data));
        self.recorder.record(Event::Delivered { attempt: kept.leases, messages: vec![told] });
    }

    /// A while from now, and not beyond the beginning of the calm: then each has all its topics.
    fn draw_time(&mut self) -> Instant {
        let now = Instant::now();
        let pause = self.every.mul_f64(self.dice.random_range(0.0..2.0));
        (now + pause).min(self.end.max(now))
    }

    fn draw_topic(&mut self) -> Topic {
        let kept = self.kept.lock();
        let topics: Vec<&Topic> = kept.cursors.keys().collect();
        topics[self.dice.random_range(0..topics.len())].clone()
    }

    /// From where it is.
    fn add(&self, topic: Topic) -> Add {
        let cursor = self.kept.lock().cursors.get(&topic).copied().unwrap_or_default();
        Add { topic, cursor }
    }
}
