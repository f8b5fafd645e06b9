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

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::env::{Dice, Env};
use crate::subject::xmtp::client::backoff::ClientBackoff;
use crate::subject::xmtp::client::channel::{BadNode, Dialer};
use crate::subject::xmtp::client::connection::ClientConnection;
use crate::subject::xmtp::client::inbox::InboxError;
use crate::subject::xmtp::client::intake::Intake;
use crate::subject::xmtp::client::ledger::{MutateIds, split};
use crate::subject::xmtp::client::narrowing::Narrowing;
use crate::subject::xmtp::client::stream::{ClientEnding, ClientEvent, ResumeProbe, StreamSettings};
use crate::subject::xmtp::client::{Cause, ClientConfig, ClientNotice, ClientObserver, ClientQuirk};
use crate::subject::xmtp::wire::Message;

/// How many events go into one batch, that is, into one call of the application and one transaction: a quarter
/// of what the event channel holds, so that a replay costs few transactions and a crash repeats little.
pub(crate) const BATCH_EVENTS_MAX: usize = 256;

/// The quirk `leaves-healthy-streams` gives a stream so long.
const HEALTHY_FOR: Duration = Duration::from_secs(60);

/// How long a node that does not serve Subscribe is followed by the older calls before Subscribe is tried again (C6):
/// nodes are replaced by newer ones within a deployment, and an attempt in vain costs one round trip.
const OLDER_CALLS_FOR: Duration = Duration::from_secs(600);

/// What a subscriber delivers to.
pub trait Application: Send + 'static {
    /// Processes messages, each new, ascending by id within a topic. It may be slow. A message counts as
    /// processed, and is never seen again, only if this returns and the inbox then stores it: after a crash
    /// in between it comes again.
    fn process(&mut self, messages: &[Message]) -> impl Future<Output = ()> + Send;
}

/// Why a subscriber cannot go on. No failure of a peer, a network or a disk is among it: those pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// The node has no room even for one topic at a time, however often it is asked.
    #[error(
        "follow the topics: the node has no room for them, not even one topic at a time: {why}; follow fewer topics, \
         or raise the node's bound"
    )]
    NeverFits {
        /// The status, and what it says.
        why: String,
    },
}

/// Follows the configured topics for ever, over as many connections as it takes.
///
/// # Errors
/// The address is malformed, or a node rejects the subscription, or has no room for it.
pub async fn subscribe<A: Application>(
    env: Env,
    config: ClientConfig,
    application: A,
    observer: Arc<dyn ClientObserver>,
) -> Result<Infallible, ClientError> {
    let mut subscriber = Subscriber::new(env, config, application, observer)?;
    loop {
        let ending = subscriber.attempt().await;
        subscriber.recover(ending).await?;
    }
}

/// What an attempt needs, and what one leaves for the next.
pub(crate) struct Subscriber<A> {
    pub(crate) dialer: Dialer,
    pub(crate) intake: Intake<A>,
    pub(crate) narrowing: Narrowing,
    pub(crate) ids: MutateIds,
    backoff: ClientBackoff,
    dice: Dice,
    pub(crate) settings: StreamSettings,
    /// Until when the node is taken for one that does not serve Subscribe (C6).
    older_until: Option<Instant>,
}

