//! The pen of the observers: several of them write one history, each for its host.

use std::backtrace::Backtrace;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::channel::{Channel, MessageId};
use crate::history::{Aside, Event, History, HostName};

/// Reads the trial's clock.
pub(crate) type Now = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Appends what one observer sees on one host.
#[derive(Clone)]
pub struct Recorder {
    history: Arc<Mutex<Pages>>,
    now: Now,
    host: HostName,
    /// Whether the process that is observed still lives; none observes no process.
    life: Option<Life>,
}

type Life = Arc<AtomicBool>;

#[derive(Default)]
struct Pages {
    history: History,
    lives: BTreeMap<HostName, Life>,
}

impl Recorder {
    /// The pen for a new history, for what happens to the whole world.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Recorder { history: Arc::default(), now, host: HostName::from("world"), life: None }
    }

    /// The pen for another host of the same history.
    #[must_use]
    pub fn on(&self, host: &HostName) -> Self {
        Recorder { host: host.clone(), ..self.clone() }
    }

    /// Whose host it writes for.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The trial's time.
    #[must_use]
    pub fn now(&self) -> Duration {
        (self.now)()
    }

    /// Appends an event, now.
    pub fn record(&self, event: Event) {
        if self.is_heard() {
            self.lock().history.append(self.now(), &self.host, event);
        }
    }

    /// Whether the process that is observed still lives. One that dies in the midst of what it does goes on to where it waits
    /// next, and is not heard any more.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.life.as_ref().is_none_or(|life| life.load(Ordering::Relaxed))
    }

    /// The pen of the observers of a new process on this host: they are heard until it dies.
    #[must_use]
    pub fn begin_life(&self) -> Self {
        let life = Life::new(true.into());
        self.lock().lives.insert(self.host.clone(), life.clone());
        Recorder { life: Some(life), ..self.clone() }
    }

    /// The process on this host has died: it does not speak any more, though its destructors run. They run in an
    /// order that depends on the whole program (tokio drops tasks by a program-wide number).
    pub(crate) fn end_life(&self) {
        if let Some(life) = self.lock().lives.remove(&self.host) {
            life.store(false, Ordering::Relaxed);
        }
    }

    /// The events of these numbers, counted from 1, are kept raw as well.
    pub fn keep(&self, numbers: Range<u64>) {
        self.lock().history.keep(numbers);
    }

    /// The program that failed has panicked there.
    pub(crate) fn trace_failure(&self, backtrace: Option<Arc<Backtrace>>) {
        self.lock().history.trace_failure(backtrace);
    }

    /// Something was noticed that is no event.
    pub(crate) fn note(&self, aside: Aside) {
        if self.is_heard() {
            self.lock().history.note(aside);
        }
    }

    /// The history as far as it is written; what is written afterwards begins a new one.
    #[must_use]
    pub fn take(&self) -> History {
        std::mem::take(&mut self.lock().history)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The short name of a message's data in a history: equal data, equal key.
#[must_use]
pub fn key_of(data: &[u8]) -> u64 {
    xxh3_64(data)
}

/// The short name of messages in their order, each by its channel, id and key.
pub(crate) fn key_of_batch<C: Borrow<Channel>>(messages: impl IntoIterator<Item = (C, MessageId, u64)>) -> u64 {
    messages.into_iter().fold(0, |before, (channel, id, key)| {
        let place = xxh3_64_with_seed(channel.borrow().text().as_bytes(), before);
        let message = (u128::from(id.0) << 64) | u128::from(key);
        xxh3_64_with_seed(&message.to_le_bytes(), place)
    })
}
