//! The story of a trial, for a tired engineer: what was harmed, who noticed, who did not, what was saved.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checker::Readable;
use crate::fault::{Clause, Fault};
use crate::history::{Beat, CloseReason, Event, Fate, Frame, HostName, Record, TapStream};
use crate::report::describe::cursors;
use crate::sim::Outcome;
use crate::wire::Tag;

/// So many clients are followed one by one; the others are counted.
const CLIENTS_FOLLOWED: usize = 3;

/// One line of a story.
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) text: String,
}

/// The story of an outcome, in the order of time.
pub(crate) fn tell(outcome: &Outcome) -> Vec<Line> {
    let mut teller = Teller::new(outcome);
    outcome.history.records().iter().for_each(|record| teller.hear(record));
    teller.finish();
    teller.lines.sort_by_key(|line| line.at);
    teller.lines
}

/// What is open while a silence lasts.
struct Silence {
    clause: Clause,
    keepalives: u64,
    published: u64,
    stored: u64,
}

/// One client since its link broke.
#[derive(Default)]
struct Recovery {
    /// How often it tried in vain since its first loss.
    in_vain: u32,
    broken: bool,
    /// The attempt that was opened last, its cursors, and whether the node welcomed it.
    opened: Option<(Duration, String)>,
    welcomed: bool,
    replayed: usize,
    stream: Option<TapStream>,
}

struct Teller<'a> {
    outcome: &'a Outcome,
    lines: Vec<Line>,
    silences: Vec<Silence>,
    recoveries: BTreeMap<HostName, Recovery>,
    trips: u64,
    deliveries: u64,
}

