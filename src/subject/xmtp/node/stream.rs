//! The task of one Subscribe stream: reads requests, takes fresh messages, keeps time, sends frames.
//!
//! Refuses to decide: what a Mutate does and which frame is next is the session's, when to ping is the
//! liveness's. It keeps reading when the consumer is slow, because a Pong must be heard (S6), and it
//! ends, which frees its topics, as soon as the response stream is dropped.

use std::future::pending;

use rand::RngExt;
use tokio::select;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tonic::{Code, Status, Streaming};

use crate::env::Dice;
use crate::subject::xmtp::node::binding::NodeBinding;
use crate::subject::xmtp::node::liveness::{Action, StreamLiveness};
use crate::subject::xmtp::node::rate_limiter::RateLimiter;
use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::registrations::{Registrar, Registrations};
use crate::subject::xmtp::node::response::{FrameSender, LastWord, NodeEnding, Opened, ResponseFrames};
use crate::subject::xmtp::node::{NodeConfig, NodeQuirk};
use crate::subject::xmtp::wire::{Mutate, Nonce, Request, Response};

/// What a stream needs of its node.
pub(crate) struct Lent {
    /// What it is registered with.
    pub(crate) registrar: Registrar,
    /// For the nonces of Pings.
    pub(crate) dice: Dice,
    /// The stream's number and who is told of its end.
    pub(crate) opened: Opened,
}

/// Starts the task of a stream in that dialect and returns its response side, with `Started` in it already (S1).
pub(crate) fn open<B: NodeBinding>(
    config: &NodeConfig,
    lent: Lent,
    requests: Streaming<B::Asked>,
) -> ResponseFrames<B::Told> {
    let (limits, mut binding) = (config.limits.clone(), B::default());
    let waits_long = config.quirk == Some(NodeQuirk::WaitsAnIntervalForPongs);
    let pong_deadline = if waits_long { config.keepalive } else { config.pong_deadline };
    let pong_deadline = B::DIALECT.has_pongs().then_some(pong_deadline);
    let liveness = StreamLiveness::new(config.keepalive, pong_deadline, limits.stall, Instant::now());
    let (frames, status, response) = ResponseFrames::with_room(&limits);
    let told = if config.quirk == Some(NodeQuirk::AdvertisesAnotherInterval) { 2 } else { 1 };
    let started = Response::Started { keepalive: liveness.advertised().map(|interval| interval * told) };
    if config.quirk != Some(NodeQuirk::SkipsStarted) {
        let started = binding.write(started).expect("every dialect has a first frame");
        frames.send(started).expect("a fresh channel has room and a receiver");
    }
    let task = StreamTask {
        binding,
        registrations: Registrations::new(lent.registrar, limits, config).in_dialect(B::DIALECT),
        liveness,
        mutates: RateLimiter::new(config.limits.mutates),
        client_pings: RateLimiter::new(config.limits.client_pings),
        config: config.clone(),
        dice: lent.dice,
        requests,
        frames,
        half_closed: false,
        live_is_next: true,
    };
    tokio::spawn(task.run(lent.opened, status));
    response
}

struct StreamTask<B: NodeBinding> {
    binding: B,
    registrations: Registrations,
    liveness: StreamLiveness,
    mutates: RateLimiter,
    client_pings: RateLimiter,
    config: NodeConfig,
    dice: Dice,
    requests: Streaming<B::Asked>,
    frames: FrameSender<B::Told>,
    half_closed: bool,
    live_is_next: bool,
}

impl<B: NodeBinding> StreamTask<B> {
    async fn run(mut self, mut opened: Opened, status: LastWord) {
        let ending = self.serve().await;
        if self.config.quirk == Some(NodeQuirk::KeepsDeadStreams) && matches!(ending, NodeEnding::PeerGone) {
            pending::<()>().await;
        }
        if self.config.quirk == Some(NodeQuirk::LeavesTasks) {
            tokio::spawn(pending::<()>());
        }
        opened.end(&self.named(ending), status);
        // The topics are free before anybody hears that the stream is closed.
        drop(self);
        drop(opened);
    }

    /// The ending as it is told: the quirk `misnames-bounds` takes a bound for a rule.
    fn named(&self, ending: NodeEnding) -> NodeEnding {
        if let NodeEnding::Refused(refusal) = &ending
            && self.config.quirk == Some(NodeQuirk::MisnamesBounds)
            && refusal.code() == Code::ResourceExhausted
        {
            return NodeEnding::Unreadable(Status::invalid_argument(refusal.to_string()));
        }
        ending
    }

