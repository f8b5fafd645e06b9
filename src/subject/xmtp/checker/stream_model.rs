//! What a node may send on one stream, given what the client sent: waves, order, the seam and the markers.
//!
//! Refuses to know hosts, times and what was swallowed on the way to the node. A frame that no lawful node
//! could have sent is a [`Breach`]. `topic_state` knows why the node may be ahead of or behind the tap.
//!
//! ```text
//!   silent ──Started──▶ open ⟲ Mutate: its wave opens
//!                            ⟲ Delivery: of an open wave, or live
//!                            ⟲ TopicsLive: the replay of its topics is over
//!                            ⟲ CatchupComplete: its wave closes, its topics go live
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::channel::{Channel, Cursor, MessageId, Position};
use crate::checker::Requirement;
use crate::subject::xmtp::checker::shelf::Shelf;
use crate::subject::xmtp::checker::topic_state::{
    Change, Presence, Readd, Serial, TopicRefusal, TopicState, Unfinished,
};
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::spec::{S1, S2, S3, S4, S5, S9, S10};
use crate::subject::xmtp::wire::{MutateId, Tag};

/// A frame that must not have been sent.
#[derive(Debug)]
pub(crate) struct Breach {
    pub(crate) requirement: Requirement,
    pub(crate) topic: Option<Channel>,
    pub(crate) id: Option<MessageId>,
    /// Fits after "on stream 1.1.1 of client-1, ".
    pub(crate) what: String,
    /// Records that prove it, beside the frame's own.
    pub(crate) proof: Vec<usize>,
}

impl Breach {
    pub(crate) fn new(requirement: Requirement, what: String) -> Box<Self> {
        Box::new(Breach { requirement, topic: None, id: None, what, proof: Vec::new() })
    }

    pub(crate) fn about(mut self: Box<Self>, topic: &Channel, id: Option<MessageId>) -> Box<Self> {
        (self.topic, self.id) = (Some(topic.clone()), id);
        self
    }

    pub(crate) fn with(mut self: Box<Self>, proof: impl IntoIterator<Item = usize>) -> Box<Self> {
        self.proof.extend(proof);
        self
    }
}

/// A frame of a node that must not have been sent, or nothing.
pub(crate) type Judged = Result<(), Box<Breach>>;

/// A Mutate without its CatchupComplete yet.
struct OpenMutate<'h> {
    serial: Serial,
    id: MutateId,
    index: usize,
    adds: &'h [Position],
    removes: &'h [Channel],
    history_only: bool,
    /// A frame of its wave was seen, so the node has applied it.
    applied: bool,
    newest: Newest<'h>,
}

/// The last message of each kind in one ascending flow, and its record.
type Newest<'h> = BTreeMap<&'h str, (MessageId, usize)>;

/// The state of one stream.
#[derive(Default)]
pub(crate) struct StreamModel<'h> {
    again: Readd,
    started: Option<usize>,
    mutates: Serial,
    open: Vec<OpenMutate<'h>>,
    /// The record in which each id was acknowledged last.
    completed: BTreeMap<MutateId, usize>,
    topics: BTreeMap<&'h Channel, TopicState>,
    live: Newest<'h>,
    /// Pings since the last other frame: each tells of an interval in which the node had nothing to send.
    rests: u64,
}

/// A node that owes a wave and pings so often with nothing in between has forgotten it. A Ping may overtake the frames
/// that wait for a slow reader, and the next may be due before they are read: two prove nothing.
pub(crate) const RESTS_MAX: u64 = 3;

impl<'h> StreamModel<'h> {
    /// A stream of which nothing was seen yet, on which a re-add does that.
    pub(crate) fn new(again: Readd) -> Self {
        StreamModel { again, ..StreamModel::default() }
    }

