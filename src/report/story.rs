//! The story of a trial, for a tired engineer: what was harmed, who noticed, who did not, what was saved.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::channel::Position;
use crate::checker::{Evidence, Judgement, Verdict};
use crate::fault::{Clause, Fault};
use crate::grammar::quantity::count;
use crate::grammar::{Naming, Readable};
use crate::history::{AsideKind, Beat, CloseReason, EndCause, Event, HostName, Record, Words, positions};
use crate::subject::SubjectTeller;
use crate::trial::{Conclusion, Outcome};

/// So many clients are followed one by one; the others are counted.
const CLIENTS_FOLLOWED: usize = 3;

/// What happens to several clients within this time has one cause.
const TOGETHER: Duration = Duration::from_secs(1);

/// More lines at one instant are cut: only a program that loops has more to tell, and it tells the same.
const LINES_OF_AN_INSTANT: usize = 40;

/// Whoever dials says so of a server with which TLS did not come about.
const NO_TLS: &str = "TLS with the server";

/// One line of a story.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) text: String,
    /// It is here that a checker found a promise broken.
    pub(crate) is_breach: bool,
}

/// The story of an outcome, in the order of time; with every client, host and topic where all are to be named.
pub(crate) fn tell(outcome: &Outcome, naming: Naming) -> Vec<Line> {
    let mut teller = StoryTeller::new(outcome, naming);
    outcome.history.records().iter().for_each(|record| teller.hear(record));
    teller.tell_asides();
    teller.tell_breaches();
    teller.finish();
    teller.lines.sort_by_key(|line| line.at);
    match naming {
        Naming::Few => teller.lines.chunk_by(|line, next| line.at == next.at).flat_map(tell_instant).collect(),
        Naming::All => teller.lines,
    }
}

/// The lines of one instant, cut where a program loops.
fn tell_instant(lines: &[Line]) -> Vec<Line> {
    if lines.len() <= LINES_OF_AN_INSTANT {
        return lines.to_vec();
    }
    let (first, rest) = lines.split_at(LINES_OF_AN_INSTANT / 2);
    let (left_out, last) = rest.split_at(rest.len() - LINES_OF_AN_INSTANT / 2);
    let text = format!("(left out here: {}, all at this instant)", count(left_out.len() as u64, "line"));
    [first, &[Line { at: first[0].at, text, is_breach: false }], last].concat()
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
    /// The link is broken, and so many attempts have failed since.
    broken: bool,
    failed: u32,
    /// The attempt that was lost last.
    lost: Option<u64>,
    /// It finished what it wanted by itself, so that its next attempt is nothing new.
    finished: bool,
    /// From where the newest attempt resumes.
    resumes: String,
    /// Why it got no TLS, as it was told last since the link broke.
    no_tls: Option<String>,
}

impl Recovery {
    /// An attempt is lost; whether it is the first since all was well. The watchdog's trip and the end that
    /// follows it are one loss.
    fn lose(&mut self, attempt: u64) -> bool {
        if self.lost.replace(attempt) == Some(attempt) {
            return false;
        }
        let first = !std::mem::replace(&mut self.broken, true);
        self.failed += u32::from(!first);
        first
    }
}

struct StoryTeller<'a> {
    outcome: &'a Outcome,
    naming: Naming,
    lines: Vec<Line>,
    faults: Vec<Ongoing>,
    recoveries: BTreeMap<HostName, Recovery>,
    /// What the subject adds.
    subject: Box<dyn SubjectTeller>,
    /// When a client lost its link last, and the words of that.
    lost: Option<(Duration, String)>,
    trips: u64,
    deliveries: u64,
}

impl<'a> StoryTeller<'a> {
    fn new(outcome: &'a Outcome, naming: Naming) -> Self {
        StoryTeller {
            outcome,
            naming,
            lines: Vec::new(),
            faults: Vec::new(),
            recoveries: BTreeMap::new(),
            subject: outcome.sim.setup.teller(),
            lost: None,
            trips: 0,
            deliveries: 0,
        }
    }