impl<A: Application> Subscriber<A> {
    pub(crate) fn new(
        env: Env,
        config: ClientConfig,
        application: A,
        observer: Arc<dyn ClientObserver>,
    ) -> Result<Self, BadNode> {
        let ClientConfig {
            node,
            topics,
            topics_per_mutate,
            watchdog,
            probe_within,
            http2_keepalive,
            http2_windows,
            tcp,
            connect_timeout,
            backoff,
            dialect,
            quirk,
        } = config;
        let dialer = Dialer::new(Arc::clone(&env), node, http2_keepalive, connect_timeout)?;
        let dialer = dialer.with_windows(http2_windows).with_tcp(tcp).plant(quirk);
        let heard_data = dialer.heard_data();
        let dice = env.dice();
        let probe_within = probe_within.filter(|_| quirk != Some(ClientQuirk::NoProbeAtResume));
        let resume_probe = probe_within.map(|within| ResumeProbe { env: Arc::clone(&env), within });
        Ok(Subscriber {
            dialer,
            intake: Intake::new(env, topics, application, quirk, Arc::clone(&observer)),
            narrowing: Narrowing::new(topics_per_mutate),
            ids: MutateIds::default(),
            backoff: ClientBackoff::new(backoff, quirk),
            dice,
            settings: StreamSettings {
                attempt: 0,
                watchdog,
                advertised: None,
                resume_probe,
                dialect,
                quirk,
                heard_data,
                observer,
            },
            older_until: None,
        })
    }

    pub(crate) fn notice(&self, notice: ClientNotice) {
        self.settings.observer.notice(notice);
    }

    /// The next attempt begins.
    pub(crate) fn begin(&mut self) {
        self.settings.attempt += 1;
        self.notice(ClientNotice::Dialing { attempt: self.settings.attempt });
    }

    /// The attempt is over.
    pub(crate) fn end(&self, cause: &Cause) {
        let attempt = self.settings.attempt;
        tracing::info!(attempt, %cause, "the subscription ended");
        self.notice(ClientNotice::Ended { attempt, cause: cause.clone() });
    }

    /// The inbox has failed, and the attempt ends for that.
    pub(crate) fn blame_inbox(&self, error: &InboxError) -> Cause {
        let why = format!("failed to {error}");
        self.notice(ClientNotice::StoreFailed { why: why.clone() });
        Cause::Inbox(why)
    }

    /// One attempt, from its beginning to its end.
    async fn attempt(&mut self) -> ClientEnding {
        self.begin();
        let followed = match self.older_until.filter(|_| self.follows_older()) {
            Some(until) => self.follow_older(until).await,
            None => self.follow().await,
        };
        let ending = followed.unwrap_or_else(|cause| ClientEnding { cause, uptime: Duration::ZERO });
        self.end(&ending.cause);
        self.remember_older(&ending.cause);
        ending
    }

    /// Whether the node is taken for one that does not serve Subscribe (C6).
    pub(crate) fn follows_older(&mut self) -> bool {
        self.older_until = self.older_until.filter(|until| Instant::now() < *until);
        self.older_until.is_some()
    }

    /// C6: that Subscribe is not served is remembered for a while, whatever becomes of the older calls.
    pub(crate) fn remember_older(&mut self, cause: &Cause) {
        let falls_back = self.settings.dialect.has_older_calls() && self.older_until.is_none();
        if falls_back && matches!(cause, Cause::Unimplemented(_)) {
            self.older_until = Some(Instant::now() + OLDER_CALLS_FOR);
        }
    }

    /// Dials, where there is an inbox for what comes, and takes what the stream brings, until its end.
    async fn follow(&mut self) -> Result<ClientEnding, Cause> {
        let resume = self.intake.resume().map_err(|error| self.blame_inbox(&error))?;
        let link = self.dialer.dial().await.map_err(|error| Cause::DialFailed(error.to_string()))?;
        let initial = self.narrowing.ask(split(resume, self.narrowing.topics(), &mut self.ids));
        let _second = match self.settings.quirk {
            Some(ClientQuirk::OpensTwice) => Some(link.client().subscribe(tokio_stream::pending()).await),
            _ => None,
        };
        if self.settings.quirk == Some(ClientQuirk::LeavesConnections) {
            drop(self.dialer.dial().await.map(std::mem::forget));
        }
        let mut connection = ClientConnection::open(link, initial, self.settings.clone());
        let opened = Instant::now();
        let mut late = Vec::new();
        loop {
            let mut events = tokio::select! {
                biased;
                events = connection.next_batch(BATCH_EVENTS_MAX) => events,
                mutate = self.narrowing.next() => {
                    // A stream that is closed already brings its end next.
                    let _ = connection.mutate(mutate).await;
                    continue;
                }
            };
            if events.is_empty() {
                return Ok(connection.ending().await);
            }
            self.remember_interval(&events);
            self.narrowing.hear(&events);
            if self.settings.quirk == Some(ClientQuirk::ProcessesLate) {
                std::mem::swap(&mut late, &mut events);
            }
            self.take(events).await?;
            if self.settings.quirk == Some(ClientQuirk::LeavesHealthyStreams) && opened.elapsed() > HEALTHY_FOR {
                return Ok(ClientEnding { cause: Cause::StreamEnded, uptime: opened.elapsed() });
            }
        }
    }

