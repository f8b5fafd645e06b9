//! One stream's view of the control: what may pass of it, and when; and the notices of what it lets through.
//!
//! Refuses to know how bytes get to it and where they go.
//!
//! ```text
//! each rule:        waiting --its moment has come--> told --rule removed--> gone
//! each direction:   open <--silence told / gone--> silent --something swallowed--> severed (for ever)
//! ```

use std::net::IpAddr;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use crate::lie::{Direction, Ending, HeldUntil, Lie, StreamKey, StreamLie, Trigger, Withheld};
use crate::proxy::alarm::ProxyTimer;
use crate::proxy::config::PACE_STEP;
use crate::proxy::control::{ActiveRule, Control, Rules, StreamFace};
use crate::proxy::framing::{Ahead, Framing};
use crate::proxy::notice::{ProxyFate, ProxyNotice, ProxyObserver};
use crate::proxy::rule_changes::RuleChanges;
use crate::proxy::windows::{StreamWindows, WayWindow};

/// One thing that travels on a stream.
pub(crate) enum Piece {
    Headers,
    Data(Bytes),
    /// The orderly end, with its trailers; a bare one has none.
    End(HeaderMap),
    Reset,
}

/// What may be done with the bytes that come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// So many of them pass.
    Pass(usize),
    /// So many of them vanish, and leave no hole.
    Drop(usize),
    /// More of them must be there before it can be said.
    More,
    /// None, before that time.
    NotBefore(Instant),
    /// None, while things are as they are.
    Never,
}

/// Decides what passes on one stream, and tells the observer.
pub(crate) struct Gate {
    stream: StreamKey,
    peer: IpAddr,
    path: String,
    headers: HeaderMap,
    observer: Arc<dyn ProxyObserver>,
    windows: StreamWindows,
    changes: RuleChanges,
    /// Rules that always hold.
    standing: Arc<[Arc<ActiveRule>]>,
    /// The rules about this stream.
    orders: Vec<TimedRule>,
    opened: Instant,
    has_headers: bool,
    half_closed: Option<Instant>,
    to_node: GateSide,
    to_client: GateSide,
    /// Times that bytes would put back by less than this stay where they are.
    slack: Duration,
    /// Bytes wait for the node since then.
    unwritten_since: Option<Instant>,
    alarm: ProxyTimer,
}

/// A rule about this stream.
struct TimedRule {
    active: Arc<ActiveRule>,
    since: Instant,
    /// Its moment has come.
    is_told: bool,
}

impl TimedRule {
    /// The lie, if it is told now.
    fn told(&self) -> Option<&StreamLie> {
        match &self.active.rule.lie {
            Lie::Stream(lie) if self.is_told => Some(lie),
            Lie::Stream(_) | Lie::Connection(_) | Lie::Bytes(_) => None,
        }
    }

    fn counted(&self) -> Direction {
        match &self.active.rule.lie {
            Lie::Stream(lie) => lie.counted(),
            Lie::Connection(_) | Lie::Bytes(_) => Direction::ToClient,
        }
    }

    fn is_silence(&self, direction: Direction) -> bool {
        matches!(self.told(), Some(StreamLie::Silence { direction: meant }) if meant.is_none_or(|meant| meant == direction))
    }
}

#[derive(Default)]
struct GateSide {
    /// A rule says that nothing passes.
    is_ruled: bool,
    /// Something was swallowed: a hole in a byte stream cannot be healed.
    is_severed: bool,
    framing: Framing,
    bytes: u64,
    last_byte: Option<Instant>,
    /// The message under way vanishes.
    is_dropping: bool,
    /// Where bytes pass slowly, when the next may.
    free_at: Option<Instant>,
}

impl Gate {
    /// The gate of a new stream, which it announces.
    pub(crate) fn new(
        control: &Control,
        (standing, slack): (Arc<[Arc<ActiveRule>]>, Duration),
        observer: Arc<dyn ProxyObserver>,
        stream: StreamKey,
        peer: IpAddr,
        head: &http::request::Parts,
    ) -> Self {
        let mut receiver = control.subscribe();
        let rules = receiver.borrow_and_update().clone();
        let path: String = head.uri.path().into();
        let windows = StreamWindows::default();
        observer.notice(ProxyNotice::StreamOpened { stream, path: path.clone(), windows: windows.clone() });
        let mut gate = Gate {
            stream,
            peer,
            path,
            headers: head.headers.clone(),
            observer,
            windows,
            changes: RuleChanges::after(receiver),
            standing,
            orders: Vec::new(),
            opened: Instant::now(),
            has_headers: false,
            half_closed: None,
            to_node: GateSide::default(),
            to_client: GateSide::default(),
            slack,
            unwritten_since: None,
            alarm: ProxyTimer::default(),
        };
        gate.apply(&rules);
        gate
    }

