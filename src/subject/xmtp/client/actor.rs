//! The connection actor: one task that owns both halves of a stream, and alone writes its request half.
//!
//! Refuses to know what the topics and messages mean, and whether there will be another stream. It never
//! waits for a receiver: what has no room goes to a bounded backlog, and past the bound, towards the node,
//! the stream has failed; towards the application, it stops reading, and soon gives the stream up.
//!
//! ```text
//!                    backlog of frames past its bound ------------------+
//!                    N silent intervals --------------------------------+
//!                    no Pong after a suspension ------------------------+
//!                    standing still for a tenth of an interval ---------+
//!                    the node's status or end --------------------------+
//!                                                                       |
//!   opening --headers--> reading <-- room / events full --> standing    |
//!      |                   |                                 still      v
//!      +------ Finish -----+-- flushing --flushed, or 1 s--> half-closed --the node's end--> draining --> gone
//! ```
//! Draining: the request half, the commands and the probes are dropped at once; what had arrived is delivered.
//!
//! Pings travel behind the messages, in the same window of HTTP/2: who stops reading cannot answer them, and is reaped
//! (S6). So whoever is behind for longer than a moment lets go of the stream on purpose, and the node keeps what is
//! missing until the next one. A half-closed stream is not pinged (S11), and waits for its application as long as it
//! takes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::subject::xmtp::client::backlogged_sender::BackloggedSender;
use crate::subject::xmtp::client::binding::ClientBinding;
use crate::subject::xmtp::client::channel::request;
use crate::subject::xmtp::client::heard_data::HeardData;
use crate::subject::xmtp::client::probe::{Probes, answer};
use crate::subject::xmtp::client::stream::{ClientCommand, ClientEnding, ClientEvent, StreamSettings};
use crate::subject::xmtp::client::suspension::{ProbeStep, Suspension};
use crate::subject::xmtp::client::transport::{Inbound, Opening, SubscribeTransport, Transport, TransportError};
use crate::subject::xmtp::client::watchdog::{Alarm, DEFAULT_INTERVAL, Watchdog, believed, silence};
use crate::subject::xmtp::client::{Cause, ClientFrame, ClientNotice, ClientQuirk, ProbeError, WATCHDOG_INTERVALS};
use crate::subject::xmtp::wire::{Mutate, Nonce, Request, Response};

/// How many frames the request half of the stream holds (libxmtp PR 3772).
const WIRE_MAX: usize = 64;
/// How many frames may wait behind a full wire before the stream has failed (libxmtp PR 3772).
const BACKLOG_MAX: usize = 128;
/// How many events may wait behind a full event channel while the actor goes on reading, so that it can go
/// on answering Pings: as many again as the channel holds. Past it, it stands still until they have all moved on.
const PARKED_MAX: usize = 1_024;
/// It stands still for this part of an interval at most: a Pong may be due within the interval (S6), and the Ping may
/// wait behind more than one standstill.
const STANDSTILL_SHARE: u32 = 10;
/// How long a `finish` may flush the backlog (libxmtp PR 3772).
const FINISH_FLUSH_MAX: Duration = Duration::from_secs(1);
/// The nonce of the watchdog's own Pings: probes count from 1 and never get there.
const WATCHDOG_NONCE: Nonce = Nonce(u64::MAX);

/// The response half, from before its headers.
enum ResponseHalf<H> {
    Opening(Opening<H>),
    Open(Inbound<H>),
}

impl<H> ResponseHalf<H> {
    /// The next frame. Cancel safe. Not to be called again after an error or the end.
    async fn next(&mut self) -> Result<Option<H>, TransportError> {
        loop {
            match self {
                ResponseHalf::Opening(opening) => *self = ResponseHalf::Open(opening.await?.into_inner()),
                ResponseHalf::Open(inbound) => return Ok(inbound.next().await.transpose()?),
            }
        }
    }
}

/// One thing that happened to the actor.
enum ActorTurn<H> {
    /// A backlog moved on, or nobody takes frames any more.
    Flushed,
    /// A command; none where every handle is gone, or after a `finish`.
    Ordered(Option<ClientCommand>),
    /// A frame, or the end of the stream.
    Heard(Result<Option<H>, TransportError>),
    /// The application took events.
    Taken,
    /// Some deadline may have come.
    Rang,
}