    /// The client sent a frame, and the proxy passed it on.
    pub(crate) fn request(&mut self, index: usize, frame: &'h XmtpFrame) -> Judged {
        match frame {
            XmtpFrame::Mutate { id, adds, removes, history_only } => {
                self.mutate(index, *id, (adds, removes), *history_only)
            }
            XmtpFrame::Unreadable(why) => {
                Err(Breach::new(S10, format!("the client sent a frame that cannot be read: {why}")))
            }
            XmtpFrame::Started { .. }
            | XmtpFrame::Delivery { .. }
            | XmtpFrame::TopicsLive(_)
            | XmtpFrame::CatchupComplete(_) => {
                Err(Breach::new(S10, "the client sent a frame that only a node may send".to_owned()))
            }
            XmtpFrame::DraftRequest { .. } | XmtpFrame::DraftCatchupComplete | XmtpFrame::OlderCall { .. } => {
                Err(Breach::new(S10, "the client sent a frame of another dialect".to_owned()))
            }
        }
    }

    /// The node, which has stored what is on the shelf, sent a frame, whether or not the proxy passed it on.
    pub(crate) fn response(&mut self, index: usize, frame: &'h XmtpFrame, shelf: &Shelf<'h>) -> Judged {
        self.rests = 0;
        if let XmtpFrame::Started { .. } = frame {
            return match self.started.replace(index) {
                None => Ok(()),
                Some(first) => Err(Breach::new(S1, "the node sent Started twice".to_owned()).with([first])),
            };
        }
        self.needs_started("a frame of the subscription")?;
        match frame {
            XmtpFrame::Delivery { tag, messages } => self.deliver(index, (*tag, messages), shelf),
            XmtpFrame::TopicsLive(topics) => self.tell(topics),
            XmtpFrame::CatchupComplete(id) => self.complete(index, *id, shelf),
            XmtpFrame::Unreadable(why) => {
                Err(Breach::new(S10, format!("the node sent a frame that cannot be read: {why}")))
            }
            XmtpFrame::Mutate { .. } => {
                Err(Breach::new(S10, "the node sent a frame that only a client may send".to_owned()))
            }
            XmtpFrame::DraftRequest { .. } | XmtpFrame::DraftCatchupComplete | XmtpFrame::OlderCall { .. } => {
                Err(Breach::new(S10, "the node sent a frame of another dialect".to_owned()))
            }
            XmtpFrame::Started { .. } => Ok(()),
        }
    }

