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
use crate::history::{Event, HostName, Recorder};
use crate::subject::xmtp::channels::{Channels, key_of_draft};
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
    /// The gateway's host.
    pub(crate) via: HostName,
    /// Writes down what it processes, under its own name.
    pub(crate) recorder: Recorder,
    /// Decides what it does next.
    pub(crate) dice: Dice,
}

/// What identities do until the calm begins.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// How often each changes or leaves its lease, on average.
    pub(crate) every: Duration,
    /// How long each takes nothing, about as often; zero is never.
    pub(crate) rests: Duration,
    /// When the calm begins.
    pub(crate) end: Instant,
}

/// Lets the identities share a gateway, for ever.
///
/// # Errors
/// A lease ended by itself: everybody takes what comes and asks for what there is, so that is the gateway's doing.
pub(crate) async fn share(gateway: Gateway, identities: Vec<Identity>, habits: Habits) -> Result<(), LeaseError> {
    let gateway = Arc::new(gateway);
    let mut tasks = JoinSet::new();
    for Identity { kept, via, recorder, dice } in identities {
        let (gateway, channels) = (Arc::clone(&gateway), Channels::default());
        tasks.spawn(Tenancy { gateway, kept, via, recorder, dice, channels, habits }.last());
    }
    tasks.join_next().await.map_or(Ok(()), |ended| ended.expect("an identity does not panic, and nobody aborts it"))
}

/// An identity and its gateway.
struct Tenancy {
    gateway: Arc<Gateway>,
    kept: KeptState,
    via: HostName,
    recorder: Recorder,
    dice: Dice,
    channels: Channels,
    habits: Habits,
}

impl Tenancy {
    async fn last(mut self) -> Result<(), LeaseError> {
        loop {
            // One after the other: who comes later has less than its siblings.
            sleep_until(self.draw_time()).await;
            self.kept.lock().leases += 1;
            let adds = self.kept.adds();
            let lease = self.gateway.lease(adds.clone()).await?;
            self.tell_change(&adds, &[]);
            match self.hold(lease).await {
                // Its own doing: who takes nothing for so long is dropped, and goes on by another lease.
                Err(LeaseError::Stalled { .. }) if !self.habits.rests.is_zero() => {}
                held => held?,
            }
            self.recorder.record(Event::LeaseOver);
        }
    }

    fn tell_change(&self, adds: &[Add], removes: &[Topic]) {
        self.recorder.record(Event::Leased {
            via: self.via.clone(),
            lease: self.kept.lock().leases,
            adds: self.channels.positions(adds),
            removes: self.channels.of_all(removes),
        });
    }

    async fn change(&self, lease: &mut Lease, adds: Vec<Add>, removes: Vec<Topic>) -> Result<(), LeaseError> {
        lease.mutate(adds.clone(), removes.clone()).await?;
        self.tell_change(&adds, &removes);
        Ok(())
    }

    /// Holds a lease until it hangs up; when the calm has begun, for ever.
    async fn hold(&mut self, mut lease: Lease) -> Result<(), LeaseError> {
        let Habits { rests, end, .. } = self.habits;
        let kinds = if rests.is_zero() { 4 } else { 5 };
        while Instant::now() < end {
            self.listen(&mut lease).await?;
            match self.dice.random_range(0..kinds) {
                0 => return Ok(()),
                1 => {
                    let topic = self.draw_topic();
                    self.change(&mut lease, Vec::new(), vec![topic.clone()]).await?;
                    self.listen(&mut lease).await?;
                    self.change(&mut lease, vec![self.add(topic)], Vec::new()).await?;
                }
                4 => {
                    let until = (Instant::now() + rests).min(end);
                    self.recorder.record(Event::Resting { lasts: until.saturating_duration_since(Instant::now()) });
                    sleep_until(until).await;
                }
                _ => {
                    let topic = self.draw_topic();
                    self.change(&mut lease, vec![self.add(topic)], Vec::new()).await?;
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
            LeaseEvent::Live(topic) => self.mark(Some(&topic)),
            LeaseEvent::CaughtUp => self.mark(None),
        }
    }

    fn mark(&self, topic: Option<&Topic>) {
        self.recorder.record(Event::LeaseMarked { channel: topic.map(|topic| self.channels.of(topic)) });
    }

    /// C3: it is kept as it is processed. Who is dead processes nothing.
    fn process(&self, message: &Message) {
        if !self.recorder.is_heard() {
            return;
        }
        let mut kept = self.kept.lock();
        kept.cursors.insert(message.topic().clone(), Cursor::from(message.id));
        let told = (self.channels.of(message.topic()), message.id, key_of_draft(&message.draft));
        self.recorder.record(Event::Delivered { attempt: kept.leases, messages: vec![told] });
    }

    /// A while from now, and not beyond the beginning of the calm: then each has all its topics.
    fn draw_time(&mut self) -> Instant {
        let now = Instant::now();
        let pause = self.habits.every.mul_f64(self.dice.random_range(0.0..2.0));
        (now + pause).min(self.habits.end.max(now))
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
