//! The subscriber: opens a stream, processes, commits and, when the stream ends, resumes on a new connection.
//!
//! Refuses to know what the application does with a message, and how frames travel.
//!
//! ```text
//!   opening --inbox--> dialing --link--> following --batch--> processing --processed--> committing
//!     ^  |              ^  |              ^   |                                            |  |
//!     |  |              |  |              +---|--------------------------------------------+  |
//!     |  |              |  +--failed--+       | the stream's end                              |
//!     |  |              |             v       v                                               |
//!     |  |              +---delay--- backing off                                              |
//!     |  +--failed--> backing off, without an inbox <-----------------failed------------------+
//!     +-----delay-------+
//! ```
//! An inbox that has failed is closed and opened again: what is durable is known only then (C3).

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::env::{Dice, Env};
use crate::subject::xmtp::client::backoff::ClientBackoff;
use crate::subject::xmtp::client::channel::{BadNode, ClientLink, Dialer};
use crate::subject::xmtp::client::connection::ClientConnection;
use crate::subject::xmtp::client::inbox::{Inbox, InboxError};
use crate::subject::xmtp::client::ledger::{ClientLedger, MutateIds, split};
use crate::subject::xmtp::client::stream::{ClientEnding, ClientEvent, StreamSettings};
use crate::subject::xmtp::client::{Cause, ClientConfig, ClientNotice, ClientObserver, ClientQuirk};
use crate::subject::xmtp::wire::{Add, Message};

/// How many events go into one batch, that is, into one call of the application and one transaction: a quarter
/// of what the event channel holds, so that a replay costs few transactions and a crash repeats little.
const BATCH_EVENTS_MAX: usize = 256;

/// What a subscriber delivers to.
pub trait Application: Send + 'static {
    /// Processes messages, each new, ascending by id within a topic. It may be slow. A message counts as
    /// processed, and is never seen again, only if this returns and the inbox then stores it: after a crash
    /// in between it comes again.
    fn process(&mut self, messages: &[Message]) -> impl Future<Output = ()> + Send;
}

/// Why a subscriber cannot go on. No failure of a peer, a network or a disk is among it: those pass.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configured address is none.
    #[error(transparent)]
    Node(#[from] BadNode),
    /// The node rejects the subscription: asking again for the same would go on for ever.
    #[error("follow the topics: the node rejects the subscription for good: {why}")]
    Rejected {
        /// The status, and what it says.
        why: String,
    },
}

/// Follows the configured topics for ever, over as many connections as it takes.
///
/// # Errors
/// The address is malformed, or a node rejects the subscription.
pub async fn subscribe<A: Application>(
    env: Env,
    config: ClientConfig,
    application: A,
    observer: Arc<dyn ClientObserver>,
) -> Result<Infallible, ClientError> {
    let mut subscriber = Subscriber::new(env, config, application, observer)?;
    loop {
        let ClientEnding { cause, uptime } = subscriber.attempt().await;
        if let Cause::Rejected(why) = cause {
            return Err(ClientError::Rejected { why });
        }
        subscriber.back_off(uptime).await;
    }
}

struct Subscriber<A> {
    env: Env,
    dialer: Dialer,
    topics: Vec<Add>,
    /// None until it is opened, and after it has failed.
    kept: Option<OpenInbox>,
    topics_per_mutate: usize,
    ids: MutateIds,
    backoff: ClientBackoff,
    dice: Dice,
    application: A,
    settings: StreamSettings,
}

/// What is durable, and what is known of it.
struct OpenInbox {
    inbox: Inbox,
    ledger: ClientLedger,
}

impl<A: Application> Subscriber<A> {
    fn new(
        env: Env,
        config: ClientConfig,
        application: A,
        observer: Arc<dyn ClientObserver>,
    ) -> Result<Self, ClientError> {
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
        let dialer = Dialer::new(Arc::clone(&env), node, http2_keepalive, connect_timeout)?;
        let dialer = dialer.with_tcp(tcp).plant(quirk);
        let dice = env.dice();
        Ok(Subscriber {
            env,
            dialer,
            topics,
            kept: None,
            topics_per_mutate,
            ids: MutateIds::default(),
            backoff: ClientBackoff::new(backoff, quirk),
            dice,
            application,
            settings: StreamSettings { attempt: 0, watchdog, advertised: None, quirk, observer },
        })
    }

    fn notice(&self, notice: ClientNotice) {
        self.settings.observer.notice(notice);
    }