impl<'a> Teller<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        Teller {
            outcome,
            lines: Vec::new(),
            silences: Vec::new(),
            recoveries: BTreeMap::new(),
            trips: 0,
            deliveries: 0,
        }
    }

    fn say(&mut self, at: Duration, text: impl Into<String>) {
        self.lines.push(Line { at, text: text.into() });
    }

    fn follows(&self, host: &HostName) -> bool {
        let mut followed = (1..=CLIENTS_FOLLOWED).map(|number| format!("client-{number}"));
        followed.any(|name| **host == *name)
    }

    fn hear(&mut self, record: &Record) {
        match &record.event {
            Event::FaultBegan(clause) => self.begin_fault(record, clause),
            Event::FaultEnded { clause, .. } => self.end_fault(record, *clause),
            Event::Beat { beat: Beat::KeepaliveAnswered { .. }, .. } => {
                for silence in &mut self.silences {
                    if silence.clause.fault.hosts().contains(&*record.host) {
                        silence.keepalives += record.count;
                    }
                }
            }
            Event::Published { .. } => self.silences.iter_mut().for_each(|silence| silence.published += 1),
            Event::Stored { .. } => self.silences.iter_mut().for_each(|silence| silence.stored += 1),
            Event::StreamClosed { reason: CloseReason::Reaped, stream } => {
                self.say(record.at, format!("node: gives up subscription {stream}: no Pong in time (S6)"));
            }
            Event::StreamClosed { reason: CloseReason::TooSlow, stream } => {
                self.say(record.at, format!("node: ends subscription {stream}: its consumer is too slow"));
            }
            Event::ProcessBegan { incarnation } if *incarnation > 1 => {
                self.say(record.at, format!("{}: begins again", record.host));
            }
            Event::WatchdogTripped { silent_for, .. } => self.trip(record, *silent_for),
            Event::Ended { cause, .. } => self.end_attempt(record, cause),
            Event::Opened { resume, .. } => {
                let recovery = self.recoveries.entry(record.host.clone()).or_default();
                recovery.opened = Some((record.at, cursors(resume)));
                (recovery.welcomed, recovery.replayed, recovery.stream) = (false, 0, None);
            }
            Event::Started { .. } => self.welcome(record),
            Event::Tapped { stream, fate: Fate::Passed, frame, .. } => self.tap(record, *stream, frame),
            Event::Committed { messages, .. } => self.deliveries += messages.len() as u64,
            _ => {}
        }
    }

    fn begin_fault(&mut self, record: &Record, clause: &Clause) {
        self.say(record.at, format!("{}", clause.fault));
        if matches!(clause.fault, Fault::ProxySilenceUpstream { .. }) {
            self.silences.push(Silence { clause: clause.clone(), keepalives: 0, published: 0, stored: 0 });
        }
    }

    fn end_fault(&mut self, record: &Record, clause: u32) {
        let Some(index) = self.silences.iter().position(|silence| silence.clause.number == clause) else { return };
        let silence = self.silences.remove(index);
        self.say(
            record.at,
            format!(
                "the proxy speaks again. While it was silent it answered {} HTTP/2 PINGs: HTTP/2 keepalive never noticed",
                silence.keepalives
            ),
        );
        self.say(
            record.at,
            format!(
                "{} messages were published into the dead window, {} of them stored by the node",
                silence.published, silence.stored
            ),
        );
    }

    fn trip(&mut self, record: &Record, silent_for: Duration) {
        self.trips += 1;
        let first = self.recoveries.get(&record.host).is_none_or(|recovery| !recovery.broken);
        if first && self.follows(&record.host) {
            let text = format!("{}: watchdog trips after {} of silence (C2)", record.host, Readable(silent_for));
            self.say(record.at, text);
        }
    }

    fn end_attempt(&mut self, record: &Record, cause: &str) {
        let recovery = self.recoveries.entry(record.host.clone()).or_default();
        let first = !std::mem::replace(&mut recovery.broken, true);
        if !first {
            recovery.in_vain += 1;
        } else if self.follows(&record.host) {
            self.say(record.at, format!("{}: loses its link: {cause}", record.host));
        }
    }

    fn welcome(&mut self, record: &Record) {
        let Some(recovery) = self.recoveries.get_mut(&record.host) else { return };
        let Some((_, from)) = recovery.opened.clone() else { return };
        recovery.welcomed = true;
        let in_vain = std::mem::take(&mut recovery.in_vain);
        let again = std::mem::take(&mut recovery.broken);
        if !self.follows(&record.host) {
            return;
        }
        let tries = match in_vain {
            0 => String::new(),
            1 => " after one attempt in vain".to_owned(),
            count => format!(" after {count} attempts in vain"),
        };
        let verb = if again { "resumes" } else { "subscribes" };
        self.say(record.at, format!("{}: {verb}{tries}, {from}", record.host));
    }

    fn tap(&mut self, record: &Record, stream: TapStream, frame: &Frame) {
        let Some(recovery) = self.recoveries.get_mut(&record.host) else { return };
        match frame {
            Frame::Mutate { .. } => recovery.stream = Some(stream),
            Frame::Delivery { tag: Tag::Wave(_), messages } if recovery.stream == Some(stream) => {
                recovery.replayed += messages.len();
            }
            Frame::CatchupComplete(_) if recovery.stream == Some(stream) => {
                let replayed = std::mem::take(&mut recovery.replayed);
                if replayed > 0 && self.follows(&record.host) {
                    self.say(record.at, format!("{}: {replayed} messages were replayed to it", record.host));
                }
            }
            Frame::Delivery { .. } | Frame::Started { .. } | Frame::TopicsLive(_) => {}
            Frame::CatchupComplete(_) | Frame::Unreadable(_) => {}
        }
    }

    fn finish(&mut self) {
        let clients = self.outcome.sim.cast.clients as usize;
        let end = self.outcome.sim.duration;
        if clients > CLIENTS_FOLLOWED {
            self.say(end, format!("{} more clients are not told one by one", clients - CLIENTS_FOLLOWED));
        }
        let trips = match self.trips {
            0 => "no watchdog tripped".to_owned(),
            1 => "one watchdog tripped, once".to_owned(),
            count => format!("watchdogs tripped {count} times"),
        };
        self.say(end, format!("the trial ends: {} messages delivered to applications, {trips}", self.deliveries));
    }
}
