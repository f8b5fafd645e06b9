//! Reads a history from its begin to its end, and finds the windows.
//!
//! Refuses to trust an actor: that a stream is dead is what faults, processes and the proxy's tap say.
//!
//! A window begins when nothing that is sent on the stream arrives any more: a process on its route died, stands still, a
//! link of its route is cut, or the proxy swallows (then the stream is dead since the silence began, for bytes after a
//! hole are garbage). A link that only loses, slows or forgets stops a stream at no certain time: such a window begins
//! with the last that the client heard, and is one if the client lost the stream without being told by its server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cast::{Cast, HostName};
use crate::channel::{Channel, MessageId};
use crate::env::Disconnection;
use crate::fault::{Clause, Fault};
use crate::history::{Beat, CloseReason, EndCause, Event, Fate, History, Record, TapStream, Terms, Words};
use crate::ladder::grip::{Grip, Route, RouteSide};
use crate::ladder::held::{Culprit, Held, Open, State, is_of_the_connection};
use crate::ladder::layer::{Layer, Layers};
use crate::ladder::window::{Ladder, LadderWindow, WindowEnding};

/// What a link that lost or forgot something leads to may show so long after it is whole again: TCP tries again after
/// 120 s at the latest (TCP_RTO_MAX).
const AFTERMATH: Duration = Duration::from_secs(120);

/// Who heard something a moment before the stream was lost heard it from a stream that carried.
const SILENCE_MIN: Duration = Duration::from_secs(1);

impl Ladder {
    /// The ladder of a trial, of whose layers these are switched on.
    #[must_use]
    pub fn of(history: &History, layers: &Layers) -> Self {
        let Some(Record { event: Event::Began(terms), .. }) = history.records().first() else {
            return Ladder::default();
        };
        let mut watch = LadderWatch::new(terms, layers, lasting(history));
        history.records().iter().for_each(|record| watch.take(record));
        watch.finish(history.failure().map_or(terms.end, |failed| failed.at))
    }
}

/// A clause, and from when to when it lasted.
struct Lasting<'h> {
    clause: &'h Clause,
    began: Duration,
    /// None where the history does not tell.
    ended: Option<Duration>,
    /// Nobody has felt it, as the history tells at its end.
    is_unfelt: bool,
}

impl Lasting<'_> {
    /// Whether it lasts at that time, until it ends.
    fn runs_at(&self, at: Duration) -> bool {
        self.began <= at && self.ended.is_none_or(|ended| at < ended)
    }

    /// A silence that nobody has felt, such as of a connection on which nothing was sent, has done no harm.
    fn swallows_nothing(&self) -> bool {
        self.is_unfelt && matches!(self.clause.fault, Fault::ProxySilence(_))
    }

    /// The same, and as it ends.
    fn touches(&self, at: Duration) -> bool {
        self.began <= at && self.ended.is_none_or(|ended| at <= ended)
    }
}

/// Every clause: a process that dies at the very begin of one dies before that is told.
#[expect(clippy::wildcard_enum_match_arm, reason = "only two events tell of clauses")]
fn lasting(history: &History) -> BTreeMap<u32, Lasting<'_>> {
    let mut clauses: BTreeMap<u32, Lasting<'_>> = BTreeMap::new();
    for record in history.records() {
        match &record.event {
            Event::FaultBegan(clause) => {
                clauses.insert(clause.number, Lasting { clause, began: record.at, ended: None, is_unfelt: false });
            }
            Event::FaultEnded { clause, felt } => {
                let ended = clauses.get_mut(clause).into_iter();
                ended.for_each(|clause| (clause.ended, clause.is_unfelt) = (Some(record.at), !felt));
            }
            _ => {}
        }
    }
    clauses
}

struct LadderWatch<'h> {
    layers: &'h Layers,
    cast: &'h Cast,
    follows: BTreeMap<&'h str, BTreeSet<&'h Channel>>,
    clauses: BTreeMap<u32, Lasting<'h>>,
    powerless: BTreeSet<&'h str>,
    held: BTreeMap<&'h str, Held>,
    /// Connections of programs that say nothing of their streams, by number.
    connections: BTreeMap<u64, Held>,
    found: Vec<LadderWindow>,
}

