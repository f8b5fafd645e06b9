//! The handle of a connection actor: open a stream, submit commands, read events.
//!
//! Refuses to know what is done with the events, and how frames travel: the actor owns both halves of the
//! stream. Ownership is teardown: dropping a [`ClientConnection`] ends the actor and closes its TCP connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::subject::xmtp::client::actor::Actor;
use crate::subject::xmtp::client::binding::{ClientBinding, ClientDecentralized, ClientDraft, ClientV1};
use crate::subject::xmtp::client::stream::{ClientCommand, ClientEnding, ClientEvent, StreamSettings};
use crate::subject::xmtp::client::{ClientNotice, ProbeError, Transport};
use crate::subject::xmtp::wire::{Dialect, Mutate};

/// How many commands may wait for the actor (libxmtp PR 3772).
const COMMANDS_MAX: usize = 64;
/// How many events may wait for the application (libxmtp PR 3772).
pub(crate) const EVENTS_MAX: usize = 1_024;

/// The stream is gone, or half-closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("submit to the stream: it is closed")]
pub struct Closed;

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrySubmitError {
    /// The stream is gone, or half-closed.
    #[error("submit to the stream: it is closed")]
    Closed,
    /// There is no room at the moment.
    #[error("submit to the stream: {COMMANDS_MAX} commands wait already")]
    Full,
}

/// Submits commands to a stream; cheap to clone, and of no weight: the stream ends with its [`ClientConnection`].
#[derive(Clone, Debug)]
pub struct ClientHandle {
    commands: mpsc::Sender<ClientCommand>,
    finishing: Arc<AtomicBool>,
}

impl ClientHandle {
    /// Changes the topics. Waits while many commands wait.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn mutate(&self, mutate: Mutate) -> Result<(), Closed> {
        self.submit(ClientCommand::Mutate(mutate)).await
    }

    /// Changes the topics, and never parks.
    ///
    /// # Errors
    /// Each of [`TrySubmitError`].
    pub fn try_mutate(&self, mutate: Mutate) -> Result<(), TrySubmitError> {
        let permit = self.commands.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => TrySubmitError::Full,
            mpsc::error::TrySendError::Closed(()) => TrySubmitError::Closed,
        })?;
        if self.finishing.load(Ordering::SeqCst) {
            return Err(TrySubmitError::Closed);
        }
        permit.send(ClientCommand::Mutate(mutate));
        Ok(())
    }

    /// Asks the node for a sign of life, and waits N intervals for it (N = 3, of 30 s until `Started`).
    ///
    /// # Errors
    /// Each of [`ProbeError`].
    pub async fn probe(&self) -> Result<(), ProbeError> {
        self.ask(None).await
    }

    /// Asks the node for a sign of life within `allowance` (C5).
    ///
    /// # Errors
    /// Each of [`ProbeError`].
    pub async fn probe_within(&self, allowance: Duration) -> Result<(), ProbeError> {
        self.ask(Some(allowance)).await
    }

    /// Half-closes the stream after everything that was submitted. Events go on until the node closes. Once
    /// this has returned, every later call returns `Closed`; canceled before that, it changes nothing.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn finish(&self) -> Result<(), Closed> {
        let permit = self.commands.reserve().await.map_err(|_| Closed)?;
        if self.finishing.swap(true, Ordering::SeqCst) {
            return Err(Closed);
        }
        permit.send(ClientCommand::Finish);
        Ok(())
    }

    async fn ask(&self, allowance: Option<Duration>) -> Result<(), ProbeError> {
        let (ack, answer) = oneshot::channel();
        self.submit(ClientCommand::Probe { allowance, ack }).await.map_err(|Closed| ProbeError::Closed)?;
        answer.await.unwrap_or(Err(ProbeError::Closed))
    }

    async fn submit(&self, command: ClientCommand) -> Result<(), Closed> {
        let permit = self.commands.reserve().await.map_err(|_| Closed)?;
        if self.finishing.load(Ordering::SeqCst) {
            return Err(Closed);
        }
        permit.send(command);
        Ok(())
    }
}

