//! Writes histories by hand for the judges' tests. Two topics, one follower, a keepalive of 30 s.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cast::Cast;
use crate::channel::{Channel, Cursor, MessageId, Position};
use crate::checker::{Checker, Evidence, Verdict};
use crate::fault::Kind;
use crate::fault::kinds::{Partition, Pause, ProxySilence, Suspend};
use crate::fault::{Between, Clause, Direction, Fault, Origin, StreamAim};
use crate::history::{
    BackoffSteps, Beat, Bounds, EndCause, Event, Fate, History, HostName, TapStream, TappedFrame, Terms, key_of_batch,
};
use crate::subject::xmtp::frame::XmtpFrame;
use crate::subject::xmtp::settings::Fleet;
use crate::subject::xmtp::wire::{MutateId, SUBSCRIBE_PATH, Tag};

/// The one follower.
pub(crate) const CLIENT: &str = "client-1";
/// The one node.
pub(crate) const NODE: &str = "node";
/// The one tap stream.
pub(crate) const STREAM: TapStream = TapStream { incarnation: 1, connection: 1, stream: 1 };

/// The first group.
pub(crate) fn alpha() -> Channel {
    Channel::new("group", "alpha")
}

/// The second group.
pub(crate) fn beta() -> Channel {
    Channel::new("group", "beta")
}

/// The hash of the data of the message of that id.
pub(crate) fn key(id: u64) -> u64 {
    id * 1000
}

/// An add of a topic from a cursor.
pub(crate) fn add(channel: Channel, cursor: u64) -> Position {
    Position { channel, cursor: Cursor(cursor) }
}

/// One host.
pub(crate) fn host(name: &str) -> BTreeSet<HostName> {
    BTreeSet::from([name.into()])
}

/// The link between two hosts, both ways.
pub(crate) fn link(one: &str, other: &str) -> Between {
    Between { from: host(one), to: host(other), one_way: false }
}

/// A host's process is paused.
pub(crate) fn pause(name: &str) -> Fault {
    Pause.on(host(name))
}

/// A host is suspended.
pub(crate) fn suspend(name: &str) -> Fault {
    Suspend.on(host(name))
}

/// Nothing passes between two hosts.
pub(crate) fn partition(one: &str, other: &str) -> Fault {
    Partition.on(link(one, other))
}

/// Enough of each role for every test; nodes and proxies carry the streams of all.
fn cast() -> Cast {
    let one = Fleet { nodes: 1, proxies: 1, clients: 3, publishers: 1, visitors: 1, examiners: 0, gateways: 1 }.cast();
    let many = Fleet { nodes: 3, proxies: 3, clients: 0, publishers: 0, visitors: 0, examiners: 0, gateways: 0 }.cast();
    Cast::new(one.members().iter().chain(many.members()).cloned().collect())
}

/// The terms of most tests.
pub(crate) fn usual_terms() -> Terms {
    let adds = vec![add(alpha(), 0), add(beta(), 0)];
    Terms {
        keepalive: Duration::from_secs(30),
        intervals: 3,
        travel: Duration::from_millis(50),
        calm: Duration::from_secs(600),
        within: Duration::from_secs(60),
        end: Duration::from_secs(700),
        followers: vec![(CLIENT.into(), adds)],
        cast: cast(),
        bounds: Bounds::Usual,
        consume: Duration::ZERO,
        denied: Vec::new(),
        old_servers: false,
        silent_servers: false,
        proxies_end_streams: false,
        backoff: BackoffSteps::default(),
        pong_within: None,
    }
}

/// A history in the writing. Times are in seconds.
pub(crate) struct Script {
    history: History,
    now: Duration,
}

impl Script {
    /// Calm at 600 s, within 60 s, end at 700 s; `client-1` follows `alpha` and `beta` from the beginning.
    pub(crate) fn new() -> Self {
        Script::on(usual_terms())
    }

    pub(crate) fn on(terms: Terms) -> Self {
        Script { history: History::default(), now: Duration::ZERO }.event("world", Event::Began(terms))
    }

    pub(crate) fn at(mut self, seconds: f64) -> Self {
        self.now = Duration::from_secs_f64(seconds);
        self
    }

    pub(crate) fn event(mut self, host: &str, event: Event) -> Self {
        self.history.append(self.now, &HostName::from(host), event);
        self
    }

    /// The tap sees a stream of that host end, without a status.
    pub(crate) fn tap_closed(self, host: &str, stream: TapStream) -> Self {
        self.event(host, Event::TapClosed { stream, status: None })
    }

    /// A process begins on each host, and those that have a store tell that it is empty.
    pub(crate) fn all_begin(self) -> Self {
        cast().members().iter().fold(self, |script, member| {
            let script = script.event(&member.name, Event::ProcessBegan { incarnation: 1 });
            match (member.abilities.stores, member.abilities.carries) {
                (true, true) => script.event(&member.name, Event::LogOpened { heads: Vec::new() }),
                (true, false) => script.event(&member.name, Event::InboxOpened { cursors: Vec::new() }),
                (false, _) => script,
            }
        })
    }

    pub(crate) fn dialing(self, attempt: u64) -> Self {
        self.event(CLIENT, Event::Dialing { attempt })
    }

    pub(crate) fn stored(self, topic: Channel, id: u64) -> Self {
        self.event(NODE, Event::Stored { channel: topic, id: MessageId(id), key: key(id) })
    }

    pub(crate) fn produced(self, topic: Channel, id: u64) -> Self {
        self.event("publisher-1", Event::Produced { channel: topic, key: key(id) })
    }

    pub(crate) fn acknowledged(self, topic: Channel, id: u64) -> Self {
        self.event("publisher-1", Event::Acknowledged { channel: topic, key: key(id) })
    }