    /// Takes up the changes of the rules, and what time brings; the task of `context` is woken at the next.
    pub(crate) fn follow(&mut self, context: &mut Context<'_>) {
        // Ends: a watch holds one value, and each turn takes the newest.
        while let Some(rules) = self.changes.next(context) {
            self.apply(&rules);
        }
        // Ends: each turn takes up what is due, and what is due next lies ahead.
        while let Some(next) = self.keep_up() {
            if self.alarm.poll(next, context).is_pending() {
                return;
            }
        }
    }

    /// What flow control has left that way.
    pub(crate) fn note_window(&self, direction: Direction, window: WayWindow) {
        self.windows.note(direction, window);
    }

    /// Whether nothing passes that way: a rule says so, or something is missing already.
    pub(crate) fn is_silent(&self, direction: Direction) -> bool {
        let side = self.side(direction);
        side.is_severed || side.is_ruled
    }

    /// Whether the node must not learn that the client has left.
    pub(crate) fn keeps_cancel(&self) -> bool {
        self.to_node.is_ruled || self.told(|lie| matches!(lie, StreamLie::Withhold(Withheld::Cancel))).is_some()
    }

    /// Whether that is kept back; it is felt then.
    pub(crate) fn withholds(&self, what: Withheld) -> bool {
        self.feel(|lie| *lie == StreamLie::Withhold(what))
    }

    /// Whether the end must not go with the last bytes, because something becomes of it.
    pub(crate) fn minds_the_end(&self, direction: Direction) -> bool {
        let minds =
            |lie: &StreamLie| matches!(lie, StreamLie::Withhold(Withheld::End) | StreamLie::HoldEnd { bare: true, .. });
        direction == Direction::ToClient && self.told(minds).is_some()
    }

    /// Whether the end of the response, with trailers or without, waits for that of the request.
    pub(crate) fn holds_end(&self, direction: Direction, has_trailers: bool) -> bool {
        let holds = |lie: &StreamLie| {
            let StreamLie::HoldEnd { trailers, bare } = lie else { return false };
            if has_trailers { *trailers } else { *bare }
        };
        direction == Direction::ToClient && self.half_closed.is_none() && self.feel(holds)
    }

