//! Judges upkeep: streams open and close for a cause, one client has one, a server holds none whose client is gone, and at
//! the end nobody holds connections and tasks that serve nothing.
//!
//! Refuses to know frames. Which of the tap's streams is which of a server's nobody says, so that those are counted. What
//! a fault may have caused, now or a while ago, is not judged.
//!
//! ```text
//!   client:  nothing --Opened--> one stream --Ended: for a cause--> nothing
//!   server:  n --StreamOpened--> n + 1 --StreamClosed: for a cause--> n        at the end: n <= what the tap holds
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::checker::excuse::Excuses;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::stock::{Stock, StockBook};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::fault::{DiskHarm, Fault, Harm};
use crate::grammar::Readable;
use crate::history::{Beat, Bounds, CloseReason, EndCause, Event, History, Record, TapStream, Terms};

/// Beyond two intervals (the Ping, and the wait for its Pong) a server may take so long to let go of a stream.
const LETS_GO: Duration = Duration::from_secs(30);

/// A server that was asked to stop has ended every stream by then: it gives waves 10 s, and the last frames a second.
const ENDS_WITHIN: Duration = Duration::from_secs(12);

/// The judge of upkeep, and what of a subject a breach is against.
pub struct Upkeep {
    /// Everything that it judges.
    pub cites: &'static [Requirement],
    /// A client keeps its one stream.
    pub keep: Requirement,
    /// A server serves a lawful stream for as long as its client wants it.
    pub serve: Requirement,
    /// A server finds out that a client is gone.
    pub release: Requirement,
    /// How many streams a client holds at most where its server knows only an older call, and no server can ask there
    /// whether its client lives.
    pub older_streams: usize,
    /// The role whose hosts break the rules on purpose; where it is cast a server may close a stream for that.
    pub lawless: &'static str,
}

impl Checker for Upkeep {
    fn name(&self) -> &'static str {
        "upkeep"
    }

    fn promises(&self) -> &'static str {
        "No stream ends without a cause, no client has two, and nothing is held that serves nobody."
    }

    fn cites(&self) -> &'static [Requirement] {
        self.cites
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut book = UpkeepBook::new(self, terms, Excuses::read(history));
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.take(index, record) {
                return Verdict::Fail(*evidence);
            }
        }
        book.close(history.records())
    }
}

/// Whether a disk may lose or alter what it was given: a full one refuses it, and a slow one takes its time.
fn is_unsound(harm: &Harm) -> bool {
    match harm {
        Harm::Disk { harm, .. } => !matches!(harm, DiskHarm::Full | DiskHarm::SlowSync { .. }),
        Harm::Process { .. } | Harm::Proxy { .. } | Harm::Link { .. } | Harm::Kernel { .. } | Harm::Clock { .. } => {
            false
        }
    }
}

/// When something began, and its record.
type Since = (Duration, usize);

/// What a client does.
#[derive(Default)]
struct KeptClient {
    /// Its attempt, since it dialed.
    dialed: Option<Since>,
    /// The attempt whose stream is open.
    open: Option<(u64, usize)>,
    /// It follows its server by an older call: the tap knows nothing of that.
    follows_older: bool,
    /// When it heard from its server last.
    heard: Duration,
}

impl KeptClient {
    fn dial(&mut self, since: Since) {
        (self.dialed, self.heard) = (Some(since), since.0);
    }

    /// Whether it follows an older call: it has opened nothing of the newer one.
    fn start(&mut self) -> bool {
        self.follows_older = self.open.is_none();
        self.follows_older
    }
}

struct UpkeepBook<'h> {
    laws: &'h Upkeep,
    terms: &'h Terms,
    excuses: Excuses<'h>,
    followers: BTreeSet<&'h str>,
    has_lawless: bool,
    clients: BTreeMap<&'h str, KeptClient>,
    /// The open streams of each server.
    held: BTreeMap<&'h str, BTreeMap<u64, Since>>,
    /// Servers that were asked to stop, since when.
    stopping: BTreeMap<&'h str, Since>,
    /// Servers whose disks have been wrong in another way than full or slow.
    unsound_disks: BTreeSet<&'h str>,
    /// When a server or a proxy died last.
    last_death: Option<Duration>,
    /// The open streams as the tap knows them.
    tapped: BTreeMap<TapStream, (&'h str, Since)>,
    /// Those of them that their clients have half-closed.
    half_closed: BTreeSet<TapStream>,
    /// When the tap saw the last streams close.
    closed: Vec<Duration>,
    /// What processes hold.
    stocks: StockBook<'h>,
    /// A proxy among several died: which streams went with it nobody says.
    uncounted: bool,
    /// The tap has seen streams: a proxy that passes bytes shows it none.
    has_tapped: bool,
    /// Some client has followed an older call.
    fell_back: bool,
    opened: u64,
    ended: u64,
}

