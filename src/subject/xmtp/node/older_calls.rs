//! The task of one stream of the two older calls: messages of one kind, of the topics that were named at open.
//!
//! Refuses to know markers, Pings and changes: these calls have none. Its session has one Mutate, so that the seam
//! between history and live is that of Subscribe (S4), and what is not taken is bounded in the same way (S8).

use std::collections::VecDeque;

use tokio::select;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use crate::subject::xmtp::node::refusal::NodeRefusal;
use crate::subject::xmtp::node::registrations::{Registrar, Registrations};
use crate::subject::xmtp::node::response::{FrameSender, LastWord, NodeEnding, Opened, ResponseFrames};
use crate::subject::xmtp::node::{NodeConfig, NodeLimits, NodeQuirk};
use crate::subject::xmtp::wire::{Add, Cursor, Message, Mutate, MutateId, Response};

/// Starts the task of a stream over these topics, each after its cursor.
///
/// # Errors
/// The topics are none, too many or denied, or the log fails.
pub(crate) fn open_older<M: prost::Message + 'static>(
    config: &NodeConfig,
    registrar: Registrar,
    mut opened: Opened,
    mut adds: Vec<Add>,
    as_sent: fn(Message) -> M,
) -> Result<ResponseFrames<M>, Status> {
    let (frames, status, response) = ResponseFrames::with_room(&config.limits);
    // One call names all that its stream will ever follow.
    let limits = NodeLimits { adds: config.limits.subscriptions, ..config.limits.clone() };
    let mut registrations = Registrations::new(registrar, limits, config);
    if config.quirk == Some(NodeQuirk::OlderCallsIgnoreCursors) {
        adds.iter_mut().for_each(|add| add.cursor = Cursor(0));
    }
    if let Err(ending) = begin(&mut registrations, adds) {
        opened.end(&ending, status);
        return Err(ending.status().expect("what was refused or has failed has a status"));
    }
    let task =
        OlderStreamTask { registrations, config: config.clone(), frames, as_sent, ready: VecDeque::new(), waits: None };
    tokio::spawn(task.run(opened, status));
    Ok(response)
}

fn begin(registrations: &mut Registrations, adds: Vec<Add>) -> Result<(), NodeEnding> {
    if adds.is_empty() {
        return Err(NodeRefusal::NoTopics.into());
    }
    registrations.mutate(Mutate { adds, id: MutateId(1), ..Mutate::default() })
}

struct OlderStreamTask<M> {
    registrations: Registrations,
    config: NodeConfig,
    frames: FrameSender<M>,
    as_sent: fn(Message) -> M,
    /// The rest of the page that was read last.
    ready: VecDeque<Message>,
    /// Since when something waits to be taken.
    waits: Option<Instant>,
}

impl<M: prost::Message + 'static> OlderStreamTask<M> {
    async fn run(mut self, mut opened: Opened, status: LastWord) {
        let ending = self.serve().await.err().unwrap_or(NodeEnding::PeerGone);
        opened.end(&ending, status);
        // The topics are free before anybody hears that the stream is closed.
        drop(self);
        drop(opened);
    }

    async fn serve(&mut self) -> Result<(), NodeEnding> {
        loop {
            let has_fresh = self.registrations.has_fresh()?;
            let waits = has_fresh || !self.ready.is_empty() || self.registrations.session.has_output();
            let ends_by = self.registrations.ends_by();
            if !waits && ends_by.is_some() {
                return Err(NodeEnding::Stopped);
            }
            self.waits = waits.then(|| self.waits.unwrap_or_else(Instant::now));
            // Nobody is pinged here, so nothing but this bound ends a stream that takes nothing (S8).
            let stalls = self.waits.map(|since| since + self.config.limits.stall);
            select! {
                biased;
                () = self.frames.closed() => return Ok(()),
                // Before the timers, so that what can be taken is not held against its consumer.
                open = self.frames.has_room(), if waits => {
                    if !open {
                        return Ok(());
                    }
                    self.send_next()?;
                }
                () = sleep_until(stalls.unwrap_or_else(Instant::now)), if stalls.is_some() => {
                    return Err(NodeEnding::TooSlow);
                }
                () = sleep_until(ends_by.unwrap_or_else(Instant::now)), if ends_by.is_some() => {
                    return Err(NodeEnding::Stopped);
                }
                () = self.registrations.changed() => {}
            }
        }
    }

    /// Sends one message, if what waits makes one. There is room: this task is the only sender.
    fn send_next(&mut self) -> Result<(), NodeEnding> {
        if self.ready.is_empty() {
            self.read_on()?;
        }
        let Some(message) = self.ready.pop_front() else { return Ok(()) };
        self.frames.send((self.as_sent)(message))?;
        self.waits = None;
        Ok(())
    }

    /// The next page. What came meanwhile goes first: while a wave is in flight it is folded into it (S4).
    fn read_on(&mut self) -> Result<(), NodeEnding> {
        let frame = match self.registrations.live() {
            Some(frame) => Some(frame),
            None => self.registrations.replay()?,
        };
        // Nobody is told of a wave's end here.
        while self.registrations.session.control().is_some() {}
        if let Some(Response::Delivery(delivery)) = frame {
            self.ready.extend(delivery.messages);
        }
        Ok(())
    }
}
