//! The gateway's handle, and its task: one connection after the other, for as long as there are leases.
//!
//! Refuses to know which lease gets what (the ledger does) and how frames travel (the connection actor does). No lease
//! hears of what happens here.
//!
//! ```text
//!   idle --a lease--> dialing --link--> following --the stream's end--> backing off --delay--> dialing
//!                        |                                                  ^   |
//!                        +--------------------- failed ---------------------+   +--no topic is leased--> idle
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::env::{Dice, Env};
use crate::subject::xmtp::client::{
    ADDS_MAX, BadNode, Cause, ClientBackoff, ClientConnection, ClientEnding, ClientEvent, ClientLink, ClientNotice,
    ClientObserver, Dialer, Narrowing, ResumeProbe, StreamSettings, TrySubmitError,
};
use crate::subject::xmtp::gateway::desk::LeaseDesk;
use crate::subject::xmtp::gateway::lease::{LeaseBell, LeaseRequest, lease};
use crate::subject::xmtp::gateway::{GatewayConfig, GatewayQuirk, Lease, LeaseError, LeaseId};
use crate::subject::xmtp::wire::{Add, Dialect};

/// How many requests of leases may wait to be booked: as many as commands may wait for a connection.
const REQUESTS_MAX: usize = 64;
/// How many events are taken of the connection before leases are looked at again: a quarter of what its channel holds.
const BATCH_EVENTS_MAX: usize = 256;

/// Many leases on one stream. Dropping it ends the stream, and every lease.
#[derive(Debug)]
pub struct Gateway {
    requests: mpsc::Sender<LeaseRequest>,
    bell: Arc<LeaseBell>,
    leases: AtomicU64,
    lease_events: usize,
    task: JoinHandle<()>,
}

impl Gateway {
    /// A gateway in these surroundings. It dials as soon as there is a lease, and never gives up.
    ///
    /// # Errors
    /// The address is malformed.
    pub fn connect(env: &Env, config: GatewayConfig, observer: Arc<dyn ClientObserver>) -> Result<Self, BadNode> {
        let GatewayConfig {
            node,
            watchdog,
            probe_within,
            http2_keepalive,
            http2_windows,
            tcp,
            connect_timeout,
            backoff,
            lease_events,
            quirk,
        } = config;
        let dialer = Dialer::new(Arc::clone(env), node, http2_keepalive, connect_timeout)?;
        let dialer = dialer.with_windows(http2_windows).with_tcp(tcp);
        let resume_probe = probe_within.map(|within| ResumeProbe { env: Arc::clone(env), within });
        let (requests, requested) = mpsc::channel(REQUESTS_MAX);
        let bell = Arc::<LeaseBell>::default();
        let task = GatewayTask {
            dialer,
            backoff: ClientBackoff::new(backoff, None),
            dice: env.dice(),
            // The ledger goes by the names of waves, which no other dialect tells.
            settings: StreamSettings {
                attempt: 0,
                watchdog,
                advertised: None,
                resume_probe,
                dialect: Dialect::V1,
                quirk: None,
                heard_data: None,
                observer,
            },
            desk: LeaseDesk::new(requested, Arc::clone(&bell), quirk),
            narrowing: Narrowing::new(ADDS_MAX),
            asks_from: None,
            quirk,
        };
        let task = tokio::spawn(task.run());
        Ok(Gateway { requests, bell, leases: AtomicU64::new(0), lease_events, task })
    }