    async fn serve(&mut self) -> NodeEnding {
        loop {
            let has_fresh = match self.registrations.has_fresh() {
                Ok(has_fresh) => has_fresh,
                Err(ending) => return ending,
            };
            if self.registrations.session.is_overfull() {
                return NodeEnding::TooSlow;
            }
            let (has_output, ends_by) = (self.registrations.session.has_output(), self.registrations.ends_by());
            if self.half_closed && !has_output {
                return NodeEnding::Finished;
            }
            let sendable = has_output || has_fresh;
            if ends_by.is_some() && !sendable {
                return NodeEnding::Stopped;
            }
            let due = self.liveness.next_deadline();
            // Requests come before the timer, so that a Pong of the last moment counts, and before
            // sending, so that a long replay cannot hide it; the rate limiters keep them from starving the rest.
            let step = select! {
                biased;
                () = self.frames.closed() => Err(NodeEnding::PeerGone),
                request = self.requests.message(), if !self.half_closed => self.receive(request).await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.keep_time(),
                open = self.frames.has_room(), if sendable => {
                    if open { self.send_next() } else { Err(NodeEnding::PeerGone) }
                }
                () = sleep_until(ends_by.unwrap_or_else(Instant::now)), if ends_by.is_some() => {
                    Err(NodeEnding::Stopped)
                }
                () = self.registrations.changed() => Ok(()),
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    async fn receive(&mut self, incoming: Result<Option<B::Asked>, Status>) -> Result<(), NodeEnding> {
        match incoming {
            Ok(Some(frame)) => {
                let request = self.binding.read(frame, &self.registrations)?;
                self.handle(request)
            }
            Ok(None) => {
                self.check_peer().await?;
                self.half_closed = true;
                self.liveness.half_close(Instant::now());
                Ok(())
            }
            Err(status) => {
                self.check_peer().await?;
                Err(NodeEnding::Unreadable(as_refusal(&status)))
            }
        }
    }

    /// tonic reports a reset by the client as a clean end of its requests, and a broken connection as an
    /// unreadable one. In both cases the response side is dropped as well: by a task that was woken
    /// together with this one, so it is given its turn.
    async fn check_peer(&self) -> Result<(), NodeEnding> {
        yield_now().await;
        if self.frames.is_closed() { Err(NodeEnding::PeerGone) } else { Ok(()) }
    }

    fn handle(&mut self, request: Request) -> Result<(), NodeEnding> {
        match request {
            Request::Mutate(mutate) => self.mutate(mutate),
            Request::Ping(nonce) => {
                self.count_ping()?;
                self.registrations.session.push_control(Response::Pong(nonce));
                Ok(())
            }
            Request::Pong(nonce) if self.config.quirk != Some(NodeQuirk::PongUnheard) && self.liveness.pong(nonce) => {
                Ok(())
            }
            // A late or foreign Pong means nothing, but a flood of them is a flood of pings (S8).
            Request::Pong(_) => self.count_ping(),
        }
    }

    fn count_ping(&mut self) -> Result<(), NodeEnding> {
        let rate = self.config.limits.client_pings;
        if self.client_pings.admit(Instant::now()) {
            return Ok(());
        }
        Err(NodeRefusal::PingsTooFast { burst: rate.burst, per_second: rate.per_second }.into())
    }

    fn mutate(&mut self, mutate: Mutate) -> Result<(), NodeEnding> {
        let rate = self.config.limits.mutates;
        if !self.mutates.admit(Instant::now()) {
            return Err(NodeRefusal::MutatesTooFast { burst: rate.burst, per_second: rate.per_second }.into());
        }
        if self.registrations.ends_by().is_some() {
            return Err(NodeEnding::Stopped);
        }
        self.registrations.mutate(mutate)
    }

    fn keep_time(&mut self) -> Result<(), NodeEnding> {
        if self.config.quirk == Some(NodeQuirk::NeverPings) {
            self.liveness.sent(Instant::now());
            return Ok(());
        }
        match self.liveness.poll(Instant::now(), || Nonce(self.dice.random())) {
            None => Ok(()),
            Some(Action::Ping(nonce)) => {
                self.registrations.session.push_control(Response::Ping(nonce));
                Ok(())
            }
            Some(Action::Reap) => Err(NodeEnding::Reaped),
            Some(Action::Stalled) => Err(NodeEnding::TooSlow),
        }
    }

    /// Sends one frame, if what waits makes one. There is room: this task is the only sender.
    fn send_next(&mut self) -> Result<(), NodeEnding> {
        let Some(frame) = self.next_frame()?.and_then(|frame| self.binding.write(frame)) else { return Ok(()) };
        self.frames.send(frame)?;
        if self.config.quirk != Some(NodeQuirk::PingsInSpiteOfTraffic) {
            self.liveness.sent(Instant::now());
        }
        Ok(())
    }

    /// Markers and answers first; then live and replay take turns, so that neither starves the other (S4).
    fn next_frame(&mut self) -> Result<Option<Response>, NodeEnding> {
        if let Some(control) = self.registrations.session.control() {
            return Ok(Some(control));
        }
        // Two quirks let live messages wait for a wave's frame while there is one.
        let waits = [Some(NodeQuirk::MixedTags), Some(NodeQuirk::ReplayBlocksLive)].contains(&self.config.quirk);
        let live_is_next = self.live_is_next && !waits;
        self.live_is_next = !live_is_next;
        if live_is_next && let Some(frame) = self.registrations.live() {
            return Ok(Some(frame));
        }
        if let Some(frame) = self.replay_frame()? {
            return Ok(Some(frame));
        }
        Ok(if live_is_next { None } else { self.registrations.live() })
    }

    fn replay_frame(&mut self) -> Result<Option<Response>, NodeEnding> {
        match self.registrations.replay()? {
            Some(Response::Delivery(mut delivery)) if self.config.quirk == Some(NodeQuirk::MixedTags) => {
                if let Some(Response::Delivery(live)) = self.registrations.live() {
                    delivery.messages.extend(live.messages);
                }
                Ok(Some(Response::Delivery(delivery)))
            }
            other => Ok(other),
        }
    }
}

/// tonic's status for bytes that are no request: INTERNAL would blame the node.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is not ours, and may grow")]
fn as_refusal(status: &Status) -> Status {
    match status.code() {
        Code::OutOfRange => Status::resource_exhausted(status.message()),
        _ => Status::invalid_argument(status.message()),
    }
}
