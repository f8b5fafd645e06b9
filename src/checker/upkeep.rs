//! Judges upkeep: streams open and close for a cause, one client has one, and a server holds none whose client is gone.
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
use crate::checker::{Evidence, Requirement, Verdict};
use crate::grammar::Readable;
use crate::history::{Bounds, CloseReason, EndCause, Event, History, Record, TapStream, Terms};

/// Beyond two intervals (the Ping, and the wait for its Pong) a server may take so long to let go of a stream.
const LETS_GO: Duration = Duration::from_secs(30);

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
    /// The role whose hosts break the rules on purpose; where it is cast a server may close a stream for that.
    pub lawless: &'static str,
}

impl Checker for Upkeep {
    fn name(&self) -> &'static str {
        "upkeep"
    }

    fn promises(&self) -> &'static str {
        "No stream ends without a cause, no client has two, and none is held whose client is gone."
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

/// When something began, and its record.
type Since = (Duration, usize);

/// What a client does.
#[derive(Default)]
struct KeptClient {
    /// Its attempt, since it dialed.
    dialed: Option<Since>,
    /// The attempt whose stream is open.
    open: Option<(u64, usize)>,
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
    /// The open streams as the tap knows them.
    tapped: BTreeMap<TapStream, (&'h str, Since)>,
    /// A proxy among several died: which streams went with it nobody says.
    uncounted: bool,
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
            tapped: BTreeMap::new(),
            uncounted: false,
            opened: 0,
            ended: 0,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let (host, since): (&'h str, Since) = (&record.host, (record.at, index));
        match &record.event {
            Event::Dialing { .. } => self.clients.entry(host).or_default().dialed = Some(since),
            Event::Opened { attempt, .. } => return self.open(index, record, *attempt),
            Event::Ended { attempt, cause, words } => {
                return self.end(index, record, *attempt, *cause, &words.to_string());
            }
            Event::StreamOpened { stream } => {
                self.held.entry(host).or_default().insert(*stream, since);
            }
            Event::StreamClosed { stream, reason } => return self.let_go(index, record, *stream, reason),
            Event::TapOpened { stream, .. } => return self.tap(index, record, *stream),
            Event::TapClosed { stream } => drop(self.tapped.remove(stream)),
            Event::ProcessKilled => self.kill(host),
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
        client.open = None;
        let Some((dialed, began)) = client.dialed.take() else { return Ok(()) };
        if self.is_due(cause) || !self.excuses.is_calm(dialed, record.at) {
            return Ok(());
        }
        let what = format!("attempt {attempt} of {} ended, and nothing was wrong since it began: {words}", record.host);
        Err(Box::new(Evidence::new(index, record, self.laws.keep, what).with([began])))
    }

    /// Whether a client meant to end it, or may lose it: by what nobody may follow, at an old server that does not know the
    /// call, at a lowered bound, or to a slow application.
    fn is_due(&self, cause: EndCause) -> bool {
        let bounded = self.terms.bounds == Bounds::Lowered;
        match cause {
            EndCause::Refused => bounded || self.terms.old_servers,
            EndCause::Rejected => !self.terms.denied.is_empty(),
            EndCause::Exhausted | EndCause::StreamFailed => bounded,
            // An application that takes its time is behind sooner or later; another never is.
            EndCause::ConsumerBehind => !self.terms.consume.is_zero(),
            EndCause::DialFailed
            | EndCause::Watchdog
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
        let opened = self.held.entry(&record.host).or_default().remove(&stream);
        let Some((opened, first)) = opened.filter(|(opened, _)| self.excuses.is_calm(*opened, record.at)) else {
            return Ok(());
        };
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
        let Some((name, (opened, first))) = other.filter(|(_, (at, _))| self.excuses.is_calm(*at, record.at)) else {
            return Ok(());
        };
        let what = format!("{host} opened {stream} and had {name}, open since {}", Readable(opened));
        Err(Box::new(Evidence::new(index, record, self.laws.keep, what).with([first])))
    }

    fn kill(&mut self, host: &'h str) {
        self.held.remove(host);
        self.clients.remove(host);
        if self.terms.cast.carries_streams(host) && !self.held.contains_key(host) {
            let role = self.terms.cast.find(host).map(|member| member.name.role()).unwrap_or_default();
            self.uncounted |= self.terms.cast.of_role(role).len() > 1;
        }
    }

    /// A stream that a server holds beyond those that the tap holds, and has held since before the end's calm.
    fn leftover(&self, last: usize) -> Option<Evidence> {
        let bound = self.terms.keepalive * 2 + LETS_GO + self.terms.travel * 2;
        let since = self.terms.end.checked_sub(bound)?;
        if self.uncounted || !self.excuses.is_calm(since, self.terms.end) {
            return None;
        }
        let old = |(opened, _): &&Since| *opened < since;
        let held: Vec<(&str, Since)> = self
            .held
            .iter()
            .flat_map(|(node, streams)| streams.values().filter(old).map(move |since| (*node, *since)))
            .collect();
        let wanted = self.tapped.len();
        let (node, (opened, first)) = held.iter().min_by_key(|(_, (opened, _))| *opened).copied()?;
        if held.len() <= wanted {
            return None;
        }
        let what = format!(
            "{node} holds {} streams at the end, the oldest since {}, and clients hold {wanted}",
            held.len(),
            Readable(opened)
        );
        Some(Evidence {
            at: self.terms.end,
            requirement: self.laws.release.number.to_owned(),
            host: node.to_owned(),
            topic: None,
            id: None,
            what,
            records: vec![first, last],
        })
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
mod tests {
    use super::*;
    use crate::checker::script::{CLIENT, NODE, STREAM, Script, partition};
    use crate::subject::xmtp::checker::UPKEEP;

    fn other() -> TapStream {
        TapStream { stream: 3, ..STREAM }
    }

    fn held(script: Script, stream: u64) -> Script {
        script.event(NODE, Event::StreamOpened { stream })
    }

    fn closed(script: Script, reason: CloseReason) -> Script {
        script.event(NODE, Event::StreamClosed { stream: 1, reason })
    }

    fn running() -> Script {
        held(Script::new().at(1.0).dialing(1).opened(1).tap_opened(STREAM), 1)
    }

    fn cut() -> Script {
        held(Script::new().fault_begins(1, partition(CLIENT, "proxy")).dialing(1).opened(1).tap_opened(STREAM), 1)
    }

    #[test]
    fn a_stream_that_stays_open_to_the_end_is_acquitted() {
        let seen = running().acquitted_by(&UPKEEP);
        assert!(seen.ends_with("at the end servers hold 1, clients 1"), "{seen}");
    }

    #[test]
    fn a_history_without_streams_is_unknown() {
        assert_eq!(Script::new().puzzles(&UPKEEP), "no client opened a stream");
        assert_eq!(UPKEEP.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }

    #[test]
    fn an_end_needs_a_cause() {
        let evidence = running().at(300.0).ended(1).condemned_by(&UPKEEP);
        assert_eq!(evidence.what, "attempt 1 of client-1 ended, and nothing was wrong since it began: watchdog");
        cut().at(300.0).ended(1).acquitted_by(&UPKEEP);
    }

    #[test]
    fn a_server_closes_a_stream_for_a_cause() {
        for reason in [CloseReason::Reaped, CloseReason::TooSlow, CloseReason::Refused("no".into())] {
            closed(running().at(300.0), reason.clone()).condemned_by(&UPKEEP);
            closed(cut().at(300.0), reason).acquitted_by(&UPKEEP);
        }
        closed(running().at(300.0), CloseReason::PeerGone).acquitted_by(&UPKEEP);
    }

    #[test]
    fn a_client_has_one_stream() {
        let twice = running().at(9.0).opened(2).condemned_by(&UPKEEP);
        assert_eq!(twice.what, "client-1 opened a stream for attempt 2 and had one of attempt 1");
        let tapped = running().at(9.0).tap_opened(other()).condemned_by(&UPKEEP);
        assert_eq!(tapped.what, "client-1 opened stream 1.1.3 and had stream 1.1.1, open since 1s");
        cut().at(9.0).tap_opened(other()).acquitted_by(&UPKEEP);
    }

    #[test]
    fn a_stream_whose_client_is_gone_is_let_go() {
        let gone = |script: Script| script.event(CLIENT, Event::TapClosed { stream: STREAM });
        let evidence = gone(running().at(300.0)).condemned_by(&UPKEEP);
        assert!(evidence.what.starts_with("node holds 1 streams at the end"), "{}", evidence.what);
        closed(gone(running().at(300.0)), CloseReason::PeerGone).acquitted_by(&UPKEEP);
        gone(cut().at(300.0)).acquitted_by(&UPKEEP);
        gone(running().at(300.0)).event(NODE, Event::ProcessKilled).acquitted_by(&UPKEEP);
    }
}