/// The actor of a stream in one dialect.
pub(crate) struct Actor<B: ClientBinding> {
    binding: B,
    settings: StreamSettings,
    inbound: ResponseHalf<B::Heard>,
    wire: BackloggedSender<B::Sent>,
    commands: mpsc::Receiver<ClientCommand>,
    ordering: bool,
    events: BackloggedSender<ClientEvent>,
    taken: Arc<Notify>,
    /// Nothing is read; the time is when that has lasted too long.
    standing_until: Option<Instant>,
    watchdog: Option<Watchdog>,
    probes: Probes,
    suspension: Option<Suspension>,
    interval: Duration,
    alarm: Pin<Box<Sleep>>,
    flush_until: Option<Instant>,
    finishing: bool,
    started_at: Option<Instant>,
    heard_at: Instant,
    transport: Box<dyn Transport>,
}

impl<B: ClientBinding> Actor<B> {
    /// The actor of a stream that is to be opened on `transport`.
    pub(crate) fn new(
        transport: Box<dyn Transport>,
        settings: StreamSettings,
        commands: mpsc::Receiver<ClientCommand>,
        events: mpsc::Sender<ClientEvent>,
    ) -> Self {
        let (wire, outbound) = mpsc::channel(WIRE_MAX);
        let opening = transport.subscribe_in(B::DIALECT, request(()), Box::pin(ReceiverStream::new(outbound)));
        let now = Instant::now();
        Actor {
            watchdog: settings.watchdog.map(|intervals| Watchdog::new(intervals, settings.advertised, now)),
            suspension: settings
                .resume_probe
                .as_ref()
                .filter(|_| settings.dialect.has_pongs())
                .map(|probe| Suspension::new(probe.within, now, probe.boot_clock()).plant(settings.quirk)),
            binding: B::default(),
            settings,
            inbound: ResponseHalf::Opening(opening),
            wire: BackloggedSender::new(wire, BACKLOG_MAX),
            commands,
            ordering: true,
            events: BackloggedSender::new(events, PARKED_MAX),
            taken: Arc::default(),
            standing_until: None,
            probes: Probes::default(),
            interval: DEFAULT_INTERVAL,
            alarm: Box::pin(sleep_until(now)),
            flush_until: None,
            finishing: false,
            started_at: None,
            heard_at: now,
            transport,
        }
    }

    /// What is notified when the application takes events.
    pub(crate) fn taken(&self) -> Arc<Notify> {
        Arc::clone(&self.taken)
    }

    /// Lives until the stream's end, delivers what had arrived, and tells how the stream ended.
    pub(crate) async fn run(mut self, initial: Vec<Mutate>) -> ClientEnding {
        let lived = match self.submit(initial) {
            Ok(()) => self.live().await,
            Err(cause) => Err(cause),
        };
        let Err(cause) = lived;
        let silent = [Cause::Watchdog, Cause::Stale].contains(&cause);
        let end = if silent { self.heard_at } else { Instant::now() };
        let uptime = self.started_at.map_or(Duration::ZERO, |start| end.saturating_duration_since(start));
        let Actor { mut events, inbound, wire, commands, probes, transport, settings, .. } = self;
        drop((inbound, wire, commands, probes, transport));
        if !events.is_drained() {
            settings.observer.notice(ClientNotice::LetGo { attempt: settings.attempt, cause: cause.clone() });
        }
        while events.is_backlogged() {
            events.flush().await;
        }
        ClientEnding { cause, uptime }
    }

    fn submit(&mut self, initial: Vec<Mutate>) -> Result<(), Cause> {
        initial.into_iter().try_for_each(|mutate| self.send(Request::Mutate(mutate)))
    }

    /// Ends by a cause only.
    async fn live(&mut self) -> Result<Infallible, Cause> {
        let counts_consumer = self.settings.quirk == Some(ClientQuirk::WatchdogCountsConsumer);
        loop {
            // Frames may be ready without end; this lets the application and hyper have their turns.
            tokio::task::coop::consume_budget().await;
            let now = Instant::now();
            self.probes.expire(now);
            if self.wire.is_closed() {
                self.commands.close(); // nothing may be queued into a dead stream
            }
            self.half_close(now);
            self.read_or_stand_still(now)?;
            let alarmed = self.set_alarm();
            // The bounded work first, so that no flood of frames starves it; the alarm last, so that what
            // has arrived counts before silence does.
            let turn = tokio::select! {
                biased;
                () = self.events.flush(), if self.events.is_backlogged() => ActorTurn::Flushed,
                () = self.wire.flush(), if !self.wire.is_closed() => ActorTurn::Flushed,
                () = self.taken.notified(), if counts_consumer => ActorTurn::Taken,
                command = self.commands.recv(), if self.ordering => ActorTurn::Ordered(command),
                heard = self.inbound.next(), if self.standing_until.is_none() => ActorTurn::Heard(heard),
                () = &mut self.alarm, if alarmed => ActorTurn::Rang,
            };
            let now = Instant::now();
            self.look_at_clocks(now, alarmed);
            self.take(turn, now)?;
        }
    }

