//! The subscriber: opens a stream, processes, commits and, when the stream ends, resumes on a new connection.
//!
//! Refuses to know what the application does with a message, and how frames travel.
//!
//! ```text
//!   dialing --link--> following --batch--> processing --processed--> committing
//!     ^  |              ^   |                                            |
//!     |  |              +---|--------------------------------------------+
//!     |  +--failed--+       | the stream's end
//!     |             v       v
//!     +--delay---- backing off            (a failing inbox ends it all)
//! ```

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::client::actor::Ending;
use crate::client::backoff::Backoff;
use crate::client::channel::{BadNode, Dialer, Link};
use crate::client::connection::{Connection, Event, Settings};
use crate::client::inbox::{Inbox, InboxError};
use crate::client::ledger::{Ledger, MutateIds, split};
use crate::client::{Cause, ClientConfig, Notice, Observer};
use crate::env::{Dice, Env};
use crate::wire::Message;

/// How many events go into one batch, that is, into one call of the application and one transaction: a quarter
/// of what the event channel holds, so that a replay costs few transactions and a crash repeats little.
const BATCH_EVENTS: usize = 256;

/// What a subscriber delivers to.
pub trait Application: Send + 'static {
    /// Processes messages, each new, ascending by id within a topic. It may be slow. A message counts as
    /// processed, and is never seen again, only if this returns and the inbox then stores it: after a crash
    /// in between it comes again.
    fn process(&mut self, messages: &[Message]) -> impl Future<Output = ()> + Send;
}

/// Why a subscriber cannot go on. Nothing that a peer does is among it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configured address is none.
    #[error(transparent)]
    Node(#[from] BadNode),
    /// The inbox failed.
    #[error(transparent)]
    Inbox(#[from] InboxError),
}

/// Follows the configured topics for ever, over as many connections as it takes.
///
/// # Errors
/// A local failure: the address is malformed, or the inbox cannot be opened, read or written.
pub async fn subscribe<A: Application>(
    env: Env,
    config: ClientConfig,
    application: A,
    observer: Arc<dyn Observer>,
) -> Result<Infallible, ClientError> {
    let mut subscriber = Subscriber::new(&env, config, application, observer)?;
    loop {
        let uptime = subscriber.attempt().await?;
        subscriber.back_off(uptime).await;
    }
}

struct Subscriber<A> {
    dialer: Dialer,
    inbox: Inbox,
    ledger: Ledger,
    topics_per_mutate: usize,
    ids: MutateIds,
    backoff: Backoff,
    dice: Dice,
    application: A,
    settings: Settings,
}

impl<A: Application> Subscriber<A> {
    fn new(env: &Env, config: ClientConfig, application: A, observer: Arc<dyn Observer>) -> Result<Self, ClientError> {
        let ClientConfig {
            node,
            topics,
            topics_per_mutate,
            watchdog,
            http2_keepalive,
            tcp,
            connect_timeout,
            backoff,
            quirk,
        } = config;
        let dialer = Dialer::new(Arc::clone(env), node, http2_keepalive, connect_timeout)?.with_tcp(tcp);
        let inbox = Inbox::open(env, quirk)?;
        let ledger = Ledger::new(&topics, &inbox.read_cursors()?, quirk);
        Ok(Subscriber {
            dialer,
            inbox,
            ledger,
            topics_per_mutate,
            ids: MutateIds::default(),
            backoff: Backoff::new(backoff, quirk),
            dice: env.dice(),
            application,
            settings: Settings { attempt: 0, watchdog, quirk, observer },
        })
    }

    fn notice(&self, notice: Notice) {
        self.settings.observer.notice(notice);
    }

    /// One connection, from dialing to its end. Returns how long its stream was up.
    async fn attempt(&mut self) -> Result<Duration, ClientError> {
        if self.settings.attempt > 0 {
            self.ledger.reconnect();
        }
        self.settings.attempt += 1;
        let attempt = self.settings.attempt;
        self.notice(Notice::Dialing { attempt });
        let Ending { cause, uptime } = match self.dialer.dial().await {
            Ok(link) => self.follow(link).await?,
            Err(error) => Ending { cause: Cause::DialFailed(error.to_string()), uptime: Duration::ZERO },
        };
        tracing::info!(attempt, %cause, ?uptime, "the subscription ended");
        self.notice(Notice::Ended { attempt, cause });
        Ok(uptime)
    }

    /// Takes what the stream brings, until its end.
    async fn follow(&mut self, link: Link) -> Result<Ending, ClientError> {
        let initial = split(self.ledger.resume(), self.topics_per_mutate, &mut self.ids);
        let mut connection = Connection::open(link, initial, self.settings.clone());
        loop {
            let events = connection.next_batch(BATCH_EVENTS).await;
            if events.is_empty() {
                return Ok(connection.ending().await);
            }
            let fresh = self.sift(events);
            if !fresh.is_empty() {
                self.digest(fresh).await?;
            }
        }
    }

    /// The new messages of a batch.
    fn sift(&mut self, events: Vec<Event>) -> Vec<Message> {
        let mut fresh = Vec::new();
        for event in events {
            match event {
                Event::Delivery(delivery) => {
                    fresh.extend(delivery.messages.into_iter().filter(|message| self.ledger.admit(message)));
                }
                Event::Started { .. } | Event::TopicsLive(_) | Event::CatchupComplete(_) => {}
            }
        }
        fresh
    }

    /// C3: persisted as it is processed, before anything else is taken.
    async fn digest(&mut self, messages: Vec<Message>) -> Result<(), ClientError> {
        self.application.process(&messages).await;
        self.inbox.commit(&messages)?;
        let told = |message: Message| (message.draft.topic, message.id, message.draft.data);
        let messages = messages.into_iter().map(told).collect();
        self.notice(Notice::Committed { attempt: self.settings.attempt, messages });
        Ok(())
    }

    async fn back_off(&mut self, uptime: Duration) {
        let delay = self.backoff.next_delay(uptime, &mut self.dice);
        self.notice(Notice::BackingOff { attempt: self.settings.attempt, delay });
        sleep(delay).await;
    }
}
