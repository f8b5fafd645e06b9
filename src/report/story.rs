//! The story of a trial, for a tired engineer: what was harmed, who noticed, who did not, what was saved.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::{Clause, Fault};
use crate::grammar::Readable;
use crate::grammar::quantity::count;
use crate::history::cursors;
use crate::history::{Beat, CloseReason, Event, Fate, Frame, HostName, Record, TapStream};
use crate::subject::xmtp::XmtpSetup;
use crate::subject::xmtp::settings::XmtpSettings;
use crate::subject::xmtp::wire::Tag;
use crate::trial::Outcome;

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

/// A fault that lasts, and what happened meanwhile.
struct Ongoing {
    clause: Clause,
    keepalives: u64,
    published: u64,
    stored: u64,
}

/// One client, since its link broke.
#[derive(Default)]
struct Recovery {
    /// The link is broken, and so many attempts were in vain since.
    broken: bool,
    in_vain: u32,
    /// The attempt that was lost last.
    lost: Option<u64>,
    /// From where the newest attempt resumes.
    resumes: String,
    /// The node's first frame has reached the client.
    welcomed: bool,
    stream: Option<TapStream>,
    replayed: usize,
    /// So many messages were replayed, all that were missing.
    caught_up: Option<usize>,
}

impl Recovery {
    /// Another attempt opens its stream.
    fn open(&mut self, resumes: String) {
        (self.resumes, self.welcomed, self.stream) = (resumes, false, None);
        (self.replayed, self.caught_up) = (0, None);
    }

    /// An attempt is lost; whether it is the first since all was well. The watchdog's trip and the end that
    /// follows it are one loss.
    fn lose(&mut self, attempt: u64) -> bool {
        if self.lost.replace(attempt) == Some(attempt) {
            return false;
        }
        let first = !std::mem::replace(&mut self.broken, true);
        self.in_vain += u32::from(!first);
        first
    }
}

struct Teller<'a> {
    outcome: &'a Outcome,
    lines: Vec<Line>,
    faults: Vec<Ongoing>,
    recoveries: BTreeMap<HostName, Recovery>,
    trips: u64,
    deliveries: u64,
}

