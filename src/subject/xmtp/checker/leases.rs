//! Judges leases: who shares a stream with others is told what it asked for and nothing else, gets what flows at once, and
//! leaves nothing behind on the stream (protocol, section 4).
//!
//! Refuses to know what each was to get from where: delivery and convergence judge every sharer as a follower.
//!
//! ```text
//!   a channel of a sharer:  absent --asked for--> awaited --marked--> live --given up--> absent
//!   all of a sharer:        asking --marked--> caught up --asks--> asking
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::channel::{Channel, MessageId, Position};
use crate::checker::excuse::Excuses;
use crate::checker::judge::{Checker, NO_TERMS, terms};
use crate::checker::{Evidence, Requirement, Verdict};
use crate::fault::Direction;
use crate::grammar::Readable;
use crate::history::{Bounds, Event, Fate, History, Record, TapStream, Terms};
use crate::subject::xmtp::checker::GATEWAY;
use crate::subject::xmtp::checker::latency::PROMPT;
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::spec::{C4, S2, S9};
use crate::subject::xmtp::wire::Tag;

/// What the judge of latency allows, at nodes that grant less than usual: there the gateway asks for one thing at a time, with pauses.
const PACED: Duration = Duration::from_secs(60);
/// How often it looks for what is overdue.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub struct Leases;

impl Checker for Leases {
    fn name(&self) -> &'static str {
        "leases"
    }

    fn promises(&self) -> &'static str {
        "Who shares a stream is marked live where it asked to be and nowhere else, gets at once what flows, whatever its \
            siblings do, and what nobody shares any more leaves the stream."
    }

    fn cites(&self) -> &'static [Requirement] {
        &[S2, S9, C4]
    }

    fn judge(&self, history: &History) -> Verdict {
        let Some(terms) = terms(history) else { return Verdict::unknown(NO_TERMS) };
        let mut book = LeaseBook::new(terms, Excuses::read(history));
        if !book.is_cast {
            return book.close();
        }
        for (index, record) in history.records().iter().enumerate() {
            if let Err(evidence) = book.look(record.at).and_then(|()| book.take(index, record)) {
                return Verdict::Fail(*evidence);
            }
        }
        book.close()
    }
}

/// A message that has come for a sharer, and that it has not taken yet.
struct Awaited<'h> {
    channel: &'h Channel,
    id: MessageId,
    since: Duration,
    index: usize,
}

/// Somebody who shares a stream.
#[derive(Default)]
struct Sharer<'h> {
    via: &'h str,
    lease: u64,
    /// Its channels, and since when and by which record each waits for its marker, where it does.
    channels: BTreeMap<&'h Channel, Option<(Duration, usize)>>,
    /// It is to be told once that it is caught up: since it asked or was told last that a channel is live, and that record.
    asking: Option<(Duration, usize)>,
    /// Until when it takes nothing.
    rests_until: Duration,
    awaited: VecDeque<Awaited<'h>>,
}

/// A stream that is shared.
struct SharedStream<'h> {
    name: TapStream,
    opened: Duration,
    /// What is on it, and since when and by which record nobody shares it, where nobody does.
    channels: BTreeMap<&'h Channel, Option<(Duration, usize)>>,
}

struct LeaseBook<'h> {
    excuses: Excuses<'h>,
    allowed: Duration,
    end: Duration,
    /// Anybody is there through whom to share.
    is_cast: bool,
    sharers: BTreeMap<&'h str, Sharer<'h>>,
    /// The newest stream of each host through which anybody shares.
    streams: BTreeMap<&'h str, SharedStream<'h>>,
    next_look: Duration,
    asked: u64,
    marked: u64,
    passed_on: u64,
}

