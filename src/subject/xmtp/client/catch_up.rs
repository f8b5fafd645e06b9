//! The bounded catch-up: everything that the node has now, and nothing that comes later, as one call (S11, C4).
//!
//! Refuses to know when to try again: it is one attempt, and what it has taken is kept by the inbox.
//!
//! ```text
//!   dialing --> waves submitted, history only --half-close--> draining --OK--> caught up
//!                                                               |  ^
//!                                                      progress +--+--no progress for the patience--> stalled
//! ```
//! There is no watchdog on a stream that this side has half-closed (C4): the node no longer pings it, and a proxy that
//! answers PING of HTTP/2 would hold the call for ever. So the drain has a time limit of its own.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::env::Env;
use crate::subject::xmtp::client::channel::BadNode;
use crate::subject::xmtp::client::connection::ClientConnection;
use crate::subject::xmtp::client::ledger::split;
use crate::subject::xmtp::client::stream::{ClientEnding, ClientEvent};
use crate::subject::xmtp::client::subscriber::{BATCH_EVENTS_MAX, Subscriber};
use crate::subject::xmtp::client::{Application, Cause, ClientConfig, ClientError, ClientObserver};
use crate::subject::xmtp::wire::{Mutate, MutateId};

/// How long a catch-up bears that nothing new comes, unless it is told otherwise: C2's interval where none is
/// advertised. A node that reads its log sends a page every few milliseconds.
pub const CATCH_UP_PATIENCE: Duration = Duration::from_secs(30);

/// Why a catch-up is not complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatchUpError {
    /// The configured address is none.
    #[error(transparent)]
    Node(#[from] BadNode),
    /// The attempt ended before each wave was acknowledged. What it had taken is stored.
    #[error("catch up: {0}")]
    Ended(Cause),
}

/// Brings the application and the inbox all that the node has stored by now on the configured topics and they have not,
/// and returns how many messages that were. One attempt on one connection: after an error, the next goes on from there.
/// Only where Subscribe is not served there is a second one at once, by the queries of older nodes (C6).
///
/// `patience` is how long nothing new may come; the application's own time does not count.
///
/// # Errors
/// Each of [`CatchUpError`].
pub async fn catch_up<A: Application>(
    env: Env,
    config: ClientConfig,
    application: A,
    observer: Arc<dyn ClientObserver>,
    patience: Duration,
) -> Result<u64, CatchUpError> {
    let mut subscriber = Subscriber::new(env, config, application, observer)?;
    let mut outcome = subscriber.attempt_catch_up(patience).await;
    if subscriber.follows_older() {
        outcome = subscriber.attempt_catch_up(patience).await;
    }
    // A node without room for all of it at once may have room for less.
    while let Err(ClientEnding { cause: Cause::Exhausted(_), .. }) = &outcome
        && subscriber.narrowing.refuse()
    {
        subscriber.back_off(Duration::ZERO).await;
        outcome = subscriber.attempt_catch_up(patience).await;
    }
    outcome.map_err(|ending| CatchUpError::Ended(ending.cause))
}

/// The same for ever, `every` so often: for those who cannot hold a stream, and have windows in which they may run (C4). A
/// catch-up that fails is tried again after the backoff.
///
/// # Errors
/// As [`subscribe`](crate::subject::xmtp::client::subscribe).
pub async fn catch_up_every<A: Application>(
    env: Env,
    config: ClientConfig,
    application: A,
    observer: Arc<dyn ClientObserver>,
    patience: Duration,
    every: Duration,
) -> Result<Infallible, ClientError> {
    let mut subscriber = Subscriber::new(env, config, application, observer)?;
    loop {
        match subscriber.attempt_catch_up(patience).await {
            Ok(_) => subscriber.rest(every).await,
            Err(ending) => subscriber.recover(ending).await?,
        }
    }
}

impl<A: Application> Subscriber<A> {
    /// One attempt, by the queries of older nodes where Subscribe was not served a while ago (C6).
    async fn attempt_catch_up(&mut self, patience: Duration) -> Result<u64, ClientEnding> {
        self.begin();
        let outcome = match self.follows_older() {
            true => self.query_all(patience).await.map_err(ended_at_once),
            false => self.catch_up(patience).await,
        };
        self.end(outcome.as_ref().map_or_else(|ending| &ending.cause, |_| &Cause::Finished));
        outcome.inspect_err(|ending| self.remember_older(&ending.cause))
    }

    async fn catch_up(&mut self, patience: Duration) -> Result<u64, ClientEnding> {
        let resume = self.intake.resume().map_err(|error| ended_at_once(self.blame_inbox(&error)))?;
        let dialed = self.dialer.dial().await;
        let link = dialed.map_err(|error| ended_at_once(Cause::DialFailed(error.to_string())))?;
        let waves = split(resume, self.narrowing.topics(), &mut self.ids);
        let mut awaited: BTreeSet<MutateId> = waves.iter().map(|wave| wave.id).collect();
        let waves = waves.into_iter().map(|wave| Mutate { history_only: true, ..wave }).collect();
        let initial = self.narrowing.ask(waves);
        let mut connection = ClientConnection::open(link, initial, self.settings.clone());
        let (mut asking, mut started) = (true, None);
        let (mut taken, mut deadline) = (0, Instant::now() + patience);
        loop {
            if asking && !self.narrowing.has_more() {
                asking = false;
                // A stream that is closed already says why below.
                let _ = connection.finish().await;
            }
            let heard = tokio::select! {
                biased;
                heard = timeout_at(deadline, connection.next_batch(BATCH_EVENTS_MAX)) => heard,
                mutate = self.narrowing.next() => {
                    let _ = connection.mutate(mutate).await;
                    continue;
                }
            };
            let Ok(events) = heard else { break };
            if events.is_empty() {
                let ClientEnding { cause, uptime } = connection.ending().await;
                let cause = if cause == Cause::Finished { Cause::StreamEnded } else { cause };
                return if awaited.is_empty() { Ok(taken) } else { Err(ClientEnding { cause, uptime }) };
            }
            started = started.or(Some(Instant::now()));
            self.narrowing.hear(&events);
            let acknowledged = events.iter().filter(|event| is_awaited(event, &mut awaited)).count();
            let fresh = self.take(events).await.map_err(ended_at_once)?;
            taken += fresh as u64;
            // Only progress counts: a node that repeats itself must not hold the call either.
            if fresh + acknowledged > 0 {
                deadline = Instant::now() + patience;
            }
        }
        // With each wave acknowledged nothing is missing but the node's OK (S9).
        if awaited.is_empty() {
            return Ok(taken);
        }
        let uptime = started.map_or(Duration::ZERO, |started: Instant| started.elapsed());
        Err(ClientEnding { cause: Cause::Stalled { after: patience }, uptime })
    }
}

/// The end of an attempt without a stream.
fn ended_at_once(cause: Cause) -> ClientEnding {
    ClientEnding { cause, uptime: Duration::ZERO }
}

/// Whether the event acknowledges one of these waves, which is struck out.
fn is_awaited(event: &ClientEvent, awaited: &mut BTreeSet<MutateId>) -> bool {
    match event {
        ClientEvent::CatchupComplete(id) => awaited.remove(id),
        ClientEvent::Started { .. } | ClientEvent::Delivery(_) | ClientEvent::TopicsLive(_) => false,
    }
}