    fn take(&mut self, turn: ActorTurn<B::Heard>, now: Instant) -> Result<(), Cause> {
        match turn {
            ActorTurn::Flushed => Ok(()),
            ActorTurn::Ordered(Some(command)) => self.obey(command, now),
            ActorTurn::Ordered(None) => {
                self.ordering = false;
                Ok(())
            }
            ActorTurn::Heard(Ok(Some(frame))) => self.hear(frame, now),
            ActorTurn::Heard(Ok(None)) => Err(if self.finishing { Cause::Finished } else { Cause::StreamEnded }),
            ActorTurn::Heard(Err(error)) => Err(Cause::of_error(&error, self.started_at.is_some())),
            ActorTurn::Taken => {
                self.feed_watchdog(now);
                Ok(())
            }
            ActorTurn::Rang => {
                self.doubt(now)?;
                self.watch(now)
            }
        }
    }

    fn obey(&mut self, command: ClientCommand, now: Instant) -> Result<(), Cause> {
        match command {
            ClientCommand::Mutate(mutate) => self.send(Request::Mutate(mutate)),
            ClientCommand::Probe { .. } if self.wire.is_closed() => Ok(()), // dropping the ack says `Closed`
            ClientCommand::Probe { ack, .. } if !B::DIALECT.has_pongs() => {
                answer(ack, Err(ProbeError::Unsupported));
                Ok(())
            }
            ClientCommand::Probe { allowance, ack } => {
                let allowance = allowance
                    .unwrap_or_else(|| silence(self.interval, self.settings.watchdog.unwrap_or(WATCHDOG_INTERVALS)));
                match self.probes.begin(allowance, now, ack) {
                    Some(nonce) => self.send(Request::Ping(nonce)),
                    None => Ok(()),
                }
            }
            ClientCommand::Finish => {
                // What others submitted at the same time is still received, and flushed with the rest.
                self.commands.close();
                self.finishing = true;
                self.flush_until = Some(now + FINISH_FLUSH_MAX);
                Ok(())
            }
        }
    }

    fn hear(&mut self, frame: B::Heard, now: Instant) -> Result<(), Cause> {
        self.heard_at = now;
        let attempt = self.settings.attempt;
        if self.settings.quirk != Some(ClientQuirk::WatchdogCountsConsumer) || self.events.is_drained() {
            self.feed_watchdog(now);
        }
        let (response, skipped) = match self.binding.read(frame) {
            Ok(read) => read,
            Err(malformed) => {
                tracing::debug!(attempt, %malformed, "ignored a frame");
                return Ok(());
            }
        };
        for malformed in skipped {
            tracing::warn!(attempt, %malformed, "skipped a part of a frame");
        }
        self.settings.observer.notice(ClientNotice::Heard { attempt, frame: ClientFrame::from(&response) });
        let event = match response {
            Response::Ping(_) if self.settings.quirk == Some(ClientQuirk::PongWithheld) => return Ok(()),
            Response::Ping(nonce) => return self.send(Request::Pong(nonce)), // C1
            Response::Pong(nonce) => {
                self.probes.hear(nonce);
                if self.suspension.as_mut().is_some_and(|suspension| suspension.hear(nonce)) {
                    self.settings.observer.notice(ClientNotice::ProbeAnswered { attempt });
                }
                return Ok(());
            }
            Response::Started { keepalive } => {
                self.start(keepalive, now);
                ClientEvent::Started { keepalive }
            }
            Response::Delivery(delivery) => ClientEvent::Delivery(delivery),
            Response::TopicsLive(topics) => ClientEvent::TopicsLive(topics),
            Response::CatchupComplete(id) => ClientEvent::CatchupComplete(id),
        };
        let pushed = self.events.push(event);
        let drops = self.settings.quirk == Some(ClientQuirk::DropsWithoutRoom);
        assert!(pushed.is_ok() || drops, "the actor reads only while there is room");
        Ok(())
    }