    pub(crate) fn processed(self, messages: &[(Channel, u64)]) -> Self {
        let key = key_of_batch(messages.iter().map(|(channel, id)| (channel, MessageId(*id), key(*id))));
        self.event(CLIENT, Event::Processed { messages: messages.len() as u64, key })
    }

    pub(crate) fn committed(self, attempt: u64, messages: &[(Channel, u64)]) -> Self {
        let messages = messages.iter().map(|(topic, id)| (topic.clone(), MessageId(*id), key(*id))).collect();
        self.event(CLIENT, Event::Delivered { attempt, messages })
    }

    pub(crate) fn opened(self, attempt: u64) -> Self {
        self.event(CLIENT, Event::Opened { attempt, resume: Vec::new() })
    }

    pub(crate) fn started(self, attempt: u64) -> Self {
        self.event(CLIENT, Event::Started { attempt })
    }

    pub(crate) fn ended(self, attempt: u64) -> Self {
        self.event(CLIENT, Event::Ended { attempt, cause: EndCause::Watchdog, words: "watchdog".into() })
    }

    pub(crate) fn tap_opened(self, stream: TapStream) -> Self {
        self.event(CLIENT, Event::TapOpened { stream, path: SUBSCRIBE_PATH.to_owned() })
    }

    pub(crate) fn beat(self, host: &str, beat: Beat) -> Self {
        self.event(host, Event::Beat { beat, nonce: Some(1) })
    }

    pub(crate) fn heard(self, attempt: u64) -> Self {
        self.beat(CLIENT, Beat::Heard { attempt })
    }

    pub(crate) fn tap(self, way: Direction, fate: Fate, frame: XmtpFrame) -> Self {
        self.event(CLIENT, Event::Tapped { stream: STREAM, way, fate, frame: TappedFrame::new(frame) })
    }

    pub(crate) fn node_sends(self, frame: XmtpFrame) -> Self {
        self.tap(Direction::ToClient, Fate::Passed, frame)
    }

    pub(crate) fn mutate(self, id: u64, adds: &[(Channel, u64)], removes: &[Channel]) -> Self {
        let adds = adds.iter().map(|(topic, cursor)| add(topic.clone(), *cursor)).collect();
        let frame = XmtpFrame::Mutate { id: MutateId(id), adds, removes: removes.to_vec(), history_only: false };
        self.tap(Direction::ToNode, Fate::Passed, frame)
    }

    pub(crate) fn node_starts(self) -> Self {
        self.node_sends(XmtpFrame::Started { keepalive: Some(Duration::from_secs(30)) })
    }

    pub(crate) fn wave(self, id: u64, messages: &[(Channel, u64)]) -> Self {
        self.node_sends(delivery(Tag::Wave(MutateId(id)), messages))
    }

    pub(crate) fn live(self, messages: &[(Channel, u64)]) -> Self {
        self.node_sends(delivery(Tag::Live, messages))
    }

    pub(crate) fn topics_live(self, topics: &[Channel]) -> Self {
        self.node_sends(XmtpFrame::TopicsLive(topics.to_vec()))
    }

    pub(crate) fn complete(self, id: u64) -> Self {
        self.node_sends(XmtpFrame::CatchupComplete(MutateId(id)))
    }

    /// Clause 1 begins: `client-1` is silenced both ways for 300 s.
    pub(crate) fn silence_begins(self) -> Self {
        self.fault_begins(1, ProxySilence { way: None, aim: StreamAim::default() }.on(host(CLIENT)))
    }

    pub(crate) fn silence_ends(self) -> Self {
        self.fault_ends(1)
    }

    /// A clause begins, planned for 300 s.
    pub(crate) fn fault_begins(self, number: u32, fault: Fault) -> Self {
        let clause = Clause { number, at: self.now, lasts: Duration::from_secs(300), fault, origin: Origin::File };
        self.event("world", Event::FaultBegan(clause))
    }

    pub(crate) fn fault_ends(self, number: u32) -> Self {
        self.event("world", Event::FaultEnded { clause: number, felt: true })
    }

    pub(crate) fn history(self) -> History {
        self.history
    }

    /// What `checker` says; evidence must cite a known requirement and records that exist.
    pub(crate) fn judged_by(self, checker: &dyn Checker) -> Verdict {
        let verdict = checker.judge(&self.history);
        if let Verdict::Fail(evidence) = &verdict {
            let cited = checker.cites().iter().any(|requirement| requirement.number == evidence.requirement);
            assert!(cited, "{evidence:?} cites nothing known");
            assert!(evidence.records.is_sorted() && !evidence.records.is_empty(), "{evidence:?} is not proved");
            assert!(evidence.records.iter().all(|index| *index < self.history.records().len()), "{evidence:?}");
            assert!(evidence.what.contains(&evidence.host), "{evidence:?} does not name its host");
        }
        verdict
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
    pub(crate) fn condemned_by(self, checker: &dyn Checker) -> Evidence {
        match self.judged_by(checker) {
            Verdict::Fail(evidence) => evidence,
            other => panic!("not condemned: {other:?}"),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
    pub(crate) fn acquitted_by(self, checker: &dyn Checker) -> String {
        match self.judged_by(checker) {
            Verdict::Pass { seen } => seen,
            other => panic!("not acquitted: {other:?}"),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]
    pub(crate) fn puzzles(self, checker: &dyn Checker) -> String {
        match self.judged_by(checker) {
            Verdict::Unknown { reason } => reason,
            other => panic!("not unknown: {other:?}"),
        }
    }
}

fn delivery(tag: Tag, messages: &[(Channel, u64)]) -> XmtpFrame {
    let messages = messages.iter().map(|(topic, id)| (topic.clone(), MessageId(*id))).collect();
    XmtpFrame::Delivery { tag, messages }
}