    /// Takes the messages among the events, and returns how many of them were new.
    pub(crate) async fn take(&mut self, events: Vec<ClientEvent>) -> Result<usize, Cause> {
        self.take_messages(events.into_iter().flat_map(ClientEvent::into_messages)).await
    }

    /// Takes messages, and returns how many of them were new.
    pub(crate) async fn take_messages(
        &mut self,
        messages: impl IntoIterator<Item = Message> + Send,
    ) -> Result<usize, Cause> {
        let taken = self.intake.take(self.settings.attempt, messages).await;
        taken.map_err(|error| self.blame_inbox(&error))
    }

    /// What this node advertises holds for the next attempt too, until it says otherwise.
    fn remember_interval(&mut self, events: &[ClientEvent]) {
        let started = events.iter().find_map(|event| match event {
            ClientEvent::Started { keepalive } => Some(*keepalive),
            ClientEvent::Delivery(_) | ClientEvent::TopicsLive(_) | ClientEvent::CatchupComplete(_) => None,
        });
        self.settings.advertised = started.unwrap_or(self.settings.advertised);
    }

    /// An attempt has ended: the next begins when this returns.
    pub(crate) async fn recover(&mut self, ClientEnding { cause, uptime }: ClientEnding) -> Result<(), ClientError> {
        self.bear_refusal(&cause)?;
        if cause == Cause::Stale && self.settings.quirk != Some(ClientQuirk::WaitsWhenStale) {
            // C5: at once; an attempt that fails then waits as any other.
            self.backoff.note(uptime);
            return Ok(());
        }
        // Who has brought more than the application takes has not failed: the waits begin anew.
        let uptime = if cause == Cause::ConsumerBehind { Duration::MAX } else { uptime };
        self.back_off(uptime).await;
        Ok(())
    }

    /// What a node refuses for good is not asked for again, and what it has no room for is made smaller first.
    #[expect(clippy::wildcard_enum_match_arm, reason = "two causes are refusals, and a new one is not")]
    fn bear_refusal(&mut self, cause: &Cause) -> Result<(), ClientError> {
        match cause {
            _ if self.settings.quirk == Some(ClientQuirk::ResendsRefused) => Ok(()),
            Cause::Rejected(why) => Err(ClientError::Rejected { why: why.clone() }),
            Cause::Exhausted(why) if !self.narrowing.refuse() => Err(ClientError::NeverFits { why: why.clone() }),
            _ => Ok(()),
        }
    }

    /// Nothing has failed, and nothing is done for a while.
    pub(crate) async fn rest(&mut self, lasts: Duration) {
        self.backoff.note(Duration::MAX);
        sleep(lasts).await;
    }

    pub(crate) async fn back_off(&mut self, uptime: Duration) {
        if self.settings.quirk == Some(ClientQuirk::SpinsWithoutInbox) && !self.intake.is_open() {
            return;
        }
        if self.settings.quirk == Some(ClientQuirk::StopsAfterEnding) {
            std::future::pending::<()>().await;
        }
        let delay = self.backoff.next_delay(uptime, &mut self.dice);
        self.notice(ClientNotice::BackingOff { attempt: self.settings.attempt, delay });
        sleep(delay).await;
    }
}