impl<'h> LeaseBook<'h> {
    fn new(terms: &Terms, excuses: Excuses<'h>) -> Self {
        LeaseBook {
            excuses,
            allowed: if terms.bounds == Bounds::Usual { PROMPT } else { PACED } + terms.travel * 4,
            end: terms.end,
            is_cast: terms.cast.members().iter().any(|member| member.name.role() == GATEWAY),
            sharers: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_look: Duration::ZERO,
            asked: 0,
            marked: 0,
            passed_on: 0,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a judge looks at what concerns it, and a new event does not")]
    fn take(&mut self, index: usize, record: &'h Record) -> Result<(), Box<Evidence>> {
        let host: &'h str = &record.host;
        match &record.event {
            Event::Leased { via, lease, adds, removes } => {
                self.lease(index, record, (via, *lease), (adds, removes));
            }
            Event::LeaseMarked { channel } => return self.mark(index, record, channel.as_ref()),
            Event::LeaseOver => {
                self.sharers.remove(host);
                self.note_unshared(index, record.at);
            }
            Event::Resting { lasts } => {
                if let Some(sharer) = self.sharers.get_mut(host) {
                    sharer.rests_until = record.at + *lasts;
                }
            }
            Event::Delivered { messages, .. } => self.settle(host, messages),
            Event::ProcessBegan { .. } | Event::ProcessKilled => {
                self.sharers.retain(|_, sharer| sharer.via != host);
                self.streams.remove(host);
            }
            Event::TapOpened { stream, .. } => {
                let shared = SharedStream { name: *stream, opened: record.at, channels: BTreeMap::new() };
                self.streams.insert(host, shared);
                self.forget_awaited(host);
            }
            Event::TapClosed { stream, .. } | Event::Tapped { stream, fate: Fate::Swallowed, .. }
                if self.streams.get(host).is_some_and(|shared| shared.name == *stream) =>
            {
                self.streams.remove(host);
                self.forget_awaited(host);
            }
            Event::Tapped { stream, way, fate: Fate::Passed, frame } => {
                if let Some(frame) = XmtpFrame::of(frame) {
                    self.tap(index, record, *stream, (*way, frame));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What has come through that host may come again, on another stream.
    fn forget_awaited(&mut self, via: &str) {
        self.sharers.values_mut().filter(|sharer| sharer.via == via).for_each(|sharer| sharer.awaited.clear());
    }

    fn lease(
        &mut self,
        index: usize,
        record: &'h Record,
        (via, lease): (&'h str, u64),
        (adds, removes): (&'h [Position], &'h [Channel]),
    ) {
        let sharer = self.sharers.entry(&record.host).or_default();
        if sharer.lease != lease || sharer.via != via {
            *sharer = Sharer { via, lease, ..Sharer::default() };
        }
        let changed: BTreeSet<&Channel> = adds.iter().map(|add| &add.channel).chain(removes).collect();
        sharer.awaited.retain(|awaited| !changed.contains(awaited.channel));
        sharer.channels.retain(|channel, _| !removes.contains(channel));
        sharer.channels.extend(adds.iter().map(|add| (&add.channel, Some((record.at, index)))));
        sharer.asking = Some((record.at, index));
        self.asked += adds.len() as u64;
        self.note_unshared(index, record.at);
    }

    fn mark(&mut self, index: usize, record: &'h Record, channel: Option<&Channel>) -> Result<(), Box<Evidence>> {
        let host = &record.host;
        let sharer = self.sharers.entry(host).or_default();
        let wrong = match channel {
            Some(channel) => match sharer.channels.get_mut(channel) {
                Some(awaited @ Some(_)) => {
                    *awaited = None;
                    sharer.asking = sharer.asking.map(|_| (record.at, index));
                    self.marked += 1;
                    return Ok(());
                }
                Some(None) => format!("{host} was told a second time that {channel} is live"),
                None => format!("{host} was told that {channel} is live, which it had not asked for"),
            },
            None if sharer.asking.is_none() => {
                format!("{host} was told that it is caught up, and had asked for nothing since")
            }
            None => match sharer.channels.iter().find(|(_, awaited)| awaited.is_some()) {
                None => {
                    sharer.asking = None;
                    return Ok(());
                }
                Some((channel, _)) => format!("{host} was told that it is caught up before {channel} was live"),
            },
        };
        let evidence = Evidence::new(index, record, S9, wrong);
        Err(Box::new(match channel {
            Some(channel) => evidence.about(channel, None),
            None => evidence,
        }))
    }

    fn settle(&mut self, host: &str, messages: &[(Channel, MessageId, u64)]) {
        let Some(sharer) = self.sharers.get_mut(host) else { return };
        for (channel, id, _) in messages {
            let at = sharer.awaited.iter().position(|awaited| awaited.id == *id && awaited.channel == channel);
            if let Some(at) = at {
                sharer.awaited.remove(at);
                self.passed_on += 1;
            }
        }
    }

    fn tap(&mut self, index: usize, record: &'h Record, stream: TapStream, (way, frame): (Direction, &'h XmtpFrame)) {
        let host: &'h str = &record.host;
        let Some(shared) = self.streams.get_mut(host).filter(|shared| shared.name == stream) else { return };
        match (way, frame) {
            (Direction::ToNode, XmtpFrame::Mutate { adds, removes, .. }) => {
                shared.channels.retain(|channel, _| !removes.contains(channel));
                shared.channels.extend(adds.iter().map(|add| (&add.channel, None)));
                self.note_unshared(index, record.at);
            }
            (Direction::ToClient, XmtpFrame::Delivery { tag: Tag::Live, messages }) => {
                for (channel, id) in messages {
                    let awaits = |sharer: &&mut Sharer<'h>| {
                        sharer.via == host && sharer.channels.get(channel).is_some_and(Option::is_none)
                    };
                    for sharer in self.sharers.values_mut().filter(awaits) {
                        sharer.awaited.push_back(Awaited { channel, id: *id, since: record.at, index });
                    }
                }
            }
            (Direction::ToNode | Direction::ToClient, _) => {}
        }
    }

    /// Notes which channels of the streams nobody shares from now on, and which somebody shares again.
    fn note_unshared(&mut self, index: usize, now: Duration) {
        for (host, shared) in &mut self.streams {
            let sharers = self.sharers.values().filter(|sharer| sharer.via == *host);
            let leased: BTreeSet<&Channel> = sharers.flat_map(|sharer| sharer.channels.keys().copied()).collect();
            for (channel, unshared) in &mut shared.channels {
                *unshared = if leased.contains(channel) { None } else { unshared.or(Some((now, index))) };
            }
        }
    }

    /// Looks for what is overdue by `now`.
    fn look(&mut self, now: Duration) -> Result<(), Box<Evidence>> {
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + LOOKS_EVERY;
        let allowed = self.allowed;
        let excuses = &self.excuses;
        let is_due = |since: Duration| now > since + allowed && excuses.is_calm(since, since + allowed);
        for (host, sharer) in &mut self.sharers {
            // Without a stream on which all passes nobody gets anything, and that is for others to judge.
            let Some(shared) = self.streams.get(sharer.via) else { continue };
            let begins = |since: Duration| since.max(sharer.rests_until).max(shared.opened);
            for (channel, awaited) in &mut sharer.channels {
                let Some((since, index)) = awaited.filter(|(since, _)| is_due(begins(*since))) else { continue };
                let what = format!("{host} was not told within {} that {channel} is live", Readable(allowed));
                return Err(Box::new(Evidence::at(since, host, S9, what).about(channel, None).with([index])));
            }
            let told_all = sharer.channels.values().all(Option::is_none);
            if let Some((since, index)) = sharer.asking.filter(|(since, _)| told_all && is_due(begins(*since))) {
                let what = format!(
                    "{host} was not told within {} that it is caught up, and all that it had asked for is live",
                    Readable(allowed)
                );
                return Err(Box::new(Evidence::at(since, host, S9, what).with([index])));
            }
            while let Some(first) = sharer.awaited.pop_front_if(|first| now > begins(first.since) + allowed) {
                if is_due(begins(first.since)) {
                    let (channel, id) = (first.channel, first.id);
                    let what = format!(
                        "{host} had not got {id} of {channel} {} after it had come to {}, whose stream it shares, and \
                            nothing was wrong",
                        Readable(allowed),
                        sharer.via
                    );
                    let evidence = Evidence::at(first.since, host, S2, what).about(channel, Some(id));
                    return Err(Box::new(evidence.with([first.index])));
                }
            }
        }
        for (host, shared) in &self.streams {
            for (channel, unshared) in &shared.channels {
                let Some((since, index)) = unshared.filter(|(since, _)| is_due(*since)) else { continue };
                // Only a host through which somebody shares has anything to give up.
                if !self.sharers.values().any(|sharer| sharer.via == *host) {
                    continue;
                }
                let what =
                    format!("{host} kept {channel} on its stream for {} when nobody shared it", Readable(allowed));
                return Err(Box::new(Evidence::at(since, host, C4, what).about(channel, None).with([index])));
            }
        }
        Ok(())
    }

    fn close(mut self) -> Verdict {
        self.next_look = Duration::ZERO;
        if let Err(evidence) = self.look(self.end) {
            return Verdict::Fail(*evidence);
        }
        match self.asked {
            0 if self.is_cast => Verdict::unknown("nobody shared a stream, though a gateway is cast for that"),
            0 => Verdict::Pass { seen: "nobody is cast to share a stream".to_owned() },
            asked => Verdict::Pass {
                seen: format!(
                    "channels asked for: {asked}, marked: {}, live messages passed on: {}; in time, and to nobody else",
                    self.marked, self.passed_on
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::script::{NODE, STREAM, Script, add, alpha, beta, pause};
    use crate::subject::xmtp::wire::{MutateId, SUBSCRIBE_PATH};

    const HOST: &str = "gateway-1";
    const SHARER: &str = "identity-1";

    fn leases(script: Script, adds: &[Channel], removes: &[Channel]) -> Script {
        let adds = adds.iter().map(|channel| add(channel.clone(), 0)).collect();
        script.event(SHARER, Event::Leased { via: HOST.into(), lease: 1, adds, removes: removes.to_vec() })
    }

    fn marked(script: Script, channel: Option<Channel>) -> Script {
        script.event(SHARER, Event::LeaseMarked { channel })
    }

    fn tapped(script: Script, way: Direction, frame: XmtpFrame) -> Script {
        let frame = crate::history::TappedFrame::new(frame);
        script.event(HOST, Event::Tapped { stream: STREAM, way, fate: Fate::Passed, frame })
    }

    fn mutate(script: Script, adds: &[Channel], removes: &[Channel]) -> Script {
        let adds = adds.iter().map(|channel| add(channel.clone(), 0)).collect();
        let frame = XmtpFrame::Mutate { id: MutateId(1), adds, removes: removes.to_vec(), history_only: false };
        tapped(script, Direction::ToNode, frame)
    }

    /// Alpha is leased, on the stream and live from 2 s on; that it is caught up the sharer is not told.
    fn untold(script: Script) -> Script {
        let opened = Event::TapOpened { stream: STREAM, path: SUBSCRIBE_PATH.to_owned() };
        let script = leases(script.at(1.0).event(HOST, opened), &[alpha()], &[]);
        let script = mutate(script, &[alpha()], &[]).at(2.0);
        marked(script, Some(alpha()))
    }

    /// The same, and it is told.
    fn live(script: Script) -> Script {
        marked(untold(script), None)
    }

    /// The sharer is told that the channel is live, and that all are.
    fn all_live(script: Script, channel: Channel) -> Script {
        marked(marked(script, Some(channel)), None)
    }

    fn comes(script: Script) -> Script {
        let messages = vec![(alpha(), MessageId(1))];
        tapped(script.at(3.0), Direction::ToClient, XmtpFrame::Delivery { tag: Tag::Live, messages })
    }

    fn got(script: Script) -> Script {
        script.event(SHARER, Event::Delivered { attempt: 1, messages: vec![(alpha(), MessageId(1), 7)] })
    }

    #[test]
    fn who_gets_what_it_asked_for_is_acquitted() {
        let seen = got(comes(live(Script::new())).at(3.1)).acquitted_by(&Leases);
        assert_eq!(seen, "channels asked for: 1, marked: 1, live messages passed on: 1; in time, and to nobody else");
        assert!(Script::new().puzzles(&Leases).starts_with("nobody shared a stream, though"));
        let alone =
            Terms { cast: crate::cast::Cast::default(), ..terms(&Script::new().history()).expect("terms").clone() };
        assert_eq!(Script::on(alone).acquitted_by(&Leases), "nobody is cast to share a stream");
        assert_eq!(Leases.judge(&History::default()), Verdict::unknown(NO_TERMS));
    }

    #[test]
    fn who_is_never_told_that_it_is_caught_up_has_the_gateway_condemned() {
        let evidence = untold(Script::new()).condemned_by(&Leases);
        assert!(
            evidence.what.ends_with("that it is caught up, and all that it had asked for is live"),
            "{}",
            evidence.what
        );
        assert_eq!((evidence.topic, evidence.at), (None, Duration::from_secs(2)));
        untold(Script::new()).at(3.0).event(SHARER, Event::LeaseOver).acquitted_by(&Leases);
        leases(live(Script::new()), &[], &[alpha()]).condemned_by(&Leases);
    }

    #[test]
    fn a_marker_that_nobody_asked_for_is_condemned() {
        let foreign = marked(live(Script::new()), Some(beta())).condemned_by(&Leases);
        assert_eq!((foreign.requirement.as_str(), foreign.host.as_str()), ("S9", SHARER));
        let twice = marked(live(Script::new()), Some(alpha())).condemned_by(&Leases);
        assert!(twice.what.contains("a second time"), "{}", twice.what);
        let again = marked(leases(live(Script::new()), &[alpha()], &[]), Some(alpha()));
        marked(again, None).acquitted_by(&Leases);
        let caught_up = marked(live(Script::new()), None).condemned_by(&Leases);
        assert!(caught_up.what.contains("asked for nothing since"), "{}", caught_up.what);
        let early = marked(leases(live(Script::new()), &[beta()], &[]), None).condemned_by(&Leases);
        assert!(early.what.contains("before group:beta was live"), "{}", early.what);
    }

    #[test]
    fn a_marker_that_does_not_come_is_condemned_unless_something_is_wrong_or_it_rests() {
        let asks = |script| leases(live(script), &[beta()], &[]);
        let evidence = asks(Script::new()).condemned_by(&Leases);
        assert!(evidence.what.starts_with("identity-1 was not told within 10.2s"), "{}", evidence.what);
        asks(Script::new().fault_begins(1, pause(NODE))).acquitted_by(&Leases);
        let swallowed = crate::history::TappedFrame::new(XmtpFrame::CatchupComplete(MutateId(9)));
        let (stream, way, fate, frame) = (STREAM, Direction::ToNode, Fate::Swallowed, swallowed);
        asks(Script::new()).event(HOST, Event::Tapped { stream, way, fate, frame }).acquitted_by(&Leases);
        let rests = asks(Script::new()).event(SHARER, Event::Resting { lasts: Duration::from_secs(60) });
        all_live(rests.at(70.0), beta()).acquitted_by(&Leases);
        asks(Script::new()).event(SHARER, Event::LeaseOver).acquitted_by(&Leases);
    }

    #[test]
    fn a_message_that_its_sharer_does_not_get_at_once_is_condemned_unless_it_rests() {
        let evidence = comes(live(Script::new())).condemned_by(&Leases);
        assert_eq!((evidence.requirement.as_str(), evidence.id), ("S2", Some(MessageId(1))));
        got(comes(live(Script::new())).at(20.0)).condemned_by(&Leases);
        let rests = |lasts| live(Script::new()).event(SHARER, Event::Resting { lasts: Duration::from_secs(lasts) });
        got(comes(rests(30)).at(40.0)).acquitted_by(&Leases);
        got(comes(rests(5)).at(40.0)).condemned_by(&Leases);
        leases(comes(live(Script::new())), &[], &[alpha()]).event(SHARER, Event::LeaseOver).acquitted_by(&Leases);
    }

    #[test]
    fn what_nobody_shares_leaves_the_stream() {
        let left = |script| leases(live(script), &[beta()], &[alpha()]);
        let stays = all_live(left(Script::new()), beta()).condemned_by(&Leases);
        assert_eq!((stays.requirement.as_str(), stays.host.as_str()), ("C4", HOST));
        mutate(all_live(left(Script::new()), beta()).at(4.0), &[], &[alpha()]).acquitted_by(&Leases);
        let back = all_live(left(Script::new()), beta()).at(4.0);
        all_live(leases(back, &[alpha()], &[]), alpha()).acquitted_by(&Leases);
    }

    #[test]
    fn with_its_gateway_all_is_over() {
        let killed = leases(live(Script::new()), &[beta()], &[]).event(HOST, Event::ProcessKilled);
        killed.acquitted_by(&Leases);
        comes(live(Script::new())).tap_closed(HOST, STREAM).acquitted_by(&Leases);
    }
}