impl<'a> Teller<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        Teller { outcome, lines: Vec::new(), faults: Vec::new(), recoveries: BTreeMap::new(), trips: 0, deliveries: 0 }
    }

    fn settings(&self) -> Option<&'a XmtpSettings> {
        XmtpSetup::settings(&*self.outcome.sim.setup)
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
            Event::FaultEnded { clause, felt } => self.end_fault(record, *clause, *felt),
            Event::Beat { beat: Beat::KeepaliveAnswered { .. }, .. } => {
                for fault in &mut self.faults {
                    if fault.clause.fault.falls_on(&record.host) {
                        fault.keepalives += record.count;
                    }
                }
            }
            Event::Published { .. } => self.faults.iter_mut().for_each(|fault| fault.published += 1),
            Event::Stored { .. } => self.faults.iter_mut().for_each(|fault| fault.stored += 1),
            Event::StreamClosed { reason: CloseReason::Reaped, stream } => {
                self.say(record.at, format!("node: gives up subscription {stream}: no Pong in time (S6)"));
            }
            Event::StreamClosed { reason: CloseReason::TooSlow, stream } => {
                self.say(record.at, format!("node: ends subscription {stream}: its consumer is too slow"));
            }
            Event::StoreFailed { why } => self.say(record.at, format!("{}: its store fails: {why}", record.host)),
            Event::ProcessBegan { incarnation } if *incarnation > 1 => {
                self.say(record.at, format!("{}: begins again", record.host));
            }
            Event::WatchdogTripped { attempt, silent_for } => self.trip(record, *attempt, *silent_for),
            Event::Ended { attempt, cause } => self.end_attempt(record, *attempt, cause),
            Event::Opened { resume, .. } => self.recovery(record).open(cursors(resume)),
            Event::Started { .. } => self.welcome(record),
            Event::Tapped { stream, fate: Fate::Passed, frame, .. } => self.tap(record, *stream, frame),
            Event::Committed { messages, .. } => self.deliveries += messages.len() as u64,
            _ => {}
        }
    }

    fn begin_fault(&mut self, record: &Record, clause: &Clause) {
        self.say(record.at, format!("{}", clause.fault));
        self.faults.push(Ongoing { clause: clause.clone(), keepalives: 0, published: 0, stored: 0 });
    }

    fn end_fault(&mut self, record: &Record, clause: u32, felt: bool) {
        let Some(index) = self.faults.iter().position(|fault| fault.clause.number == clause) else { return };
        let ended = self.faults.remove(index);
        if !felt {
            self.say(record.at, format!("over, and it harmed nothing: {}", ended.clause.fault));
            return;
        }
        if matches!(ended.clause.fault, Fault::ProxySilence(_)) {
            self.end_silence(record, &ended);
        } else {
            self.say(record.at, format!("over: {}", ended.clause.fault));
        }
    }

    fn end_silence(&mut self, record: &Record, silence: &Ongoing) {
        let noticed = match self.settings().and_then(|settings| settings.client.http2_keepalive) {
            Some(keepalive) => format!(
                "HTTP/2 keepalive ({} / {}) never noticed",
                Readable(keepalive.interval),
                Readable(keepalive.timeout)
            ),
            None => "HTTP/2 keepalive is off".to_owned(),
        };
        let answered = count(silence.keepalives, "HTTP/2 PING");
        self.say(record.at, format!("the proxy speaks again; while silent it answered {answered}: {noticed}"));
        self.say(
            record.at,
            format!(
                "{} messages were published into the dead window, {} of them stored by the node",
                silence.published, silence.stored
            ),
        );
    }

    fn recovery(&mut self, record: &Record) -> &mut Recovery {
        self.recoveries.entry(record.host.clone()).or_default()
    }

    fn trip(&mut self, record: &Record, attempt: u64, silent_for: Duration) {
        self.trips += 1;
        if self.recovery(record).lose(attempt) && self.follows(&record.host) {
            let text = format!("{}: watchdog trips after {} of silence (C2)", record.host, Readable(silent_for));
            self.say(record.at, text);
        }
    }

    fn end_attempt(&mut self, record: &Record, attempt: u64, cause: &str) {
        if self.recovery(record).lose(attempt) && self.follows(&record.host) {
            self.say(record.at, format!("{}: loses its link: {cause}", record.host));
        }
    }

    fn welcome(&mut self, record: &Record) {
        let recovery = self.recovery(record);
        recovery.welcomed = true;
        let in_vain = std::mem::take(&mut recovery.in_vain);
        let verb = if std::mem::take(&mut recovery.broken) { "resumes" } else { "subscribes" };
        let tries = match in_vain {
            0 => String::new(),
            1 => ", after one attempt in vain".to_owned(),
            count => format!(", after {count} attempts in vain"),
        };
        let text = format!("{}: {verb} from {}{tries}", record.host, recovery.resumes);
        if self.follows(&record.host) {
            self.say(record.at, text);
        }
        self.tell_replay(record);
    }

    fn tap(&mut self, record: &Record, stream: TapStream, frame: &Frame) {
        let recovery = self.recovery(record);
        match frame {
            Frame::Mutate { .. } => recovery.stream = Some(stream),
            Frame::Delivery { tag: Tag::Wave(_), messages } if recovery.stream == Some(stream) => {
                recovery.replayed += messages.len();
            }
            Frame::CatchupComplete(_) if recovery.stream == Some(stream) => {
                recovery.caught_up = Some(std::mem::take(&mut recovery.replayed));
                self.tell_replay(record);
            }
            Frame::Delivery { .. } | Frame::Started { .. } | Frame::TopicsLive(_) => {}
            Frame::CatchupComplete(_) | Frame::Unreadable(_) => {}
        }
    }

    /// The tap is ahead of the client: a replay is told when the client knows that it is welcome.
    fn tell_replay(&mut self, record: &Record) {
        let recovery = self.recovery(record);
        if !recovery.welcomed {
            return;
        }
        let Some(replayed) = recovery.caught_up.take() else { return };
        if replayed > 0 && self.follows(&record.host) {
            let messages = if replayed == 1 { "1 message is".to_owned() } else { format!("{replayed} messages are") };
            self.say(record.at, format!("{}: {messages} replayed to it", record.host));
        }
    }

    fn finish(&mut self) {
        let clients = self.settings().map_or(0, |settings| settings.fleet.clients as usize);
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