    /// Leases these topics, each from its cursor. Of two cursors for one topic the lower counts.
    ///
    /// # Errors
    /// [`LeaseError::GatewayEnded`].
    pub async fn lease(&self, adds: Vec<Add>) -> Result<Lease, LeaseError> {
        let id = LeaseId(self.leases.fetch_add(1, Ordering::Relaxed) + 1);
        let (outlet, lease) = lease(id, self.lease_events, self.requests.clone(), Arc::clone(&self.bell));
        let joined = self.requests.send(LeaseRequest::Join { outlet, adds }).await;
        joined.map_err(|_| LeaseError::GatewayEnded { lease: id })?;
        Ok(lease)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct GatewayTask {
    dialer: Dialer,
    backoff: ClientBackoff,
    dice: Dice,
    settings: StreamSettings,
    desk: LeaseDesk,
    narrowing: Narrowing,
    /// Before then nothing more is asked of a node that has refused anything: it may have been the rate (S8).
    asks_from: Option<Instant>,
    quirk: Option<GatewayQuirk>,
}

/// What the task woke up for.
enum GatewayTurn {
    /// A lease came, changed or went, or the node may be asked again.
    Booked,
    /// Frames arrived; none at the stream's end.
    Heard(Vec<ClientEvent>),
}

impl GatewayTask {
    async fn run(mut self) {
        loop {
            while self.desk.is_idle() {
                self.desk.change().await;
            }
            let ClientEnding { cause, uptime } = self.attempt().await;
            if let Cause::Rejected(why) = &cause {
                self.desk.reject(why);
            }
            if let Cause::Exhausted(why) = &cause {
                self.narrow(why);
            }
            self.desk.disconnect();
            if cause == Cause::Stale {
                self.backoff.note(uptime); // C5: it dials again at once
            } else {
                self.back_off(uptime).await;
            }
        }
    }

    fn notice(&self, notice: ClientNotice) {
        self.settings.observer.notice(notice);
    }

    /// One attempt, from its beginning to its end.
    async fn attempt(&mut self) -> ClientEnding {
        self.settings.attempt += 1;
        let attempt = self.settings.attempt;
        self.notice(ClientNotice::Dialing { attempt });
        let ending = match self.desk.change_until(self.dialer.dial()).await {
            Ok(link) => self.follow(link).await,
            Err(error) => ClientEnding { cause: Cause::DialFailed(error.to_string()), uptime: Duration::ZERO },
        };
        tracing::info!(attempt, cause = %ending.cause, uptime = ?ending.uptime, "the gateway's stream ended");
        self.notice(ClientNotice::Ended { attempt, cause: ending.cause.clone() });
        ending
    }

    /// The node has no room: it is asked for less, or somebody has to go.
    fn narrow(&mut self, why: &str) {
        if self.narrowing.refuse() {
            self.desk.narrow(self.narrowing.topics());
        } else {
            self.desk.reject(why);
            self.narrowing.grant();
        }
    }

    /// Serves the leases on one stream, until its end.
    async fn follow(&mut self, link: ClientLink) -> ClientEnding {
        self.narrowing.ask_elsewhere(self.desk.topics());
        let initial = std::iter::from_fn(|| self.desk.take_mutate()).collect();
        self.pause();
        let mut connection = ClientConnection::open(link, initial, self.settings.clone());
        loop {
            let waits = self.quirk == Some(GatewayQuirk::WaitsForFullLease) && self.desk.lags();
            let asks_from = self.asks_from.filter(|from| Instant::now() < *from);
            // Leases first: they are the application's own doing, and few at a time.
            let turn = tokio::select! {
                biased;
                () = self.desk.change() => GatewayTurn::Booked,
                events = connection.next_batch(BATCH_EVENTS_MAX), if !waits => GatewayTurn::Heard(events),
                () = sleep_until(asks_from.unwrap_or_else(Instant::now)), if asks_from.is_some() => GatewayTurn::Booked,
            };
            match turn {
                GatewayTurn::Booked => {}
                GatewayTurn::Heard(events) if events.is_empty() => return connection.ending().await,
                GatewayTurn::Heard(events) => events.into_iter().for_each(|event| self.hear(event)),
            }
            self.ask(&connection);
        }
    }

    fn hear(&mut self, event: ClientEvent) {
        if let ClientEvent::Started { keepalive } = event {
            self.settings.advertised = keepalive;
        }
        self.desk.take(event);
        if self.desk.is_settled() {
            self.narrowing.grant();
        }
    }

    /// Sends what is to be changed on the wire.
    fn ask(&mut self, connection: &ClientConnection) {
        while self.asks_from.is_none_or(|from| from <= Instant::now())
            && let Some(mutate) = self.desk.take_mutate()
        {
            self.pause();
            // On a closed stream it is lost, and its end is about to be heard.
            let submitted = connection.try_mutate(mutate);
            assert_ne!(submitted, Err(TrySubmitError::Full), "fewer Mutates are in flight than commands may wait");
        }
    }

    /// The node was asked for something.
    fn pause(&mut self) {
        self.asks_from = self.narrowing.pause().map(|pause| Instant::now() + pause);
    }

    async fn back_off(&mut self, uptime: Duration) {
        let delay = self.backoff.next_delay(uptime, &mut self.dice);
        self.notice(ClientNotice::BackingOff { attempt: self.settings.attempt, delay });
        self.desk.change_until(sleep(delay)).await;
    }
}