impl<'h> UpkeepBook<'h> {
    fn new(laws: &'h Upkeep, terms: &'h Terms, excuses: Excuses<'h>) -> Self {
        UpkeepBook {
            laws,
            terms,
            excuses,
            followers: terms.followers.iter().map(|(host, _)| &**host).collect(),
            has_lawless: !terms.cast.of_role(laws.lawless).is_empty(),
            clients: BTreeMap::new(),
            held: BTreeMap::new(),
            stopping: BTreeMap::new(),
            unsound_disks: BTreeSet::new(),
            last_death: None,
            tapped: BTreeMap::new(),
            half_closed: BTreeSet::new(),
            has_tapped: false,
            closed: Vec::new(),
            stocks: StockBook::default(),
            uncounted: false,
            fell_back: false,
            opened: 0,
            ended: 0,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let (host, since): (&'h str, Since) = (&record.host, (record.at, index));
        match &record.event {
            Event::Dialing { .. } => self.clients.entry(host).or_default().dial(since),
            Event::Started { .. } => self.fell_back |= self.clients.entry(host).or_default().start(),
            Event::Beat { beat: Beat::Heard { .. }, .. } => {
                self.clients.entry(host).or_default().heard = record.until;
            }
            Event::Opened { attempt, .. } => return self.open(index, record, *attempt),
            Event::Ended { attempt, cause, words } => {
                return self.end(index, record, *attempt, *cause, &words.to_string());
            }
            Event::StreamOpened { stream } => {
                self.held.entry(host).or_default().insert(*stream, since);
                return self.check_opening(index, record);
            }
            Event::FaultBegan(clause) => {
                if let Fault::ProcessStop(_) = &clause.fault {
                    self.stopping.extend(clause.fault.hosts().map(|host| (&**host, since)));
                }
                if is_unsound(&clause.fault.harm()) {
                    self.unsound_disks.extend(clause.fault.hosts().map(|host| &**host));
                }
            }
            Event::StreamClosed { stream, reason } => return self.let_go(index, record, *stream, reason),
            Event::TapOpened { stream, .. } => return self.tap(index, record, *stream),
            Event::TapClosed { stream, status } => return self.tap_end(index, record, *stream, *status),
            Event::HalfClosed { stream } => drop(self.half_closed.insert(*stream)),
            Event::WatchdogTripped { .. } => return self.trip(index, record),
            Event::Holds { dialed, accepted, tasks } => {
                let stock = Stock {
                    at: record.at,
                    index,
                    dialed: *dialed,
                    accepted: *accepted,
                    tasks: *tasks,
                    streams: self.streams_of(host),
                };
                self.stocks.take(host, stock);
            }
            Event::ProcessKilled => return self.kill(index, record),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, index: usize, record: &'h Record, attempt: u64) -> Result<(), Box<Evidence>> {
        self.opened += 1;
        let client = self.clients.entry(&record.host).or_default();
        match client.open.replace((attempt, index)) {
            None => Ok(()),
            Some((other, first)) => {
                let what =
                    format!("{} opened a stream for attempt {attempt} and had one of attempt {other}", record.host);
                Err(Box::new(Evidence::new(index, record, self.laws.keep, what).with([first])))
            }
        }
    }

    fn end(
        &mut self,
        index: usize,
        record: &'h Record,
        attempt: u64,
        cause: EndCause,
        words: &str,
    ) -> Result<(), Box<Evidence>> {
        self.ended += 1;
        let client = self.clients.entry(&record.host).or_default();
        (client.open, client.follows_older) = (None, false);
        let Some((dialed, began)) = client.dialed.take() else { return Ok(()) };
        let silent = record.at.saturating_sub(client.heard);
        if self.is_due(cause, silent) || !self.excuses.is_calm(dialed, record.at) {
            return Ok(());
        }
        let what = format!("attempt {attempt} of {} ended, and nothing was wrong since it began: {words}", record.host);
        Err(Box::new(Evidence::new(index, record, self.laws.keep, what).with([began])))
    }

    /// The tap saw a stream end. A server that was asked to stop says why it ends it, and does not let it drop.
    fn tap_end(
        &mut self,
        index: usize,
        record: &'h Record,
        stream: TapStream,
        status: Option<u16>,
    ) -> Result<(), Box<Evidence>> {
        self.closed.push(record.at);
        self.half_closed.remove(&stream);
        let Some((host, (opened, _))) = self.tapped.remove(&stream) else { return Ok(()) };
        let is_wanted = self.clients.get(host).is_some_and(|client| client.open.is_some());
        let mut stopping = self.stopping.iter().filter(|(_, (asked, _))| opened < *asked && *asked < record.at);
        let Some((server, (asked, first))) = stopping.next().filter(|_| status.is_none() && is_wanted) else {
            return Ok(());
        };
        let (asked, first, by) = (*asked, *first, record.at);
        let is_excused = self.excuses.disturbed(host, asked, by) || self.excuses.lied(host, asked, by);
        if is_excused || self.last_death.is_some_and(|death| death >= asked) {
            return Ok(());
        }
        let what = format!(
            "{stream} of {host} was cut off, and nobody had said why: {server} was asked to stop at {}",
            Readable(asked)
        );
        Err(Box::new(Evidence::new(index, record, self.laws.serve, what).with([first])))
    }

    /// A stream that its client has half-closed has no watchdog.
    fn trip(&self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let mine = |(stream, (host, (opened, _))): (&TapStream, &(&str, Since))| {
            let dialed = self.clients.get(&*record.host).and_then(|client| client.dialed);
            let of_this_attempt = dialed.is_some_and(|(dialed, _)| *opened >= dialed);
            (*host == &*record.host && of_this_attempt && self.half_closed.contains(stream)).then_some(*stream)
        };
        let Some(stream) = self.tapped.iter().find_map(mine) else { return Ok(()) };
        let (_, (_, first)) = self.tapped[&stream];
        let what = format!("the watchdog of {} gave up {stream}, which it had half-closed", record.host);
        Err(Box::new(Evidence::new(index, record, self.laws.keep, what).with([first])))
    }

    /// Whether a client meant to end it, or may lose it: by what nobody may follow, at an old server that does not know the
    /// call or has no heartbeat on the older one, at a lowered bound, at a proxy that ends streams by habit, or to a slow
    /// application.
    fn is_due(&self, cause: EndCause, silent: Duration) -> bool {
        let bounded = self.terms.bounds == Bounds::Lowered;
        let by_proxy = self.terms.proxies_end_streams;
        let patience = self.terms.keepalive * self.terms.intervals;
        match cause {
            EndCause::Refused => bounded || by_proxy || self.terms.old_servers,
            EndCause::Rejected => !self.terms.denied.is_empty(),
            EndCause::StreamFailed => bounded || by_proxy,
            EndCause::Exhausted => bounded,
            // An application that takes its time is behind sooner or later; another never is.
            EndCause::ConsumerBehind => !self.terms.consume.is_zero(),
            // Where there is nothing to tell, nothing is heard: no stream of an older call is silent for less.
            EndCause::Watchdog => self.terms.old_servers && silent >= patience,
            EndCause::DialFailed
            | EndCause::Stale
            | EndCause::StoreFailed
            | EndCause::BacklogFull
            | EndCause::StreamEnded => false,
            EndCause::Finished | EndCause::FallbackOver => true,
        }
    }

    fn let_go(
        &mut self,
        index: usize,
        record: &'h Record,
        stream: u64,
        reason: &CloseReason,
    ) -> Result<(), Box<Evidence>> {
        let Some((opened, first)) = self.held.entry(&record.host).or_default().remove(&stream) else { return Ok(()) };
        if let CloseReason::Failed(why) = reason
            && !self.unsound_disks.contains(&*record.host)
            && !self.stopping.contains_key(&*record.host)
        {
            let what = format!(
                "{} closed stream {stream}, and its disk was no worse than full, which no reader needs to feel: {why}",
                record.host
            );
            return Err(Box::new(Evidence::new(index, record, self.laws.serve, what).with([first])));
        }
        if !self.excuses.is_calm(opened, record.at) {
            return Ok(());
        }
        let why = match reason {
            CloseReason::Finished | CloseReason::PeerGone => return Ok(()),
            CloseReason::Reaped | CloseReason::Refused(_) | CloseReason::TooSlow if self.has_lawless => return Ok(()),
            CloseReason::Refused(_) | CloseReason::TooSlow if self.terms.bounds == Bounds::Lowered => return Ok(()),
            CloseReason::Denied(_) if !self.terms.denied.is_empty() => return Ok(()),
            CloseReason::Reaped => "for want of a Pong".to_owned(),
            CloseReason::TooSlow => "because its consumer was too slow".to_owned(),
            CloseReason::Refused(why) | CloseReason::Denied(why) | CloseReason::Failed(why) => why.to_string(),
        };
        let what = format!(
            "{} closed stream {stream}, open since {}, and nothing was wrong meanwhile: {why}",
            record.host,
            Readable(opened)
        );
        Err(Box::new(Evidence::new(index, record, self.laws.serve, what).with([first])))
    }

    /// The tap saw a stream of a host open: a client has no other then.
    fn tap(&mut self, index: usize, record: &'h Record, stream: TapStream) -> Result<(), Box<Evidence>> {
        let host: &'h str = &record.host;
        let other = self.tapped.iter().find(|(_, (other, _))| *other == host && self.followers.contains(host));
        let other = other.map(|(name, (_, since))| (*name, *since));
        self.tapped.insert(stream, (host, (record.at, index)));
        self.has_tapped = true;
        let Some((name, (opened, first))) = other.filter(|(_, (at, _))| self.excuses.is_calm(*at, record.at)) else {
            return Ok(());
        };
        let what = format!("{host} opened {stream} and had {name}, open since {}", Readable(opened));
        Err(Box::new(Evidence::new(index, record, self.laws.keep, what).with([first])))
    }

    /// The streams that a server holds, that a proxy carries, or that anybody else has.
    fn streams_of(&self, host: &str) -> usize {
        if let Some(held) = self.held.get(host) {
            return held.len();
        }
        if self.terms.cast.carries_streams(host) {
            return self.tapped.len();
        }
        self.tapped.values().filter(|(owner, _)| *owner == host).count()
    }

    /// A server that was asked to stop opens no more streams.
    fn check_opening(&self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let Some((asked, first)) = self.stopping.get(&*record.host).copied().filter(|(asked, _)| *asked < record.at)
        else {
            return Ok(());
        };
        let what = format!("{} opened a stream, and was asked to stop at {}", record.host, Readable(asked));
        Err(Box::new(Evidence::new(index, record, self.laws.serve, what).with([first])))
    }

    fn kill(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let host: &'h str = &record.host;
        let held = self.held.remove(host).unwrap_or_default();
        if self.terms.cast.carries_streams(host) {
            self.last_death = Some(record.at);
        }
        if let Some((asked, first)) = self.stopping.remove(host)
            && record.at >= self.excuses.running_since(host, asked, record.at).saturating_add(ENDS_WITHIN)
            && !held.is_empty()
        {
            let what = format!(
                "{host} was asked to stop at {}, and had not ended {} of its streams when it was killed",
                Readable(asked),
                held.len()
            );
            return Err(Box::new(Evidence::new(index, record, self.laws.serve, what).with([first])));
        }
        self.clients.remove(host);
        if self.terms.cast.carries_streams(host) && !self.held.contains_key(host) {
            let role = self.terms.cast.find(host).map(|member| member.name.role()).unwrap_or_default();
            self.uncounted |= self.terms.cast.of_role(role).len() > 1;
        }
        Ok(())
    }

    /// What is left behind at the end, where that is calm for long enough to let go of it.
    fn leftover(&self, last: usize) -> Option<Evidence> {
        let bound = self.terms.keepalive * 2 + LETS_GO + self.terms.travel * 2;
        let since = self.terms.end.checked_sub(bound)?;
        if !self.excuses.is_calm(since, self.terms.end) {
            return None;
        }
        let closed = self.closed.iter().filter(|closed| **closed >= since).count();
        let laws = (self.laws.keep, self.laws.release);
        self.left_stream(since, last)
            .or_else(|| self.stocks.leftover(self.terms, closed, self.excuses.hold_up_nothing(), laws))
    }

    /// A stream that a server holds beyond those that the tap holds, and has held since then.
    fn left_stream(&self, since: Duration, last: usize) -> Option<Evidence> {
        // The tap sees no stream where a proxy passes bytes, and none of an older call. On that only the end of a connection tells
        // a server that a client is gone, and a fault may hide it.
        if self.uncounted || !(self.has_tapped || self.fell_back) || (self.fell_back && !self.excuses.are_none()) {
            return None;
        }
        let old = |(opened, _): &&Since| *opened < since;
        let held: Vec<(&str, Since)> = self
            .held
            .iter()
            .flat_map(|(node, streams)| streams.values().filter(old).map(move |since| (*node, *since)))
            .collect();
        let older = self.clients.values().filter(|client| client.follows_older).count();
        let wanted = self.tapped.len() + older * self.laws.older_streams;
        let (node, (opened, first)) = held.iter().min_by_key(|(_, (opened, _))| *opened).copied()?;
        if held.len() <= wanted {
            return None;
        }
        let what = format!(
            "{node} holds {} streams at the end, the oldest since {}, and clients hold {wanted}",
            held.len(),
            Readable(opened)
        );
        Some(Evidence::at(self.terms.end, node, self.laws.release, what).with([first, last]))
    }

    fn close(self, records: &[Record]) -> Verdict {
        if let Some(evidence) = self.leftover(records.len().saturating_sub(1)) {
            return Verdict::Fail(evidence);
        }
        match self.opened {
            0 => Verdict::unknown("no client opened a stream"),
            opened => Verdict::Pass {
                seen: format!(
                    "streams opened: {opened}, ended: {}, none without a cause; at the end servers hold {}, clients {}",
                    self.ended,
                    self.held.values().map(BTreeMap::len).sum::<usize>(),
                    self.tapped.len()
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests;