    /// Whether the client has ended its half.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.half_closed.is_some()
    }

    /// Takes note whether bytes wait for the node.
    pub(crate) fn note_unwritten(&mut self, is_any: bool) {
        match is_any {
            true if self.orders.is_empty() => {}
            true => self.unwritten_since = self.unwritten_since.or_else(|| Some(Instant::now())),
            false => self.unwritten_since = None,
        }
    }

    /// How the proxy ends the stream now, if it does.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.find(|lie| match_ending(lie).cloned())
    }

    /// Whether the proxy ends the request, but for the client.
    pub(crate) fn ends_request(&self) -> bool {
        self.feel(|lie| *lie == StreamLie::EndRequest)
    }

    /// The gRPC status that the client is told instead of the node's.
    pub(crate) fn status(&self) -> Option<u16> {
        self.find(|lie| if let StreamLie::Status(status) = lie { Some(*status) } else { None })
    }

    /// Whether the request may have to be sent again.
    pub(crate) fn may_repeat(&self) -> bool {
        self.told(|lie| matches!(lie, StreamLie::Repeat { .. })).is_some()
    }

    /// Whether a request that was sent so many times is sent again.
    pub(crate) fn repeats_after(&self, attempts: u32) -> bool {
        self.feel(|lie| matches!(lie, StreamLie::Repeat { times } if attempts < *times))
    }

    /// The node to which the stream goes instead of its own.
    pub(crate) fn misroute(&self) -> Option<(String, Option<u16>)> {
        let route = |lie: &StreamLie| {
            if let StreamLie::Misroute { host, port } = lie { Some((host.clone(), *port)) } else { None }
        };
        self.find(route)
    }

    /// Whether what arrived that way waits for more: so many bytes of it, all that will come or not.
    pub(crate) fn holds(&self, direction: Direction, bytes: usize, is_all: bool) -> bool {
        self.feel(|lie| {
            let StreamLie::Hold { direction: held, until, room } = lie else { return false };
            let is_released = match until {
                HeldUntil::End => is_all,
                HeldUntil::FirstData => is_all || bytes > 0,
            };
            *held == direction && !is_released && bytes < *room
        })
    }

    /// Whether pieces are to be taken in while earlier ones wait.
    pub(crate) fn gathers(&self, direction: Direction) -> bool {
        let is_held = |lie: &StreamLie| matches!(lie, StreamLie::Hold { direction: held, .. } if *held == direction);
        let is_late = |lie: &StreamLie| {
            matches!(lie, StreamLie::Slow { direction: slow, delay, .. }
                if slow.is_none_or(|slow| slow == direction) && !delay.is_zero())
        };
        self.told(|lie| is_held(lie) || is_late(lie)).is_some()
    }

    /// Whether no lie is told or may be told of what travels that way: where pieces begin and end is then no matter.
    pub(crate) fn is_truthful(&self, direction: Direction) -> bool {
        self.orders.is_empty() && !self.side(direction).is_dropping && !self.is_silent(direction)
    }

    /// What may be done with `bytes`, which arrived at that time and come next that way; with none, with the end.
    /// `is_all`: the sender will send no more.
    pub(crate) fn next(&mut self, direction: Direction, arrived: Instant, bytes: &[u8], is_all: bool) -> Next {
        if self.orders.is_empty() && !self.side(direction).is_dropping {
            return Next::Pass(bytes.len());
        }
        let ends_request = |lie: &StreamLie| direction == Direction::ToNode && *lie == StreamLie::EndRequest;
        if self.told(|lie| match_ending(lie).is_some() || ends_request(lie)).is_some() {
            return Next::Never;
        }
        let unit = match self.unit(direction, bytes, is_all) {
            Next::Pass(unit) => unit,
            other @ (Next::Drop(_) | Next::More | Next::NotBefore(_) | Next::Never) => return other,
        };
        match self.pace(direction, arrived, unit) {
            Ok(unit) => Next::Pass(unit),
            Err(at) => Next::NotBefore(at),
        }
    }

    /// Tells that a piece was handed on.
    pub(crate) fn pass(&mut self, direction: Direction, piece: Piece) {
        if let Piece::Data(data) = &piece {
            self.count(direction, data);
        }
        self.has_headers |= matches!((&piece, direction), (Piece::Headers, Direction::ToClient));
        self.notice(direction, piece, ProxyFate::Passed);
    }

    /// Tells that a message, or a part of one, vanished: no hole is left.
    pub(crate) fn drop_message(&mut self, direction: Direction, data: Bytes) {
        self.feel(|lie| matches!(lie, StreamLie::Drop { direction: dropped, .. } if *dropped == direction));
        self.count(direction, &data);
        self.notice(direction, Piece::Data(data), ProxyFate::Swallowed);
    }

    /// Tells that a piece goes no further. In silence this severs the direction and marks the rules as felt.
    pub(crate) fn swallow(&mut self, direction: Direction, piece: Piece) {
        if self.is_silent(direction) {
            self.side_mut(direction).is_severed = true;
            let silences = self.orders.iter().filter(|order| order.is_silence(direction));
            silences.for_each(|order| order.active.mark.feel());
        }
        self.notice(direction, piece, ProxyFate::Swallowed);
    }

    /// Tells that the stream is over.
    pub(crate) fn close(self) {
        self.observer.notice(ProxyNotice::StreamClosed { stream: self.stream });
    }

    fn side(&self, direction: Direction) -> &GateSide {
        match direction {
            Direction::ToNode => &self.to_node,
            Direction::ToClient => &self.to_client,
        }
    }

    fn side_mut(&mut self, direction: Direction) -> &mut GateSide {
        match direction {
            Direction::ToNode => &mut self.to_node,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// The first rule whose lie is told now and is such a one.
    fn told(&self, is_meant: impl Fn(&StreamLie) -> bool) -> Option<&TimedRule> {
        self.orders.iter().find(|order| order.told().is_some_and(&is_meant))
    }

    /// What the first such lie says; it is felt then.
    fn find<T>(&self, what: impl Fn(&StreamLie) -> Option<T>) -> Option<T> {
        self.orders.iter().find_map(|order| {
            let found = what(order.told()?)?;
            order.active.mark.feel();
            Some(found)
        })
    }

    /// Whether such lies are told now; they are felt then.
    fn feel(&self, is_meant: impl Fn(&StreamLie) -> bool) -> bool {
        let meant = self.orders.iter().filter(|order| order.told().is_some_and(&is_meant));
        // Counted, because `any` would stop at the first.
        meant.map(|order| order.active.mark.feel()).count() > 0
    }

    fn apply(&mut self, rules: &Rules) {
        let face = StreamFace { stream: self.stream, peer: self.peer, path: &self.path, headers: &self.headers };
        let standing = self.standing.iter().filter(|active| active.is_about_stream(&face)).cloned();
        let now_in_force: Vec<_> = standing.chain(rules.about_stream(&face)).collect();
        if now_in_force.is_empty() && self.orders.is_empty() {
            return;
        }
        let now = Instant::now();
        let before = std::mem::take(&mut self.orders);
        let kept = |active: Arc<ActiveRule>| {
            let known = before.iter().find(|order| Arc::ptr_eq(&order.active, &active));
            let (since, is_told) = known.map_or((now, false), |order| (order.since, order.is_told));
            TimedRule { active, since, is_told }
        };
        self.orders = now_in_force.into_iter().map(kept).collect();
        self.keep_up();
        self.note_silence();
    }

    fn note_silence(&mut self) {
        for direction in [Direction::ToNode, Direction::ToClient] {
            self.side_mut(direction).is_ruled = self.orders.iter().any(|order| order.is_silence(direction));
        }
    }

    /// Tells the lies whose moment has come; the moment at which the next one may.
    pub(crate) fn keep_up(&mut self) -> Option<Instant> {
        if self.orders.iter().all(|order| order.is_told) {
            return None;
        }
        let (now, mut next, mut has_changed) = (Instant::now(), None, false);
        for index in 0..self.orders.len() {
            let order = &self.orders[index];
            if order.is_told {
                continue;
            }
            let due = self.due(order);
            if due.is_some_and(|due| due <= now) {
                self.orders[index].is_told = true;
                has_changed = true;
            } else {
                next = next.into_iter().chain(due).min();
            }
        }
        if has_changed {
            self.note_silence();
        }
        next
    }

    /// When a lie that is not told yet is to be told, as far as that is known.
    fn due(&self, order: &TimedRule) -> Option<Instant> {
        let side = self.side(order.counted());
        match order.active.rule.when {
            Trigger::Opened => Some(self.opened),
            Trigger::Age(age) => self.opened.checked_add(age),
            Trigger::Headers => self.has_headers.then_some(self.opened),
            Trigger::Messages(count) => (side.framing.ended() >= u64::from(count)).then_some(self.opened),
            Trigger::Bytes(count) => (side.bytes >= count).then_some(self.opened),
            Trigger::Idle(time) => side.last_byte.unwrap_or(order.since).checked_add(time),
            Trigger::AnswerIdle(_) if !self.has_headers && self.half_closed.is_none() => None,
            Trigger::AnswerIdle(time) => {
                let asked = self.half_closed.filter(|_| !self.has_headers);
                side.last_byte.or(asked).unwrap_or(order.since).checked_add(time)
            }
            Trigger::Unwritten(time) => {
                self.unwritten_since?.max(self.to_node.last_byte.unwrap_or(self.opened)).checked_add(time)
            }
            Trigger::Quiet(time) => self.last_byte(order.since).checked_add(time),
            Trigger::OpenQuiet(_) | Trigger::OpenAge(_) if self.half_closed.is_some() => None,
            Trigger::OpenQuiet(time) => self.last_byte(order.since).checked_add(time),
            Trigger::OpenAge(age) => self.opened.checked_add(age),
            Trigger::HalfClosed(time) => self.half_closed?.checked_add(time),
        }
    }

    /// When the last byte passed either way, or else that time.
    fn last_byte(&self, since: Instant) -> Instant {
        let passed = [self.to_node.last_byte, self.to_client.last_byte];
        passed.into_iter().flatten().max().unwrap_or(since)
    }

    /// How many of the bytes that come next share one fate, and which.
    fn unit(&mut self, direction: Direction, bytes: &[u8], is_all: bool) -> Next {
        let side = self.side(direction);
        let waiting = self.orders.iter().filter(|order| !order.is_told && order.counted() == direction);
        let (mut by_message, mut room) = (false, bytes.len());
        for order in waiting {
            match order.active.rule.when {
                Trigger::Messages(_) => by_message = true,
                Trigger::Bytes(count) => {
                    room = room.min(usize::try_from(count.saturating_sub(side.bytes)).unwrap_or(usize::MAX))
                }
                Trigger::Opened
                | Trigger::Age(_)
                | Trigger::OpenAge(_)
                | Trigger::Headers
                | Trigger::Idle(_)
                | Trigger::AnswerIdle(_)
                | Trigger::Unwritten(_)
                | Trigger::Quiet(_)
                | Trigger::OpenQuiet(_)
                | Trigger::HalfClosed(_) => {}
            }
        }
        let drops =
            |lie: &StreamLie| matches!(lie, StreamLie::Drop { direction: dropped, .. } if *dropped == direction);
        by_message |= side.is_dropping || self.told(drops).is_some();
        if !by_message || bytes.is_empty() {
            return Next::Pass(room);
        }
        let unit = match side.framing.ahead(bytes) {
            Ahead::Within(left) => left,
            Ahead::Begins(size) => {
                let number = side.framing.ended() + 1;
                let is_picked = |lie: &StreamLie| matches!(lie, StreamLie::Drop { direction: dropped, pick } if *dropped == direction && pick.takes(number, size));
                let is_dropping = self.told(is_picked).is_some();
                self.side_mut(direction).is_dropping = is_dropping;
                (size as usize).saturating_add(5)
            }
            Ahead::Unknown if is_all => bytes.len(),
            Ahead::Unknown => return Next::More,
        };
        match self.side(direction).is_dropping {
            true => Next::Drop(unit.min(bytes.len())),
            false => Next::Pass(unit.min(room)),
        }
    }

    /// How many of so many bytes may pass now, or else when the next may.
    fn pace(&mut self, direction: Direction, arrived: Instant, unit: usize) -> Result<usize, Instant> {
        let slows = self.orders.iter().filter_map(|order| {
            let StreamLie::Slow { direction: slow, delay, bytes_per_second } = order.told()? else { return None };
            slow.is_none_or(|slow| slow == direction).then_some((order, *delay, *bytes_per_second))
        });
        let (mut not_before, mut rate) = (arrived, None);
        for (order, delay, bytes_per_second) in slows {
            order.active.mark.feel();
            not_before = not_before.max(arrived.checked_add(delay).unwrap_or(arrived));
            rate = rate.into_iter().chain(bytes_per_second).min();
        }
        let side = self.side_mut(direction);
        let now = Instant::now();
        if rate.is_some() {
            not_before = not_before.max(side.free_at.unwrap_or(now));
        }
        if not_before > now {
            return Err(not_before);
        }
        let Some(rate) = rate else { return Ok(unit) };
        let step = rate.saturating_mul(PACE_STEP.as_millis() as u64) / 1000;
        let unit = unit.min(usize::try_from(step).unwrap_or(usize::MAX).max(1));
        let takes = Duration::from_nanos((unit as u64).saturating_mul(1_000_000_000) / rate.max(1));
        side.free_at = Some(now + takes);
        Ok(unit)
    }

    fn count(&mut self, direction: Direction, data: &Bytes) {
        let now = (!self.orders.is_empty()).then(Instant::now);
        let (opened, slack) = (self.opened, self.slack);
        let side = self.side_mut(direction);
        side.framing.take(data);
        side.bytes += data.len() as u64;
        let is_moved = |now: &Instant| now.duration_since(side.last_byte.unwrap_or(opened)) >= slack;
        side.last_byte = now.filter(is_moved).or(side.last_byte);
    }

    fn notice(&mut self, direction: Direction, piece: Piece, fate: ProxyFate) {
        let stream = self.stream;
        if let (Piece::End(_), Direction::ToNode) = (&piece, direction) {
            self.half_closed = Some(Instant::now());
        }
        self.observer.notice(match piece {
            Piece::Headers => ProxyNotice::Headers { stream, direction, fate },
            Piece::Data(data) => ProxyNotice::Data { stream, direction, data, fate },
            Piece::End(trailers) => ProxyNotice::Trailers { stream, direction, trailers, fate },
            Piece::Reset => ProxyNotice::Reset { stream, direction, fate },
        });
    }
}

/// How a lie ends the stream, if it does.
fn match_ending(lie: &StreamLie) -> Option<&Ending> {
    if let StreamLie::End(ending) = lie { Some(ending) } else { None }
}