    /// One attempt, from its beginning to its end.
    async fn attempt(&mut self) -> ClientEnding {
        self.settings.attempt += 1;
        let attempt = self.settings.attempt;
        self.notice(ClientNotice::Dialing { attempt });
        let ending = match self.connect().await {
            Ok(ending) => ending,
            Err(error) => {
                let why = format!("failed to {error}");
                self.notice(ClientNotice::StoreFailed { why: why.clone() });
                ClientEnding { cause: Cause::Inbox(why), uptime: Duration::ZERO }
            }
        };
        tracing::info!(attempt, cause = %ending.cause, uptime = ?ending.uptime, "the subscription ended");
        self.notice(ClientNotice::Ended { attempt, cause: ending.cause.clone() });
        ending
    }

    /// One connection, where there is an inbox for what it brings.
    async fn connect(&mut self) -> Result<ClientEnding, InboxError> {
        // Taken, so that an error leaves nothing open behind.
        let mut kept = match self.kept.take() {
            Some(mut kept) => {
                kept.ledger.reconnect();
                kept
            }
            None => self.open()?,
        };
        let ending = match self.dialer.dial().await {
            Ok(link) => self.follow(link, &mut kept).await?,
            Err(error) => ClientEnding { cause: Cause::DialFailed(error.to_string()), uptime: Duration::ZERO },
        };
        self.kept = Some(kept);
        Ok(ending)
    }

    fn open(&self) -> Result<OpenInbox, InboxError> {
        let quirk = self.settings.quirk;
        let inbox = Inbox::open(&self.env, quirk)?;
        let ledger = ClientLedger::new(&self.topics, &inbox.read_cursors()?, quirk);
        let held = inbox.read_held(self.topics.iter().map(|add| add.topic.clone()))?;
        let cursors = held.into_iter().map(|(topic, cursor)| Add { topic, cursor }).collect();
        self.notice(ClientNotice::InboxOpened { cursors });
        Ok(OpenInbox { inbox, ledger })
    }

    /// Takes what the stream brings, until its end.
    async fn follow(&mut self, link: ClientLink, kept: &mut OpenInbox) -> Result<ClientEnding, InboxError> {
        let initial = split(kept.ledger.resume(), self.topics_per_mutate, &mut self.ids);
        let mut connection = ClientConnection::open(link, initial, self.settings.clone());
        loop {
            let events = connection.next_batch(BATCH_EVENTS_MAX).await;
            if events.is_empty() {
                return Ok(connection.ending().await);
            }
            self.remember_interval(&events);
            let fresh = sift(events, &mut kept.ledger);
            if !fresh.is_empty() {
                self.digest(fresh, &mut kept.inbox).await?;
            }
        }
    }

    /// What this node advertises holds for the next attempt too, until it says otherwise.
    fn remember_interval(&mut self, events: &[ClientEvent]) {
        let started = events.iter().find_map(|event| match event {
            ClientEvent::Started { keepalive } => Some(*keepalive),
            ClientEvent::Delivery(_) | ClientEvent::TopicsLive(_) | ClientEvent::CatchupComplete(_) => None,
        });
        self.settings.advertised = started.unwrap_or(self.settings.advertised);
    }

    /// C3: persisted as it is processed, before anything else is taken.
    async fn digest(&mut self, messages: Vec<Message>, inbox: &mut Inbox) -> Result<(), InboxError> {
        self.application.process(&messages).await;
        inbox.commit(&messages)?;
        let told = |message: Message| (message.draft.topic, message.id, message.draft.data);
        let messages = messages.into_iter().map(told).collect();
        self.notice(ClientNotice::Committed { attempt: self.settings.attempt, messages });
        Ok(())
    }

    async fn back_off(&mut self, uptime: Duration) {
        if self.settings.quirk == Some(ClientQuirk::SpinsWithoutInbox) && self.kept.is_none() {
            return;
        }
        let delay = self.backoff.next_delay(uptime, &mut self.dice);
        self.notice(ClientNotice::BackingOff { attempt: self.settings.attempt, delay });
        sleep(delay).await;
    }
}

/// The new messages of a batch.
fn sift(events: Vec<ClientEvent>, ledger: &mut ClientLedger) -> Vec<Message> {
    let mut fresh = Vec::new();
    for event in events {
        match event {
            ClientEvent::Delivery(delivery) => {
                fresh.extend(delivery.messages.into_iter().filter(|message| ledger.admit(message)));
            }
            ClientEvent::Started { .. } | ClientEvent::TopicsLive(_) | ClientEvent::CatchupComplete(_) => {}
        }
    }
    fresh
}