    fn start(&mut self, keepalive: Option<Duration>, now: Instant) {
        self.interval = believed(keepalive);
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.advertise(keepalive);
        }
        if self.started_at.is_none() {
            self.started_at = Some(now);
            self.settings.observer.notice(ClientNotice::Started { attempt: self.settings.attempt, keepalive });
        }
    }

    fn feed_watchdog(&mut self, now: Instant) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.hear(now);
        }
    }

    /// C2.
    fn watch(&mut self, now: Instant) -> Result<(), Cause> {
        let attempt = self.settings.attempt;
        if self.settings.heard_data.as_ref().is_some_and(HeardData::take) {
            self.feed_watchdog(now);
        }
        match self.watchdog.as_mut().and_then(|watchdog| watchdog.check(now)) {
            None => Ok(()),
            // Nothing can be asked: the silence goes on to its end.
            Some(Alarm::Ping) if !B::DIALECT.has_pongs() => Ok(()),
            Some(Alarm::Ping) => {
                self.settings.observer.notice(ClientNotice::WatchdogPinged { attempt });
                self.send(Request::Ping(WATCHDOG_NONCE))
            }
            Some(Alarm::Dead { silent_for }) => {
                self.settings.observer.notice(ClientNotice::WatchdogTripped { attempt, silent_for });
                Err(Cause::Watchdog)
            }
        }
    }

    /// C5: after a suspension nothing that was believed before it counts. A silence begins anew.
    fn look_at_clocks(&mut self, now: Instant, alarmed: bool) {
        let Some(suspension) = &mut self.suspension else { return };
        let boot = self.settings.boot_clock();
        let alarm = alarmed.then(|| self.alarm.deadline());
        let Some(lasted) = suspension.look(now, boot, alarm, self.interval) else { return };
        self.settings.observer.notice(ClientNotice::Suspended { attempt: self.settings.attempt, lasted });
        self.feed_watchdog(now);
    }

    /// C5. While nothing is read no answer can be heard, and another bound holds.
    fn doubt(&mut self, now: Instant) -> Result<(), Cause> {
        let Some(suspension) = self.suspension.as_mut().filter(|_| self.standing_until.is_none()) else {
            return Ok(());
        };
        let boot = self.settings.boot_clock();
        match suspension.check(now, boot) {
            None => Ok(()),
            Some(ProbeStep::Ask(nonce)) => {
                self.settings.observer.notice(ClientNotice::Probed { attempt: self.settings.attempt });
                self.send(Request::Ping(nonce))
            }
            Some(ProbeStep::Stale) => Err(Cause::Stale),
        }
    }

    fn send(&mut self, frame: Request) -> Result<(), Cause> {
        let Some(frame) = self.binding.write(frame) else { return Ok(()) };
        self.wire.push(frame).map_err(|_| Cause::BacklogFull)
    }

    /// Half-closes once a `finish` is flushed, or its time is up. From then on a silent node is no dead one:
    /// it has nothing to say until its waves are done (C4).
    fn half_close(&mut self, now: Instant) {
        let Some(until) = self.flush_until else { return };
        if self.ordering || (self.wire.is_backlogged() && now < until) {
            return;
        }
        self.flush_until = None;
        self.wire.close();
        (self.watchdog, self.suspension) = (None, None);
    }

    /// Reads as long as there is room. Once there is none, nothing is read before all that is parked has moved on: a
    /// place at a time would hold the link at the application's pace, and a Ping back for a whole window.
    fn read_or_stand_still(&mut self, now: Instant) -> Result<(), Cause> {
        if self.standing_until.is_none() {
            if self.events.is_full() && self.settings.quirk != Some(ClientQuirk::DropsWithoutRoom) {
                self.stand_still(now);
            }
        } else if !self.events.is_backlogged() {
            self.read_again(now);
        } else if self.gives_up_at().is_some_and(|until| until <= now) {
            return Err(Cause::ConsumerBehind);
        }
        Ok(())
    }

    fn stand_still(&mut self, now: Instant) {
        let patience = self.interval.min(DEFAULT_INTERVAL) / STANDSTILL_SHARE;
        self.standing_until = Some(now + patience);
        self.probes.stop();
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.stop();
        }
    }

    fn read_again(&mut self, now: Instant) {
        self.standing_until = None;
        self.probes.resume(now);
        if let Some(suspension) = &mut self.suspension {
            suspension.read_again(now);
        }
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.resume(now);
        }
    }

    /// When the standstill has lasted too long; never on a stream that is being finished.
    fn gives_up_at(&self) -> Option<Instant> {
        let stays = self.finishing || self.settings.quirk == Some(ClientQuirk::StandsStill);
        self.standing_until.filter(|_| !stays)
    }

    /// Whether the alarm is set. It may ring too early, never too late: a frame moves the watchdog's deadline,
    /// and a timer that is set anew for every frame costs more than one that rings once an interval for nothing.
    fn set_alarm(&mut self) -> bool {
        let watchdog = self.watchdog.as_ref().and_then(Watchdog::due);
        let doubt = self.suspension.as_ref().and_then(Suspension::due).filter(|_| self.standing_until.is_none());
        let look = self.suspension.as_ref().map(Suspension::looks_at);
        let deadlines = [watchdog, self.probes.due(), self.flush_until, self.gives_up_at(), doubt, look];
        let Some(due) = deadlines.into_iter().flatten().min() else {
            return false;
        };
        if due < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(due);
        }
        true
    }
}