    /// The node sent so many Pings: it was idle for as many intervals.
    pub(crate) fn rest(&mut self, pings: u64) -> Judged {
        self.rests += pings;
        match self.open.first() {
            Some(owed) if self.rests >= RESTS_MAX => {
                let what = format!(
                    "the node pinged {} times and sent nothing else though {} is unanswered",
                    self.rests, owed.id
                );
                Err(Breach::new(S9, what).with([owed.index]))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The node sent `what`: Started must have come before (S1).
    pub(crate) fn needs_started(&self, what: &str) -> Judged {
        match self.started {
            Some(_) => Ok(()),
            None => Err(Breach::new(S1, format!("the node sent {what} before Started"))),
        }
    }

    fn mutate(
        &mut self,
        index: usize,
        id: MutateId,
        (adds, removes): (&'h [Position], &'h [Channel]),
        history_only: bool,
    ) -> Judged {
        if !adds.is_empty() && id == MutateId(0) {
            return Err(Breach::new(S3, "the client added topics in a Mutate whose id is 0".to_owned()));
        }
        if let Some(held) = self.open.iter().find(|held| held.id == id && !held.adds.is_empty()) {
            let what = format!("the client sent {id} while the wave of that id was in flight");
            return Err(Breach::new(S3, what).with([held.index]));
        }
        self.rests = 0;
        self.mutates += 1;
        let serial = self.mutates;
        for (topic, (removes, adds)) in changes(adds, removes, self.again) {
            let change = Change { serial, removes, adds, history_only, again: self.again };
            self.topics.entry(topic).or_default().expect(change);
        }
        self.open.push(OpenMutate {
            serial,
            id,
            index,
            adds,
            removes,
            history_only,
            applied: false,
            newest: Newest::new(),
        });
        Ok(())
    }

    fn deliver(
        &mut self,
        index: usize,
        (tag, messages): (Tag, &'h [(Channel, MessageId)]),
        shelf: &Shelf<'h>,
    ) -> Judged {
        match tag {
            Tag::Live => self.deliver_live(index, messages, shelf),
            Tag::Wave(id) => self.deliver_wave(index, (id, messages), shelf),
            Tag::Untold => Err(Breach::new(S3, "the node sent messages without a tag".to_owned())),
        }
    }

    fn deliver_live(&mut self, index: usize, messages: &'h [(Channel, MessageId)], shelf: &Shelf<'h>) -> Judged {
        for (topic, id) in messages {
            self.place(Presence::Live, (topic, *id), shelf)
                .map_err(|refusal| self.explain(Tag::Live, (topic, *id), refusal))?;
            ascend(&mut self.live, index, Tag::Live, (topic, *id))?;
        }
        Ok(())
    }

    fn deliver_wave(
        &mut self,
        index: usize,
        (id, messages): (MutateId, &'h [(Channel, MessageId)]),
        shelf: &Shelf<'h>,
    ) -> Judged {
        let tag = Tag::Wave(id);
        let Some(position) = self.open.iter().position(|open| open.id == id && !open.adds.is_empty()) else {
            return Err(match self.completed.get(&id) {
                Some(end) => {
                    let what = format!("the node sent messages of the {tag} after its CatchupComplete");
                    Breach::new(S9, what).with([*end])
                }
                None => Breach::new(S3, format!("the node sent messages of the {tag}, which nobody had started")),
            });
        };
        self.confirm(position);
        let OpenMutate { serial, index: started, history_only, .. } = self.open[position];
        let place = if history_only { Presence::History(serial) } else { Presence::Wave(serial) };
        for (topic, message) in messages {
            self.place(place, (topic, *message), shelf)
                .map_err(|refusal| self.explain(tag, (topic, *message), refusal).with([started]))?;
            ascend(&mut self.open[position].newest, index, tag, (topic, *message))?;
        }
        Ok(())
    }

    /// The wave has begun: the standings from before its Mutate are over for the topics that it added.
    /// Topics that it only removed may still have frames under way (S5).
    fn confirm(&mut self, position: usize) {
        let open = &mut self.open[position];
        if std::mem::replace(&mut open.applied, true) {
            return;
        }
        for add in open.adds {
            if let Some(state) = self.topics.get_mut(&add.channel) {
                state.confirm(open.serial);
            }
        }
    }

    fn place(
        &mut self,
        place: Presence,
        (topic, id): (&Channel, MessageId),
        shelf: &Shelf<'h>,
    ) -> Result<(), TopicRefusal> {
        let state = self.topics.get_mut(topic).ok_or(TopicRefusal::NotSubscribed)?;
        state.deliver(place, id, shelf.of(topic))
    }

    fn explain(&self, tag: Tag, (topic, id): (&Channel, MessageId), refusal: TopicRefusal) -> Box<Breach> {
        let said = format!("the node sent {id} of {topic} as {tag}");
        let (requirement, why) = match refusal {
            TopicRefusal::NotSubscribed if self.topics.contains_key(topic) => {
                (S5, "after that topic had left the stream".to_owned())
            }
            TopicRefusal::NotSubscribed => (S3, "though nobody had added that topic".to_owned()),
            TopicRefusal::Elsewhere(Presence::Wave(serial) | Presence::History(serial)) if tag == Tag::Live => {
                let wave = self.open.iter().find(|open| open.serial == serial);
                let wave = wave.map_or_else(|| "its wave".to_owned(), |open| format!("the wave of {}", open.id));
                (S4, format!("before the CatchupComplete of {wave}"))
            }
            TopicRefusal::Elsewhere(_) => (S3, "though that topic is not in that wave".to_owned()),
            TopicRefusal::Told => (S9, "after TopicsLive had ended the topic's replay".to_owned()),
            TopicRefusal::BelowCursor(cursor) => (S2, format!("though the client asked for what comes {cursor}")),
            TopicRefusal::Skipped(missing) => {
                (S4, format!("and had never sent {missing} of that topic, which it holds"))
            }
            TopicRefusal::Repeated(last) if last == id => (S4, "a second time".to_owned()),
            TopicRefusal::Repeated(last) => (S4, format!("after it had sent {last}")),
        };
        Breach::new(requirement, format!("{said} {why}")).about(topic, Some(id))
    }

    fn tell(&mut self, topics: &'h [Channel]) -> Judged {
        for topic in topics {
            if !self.topics.get_mut(topic).is_some_and(TopicState::tell) {
                let what = format!("the node sent TopicsLive for {topic}, which is not subscribed");
                return Err(Breach::new(S9, what).about(topic, None));
            }
        }
        Ok(())
    }

    fn complete(&mut self, index: usize, id: MutateId, shelf: &Shelf<'h>) -> Judged {
        let Some(position) = self.open.iter().position(|open| open.id == id) else {
            return Err(match self.completed.get(&id) {
                Some(first) => {
                    let what = format!("the node sent CatchupComplete of {id} more often than it was asked");
                    Breach::new(S9, what).with([*first])
                }
                None => Breach::new(S9, format!("the node sent CatchupComplete of {id}, which nobody had sent")),
            });
        };
        // One that started no wave is acknowledged at once, so before all that came after it.
        if let Some(passed) = self.open[..position].iter().find(|earlier| earlier.adds.is_empty()) {
            let what =
                format!("the node sent CatchupComplete of {id} before that of {}, which came earlier", passed.id);
            return Err(Breach::new(S9, what).with([passed.index, self.open[position].index]));
        }
        let done = self.open.remove(position);
        self.completed.insert(id, index);
        let named: BTreeSet<&Channel> = done.adds.iter().map(|add| &add.channel).chain(done.removes).collect();
        for topic in named {
            let Some(state) = self.topics.get_mut(topic) else { continue };
            let said = format!("the node sent CatchupComplete of {id}");
            let breach = match state.complete(done.serial, done.index, shelf.of(topic)) {
                None => continue,
                Some(Unfinished::Untold) => Breach::new(S9, format!("{said} without TopicsLive for {topic}")),
                Some(Unfinished::Undelivered(missing)) => {
                    let what = format!("{said} without {missing} of {topic}, which it held when it was asked");
                    Breach::new(S4, what)
                }
            };
            return Err(breach.about(topic, None).with([done.index]));
        }
        Ok(())
    }
}

/// What a Mutate does to each topic: whether it removes it, and from where it adds it. Of several cursors for one the lowest
/// counts (S5), or the first where a re-add does nothing (section 7).
pub(crate) fn changes<'h>(
    adds: &'h [Position],
    removes: &'h [Channel],
    again: Readd,
) -> BTreeMap<&'h Channel, (bool, Option<Cursor>)> {
    let mut changes: BTreeMap<&Channel, (bool, Option<Cursor>)> = BTreeMap::new();
    for topic in removes {
        changes.entry(topic).or_default().0 = true;
    }
    for add in adds {
        let from = &mut changes.entry(&add.channel).or_default().1;
        *from = match *from {
            Some(first) if again == Readd::Nothing => Some(first),
            before => Some(before.map_or(add.cursor, |cursor| cursor.min(add.cursor))),
        };
    }
    changes
}

/// One flow ascends by id per kind over all its topics (S4).
fn ascend<'h>(newest: &mut Newest<'h>, index: usize, tag: Tag, (topic, id): (&'h Channel, MessageId)) -> Judged {
    let before = newest.insert(topic.sequence(), (id, index));
    match before {
        Some((last, at)) if id <= last => {
            let what = format!("the node sent {id} of {topic} as {tag} after {last} of the same kind");
            Err(Breach::new(S4, what).about(topic, Some(id)).with([at]))
        }
        Some(_) | None => Ok(()),
    }
}
