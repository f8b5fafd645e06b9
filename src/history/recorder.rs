//! The pen of the observers: several of them write one history, each for its host.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::history::{Event, History, HostName};

/// Reads the trial's clock.
pub type Now = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Appends what one observer sees on one host.
#[derive(Clone)]
pub struct Recorder {
    history: Arc<Mutex<Pages>>,
    now: Now,
    host: HostName,
}

#[derive(Default)]
struct Pages {
    history: History,
    deaf: bool,
}

impl Recorder {
    /// The pen for a new history, for what happens to the whole world.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Recorder { history: Arc::default(), now, host: HostName::from("world") }
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
        let mut pages = self.lock();
        if !pages.deaf {
            pages.history.append(self.now(), &self.host, event);
        }
    }

    /// Does `act` and hears nothing of it: a killed process does not speak, though its destructors run. They
    /// run in an order that depends on the whole program (tokio drops tasks by a program-wide number).
    pub fn turn_away<T>(&self, act: impl FnOnce() -> T) -> T {
        self.lock().deaf = true;
        let done = act();
        self.lock().deaf = false;
        done
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
    xxhash_rust::xxh3::xxh3_64(data)
}