impl<'h> LadderWatch<'h> {
    fn new(terms: &'h Terms, layers: &'h Layers, clauses: BTreeMap<u32, Lasting<'h>>) -> Self {
        let follows = terms.followers.iter();
        let follows = follows.map(|(host, positions)| (&**host, positions.iter().map(|at| &at.channel).collect()));
        LadderWatch {
            layers,
            cast: &terms.cast,
            follows: follows.collect(),
            clauses,
            powerless: BTreeSet::new(),
            held: BTreeMap::new(),
            connections: BTreeMap::new(),
            found: Vec::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a ladder tells of what concerns it, and a new event does not")]
    fn take(&mut self, record: &'h Record) {
        match &record.event {
            Event::FaultBegan(clause) => self.begin_clause(record.at, clause),
            Event::FaultEnded { clause, .. } => self.end_clause(*clause),
            Event::PowerFailed => _ = self.powerless.insert(&record.host),
            Event::ProcessKilled => self.kill(record),
            Event::ProcessBegan { .. } => self.begin_process(record),
            Event::Opened { attempt, .. } => {
                let route = Route::of(&record.host, self.cast);
                self.held.insert(&record.host, Held::new(&record.host, *attempt, route, record.at));
            }
            Event::Started { attempt } => self.welcome(record, *attempt),
            Event::Probed { attempt } => self.holding(record, *attempt).into_iter().for_each(|held| held.probed = true),
            Event::ProbeAnswered { attempt } => self.hear(record, *attempt),
            Event::WatchdogTripped { attempt, .. } => {
                let open = self.holding(record, *attempt).and_then(Held::window);
                open.into_iter().for_each(|open| open.notice(Layer::Watchdog, record.at));
            }
            Event::LetGo { attempt, .. } => {
                self.holding(record, *attempt).into_iter().for_each(|held| held.let_go = Some(record.at));
            }
            Event::Ended { attempt, cause, words } => self.end(record, *attempt, *cause, words),
            Event::Delivered { messages, .. } => self.deliver(record, messages),
            Event::Stored { channel, id, .. } => self.store(record, channel, *id),
            Event::StreamClosed { reason: CloseReason::Reaped, .. } => self.reap(record),
            Event::TapOpened { stream, .. } => {
                self.held.get_mut(&*record.host).into_iter().for_each(|held| held.stream = Some(*stream));
            }
            Event::TapClosed { stream, status } => self.close_tapped(record, *stream, *status),
            Event::Tapped { stream, fate: Fate::Swallowed, .. } => self.swallow(record, *stream),
            Event::Beat { beat, .. } => self.beat(record, *beat),
            Event::Connected { connection, to } => self.connect(record, *connection, to),
            Event::Disconnected { connection, how } => self.disconnect(record, *connection, *how),
            _ => {}
        }
    }

    /// Everything that is held, by whomever.
    fn all(&mut self) -> impl Iterator<Item = &mut Held> {
        self.held.values_mut().chain(self.connections.values_mut())
    }

    /// What a host holds.
    fn of_host(&mut self, host: &HostName) -> impl Iterator<Item = &mut Held> {
        let connections = self.connections.values_mut().filter(move |held| held.client == *host);
        self.held.get_mut(&**host).into_iter().chain(connections)
    }

    fn beat(&mut self, record: &'h Record, beat: Beat) {
        match beat {
            Beat::Heard { attempt } => self.hear(record, attempt),
            Beat::Ping { stream, fate: Fate::Swallowed, .. }
            | Beat::Pong { stream, fate: Fate::Swallowed, .. }
            | Beat::Waiting { stream, fate: Fate::Swallowed } => self.swallow(record, stream),
            Beat::KeepaliveAnswered { .. } => {
                let open = self.of_host(&record.host).find_map(Held::window);
                open.into_iter().for_each(|open| open.pings_answered += record.count);
            }
            Beat::Received { connection } => {
                let layers = self.layers;
                let held = self.connections.get_mut(&connection);
                self.found.extend(held.and_then(|held| held.hear(record.at, record.until, layers)));
            }
            Beat::Ping { .. } | Beat::Pong { .. } | Beat::Waiting { .. } => {}
        }
    }

    /// The stream of that attempt, if the host holds it.
    fn holding(&mut self, record: &Record, attempt: u64) -> Option<&mut Held> {
        self.held.get_mut(&*record.host).filter(|held| held.attempt == attempt && held.let_go.is_none())
    }

    fn begin_clause(&mut self, at: Duration, clause: &'h Clause) {
        if self.clauses.get(&clause.number).is_some_and(Lasting::swallows_nothing) {
            return;
        }
        self.all().for_each(|held| seize(held, clause, at));
    }

    fn end_clause(&mut self, number: u32) {
        for held in self.all() {
            held.stopped_by.remove(&number);
            if held.open.as_ref().is_some_and(|open| open.state == State::Doomed && open.culprit.clause == Some(number))
            {
                held.open = None;
            }
        }
    }

    fn welcome(&mut self, record: &Record, attempt: u64) {
        let active = self.active(record.at);
        let Some(held) = self.holding(record, attempt) else { return };
        (held.welcomed, held.heard) = (Some(record.at), record.at);
        active.into_iter().for_each(|clause| seize(held, clause, record.at));
    }

    /// What lasts at that time.
    fn active(&self, at: Duration) -> Vec<&'h Clause> {
        let active = self.clauses.values().filter(|clause| clause.runs_at(at) && !clause.swallows_nothing());
        active.map(|clause| clause.clause).collect()
    }

    /// A program that says nothing of its streams believes in a connection from its handshake on.
    fn connect(&mut self, record: &Record, connection: u64, to: &HostName) {
        let route = Route::through(&record.host, to, self.cast);
        let mut held = Held::connection(&record.host, connection, route, record.at);
        self.active(record.at).into_iter().for_each(|clause| seize(&mut held, clause, record.at));
        self.connections.insert(connection, held);
    }

    fn disconnect(&mut self, record: &Record, connection: u64, how: Disconnection) {
        let Some(mut held) = self.connections.remove(&connection) else { return };
        if held.open.as_ref().is_none_or(|open| open.state == State::Doomed) {
            // Whoever finishes or closes a connection has often just done with it.
            let is_lost = matches!(how, Disconnection::Reset | Disconnection::GivenUp);
            held.open = if is_lost { self.suspect(&held, record.at) } else { None };
        }
        held.explain_connection(how, record.at);
        self.found.extend(held.close(record.at, WindowEnding::LetGo, self.layers));
    }

    fn hear(&mut self, record: &Record, attempt: u64) {
        let layers = self.layers;
        let healed = self.holding(record, attempt).and_then(|held| held.hear(record.at, record.until, layers));
        self.found.extend(healed);
    }

    fn deliver(&mut self, record: &'h Record, messages: &'h [(Channel, MessageId, u64)]) {
        if self.layers.program {
            // Whoever gets something of a channel follows it.
            self.follows.entry(&record.host).or_default().extend(messages.iter().map(|(channel, ..)| channel));
        }
        let (layers, mut healed) = (self.layers, Vec::new());
        for held in self.of_host(&record.host) {
            let Some(open) = held.open.as_mut() else { continue };
            let came =
                messages.iter().filter(|(channel, id, _)| open.lacking.remove(&(channel.clone(), *id)).is_some());
            // Behind a proxy another process has taken the place of one that died.
            if came.count() > 0 && held.is_connection && held.open.as_ref().is_some_and(Open::may_be_replaced) {
                healed.extend(held.close(record.at, WindowEnding::Healed, layers));
            }
        }
        self.found.extend(healed);
    }

    fn store(&mut self, record: &Record, channel: &Channel, id: MessageId) {
        for (host, held) in &mut self.held {
            let follows = self.follows.get(host).is_some_and(|follows| follows.contains(channel));
            if follows && held.route.server() == Some(&record.host) {
                let open = held.window();
                open.into_iter().for_each(|open| _ = open.lacking.insert((channel.clone(), id), record.at));
            }
        }
        let follows =
            |held: &&mut Held| self.follows.get(&*held.client).is_some_and(|follows| follows.contains(channel));
        for open in self.connections.values_mut().filter(follows).filter_map(Held::window) {
            open.lacking.insert((channel.clone(), id), record.at);
            // A silent proxy has something of it to swallow.
            if open.state == State::Doomed {
                open.state = State::Dead;
            }
        }
    }

    /// The proxy swallowed something of a stream: it is dead since the silence began.
    fn swallow(&mut self, record: &Record, stream: TapStream) {
        let held = self.held.get_mut(&*record.host).filter(|held| held.stream == Some(stream));
        let Some(held) = held else { return };
        if let Some(open) = &mut held.open {
            open.state = State::Dead;
            return;
        }
        // Something else had stopped it when the silence began, and healed.
        let running = self.clauses.values().filter(|clause| clause.runs_at(record.at));
        let silence = running
            .map(|clause| clause.clause)
            .find(|clause| matches!(held.route.grip(clause), Some(Grip::Swallows { .. })));
        if let Some(silence) = silence {
            held.begin(culprit(silence), RouteSide::Near, silence.at.max(held.heard), State::Dead);
        }
    }

    fn close_tapped(&mut self, record: &Record, stream: TapStream, status: Option<u16>) {
        let proxy_tcp = self.layers.proxy_tcp;
        let held = self.held.get_mut(&*record.host);
        let Some(held) = held.filter(|held| held.stream == Some(stream) && held.let_go.is_none()) else { return };
        match status {
            Some(_) => held.dismissed = true,
            None => held.severed = Some(record.at),
        }
        let stopped = !held.stopped_by.is_empty();
        let Some(open) = held.open.as_mut().filter(|_| status.is_none()) else { return };
        // Nobody who could say that the connection is gone can be heard: the proxy's own probes found out.
        let mute = stopped || open.powerless.as_ref().is_some_and(|host| self.powerless.contains(&**host));
        let by_probes = mute && proxy_tcp && open.side == RouteSide::Far;
        open.notice(if by_probes { Layer::TcpKeepalive } else { Layer::Tcp }, record.at);
    }

    /// A server closed a stream for want of a Pong. It counts its streams in its own way: the window that has been open
    /// for longest is taken for it, which is the right number of delays, if not always the right client's.
    fn reap(&mut self, record: &Record) {
        let at_server = self.held.values_mut().filter(|held| held.route.server() == Some(&record.host));
        let open =
            at_server.filter_map(Held::window).filter(|open| !open.server_is_gone && !open.knows(Layer::Heartbeat));
        let oldest = open.min_by_key(|open| open.began);
        oldest.into_iter().for_each(|open| open.notice(Layer::Heartbeat, record.at));
    }

    fn begin_process(&mut self, record: &'h Record) {
        self.powerless.remove(&*record.host);
    }

    fn kill(&mut self, record: &'h Record) {
        let own = self.held.remove(&*record.host);
        let dialed = self.connections.extract_if(.., |_, held| held.client == record.host).map(|(_, held)| held);
        for mut held in own.into_iter().chain(dialed) {
            self.found.extend(held.close(record.at, WindowEnding::CutShort, self.layers));
        }
        let running = self.clauses.values().filter(|clause| clause.touches(record.at)).map(|clause| clause.clause);
        let culprit = match running.filter(|clause| Route::kills(clause, &record.host)).map(culprit).next() {
            Some(culprit) => culprit,
            None => Culprit {
                clause: None,
                witness: None,
                kind: "process-death".to_owned(),
                words: format!("the process of {} dies", record.host),
            },
        };
        let powerless = self.powerless.contains(&*record.host).then(|| record.host.clone());
        for held in self.all() {
            let Some(side) = held.route.side_of(&record.host) else { continue };
            held.begin(culprit.clone(), side, record.at, State::Dead);
            let begun = held.open.as_mut().filter(|open| open.began == record.at);
            begun.into_iter().for_each(|open| open.powerless.clone_from(&powerless));
            let says_so = side == RouteSide::Near && powerless.is_none();
            let is_server = held.route.server() == Some(&record.host);
            held.open.iter_mut().for_each(|open| {
                open.peer_has_closed |= says_so;
                open.server_is_gone |= is_server;
            });
        }
    }

    fn end(&mut self, record: &'h Record, attempt: u64, cause: EndCause, words: &Words) {
        if self.held.get(&*record.host).is_none_or(|held| held.attempt != attempt) {
            return;
        }
        let Some(mut held) = self.held.remove(&*record.host) else { return };
        let at = held.let_go.unwrap_or(record.at);
        if held.open.as_ref().is_none_or(|open| open.state == State::Doomed) {
            held.open = if is_let_go(&held, cause, words) { self.suspect(&held, at) } else { None };
        }
        held.explain(cause, words, at, self.layers);
        self.found.extend(held.close(at, ending(cause), self.layers));
    }

    /// The window of a stream that was lost although nothing stopped it for certain, if a clause may have.
    fn suspect(&self, held: &Held, at: Duration) -> Option<Open> {
        let silent = held.severed.unwrap_or(at).saturating_sub(held.heard);
        if held.welcomed.is_none() || silent < SILENCE_MIN {
            return None;
        }
        self.clauses.values().find_map(|Lasting { clause, began, ended, .. }| {
            let lasts = *began <= at && ended.is_none_or(|ended| ended + AFTERMATH >= held.heard);
            let Grip::MayStop { side, resets } = held.route.grip(clause).filter(|_| lasts)? else { return None };
            let mut open = Open::new(culprit(clause), side, held.heard, State::Dead);
            if let Some(severed) = held.severed {
                let by_probes = !resets && self.layers.proxy_tcp && side == RouteSide::Far;
                open.notice(if by_probes { Layer::TcpKeepalive } else { Layer::Tcp }, severed);
            }
            Some(open)
        })
    }

    fn finish(mut self, end: Duration) -> Ladder {
        for held in self.held.values_mut().chain(self.connections.values_mut()) {
            // A program to which nothing comes though there is something holds a dead connection: the other end has given it up.
            let lacks = |open: &Open| held.is_connection && !open.lacking.is_empty();
            let may_carry = |open: &Open| open.state == State::Stopped && held.stopped_by.is_empty() && !lacks(open);
            let ending = match held.open.as_ref() {
                Some(open) if may_carry(open) => WindowEnding::CutShort,
                Some(_) | None => WindowEnding::Held,
            };
            let at = held.let_go.unwrap_or(end);
            let ending = if held.let_go.is_some() { WindowEnding::LetGo } else { ending };
            self.found.extend(held.close(at, ending, self.layers));
        }
        self.found.sort_by(|one, other| (one.began, &one.client).cmp(&(other.began, &other.client)));
        Ladder { windows: self.found }
    }
}

/// Whether a client lets go of a stream, by that cause, and its server has not told it to.
fn is_let_go(held: &Held, cause: EndCause, words: &Words) -> bool {
    let by_status = cause == EndCause::StreamFailed && !is_of_the_connection(&words.to_string());
    let is_told = by_status || held.dismissed || cause == EndCause::StreamEnded;
    ending(cause) == WindowEnding::LetGo && !is_told
}

/// Whether a client that gives that cause lets go because the stream is lost to it.
fn ending(cause: EndCause) -> WindowEnding {
    match cause {
        EndCause::Watchdog
        | EndCause::Stale
        | EndCause::StreamFailed
        | EndCause::StreamEnded
        | EndCause::BacklogFull => WindowEnding::LetGo,
        EndCause::DialFailed
        | EndCause::Refused
        | EndCause::StoreFailed
        | EndCause::Finished
        | EndCause::FallbackOver
        | EndCause::ConsumerBehind
        | EndCause::Rejected
        | EndCause::Exhausted => WindowEnding::CutShort,
    }
}

fn culprit(clause: &Clause) -> Culprit {
    Culprit {
        clause: Some(clause.number),
        witness: clause.fault.witness(),
        kind: clause.fault.name().to_owned(),
        words: clause.fault.to_string(),
    }
}

/// A clause takes hold of a stream.
fn seize(held: &mut Held, clause: &Clause, at: Duration) {
    match held.route.grip(clause) {
        Some(Grip::Stops(side)) => {
            held.stopped_by.insert(clause.number);
            held.begin(culprit(clause), side, at, State::Stopped);
        }
        // Of one that swallows what a program sends nobody knows whether it has sent anything.
        Some(Grip::Swallows { to_client }) if to_client || !held.is_connection => {
            held.begin(culprit(clause), RouteSide::Near, at, State::Doomed);
        }
        Some(Grip::Swallows { .. } | Grip::MayStop { .. }) | None => {}
    }
}