/// One stream on one TCP connection.
#[derive(Debug)]
pub struct ClientConnection {
    handle: ClientHandle,
    events: mpsc::Receiver<ClientEvent>,
    taken: Arc<Notify>,
    actor: JoinHandle<ClientEnding>,
}

impl ClientConnection {
    /// Opens a stream on `transport`, which it keeps, whose first frames are `initial`: one Mutate, or several where one would be
    /// too large. Returns at once: waiting for the node's headers is a part of the actor's life, so that the
    /// watchdog covers it.
    #[must_use]
    pub fn open(transport: impl Transport, initial: Vec<Mutate>, settings: StreamSettings) -> Self {
        let (commands, ordered) = mpsc::channel(COMMANDS_MAX);
        let (told, events) = mpsc::channel(EVENTS_MAX);
        let resume = initial.iter().flat_map(|mutate| mutate.adds.iter().cloned()).collect();
        settings.observer.notice(ClientNotice::Opened { attempt: settings.attempt, resume });
        let (taken, actor) = match settings.dialect {
            Dialect::V1 => spawn(Actor::<ClientV1>::new(Box::new(transport), settings, ordered, told), initial),
            Dialect::Draft => spawn(Actor::<ClientDraft>::new(Box::new(transport), settings, ordered, told), initial),
            Dialect::Decentralized => {
                spawn(Actor::<ClientDecentralized>::new(Box::new(transport), settings, ordered, told), initial)
            }
        };
        ClientConnection { handle: ClientHandle { commands, finishing: Arc::default() }, events, taken, actor }
    }

    /// A handle for other tasks.
    #[must_use]
    pub fn handle(&self) -> ClientHandle {
        self.handle.clone()
    }

    /// As [`ClientHandle::mutate`].
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn mutate(&self, mutate: Mutate) -> Result<(), Closed> {
        self.handle.mutate(mutate).await
    }

    /// As [`ClientHandle::try_mutate`].
    ///
    /// # Errors
    /// Each of [`TrySubmitError`].
    pub fn try_mutate(&self, mutate: Mutate) -> Result<(), TrySubmitError> {
        self.handle.try_mutate(mutate)
    }

    /// As [`ClientHandle::probe`].
    ///
    /// # Errors
    /// Each of [`ProbeError`].
    pub async fn probe(&self) -> Result<(), ProbeError> {
        self.handle.probe().await
    }

    /// As [`ClientHandle::probe_within`].
    ///
    /// # Errors
    /// Each of [`ProbeError`].
    pub async fn probe_within(&self, allowance: Duration) -> Result<(), ProbeError> {
        self.handle.probe_within(allowance).await
    }

    /// As [`ClientHandle::finish`].
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn finish(&self) -> Result<(), Closed> {
        self.handle.finish().await
    }

    /// The next event, in order of arrival; none after the stream's end. Cancel safe.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        let event = self.events.recv().await;
        self.taken.notify_one();
        event
    }

    /// Waits for an event and takes all that have arrived, at most `limit`; none after the stream's end.
    /// Cancel safe.
    pub async fn next_batch(&mut self, limit: usize) -> Vec<ClientEvent> {
        let mut batch = Vec::new();
        self.events.recv_many(&mut batch, limit).await;
        self.taken.notify_one();
        batch
    }

    /// How the stream ended. Waits for the end, and for the events to be taken where they fill the channel.
    ///
    /// # Panics
    /// If the actor did, or if called again after it has returned.
    pub async fn ending(&mut self) -> ClientEnding {
        (&mut self.actor).await.expect("the actor does not panic, and is aborted only with its connection")
    }
}

/// Lets an actor live, and returns what is notified when the application takes events.
fn spawn<B: ClientBinding>(actor: Actor<B>, initial: Vec<Mutate>) -> (Arc<Notify>, JoinHandle<ClientEnding>) {
    (actor.taken(), tokio::spawn(actor.run(initial)))
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.actor.abort();
    }
}