    /// Whom the trial's messages are for.
    fn followers(&self) -> &'a [(HostName, Vec<Position>)] {
        let first = self.outcome.history.records().first();
        match first.map(|record| &record.event) {
            Some(Event::Began(terms)) => &terms.followers,
            Some(_) | None => &[],
        }
    }

    fn say(&mut self, at: Duration, text: impl Into<String>) {
        self.lines.push(Line { at, text: text.into(), is_breach: false });
    }

    /// How many clients are followed one by one.
    fn followed(&self) -> usize {
        match self.naming {
            Naming::Few => CLIENTS_FOLLOWED,
            Naming::All => usize::MAX,
        }
    }

    /// Whether a host is told by itself: the first of many, and each that is the only one of its role.
    fn follows(&self, host: &HostName) -> bool {
        let is_alone = host.number().is_none() && self.followers().iter().any(|(followed, _)| followed == host);
        is_alone || self.followers().iter().take(self.followed()).any(|(followed, _)| followed == host)
    }

    /// A fault in words.
    fn told(&self, fault: &Fault) -> String {
        self.outcome.sim.setup.tell_fault(fault, self.naming)
    }

    fn hear(&mut self, record: &Record) {
        self.tell(record);
        if let Some(told) = self.subject.hear(record).filter(|_| self.follows(&record.host)) {
            self.say(record.at, format!("{}: {told}", record.host));
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a story tells of what concerns it, and a new event does not")]
    fn tell(&mut self, record: &Record) {
        match &record.event {
            Event::FaultBegan(clause) => self.begin_fault(record, clause),
            Event::FaultEnded { clause, felt } => self.end_fault(record, *clause, *felt),
            Event::Beat { beat: Beat::KeepaliveAnswered { .. }, .. } => {
                let cast = self.outcome.sim.cast();
                let meets = |fault: &&mut Ongoing| fault.clause.fault.meets(&record.host, cast);
                self.faults.iter_mut().filter(meets).for_each(|fault| fault.keepalives += record.count);
            }
            Event::Produced { .. } => self.faults.iter_mut().for_each(|fault| fault.published += 1),
            Event::Stored { .. } => self.faults.iter_mut().for_each(|fault| fault.stored += 1),
            Event::StreamClosed { reason: CloseReason::Reaped, stream } => {
                self.say(record.at, format!("{}: gives up subscription {stream}: no Pong in time (S6)", record.host));
            }
            Event::StreamClosed { reason: CloseReason::TooSlow, stream } => {
                self.say(record.at, format!("{}: ends subscription {stream}: its consumer is too slow", record.host));
            }
            Event::StoreFailed { words } => self.say(record.at, format!("{}: its store fails: {words}", record.host)),
            Event::ProcessBegan { incarnation } if *incarnation > 1 => {
                self.say(record.at, format!("{}: begins again", record.host));
            }
            Event::ProgramEnded { words } => self.say(record.at, format!("{}: {words}", record.host)),
            Event::WatchdogTripped { attempt, silent_for } => self.trip(record, *attempt, *silent_for),
            Event::LetGo { cause: EndCause::ConsumerBehind, .. } if self.follows(&record.host) => {
                self.say(record.at, format!("{}: gives its stream up, its application is behind", record.host));
            }
            Event::Suspended { lasted, .. } if self.follows(&record.host) => {
                self.say(record.at, format!("{}: finds that it stood still for {}", record.host, Readable(*lasted)));
            }
            Event::ProbeAnswered { .. } if self.follows(&record.host) => {
                self.say(record.at, format!("{}: has its Pong, and trusts its stream again (C5)", record.host));
            }
            Event::Ended { cause: EndCause::Finished, .. } => self.recovery(record).finished = true,
            Event::Ended { attempt, words, .. } => self.end_attempt(record, *attempt, words),
            Event::Opened { resume, .. } => self.recovery(record).resumes = positions(resume, self.naming),
            Event::Started { .. } => self.welcome(record),
            Event::Delivered { messages, .. } => self.deliveries += messages.len() as u64,
            _ => {}
        }
    }

    fn begin_fault(&mut self, record: &Record, clause: &Clause) {
        let witness = clause.fault.witness().map(|witness| format!(": {witness}")).unwrap_or_default();
        self.say(record.at, format!("{}{witness}", self.told(&clause.fault)));
        self.faults.push(Ongoing { clause: clause.clone(), keepalives: 0, published: 0, stored: 0 });
    }

    fn end_fault(&mut self, record: &Record, clause: u32, felt: bool) {
        let Some(index) = self.faults.iter().position(|fault| fault.clause.number == clause) else { return };
        let ended = self.faults.remove(index);
        if !felt {
            let numb = self.outcome.sim.setup.numbness(&ended.clause.fault);
            let numb = numb.map(|numb| format!("; {}", numb.why())).unwrap_or_default();
            self.say(record.at, format!("over, and it harmed nothing: {}{numb}", self.told(&ended.clause.fault)));
            return;
        }
        if matches!(ended.clause.fault, Fault::ProxySilence(_)) {
            self.end_silence(record, &ended);
        } else {
            self.say(record.at, format!("over: {}", self.told(&ended.clause.fault)));
        }
    }

    fn end_silence(&mut self, record: &Record, silence: &Ongoing) {
        if let Some(told) = self.subject.end_silence(silence.keepalives, silence.stored) {
            self.say(record.at, told);
            return;
        }
        let noticed = match self.outcome.sim.setup.http2_keepalive() {
            Some((interval, timeout)) => {
                format!("HTTP/2 keepalive ({} / {}) never noticed", Readable(interval), Readable(timeout))
            }
            None => "HTTP/2 keepalive is off".to_owned(),
        };
        let answered = count(silence.keepalives, "HTTP/2 PING");
        self.say(record.at, format!("the proxy speaks again; while silent it answered {answered}: {noticed}"));
        self.say(
            record.at,
            format!(
                "{} {} published into the dead window, {} of them stored by the node",
                count(silence.published, "message"),
                if silence.published == 1 { "was" } else { "were" },
                silence.stored
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

    fn end_attempt(&mut self, record: &Record, attempt: u64, words: &Words) {
        let (follows, words) = (self.follows(&record.host), words.to_string());
        let recovery = self.recovery(record);
        let is_loss = recovery.lose(attempt);
        let no_tls = words.contains(NO_TLS).then(|| words.clone());
        // Of attempts that fail, only those are told one by one that TLS has a reason for, and each reason once.
        let is_news = no_tls.is_some() && recovery.no_tls != no_tls;
        if is_news {
            recovery.no_tls = no_tls;
        }
        let told = match (is_loss, is_news) {
            (true, _) => "loses its link",
            (false, true) => "is turned away",
            (false, false) => return,
        };
        if follows {
            let how = self.how_lost(record.at, words);
            self.say(record.at, format!("{}: {told}{how}", record.host));
        }
    }

    /// How a link was lost; clients that lose theirs together mostly lose them in the same way.
    fn how_lost(&mut self, at: Duration, words: String) -> String {
        let before = self.lost.replace((at, words.clone()));
        match before {
            Some((then, told)) if told == words && at - then < TOGETHER => " in the same way".to_owned(),
            Some(_) | None => format!(": {words}"),
        }
    }

    fn welcome(&mut self, record: &Record) {
        let recovery = self.recovery(record);
        if std::mem::take(&mut recovery.finished) && !recovery.broken {
            return;
        }
        recovery.no_tls = None;
        let failed = std::mem::take(&mut recovery.failed);
        let verb = if std::mem::take(&mut recovery.broken) { "resumes" } else { "subscribes" };
        let tries = match failed {
            0 => String::new(),
            failed => format!(", after {}", count(failed.into(), "failed attempt")),
        };
        let from = match std::mem::take(&mut recovery.resumes) {
            unknown if unknown.is_empty() => unknown,
            known => format!(" from {known}"),
        };
        let text = format!("{}: {verb}{from}{tries}", record.host);
        if self.follows(&record.host) {
            self.say(record.at, text);
        }
    }

    /// Where each checker found a promise broken, and what the host concerned had heard last; the verdicts say how.
    fn tell_breaches(&mut self) {
        let outcome = self.outcome;
        let breach = |judgement: &'a Judgement| match &judgement.verdict {
            Verdict::Fail(evidence) => Some((judgement.checker.as_str(), evidence)),
            Verdict::Pass { .. } | Verdict::Unknown { .. } => None,
        };
        let mut breaches: Vec<(&str, &Evidence)> = outcome.judgements.iter().filter_map(breach).collect();
        breaches.sort_by_key(|(_, evidence)| evidence.at);
        let mut told = None;
        for (checker, evidence) in breaches {
            let proof = self.naming.list(evidence.records.iter().map(usize::to_string), evidence.records.len());
            let records = if evidence.records.len() == 1 { "record" } else { "records" };
            let (law, host) = (&evidence.requirement, &evidence.host);
            let last = last_heard(outcome.history.records(), evidence).filter(|last| told.as_ref() != Some(last));
            let words = last.as_ref().map(|last| format!(". {last}")).unwrap_or_default();
            let text = format!("{checker} fails here ({law}), on {host}{words}. Proof: {records} {proof}");
            self.lines.push(Line { at: evidence.at, text, is_breach: true });
            told = last.or(told);
        }
    }

    /// What no record has: what may be why a promise was not kept, and whose programs have ended.
    fn tell_asides(&mut self) {
        let has_failed = self.outcome.conclusion != Conclusion::Pass;
        for aside in self.outcome.history.asides() {
            let is_told = match aside.kind {
                AsideKind::Clue => has_failed,
                AsideKind::End => {
                    self.subject.hears_ends() && (self.follows(&aside.host) || aside.host.number().is_none())
                }
            };
            if is_told {
                self.say(aside.at, format!("{}: {}", aside.host, aside.words()));
            }
        }
    }

    fn finish(&mut self) {
        let failed = self.outcome.history.failure();
        let end = failed.map_or(self.outcome.sim.duration, |failed| failed.at);
        if let Some(failed) = failed {
            self.say(end, format!("{} {}", failed.host, failed.event));
        }
        let untold: Vec<&HostName> =
            self.followers().iter().map(|(host, _)| host).filter(|host| !self.follows(host)).collect();
        if let [first, ..] = &untold[..] {
            let more = count(untold.len() as u64, &format!("more {}", first.role()));
            let are = if untold.len() == 1 { "is" } else { "are" };
            self.say(end, format!("{more} {are} not told one by one (--all tells them)"));
        }
        let trips = match self.trips {
            0 if self.subject.hears_watchdogs() => ", no watchdog tripped".to_owned(),
            0 => String::new(),
            1 => ", one watchdog tripped, once".to_owned(),
            count => format!(", watchdogs tripped {count} times"),
        };
        self.say(end, format!("the trial ends: {} messages delivered to applications{trips}", self.deliveries));
    }
}

/// What reached the host concerned last before its breach; what was seen of it last where nothing ever reaches it.
fn last_heard(records: &[Record], evidence: &Evidence) -> Option<String> {
    let before = records.iter().enumerate().rev().filter(|(_, record)| {
        *record.host == *evidence.host && record.at < evidence.at && !matches!(record.event, Event::Holds { .. })
    });
    let reaches = |event: &Event| {
        matches!(
            event,
            Event::Started { .. }
                | Event::Delivered { .. }
                | Event::Acknowledged { .. }
                | Event::Beat { beat: Beat::Heard { .. }, .. }
        )
    };
    let (what, (number, record)) = match before.clone().find(|(_, record)| reaches(&record.event)) {
        Some(heard) => ("reached it", heard),
        None => ("was seen of it", before.clone().next()?),
    };
    // Of a run it is known when it began and when it ended.
    let at = match record.until <= evidence.at {
        true => format!("at {}", Readable(record.until)),
        false => format!("again and again from {} on", Readable(record.at)),
    };
    Some(format!("The last that {what}, {at} (record {number}): {}", record.event))
}
